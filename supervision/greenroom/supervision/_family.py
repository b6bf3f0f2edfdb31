"""What a supervisor decides: events in, decisions out. No threads, clock, dice or Pykka.

Laws:
    - a child that ended is started again if its restart type says so and the intensity admits it; each attempt
      counts, failed ones included; past the intensity the supervisor gives up;
    - a child is started by a decision that is carried out once; a failed restart is tried again by another
      event, never in a loop, so the supervisor answers meanwhile;
    - an admin stop ends a child, or the wait for its restart, and never counts as a restart;
    - the spec of a temporary child goes when it ends; under a dynamic supervisor every child that stays down
      goes; elsewhere it stays, stopped, until it is deleted;
    - the limit on children counts all that are kept, those being restarted included.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from greenroom.supervision._backoff import BackoffState
from greenroom.supervision._intensity import Intensity
from greenroom.supervision._restart import Cause, Restart, should_restart
from greenroom.supervision.errors import (
    AlreadyPresent,
    AlreadyStarted,
    BadSpec,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    MaxChildren,
)
from greenroom.supervision.spec import ChildSpec, Strategy, SupervisorFlags, check_significance


class ChildStatus(StrEnum):
    """What a child is doing, as its supervisor sees it."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    """It ended, and its next start waits for its back-off or has not been acknowledged yet."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    """Known, and not running: it ended in a way that is not restarted, or was stopped."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start this child, now."""

    child: str


@dataclass(frozen=True, slots=True)
class StartAfter:
    """Start this child after a while, unless it is stopped meanwhile."""

    child: str
    delay_ns: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask this child to stop, within its budget."""

    child: str


@dataclass(frozen=True, slots=True)
class CancelStart:
    """Forget a `StartAfter` of this child."""

    child: str


@dataclass(frozen=True, slots=True)
class Forget:
    """This child is over, and not kept."""

    child: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The intensity is passed because of this child: stop all, then yourself."""

    child: str


Decision: TypeAlias = Start | StartAfter | Stop | CancelStart | Forget | GiveUp


class Child:
    """One child as its supervisor knows it."""

    __slots__ = ("backoff", "restarts", "spec", "status")

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.status = ChildStatus.STARTING
        self.restarts = 0
        self.backoff = BackoffState(spec.backoff) if spec.backoff else None


class Family:
    """All children of one supervisor, in the order in which they were added."""

    def __init__(self, name: str, flags: SupervisorFlags) -> None:
        if flags.strategy not in (Strategy.ONE_FOR_ONE, Strategy.DYNAMIC):
            raise BadSpec("SupervisorFlags.strategy", flags.strategy, "one_for_one or dynamic")
        self.flags = flags
        self._name = name
        self._children: dict[str, Child] = {}
        self._intensity = Intensity(flags.intensity, flags.period_ns)

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Child]:
        return iter(self._children.values())

    def get(self, child_id: str) -> Child:
        """Return a child that is known.

        Raises:
            ChildNotFound: it is not.
        """
        child = self._children.get(child_id)
        if child is None:
            raise ChildNotFound(child_id, known=tuple(self._children))
        return child

    def restarts_in_window(self, now_ns: int) -> int:
        """Return how many restarts the intensity counts now."""
        return self._intensity.in_window(now_ns)

    # -- what people ask ------------------------------------------------------------------------------------

    def add(self, spec: ChildSpec) -> tuple[Decision, ...]:
        """Add a child and start it.

        Raises:
            AlreadyStarted, ChildRestarting, AlreadyPresent: there is one of that id.
            MaxChildren: there is no room for it.
            BadSpec: it is significant, and this supervisor never shuts down by itself.
        """
        check_significance(self.flags, spec)
        there = self._children.get(spec.id)
        if there is not None:
            raise _present(there)
        if len(self._children) >= self.flags.max_children:
            raise MaxChildren(self._name, self.flags.max_children)
        self._children[spec.id] = Child(spec)
        return (Start(spec.id),)

    def stop(self, child_id: str) -> tuple[Decision, ...]:
        """Stop a child; nothing to do if it is stopped.

        Raises:
            ChildNotFound: there is no such child.
        """
        child = self.get(child_id)
        if child.status in (ChildStatus.STOPPED, ChildStatus.STOPPING):
            return ()
        if child.status is ChildStatus.RESTARTING:
            return (CancelStart(child_id), *self._down(child))
        child.status = ChildStatus.STOPPING
        return (Stop(child_id),)

    def restart(self, child_id: str) -> tuple[Decision, ...]:
        """Start a stopped child again.

        Raises:
            ChildNotFound, ChildRunning, ChildRestarting: it is not stopped.
        """
        child = self.get(child_id)
        if child.status is not ChildStatus.STOPPED:
            raise _busy(child)
        child.status = ChildStatus.STARTING
        return (Start(child_id),)

    def delete(self, child_id: str) -> tuple[Decision, ...]:
        """Forget a stopped child and its spec.

        Raises:
            ChildNotFound, ChildRunning, ChildRestarting: it is not stopped.
        """
        child = self.get(child_id)
        if child.status is not ChildStatus.STOPPED:
            raise _busy(child)
        return self._forget(child)

    # -- what happens ----------------------------------------------------------------------------------------

    def started(self, child_id: str, now_ns: int) -> None:
        """Hear that a child has acknowledged its start."""
        child = self._children[child_id]
        if child.status is not ChildStatus.STOPPING:
            child.status = ChildStatus.RUNNING
        if child.backoff is not None:
            child.backoff.started(now_ns)

    def ignored(self, child_id: str) -> tuple[Decision, ...]:
        """Hear that a child decided not to run."""
        return self._down(self._children[child_id])

    def failed(self, child_id: str, now_ns: int, dice: float) -> tuple[Decision, ...]:
        """Hear that a start failed: a first one is over, a restart is tried again."""
        child = self._children[child_id]
        if child.status is ChildStatus.RESTARTING:
            return self._again(child, now_ns, dice)
        if child.status is ChildStatus.STARTING and not child.restarts:
            return self._forget(child)
        return self._down(child)

    def ended(self, child_id: str, cause: Cause, now_ns: int, dice: float) -> tuple[Decision, ...]:
        """Hear that a child that had started is over."""
        child = self._children[child_id]
        if child.backoff is not None:
            child.backoff.ended(now_ns)
        if child.status is ChildStatus.STOPPING or not should_restart(child.spec.restart, cause):
            return self._down(child)
        return self._again(child, now_ns, dice)

    def due(self, child_id: str) -> tuple[Decision, ...]:
        """Hear that a child's back-off is over."""
        child = self._children.get(child_id)
        if child is None or child.status is not ChildStatus.RESTARTING:
            return ()
        return (Start(child_id),)

    def _again(self, child: Child, now_ns: int, dice: float) -> tuple[Decision, ...]:
        child.status = ChildStatus.RESTARTING
        if not self._intensity.admit(now_ns):
            return (GiveUp(child.spec.id),)
        child.restarts += 1
        delay_ns = 0 if child.backoff is None else child.backoff.next(dice)
        return (StartAfter(child.spec.id, delay_ns),) if delay_ns else (Start(child.spec.id),)

    def _down(self, child: Child) -> tuple[Decision, ...]:
        child.status = ChildStatus.STOPPED
        if child.spec.restart is Restart.TEMPORARY or self.flags.strategy is Strategy.DYNAMIC:
            return self._forget(child)
        return ()

    def _forget(self, child: Child) -> tuple[Decision, ...]:
        del self._children[child.spec.id]
        return (Forget(child.spec.id),)


def _present(child: Child) -> Exception:
    match child.status:
        case ChildStatus.STOPPED | ChildStatus.STOPPING:
            return AlreadyPresent(child.spec.id)
        case ChildStatus.RESTARTING:
            return ChildRestarting(child.spec.id)
        case _:
            return AlreadyStarted(child.spec.id)


def _busy(child: Child) -> Exception:
    if child.status is ChildStatus.RESTARTING:
        return ChildRestarting(child.spec.id)
    return ChildRunning(child.spec.id)
