"""The long sweep: every scenario, and random ones, under every fault plan with every strategy, in a given number of schedules.

A *leg* is a `Sweep`: one scenario, plan and strategy. Legs share the schedules out by weight: a random scenario is another
one with each seed, so those get many; and where much goes wrong more is found.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from typing import Final

from greenroom.simulation._faults import FaultPlan, load_faults
from greenroom.simulation._files import load_scenario
from greenroom.simulation._files import names as shipped
from greenroom.simulation._run import STRATEGIES, scheduler_of
from greenroom.simulation._scenario import Scenario
from greenroom.simulation._sweep import CHUNK, JOBS_MAX, Sweep, Tally, begin_worker, sweep
from greenroom.simulation.errors import SimulationError

RANDOM: Final = "random"
DFS: Final = "dfs"
RANDOM_WEIGHT: Final = 16
"""A random scenario gets so many times the schedules of a shipped one."""
ALL_WEIGHT: Final = 3
"""And the plan in which everything goes wrong so many times those of any other."""
SMALL_STEPS: Final = 20
"""Of a scenario with at most so many steps the first orders are tried one after the other too (``dfs``)."""
FAILURES_MAX: Final = 20
"""After so many failures a leg is given up: they will be one and the same."""
Part = tuple[int, Sweep]


def legs_of(
    schedules: int,
    *,
    first: int = 0,
    faults: Sequence[FaultPlan] = (),
    strategies: Sequence[str] = (),
    laws: tuple[str, ...] = (),
    coverage: bool = False,
) -> tuple[Sweep, ...]:
    """Return what a long sweep is made of.

    Args:
        schedules: how many in all.
        first: the first seed of each leg.
        faults: plans; all that are shipped by default.
        strategies: all by default.
        laws: which count, as of `Sweep`.
        coverage: whether to count what is visited.

    Raises:
        SimulationError: there are more legs than schedules.
        UnknownName: there is no such strategy.
    """
    plans = tuple(faults) or tuple(load_faults(name) for name in shipped("faults"))
    ways = tuple(strategies) or (*STRATEGIES, DFS)
    for way in ways:
        if way != DFS:
            scheduler_of(way, 0)
    scenarios: list[Scenario | None] = [None, *map(load_scenario, shipped("scenarios"))]
    found = [
        (scenario, plan, way)
        for scenario in scenarios
        for plan in plans
        for way in ways
        if way != DFS or (scenario is not None and len(scenario.steps) <= SMALL_STEPS)
    ]
    if schedules < len(found):
        raise SimulationError(
            f"{schedules} schedules are too few; there are {len(found)} to be shared out to"
        )
    shares = _shares(schedules, [_weight(scenario, plan) for scenario, plan, _ in found])
    return tuple(
        Sweep(
            scenario=scenario,
            faults=plan,
            strategy=way,
            first=first,
            seeds=share,
            laws=laws,
            coverage=coverage,
            keep_going=True,
        )
        for (scenario, plan, way), share in zip(found, shares, strict=True)
    )


def _weight(scenario: Scenario | None, plan: FaultPlan) -> int:
    return (RANDOM_WEIGHT if scenario is None else 1) * (ALL_WEIGHT if plan.name == "all" else 1)


def _shares(count: int, weights: Sequence[int]) -> list[int]:
    """Share ``count`` out by weights, at least one to each.

    >>> _shares(10, [1, 1, 2]), _shares(3, [1, 100, 1])
    ([3, 3, 4], [1, 1, 1])
    """
    shares: list[int] = []
    spare, total, given, seen = count - len(weights), sum(weights), 0, 0
    for weight in weights:
        seen += weight
        upto = -(-spare * seen // total)
        shares.append(1 + upto - given)
        given = upto
    return shares


def name_of_leg(leg: Sweep) -> tuple[str, str, str]:
    """Return scenario, plan and strategy of a leg."""
    return RANDOM if leg.scenario is None else leg.scenario.name, leg.faults.name, leg.strategy


class Campaign:
    """Runs legs over several processes, goes on whatever it finds, and keeps the books of each.

    Attributes:
        legs: what is run.
        tallies: what each leg has come to so far.
    """

    def __init__(self, legs: Sequence[Sweep]) -> None:
        self.legs = tuple(legs)
        self.tallies: list[Tally] = [Tally() for _ in self.legs]

    @property
    def schedules(self) -> int:
        """How many there are to run."""
        return sum(leg.seeds for leg in self.legs)

    def total(self) -> Tally:
        """Return what all have come to so far."""
        total = Tally()
        for tally in self.tallies:
            total.merge(tally)
        return total

    def run(self, *, jobs: int = 1, on_part: Callable[[int, Tally], None] | None = None) -> None:
        """Run all of it.

        Args:
            jobs: how many processes; 1 runs in this one.
            on_part: told of the leg and what a part of it has come to, on this thread.
        """
        for index, tally in self._here() if jobs == 1 else self._spread(jobs):
            self.tallies[index].merge(tally)
            if on_part is not None:
                on_part(index, tally)

    def _parts(self) -> list[Part]:
        """Return the legs in parts, in turns: so that the first minutes have seen something of all."""
        waiting = [_chunks(index, leg) for index, leg in enumerate(self.legs)]
        parts: list[Part] = []
        while waiting:
            found = [(next(each, None), each) for each in waiting]
            parts += [part for part, _ in found if part is not None]
            waiting = [each for part, each in found if part is not None]
        return parts

    def _gives_up(self, index: int) -> bool:
        return len(self.tallies[index].failures) >= FAILURES_MAX

    def _here(self) -> Iterator[tuple[int, Tally]]:
        for index, part in self._parts():
            if not self._gives_up(index):
                yield index, sweep(part)

    def _spread(self, jobs: int) -> Iterator[tuple[int, Tally]]:
        spawn = get_context("spawn")
        with ProcessPoolExecutor(min(jobs, JOBS_MAX), mp_context=spawn, initializer=begin_worker) as pool:
            waiting: dict[Future[Tally], int] = {
                pool.submit(sweep, part): index for index, part in self._parts()
            }
            try:
                for done in as_completed(list(waiting)):
                    if not done.cancelled():
                        yield waiting[done], done.result()
                        self._cancel(waiting, waiting[done])
            finally:
                for each in waiting:
                    each.cancel()

    def _cancel(self, waiting: dict[Future[Tally], int], index: int) -> None:
        if self._gives_up(index):
            for future, leg in waiting.items():
                if leg == index:
                    future.cancel()


def _chunks(index: int, leg: Sweep) -> Iterator[Part]:
    """Cut a leg into parts that take a second; each order of ``dfs`` follows from the one before, so it is one."""
    if leg.strategy == DFS:
        yield index, leg
        return
    end = leg.first + leg.seeds
    for at in range(leg.first, end, 2 * CHUNK):
        yield index, replace(leg, first=at, seeds=min(2 * CHUNK, end - at))
