"""Making a failure short: first the scenario, then the faults, then the schedule; each step is tried by running it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from greenroom.simulation._court import BLOCKS
from greenroom.simulation._faults import ACTOR, Fault, FaultPlan
from greenroom.simulation._replay import Repeat
from greenroom.simulation._run import Outcome, Setting, run
from greenroom.simulation.errors import LawBroken
from greenroom.supervision.exploring import shrink as shrink_choices
from greenroom.supervision.simulated import SimulatedRuntime

T = TypeVar("T")
RUNS: Final = 400
"""How many runs shrinking may take, for scenario and faults, and again for the schedule."""
BLOCKED_RUNS: Final = 12
"""The same for what blocks: a run may take half a second of real time until the watchdog has noticed."""
HOOKED: Final = Fault(at=ACTOR, kind="kill", name="nothing", nth=(1,))
"""Never happens; but where actors may be struck they end by a step of their own, so the schedule is the same with it."""
OTHER_SEEDS: Final = 3
"""A shorter scenario draws other orders from the same seed; so a few further seeds are tried with each."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A failure made short.

    Attributes:
        repeat: what repeats it.
        outcome: how it fails.
        runs: how many runs that took.
    """

    repeat: Repeat
    outcome: Outcome
    runs: int


def shrink(
    repeat: Repeat,
    setting: Setting | None = None,
    *,
    runs: int = RUNS,
    on_run: Callable[[int], None] | None = None,
) -> Shrunk:
    """Return the shortest run found that breaks the same law.

    Args:
        repeat: a run that fails.
        setting: laws and the processor under test.
        runs: how many runs it may take; the schedule may take as many again.
        on_run: told how many there were.

    Raises:
        ValueError: it does not fail.
    """
    search = _Search(repeat, setting or Setting(), runs, on_run)
    search.scenario()
    search.faults()
    search.schedule()
    return Shrunk(search.best, search.outcome, search.count)


class _Search:
    def __init__(
        self, repeat: Repeat, setting: Setting, runs: int, on_run: Callable[[int], None] | None
    ) -> None:
        self.best = repeat
        self.count = 0
        self._setting = setting
        self._left = runs
        self._runs = runs
        self._on_run = on_run
        self.outcome = self._run(repeat)
        if self.outcome.failure is None:
            raise ValueError("the run does not fail: there is nothing to shrink")
        self._key = self.outcome.failure.key
        if self.outcome.failure.title == BLOCKS:
            self._left = self._runs = min(runs, BLOCKED_RUNS)

    def _run(self, repeat: Repeat) -> Outcome:
        self.count += 1
        self._left -= 1
        if self._on_run is not None:
            self._on_run(self.count)
        return repeat.run(self._setting)

    def _try(self, repeat: Repeat) -> bool:
        """Take it if it fails in the same way."""
        if self._left <= 0:
            return False
        outcome = self._run(repeat)
        if outcome.failure is None or outcome.failure.key != self._key:
            return False
        self.best, self.outcome = repeat, outcome
        return True

    def scenario(self) -> None:
        """Leave steps out; then processors that nobody names any more."""

        def attempt(steps: Sequence[object]) -> bool:
            shorter = self.best.scenario.with_steps(steps)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            candidates = [replace(self.best, scenario=shorter)]
            if self.best.choices is None:
                candidates += [
                    replace(self.best, scenario=shorter, seed=self.best.seed + 1 + other)
                    for other in range(OTHER_SEEDS)
                ]
            return any(self._try(candidate) for candidate in candidates)

        _minimise(lambda: self.best.scenario.steps, attempt)
        scenario = self.best.scenario
        named = {
            name
            for step in scenario.steps
            for name in (*getattr(step, "through", ()), getattr(step, "processor", ""))
        }
        parts = tuple(part for part in scenario.parts if part.name in named)
        if len(parts) < len(scenario.parts):
            self._try(replace(self.best, scenario=replace(scenario, parts=parts)))

    def faults(self) -> None:
        """Have exactly those faults happen that did; then leave some out."""
        happened = tuple(each.exactly() for each in self.outcome.fired)
        if any(fault.at == ACTOR for fault in self.best.faults.faults):
            happened += (HOOKED,)
        exact = FaultPlan(name="exactly", faults=happened)
        if not self._try(replace(self.best, faults=exact)):
            return

        def attempt(faults: Sequence[object]) -> bool:
            plan = FaultPlan(name="exactly", faults=tuple(faults))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            return self._try(replace(self.best, faults=plan))

        _minimise(lambda: self.best.faults.faults, attempt)
        self.scenario()

    def schedule(self) -> None:
        """Take the fixed rule wherever the choice does not matter."""
        setting = replace(self._setting, faults=self.best.faults)

        def program(runtime: SimulatedRuntime) -> None:
            self.count += 1
            if self._on_run is not None:
                self._on_run(self.count)
            outcome = run(self.best.scenario, seed=self.best.seed, setting=setting, runtime=runtime)
            if outcome.failure is not None:
                raise LawBroken(outcome.failure.law, outcome.failure.title, outcome.failure.detail)

        def same(error: Exception) -> bool:
            return isinstance(error, LawBroken) and (error.law, error.title) == self._key

        try:
            choices = shrink_choices(
                program, self.outcome.choices, same, seed=self.best.seed, runs=self._runs
            )
        except ValueError:
            return  # its own choices do not repeat it: the seed does
        self._left = 1
        self._try(replace(self.best, choices=tuple(choices)))


def _minimise(current: Callable[[], Sequence[T]], attempt: Callable[[Sequence[T]], bool]) -> None:
    """Leave out runs of items, long ones first, as long as that helps."""
    size = max(1, len(current()) // 2)
    while True:
        at, found = len(current()) - size, False
        while at > -size:
            items = current()
            rest = [*items[: max(0, at)], *items[max(0, at + size) :]]
            if len(rest) < len(items) and attempt(rest):
                found = True
            at = min(at, len(current())) - size
        if size == 1 and not found:
            return
        size = max(1, size // 2)
