"""A system to test on: simulated under a seed, and on real threads."""

from collections.abc import Iterator

import pytest

from greenroom.supervision._system import ActorSystem
from greenroom.supervision.simulated import SimulatedRuntime

SEEDS = range(12)


@pytest.fixture(params=[*SEEDS, "threads"])
def system(request: pytest.FixtureRequest) -> Iterator[ActorSystem]:
    """A system on real threads, and one for each of a dozen orders of events."""
    runtime = None if request.param == "threads" else SimulatedRuntime(request.param)
    with ActorSystem(runtime) as made:
        yield made


@pytest.fixture
def real() -> Iterator[ActorSystem]:
    """A system on real threads."""
    with ActorSystem() as made:
        yield made


@pytest.fixture(params=SEEDS)
def simulated(request: pytest.FixtureRequest) -> Iterator[ActorSystem]:
    """A system for each of a dozen orders of events, in virtual time."""
    with ActorSystem(SimulatedRuntime(request.param)) as made:
        yield made


@pytest.fixture(params=[0, "threads"])
def either(request: pytest.FixtureRequest) -> Iterator[ActorSystem]:
    """A system on real threads, and one in virtual time, where the order of events does not matter."""
    with ActorSystem(None if request.param == "threads" else SimulatedRuntime(request.param)) as made:
        yield made


@pytest.fixture
def virtual() -> Iterator[ActorSystem]:
    """A system in virtual time, where the order of events does not matter."""
    with ActorSystem(SimulatedRuntime(0)) as made:
        yield made
