"""The library's logger: structlog where the host has configured it, the host's stdlib logging where not."""

import logging
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from functools import cache
from typing import Any, Final

NAME: Final = "greenroom"
_NO_FACTS: Final = frozenset({"event", "exception", "frames"})
"""What a message does not repeat: the name that it begins with, and what has many lines."""
_LOGGER: Final = logging.getLogger(NAME)
_LOGGER.addHandler(logging.NullHandler())


@cache
def _stdlib() -> Any:
    import structlog  # noqa: PLC0415 - half of the time to import this floor, and nobody logs at import

    return structlog.wrap_logger(
        logging.getLogger(NAME),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            say_facts,
            structlog.stdlib.render_to_log_kwargs,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=False,
    )


def say_facts(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the facts into the message as well, because plain formatters show nothing else of a record.

    >>> say_facts(None, "info", {"event": "room.opened", "room": "lobby", "url": ""})["event"]
    "room.opened room='lobby' url=''"
    """
    facts = [f"{name}={value!r}" for name, value in event.items() if name not in _NO_FACTS]
    return {**event, "event_name": event["event"], "event": " ".join([event["event"], *facts])}


def get_logger(**context: object) -> Any:
    """Return a logger bound with ``context``. Events are names, facts are keywords: ``log.info("x.y", n=1)``.

    Whoever embeds greenroom decides where its log goes: to their structlog configuration if there is one, else
    to the stdlib logger ``greenroom``, which is silent until the host adds a handler.
    """
    import structlog  # noqa: PLC0415 - as above

    logger = structlog.get_logger(NAME) if structlog.is_configured() else _stdlib()
    return logger.bind(**context) if context else logger


def is_heard(level: int) -> bool:
    """Whether a line of that level may be of use to anybody: what is not need not be put together."""
    import structlog  # noqa: PLC0415 - as above

    return structlog.is_configured() or _LOGGER.isEnabledFor(level)


def say(level: int, event: str, **facts: object) -> None:
    """Log from within the machine: the host's log handlers are guests, and harm nobody if they fail."""
    with suppress(Exception):
        get_logger().log(level, event, **facts)


def log_bug(event: str, error: BaseException, **facts: object) -> None:
    """Log what should not have happened, by types and places."""
    say(logging.ERROR, event, **facts, error=type(error).__name__, frames=outline(error))


def outline(error: BaseException | None) -> str:
    """Return where an error and its causes came from: types and frames, never a text, which may hold a secret.

    >>> try: {}["sekrit"]
    ... except KeyError as error: print(outline(error))
    KeyError
      <doctest greenroom.supervision._log.outline[0]>:1 in <module>
    """
    lines: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        lines.append(type(error).__name__)
        lines += [
            f"  {frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"
            for frame, line in traceback.walk_tb(error.__traceback__)
        ]
        error = error.__cause__ or error.__context__
    return "\n".join(lines)
