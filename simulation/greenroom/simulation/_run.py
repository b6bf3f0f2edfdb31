"""One run: a story, a seed, a schedule and a fault plan; what came of it, and everything that repeats it."""

import asyncio
import gc
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from greenroom.simulation._actorfaults import ActorFaults
from greenroom.simulation._court import ANSWERED, BLOCKS, TITLES, Court
from greenroom.simulation._faults import ACTOR, NO_FAULTS, FaultPlan, Fired
from greenroom.simulation._injector import Injector
from greenroom.simulation._loop import SimulatedLoop, Stuck
from greenroom.simulation._player import Story, story_of
from greenroom.simulation._scenario import Scenario
from greenroom.simulation._stage import Built, LogWatch, Stage
from greenroom.simulation.errors import LawBroken, UnknownName, unknown
from greenroom.simulation.laws import Law
from greenroom.supervision.errors import BlockingInHandler, Deadlock, Restless
from greenroom.supervision.schedules import (
    DelayScheduler,
    PctScheduler,
    RandomScheduler,
    Scheduler,
)
from greenroom.supervision.simulated import SimulatedRuntime, TraceLine

STEPS_MAX: Final = 300_000
"""After so many steps a run is taken to be one that never comes to rest."""
STRATEGIES: Final[dict[str, Callable[[int], Scheduler]]] = {
    "random": RandomScheduler,
    "pct": PctScheduler,
    "delay": DelayScheduler,
}
"""Ways to choose an order from a seed; ``dfs``, which tries all, makes its own schedulers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What did not hold.

    Attributes:
        law: the number of the law; 0 for a user's law or an error of the story.
        title: what the law says.
        detail: what shows that it does not hold.
        step: at which step it was found.
        at_ns: at which virtual time.
    """

    law: int
    title: str
    detail: str
    step: int
    at_ns: int

    @property
    def key(self) -> tuple[int, str]:
        """What makes two failures the same: the law, whatever shows it."""
        return self.law, self.title

    def __str__(self) -> str:
        return f"law {self.law}, {self.title}: {self.detail}" if self.law else f"{self.title}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run.

    Attributes:
        failure: what did not hold, if anything.
        error: what the story itself raised, if that is the failure.
        steps: how many steps it took.
        virtual_ns: how much virtual time went by.
        choices: the schedule: what was chosen wherever there was a choice.
        fired: the faults that happened.
        rests: how often everything was looked at.
        points: how often each fault has happened: where it is, its kind, its point.
        visited: how often each (class, state, message) of actors was met, where that was counted.
    """

    seed: int
    failure: Failure | None
    error: BaseException | None = field(default=None, compare=False)
    steps: int
    virtual_ns: int
    choices: tuple[int, ...]
    fired: tuple[Fired, ...]
    rests: int
    points: Mapping[tuple[str, str, str], int] = field(
        default_factory=dict[tuple[str, str, str], int], compare=False
    )
    visited: Mapping[tuple[str, str, str], int] = field(
        default_factory=dict[tuple[str, str, str], int], compare=False
    )

    @property
    def held(self) -> bool:
        """Whether all laws held."""
        return self.failure is None

    def check(self) -> None:
        """Raise what did not hold.

        Raises:
            LawBroken: a law; or whatever the story raised itself.
        """
        if self.error is not None:
            raise self.error
        if self.failure is not None:
            raise LawBroken(self.failure.law, self.failure.title, self.failure.detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a run is like, beside its story, seed and schedule.

    Attributes:
        faults: what may go wrong.
        laws: laws of users.
        only: numbers of the built-in laws that count; None for all.
        under_test: builds the processor that scenarios use in place of their own.
        own_errors: whether an error that the processor under test raises by itself is a failure.
        steps_max: after so many steps the run is taken never to rest.
    """

    faults: FaultPlan = NO_FAULTS
    laws: tuple[Law, ...] = ()
    only: tuple[int, ...] | None = None
    under_test: Built | None = None
    own_errors: bool = True
    steps_max: int = STEPS_MAX


def scheduler_of(strategy: str, seed: int) -> Scheduler:
    """Return the scheduler of a strategy for a seed.

    Raises:
        UnknownName: there is no such strategy.
    """
    make = STRATEGIES.get(strategy)
    if make is None:
        raise UnknownName(unknown("strategy", strategy, [*STRATEGIES, "dfs"]))
    return make(seed)


def run(
    story: Story | Scenario,
    *,
    seed: int = 0,
    scheduler: Scheduler | None = None,
    setting: Setting | None = None,
    trace: Callable[[TraceLine], None] | None = None,
    on_stage: Callable[[Stage], None] | None = None,
    coverage: bool = False,
    runtime: SimulatedRuntime | None = None,
) -> Outcome:
    """Run a story once, in this thread, and return what came of it.

    Args:
        story: a scenario, or a coroutine function that plays on the `Stage`; it should end with ``await stage.close()``.
        seed: of the dice for faults and back-offs, and of the order, if no scheduler is given.
        scheduler: chooses the order.
        setting: faults, laws, and the processor under test.
        trace: told of each step.
        on_stage: told of the stage before it begins.
        coverage: whether to count which messages met which actors in which state.
        runtime: to run on, in place of one with that seed, scheduler, trace and coverage.
    """
    setting = setting or Setting()
    if runtime is None:
        runtime = SimulatedRuntime(seed, scheduler=scheduler, trace=trace, limit=setting.steps_max)
    injector = Injector(setting.faults, seed)
    faults = runtime.faults = ActorFaults(injector) if coverage or injector.watches(ACTOR) else None
    stage = Stage(runtime, injector, under_test=setting.under_test)
    if coverage and faults is not None:
        faults.state_of = stage.state_of
    stage.court = Court(stage, setting.laws, setting.only)
    if on_stage is not None:
        on_stage(stage)
    return _played(stage, story_of(story) if isinstance(story, Scenario) else story, setting)


def _played(stage: Stage, play: Story, setting: Setting) -> Outcome:
    runtime = stage.runtime
    error: BaseException | None = None
    loop = SimulatedLoop(runtime)
    loop.broken = stage.court.verdict
    with (
        _no_garbage_collected(),
        LogWatch(stage.court).attached(),
        asyncio.Runner(loop_factory=lambda: loop) as runner,
    ):
        try:
            runner.run(_perform(stage, play))
        except Exception as raised:  # noqa: BLE001 - whatever it is, it is what came of the run
            error = raised
        loop.broken = _nothing
        failure, error = _verdict(stage, setting, error)
        steps, virtual_ns, choices = runtime.steps, runtime.now_ns(), tuple(runtime.choices)
        if failure is not None:
            # The story's own end may be on its way, and stop the loop once more before this one is over.
            for _ in range(2):
                with suppress(RuntimeError):
                    runner.run(_abandon(stage, loop))
                    break
        loop.closing = True
    return Outcome(
        seed=runtime.seed,
        points=dict(stage.injector.met),
        failure=failure,
        error=error,
        steps=steps,
        virtual_ns=virtual_ns,
        choices=choices,
        fired=tuple(stage.injector.fired),
        rests=stage.court.rests,
        visited={} if runtime.faults is None else getattr(runtime.faults, "visited", {}),
    )


def _nothing() -> None:
    """What is broken is known: the loop may take down what is left."""


async def _perform(stage: Stage, story: Story) -> None:
    await stage.begin()
    await story(stage)
    if stage.report is None:
        await stage.settle()
        await stage.close()


async def _abandon(stage: Stage, loop: SimulatedLoop) -> None:
    """Take down what a failed run has left standing: nobody judges any more."""
    stage.court.adjourned = True
    stage.injector.stop()
    stage.runtime.on_step = None
    stage.runtime.limit += STEPS_MAX
    mine = asyncio.current_task()
    for task in asyncio.all_tasks(loop):
        if task is not mine:
            task.cancel()
    system = stage.session._system
    with suppress(Exception):
        await asyncio.sleep(0)
        if system is not None:
            system.close(timeout_ns=1)
        stage.runtime.close()


def _verdict(
    stage: Stage, setting: Setting, error: BaseException | None
) -> tuple[Failure | None, BaseException | None]:
    """Return what did not hold, and the story's own error, if it is that."""
    broken = stage.court.broken
    step, at_ns = stage.runtime.steps, stage.runtime.now_ns()
    if broken is None and setting.under_test is not None and setting.own_errors and stage.own_errors:
        part, raised = stage.own_errors[0]
        told = f"{part} raised {type(raised).__name__}: {raised}"
        return Failure(law=0, title=OWN_ERRORS, detail=told, step=step, at_ns=at_ns), raised
    if broken is None and error is None:
        return None, None
    if broken is None and isinstance(error, LawBroken):
        broken = error
    if broken is not None:
        return Failure(law=broken.law, title=broken.title, detail=broken.detail, step=step, at_ns=at_ns), None
    if isinstance(error, Stuck | Deadlock | Restless):
        return Failure(law=ANSWERED, title=TITLES[ANSWERED], detail=str(error), step=step, at_ns=at_ns), None
    if isinstance(error, BlockingInHandler):
        return Failure(law=0, title=BLOCKS, detail=str(error), step=step, at_ns=at_ns), None
    title = f"the story raised {type(error).__name__}"
    return Failure(law=0, title=title, detail=str(error), step=step, at_ns=at_ns), error


OWN_ERRORS: Final = "the processor under test raises nothing by itself"


@contextmanager
def _no_garbage_collected() -> Generator[None]:
    """Collect no garbage meanwhile: finalizers send messages, and when one runs would depend on what ran before."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def explore(
    story: Story | Scenario,
    seeds: Iterable[int],
    *,
    strategy: str = "random",
    setting: Setting | None = None,
) -> Outcome | None:
    """Run a story under one seed after the other; return the first that failed, or None.

    Raises:
        UnknownName: there is no such strategy.
    """
    for seed in seeds:
        outcome = run(story, seed=seed, scheduler=scheduler_of(strategy, seed), setting=setting)
        if not outcome.held:
            return outcome
    return None
