"""Who is restarted: the restart types, the ways an actor can end, and the one rule that joins them.

| ended by        | permanent | transient | temporary |
|-----------------|-----------|-----------|-----------|
| `Normal`        | restart   | stay down | stay down |
| `Shutdown`      | restart   | stay down | stay down |
| `Crashed`       | restart   | restart   | stay down |
| `Fenced`        | restart   | restart   | stay down |
| `FailedToStart` | restart   | restart   | stay down |
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, assert_never


class Restart(StrEnum):
    """When a supervisor replaces a child that ended by itself."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only when it ended otherwise than normally or by shutdown."""
    TEMPORARY = "temporary"
    """Never; its spec goes with it."""


@dataclass(frozen=True, slots=True)
class Normal:
    """It had done what it was for."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """It was asked to stop, or said that it shuts down.

    Attributes:
        detail: what was said about why; counts the same, whatever it is.
    """

    detail: str = ""


SHUTDOWN: Final = Shutdown()
"""A stop for no particular reason: one object for all that are stopped so."""


@dataclass(frozen=True, slots=True)
class Crashed:
    """A handler raised.

    Attributes:
        exception: what it raised.
    """

    exception: BaseException


@dataclass(frozen=True, slots=True)
class Fenced:
    """It was cut off, because it did not stop in its budget or because it was not to be given one (OTP: killed).

    Attributes:
        reason: which budget it overran, or who wanted it cut off.
    """

    reason: str = ""


@dataclass(frozen=True, slots=True)
class FailedToStart:
    """It never ran: its start raised or overran its budget.

    Attributes:
        exception: why.
    """

    exception: BaseException


Cause: TypeAlias = Normal | Shutdown | Crashed | Fenced | FailedToStart
"""How an incarnation ended: a closed union."""


def error_of(cause: Cause | None) -> BaseException | None:
    """Return the error of which somebody has ended, if it was one."""
    return cause.exception if isinstance(cause, Crashed | FailedToStart) else None


def is_abnormal(cause: Cause) -> bool:
    """Whether an end is one that nobody wanted."""
    match cause:
        case Normal() | Shutdown():
            return False
        case Crashed() | Fenced() | FailedToStart():
            return True
    assert_never(cause)


def should_restart(restart: Restart, cause: Cause) -> bool:
    """Whether a child of this restart type is replaced after this end."""
    match restart:
        case Restart.PERMANENT:
            return True
        case Restart.TRANSIENT:
            return is_abnormal(cause)
        case Restart.TEMPORARY:
            return False
    assert_never(restart)
