"""The directory of processors: which instance a step of a pipeline gets, and one ProcessorActor for each instance."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from greenroom.actors._desired import Granted
from greenroom.actors._env import Env
from greenroom.actors._leasing import Acquire, LeaseGone
from greenroom.actors._processor import ProcessorActor
from greenroom.actors.context import Context
from greenroom.actors.errors import DuplicateName, LeaseOver
from greenroom.actors.processors import ProcessorSpec
from greenroom.supervision import (
    ActorDead,
    ActorRef,
    ChildSignal,
    ChildSpec,
    ChildStarted,
    Future,
    LeaseRefused,
    Restart,
    ShutdownBudget,
    StartedChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obtain:
    """Ask for a lease on a processor of ``spec``; answered by a `Granted`.

    A shared spec (and an instance) has one processor for all. Of any other, a stream gets one that no other stream
    uses: one that somebody holds open, if there is one, else a new one; a hold gets one that is there, else a new one.
    What a room keeps for a track that may come back is nobody else's meanwhile.

    Attributes:
        very: this processor and no other, as long as it is there: somebody has a lease on it and says so.
        kept: these before others: the room has kept them for this track.
        keep: the lease is to keep it for a track that may come back; `LeaseOver` if it is not there any more.
    """

    spec: ProcessorSpec
    holder: ActorRef[Any]
    incarnation: int
    context: Context
    streaming: bool
    very: ActorRef[Any] | None = None
    kept: tuple[ActorRef[Any], ...] = ()
    keep: bool = False
    errors: ClassVar = (LeaseOver, LeaseRefused, DuplicateName)


@dataclass(slots=True)
class _Known:
    """One processor as the directory knows it: its streams' leases, and how many are on their way."""

    ref: ActorRef[ProcessorActor]
    spec: ProcessorSpec
    streams: set[int] = field(default_factory=set[int])
    keepers: set[int] = field(default_factory=set[int])
    pending: int = 0
    closing: bool = False

    @property
    def free(self) -> bool:
        """Whether no stream uses it, or is about to."""
        return not self.streams and not self.pending


class ProcessorsActor(Supervisor):
    """The dynamic supervisor of all ProcessorActors of a session. None is restarted: its users ask for another one."""

    def __init__(self, env: Env) -> None:
        super().__init__(SupervisorFlags(strategy=Strategy.DYNAMIC))
        self._env = env
        self._known: dict[str, _Known] = {}
        # Those that are not closing, by what they are asked for by; and of them those that no stream uses, which are
        # few: somebody holds each of them. So a lease costs the same among ten processors and ten thousand.
        self._asked: dict[Hashable, dict[str, _Known]] = {}
        self._idle: dict[Hashable, dict[str, _Known]] = {}

    def on_receive(self, message: Any) -> Any:
        """Find or start a processor and have it grant a lease."""
        match message:
            case Obtain():
                self._obtain(message, self.defer_reply())
            case LeaseGone(processor=name, lease_id=lease_id):
                known = self._known.get(name)
                if known is not None:
                    known.streams.discard(lease_id)
                    known.keepers.discard(lease_id)
                    self._index(known)
            case _:
                return super().on_receive(message)
        return None

    def on_child(self, signal: ChildSignal) -> None:
        """Forget a processor that is over."""
        if not isinstance(signal, ChildStarted):
            known = self._known.pop(signal.child.name, None)
            if known is not None:
                known.closing = True
                self._index(known)
        super().on_child(signal)

    def _obtain(self, wanted: Obtain, reply: Future[Any]) -> None:
        try:
            known = self._fitting(wanted)
        except (DuplicateName, LeaseOver) as error:
            reply.try_fail(error)
            return
        if known is None:
            self._start_new(wanted, reply)
        else:
            self._forward(known, wanted, reply)

    def _fitting(self, wanted: Obtain) -> _Known | None:
        spec, key = wanted.spec, _key(wanted.spec)
        asked = self._asked.get(key, {})
        very = None if wanted.very is None else asked.get(wanted.very.name)
        if very is not None and very.ref == wanted.very and _same(very.spec, spec):
            return very
        if wanted.keep:
            raise LeaseOver(f"processor {wanted.spec.name!r} is being closed: there is nothing to keep")
        if wanted.streaming and not spec.shared and spec.instance is None:
            idle = [k for k in self._idle.get(key, {}).values() if _same(k.spec, spec)]
            kept = [k for k in idle if k.ref in wanted.kept]
            return next(iter(kept or [k for k in idle if not k.keepers]), None)
        same = next((k for k in asked.values() if _same(k.spec, spec)), None)
        if same is None and spec.shared and any(k.spec.shared for k in asked.values()):
            raise DuplicateName("shared processor", spec.name)
        return same

    def _index(self, known: _Known) -> None:
        """Put ``known`` where it is looked for, after anything about it has changed."""
        key, name = _key(known.spec), known.ref.name
        for index, there in (
            (self._asked, not known.closing),
            (self._idle, known.free and not known.closing),
        ):
            if there:
                index.setdefault(key, {})[name] = known
            elif key in index:
                index[key].pop(name, None)
                if not index[key]:
                    del index[key]

    def _start_new(self, wanted: Obtain, reply: Future[Any]) -> None:
        spec = wanted.spec
        name = f"{spec.name}#{self._env.serial(spec.name)}"
        child = ChildSpec(
            id=name,
            start=ProcessorActor,
            args=(spec, name, self._env, self.actor_ref),
            restart=Restart.TEMPORARY,
            shutdown_ns=ShutdownBudget.INFINITE,
        )
        started = self.start_child(child)
        ref = self._child_ref(name)
        known = self._known[name] = _Known(ref, spec)
        known.pending += 1  # so that nobody else takes it between its start and its first lease
        self._index(known)
        self.when(started, self._on_new, known, wanted, reply)

    def _child_ref(self, name: str) -> ActorRef[ProcessorActor]:
        ref = self.ref_of(name)
        assert ref is not None
        return ref

    def _on_new(
        self, started: Future[StartedChild], known: _Known, wanted: Obtain, reply: Future[Any]
    ) -> None:
        known.pending -= 1
        self._index(known)
        error = started.error()
        if error is not None:
            reply.try_fail(error)
        else:
            self._forward(known, wanted, reply)

    def _forward(self, known: _Known, wanted: Obtain, reply: Future[Any]) -> None:
        if wanted.streaming:
            known.pending += 1
            self._index(known)
        ask = Acquire(holder=wanted.holder, incarnation=wanted.incarnation, context=wanted.context)
        self.when(known.ref.ask(ask, block=False), self._on_answer, known, wanted, reply)

    def _on_answer(self, answer: Future[Granted], known: _Known, wanted: Obtain, reply: Future[Any]) -> None:
        if wanted.streaming:
            known.pending -= 1
        error = answer.error()
        if isinstance(error, LeaseOver | ActorDead):
            known.closing = True
            self._index(known)
            self._obtain(wanted, reply)
            return
        if error is not None:
            self._index(known)
            reply.try_fail(error)
            return
        granted = answer.outcome()
        if wanted.streaming:
            known.streams.add(granted.lease_id)
        if wanted.keep:
            known.keepers.add(granted.lease_id)
        self._index(known)
        reply.try_set(granted)


def _key(spec: ProcessorSpec) -> Hashable:
    return spec.name if spec.instance is None else ("instance", id(spec.instance))


def _same(one: ProcessorSpec, other: ProcessorSpec) -> bool:
    if one.instance is not None or other.instance is not None:
        return one.instance is other.instance
    return one is other or one == other
