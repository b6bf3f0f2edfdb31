"""What a ProcessorActor is asked and told: leases, context, faults."""

from dataclasses import dataclass
from typing import Any, ClassVar

from greenroom.actors.context import Context
from greenroom.actors.errors import LeaseOver
from greenroom.supervision import ActorRef, Future, LeaseId, LeaseRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquire:
    """Ask a processor for a lease; answered by a `Granted`. `LeaseOver`: it is being closed."""

    holder: ActorRef[Any]
    incarnation: int
    context: Context
    errors: ClassVar = (LeaseOver, LeaseRefused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Give a lease back; a second time does nothing.

    Attributes:
        lease_id: which.
        holder: only if it is this one's; None: whoever has it.
    """

    lease_id: LeaseId
    holder: ActorRef[Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Make somebody else the holder of a lease. `LeaseOver`: it has ended."""

    lease_id: LeaseId
    holder: ActorRef[Any]
    incarnation: int
    errors: ClassVar = (LeaseOver, LeaseRefused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Set what a lease wants the processor to be told."""

    lease_id: LeaseId
    context: Context


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseGone:
    """Told to the directory: a lease has ended."""

    processor: str
    lease_id: LeaseId


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulted:
    """Told by the host: the processor raised, or returned something that is not its frame."""

    epoch: int
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class Hung:
    """Told by the watch: a call runs longer than it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Told by the host: no lane sends any more, nothing waits, nothing runs."""


class HungError(TimeoutError):
    """A call of a processor took longer than its ``hang_ns``, and was given up."""


def holder_name(ref: ActorRef[Any]) -> str:
    """Return what events call a holder."""
    return ref.path.partition("/rooms/")[2] or ref.name


def hand_out(_: Future[Any], reply: Future[Any], granted: object) -> None:
    """Answer with a lease, once something else has been answered, however."""
    reply.try_set(granted)
