"""What simulated rooms cost: steps of the reference scenario in a second, and a thousand random schedules with faults."""

import logging
import resource
import time
from statistics import median

from benchmarks._table import Row, show

from greenroom.simulation import Setting, Sweep, load_faults, load_scenario, run, sweep

ROUNDS = 7
STEPS_GOAL = 20_000
SCHEDULES = 1_000
SECONDS_GOAL = 60
JOBS = 2


def steps_per_second(faults: str, seed: int) -> float:
    """Return how many steps of the reference scenario, laws and all, a second of processor time takes."""
    setting = Setting(faults=load_faults(faults))
    scenario = load_scenario("reference")
    began_ns = time.process_time_ns()
    steps = run(scenario, seed=seed, setting=setting).steps
    return steps / (time.process_time_ns() - began_ns) * 1e9


def workers_s() -> float:
    """Return the seconds of processor time that processes of this one have used which are over."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rows() -> list[Row]:
    """Measure; medians of the rounds."""
    logging.getLogger("greenroom").setLevel(logging.ERROR)
    found: list[Row] = []
    steps_per_second("none", 0)
    for faults in ("none", "light", "all"):
        here = median(steps_per_second(faults, seed) for seed in range(ROUNDS))
        found.append(
            Row(
                what=f"simulation: the reference scenario, faults '{faults}', all laws",
                here=f"{here:,.0f} steps/s",
                beside="one core",
                ratio=f"{here / STEPS_GOAL:.1f}",
                goal=f"at least {STEPS_GOAL:,} steps/s",
                met=here >= STEPS_GOAL,
            )
        )
    began, used = time.monotonic(), workers_s()
    tally = sweep(Sweep(faults=load_faults("all"), seeds=SCHEDULES, keep_going=True), jobs=JOBS)
    seconds, used = time.monotonic() - began, workers_s() - used
    found.append(
        Row(
            what=f"simulation: {SCHEDULES:,} random schedules with all faults",
            here=f"{seconds:.0f} s, {SCHEDULES / seconds:.0f} schedules/s, {tally.steps:,} steps",
            beside=f"{JOBS} processes, {used / SCHEDULES * 1e3:.1f} ms of processor time each; {len(tally.failures)} failed",
            ratio=f"{seconds / SECONDS_GOAL:.2f}",
            goal=f"at most {SECONDS_GOAL} s",
            met=seconds <= SECONDS_GOAL and not tally.failures,
        )
    )
    return found


if __name__ == "__main__":
    show(rows())
