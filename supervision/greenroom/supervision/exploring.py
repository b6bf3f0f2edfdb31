"""Running one program under many schedules, and making a schedule that fails short.

A program is a function of a `SimulatedRuntime`: it builds its actors on that runtime, lets them run, and raises if
something is wrong. It is called once for each schedule, and must start anew each time.

>>> def program(runtime: SimulatedRuntime) -> None:
...     runtime.call_later(1, lambda: None)
...     runtime.run_until_idle()
>>> explore(program, random_schedules(100)).runs
100
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from greenroom.supervision._shrinking import Shrinking
from greenroom.supervision.schedules import DelayScheduler, PctScheduler, RandomScheduler, Replay, Scheduler
from greenroom.supervision.simulated import STEPS, SimulatedRuntime

__all__ = [
    "Exploration",
    "Failure",
    "Program",
    "delay_schedules",
    "explore",
    "pct_schedules",
    "random_schedules",
    "replay",
    "same_kind",
    "shrink",
    "shrink_draws",
]

Program: TypeAlias = Callable[[SimulatedRuntime], object]
FailsSame: TypeAlias = Callable[[Exception], bool]

RUNS: Final = 1_000
"""So many runs may be spent on shrinking one schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A run that raised.

    Attributes:
        run: the how manieth, from 1.
        schedule: the scheduler, by its name and seed.
        seed: of the runtime.
        choices: what was chosen up to then: `replay` repeats it.
        draws: what the program's dice rolled up to then.
        steps: how many steps were taken.
        error: what was raised.
    """

    run: int
    schedule: str
    seed: int
    choices: tuple[int, ...]
    draws: tuple[int, ...]
    steps: int
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """What many runs came to.

    Attributes:
        runs: how many there were.
        steps: how many steps, in all of them.
        failures: those that raised.
    """

    runs: int
    steps: int
    failures: tuple[Failure, ...]


def random_schedules(count: int, *, first: int = 0) -> Iterator[Scheduler]:
    """Return ``count`` random schedules, of the seeds from ``first``."""
    return (RandomScheduler(seed) for seed in range(first, first + count))


def pct_schedules(count: int, *, first: int = 0, changes: int = 3, steps: int = 1_000) -> Iterator[Scheduler]:
    """Return ``count`` schedules of `PctScheduler`, of the seeds from ``first``."""
    return (PctScheduler(seed, changes, steps) for seed in range(first, first + count))


def delay_schedules(count: int, *, first: int = 0, bound: int = 3, steps: int = 1_000) -> Iterator[Scheduler]:
    """Return ``count`` schedules of `DelayScheduler`, of the seeds from ``first``."""
    return (DelayScheduler(seed, bound, steps) for seed in range(first, first + count))


def explore(
    program: Program,
    schedulers: Iterable[Scheduler],
    *,
    stop_at_first: bool = True,
    seed: int = 0,
    limit: int = STEPS,
) -> Exploration:
    """Run ``program`` once under each schedule.

    Args:
        program: what to run.
        schedulers: one for each run; a `DfsScheduler` is all of its own.
        stop_at_first: whether the first failure ends it.
        seed: of each runtime: decides what the program rolls, not the order.
        limit: a run of more steps than that fails, with `Restless`.
    """
    runs = steps = 0
    failures: list[Failure] = []
    for scheduler in schedulers:
        runs += 1
        runtime = SimulatedRuntime(seed, scheduler=scheduler, limit=limit)
        error = run(program, runtime)
        steps += runtime.steps
        if error is not None:
            failures.append(_failure(runs, runtime, error))
            if stop_at_first:
                break
    return Exploration(runs=runs, steps=steps, failures=tuple(failures))


def replay(
    program: Program, choices: Sequence[int], *, seed: int = 0, draws: Sequence[int] | None = None
) -> Failure | None:
    """Run ``program`` under recorded choices; return how it failed, if it did.

    Args:
        program: what to run.
        choices: a runtime's, or a failure's.
        seed: the same as then.
        draws: what the dice roll; None takes that from the seed.
    """
    runtime = SimulatedRuntime(seed, scheduler=Replay(choices), draws=draws)
    error = run(program, runtime)
    return None if error is None else _failure(1, runtime, error)


def run(program: Program, runtime: SimulatedRuntime) -> Exception | None:
    """Run ``program``; return what it raised, or else the first call that would have blocked."""
    try:
        program(runtime)
    except Exception as error:  # noqa: BLE001 - whatever a program raises is its failure
        return runtime.blocked[0] if runtime.blocked else error
    return runtime.blocked[0] if runtime.blocked else None


def _failure(number: int, runtime: SimulatedRuntime, error: Exception) -> Failure:
    end = len(runtime.choices) if runtime.failed_at is None else runtime.failed_at
    return Failure(
        run=number,
        schedule=repr(runtime.scheduler),
        seed=runtime.seed,
        choices=tuple(runtime.choices[:end]),
        draws=tuple(runtime.random.drawn),
        steps=runtime.steps,
        error=error,
    )


def same_kind(error: Exception) -> FailsSame:
    """Return whether an error is of the same kind as this one: its type, and its ``law`` if it has one."""
    wanted = _kind(error)
    return lambda other: _kind(other) == wanted


def _kind(error: Exception) -> tuple[type[Exception], object]:
    return type(error), getattr(error, "law", None)


def shrink(
    program: Program,
    choices: Sequence[int],
    fails_same: FailsSame | None = None,
    *,
    seed: int = 0,
    draws: Sequence[int] | None = None,
    runs: int = RUNS,
) -> list[int]:
    """Return the shortest schedule found that fails in the same way.

    Shorter is: a choice that differs from the fixed rule comes last earlier; then there are fewer of them. Past its
    end the fixed rule holds, so trailing zeros are not part of it.

    Args:
        program: what fails.
        choices: a schedule under which it does.
        fails_same: whether an error is the one looked for; `same_kind` of the first by default.
        seed: of the runtime.
        draws: what the dice roll; None takes that from the seed.
        runs: how many runs it may take.

    Raises:
        ValueError: the program does not fail under ``choices``.
    """
    first, fails = _failing(program, choices, draws, fails_same, seed)
    return Shrinking(first.choices, lambda candidate: fails(candidate, draws), runs).plainest()


def shrink_draws(
    program: Program,
    choices: Sequence[int],
    draws: Sequence[int],
    fails_same: FailsSame | None = None,
    *,
    seed: int = 0,
    runs: int = RUNS,
) -> list[int]:
    """Return the plainest rolls of the dice found under which it fails in the same way: few, and small.

    Args:
        program: what fails.
        choices: the schedule, which stays as it is.
        draws: what the dice rolled in that run: `Failure.draws`.
        fails_same: whether an error is the one looked for; `same_kind` of the first by default.
        seed: of the runtime.
        runs: how many runs it may take.

    Raises:
        ValueError: the program does not fail under these.
    """
    _, fails = _failing(program, choices, draws, fails_same, seed)
    return Shrinking(draws, lambda candidate: fails(choices, candidate), runs).plainest()


def _failing(
    program: Program,
    choices: Sequence[int],
    draws: Sequence[int] | None,
    fails_same: FailsSame | None,
    seed: int,
) -> tuple[Failure, Callable[[Sequence[int], Sequence[int] | None], bool]]:
    """Return how it fails, and what says whether it fails so under other choices and draws."""
    first = replay(program, choices, seed=seed, draws=draws)
    wanted = fails_same if fails_same is not None or first is None else same_kind(first.error)
    if first is None or wanted is None or not wanted(first.error):
        raise ValueError("the program does not fail so under the choices and draws that were given")
    limit = 4 * first.steps + 1_000

    def fails(choices: Sequence[int], draws: Sequence[int] | None) -> bool:
        runtime = SimulatedRuntime(seed, scheduler=Replay(choices), draws=draws, limit=limit)
        error = run(program, runtime)
        return error is not None and wanted(error)

    return first, fails
