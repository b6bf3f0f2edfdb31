"""What a family of children can be told to do, and what each child is doing: values only."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias


class ChildStatus(StrEnum):
    """What a child is doing, as its supervisor sees it."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    """It is down and will be started: its back-off, its turn, or its acknowledgement is waited for."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    """Known, and not running: it ended in a way that is not restarted, was stopped, or was never started."""


# Looking a member of an enumeration up by its class takes Python 3.11 ten times as long as a name of a module.
STARTING: Final = ChildStatus.STARTING
RUNNING: Final = ChildStatus.RUNNING
RESTARTING: Final = ChildStatus.RESTARTING
STOPPING: Final = ChildStatus.STOPPING
STOPPED: Final = ChildStatus.STOPPED


@dataclass(frozen=True, slots=True)
class Start:
    """Start this child, now."""

    child: str


@dataclass(frozen=True, slots=True)
class StartAfter:
    """Say `Family.due` of this child after a while, unless that is cancelled."""

    child: str
    delay_ns: int


@dataclass(frozen=True, slots=True)
class CancelStart:
    """Take the `StartAfter` of this child back."""

    child: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask this child to stop, within its budget."""

    child: str


@dataclass(frozen=True, slots=True)
class Forget:
    """This child is over, and not kept."""

    child: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The intensity is passed because of this child: stop all, then yourself."""

    child: str


@dataclass(frozen=True, slots=True)
class OverBudget:
    """This child is not restarted, because a subtree's budget has none left: its owner is to give up.

    Attributes:
        child: which.
        owner: path of the supervisor that declared it.
        first: whether it is exceeded by this; else its owner has heard of it.
    """

    child: str
    owner: str
    first: bool


@dataclass(frozen=True, slots=True)
class ShutDown:
    """This significant child has ended, and nothing is left to do: stop all, then yourself."""

    child: str


Decision: TypeAlias = Start | StartAfter | CancelStart | Stop | Forget | GiveUp | OverBudget | ShutDown
Decisions: TypeAlias = tuple[Decision, ...]
