"""Restart budgets that a whole subtree shares: the rule, without threads or clocks.

Laws:
    - a restart counts in each budget over it; it is made if it fits into all of them, else it counts in none;
    - the outermost budget that has none left is the one that is exceeded, once: it is told of once, and allows
      nothing more;
    - a restart exactly a period old still counts, as in `Intensity`;
    - whoever uses one from several threads holds one lock over all budgets: so two never both take the last restart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from greenroom.supervision._intensity import Intensity
from greenroom.supervision.snapshot import RestartBudget
from greenroom.supervision.spec import SubtreeBudget


class SharedBudget:
    """The restarts that one supervisor, and all below it, have together.

    Args:
        owner: path of the supervisor that declares it.
        spec: how many within what time.
    """

    __slots__ = ("_latest_ns", "_window", "exceeded", "owner", "spec")

    def __init__(self, owner: str, spec: SubtreeBudget) -> None:
        self.owner = owner
        self.spec = spec
        self.exceeded = False
        self._window = Intensity(spec.intensity, spec.period_ns)
        self._latest_ns = 0

    def change(self, spec: SubtreeBudget) -> None:
        """Go on with another spec; what was counted so far still counts."""
        self.spec = spec
        self._window.change(spec.intensity, spec.period_ns)

    def has_left(self, now_ns: int) -> bool:
        """Whether one more restart fits."""
        return not self.exceeded and self._window.left(self._monotonic(now_ns)) > 0

    def take(self, now_ns: int) -> None:
        """Count one restart."""
        self._window.admit(self._monotonic(now_ns))

    def view(self, now_ns: int) -> RestartBudget:
        """Return what is used and what is left; any thread may ask."""
        restarts, intensity, period_ns = self._window.view(now_ns)
        return RestartBudget(
            owner=self.owner,
            restarts=restarts,
            intensity=intensity,
            period_ns=period_ns,
            left=0 if self.exceeded else max(0, intensity - restarts),
            subtree=True,
        )

    def _monotonic(self, now_ns: int) -> int:
        """Two threads read the clock before they get the lock, in whichever order."""
        self._latest_ns = max(self._latest_ns, now_ns)
        return self._latest_ns


@dataclass(frozen=True, slots=True)
class Refusal:
    """A restart does not fit.

    Attributes:
        budget: the outermost into which it does not.
        first: whether that one is exceeded by this.
    """

    budget: SharedBudget
    first: bool


def spend(budgets: Sequence[SharedBudget], now_ns: int) -> Refusal | None:
    """Count a restart in all ``budgets``, or in none and say why.

    Args:
        budgets: the nearest first.
        now_ns: when.
    """
    refusing = [budget for budget in budgets if not budget.has_left(now_ns)]
    if not refusing:
        for budget in budgets:
            budget.take(now_ns)
        return None
    outermost = refusing[-1]
    refusal = Refusal(outermost, not outermost.exceeded)
    outermost.exceeded = True
    return refusal
