"""What a lane costs per frame, beside calling the processor directly and beside a bare hand-off of a queue."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from statistics import median

import numpy as np

from greenroom.actors._host import Host, host_for
from greenroom.actors.frames import Frame, read_only
from greenroom.actors.processors import AudioProcessor, Placement, ProcessorSpec, Reason
from greenroom.supervision.runtime import Task

FRAMES = 20_000
HANDOFFS = 3_000
ROUNDS = 7
CAPACITY = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table of `make bench`."""

    what: str
    here: str
    beside: str
    ratio: str
    goal: str
    met: bool


class Gain(AudioProcessor):
    """A numpy processor of a few microseconds."""

    def _process(self, frame: Frame) -> Frame:
        return Frame(frame.samples >> 1, frame.rate_hz, frame.timestamp_ns, frame.annotations)


class Sink:
    """A downstream that tells when the last frame has come."""

    def __init__(self) -> None:
        self.count = 0
        self.awaited = -1
        self.reached = SimpleQueue[None]()

    def push(self, frames: Sequence[Frame]) -> None:
        self.count += len(frames)
        if self.count >= self.awaited:
            self.reached.put(None)

    def send(self, frame: Frame) -> None:  # noqa: ARG002 - the name is the protocol's
        self.count += 1
        if self.count >= self.awaited:
            self.reached.put(None)


class Silent:
    """A tally for those who do not expect anything to tell."""

    def bypassed(self, reason: Reason, count: int) -> None:
        raise AssertionError(f"{count} frames {reason}")

    def dropped(self, frame: Frame, reason: Reason) -> None:
        raise AssertionError(f"{frame} {reason}")


class BenchRuntime:
    """As much of a `Runtime` as a host needs: C functions, as in `ThreadRuntime`."""

    now_ns = staticmethod(time.monotonic_ns)
    lock = staticmethod(threading.Lock)


class Worker:
    """An executor with a thread of its own."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def submit(self, task: Task) -> None:
        self._tasks.put(task)

    def _run(self) -> None:
        get = self._tasks.get
        while (task := get()) is not None:
            task.run()

    def replace(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._tasks.put(None)
        self._thread.join()


def frames(count: int) -> list[Frame]:
    """Return frames of 10 ms at 48 kHz."""
    samples = read_only(np.zeros((480, 1), np.int16))
    return [Frame(samples, 48_000, index * 10_000_000) for index in range(count)]


def host(placement: Placement) -> Host:
    """Return a host that loses no frame, whatever the machine does meanwhile."""
    spec = ProcessorSpec(name="gain", factory=Gain, placement=placement, capacity_frames=CAPACITY)

    def on_fault(epoch: int, error: BaseException) -> None:
        raise AssertionError(epoch) from error

    return host_for(spec, runtime=BenchRuntime(), wait=True, on_fault=on_fault, on_late_return=print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def direct_ns(given: list[Frame]) -> float:
    """Return what a direct call costs, per frame: the loop and the handing on included."""
    process = Gain()._process
    sink = Sink()
    sink.awaited = len(given) + 1
    send = sink.send
    began = time.perf_counter_ns()
    for frame in given:
        send(process(frame))
    return (time.perf_counter_ns() - began) / len(given)


def inline_ns(given: list[Frame], worker: Worker) -> float:
    """Return what an inline lane costs per frame, processor included."""
    gate = host(Placement.INLINE)
    sink = Sink()
    sink.awaited = len(given)
    send = gate.lane(sink, Silent()).send
    gate.install(Gain(), worker)
    began = time.perf_counter_ns()
    for frame in given:
        send(frame)
    spent = time.perf_counter_ns() - began
    sink.reached.get()
    return spent / len(given)


def busy_ns(given: list[Frame], worker: Worker) -> float:
    """Return what a busy thread lane costs per frame, processor included: bursts that fill half of it."""
    gate = host(Placement.THREAD)
    sink = Sink()
    send = gate.lane(sink, Silent()).send
    gate.install(Gain(), worker)
    burst = CAPACITY // 2
    began = time.perf_counter_ns()
    for start in range(0, len(given), burst):
        part = given[start : start + burst]
        sink.awaited = sink.count + len(part)
        for frame in part:
            send(frame)
        sink.reached.get()
    return (time.perf_counter_ns() - began) / len(given)


def single_ns(given: list[Frame], worker: Worker) -> float:
    """Return how long one frame takes there and back when it is alone, with a processor that does nothing."""
    gate = host(Placement.THREAD)
    sink = Sink()
    sink.awaited = 0
    send = gate.lane(sink, Silent()).send
    gate.install(Idle(), worker)
    reached = sink.reached.get
    began = time.perf_counter_ns()
    for frame in given:
        send(frame)
        reached()
    return (time.perf_counter_ns() - began) / len(given)


class Idle(AudioProcessor):
    """Returns what it is given."""

    def _process(self, frame: Frame) -> Frame:
        return frame


class Echo:
    """A task that sends something back."""

    def __init__(self) -> None:
        self.back = SimpleQueue[None]()

    def run(self) -> None:
        self.back.put(None)


def handoff_ns(count: int, worker: Worker) -> float:
    """Return what a bare hand-off of two `SimpleQueue` costs, there and back, with the same thread."""
    echo = Echo()
    put = worker.submit
    get = echo.back.get
    began = time.perf_counter_ns()
    for _ in range(count):
        put(echo)
        get()
    return (time.perf_counter_ns() - began) / count


def rows() -> list[Row]:
    """Measure, all in one run, interleaved; medians of the rounds."""
    given = frames(FRAMES)
    few = given[:HANDOFFS]
    worker = Worker()
    try:
        rounds = [
            (
                direct_ns(given),
                inline_ns(given, worker),
                busy_ns(given, worker),
                handoff_ns(HANDOFFS, worker),
                single_ns(few, worker),
            )
            for _ in range(ROUNDS)
        ]
    finally:
        worker.close()
    direct, inline, busy, handoff, single = (median(column) for column in zip(*rounds, strict=True))
    inline_over = median(row[1] - row[0] for row in rounds)
    busy_over = median(row[2] - row[0] for row in rounds)
    ratio = median(row[4] / row[3] for row in rounds)
    return [
        _above("inline lane, per frame", inline, direct, inline_over, 600),
        _above("thread lane, busy, per frame", busy, direct, busy_over, 2_000),
        Row(
            what="thread lane, single in flight, there and back",
            here=f"{single / 1000:.2f} us",
            beside=f"SimpleQueue there and back {handoff / 1000:.2f} us",
            ratio=f"{ratio:.2f}",
            goal="at most 1.3 times",
            met=ratio <= 1.3,
        ),
    ]


def _above(what: str, here_ns: float, direct_ns_: float, over_ns: float, goal_ns: float) -> Row:
    return Row(
        what=what,
        here=f"{here_ns / 1000:.2f} us",
        beside=f"direct call {direct_ns_ / 1000:.2f} us (+{over_ns / 1000:.2f} us)",
        ratio=f"{here_ns / direct_ns_:.2f}",
        goal=f"at most {goal_ns / 1000:.1f} us above",
        met=over_ns <= goal_ns,
    )


if __name__ == "__main__":
    for row in rows():
        print(
            f"{row.what:48} {row.here:>10}  {row.beside:48} x{row.ratio:>6}  {row.goal:24} {'met' if row.met else 'NOT MET'}"
        )
