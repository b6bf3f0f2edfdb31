"""What a system tells its observers: values without actors, safe to keep, print and compare."""

from dataclasses import dataclass

from greenroom.supervision._restart import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorStarted:
    """An incarnation has started."""

    path: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorEnded:
    """An incarnation is over: cleaned up, its children gone."""

    path: str
    incarnation: int
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorCrashedEvent:
    """An error ended an incarnation; ``error`` is its type and text."""

    path: str
    incarnation: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorFencedEvent:
    """An incarnation was given up; whatever it still sends is refused."""

    path: str
    incarnation: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that nobody will handle."""

    path: str
    message: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRestarting:
    """A supervisor will start ``child`` again, after ``delay_ns``."""

    path: str
    child: str
    delay_ns: int
    restarts_in_window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntensityExceeded:
    """A supervisor gave up: it stops its children and itself, and its parent decides."""

    path: str
    child: str
    intensity: int
    period_ns: int


SystemEvent = (
    ActorStarted
    | ActorEnded
    | ActorCrashedEvent
    | ActorFencedEvent
    | DeadLetter
    | ChildRestarting
    | IntensityExceeded
)
