"""How several children are replaced together: one_for_all, and the rest of rest_for_one.

Laws:
    - an attempt stops its members in reverse order, each after the one before is over; waits for the back-off; and
      starts them in order, each after the one before has acknowledged;
    - it starts all members that are down then, those included that were stopped before it began (OTP: the same);
    - who waits for its turn in an attempt is a member of the one that takes its place, wherever an update has put
      it meanwhile: rest_for_one then begins at the first of those and of the one that failed. Nobody stays down
      because of an update, or of another crash;
    - what happens to a member while the group is being stopped is not counted, and nobody is restarted for it;
    - a member that is stopped by an admin call leaves the group, which goes on without it; but if its own start is
      under way the attempt ends there, and those whose turn has not come stay down (OTP: the same);
    - a start that an admin call began is waited for, not cut short: whoever asked for it gets its answer.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from typing import Final

from greenroom.supervision._child import PARKED, TIMED, UNDER_WAY, Child
from greenroom.supervision._decisions import (
    RESTARTING,
    RUNNING,
    STARTING,
    STOPPED,
    STOPPING,
    Decisions,
    StartAfter,
)


class Phase(Enum):
    """What a group is at."""

    STOPPING = auto()
    WAITING = auto()
    STARTING = auto()
    DONE = auto()


_STOP_PHASE: Final = Phase.STOPPING
_WAIT_PHASE: Final = Phase.WAITING
_START_PHASE: Final = Phase.STARTING
_DONE_PHASE: Final = Phase.DONE


class Group:
    """One attempt to replace several children.

    Args:
        origin: the child because of which.
        members: those that are replaced, in start order.
        delay_ns: how long to wait between the last stop and the first start.
    """

    __slots__ = ("_current", "_delay_ns", "_members", "_to_start", "_to_stop", "origin", "phase")

    def __init__(self, origin: Child, members: Iterable[Child], delay_ns: int) -> None:
        self.origin = origin
        self._members = {member.id: member for member in members}
        self._to_stop: list[Child] = []
        self._to_start: deque[Child] = deque()
        self._current: Child | None = None
        self._begin(delay_ns)

    def __contains__(self, child: Child) -> bool:
        return child.id in self._members

    def __iter__(self) -> Iterator[Child]:
        return iter(self._members.values())

    def is_stopping(self, child: Child) -> bool:
        """Whether ``child`` is a member of a group that is being stopped."""
        return self.phase is _STOP_PHASE and child.id in self._members

    def has_yet_to_start(self, child: Child) -> bool:
        """Whether ``child`` is a member whose turn to start is still to come."""
        return self.phase is not _START_PHASE and child.id in self._members

    def leave(self, child: Child) -> None:
        """Go on without ``child``."""
        self._members.pop(child.id, None)

    def abandon(self) -> None:
        """Leave those down whose turn has not come."""
        for member in self._members.values():
            if member.status is RESTARTING and member.attempt is PARKED:
                member.status = STOPPED

    def due(self) -> Decisions:
        """Hear that the back-off is over. Who was started meanwhile is stopped again."""
        self._begin(0)
        return self.advance()

    def advance(self) -> Decisions:
        """Say what is next, if anything is."""
        if self.phase is _STOP_PHASE:
            while self._to_stop:
                last = self._to_stop[-1]
                status = last.status
                if status is RUNNING or (status is RESTARTING and last.attempt is UNDER_WAY):
                    last.status = STOPPING
                    return last.stop
                if status is STOPPING or status is STARTING:
                    return ()
                self._to_stop.pop()
            if self._delay_ns and self.origin in self:
                return self._wait()
            self._begin_starting()
        return self._start_next() if self.phase is _START_PHASE else ()

    def _begin(self, delay_ns: int) -> None:
        self.phase = _STOP_PHASE
        self._delay_ns = delay_ns
        self._to_stop = list(self._members.values())
        self._park()

    def _park(self) -> None:
        for member in self._members.values():
            if member.status is STOPPED or (member.attempt is TIMED and member.is_timed):
                member.restarting(PARKED)

    def _wait(self) -> Decisions:
        self.phase = _WAIT_PHASE
        for member in self._members.values():
            member.status = STOPPED
        self.origin.restarting(TIMED)
        return (StartAfter(self.origin.id, self._delay_ns),)

    def _begin_starting(self) -> None:
        self.phase = _START_PHASE
        self._park()
        self._to_start.extend(self._members.values())

    def _start_next(self) -> Decisions:
        current = self._current
        if current is not None and current.status is RESTARTING and current.attempt is UNDER_WAY:
            return ()
        while self._to_start:
            child = self._current = self._to_start.popleft()
            if child.status is RESTARTING:
                child.attempt = UNDER_WAY
                return child.start
        self.phase = _DONE_PHASE
        return ()


def the_rest(children: Iterable[Child], child: Child, group: Group | None) -> list[Child]:
    """Return ``child`` and those after it, and from whom on an attempt that is not done has left some down."""
    members: list[Child] = []
    for each in children:
        unfinished = each.status is RESTARTING or (group is not None and group.has_yet_to_start(each))
        if members or each is child or unfinished:
            members.append(each)
    return members
