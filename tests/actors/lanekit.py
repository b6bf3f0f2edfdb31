"""Hand-driven parts for the tests of the frame path: executors that step, a clock that is set, processors on strings."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from greenroom.actors._control import EpochHost
from greenroom.actors._host import Host, Lane, host_for
from greenroom.actors.frames import Frame, read_only
from greenroom.actors.processors import (
    AudioProcessor,
    OnFault,
    Placement,
    Processor,
    ProcessorSpec,
    Reason,
)
from greenroom.supervision.runtime import Runtime, Task

MS = 1_000_000
STEP_NS = 10 * MS
PROCESSED = "processed"


def frame(number: int, samples: int = 480) -> Frame:
    """Return the frame that stands at ``number`` times 10 ms."""
    return Frame(read_only(np.ones((samples, 1), np.int16)), 48_000, number * STEP_NS)


def number_of(given: Frame) -> int:
    """Return the number that the frame was made with."""
    return given.timestamp_ns // STEP_NS


class ManualTimer:
    def __init__(self, at_ns: int, callback: Callable[[], None]) -> None:
        self.at_ns = at_ns
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualExecutor:
    """Runs what was submitted when told to, one task at a time."""

    def __init__(self, name: str = "worker") -> None:
        self.name = name
        self.tasks: deque[Task] = deque()
        self.closed = False
        self.running = False

    def submit(self, task: Task) -> None:
        assert not self.closed, f"submitted to {self.name} after close"
        self.tasks.append(task)

    def submitting(self, tasks: Iterable[Task]) -> Iterator[None]:
        return map(self.submit, tasks)

    def step(self) -> bool:
        """Run one task, unless its one thread is busy: this is called from inside a task."""
        if not self.tasks or self.running:
            return False
        self.running = True
        try:
            self.tasks.popleft().run()
        finally:
            self.running = False
        return True

    def drain(self) -> None:
        while self.step():
            pass

    def close(self) -> None:
        self.closed = True

    def replace(self) -> None:
        self.running = False


class ManualRuntime:
    """A `Runtime` whose clock is set and whose executors step."""

    def __init__(self) -> None:
        self.clock_ns = 0
        self.timers: list[ManualTimer] = []
        self.executors: list[ManualExecutor] = []
        self.locks: list[Any] = []

    def now_ns(self) -> int:
        return self.clock_ns

    def lock(self) -> Any:
        lock = threading.Lock()
        self.locks.append(lock)
        return lock

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer(self.clock_ns + delay_ns, callback)
        self.timers.append(timer)
        return timer

    def executor(self, _dispatcher: object, name: str) -> ManualExecutor:
        self.executors.append(ManualExecutor(name))
        return self.executors[-1]

    def assert_no_lock_held(self) -> None:
        assert not any(lock.locked() for lock in self.locks), "foreign or downstream code runs under a lock"

    def drain(self) -> None:
        """Run all that was submitted, and what that submits."""
        while any(executor.step() for executor in self.executors):
            pass

    def advance(self, by_ns: int) -> None:
        """Let time pass; timers fire when they are due, and what they submit is run."""
        until_ns = self.clock_ns + by_ns
        self.drain()
        while True:
            due = [timer for timer in self.timers if timer.callback is not None and timer.at_ns <= until_ns]
            if not due:
                break
            timer = min(due, key=lambda timer: timer.at_ns)
            self.timers.remove(timer)
            self.clock_ns = max(self.clock_ns, timer.at_ns)
            assert timer.callback is not None
            timer.callback()
            self.drain()
        self.clock_ns = until_ns


class Recorder:
    """A `FrameReceiver` and `Tally` that writes down what it is told, and checks order as it goes."""

    def __init__(self, runtime: ManualRuntime | None = None) -> None:
        self.frames: list[Frame] = []
        self.bypasses: Counter[Reason] = Counter()
        self.drops: dict[int, Reason] = {}
        self.inside = False
        self.hook: Callable[[], None] | None = None
        self._runtime = runtime

    @property
    def numbers(self) -> list[int]:
        return [number_of(given) for given in self.frames]

    def push(self, frames: Sequence[Frame]) -> None:
        assert not self.inside, "two deliverers at a time"
        if self._runtime is not None:
            self._runtime.assert_no_lock_held()
        self.inside = True
        try:
            self.frames.extend(frames)
            hook, self.hook = self.hook, None
            if hook is not None:
                hook()
        finally:
            self.inside = False

    def send(self, frame: Frame) -> None:
        self.push((frame,))

    def bypassed(self, reason: Reason, count: int) -> None:
        self.bypasses[reason] += count

    def dropped(self, frame: Frame, reason: Reason) -> None:
        assert number_of(frame) not in self.drops, "dropped twice"
        self.drops[number_of(frame)] = reason


class Puppet(AudioProcessor):
    """A processor that marks frames with its name, and does what it is told in its next call."""

    def __init__(self, name: str = PROCESSED) -> None:
        self.name = name
        self.calls = 0
        self.inside = False
        self.forbidden = False
        self.plan: Callable[[Frame], object] | None = None

    def _process(self, frame: Frame) -> Frame:
        assert not self.forbidden, "called after it must not be"
        assert not self.inside, "called twice at once"
        self.inside = True
        self.calls += 1
        try:
            plan, self.plan = self.plan, None
            if plan is not None:
                done = plan(frame)
                if done is not None:
                    return cast("Frame", done)
            return frame.annotated(by=self.name)
        finally:
            self.inside = False


class Stage:
    """A host with its worker's executor and what it reported."""

    def __init__(
        self,
        *,
        placement: Placement = Placement.THREAD,
        wait: bool = False,
        on_fault: OnFault = OnFault.BYPASS,
        capacity: int = 100,
    ) -> None:
        self.runtime = ManualRuntime()
        self.worker = ManualExecutor()
        self.faults: list[tuple[int, BaseException]] = []
        self.returned: list[Processor] = []
        spec = ProcessorSpec(
            name="puppet", factory=Puppet, placement=placement, on_fault=on_fault, capacity_frames=capacity
        )
        self.host: Host = host_for(
            spec,
            runtime=cast("Runtime", self.runtime),
            wait=wait,
            on_fault=lambda epoch, error: self.faults.append((epoch, error)),
            on_late_return=self.returned.append,
        )
        assert isinstance(self.host, EpochHost)
        self.runtime.locks.append(self.host.lock)
        self.puppet = Puppet()

    def lane(self) -> tuple[Lane, Recorder]:
        recorder = Recorder(self.runtime)
        return self.host.lane(recorder, recorder), recorder

    def install(self) -> int:
        self.puppet = Puppet()
        return self.host.install(self.puppet, self.worker)

    def watch(self, after_ns: int = 0) -> int | None:
        self.runtime.clock_ns += after_ns
        return self.host.watch(self.runtime.clock_ns)


def processed(recorder: Recorder) -> list[int]:
    """Return the numbers of the frames that came out processed."""
    return [number_of(given) for given in recorder.frames if "by" in given.annotations]
