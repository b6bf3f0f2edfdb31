"""What the machine tells actors: that somebody they watch has ended, and how their children fare."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from greenroom.supervision._restart import Cause

if TYPE_CHECKING:
    from greenroom.supervision._ref import ActorRef


class Ignore:
    """What ``on_start`` returns when the actor has decided not to run; not an error."""

    def __repr__(self) -> str:
        return "IGNORE"


class StartLater:
    """What ``on_start`` returns when it will say by ``self.acknowledge(...)`` that it has started."""

    def __repr__(self) -> str:
        return "START_LATER"


IGNORE: Final = Ignore()
START_LATER: Final = StartLater()


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """A monitored actor has ended. Delivered to ``on_receive``, once for each monitor.

    Attributes:
        ref: who ended.
        incarnation: the last one it had, or the one that was monitored.
        cause: why.
        monitor: what `Actor.monitor` returned.
    """

    ref: "ActorRef[Any]"
    incarnation: int
    cause: Cause
    monitor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """An actor that this one was linked with has ended. Delivered to ``on_receive`` of who traps exits, once.

    Attributes:
        ref: who ended.
        incarnation: which incarnation of it.
        cause: why; also a normal end is told.
    """

    ref: "ActorRef[Any]"
    incarnation: int
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStarted:
    """A child's ``on_start`` has returned; ``extra`` is what it returned."""

    child: "ActorRef[Any]"
    incarnation: int
    extra: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildIgnored:
    """A child decided not to run. It is over, and its name is free."""

    child: "ActorRef[Any]"
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildFailed:
    """A child did not start. It is over, what it had started is stopped, and its name is free."""

    child: "ActorRef[Any]"
    incarnation: int
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnded:
    """An incarnation of a child that had started is over, its resources released, its own children gone."""

    child: "ActorRef[Any]"
    incarnation: int
    cause: Cause


ChildSignal = ChildStarted | ChildIgnored | ChildFailed | ChildEnded

# The constructor of a frozen dataclass takes three times as long as this, and one of these is made at each restart.
_make: Final = object.__new__
_set_child, _set_incarnation, _set_extra = (
    vars(ChildStarted)[each].__set__ for each in ChildStarted.__slots__
)
_set_ended, _set_which, _set_cause = (vars(ChildEnded)[each].__set__ for each in ChildEnded.__slots__)


def child_started(child: "ActorRef[Any]", incarnation: int, extra: Any) -> ChildStarted:
    """Make a `ChildStarted`."""
    made = _make(ChildStarted)
    _set_child(made, child)
    _set_incarnation(made, incarnation)
    _set_extra(made, extra)
    return made


def child_ended(child: "ActorRef[Any]", incarnation: int, cause: Cause) -> ChildEnded:
    """Make a `ChildEnded`."""
    made = _make(ChildEnded)
    _set_ended(made, child)
    _set_which(made, incarnation)
    _set_cause(made, cause)
    return made
