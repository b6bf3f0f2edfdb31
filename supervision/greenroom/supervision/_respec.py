"""From a child's spec to what its cell is made with, and an update of that while it runs."""

from typing import Any

from greenroom.supervision._mailbox import SLACK
from greenroom.supervision._program import check_startable, program_of_spec
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._watched import WatchedCell
from greenroom.supervision.errors import BadSpec
from greenroom.supervision.spec import ChildSpec, ShutdownBudget, SupervisorFlags


def startable(specs: tuple[ChildSpec, ...]) -> tuple[ChildSpec, ...]:
    """Return the specs, all of which can be started, or raise `BadSpec`."""
    for spec in specs:
        check_startable(spec)
    return specs


def check_update(ref: ActorRef[Any], spec: ChildSpec) -> None:
    """Refuse with `BadSpec` what a child cannot go on with: it would need another thread, name or cell."""
    cell, rest = ref._cell, f"as it was for {spec.id!r}; delete it and start it anew"
    if isinstance(spec.start, type) is cell.is_task:
        raise BadSpec(
            "ChildSpec.start", spec.start, f"{'a coroutine function' if cell.is_task else 'a class'} {rest}"
        )
    if cell.dispatcher is not spec.dispatcher:
        raise BadSpec("ChildSpec.dispatcher", spec.dispatcher, f"{cell.dispatcher} {rest}")
    if cell.register != spec.register:
        raise BadSpec("ChildSpec.register", spec.register, f"{cell.register!r} {rest}")
    if not isinstance(cell, WatchedCell) and not cell.is_task:
        if spec.liveness is not None:
            raise BadSpec("ChildSpec.liveness", spec.liveness, f"None {rest}")
        if spec.record_messages:
            raise BadSpec("ChildSpec.record_messages", spec.record_messages, f"False {rest}")


def respec(ref: ActorRef[Any], spec: ChildSpec, flags: SupervisorFlags) -> None:
    """Have a child go on with another spec: from its next start, stop or message on."""
    cell = ref._cell
    with cell.lock:
        cell.actor_class, cell.args, cell.kwargs = program_of_spec(spec, flags.shared_args)
        cell.shutdown_ns = budget_ns(spec)
        cell.start_ns = spec.start_ns
        cell.policy = spec.mailbox
        cell.roomy = spec.mailbox.capacity - SLACK
        cell.release_waiting(everybody=True)  # there may be room now, or senders do not wait any more
        if isinstance(cell, WatchedCell):
            cell.liveness = spec.liveness  # the present incarnation's watch goes on as it was
            cell.record_messages = spec.record_messages or cell.system.record_messages


def budget_ns(spec: ChildSpec) -> int | None:
    """Return a shutdown budget as the machine knows it: 0 is brutal, None infinite."""
    match spec.shutdown_ns:
        case ShutdownBudget.BRUTAL:
            return 0
        case ShutdownBudget.INFINITE:
            return None
        case ns:
            return ns
