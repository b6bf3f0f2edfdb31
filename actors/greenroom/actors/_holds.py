"""Leases that code outside of any stream holds: one actor is their holder, so that they end with the session."""

from dataclasses import dataclass
from typing import Any, ClassVar

from greenroom.actors._desired import Granted
from greenroom.actors._directory import Obtain
from greenroom.actors._env import Env
from greenroom.actors._leasing import Release
from greenroom.actors.context import NO_CONTEXT
from greenroom.actors.errors import DuplicateName, LeaseOver
from greenroom.actors.processors import ProcessorSpec
from greenroom.supervision import Actor, ActorDead, ActorRef, Down, Future, LeaseRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Hold a processor of ``spec`` open; answered by a `Granted`.

    Attributes:
        very: keep this processor and no other, for a stream that may come back and says so; nobody else gets it.
    """

    spec: ProcessorSpec
    very: ActorRef[Any] | None = None
    errors: ClassVar = (LeaseOver, LeaseRefused, DuplicateName, ActorDead)


class HoldsActor(Actor):
    """Holds leases for people. What it should hold is in ``env.holds``: the next incarnation obtains it again."""

    def __init__(self, directory: ActorRef[Any], env: Env) -> None:
        self._directory = directory
        self._env = env
        self._watched: set[ActorRef[Any]] = set()

    def on_start(self) -> None:
        """Obtain again what an incarnation before this one has lost."""
        self._env.holder = self.actor_ref
        for granted in self._env.holds.copy():
            self._obtain_again(granted)

    def on_receive(self, message: Any) -> Any:
        """Obtain a lease; another one, when a processor is gone."""
        match message:
            case Hold(spec=spec, very=very):
                obtained = self._obtain(spec, very)
                self.when(obtained, self._on_granted, self.defer_reply(until=obtained), very is not None)
            case Down(ref=ref):
                self._watched.discard(ref)
                for granted in [each for each in self._env.holds.copy() if each.processor == ref]:
                    self._obtain_again(granted)
            case _:
                return super().on_receive(message)
        return None

    def _watch(self, granted: Granted) -> None:
        if granted.processor not in self._watched:
            self._watched.add(granted.processor)
            self.monitor(granted.processor)

    def _obtain(self, spec: ProcessorSpec, very: ActorRef[Any] | None = None) -> Future[Granted]:
        obtain = Obtain(
            spec=spec,
            holder=self.actor_ref,
            incarnation=self.incarnation,
            context=NO_CONTEXT,
            streaming=False,
            very=very,
            keep=very is not None,
        )
        return self._directory.ask(obtain, block=False)

    def _obtain_again(self, granted: Granted) -> None:
        very = granted.processor if granted.keeps else None
        granted.renewing = True
        self.when(self._obtain(granted.spec, very), self._on_again, granted)

    def _on_granted(self, answer: Future[Granted], reply: Future[Granted], keeps: bool) -> None:
        error = answer.error()
        if error is not None:
            reply.try_fail(error)
            return
        granted = answer.outcome()
        granted.keeps = keeps
        self._env.holds[granted] = None
        self._watch(granted)
        if not reply.try_set(granted):
            give_back(self._env, granted)

    def _on_again(self, answer: Future[Granted], before: Granted) -> None:
        before.renewing = False
        if answer.error() is not None:
            before.over = True
            self._env.holds.pop(before, None)
            return
        now = answer.outcome()
        before.lease_id, before.processor = now.lease_id, now.processor
        before.name, before.host = now.name, now.host
        if before.over:  # given back meanwhile
            give_back(self._env, before)
        else:
            self._watch(before)


def give_back(env: Env, granted: Granted) -> None:
    """Give a hold back, whichever lease it is at present. Any thread; a second time does nothing."""
    granted.over = True
    env.holds.pop(granted, None)
    granted.processor.send(Release(lease_id=granted.lease_id))
