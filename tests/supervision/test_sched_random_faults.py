"""Random programs under every scheduler and under faults of every kind: the laws of the machine hold in all of them."""

import random

import pytest
from tests.supervision.test_random_programs import INSIDE, OUTSIDE, check, play
from tests.sweeping import seeds

from greenroom.supervision.faults import Fault, FaultInjector, FaultKind
from greenroom.supervision.schedules import DelayScheduler, PctScheduler, RandomScheduler, Scheduler
from greenroom.supervision.simulated import SimulatedRuntime

pytestmark = pytest.mark.sweep

MS = 1_000_000
STEPS = 200_000


def scheduler(seed: int) -> Scheduler:
    """Return one of each kind in turn."""
    kinds = (RandomScheduler(seed), PctScheduler(seed, steps=200), DelayScheduler(seed, steps=200))
    return kinds[seed % 3]


def faults(dice: random.Random) -> tuple[Fault, ...]:
    """Return a fault of each kind, with a small chance."""
    return tuple(
        Fault(
            kind=kind,
            per_million=8_000,
            delay_ns=dice.randrange(1, 12) * MS if kind in (FaultKind.SLOW, FaultKind.DELAY) else 0,
        )
        for kind in FaultKind
    )


def test_the_laws_hold_under_every_scheduler_and_fault() -> None:
    """Also where handlers linger while they are given up, hang anywhere, and actors are killed between two steps."""
    struck: set[FaultKind] = set()
    for seed in seeds(150):
        dice = random.Random(seed)  # noqa: S311 - dice for programs are no secret
        operations = INSIDE + OUTSIDE
        program = [(dice.choice(operations), dice.randrange(64), dice.randrange(256)) for _ in range(25)]
        injector = FaultInjector(faults(dice), seed=seed)
        runtime = SimulatedRuntime(seed, scheduler=scheduler(seed), limit=STEPS, faults=injector)
        check(play(seed, program, runtime))
        struck.update(each.fault.kind for each in injector.struck)
    assert struck == set(FaultKind)
