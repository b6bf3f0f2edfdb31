"""What a supervisor knows about its children, for snapshots: read by any thread, while the supervisor works or hangs."""

from typing import Any

from greenroom.supervision._cell import Cell
from greenroom.supervision._decisions import ChildStatus
from greenroom.supervision._keeper import Keeper
from greenroom.supervision._program import class_of
from greenroom.supervision._subtree import shared_over
from greenroom.supervision.snapshot import ActorKind, ChildFacts


def facts_of(keeper: Keeper, name: str, now_ns: int) -> ChildFacts:
    """Return what is known about a child: what its restarts count against, and whether it waits for one."""
    budgets = keeper.family.budgets(now_ns) + shared_over(keeper.cell, now_ns)
    known, due_ns = keeper.family.known(name), keeper.due_ns(name)
    if known is None:
        return ChildFacts(budgets=budgets)
    return ChildFacts(
        budgets=budgets,
        restarting=known.status is ChildStatus.RESTARTING,
        backoff_left_ns=None if due_ns is None or not known.is_timed else max(0, due_ns - now_ns),
    )


def never_started(keeper: Keeper) -> list[tuple[str, str, ActorKind]]:
    """Return the children that are known and were never started: id, name of what they run, and kind."""
    return [
        (each.id, name_of(each.spec.start), class_of(each.spec).actor_kind)
        for each in keeper.family.listed()
        if each.status is ChildStatus.STOPPED and keeper.ref_of(each.id) is None
    ]


def name_of(runs: Any) -> str:
    """Name what an actor runs, a class or a coroutine function, by its module and its name there."""
    return f"{getattr(runs, '__module__', None) or '?'}.{getattr(runs, '__qualname__', type(runs).__name__)}"


def runs_at(cell: Cell) -> Any:
    """Return what stands at a place: an actor's class; of a task the function, not the class that hosts it."""
    return cell.args[0] if cell.is_task else cell.actor_class
