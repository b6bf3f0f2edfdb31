"""Carries out what a family decides: starts, watches and stops one supervisor's children, and answers for them."""

from collections.abc import Iterable
from functools import partial
from typing import Any, assert_never

from greenroom.supervision import _checks
from greenroom.supervision._actor import Actor
from greenroom.supervision._admin import StartedChild, checked_id
from greenroom.supervision._at_rest import stop_now
from greenroom.supervision._decisions import (
    RESTARTING,
    STOPPED,
    STOPPING,
    CancelStart,
    Decisions,
    Forget,
    GiveUp,
    OverBudget,
    ShutDown,
    Start,
    StartAfter,
    Stop,
)
from greenroom.supervision._family import Family
from greenroom.supervision._future import Future
from greenroom.supervision._incarnation import OwnTimer
from greenroom.supervision._lent import start_together
from greenroom.supervision._making import spawned
from greenroom.supervision._program import program_of_spec
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._respec import budget_ns, check_update, respec, startable
from greenroom.supervision._restart import SHUTDOWN, Cause, FailedToStart, Shutdown, error_of, is_abnormal
from greenroom.supervision._subtree import spend_for, tell_exceeded
from greenroom.supervision._telling import tell_gave_up, tell_report, tell_restarting
from greenroom.supervision._template import spec_to_start
from greenroom.supervision._waiting import Opener, Waiting, answer, answered
from greenroom.supervision.errors import ActorStopped, AlreadyStarted, ChildNotFound, StartFailed
from greenroom.supervision.events import ReportContext
from greenroom.supervision.signals import ChildEnded, ChildFailed, ChildIgnored, ChildSignal, ChildStarted
from greenroom.supervision.snapshot import FlightKind
from greenroom.supervision.spec import ChildSpec, SupervisorFlags, check_children


class Keeper:
    """The hands of one supervisor; used by its actor only, in its handlers.

    It is no part of the actor's class, so that subclasses are free in how they name things.
    """

    def __init__(
        self, actor: Actor, flags: SupervisorFlags | None, children: Iterable[ChildSpec], *, unheard: bool
    ) -> None:
        flags = SupervisorFlags() if flags is None else _checks.instance("flags", flags, SupervisorFlags)
        self._boot = list(startable(check_children(flags, children)))
        self._boot.reverse()
        template = self._boot.pop() if flags.strategy.is_template else None
        self._booting = ""
        self._up = False
        self._actor = actor
        self._runtime = actor.runtime
        self._system = actor._cell.system
        self._cells: dict[str, Any] = {}
        """Of the children that were started at least once."""
        self._timers: dict[str, tuple[OwnTimer, int]] = {}
        """What starts a child, and when, that is in back-off."""
        self._starters: Waiting = {}
        self._stoppers: Waiting = {}
        self._rearranged = self._hearing = False
        self._next: Any = None
        """Who is to be started in the last line of a step in which a signal is heard."""
        self._at_once = actor._cell.system.runtime.throughput - 1 if unheard else 0
        """So many children may be stopped, and heard of, in one step: what `Supervisor.on_child` is not told of."""
        self.family = Family(actor.path, flags, partial(spend_for, actor._cell), template)
        actor._cell.together = flags.strategy.is_dynamic

    @property
    def cell(self) -> Any:
        """The supervisor's own place in the tree."""
        return self._actor._cell

    def ref_of(self, child: str) -> ActorRef[Any] | None:
        """Return a child's ref, if it was started."""
        cell = self._cells.get(child)
        return None if cell is None else cell.ref

    def due_ns(self, child: str) -> int | None:
        """Return when a child's back-off is over, if one was begun."""
        timed = self._timers.get(child)
        return None if timed is None else timed[1]

    def id_of(self, child: str | ActorRef[Any]) -> str:
        """Return the id of a child that is given by id or ref.

        Raises:
            ChildNotFound: the ref is of somebody else's child.
            BadSpec: it is neither.
        """
        if not isinstance(child, ActorRef):
            return checked_id(child)
        if self.ref_of(child.name) != child:
            raise ChildNotFound(child.path, known=[each.id for each in self.family])
        return child.name

    # -- the start of the supervisor ----------------------------------------------------------------------------

    def boot(self) -> bool:
        """Start the first child; False if there is none."""
        if not self._boot:
            return False
        self.family.significant.boot()
        self._boot_next()
        return True

    def _boot_next(self) -> None:
        if not self._boot:
            self._up = True
            self._actor.acknowledge()
            self._perform(self.family.booted())
            return
        spec = self._boot.pop()
        self._booting = spec.id
        self._perform(self.family.add(spec))

    # -- what people ask ----------------------------------------------------------------------------------------

    def spec_of(self, child: str | ActorRef[Any]) -> ChildSpec:
        """Return the spec of a child, or by its id the template."""
        template = self.family.template
        if template is not None and child == template.spec.id:
            return template.spec
        return self.family.get(self.id_of(child)).spec

    def to_start(self, spec: ChildSpec | None, args: tuple[Any, ...]) -> ChildSpec:
        """Return the spec of the child that somebody wants started; refuse what cannot be."""
        (chosen,) = startable((spec_to_start(self.family.template, spec, args),))
        return chosen

    def start_for(self, spec: ChildSpec, opener: Opener) -> Future[Any]:
        """Start one more child, and answer when it has started."""
        try:
            decisions = self.family.add(spec)
        except AlreadyStarted as there:
            raise AlreadyStarted(there.child, self.ref_of(there.child)) from None
        return self._answer_when_started(spec.id, decisions, opener)

    def restart_for(self, child: str, opener: Opener) -> Future[Any]:
        """Start a stopped child again, and answer when it has started."""
        return self._answer_when_started(child, self.family.restart(checked_id(child)), opener)

    def _answer_when_started(self, child: str, decisions: Decisions, opener: Opener) -> Future[Any]:
        reply = opener()
        self._perform(decisions)
        self._starters[child] = (*self._starters.get(child, ()), reply)
        return reply

    def stop_for(self, child: str | ActorRef[Any], opener: Opener) -> Future[Any]:
        """Stop a child, and answer when it is over."""
        if isinstance(child, ActorRef) and not child.is_alive():
            return answered(opener())
        known = self.family.get(self.id_of(child))
        decisions = self.family.stop(known.id)
        reply = opener()
        if known.status is STOPPED:
            self._perform(decisions)
            self._let_rest(known.id)
            return answered(reply)
        self._stoppers[known.id] = (*self._stoppers.get(known.id, ()), reply)
        self._perform(decisions)
        return reply

    def delete(self, child: str) -> None:
        """Forget a stopped child."""
        self._perform(self.family.delete(checked_id(child)))

    def update(self, flags: SupervisorFlags | None, specs: Iterable[ChildSpec] | None) -> None:
        """Go on with other flags and specs."""
        if flags is not None:
            _checks.instance("flags", flags, SupervisorFlags)
        checked = None if specs is None else check_children(flags or self.family.flags, specs)
        self._check_update(flags or self.family.flags, checked)
        self._actor._own()  # whoever gives the specs may have hung
        self.family.update(flags, checked)
        for known in self.family:
            ref = self.ref_of(known.id)
            if ref is not None:
                respec(ref, known.spec, self.family.flags)
        self._rearranged = True
        self._rearrange()

    def _check_update(self, flags: SupervisorFlags, specs: tuple[ChildSpec, ...] | None) -> None:
        if specs is None:
            return
        template, checked = self.family.template, startable(specs)
        if template is not None and flags.strategy.is_template:
            checked = tuple(template.changed(child.spec, checked[0]) for child in self.family)
        for spec in checked:
            ref = self.ref_of(spec.id)
            if ref is not None:
                check_update(ref, spec)

    def _rearrange(self) -> None:
        """Have the machine stop the children in reverse start order where an update has changed that."""
        cell = self._actor._cell
        if not self._rearranged or not cell.children or cell.together:  # who stop together have no order
            return
        ours = dict.fromkeys(self._cells[child.id] for child in self.family if child.id in self._cells)
        with cell.lock:
            if cell.zombies:
                cell.refuse_zombies()
            cell.children = {each: None for each in cell.children if each not in ours} | ours

    # -- how children fare --------------------------------------------------------------------------------------

    def hear(self, signal: ChildSignal) -> bool:
        """Hear how a child fares; False if it is none of the family."""
        cell = signal.child._cell
        name, booted = cell.name, cell.name == self._booting
        if self._cells.get(name) is not cell:
            return False
        self._hearing = self._up and self._at_once > 0
        if isinstance(signal, ChildStarted):  # `match` takes longer
            if cell.has(signal.incarnation):  # else it has ended at once since it said so
                self._perform(self.family.started(name, self._runtime.now_ns()))
            if self._starters:
                answer(self._starters, name, StartedChild(ref=signal.child, extra=signal.extra))
        elif isinstance(signal, ChildEnded):
            self._on_ended(signal)
        elif isinstance(signal, ChildIgnored):
            self._on_ignored(name)
        else:
            self._on_failed(signal, booted=booted)
        if booted:
            self._booting = ""
        if not (self._up or self._booting) and self._actor.starting and self.family.is_settled:
            self._boot_next()
        self._hearing = False
        first, self._next = self._next, None
        if first is not None:  # the last thing that is done: this step may be left in the middle of it
            start_together(self._actor._cell, first, self._at_once, self._following)
        return True

    def _let_rest(self, name: str) -> None:
        """Tell a child that stays stopped so: whoever has asked it to stop is answered."""
        if not self.family.is_settled:
            return
        known, ref = self.family.known(name), self.ref_of(name)
        if known is not None and known.status is STOPPED and ref:
            ref._cell.rest()

    def _on_ignored(self, name: str) -> None:
        self._perform(self.family.ignored(name))
        answer(self._starters, name, StartedChild(ref=None))
        answer(self._stoppers, name, None)
        self._let_rest(name)

    def _on_failed(self, signal: ChildFailed, *, booted: bool) -> None:
        name, cause = signal.child.name, FailedToStart(signal.error)
        if self.family.get(name).status is not STOPPING:
            tell_report(self._actor._cell, ReportContext.START_ERROR, signal, cause)
        runtime = self._runtime
        self._perform(self.family.failed(name, runtime.now_ns(), runtime.random.random()), cause)
        failed = StartFailed(name, signal.error)
        for reply in self._starters.pop(name, ()):
            reply.try_fail(failed)
        answer(self._stoppers, name, None)
        self._let_rest(name)
        if booted:
            raise failed

    def _on_ended(self, signal: ChildEnded) -> None:
        name, cause = signal.child._cell.name, signal.cause
        if is_abnormal(cause):
            stopping = self.family.get(name).status is STOPPING
            context = ReportContext.SHUTDOWN_ERROR if stopping else ReportContext.CHILD_TERMINATED
            tell_report(self._actor._cell, context, signal, cause)
        runtime = self._runtime
        self._perform(self.family.ended(name, cause, runtime.now_ns(), runtime.random.random()), cause)
        if self._stoppers:
            answer(self._stoppers, name, None)
        self._let_rest(name)

    # -- carrying out -------------------------------------------------------------------------------------------

    def _perform(self, decisions: Decisions, because: Cause | None = None) -> None:
        for decision in decisions:
            if isinstance(decision, Start):  # `match` takes longer, and these two are most of all
                self._start(decision.child)
                continue
            if isinstance(decision, Stop):
                self._stop(decision.child)
                continue
            match decision:
                case StartAfter(child=child, delay_ns=delay_ns):
                    tell_restarting(self._actor._cell, self.family, child, delay_ns)
                    self._start_after(child, delay_ns)
                case CancelStart(child=child):
                    self._cancel_start(child)
                case Forget(child=child):
                    self._forget(child)
                case GiveUp(child=child):
                    self._give_up(child, because)
                case OverBudget(child=child, owner=owner, first=first):
                    tell_exceeded(self._actor._cell, child, owner, first=first)
                case ShutDown(child=child):
                    self._actor.end(Shutdown(f"significant child {child!r} has ended"))
                case _:
                    assert_never(decision)

    def _start(self, child: str) -> None:
        known = self.family.get(child)
        cell = self._cells.get(child)
        if cell is not None:
            timed = self._timers.pop(child, None) if self._timers else None
            if self._system.observers and known.status is RESTARTING and timed is None:
                tell_restarting(self._actor._cell, self.family, child, 0)
            own = self._actor._cell
            if own.zombies:
                own.refuse_zombies()
            if self._hearing and not (self._next or self.family.is_settled):
                self._next = cell
            else:
                cell.start()
            return
        spec = known.spec
        ref = spawned(
            self._actor._own(),
            spec.id,
            *program_of_spec(spec, self.family.flags.shared_args),
            dispatcher=spec.dispatcher,
            mailbox=spec.mailbox,
            shutdown_ns=budget_ns(spec),
            start_ns=spec.start_ns,
            register=spec.register,
            liveness=spec.liveness,
            record_messages=spec.record_messages,
        )
        self._cells[child] = ref._cell
        if self._rearranged and next(reversed(self.family)) is not known:
            self._rearrange()

    def _stop(self, child: str) -> None:
        """Stop a child, and those of its group whose turn comes as it is down at once: so many in one step."""
        cell, left = self._actor._cell, self._at_once
        while True:
            if cell.zombies:
                cell.refuse_zombies()
            target = self._cells[child]
            if not left or child in self._stoppers or not self._up or self.family.is_settled:
                target.request_stop(SHUTDOWN)
                return
            if not stop_now(target, SHUTDOWN):
                return
            left -= 1
            now_ns = self._runtime.now_ns()
            decisions = self.family.ended(child, SHUTDOWN, now_ns, self._runtime.random.random())
            if not decisions or not isinstance(decisions[-1], Stop):
                self._perform(decisions)
                self._let_rest(child)
                return
            self._perform(decisions[:-1])
            child = decisions[-1].child

    def _following(self, cell: Any) -> Any:
        """Hear that a member is up; return who is to be started next, if that is all there is to do."""
        decisions = self.family.started(cell.name, self._runtime.now_ns())
        first = decisions[0] if decisions else None
        child = self._cells.get(first.child) if isinstance(first, Start) else None
        if child is None:
            self._perform(decisions)
            return None
        self._timers.pop(child.name, None)
        return child

    def _start_after(self, child: str, delay_ns: int) -> None:
        due_ns = self._actor.runtime.now_ns() + delay_ns
        self._timers[child] = (self._actor.after(delay_ns, self._due, child), due_ns)
        self._cells[child].note(FlightKind.RESTARTING, f"after {delay_ns / 1e6:g} ms")

    def _due(self, child: str) -> None:
        self._perform(self.family.due(child))

    def _cancel_start(self, child: str) -> None:
        timed = self._timers.pop(child, None)
        if timed is not None:
            timed[0].cancel()

    def _forget(self, child: str) -> None:
        cell = self._cells.pop(child, None)
        if cell is not None:  # else it was known by an update, and never started
            self._timers.pop(child, None)
            self._actor.forget(cell.ref)

    def _give_up(self, child: str, because: Cause | None) -> None:
        tell_gave_up(self._actor._cell, self.family, child)
        if self._actor.starting:
            raise StartFailed(child, error_of(because) or ActorStopped(self._actor.path))
        self._actor.end(Shutdown(f"restart intensity exceeded by {child!r}"))
