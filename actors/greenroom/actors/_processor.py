"""The error kernel of a processor: who holds it, what it should be told, and when it is built again or closed.

It runs only our code. What may crash or hang is its worker; what may be slow is its host's lanes. So leases and the
wanted context are still here when a new worker has built a new processor.

    building -> ready <-> restarting -> degraded -(half-open)-> ready
         any of these -(last lease ends)-> closing -> closed
"""

from functools import partial
from typing import Any, assert_never, cast

from greenroom.actors._books import ProcessorBook
from greenroom.actors._context import Call, ContextRule, shown
from greenroom.actors._desired import Granted
from greenroom.actors._env import Env
from greenroom.actors._host import host_for
from greenroom.actors._leasing import (
    Acquire,
    Faulted,
    Hung,
    HungError,
    Idle,
    LeaseGone,
    Release,
    Transfer,
    Want,
    hand_out,
    holder_name,
)
from greenroom.actors._recovering import Recovering
from greenroom.actors._recovery import Rebuild, Recovery, Rest
from greenroom.actors._worker import DISPATCHERS, Apply, Begin, Fail, ProcessorWorker
from greenroom.actors.context import Context
from greenroom.actors.errors import LeaseOver
from greenroom.actors.processors import ProcessorSpec, Reason
from greenroom.actors.snapshots import EventKind, ProcessorState
from greenroom.supervision import (
    ActorRef,
    ChildEnded,
    ChildFailed,
    ChildIgnored,
    ChildSignal,
    ChildStarted,
    Demonitor,
    Down,
    Fenced,
    Future,
    LastLeaseEnded,
    LeaseEnded,
    LeaseRefused,
    Ledger,
    MailboxSpec,
    Monitor,
    OnRestart,
    SupervisionError,
)

_OWN_INSTANCE = MailboxSpec(on_restart=OnRestart.DROP)
"""What a worker was asked and told was meant for its own instance, not for the next."""


class ProcessorActor(Recovering):
    """One processor: an instance of a spec, with its ledger of leases and its worker."""

    def __init__(self, spec: ProcessorSpec, name: str, env: Env, directory: ActorRef[Any]) -> None:
        self._spec = spec
        self._env = env
        self._directory = directory
        self._book = ProcessorBook(name, spec, self.runtime.lock(), self.runtime.lock(), env.emit)
        self._ledger = Ledger()
        self._rule = ContextRule()
        self._monitors: dict[tuple[ActorRef[Any], int], int] = {}
        self._worker: ActorRef[ProcessorWorker] | None = None
        self._epoch = 0
        self._recovery = Recovery(spec)
        self._between_workers = False
        self._telling: Future[Any] | None = None

    def on_start(self) -> None:
        """Have the worker started; leases are granted meanwhile."""
        me = self.actor_ref
        self._book.actor = me
        self._host = self._book.host = host_for(
            self._spec,
            runtime=self.runtime,
            wait=self._env.fast,
            on_fault=lambda epoch, error: _send(me, Faulted(epoch=epoch, error=error)),
            on_late_return=self._book.returned_late,
        )
        self._env.processors[self._book.name] = self._book
        self._env.on_processor()
        self._worker = self.spawn(
            ProcessorWorker,
            self._spec,
            self._host,
            self._book,
            name="worker",
            mailbox=_OWN_INSTANCE,
            dispatcher=DISPATCHERS[self._spec.placement],
            shutdown_ns=self._spec.close_ns,
            start_ns=self._spec.build_ns,
        )

    def on_receive(self, message: Any) -> Any:
        """Grant, end and transfer leases; hear of faults."""
        match message:
            case Acquire():
                self._answer(self._grant(message), streaming=message.context.stream_info is not None)
            case Release():
                self._release(message)
            case Transfer():
                self._transfer(message)
            case Want(lease_id=lease_id, context=context):
                if self._ledger.find(lease_id) is not None:
                    self._rule.want(lease_id, context)
                    self._sync()
            case Down(ref=ref, incarnation=incarnation):
                self._monitors.pop((ref, incarnation), None)
                self._carry_out(self._ledger.holder_ended(ref, incarnation))
            case Faulted(epoch=epoch, error=error):
                self._on_fault(epoch, error)
            case Hung():
                self._on_hang()
            case Idle():
                self._on_idle()
            case _:
                return super().on_receive(message)
        return None

    def on_stop(self) -> None:
        """Leave the records as they are, among those that are past."""
        self._gone()

    def on_failure(self, *_: Any, **__: Any) -> None:
        """A mistake of ours: let frames pass, have the worker close the processor, and be replaced."""
        self._gone()

    def on_given_up(self) -> None:
        """The same."""
        self._gone()

    def _gone(self) -> None:
        self._book.state = ProcessorState.CLOSED
        self._book.leases = 0
        for lease in self._ledger.leases():
            self._book.leases_ended += 1
            self._say(EventKind.LEASE_ENDED, lease=lease.lease_id, cause="processor_gone")
        self._ledger = Ledger()
        self._host.suspend(Reason.DEGRADED)
        # What is still in its lanes goes out as the watch looks at them, until nothing is left.
        self._env.leaving[self._book] = None
        self._host.quiesce(partial(self._env.forget_lanes, self._book))
        if self._env.processors.pop(self._book.name, None) is not None:
            self._env.remember_processor(self._book)

    # -- leases ---------------------------------------------------------------------------------------------

    def _grant(self, wanted: Acquire) -> Granted:
        if self._book.state is ProcessorState.CLOSING or self._ledger.closed:
            raise LeaseOver(f"processor {self._book.name!r} is being closed")
        try:
            lease_id, decisions = self._ledger.grant(wanted.holder, wanted.incarnation, self.runtime.now_ns())
        except LeaseRefused:
            if not len(self._ledger):
                self._close()
            raise
        self._book.leases_granted += 1
        self._host.lend(lease_id)
        self._rule.want(lease_id, wanted.context)
        self._say(EventKind.LEASE_GRANTED, lease=lease_id, holder=holder_name(wanted.holder))
        self._carry_out(decisions)
        return Granted(
            lease_id=lease_id,
            processor=self.actor_ref,
            spec=self._spec,
            name=self._book.name,
            host=self._host,
        )

    def _answer(self, granted: Granted, *, streaming: bool) -> None:
        """Hand a lease out; for frames, when the processor knows whose they are, or has failed to hear it."""
        reply, telling = self.defer_reply(), self._telling
        if streaming and telling is not None and not telling.done():
            self.when(telling, hand_out, reply, granted)
        else:
            reply.try_set(granted)

    def _release(self, given: Release) -> None:
        lease = self._ledger.find(given.lease_id)
        if lease is not None and given.holder in (None, lease.holder):
            self._carry_out(self._ledger.release(given.lease_id))

    def _transfer(self, wanted: Transfer) -> None:
        if self._ledger.find(wanted.lease_id) is None:
            raise LeaseOver(f"lease {wanted.lease_id} of processor {self._book.name!r} has ended")
        self._carry_out(self._ledger.transfer(wanted.lease_id, wanted.holder, wanted.incarnation))

    def _carry_out(self, decisions: Any) -> None:
        for decision in decisions:
            match decision:
                case Monitor(holder=holder, incarnation=incarnation):
                    ref = cast("ActorRef[Any]", holder)
                    self._monitors[ref, incarnation] = self.monitor(ref, incarnation=incarnation)
                case Demonitor(holder=holder, incarnation=incarnation):
                    monitor = self._monitors.pop((cast("ActorRef[Any]", holder), incarnation), None)
                    if monitor is not None:
                        self.demonitor(monitor)
                case LeaseEnded(lease_id=lease_id, cause=cause):
                    self._rule.drop(lease_id)
                    self._host.bar(lease_id)
                    self._book.leases_ended += 1
                    self._say(EventKind.LEASE_ENDED, lease=lease_id, cause=str(cause))
                    self._directory.send(LeaseGone(processor=self._book.name, lease_id=lease_id))
                case LastLeaseEnded():
                    self._close()
                case _:
                    assert_never(decision)
        self._book.leases = len(self._ledger)
        self._sync()

    def _say(self, kind: EventKind, **details: str | float) -> None:
        """Note that something happened, with the incarnation of the worker that it happened to."""
        incarnation = 0 if self._worker is None else self._worker.incarnation
        self._env.emit(kind, self._book.subject, incarnation=incarnation, **details)

    # -- context --------------------------------------------------------------------------------------------

    def _sync(self) -> None:
        """Have the worker told what has changed, if it is up; else `_begin` will."""
        if self._epoch == 0 or self._worker is None or self._book.state is ProcessorState.CLOSING:
            return
        calls = self._planned()
        if calls:
            self._telling = self._worker.ask(Apply(calls=calls), block=False)
            self._hurry(self._telling, self._spec.close_ns, self._note_context)

    def _planned(self) -> tuple[Call, ...]:
        self._book.wanted = shown(self._rule.effective)
        calls = self._rule.plan()
        for call in calls:
            self._rule.applied(call)
        return calls

    def _hurry(self, done: Future[Any], budget_ns: int, then: Any) -> None:
        """Wait for the worker's answer, by message, for so long; past it the worker is fenced."""
        worker = self._worker
        assert worker is not None
        timer = self.after(budget_ns, self._too_slow, worker, f"did not answer within {budget_ns / 1e6:g} ms")
        told = self._rule.told

        def answered(future: Future[Any]) -> None:
            timer.cancel()
            if future.error() is None:
                then(future, told)

        self.when(done, answered)

    def _too_slow(self, worker: ActorRef[Any], reason: str) -> None:
        self._epoch = 0
        self._host.revoke(Reason.WARMING)
        self.fence_child(worker, reason)

    def _note_context(self, _: object, told: Context) -> None:
        before = self._book.note_context(shown(told))
        if self._book.context:
            self._say(EventKind.CONTEXT_APPLIED, context=self._book.context)
        elif before:
            self._say(EventKind.CONTEXT_CLEARED)

    # -- the worker's fortunes ------------------------------------------------------------------------------

    def on_child(self, signal: ChildSignal) -> None:
        """Begin with a worker that has built its processor; decide what follows one that is over."""
        match signal:
            case ChildStarted():
                self._begin()
            case ChildFailed(error=error):
                self._failed(error)
            case ChildEnded(cause=Fenced(reason=reason)):
                self._say(EventKind.ACTOR_FENCED, reason=reason)
                self._failed(HungError(reason))
            case ChildEnded(cause=cause):
                self._failed(getattr(cause, "exception", None))
            case ChildIgnored():
                self._failed(None)
            case _:
                assert_never(signal)

    def _begin(self) -> None:
        assert self._worker is not None
        if self._book.state is ProcessorState.CLOSING:
            self.stop_later(self._worker)
            return
        self._rule.worker_restarted()
        answer = self._worker.ask(Begin(calls=self._planned()), block=False)
        self._epoch = -1
        self._hurry(answer, self._spec.build_ns, self._begun)

    def _begun(self, answer: Future[Any], told: Context) -> None:
        first = self._book.state is ProcessorState.BUILDING
        self._epoch, self._book.hung = answer.outcome(), False
        self._note_context(answer, told)
        if self._book.state is ProcessorState.CLOSING:
            return
        self._book.state = ProcessorState.READY
        self.degraded = False
        kind = EventKind.PROCESSOR_READY if first else EventKind.PROCESSOR_RECOVERED
        self._say(kind, restarts=self._book.restarts)
        self._recovery.ready(self.runtime.now_ns())
        if self._recovery.on_probation:
            self.after(self._spec.period_ns, self._healthy, self._epoch)

    def _healthy(self, epoch: int) -> None:
        """Trust a processor again that recovered from being degraded and has held since."""
        if self._epoch == epoch and self._book.state is ProcessorState.READY:
            self._recovery.trusted()

    def _on_fault(self, epoch: int, error: BaseException) -> None:
        if (
            self._worker is not None
            and epoch == self._epoch
            and self._book.state is not ProcessorState.CLOSING
        ):
            self._epoch = 0
            self._worker.send(Fail(error=error))

    def _on_hang(self) -> None:
        if self._worker is None or self._book.hung:
            return
        self._book.hung = True
        self._epoch = 0
        reason = f"a call took longer than its {self._spec.hang_ns / 1e6:g} ms"
        self._say(EventKind.PROCESSOR_HUNG, hang_ms=self._spec.hang_ns // 1_000_000)
        self._host.revoke(Reason.WARMING)
        self.fence_child(self._worker, reason, stuck=True)

    def _failed(self, error: BaseException | None) -> None:
        """The worker is over: build again, rest, or end."""
        self._epoch = 0
        self._between_workers = True
        if self._book.state is ProcessorState.CLOSING:
            self.end()
            return
        now_ns = self.runtime.now_ns()
        self._host.suspend(Reason.WARMING)
        if error is not None:
            self._book.last_failure = self._env.told(error)
            self._say(EventKind.PROCESSOR_FAILED, error=self._book.last_failure)
        match self._recovery.failed(now_ns, self.runtime.random.random):
            case Rebuild(delay_ns=delay_ns):
                self._book.state = ProcessorState.RESTARTING
                self.after(delay_ns, self._respawn, EventKind.PROCESSOR_RESTARTED)
            case Rest(pause_ns=pause_ns):
                self._degrade(pause_ns)

    def _degrade(self, pause_ns: int | None) -> None:
        self._book.state = ProcessorState.DEGRADED
        self._host.suspend(Reason.DEGRADED)
        self.degraded = True
        self._say(EventKind.PROCESSOR_DEGRADED, retry_ms=-1 if pause_ns is None else pause_ns // 1_000_000)
        if pause_ns is not None:
            self.after(pause_ns, self._respawn, EventKind.PROCESSOR_RETRIED)

    def _respawn(self, kind: EventKind) -> None:
        if self._book.state is ProcessorState.CLOSING or self._worker is None:
            return
        self._book.restarts += 1
        self._say(kind, restarts=self._book.restarts)
        self._between_workers = False
        self.respawn(self._worker)

    # -- the end --------------------------------------------------------------------------------------------

    def _close(self) -> None:
        """The last lease has ended: let what is inside come out, then close the processor, then end."""
        before, self._book.state = self._book.state, ProcessorState.CLOSING
        if before is ProcessorState.CLOSING:
            return
        if before is not ProcessorState.READY:
            self._host.suspend(Reason.DEGRADED)
        me = self.actor_ref
        self._host.quiesce(lambda: _send(me, Idle()))

    def _on_idle(self) -> None:
        assert self._worker is not None
        if self._between_workers:
            self.end()
        else:
            self.stop_later(self._worker)


def _send(ref: ActorRef[Any], message: Any) -> None:
    try:
        ref.send(message)
    except SupervisionError:
        return  # from a thread that was given up: what it says does not count
