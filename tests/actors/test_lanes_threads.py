"""Lanes on real threads: a few smoke tests of what one thread cannot play."""

import threading
import time
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import cast

import pytest
from tests.actors.lanekit import frame, number_of

from greenroom.actors._host import Host, host_for
from greenroom.actors._turnstile import Turnstile
from greenroom.actors.frames import Frame
from greenroom.actors.processors import AudioProcessor, Placement, ProcessorSpec, Reason
from greenroom.supervision.runtime import Runtime, Task

PATIENCE_S = 20
FRAMES = 3_000


class Threads:
    """As much of a runtime as a host needs."""

    now_ns = staticmethod(time.monotonic_ns)
    lock = staticmethod(threading.Lock)


RUNTIME = cast("Runtime", Threads())


class Worker:
    """An executor with a thread."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def submit(self, task: Task) -> None:
        self._tasks.put(task)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task.run()

    def replace(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._tasks.put(None)


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    """Two workers, whose threads end with the test."""
    made = [Worker(), Worker()]
    yield made
    for worker in made:
        worker.close()
    for worker in made:
        worker.thread.join(PATIENCE_S)
        assert not worker.thread.is_alive()


class Ear:
    """A receiver and tally that checks that it is called by one thread at a time."""

    def __init__(self, awaited: int) -> None:
        self.numbers: list[int] = []
        self.drops: list[int] = []
        self.awaited = awaited
        self.complete = threading.Event()
        self._inside = threading.Lock()
        self.clashes = 0

    def push(self, frames: Sequence[Frame]) -> None:
        if not self._inside.acquire(blocking=False):
            self.clashes += 1
            return
        self.numbers += [number_of(given) for given in frames]
        self._inside.release()
        self._look()

    def send(self, frame: Frame) -> None:
        self.push((frame,))

    def bypassed(self, reason: Reason, count: int) -> None: ...

    def dropped(self, frame: Frame, reason: Reason) -> None:
        self.drops.append(number_of(frame))
        self._look()

    def _look(self) -> None:
        if len(self.numbers) + len(self.drops) >= self.awaited:
            self.complete.set()


class Careful(AudioProcessor):
    """Counts calls that overlap."""

    def __init__(self) -> None:
        self._inside = threading.Lock()
        self.clashes = 0
        self.calls = 0

    def _process(self, frame: Frame) -> Frame:
        if not self._inside.acquire(blocking=False):
            self.clashes += 1
            return frame
        self.calls += 1
        self._inside.release()
        return frame


def make(placement: Placement, *, wait: bool = False, capacity: int = 100) -> Host:
    """Return a host whose processor may not fail."""
    spec = ProcessorSpec(name="careful", factory=Careful, placement=placement, capacity_frames=capacity)

    def on_fault(epoch: int, error: BaseException) -> None:
        raise AssertionError(epoch) from error

    return host_for(spec, runtime=RUNTIME, wait=wait, on_fault=on_fault, on_late_return=lambda _: None)


@pytest.mark.parametrize("placement", list(Placement))
def test_several_producers_share_a_processor(placement: Placement, workers: list[Worker]) -> None:
    """While it is replaced and watched: each lane keeps its order, loses none, and no instance is called twice at once."""
    host = make(placement)
    ears = [Ear(FRAMES) for _ in range(3)]
    lanes = [host.lane(ear, ear) for ear in ears]
    made: list[Careful] = []
    done = threading.Event()

    def replace() -> None:
        while not done.is_set():
            made.append(Careful())
            host.install(made[-1], workers[len(made) % 2])
            done.wait(0.002)
            (host.revoke if len(made) % 2 else host.suspend)(Reason.WARMING)

    def watch() -> None:
        while not done.is_set():
            host.watch(time.monotonic_ns())
            done.wait(0.001)

    def produce(which: int) -> None:
        for number in range(FRAMES):
            lanes[which].send(frame(number, samples=4))
            if number % 50 == 0:
                done.wait(0.001)

    threads = [threading.Thread(target=produce, args=(which,)) for which in range(3)]
    others = [threading.Thread(target=replace), threading.Thread(target=watch)]
    for thread in [*threads, *others]:
        thread.start()
    complete = [ear.complete.wait(PATIENCE_S) for ear in ears]
    done.set()
    for thread in [*threads, *others]:
        thread.join(PATIENCE_S)
    assert complete == [True] * 3
    assert [ear.numbers for ear in ears] == [list(range(FRAMES))] * 3
    assert [ear.clashes for ear in ears] == [0] * 3
    assert sum(careful.clashes for careful in made) == 0
    assert sum(careful.calls for careful in made) > 0


def test_a_worker_that_hangs_outside_frames_is_passed_by(workers: list[Worker]) -> None:
    """An inline sender waits for the worker's own call, and goes on when that is given up."""
    host = make(Placement.INLINE)
    ear = Ear(1)
    lane = host.lane(ear, ear)
    careful = Careful()
    host.install(careful, workers[0])
    inside, let_go = threading.Event(), threading.Event()

    def hang() -> None:
        with host.exclusive():
            inside.set()
            let_go.wait(PATIENCE_S)

    worker = threading.Thread(target=hang)
    worker.start()
    assert inside.wait(PATIENCE_S)
    sender = threading.Thread(target=lane.send, args=(frame(0),))
    sender.start()
    assert not ear.complete.is_set()
    host.revoke(Reason.WARMING)
    assert ear.complete.wait(PATIENCE_S)
    let_go.set()
    for thread in (worker, sender):
        thread.join(PATIENCE_S)
    assert careful.calls == 0


def test_one_at_a_time_goes_through_a_turnstile() -> None:
    """However many want to; and none waits for ever."""
    gate = Turnstile(RUNTIME)
    count = [0]

    def come_and_go() -> None:
        for _ in range(500):
            gate.enter()
            before = count[0]
            time.sleep(0)
            count[0] = before + 1
            gate.leave()

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads)
    assert count == [2_000]
