"""Sets logging up for the command. Only here: as a library, greenroom leaves it to its host.

The library's loggers end in stdlib ``logging`` under the name ``greenroom``, with a NullHandler. This module
gives the root logger one handler, which writes to stderr what any logger says, as text or as JSON lines.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO, cast

import structlog

from greenroom.actors.context import MASK, Token

ROOT_LEVEL: Final = logging.WARNING
"""Other people's libraries are heard only when something is wrong, whatever level greenroom's own has."""

WRITTEN: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")
"""A token as others write it: LiveKit's SDK says which one a server has refused."""


def configure(*, level: str, as_json: bool) -> None:
    """Send greenroom's log of ``level`` and above to stderr, and warnings of anybody else.

    Calling it again replaces what it did before.
    """
    handler = _Stderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_shared()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                mask_tokens,
                *_renderers(as_json=as_json),
                _mask_written,
            ],
        )
    )
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Stderr)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(ROOT_LEVEL)
    logging.getLogger("greenroom").setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def mask_tokens(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace every `Token` among the values of a log event, however deep, by ``***``."""
    for name, value in event.items():
        event[name] = _masked(value)
    return event


def _mask_written(_logger: object, _method: str, line: Any) -> str:
    """Replace every token that somebody has written out in a line, or in the traceback behind it."""
    return WRITTEN.sub(MASK, str(line))


def _masked(value: object) -> object:
    match value:
        case Token():
            return MASK
        case Mapping():
            return {name: _masked(inner) for name, inner in cast("Mapping[object, object]", value).items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(inner) for inner in cast("list[object]", value)]
        case _:
            return value


def _shared() -> list[structlog.typing.Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _renderers(*, as_json: bool) -> list[structlog.typing.Processor]:
    if as_json:
        # What is not plain data is shown as its text, which for a token is the mask.
        return [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(default=str)]
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    ]


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever stderr is at the moment: the live view puts itself in its place while it is drawn."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr
