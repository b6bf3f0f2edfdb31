"""What a lane costs per frame, beside calling the processor directly and beside a bare hand-off of a queue.

Both sides are measured in small parts by turns, on the threads that sessions use. A round is the medians of its parts;
what counts is the quietest round, because a machine that is busy with others makes everything twice as slow.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from statistics import median
from typing import Any

import numpy as np
from benchmarks._table import Row, show

from greenroom.actors._host import Host, host_for
from greenroom.actors.frames import Frame, read_only
from greenroom.actors.processors import AudioProcessor, Placement, ProcessorSpec, Reason
from greenroom.supervision import ThreadRuntime
from greenroom.supervision.runtime import Dispatcher, Executor, Runtime

BURST = 256
HANDOFFS = 60
PARTS = 50
ROUNDS = 40
CAPACITY = 2 * BURST

Part = Callable[[], None]


class Gain(AudioProcessor):
    """A numpy processor of a microsecond."""

    def _process(self, frame: Frame) -> Frame:
        return Frame(frame.samples >> 1, frame.rate_hz, frame.timestamp_ns, frame.annotations)


class Idle(AudioProcessor):
    """Returns what it is given."""

    def _process(self, frame: Frame) -> Frame:
        return frame


class Sink:
    """A downstream that tells when a burst is complete."""

    def __init__(self) -> None:
        self.count = 0
        self.reached = SimpleQueue[None]()

    def push(self, frames: Sequence[Frame]) -> None:
        for _ in range(len(frames)):
            self.send(frames[0])

    def send(self, frame: Frame) -> None:  # noqa: ARG002 - the name is the protocol's
        self.count += 1
        if self.count >= BURST:
            self.count = 0
            self.reached.put(None)


class Back:
    """A downstream that is a bare queue."""

    def __init__(self) -> None:
        self.queue = SimpleQueue[Frame]()
        self.send: Any = self.queue.put

    def push(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            self.send(frame)


class Silent:
    """A tally for those who do not expect anything to tell."""

    def bypassed(self, reason: Reason, count: int) -> None:
        raise AssertionError(f"{count} frames {reason}")

    def dropped(self, frame: Frame, reason: Reason) -> None:
        raise AssertionError(f"{frame} {reason}")


def frames(count: int) -> list[Frame]:
    """Return frames of 10 ms at 48 kHz."""
    samples = read_only(np.zeros((480, 1), np.int16))
    return [Frame(samples, 48_000, index * 10_000_000) for index in range(count)]


def host(placement: Placement, runtime: Runtime) -> Host:
    """Return a host that loses no frame, whatever the machine does meanwhile."""
    spec = ProcessorSpec(name="gain", factory=Gain, placement=placement, capacity_frames=CAPACITY)

    def on_fault(epoch: int, error: BaseException) -> None:
        raise AssertionError(epoch) from error

    return host_for(spec, runtime=runtime, wait=True, on_fault=on_fault, on_late_return=print)


def direct(given: list[Frame]) -> Part:
    """Call the processor, and hand on what it returns."""
    process = Gain()._process
    send = Sink().send

    def part() -> None:
        for frame in given:
            send(process(frame))

    return part


def inline(given: list[Frame], runtime: Runtime, worker: Executor) -> Part:
    """Send through an inline lane."""
    gate = host(Placement.INLINE, runtime)
    send = gate.lane(Sink(), Silent()).send
    gate.install(Gain(), worker)

    def part() -> None:
        for frame in given:
            send(frame)

    return part


def busy(given: list[Frame], runtime: Runtime, worker: Executor) -> Part:
    """Send a burst through a thread lane, until the last frame is out."""
    gate = host(Placement.THREAD, runtime)
    sink = Sink()
    send = gate.lane(sink, Silent()).send
    gate.install(Gain(), worker)

    def part() -> None:
        for frame in given:
            send(frame)
        sink.reached.get()

    return part


def single(given: list[Frame], runtime: Runtime, worker: Executor) -> Part:
    """Send one frame at a time through a thread lane, there and back, with a processor that does nothing."""
    gate = host(Placement.THREAD, runtime)
    back = Back()
    send = gate.lane(back, Silent()).send
    gate.install(Idle(), worker)
    get = back.queue.get

    def part() -> None:
        for frame in given:
            send(frame)
            get()

    return part


@contextmanager
def handoff(given: list[Frame]) -> Generator[Part]:
    """Put into one bare queue, for a thread that puts it into another."""
    there = SimpleQueue[Frame | None]()
    back = SimpleQueue[Frame]()

    def answer() -> None:
        while (frame := there.get()) is not None:
            back.put(frame)

    def part() -> None:
        put, get = there.put, back.get
        for frame in given:
            put(frame)
            get()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield part
    finally:
        there.put(None)
        thread.join()


def spent_ns(part: Part, count: int) -> float:
    """Return how long ``part`` takes for each of its ``count`` frames."""
    began_ns = time.perf_counter_ns()
    part()
    return (time.perf_counter_ns() - began_ns) / count


def beside(here: Part, there: Part, count: int) -> tuple[float, float]:
    """Return what both cost per frame in the quietest round."""
    rounds: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        parts = [(spent_ns(here, count), spent_ns(there, count)) for _ in range(PARTS)]
        rounds.append((median(part[0] for part in parts), median(part[1] for part in parts)))
    return min(rounds, key=sum)


@contextmanager
def one_core() -> Generator[None]:
    """Keep this thread, and those that it starts, on one core where the system allows it.

    On two cores a hand-off takes ten times as long whenever the other one has to be woken, which hides what is compared.
    """
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def threads(dispatcher: Dispatcher = Dispatcher.ELASTIC) -> Generator[tuple[Runtime, Executor]]:
    """A runtime and the executor of a worker."""
    runtime = ThreadRuntime()
    worker = runtime.executor(dispatcher, "bench")
    try:
        yield runtime, worker
    finally:
        worker.close()
        runtime.close()


def rows() -> list[Row]:
    """Measure, all in one run."""
    given = frames(BURST)
    few = given[:HANDOFFS]
    with threads() as (runtime, worker):
        quiet = partial(beside, there=direct(given), count=BURST)
        above = [
            _above("inline lane, per frame", *quiet(inline(given, runtime, worker)), 600),
            _above("thread lane, busy, per frame", *quiet(busy(given, runtime, worker)), 2_000),
        ]
    return [*above, _single("thread", Dispatcher.ELASTIC, few), _single("pinned", Dispatcher.PINNED, few)]


def _single(placement: str, dispatcher: Dispatcher, few: list[Frame]) -> Row:
    """Measure one frame at a time, there and back."""
    with one_core(), threads(dispatcher) as (runtime, worker), handoff(few) as bare:
        here, there = beside(single(few, runtime, worker), bare, HANDOFFS)
    return Row(
        what=f"{placement} lane, single in flight, there and back",
        here=f"{here / 1000:.2f} us",
        beside=f"two bare SimpleQueues {there / 1000:.2f} us",
        ratio=f"{here / there:.2f}",
        goal="at most 1.3 times",
        met=here / there <= 1.3,
    )


def _above(what: str, here_ns: float, direct_ns: float, goal_ns: float) -> Row:
    over_ns = here_ns - direct_ns
    return Row(
        what=what,
        here=f"{here_ns / 1000:.2f} us",
        beside=f"direct call {direct_ns / 1000:.2f} us (+{over_ns / 1000:.2f} us)",
        ratio=f"{here_ns / direct_ns:.2f}",
        goal=f"at most {goal_ns / 1000:.1f} us above",
        met=over_ns <= goal_ns,
    )


if __name__ == "__main__":
    show(rows())
