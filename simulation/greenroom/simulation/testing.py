"""``@simulated``: a test that is run under many seeds, and whose failure is a seed and a token.

>>> from greenroom.simulation.fakes import RecordingProcessor
>>> class Gate(RecordingProcessor):
...     def _on_stream_info_cleared(self):
...         raise ValueError("the model was never loaded")
>>> @simulated(seeds=5, processor=Gate, scenario="shared")
... def test_gate() -> None:
...     "My gate can be told that nobody speaks."
>>> try: test_gate()
... except AssertionError as failed: print(str(failed).splitlines()[0])
seed 0: the processor under test raises nothing by itself: shared raised ValueError: the model was never loaded
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from greenroom.simulation._faults import NO_FAULTS, FaultPlan, load_faults
from greenroom.simulation._files import load_scenario
from greenroom.simulation._random import random_scenario
from greenroom.simulation._replay import Repeat, parse_token
from greenroom.simulation._run import Outcome, Setting, run, scheduler_of
from greenroom.simulation._scenario import Scenario
from greenroom.simulation._shrink import shrink
from greenroom.simulation._stage import Built
from greenroom.simulation._trace import trace_of
from greenroom.simulation.errors import SimulationError
from greenroom.simulation.laws import Law

SEEDS: Final = 100
SHRINK_RUNS: Final = 120
MARK: Final = "greenroom_simulated"


class SimulationFailed(SimulationError, AssertionError):  # noqa: N818 - it says what happened
    """A simulated test failed.

    Attributes:
        seed: under which seed.
        outcome: what came of that run.
    """

    def __init__(self, told: str, seed: int, outcome: Outcome) -> None:
        self.seed = seed
        self.outcome = outcome
        super().__init__(told)


@dataclass(slots=True)
class Choice:
    """What a command line says about simulated tests, in place of what they say themselves.

    Attributes:
        seeds: how many; None as each test says.
        replay: a token, or a seed, that alone is run.
        first: seeds that failed before, tried first.
        on_failure: told the seed that failed.
        on_success: told that all seeds held.
    """

    seeds: int | None = None
    replay: str = ""
    first: Sequence[int] = ()
    on_failure: Callable[[int], None] | None = None
    on_success: Callable[[], None] | None = None


choice: Final[list[Choice]] = [Choice()]
"""The present one, last; the pytest plugin puts another for each test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One simulated test: what is run for each seed."""

    test: Callable[..., Any]
    seeds: int
    strategy: str
    scenario: Scenario | str | None
    setting: Setting

    def run(self, *args: Any, **kwargs: Any) -> None:
        """Run all seeds; raise on the first that fails.

        Raises:
            SimulationFailed: with the seed, the law, the shortest scenario, the trace and a token.
        """
        given = choice[-1]
        if given.replay:
            self._repeat(given.replay, args, kwargs)
            return
        count = self.seeds if given.seeds is None else given.seeds
        for seed in dict.fromkeys((*given.first, *range(count))):
            outcome = self._one(seed, args, kwargs)
            if not outcome.held:
                if given.on_failure is not None:
                    given.on_failure(seed)
                raise self._told(seed, outcome) from outcome.error
        if given.on_success is not None:
            given.on_success()

    @property
    def is_story(self) -> bool:
        """Whether the test is itself what is played: a coroutine function of a stage."""
        return inspect.iscoroutinefunction(self.test)

    def _scenario(self, seed: int) -> Scenario:
        if isinstance(self.scenario, Scenario):
            return self.scenario
        name = self.scenario or "random"
        return random_scenario(seed) if name == "random" else load_scenario(name)

    def _one(self, seed: int, args: Iterable[Any], kwargs: dict[str, Any]) -> Outcome:
        story: Any = self._scenario(seed)
        if self.is_story:
            story = functools.partial(_hand_over, self.test, tuple(args), kwargs)
        return run(story, seed=seed, scheduler=scheduler_of(self.strategy, seed), setting=self.setting)

    def _told(self, seed: int, outcome: Outcome) -> SimulationFailed:
        if self.is_story:
            told = f"seed {seed}: {outcome.failure}\n\nagain: pytest --simulate-replay {seed}"
            return SimulationFailed(told, seed, outcome)
        repeat = Repeat(
            scenario=self._scenario(seed), faults=self.setting.faults, seed=seed, strategy=self.strategy
        )
        short = shrink(repeat, self.setting, runs=SHRINK_RUNS).repeat
        text = trace_of(short, self.setting).text(tail=30)
        text = text.replace("greenroom simulate --replay", "pytest --simulate-replay")
        return SimulationFailed(text, seed, outcome)

    def _repeat(self, replay: str, args: Iterable[Any], kwargs: dict[str, Any]) -> None:
        if replay.isdecimal():
            outcome = self._one(int(replay), args, kwargs)
            if not outcome.held:
                raise SimulationFailed(
                    f"seed {replay}: {outcome.failure}", int(replay), outcome
                ) from outcome.error
            return
        repeat = parse_token(replay)
        trace = trace_of(repeat, self.setting)
        if not trace.outcome.held:
            raise SimulationFailed(trace.text(), repeat.seed, trace.outcome) from trace.outcome.error


async def _hand_over(
    test: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], stage: Any
) -> None:
    await test(stage, *args, **kwargs)


def simulated(
    *,
    seeds: int = SEEDS,
    scenario: Scenario | str | None = None,
    faults: FaultPlan | str = NO_FAULTS,
    strategy: str = "random",
    processor: Built | None = None,
    laws: Iterable[Law] = (),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run a test under many seeds.

    A coroutine function is the story: it is given a `Stage`, with a session on it, for each seed. Any other function is
    a name for what is simulated: a scenario, with ``processor`` in the place of the scenario's own.

    Args:
        seeds: how many.
        scenario: a shipped name, a `Scenario`, or ``random``, which is the default.
        faults: a plan, or a shipped name.
        strategy: how orders are chosen.
        processor: builds the processor under test; an error that it raises by itself is a failure too.
        laws: laws of your own.

    Raises:
        SimulationError: there is no such scenario, plan or strategy.
    """
    plan = load_faults(faults) if isinstance(faults, str) else faults
    if isinstance(scenario, str) and scenario != "random":
        load_scenario(scenario)
    scheduler_of(strategy, 0)
    setting = replace(Setting(), faults=plan, laws=tuple(laws), under_test=processor)

    def make(test: Callable[..., Any]) -> Callable[..., Any]:
        case = Simulated(test=test, seeds=seeds, strategy=strategy, scenario=scenario, setting=setting)

        @functools.wraps(test)
        def runs(*args: Any, **kwargs: Any) -> None:
            case.run(*args, **kwargs)

        if case.is_story:
            parameters = list(inspect.signature(test).parameters.values())[1:]
            runs.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        setattr(runs, MARK, case)
        return runs

    return make
