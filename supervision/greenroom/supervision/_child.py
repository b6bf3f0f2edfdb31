"""One child, as the rules know it."""

from enum import Enum, auto
from typing import Final

from greenroom.supervision._backoff import BackoffState
from greenroom.supervision._decisions import (
    RESTARTING,
    STARTING,
    STOPPED,
    ChildStatus,
    Decisions,
    Start,
    Stop,
)
from greenroom.supervision._restart import Restart
from greenroom.supervision.spec import ChildSpec


class Attempt(Enum):
    """How far the restart of a child is that is ``restarting``."""

    PARKED = auto()
    """Its group will start it when its turn comes."""
    TIMED = auto()
    """A `StartAfter` is out."""
    UNDER_WAY = auto()
    """A `Start` is out."""


PARKED: Final = Attempt.PARKED
TIMED: Final = Attempt.TIMED
UNDER_WAY: Final = Attempt.UNDER_WAY
_TEMPORARY: Final = Restart.TEMPORARY


class Child:
    """A child's spec, and what it is doing."""

    __slots__ = ("_start", "_stop", "attempt", "backoff", "fresh", "id", "restarts", "spec", "status")

    def __init__(self, spec: ChildSpec, status: ChildStatus) -> None:
        self.spec: ChildSpec = spec
        self.id: Final = spec.id
        self.status = status
        self.attempt = PARKED
        self.fresh = status is STARTING
        """Whether its very first start is under way: should that fail, nothing of it is kept."""
        self.restarts = 0
        self.backoff = BackoffState(spec.backoff) if spec.backoff else None
        self._start: Decisions = ()
        self._stop: Decisions = ()

    @property
    def start(self) -> Decisions:
        """What is decided about a member of a group most often; kept from the first time on, so others have none."""
        if not self._start:
            self._start = (Start(self.id),)
        return self._start

    @property
    def stop(self) -> Decisions:
        """The other one."""
        if not self._stop:
            self._stop = (Stop(self.id),)
        return self._stop

    @property
    def is_temporary(self) -> bool:
        """Whether it goes when it ends."""
        return self.spec.restart is _TEMPORARY

    @property
    def is_under_way(self) -> bool:
        """Whether its restart waits for nothing but its acknowledgement."""
        return self.status is RESTARTING and self.attempt is UNDER_WAY

    @property
    def is_timed(self) -> bool:
        """Whether its restart waits for its back-off."""
        return self.status is RESTARTING and self.attempt is TIMED

    @property
    def is_down(self) -> bool:
        """Whether nothing of it runs, or is on its way to."""
        return self.status is STOPPED or (self.status is RESTARTING and self.attempt is not UNDER_WAY)

    def restarting(self, attempt: Attempt) -> None:
        """Note how far its restart is."""
        self.status = RESTARTING
        self.attempt = attempt

    def respec(self, spec: ChildSpec) -> None:
        """Go on with another spec of the same id; whoever runs keeps running."""
        if spec.backoff != self.spec.backoff:
            if spec.backoff is None:
                self.backoff = None
            elif self.backoff is None:
                self.backoff = BackoffState(spec.backoff)
            else:
                self.backoff.change(spec.backoff)
        self.spec = spec
