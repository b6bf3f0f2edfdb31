"""A hundred thousand actors in one process, beside a thousand; and what crash loops cost those that do not crash.

The garbage collector stays on, as in a service. Each size is measured by processor time for each actor, all threads together. A thousand are
started, told and stopped again and again, before and after the hundred thousand, for half as long in all; and sums are compared, not medians,
because what is rare (a full collection) is part of the cost at either size. Children are started in waves of a thousand at both sizes, each
acknowledged before the next, as a service does. Part of the difference is Python's collector: each full collection looks at every actor, and a
thousand are too few for one: greenroom has it do so when as much is new as the actors have (`_collecting.py`), and there are rows with `gc.freeze` after each wave, too. The rest
is memory: a thousand actors fit into a processor's cache. Memory is what the operating system counts, in a process of its own.
"""

import gc
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any, TypeAlias

from benchmarks._table import Row, show

from greenroom.supervision import (
    Actor,
    ActorRef,
    ActorSystem,
    ChildSpec,
    ChildStarted,
    Strategy,
    Supervisor,
    SupervisorFlags,
    WhichChildren,
)

FEW = 1_000
MANY = 100_000
OUTSIDE = 20_000
"""So many are started from outside: each waits for its start, which takes long, and the same at any number."""
MOST_KIB = 4.5
LOOPS = 10
INTENSITY = 10
SECOND_NS = 1_000_000_000
TELLS_EACH = 20
WINDOWS = 9
ROUNDS = 3

Costs: TypeAlias = tuple[float, float, float]
"""Microseconds for each actor: start, tell (until handled), stop."""


class Member(Actor):
    """Counts what it is told."""

    heard = 0

    def on_receive(self, message: Any) -> int:  # noqa: ARG002 - counted, whatever it is
        self.heard += 1
        return self.heard


class Parent(Actor):
    """Starts children, and answers when all have started."""

    def __init__(self) -> None:
        self._began = 0
        self._left = 0
        self._reply: Any = None

    def on_receive(self, message: int) -> None:
        began = self._began
        self._began += message
        self._left = message
        self._reply = self.defer_reply()
        for number in range(began, began + message):
            self.spawn(Member, name=f"child-{number}")

    def on_child(self, signal: Any) -> None:
        if isinstance(signal, ChildStarted):
            self._left -= 1
            if not self._left:
                self._reply.set(None)
        else:
            self.forget(signal.child)


class Crowd(Supervisor):
    """A dynamic supervisor that does the same."""

    def __init__(self) -> None:
        super().__init__(SupervisorFlags(strategy=Strategy.DYNAMIC, max_children=MANY))
        self._began = 0
        self._left = 0
        self._reply: Any = None

    def on_receive(self, message: Any) -> Any:
        if not isinstance(message, int):
            return super().on_receive(message)
        began = self._began
        self._began += message
        self._left = message
        self._reply = self.defer_reply()
        for number in range(began, began + message):
            self.start_child(ChildSpec(id=f"child-{number}", start=Member))
        return None

    def on_child(self, signal: Any) -> None:
        super().on_child(signal)
        if isinstance(signal, ChildStarted):
            self._left -= 1
            if not self._left:
                self._reply.set(None)


def each_us(count: int, act: Callable[[], Any]) -> float:
    """Return microseconds of processor time for each of ``count`` things that ``act`` does."""
    began = time.process_time_ns()
    act()
    return (time.process_time_ns() - began) / count / 1000


def tell_all(refs: list[Any]) -> None:
    """Tell each something, and wait until all of it has been handled."""
    for ref in refs:
        ref.tell("hello")
    for ref in (refs[0], refs[len(refs) // 2], refs[-1]):
        ref.ask("and again")


def stop_and_wait(system: ActorSystem, ref: ActorRef[Any]) -> None:
    """Stop a root with all its children."""
    gone = threading.Event()
    ref.watch(lambda _, __: gone.set())
    system.request_stop(ref)
    gone.wait()


def under(parent_class: type[Actor], *, freeze: bool = False) -> Callable[[ActorSystem, int], Costs]:
    """Return what measures children of one parent."""

    def measure(system: ActorSystem, count: int) -> Costs:
        parent = system.start(parent_class)

        def start_all() -> None:
            for _ in range(count // FEW):
                parent.ask(FEW)
                if freeze:
                    gc.freeze()

        start = each_us(count, start_all)
        refs = [cell.ref for cell in parent._cell.children or ()]
        tell = each_us(count, lambda: tell_all(refs))
        stop = each_us(count, lambda: stop_and_wait(system, parent))
        gc.unfreeze()
        return start, tell, stop

    return measure


def from_outside(system: ActorSystem, count: int) -> Costs:
    """Measure actors without a parent, one after the other."""
    refs: list[ActorRef[Member]] = []
    start = each_us(count, lambda: refs.extend(system.start(Member) for _ in range(count)))
    tell = each_us(count, lambda: tell_all(refs))
    return start, tell, each_us(count, lambda: [ref.stop() for ref in refs])


WAYS: dict[str, tuple[int, Callable[[ActorSystem, int], Costs]]] = {
    "children of an actor": (MANY, under(Parent)),
    "of a dynamic supervisor": (MANY, under(Crowd)),
    "of a dynamic supervisor, frozen": (MANY, under(Crowd, freeze=True)),
    "started from outside": (OUTSIDE, from_outside),
}


def at_both_sizes(
    system: ActorSystem, many: int, way: Callable[[ActorSystem, int], Costs]
) -> tuple[Costs, Costs]:
    """Return the mean costs of an actor among a few, before and after, and among many."""
    times = many // FEW // 4
    before = [way(system, FEW) for _ in range(times)]
    among_many = way(system, many)
    after = [way(system, FEW) for _ in range(times)]
    start, tell, stop = map(fmean, zip(*before, *after, strict=True))
    return (start, tell, stop), among_many


def typical(many: int, way: Callable[[ActorSystem, int], Costs]) -> tuple[Costs, Costs]:
    """Return the costs at both sizes in that one of `ROUNDS` systems in which a start was neither dearest nor cheapest, compared.

    How the threads come to lie on the cores is decided once for each system, and can double what it takes to wait for one.
    """
    found: list[tuple[Costs, Costs]] = []
    for _ in range(ROUNDS):
        with ActorSystem() as system:
            found.append(at_both_sizes(system, many, way))
    found.sort(key=lambda both: both[1][0] / both[0][0])
    return found[ROUNDS // 2]


def resident_kib_each() -> float:
    """Return KiB for each of many actors that have handled a message, as the operating system counts."""
    code = "from benchmarks import bench_scale; bench_scale.print_resident()"
    said = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parent.parent,
    )
    return float(said.stdout)


def print_resident() -> None:
    """Print how many KiB each of many actors takes: run in a process of its own."""
    with ActorSystem() as system:
        warm = system.start(Parent)
        warm.ask(FEW)
        stop_and_wait(system, warm)
        before = _resident_kib()
        parent = system.start(Parent)
        parent.ask(MANY)
        tell_all([cell.ref for cell in parent._cell.children or ()])
        print((_resident_kib() - before) / MANY)


def _resident_kib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    raise RuntimeError("no VmRSS in /proc/self/status")


class Looper(Actor):
    """Crashes as often as its supervisor's intensity allows, while ``looping`` is set."""

    looping = threading.Event()

    def on_start(self) -> None:
        self.after(SECOND_NS // INTENSITY, self._look)

    def _look(self) -> None:
        if self.looping.is_set():
            raise RuntimeError("again")
        self.after(SECOND_NS // INTENSITY, self._look)


class Sink(logging.Handler):
    """Formats each record and throws it away, as a service that logs to nowhere."""

    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)


def loops_cost() -> tuple[float, float, int]:
    """Return messages a second that a thousand actors handle, without and with crash loops; and the crashes."""
    sink = Sink()
    logging.getLogger("greenroom").addHandler(sink)
    try:
        with ActorSystem() as system:
            parent = system.start(Parent)
            parent.ask(FEW)
            refs = [cell.ref for cell in parent._cell.children or ()]
            # One more than it needs, so that a timer that is a little early does not pass the limit.
            flags = SupervisorFlags(intensity=INTENSITY + 1, period_ns=SECOND_NS)
            spec = ChildSpec(id="loops", start=Looper)
            loops = [system.start(Supervisor, flags, [spec]) for _ in range(LOOPS)]
            calm: list[float] = []
            looping: list[float] = []
            for _ in range(WINDOWS):
                for rates, set_to in ((calm, Looper.looping.clear), (looping, Looper.looping.set)):
                    set_to()
                    time.sleep(1.5 / INTENSITY)
                    rates.append(_rate(refs))
            Looper.looping.clear()
            crashes = sum(loop.ask(WhichChildren())[0].restarts for loop in loops)
            return median(calm), median(looping), crashes
    finally:
        logging.getLogger("greenroom").removeHandler(sink)


def _rate(refs: list[Any]) -> float:
    began = time.perf_counter_ns()
    for _ in range(TELLS_EACH):
        tell_all(refs)
    return len(refs) * TELLS_EACH * SECOND_NS / (time.perf_counter_ns() - began)


def rows() -> list[Row]:
    """Measure."""
    found: list[Row] = []
    if sys.platform == "linux":
        kib = resident_kib_each()
        found.append(
            Row(
                what=f"resident memory of an actor, of {MANY:,}",
                here=f"{kib:.2f} KiB",
                beside="-",
                ratio="-",
                goal=f"at most {MOST_KIB} KiB",
                met=kib <= MOST_KIB,
            )
        )
    for name, (count, way) in WAYS.items():
        few, many = typical(count, way)
        found += [
            _not_dearer(f"{verb}, {count:,} {name}", *costs)
            for verb, *costs in zip(("start", "tell", "stop"), few, many, strict=True)
        ]
    calm, looping, crashes = loops_cost()
    assert crashes >= LOOPS * INTENSITY, "the loops did not loop"
    found.append(
        Row(
            what=f"tells of {FEW:,} actors beside {LOOPS} crash loops ({LOOPS * INTENSITY} crashes a second)",
            here=f"{looping / 1e3:.0f} k/s",
            beside=f"without {calm / 1e3:.0f} k/s",
            ratio=f"{looping / calm:.2f}",
            goal="at least 0.9",
            met=looping / calm >= 0.9,
        )
    )
    return found


def _not_dearer(what: str, few: float, many: float) -> Row:
    return Row(
        what=what,
        here=f"{many:.1f} us",
        beside=f"of {FEW:,}: {few:.1f} us",
        ratio=f"{many / few:.2f}",
        goal="at most 1.3 times",
        met=many <= 1.3 * few,
    )


if __name__ == "__main__":
    show(rows())
