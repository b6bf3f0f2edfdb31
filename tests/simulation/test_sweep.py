"""Random scenarios in random orders with every fault: a few by default, many in a sweep (``make sweep``)."""

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.supervision.supkit import PATIENCE_S
from tests.sweeping import seeds

from greenroom.simulation import Sweep, UnknownName, load_faults, load_scenario, shipped_names, sweep

ALL = load_faults("all")
LONG_SWEEP = """
import concurrent.futures, multiprocessing, time
from greenroom.simulation._sweep import begin_worker
if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn, initializer=begin_worker) as pool:
        list(pool.map(time.sleep, [600, 600]))
"""


@pytest.mark.sweep
@pytest.mark.parametrize("strategy", ["random", "pct", "delay"])
def test_random_scenarios_keep_the_laws(strategy: str) -> None:
    """Whatever happens in them, whatever fails, and whoever is next."""
    count = len(seeds(20))
    tally = sweep(Sweep(faults=ALL, strategy=strategy, first=1_000_000, seeds=count))
    assert not tally.failures
    assert tally.runs == count
    assert tally.faults


@pytest.mark.sweep
@pytest.mark.parametrize("name", shipped_names("scenarios"))
def test_shipped_scenarios_keep_the_laws(name: str) -> None:
    """Under all faults."""
    tally = sweep(
        Sweep(scenario=load_scenario(name), faults=ALL, first=1_000, seeds=max(2, len(seeds(40)) // 20))
    )
    assert not tally.failures


def test_a_sweep_that_cannot_be_is_refused_before_it_begins() -> None:
    """A law or a strategy that there is not."""
    for wrong in (Sweep(laws=("leeses",)), Sweep(strategy="rndom")):
        with pytest.raises(UnknownName, match="did you mean"):
            sweep(wrong)


def test_a_long_sweep_keeps_nothing_of_its_runs() -> None:
    """What a run leaves is in circles, some of it still held when it ends: it goes all the same, now and then."""
    plan = Sweep(scenario=load_scenario("leases"), faults=ALL, seeds=120)
    sweep(plan)
    gc.collect()
    gc.freeze()  # what there is now is not looked at, nor counted
    try:
        sweep(plan)
        sweep(plan)
        left = len(gc.get_objects())
    finally:
        gc.unfreeze()
    assert left < 60_000, "two sweeps leave 150,000 if only what is young is looked for"


def test_a_sweep_whose_streams_stay_open_keeps_nothing_of_them() -> None:
    """The finalizers of handles that nobody has closed do not hold what is over."""
    plan = Sweep(scenario=load_scenario("streams"), faults=ALL, seeds=20)
    sweep(plan)
    gc.collect()
    before = len(gc.get_objects())
    sweep(plan)
    gc.collect()
    assert len(gc.get_objects()) < before + 5_000, "it was 25,000 more"


@pytest.mark.skipif(sys.platform != "linux", reason="sees other processes by /proc")
def test_the_workers_of_a_sweep_that_is_killed_end_with_it() -> None:
    """In the middle of what they are at, which may be minutes of it."""
    with subprocess.Popen([sys.executable, "-c", LONG_SWEEP]) as killed:
        try:
            workers = come_to(2, lambda: [pid for pid in children_of(killed.pid) if is_worker(pid)])
        finally:
            killed.kill()
    come_to(0, lambda: [pid for pid in workers if is_worker(pid)])


def come_to(count: int, seen: Callable[[], list[int]]) -> list[int]:
    """Wait until so many are seen, and return them."""
    found = seen()
    for _ in range(int(PATIENCE_S / 0.02)):
        if len(found) == count:
            break
        time.sleep(0.02)
        found = seen()
    assert len(found) == count
    return found


def children_of(pid: int) -> list[int]:
    """Return the processes that one has started, and that are there."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(each) for each in told.split()]


def is_worker(pid: int) -> bool:
    """Whether a process is there, and works for another one."""
    try:
        return "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False
