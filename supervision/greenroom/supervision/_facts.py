"""What a supervisor knows about its children, for snapshots: read by any thread, while the supervisor works or hangs."""

from greenroom.supervision._actor import Actor
from greenroom.supervision._decisions import ChildStatus
from greenroom.supervision._keeper import Keeper
from greenroom.supervision._program import class_of
from greenroom.supervision._subtree import shared_over
from greenroom.supervision.snapshot import ChildFacts


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


def never_started(keeper: Keeper) -> list[tuple[str, type[Actor]]]:
    """Return the children that are known and were never started, by id and class."""
    return [
        (each.id, class_of(each.spec))
        for each in keeper.family.listed()
        if each.status is ChildStatus.STOPPED and keeper.ref_of(each.id) is None
    ]
