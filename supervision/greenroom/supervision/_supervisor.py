"""Supervisors: actors that start, watch, restart and stop others. `Family` decides, `Keeper` carries out."""

from collections.abc import Iterable
from typing import Any, ClassVar

from greenroom.supervision._actor import Actor
from greenroom.supervision._admin import (
    ChildCounts,
    ChildInfo,
    CountChildren,
    DeleteChild,
    GetChildSpec,
    RestartChild,
    StartChild,
    StartedChild,
    StopChild,
    UpdateSupervisor,
    WhichChildren,
)
from greenroom.supervision._child import Child
from greenroom.supervision._decisions import ChildStatus
from greenroom.supervision._facts import facts_of
from greenroom.supervision._future import Future
from greenroom.supervision._keeper import Keeper
from greenroom.supervision._ref import ActorRef
from greenroom.supervision.signals import START_LATER, ChildSignal, Exit
from greenroom.supervision.snapshot import ActorKind, ChildFacts
from greenroom.supervision.spec import ChildSpec, ChildType, SupervisorFlags


class Supervisor(Actor):
    """Keeps its children running, as their specs and its flags say. Can be subclassed for more messages.

    Args:
        flags: strategy, intensity, period, limit.
        children: started in this order, each after the one before has acknowledged; stopped in reverse. If one
            fails to start, those that have are stopped, and the supervisor fails to start because of it. Of
            simple_one_for_one exactly one, which is not started: `StartChild` starts instances of it.

    Past the intensity it stops its children and itself, with the cause `Shutdown`; its parent decides.

    Raises:
        BadSpec: something about the flags or the children is wrong; nothing was started.
    """

    actor_kind: ClassVar[ActorKind] = ActorKind.SUPERVISOR

    trap_exits: ClassVar[bool] = True
    """As OTP's supervisors do: who links with one does not end it. A subclass may answer the `Exit`."""

    def __init__(self, flags: SupervisorFlags | None = None, children: Iterable[ChildSpec] = ()) -> None:
        self._keeper = Keeper(self, flags, children, unheard=type(self).on_child is Supervisor.on_child)

    def on_start(self) -> Any:
        """Start the children, one after the other; acknowledge when all have."""
        return START_LATER if self._keeper.boot() else None

    def on_receive(self, message: Any) -> Any:
        """Answer what people ask of a supervisor."""
        keeper = self._keeper
        match message:
            case StartChild(spec=spec, args=args):
                keeper.start_for(keeper.to_start(spec, args), self.defer_reply)
            case RestartChild(child=child):
                keeper.restart_for(child, self.defer_reply)
            case StopChild(child=child):
                keeper.stop_for(child, self.defer_reply)
            case DeleteChild(child=child):
                keeper.delete(child)
            case GetChildSpec(child=child):
                return keeper.spec_of(child)
            case WhichChildren():
                return self.children()
            case CountChildren():
                return self.counts()
            case UpdateSupervisor(flags=flags, children=children):
                self.update(flags, children)
            case Exit():
                pass
            case _:
                return super().on_receive(message)
        return None

    def on_child(self, signal: ChildSignal) -> None:
        """Have the family decide what follows from how a child fares; let go of children that are not its own."""
        if not self._keeper.hear(signal):
            super().on_child(signal)

    # -- for snapshots: any thread may ask -----------------------------------------------------------------------

    def child_facts(self, child: str, now_ns: int) -> ChildFacts | None:
        """Return what the family knows about a child."""
        return facts_of(self._keeper, child, now_ns)

    # -- for subclasses, in their own handlers ----------------------------------------------------------------

    def start_child(
        self, spec: ChildSpec | None = None, *, args: tuple[Any, ...] = ()
    ) -> Future[StartedChild]:
        """Start a child; the future is completed when it has started.

        Args:
            spec: what it is; left out under simple_one_for_one.
            args: under simple_one_for_one, what comes behind the arguments of the supervisor's spec.

        Raises:
            AlreadyStarted, AlreadyPresent, MaxChildren, BadSpec: at once.
        """
        chosen = self._keeper.to_start(spec, args)
        return self._keeper.start_for(chosen, lambda: self._open_answer(chosen.id))

    def stop_child(self, child: str) -> Future[None]:
        """Stop a child; completed when it is over.

        Raises:
            ChildNotFound: there is no such child.
        """
        return self._keeper.stop_for(child, lambda: self._open_answer(child))

    def update(self, flags: SupervisorFlags | None, children: Iterable[ChildSpec] | None) -> None:
        """Go on with other flags and specs, as `UpdateSupervisor` says.

        Raises:
            BadSpec: nothing has changed.
        """
        self._keeper.update(flags, children)

    def children(self) -> tuple[ChildInfo, ...]:
        """Return all children, in start order."""
        return tuple(map(self._info_of, self._keeper.family))

    def _info_of(self, child: Child) -> ChildInfo:
        ref = self._keeper.ref_of(child.id)
        return ChildInfo(
            spec=child.spec,
            ref=ref,
            incarnation=0 if ref is None else ref.incarnation,
            status=child.status,
            restarts=child.restarts,
        )

    def counts(self) -> ChildCounts:
        """Count the children."""
        family = self._keeper.family
        supervisors = sum(child.spec.type is ChildType.SUPERVISOR for child in family)
        return ChildCounts(
            specs=len(family) if family.template is None else 1,
            active=sum(child.status in (ChildStatus.RUNNING, ChildStatus.STOPPING) for child in family),
            supervisors=supervisors,
            workers=len(family) - supervisors,
        )

    def ref_of(self, child: str) -> ActorRef[Any] | None:
        """Return the ref of a child, or None if there is none of that id, or it never ran."""
        return self._keeper.ref_of(child)

    def _open_answer(self, asked: str) -> Future[Any]:
        answer: Future[Any] = Future(self.runtime, asked)
        self._life.keep_open(answer)
        return answer
