"""Many runs: seeds in chunks, over several processes, with what they found and what they visited."""

import gc
import os
import threading  # noqa: TID251 - of a worker process, beside what is simulated in it
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Any, Final

from greenroom.simulation._court import NAMES, TITLES
from greenroom.simulation._faults import NO_FAULTS, FaultPlan
from greenroom.simulation._random import random_scenario
from greenroom.simulation._replay import Repeat
from greenroom.simulation._run import Failure, Outcome, Setting, run, scheduler_of
from greenroom.simulation._scenario import Scenario
from greenroom.simulation.errors import SimulationError, UnknownName, unknown
from greenroom.simulation.laws import Law
from greenroom.supervision.schedules import DfsScheduler

CHUNK: Final = 20
JOBS_MAX: Final = 256
ALL_EVERY: Final = 100
"""After how many runs all garbage is looked for, and not what is young alone."""
Pair = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What is to be run.

    Attributes:
        scenario: what is played; None: a random one for each seed.
        faults: what may go wrong.
        strategy: ``random``, ``pct``, ``delay`` or ``dfs``.
        first: the first seed.
        seeds: how many; of ``dfs``, how many schedules at most.
        laws: which count: names or numbers of built-in ones, and ``module:name`` for those of users.
        coverage: whether to count what is visited.
        keep_going: whether to go on after a failure.
    """

    scenario: Scenario | None = None
    faults: FaultPlan = NO_FAULTS
    strategy: str = "random"
    first: int = 0
    seeds: int = 100
    laws: tuple[str, ...] = ()
    coverage: bool = False
    keep_going: bool = False

    def repeat(self, seed: int) -> Repeat:
        """Return what repeats the run of one seed."""
        scenario = random_scenario(seed) if self.scenario is None else self.scenario
        return Repeat(scenario=scenario, faults=self.faults, seed=seed, strategy=self.strategy)

    def setting(self) -> Setting:
        """Return laws and faults as runs take them."""
        own, only = find_laws(self.laws)
        return Setting(faults=self.faults, laws=own, only=only)


@dataclass(slots=True)
class Tally:
    """What runs came to.

    Attributes:
        failures: those that failed, with what repeats each.
        visited: how often each (class, state, message) was met.
        points: how often each fault happened.
        exhausted: whether all orders were tried (``dfs``).
    """

    runs: int = 0
    steps: int = 0
    faults: int = 0
    rests: int = 0
    failures: list[tuple[Repeat, Failure]] = field(default_factory=list[tuple[Repeat, Failure]])
    visited: Counter[Pair] = field(default_factory=Counter[Pair])
    points: Counter[Pair] = field(default_factory=Counter[Pair])
    exhausted: bool = False

    def add(self, outcome: Outcome, repeat: Repeat) -> None:
        """Count one run."""
        self.runs += 1
        self.steps += outcome.steps
        self.faults += len(outcome.fired)
        self.rests += outcome.rests
        self.visited.update(outcome.visited)
        self.points.update(outcome.points)
        if outcome.failure is not None:
            self.failures.append((repeat, outcome.failure))

    def merge(self, other: "Tally") -> None:
        """Count what another has counted."""
        self.runs += other.runs
        self.steps += other.steps
        self.faults += other.faults
        self.rests += other.rests
        self.failures += other.failures
        self.visited.update(other.visited)
        self.points.update(other.points)
        self.exhausted = self.exhausted or other.exhausted


def sweep(plan: Sweep, *, jobs: int = 1, on_progress: Callable[[Tally], None] | None = None) -> Tally:
    """Run all seeds, and stop at the first failure unless told to go on.

    Args:
        plan: what to run.
        jobs: how many processes; 1 runs in this one.
        on_progress: told after each chunk what there is so far; on this thread.

    Raises:
        UnknownName: there is no such strategy or law.
    """
    plan.setting()
    total = Tally()
    if plan.strategy == "dfs":
        _depth_first(plan, total, on_progress)
        return total
    scheduler_of(plan.strategy, 0)
    parts = _parts(plan, jobs) if jobs > 1 else (_chunk(plan, seeds) for seeds in _chunks(plan))
    for part in parts:
        total.merge(part)
        if on_progress is not None:
            on_progress(total)
        if total.failures and not plan.keep_going:
            break
    total.failures.sort(key=lambda each: each[0].seed)
    return total


def _chunks(plan: Sweep) -> Iterator[range]:
    end = plan.first + plan.seeds
    return (range(at, min(at + CHUNK, end)) for at in range(plan.first, end, CHUNK))


def _chunk(plan: Sweep, seeds: Sequence[int]) -> Tally:
    tally, setting = Tally(), plan.setting()
    with _tidying() as tidy:
        for seed in seeds:
            repeat = plan.repeat(seed)
            tally.add(repeat.run(setting, coverage=plan.coverage), repeat)
            tidy()
            if tally.failures and not plan.keep_going:
                break
    return tally


@contextmanager
def _tidying() -> Generator[Callable[[], object]]:
    """Collect garbage only when told to: after a run, when most of it is young, and all of it now and then.

    What a run leaves is in circles, and some of it is still held when it has just ended: that is no longer young later.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield _tidy
    finally:
        if enabled:
            gc.enable()


def _tidy() -> None:
    _, collected_young, _ = gc.get_count()
    gc.collect(2 if collected_young >= ALL_EVERY else 0)


def begin_worker() -> None:
    """What has been imported stays: no collection needs to look at it again. Who started this process is outlived by no step."""
    gc.collect()
    gc.freeze()
    threading.Thread(target=_end_with, args=(parent_process(),), daemon=True).start()


def _end_with(parent: BaseProcess | None) -> None:
    if parent is not None:
        parent.join()
        os._exit(1)


def _parts(plan: Sweep, jobs: int) -> Iterator[Tally]:
    spawn = get_context("spawn")
    with ProcessPoolExecutor(min(jobs, JOBS_MAX), mp_context=spawn, initializer=begin_worker) as pool:
        waiting: list[Future[Tally]] = [pool.submit(_chunk, plan, list(seeds)) for seeds in _chunks(plan)]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            for each in waiting:
                each.cancel()


def _depth_first(plan: Sweep, total: Tally, on_progress: Callable[[Tally], None] | None) -> None:
    repeat, setting = plan.repeat(plan.first), plan.setting()
    orders = DfsScheduler(plan.seeds)
    for order in orders:
        outcome = run(
            repeat.scenario, seed=plan.first, scheduler=order, setting=setting, coverage=plan.coverage
        )
        total.add(
            outcome,
            Repeat(scenario=repeat.scenario, faults=plan.faults, seed=plan.first, choices=outcome.choices),
        )
        if on_progress is not None and total.runs % CHUNK == 0:
            on_progress(total)
        if total.failures and not plan.keep_going:
            break
    total.exhausted = orders.exhausted


def find_laws(wanted: Sequence[str]) -> tuple[tuple[Law, ...], tuple[int, ...] | None]:
    """Return the users' laws that are named, and the numbers of the built-in ones; None for all of those.

    >>> find_laws(["leases", "4"])
    ((), (2, 4))

    Raises:
        UnknownName: there is no such law.
    """
    own: list[Law] = []
    only: list[int] = []
    for name in wanted:
        if ":" in name:
            own.append(_imported(name))
        elif name in NAMES:
            only.append(NAMES[name])
        elif name.isdecimal() and int(name) in TITLES:
            only.append(int(name))
        else:
            raise UnknownName(unknown("law", name, NAMES) + "; or 1 to 9; or module:name for one of your own")
    return tuple(own), tuple(only) or None


def _imported(name: str) -> Law:
    module, _, attribute = name.partition(":")
    try:
        found: Any = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownName(f"no law {name!r}: {type(error).__name__}: {error}") from error
    if not isinstance(found, Law):
        raise SimulationError(f"{name!r} is {type(found).__name__}; a law is made by @law('title')")
    return found


def cores() -> int:
    """Return how many processes are worth while here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
