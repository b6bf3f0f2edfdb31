"""Supervisors: actors that start, watch, restart and stop others. `Family` decides, this carries out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, assert_never

from greenroom.supervision._actor import Actor
from greenroom.supervision._family import (
    CancelStart,
    ChildStatus,
    Decision,
    Family,
    Forget,
    GiveUp,
    Start,
    StartAfter,
    Stop,
)
from greenroom.supervision._future import Future
from greenroom.supervision._incarnation import OwnTimer
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._restart import Shutdown
from greenroom.supervision.errors import BadSpec, ChildError, ChildNotFound, MaxChildren, StartFailed
from greenroom.supervision.events import ChildRestarting, IntensityExceeded
from greenroom.supervision.signals import (
    START_LATER,
    ChildEnded,
    ChildFailed,
    ChildIgnored,
    ChildSignal,
    ChildStarted,
)
from greenroom.supervision.spec import (
    ChildSpec,
    ChildType,
    ShutdownBudget,
    Strategy,
    SupervisorFlags,
    check_children,
)

_ADMIN_ERRORS: Final = (ChildError, ChildNotFound, MaxChildren, StartFailed, BadSpec)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChild:
    """Ask a supervisor for one more child. The answer, a `StartedChild`, comes when it has started.

    Errors: `AlreadyStarted`, `AlreadyPresent`, `ChildRestarting`, `MaxChildren`, `BadSpec`; `StartFailed` with
    its cause, and then nothing of it is kept.
    """

    spec: ChildSpec
    errors: ClassVar = _ADMIN_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class StopChild:
    """Ask a supervisor to stop a child; answered when it is over. Stopping a stopped one is no error."""

    child: str
    errors: ClassVar = _ADMIN_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartChild:
    """Ask a supervisor to start a stopped child again; answered like `StartChild`."""

    child: str
    errors: ClassVar = _ADMIN_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteChild:
    """Ask a supervisor to forget a stopped child and its spec."""

    child: str
    errors: ClassVar = _ADMIN_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class WhichChildren:
    """Ask a supervisor for a tuple of `ChildInfo`, in start order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountChildren:
    """Ask a supervisor for its `ChildCounts`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedChild:
    """A child that has started; ``ref`` is None if it ignored its start."""

    ref: ActorRef[Any] | None
    extra: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildInfo:
    """One child, as its supervisor sees it."""

    spec: ChildSpec
    ref: ActorRef[Any] | None
    status: ChildStatus
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildCounts:
    """How many children: all, running, supervisors, workers."""

    specs: int
    active: int
    supervisors: int
    workers: int


@dataclass(slots=True)
class _Kept:
    """What the machine side keeps for a child."""

    ref: ActorRef[Any]
    timer: OwnTimer | None = None
    starting: list[Future[Any]] = field(default_factory=list[Future[Any]])
    stopping: list[Future[Any]] = field(default_factory=list[Future[Any]])


class Supervisor(Actor):
    """Keeps its children running, as their specs and its flags say. Can be subclassed for more messages.

    Args:
        flags: strategy, intensity, period, limit.
        children: started in this order, each after the one before has acknowledged; stopped in reverse.

    Past the intensity it stops its children and itself, with the cause `Shutdown`; its parent decides.
    """

    def __init__(self, flags: SupervisorFlags | None = None, children: Iterable[ChildSpec] = ()) -> None:
        self._flags = flags or SupervisorFlags()
        self._boot = list(check_children(self._flags, children))
        self._family = Family(self.path, self._flags)
        self._kept: dict[str, _Kept] = {}
        self._cell.together = self._flags.strategy is Strategy.DYNAMIC

    def on_start(self) -> Any:
        """Start the children, one after the other; acknowledge when all have."""
        if not self._boot:
            return None
        self._boot.reverse()
        self._perform(self._family.add(self._boot.pop()))
        return START_LATER

    def on_receive(self, message: Any) -> Any:
        """Answer what people ask of a supervisor."""
        match message:
            case StartChild(spec=spec):
                self._answer_when_started(spec.id, self._family.add(spec))
            case RestartChild(child=child):
                self._answer_when_started(child, self._family.restart(child))
            case StopChild(child=child):
                self._stop_child(child)
            case DeleteChild(child=child):
                self._perform(self._family.delete(child))
            case WhichChildren():
                return self.children()
            case CountChildren():
                return self.counts()
            case _:
                return super().on_receive(message)
        return None

    def start_child(self, spec: ChildSpec) -> Future[StartedChild]:
        """Start a child from a subclass's own handler; the future is completed when it has started.

        Raises:
            AlreadyStarted, AlreadyPresent, ChildRestarting, MaxChildren, BadSpec: at once.
        """
        decisions = self._family.add(spec)
        answer: Future[StartedChild] = Future(self.runtime, spec.id)
        self._perform(decisions)
        self._kept[spec.id].starting.append(answer)
        return answer

    def stop_child(self, child: str) -> Future[None]:
        """Stop a child from a subclass's own handler; completed when it is over.

        Raises:
            ChildNotFound: there is no such child.
        """
        decisions = self._family.stop(child)
        answer: Future[None] = Future(self.runtime, child)
        kept = self._kept.get(child)
        if kept is None or self._family.get(child).status is ChildStatus.STOPPED:
            answer.try_set(None)
        else:
            kept.stopping.append(answer)
        self._perform(decisions)
        return answer

    def children(self) -> tuple[ChildInfo, ...]:
        """Return all children, in start order."""
        return tuple(
            ChildInfo(
                spec=child.spec, ref=self._ref_of(child.spec.id), status=child.status, restarts=child.restarts
            )
            for child in self._family
        )

    def counts(self) -> ChildCounts:
        """Count the children."""
        supervisors = sum(child.spec.type is ChildType.SUPERVISOR for child in self._family)
        return ChildCounts(
            specs=len(self._family),
            active=sum(child.status in (ChildStatus.RUNNING, ChildStatus.STOPPING) for child in self._family),
            supervisors=supervisors,
            workers=len(self._family) - supervisors,
        )

    def on_child(self, signal: ChildSignal) -> None:
        """Let the family decide what follows from how a child fares."""
        name = signal.child.name
        kept = self._kept.get(name)
        if kept is None or kept.ref != signal.child:
            super().on_child(signal)
            return
        now_ns = self.runtime.now_ns()
        match signal:
            case ChildStarted(extra=extra):
                self._family.started(name, now_ns)
                _answer(kept.starting, StartedChild(ref=signal.child, extra=extra))
                self._boot_next()
            case ChildIgnored():
                decisions = self._family.ignored(name)
                _answer(kept.starting, StartedChild(ref=None))
                _answer(kept.stopping, None)
                self._perform(decisions)
                self._boot_next()
            case ChildFailed(error=error):
                self._on_failed(kept, error, now_ns)
            case ChildEnded(cause=cause):
                decisions = self._family.ended(name, cause, now_ns, self.runtime.random.random())
                _answer(kept.stopping, None)
                self._perform(decisions)
            case _:
                assert_never(signal)

    def _on_failed(self, kept: _Kept, error: BaseException, now_ns: int) -> None:
        name = kept.ref.name
        booting = self._booting()
        self._perform(self._family.failed(name, now_ns, self.runtime.random.random()))
        _answer(kept.stopping, None)
        for reply in kept.starting:
            reply.try_fail(StartFailed(name, error))
        kept.starting.clear()
        if booting:
            raise StartFailed(name, error)

    # -- carrying out ---------------------------------------------------------------------------------------

    def _booting(self) -> bool:
        return self.starting

    def _boot_next(self) -> None:
        if not self._booting():
            return
        if self._boot:
            self._perform(self._family.add(self._boot.pop()))
        else:
            self.acknowledge()

    def _perform(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            match decision:
                case Start(child=child):
                    self._start(child)
                case StartAfter(child=child, delay_ns=delay_ns):
                    self._say_restarting(child, delay_ns)
                    self._kept[child].timer = self.after(delay_ns, self._due, child)
                case Stop(child=child):
                    self._kept[child].ref._cell.request_stop(Shutdown())
                case CancelStart(child=child):
                    self._cancel_start(child)
                case Forget(child=child):
                    self.forget(self._kept.pop(child).ref)
                case GiveUp(child=child):
                    self._give_up(child)
                case _:
                    assert_never(decision)

    def _start(self, child: str) -> None:
        kept = self._kept.get(child)
        if kept is not None:
            if self._family.get(child).status is ChildStatus.RESTARTING and kept.timer is None:
                self._say_restarting(child, 0)
            kept.timer = None
            self.respawn(kept.ref)
            return
        spec = self._family.get(child).spec
        ref = self.spawn(
            _actor_class(spec),
            *spec.args,
            name=spec.id,
            dispatcher=spec.dispatcher,
            mailbox=spec.mailbox,
            shutdown_ns=_budget_ns(spec),
            start_ns=spec.start_ns,
            **spec.kwargs,
        )
        self._kept[child] = _Kept(ref)

    def _due(self, child: str) -> None:
        self._perform(self._family.due(child))

    def _cancel_start(self, child: str) -> None:
        kept = self._kept[child]
        if kept.timer is not None:
            kept.timer.cancel()
            kept.timer = None
        else:
            kept.ref._cell.request_stop(Shutdown())

    def _give_up(self, child: str) -> None:
        if self._cell.system.observers:
            self._cell.system.emit(
                IntensityExceeded(
                    path=self.path,
                    child=child,
                    intensity=self._flags.intensity,
                    period_ns=self._flags.period_ns,
                )
            )
        self.end(Shutdown(f"restart intensity exceeded by {child!r}"))

    def _say_restarting(self, child: str, delay_ns: int) -> None:
        if self._cell.system.observers:
            count = self._family.restarts_in_window(self.runtime.now_ns())
            self._cell.system.emit(
                ChildRestarting(path=self.path, child=child, delay_ns=delay_ns, restarts_in_window=count)
            )

    def _answer_when_started(self, child: str, decisions: Iterable[Decision]) -> None:
        reply = self.defer_reply()
        self._perform(decisions)
        self._kept[child].starting.append(reply)

    def _stop_child(self, child: str) -> None:
        done = self.stop_child(child)
        reply = self.defer_reply()
        done.add_done_callback(lambda _: reply.try_set(None))

    def _ref_of(self, child: str) -> ActorRef[Any] | None:
        kept = self._kept.get(child)
        return None if kept is None else kept.ref


def _answer(replies: list[Future[Any]], value: Any) -> None:
    for reply in replies:
        reply.try_set(value)
    replies.clear()


def _actor_class(spec: ChildSpec) -> type[Actor]:
    if not (isinstance(spec.start, type) and issubclass(spec.start, Actor)):
        raise BadSpec("ChildSpec.start", spec.start, "a subclass of greenroom.supervision.Actor")
    return spec.start


def _budget_ns(spec: ChildSpec) -> int | None:
    match spec.shutdown_ns:
        case ShutdownBudget.BRUTAL:
            return 0
        case ShutdownBudget.INFINITE:
            return None
        case budget_ns:
            return budget_ns
