"""How a supervisor finds the budgets above it, and how the one whose budget is exceeded hears of that."""

from collections.abc import Iterator
from logging import ERROR
from typing import Any

from greenroom.supervision._family import Family
from greenroom.supervision._log import say
from greenroom.supervision._restart import Shutdown
from greenroom.supervision._sharing import Refusal, SharedBudget, spend
from greenroom.supervision.errors import ActorStopped, StartFailed
from greenroom.supervision.events import BudgetExceeded
from greenroom.supervision.snapshot import RestartBudget


def _declaring(cell: Any) -> Iterator[tuple[Any, SharedBudget]]:
    """Yield the cells from ``cell`` upwards that have declared a budget, with it. Any thread: it only reads."""
    while cell is not None:
        family = getattr(getattr(cell.life.actor, "_keeper", None), "family", None)
        if isinstance(family, Family) and family.shared is not None:
            yield cell, family.shared
        cell = cell.parent


def spend_for(cell: Any, now_ns: int) -> Refusal | None:
    """Count a restart that the supervisor in ``cell`` is about to make in all budgets over it."""
    budgets = [budget for _, budget in _declaring(cell)]
    if not budgets:
        return None
    with cell.system.budgets:
        return spend(budgets, now_ns)


def shared_over(cell: Any, now_ns: int) -> tuple[RestartBudget, ...]:
    """Return the budgets over the children of the supervisor in ``cell``, the nearest first, for snapshots."""
    return tuple(budget.view(now_ns) for _, budget in _declaring(cell))


def tell_exceeded(cell: Any, child: str, owner: str, *, first: bool) -> None:
    """Have the supervisor at ``owner`` give up, because ``cell``'s is not to restart ``child``; once."""
    for holder, budget in _declaring(cell):
        if first and budget.owner == owner:
            path, spec = f"{cell.path}/{child}", budget.spec
            facts = {"child": path, "intensity": spec.intensity, "period_ns": spec.period_ns}
            say(ERROR, "supervisor.budget_exceeded", supervisor=owner, **facts)
            cell.system.emit(
                BudgetExceeded(path=owner, child=path, intensity=spec.intensity, period_ns=spec.period_ns)
            )
            life = holder.life
            holder.put_continuation(life, _give_up, (life.actor, path))
            return


def _give_up(actor: Any, child: str) -> None:
    """Runs as a signal of the supervisor whose budget it is."""
    if actor.starting:
        raise StartFailed(child, ActorStopped(child))
    actor.end(Shutdown(f"restart budget of the subtree exceeded by {child!r}"))
