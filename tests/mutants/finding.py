"""Finding: schedule after schedule, until a law does not hold. The product does it; here is only what is tried in which order.

A schedule is a number: it decides story, faults, strategy and seed. Faults planted in actors/ are looked for with rooms:
the shipped scenarios and random ones under the shipped fault plans. Those in supervision/ also with random programs of
actors and supervisors, taking turns.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

from tests.mutants.programs import PROGRAMS
from tests.supervision.lawkit import LAWS, LawBrokenError

from greenroom.simulation import (
    STRATEGIES,
    TITLES,
    FaultPlan,
    Scenario,
    Setting,
    load_faults,
    load_scenario,
    random_scenario,
    run,
    scheduler_of,
)
from greenroom.simulation._dice import Dice
from greenroom.simulation._files import names
from greenroom.supervision.errors import Deadlock, Restless
from greenroom.supervision.exploring import explore
from greenroom.supervision.simulated import SimulatedRuntime

STEPS_MAX: Final = 60_000
"""A run of the shipped scenarios takes some hundreds; one of so many does not end."""
RANDOM_SHARE: Final = 0.5
HARMLESS_SHARE: Final = 0.3
ENDS: Final = "a run ends"
RAISES: Final = "the machine raises nothing"


@dataclass(frozen=True, slots=True)
class Found:
    """A law that does not hold.

    Attributes:
        schedule: the how manieth schedule, from 1.
        law: which.
        detail: what shows it.
        story: scenario or program, and its faults.
        strategy: how the order was chosen.
    """

    schedule: int
    law: str
    detail: str
    story: str
    strategy: str


def all_laws() -> tuple[str, ...]:
    """Return the laws by which a mutant can be found."""
    return (*(f"{number} {title}" for number, title in TITLES.items()), *LAWS)


@cache
def _scenario(name: str) -> Scenario:
    return load_scenario(name)


@cache
def _faults(name: str) -> FaultPlan:
    return load_faults(name)


def look(floor: str, schedules: Iterable[int]) -> Found | None:
    """Try schedules one after the other; return the first that breaks a law.

    Args:
        floor: where the mutant is: ``actors`` or ``supervision``.
        schedules: numbers from 1.
    """
    for number in schedules:
        turn = (number - 1) % (len(PROGRAMS) + 1)
        found = (
            _rooms(number) if floor == "actors" or turn == len(PROGRAMS) else look_in(PROGRAMS[turn], number)
        )
        if found is not None:
            return found
    return None


def _rooms(number: int) -> Found | None:
    dice = Dice(f"schedule {number}")
    strategy = dice.choice(tuple(STRATEGIES))
    shipped = names("scenarios")
    scenario = (
        random_scenario(number) if dice.chance(RANDOM_SHARE) else _scenario(dice.choice(sorted(shipped)))
    )
    plans = sorted(set(names("faults")) - {"none"})
    faults = _faults("none" if dice.chance(HARMLESS_SHARE) else dice.choice(plans))
    setting = Setting(faults=faults, steps_max=STEPS_MAX)
    outcome = run(scenario, seed=number, scheduler=scheduler_of(strategy, number), setting=setting)
    failure = outcome.failure
    if failure is None:
        return None
    return Found(
        number,
        f"{failure.law or '-'} {failure.title}",
        failure.detail,
        f"{scenario.name}, {faults.name}",
        strategy,
    )


def look_in(program: Callable[[int, SimulatedRuntime], None], number: int) -> Found | None:
    """Play one program under one schedule; return the law that it breaks."""
    strategy = Dice(f"program {number}").choice(tuple(STRATEGIES))
    explored = explore(
        lambda runtime: program(number, runtime),
        [scheduler_of(strategy, number)],
        seed=number,
        limit=STEPS_MAX,
    )
    if not explored.failures:
        return None
    error = explored.failures[0].error
    if isinstance(error, LawBrokenError):
        law = error.law
    else:
        law = ENDS if isinstance(error, Deadlock | Restless) else RAISES
    story = program.__name__.replace("play_", "program: ")
    return Found(number, law, f"{type(error).__name__}: {error}"[:200], story, strategy)
