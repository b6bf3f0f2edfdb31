"""What the simulator does in a second, and what being able to simulate costs on real threads: nothing that is seen."""

import inspect
import textwrap
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks._table import Row, show

from greenroom.supervision import Actor, ActorRef, ActorSystem, _cell
from greenroom.supervision._cell import Cell
from greenroom.supervision._threads import THREAD_THROUGHPUT, thread_id
from greenroom.supervision.faults import Fault, FaultInjector, FaultKind, Place
from greenroom.supervision.schedules import DelayScheduler, PctScheduler, RandomScheduler, Scheduler
from greenroom.supervision.simulated import SimulatedRuntime

PAIRS = 8
MESSAGES = 40_000
ROUNDS = 5
TELLS = 20_000
SEAM_ROUNDS = 15
STEPS_GOAL = 60_000
SEAM_GOAL = 1.03


class Player(Actor):
    """Sends a number, one less each time, to its partner."""

    def __init__(self) -> None:
        self.partner: Any = None

    def on_receive(self, message: Any) -> None:
        if not isinstance(message, int):
            self.partner = message
        elif message:
            self.partner.tell(message - 1)


def steps_per_second(scheduler: Scheduler, *, faults: FaultInjector | None = None) -> float:
    """Return how many steps pairs of actors take in a second of processor time."""
    runtime = SimulatedRuntime(scheduler=scheduler, faults=faults)
    with ActorSystem(runtime) as system:
        refs = [system.start(Player) for _ in range(2 * PAIRS)]
        for one, other in zip(refs[::2], refs[1::2], strict=True):
            one.tell(other)
            other.tell(one)
        runtime.run_until_idle()
        for one in refs[::2]:
            one.tell(MESSAGES // PAIRS)
        before, began_ns = runtime.steps, time.process_time_ns()
        runtime.run_until_idle()
        return (runtime.steps - before) / (time.process_time_ns() - began_ns) * 1e9


class Sink(Actor):
    def on_receive(self, message: Any) -> Any:
        return message


def tell_us(ref: ActorRef[Sink]) -> float:
    """Return microseconds of processor time for each message, from the first tell until the last has been handled."""
    began_ns = time.process_time_ns()
    tell = ref.tell
    for number in range(TELLS):
        tell(number)
    ref.ask("last")
    return (time.process_time_ns() - began_ns) / TELLS / 1000


@contextmanager
def without_seam() -> Generator[None, None, None]:
    """Have cells call threads directly, as they would if there were no runtime to ask."""
    source = textwrap.dedent(inspect.getsource(Cell.run))
    asked = {
        "runtime.thread_id()": "direct_thread_id()",
        "runtime.throughput": "direct_throughput",
        "runtime.simulated": "False",
    }
    for call, instead in asked.items():
        assert call in source, f"the machine asks for {call} elsewhere by now: look again"
        source = source.replace(call, instead)
    names: dict[str, Any] = {
        **vars(_cell), "direct_thread_id": thread_id, "direct_throughput": THREAD_THROUGHPUT,
    }  # fmt: skip
    exec(compile(source, __file__, "exec"), names)  # noqa: S102 - our own source, a few calls replaced
    run = Cell.run
    Cell.run = names["run"]  # type: ignore[method-assign]
    try:
        yield
    finally:
        Cell.run = run  # type: ignore[method-assign]


def seam_us() -> tuple[float, float]:
    """Return microseconds for a message through the seam and without it, in turns."""
    through: list[float] = []
    direct: list[float] = []
    with ActorSystem() as system:
        ref = system.start(Sink)
        for _ in range(SEAM_ROUNDS):
            through.append(tell_us(ref))
            with without_seam():
                direct.append(tell_us(ref))
        ref.stop()
    return median(through), median(direct)


SCHEDULERS: dict[str, Callable[[], Scheduler]] = {
    "random": lambda: RandomScheduler(1),
    "pct": lambda: PctScheduler(1, steps=MESSAGES),
    "delay": lambda: DelayScheduler(1, steps=MESSAGES),
}


def rows() -> list[Row]:
    """Measure, medians of the rounds."""
    found = [
        _steps_row(name, median(steps_per_second(make()) for _ in range(ROUNDS)))
        for name, make in SCHEDULERS.items()
    ]
    rare = Fault(kind=FaultKind.SLOW, at=Place(path="nobody"), per_million=1, delay_ns=1)
    struck = median(
        steps_per_second(RandomScheduler(1), faults=FaultInjector((rare,))) for _ in range(ROUNDS)
    )
    found.append(_steps_row("random, asking for faults", struck, goal=20_000))
    through, direct = seam_us()
    found.append(
        Row(
            what="tell, handled, on real threads: the runtime's seam",
            here=f"{through:.2f} us",
            beside=f"without it {direct:.2f} us",
            ratio=f"{through / direct:.3f}",
            goal=f"at most {SEAM_GOAL} (noise)",
            met=through / direct <= SEAM_GOAL,
        )
    )
    return found


def _steps_row(name: str, per_second: float, goal: int = STEPS_GOAL) -> Row:
    return Row(
        what=f"simulated steps a second, {2 * PAIRS} actors, {name}",
        here=f"{per_second:,.0f}",
        beside="-",
        ratio="-",
        goal=f"at least {goal:,}",
        met=per_second >= goal,
    )


if __name__ == "__main__":
    show(rows())
