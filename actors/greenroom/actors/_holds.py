"""Leases that code outside of any stream holds: one actor is their holder, so that they end with the session."""

from dataclasses import dataclass
from typing import Any, ClassVar

from greenroom.actors._directory import Obtain
from greenroom.actors.context import NO_CONTEXT
from greenroom.actors.errors import DuplicateName, LeaseOver
from greenroom.actors.processors import ProcessorSpec
from greenroom.supervision import Actor, ActorRef, Future, LeaseRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Hold a processor of ``spec`` open; answered by a `Granted`."""

    spec: ProcessorSpec
    errors: ClassVar = (LeaseOver, LeaseRefused, DuplicateName)


class HoldsActor(Actor):
    """Holds leases for people."""

    def __init__(self, directory: ActorRef[Any]) -> None:
        self._directory = directory

    def on_receive(self, message: Any) -> Any:
        """Obtain a lease."""
        if not isinstance(message, Hold):
            return super().on_receive(message)
        reply = self.defer_reply()
        obtain = Obtain(
            spec=message.spec,
            holder=self.actor_ref,
            incarnation=self.incarnation,
            context=NO_CONTEXT,
            streaming=False,
        )
        self.when(self._directory.ask(obtain, block=False), _pass_on, reply)
        return None


def _pass_on(answer: Future[Any], reply: Future[Any]) -> None:
    error = answer.error()
    if error is None:
        reply.try_set(answer.outcome())
    else:
        reply.try_fail(error)
