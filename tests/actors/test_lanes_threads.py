"""Lanes on real threads: a few smoke tests of what one thread cannot play."""

import threading
import time

import pytest
from tests.actors.lanekit import frame
from tests.actors.threadkit import PATIENCE_S, RUNTIME, Ear, Worker

from greenroom.actors._host import Host, host_for
from greenroom.actors._turnstile import Turnstile
from greenroom.actors.frames import Frame
from greenroom.actors.processors import AudioProcessor, Placement, ProcessorSpec, Reason

FRAMES = 3_000


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
