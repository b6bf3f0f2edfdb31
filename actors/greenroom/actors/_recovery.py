"""What follows when a processor's worker has failed: build again after a while, or rest; a pure rule.

restarts within the budget -> back-off, doubling -> past the budget: degraded, a pause, one try (half-open)
-> it fails: the pause doubles -> it holds for a whole period: trusted again, with a fresh budget
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from greenroom.actors.processors import ProcessorSpec
from greenroom.supervision import Backoff, BackoffState, ChildFacts, Intensity, RestartBudget

RETRY_GROWTH_MAX: Final = 8
"""A degraded processor rests at most this many times its ``retry_ns`` between two tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """Build again after ``delay_ns``."""

    delay_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Let frames pass, and try once after ``pause_ns``; None: never, for it cannot be built again."""

    pause_ns: int | None


class Recovery:
    """The budget, back-off and probation of one processor."""

    def __init__(self, spec: ProcessorSpec) -> None:
        self._spec = spec
        self._retries = 0
        self.on_probation = False
        self.due_ns: int | None = None
        """When it is built again or tried; None while nothing is planned."""
        self._fresh_budget()

    def _fresh_budget(self) -> None:
        spec = self._spec
        self._intensity = Intensity(spec.intensity, spec.period_ns)
        self._backoff = BackoffState(
            Backoff(
                initial_ns=spec.backoff_ns,
                max_ns=max(spec.backoff_ns, spec.backoff_max_ns),
                healthy_ns=spec.period_ns,
                immediate_first=True,
            )
        )

    def ready(self, now_ns: int) -> None:
        """It is built, and frames go through."""
        self.due_ns = None
        self._backoff.started(now_ns)

    def trusted(self) -> None:
        """It recovered from being degraded and has held since."""
        self.on_probation = False
        self._retries = 0
        self._fresh_budget()

    def failed(self, now_ns: int, dice: Callable[[], float]) -> Rebuild | Rest:
        """It failed, in whichever way: what next."""
        planned = self._plan(now_ns, dice)
        delay_ns = planned.delay_ns if isinstance(planned, Rebuild) else planned.pause_ns
        self.due_ns = None if delay_ns is None else now_ns + delay_ns
        return planned

    def facts(self, owner: str, now_ns: int) -> ChildFacts:
        """Return what a snapshot says about the worker's restarts; any thread may ask."""
        restarts, limit, period_ns = self._intensity.view(now_ns)
        due_ns = self.due_ns
        return ChildFacts(
            budgets=(
                RestartBudget(
                    owner=owner,
                    restarts=restarts,
                    intensity=limit,
                    period_ns=period_ns,
                    left=max(0, limit - restarts),
                ),
            ),
            restarting=due_ns is not None,
            backoff_left_ns=None if due_ns is None else max(0, due_ns - now_ns),
        )

    def _plan(self, now_ns: int, dice: Callable[[], float]) -> Rebuild | Rest:
        self._backoff.ended(now_ns)
        if self._spec.instance is not None:
            return Rest(pause_ns=None)
        if not self.on_probation and self._intensity.admit(now_ns):
            return Rebuild(delay_ns=self._backoff.next(dice()))
        self.on_probation = True
        pause_ns = self._spec.retry_ns * min(RETRY_GROWTH_MAX, 2**self._retries)
        self._retries = min(self._retries + 1, RETRY_GROWTH_MAX)
        return Rest(pause_ns=pause_ns)
