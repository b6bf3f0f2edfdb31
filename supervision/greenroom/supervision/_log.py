"""The library's logger: structlog where the host has configured it, the host's stdlib logging where not."""

import logging
from typing import Any, Final

import structlog

NAME: Final = "greenroom"
logging.getLogger(NAME).addHandler(logging.NullHandler())

_stdlib: Final[Any] = structlog.wrap_logger(
    logging.getLogger(NAME),
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.processors.format_exc_info,
        structlog.stdlib.render_to_log_kwargs,
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
    context_class=dict,
    cache_logger_on_first_use=False,
)


def get_logger(**context: object) -> Any:
    """Return a logger bound with ``context``. Events are names, facts are keywords: ``log.info("x.y", n=1)``.

    Whoever embeds greenroom decides where its log goes: to their structlog configuration if there is one, else
    to the stdlib logger ``greenroom``, which is silent until the host adds a handler.
    """
    logger = structlog.get_logger(NAME) if structlog.is_configured() else _stdlib
    return logger.bind(**context) if context else logger
