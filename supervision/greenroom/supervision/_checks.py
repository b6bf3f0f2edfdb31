"""One tiny check per kind of field: each returns the value, or raises `BadSpec` by name, value and what would do."""

import sys
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from greenroom.supervision.errors import BadSpec

T = TypeVar("T")
E = TypeVar("E", bound=Enum)


def integer(field: str, value: object, *, least: int, most: int, or_else: str = "") -> int:
    """Check for an integer in ``[least, most]``. A bool is not an integer here."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadSpec(field, value, f"an integer from {least} to {most}{or_else}")
    return value


def number(field: str, value: object, *, least: float, most: float) -> float:
    """Check for a number in ``[least, most]``; an integer stays one. A bool is not a number here."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadSpec(
            field, value, f"a number from {least:g} to {most:g}"
        )  # NaN compares as False, so it lands here too
    return value


def text(field: str, value: object, *, most: int) -> str:
    """Check for a text that is not empty, can be printed, and has at most ``most`` characters."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > most:
        raise BadSpec(field, value, f"a printable text of 1 to {most} characters")
    return value


def boolean(field: str, value: object) -> bool:
    """Check for True or False, and nothing that merely counts as one."""
    if not isinstance(value, bool):
        raise BadSpec(field, value, "True or False")
    return value


def member(field: str, value: object, of: type[E]) -> E:
    """Check for a member of an enumeration. Its bare text is refused: one way to say it."""
    if not isinstance(value, of):
        raise BadSpec(field, value, f"one of {', '.join(str(each) for each in _names(of))}")
    return value


def instance(field: str, value: object, of: type[T]) -> T:
    """Check for an instance of ``of``."""
    if not isinstance(value, of):
        raise BadSpec(field, value, f"a {of.__name__}")
    return value


def arguments(field: str, value: object) -> None:
    """Check for a tuple. The values may be secrets, so the error shows the type alone."""
    if not isinstance(value, tuple):
        raise BadSpec(field, type(value), "a tuple")


def event_loop(field: str, value: object) -> Any:
    """Check for an asyncio event loop that is not closed."""
    asyncio: Any = sys.modules.get("asyncio")  # who has a loop has loaded it; who has none need not
    loop: Any = value
    if asyncio is None or not isinstance(loop, asyncio.AbstractEventLoop) or loop.is_closed():
        raise BadSpec(field, value, "an asyncio event loop that is not closed")
    return loop


def function(field: str, value: object) -> Callable[..., Any]:
    """Check for something that can be called."""
    if not callable(value):
        raise BadSpec(field, value, "an actor class or another callable")
    return value


def _names(of: type[Enum]) -> list[str]:
    return [f"{of.__name__}.{each.name}" for each in of]
