"""What only several threads can play: a call of a revoked epoch comes back while others go on."""

import threading
from collections.abc import Sequence

import pytest
from tests.actors.lanekit import frame, number_of
from tests.actors.threadkit import PATIENCE_S, RUNTIME, Ear, Worker

from greenroom.actors._host import Lane, host_for
from greenroom.actors.frames import Frame
from greenroom.actors.processors import AudioProcessor, Placement, Processor, ProcessorSpec, Reason


class Held(AudioProcessor):
    """A processor whose call lasts until it is let go; then it returns, or raises."""

    def __init__(self, *, raises: bool = False) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self._raises = raises

    def _process(self, frame: Frame) -> Frame:
        self.entered.set()
        assert self.let_go.wait(PATIENCE_S)
        if self._raises:
            raise ValueError("too late for anybody")
        return frame.annotated(by=self)


class Listener(Ear):
    """An ear that remembers by whom frames were processed."""

    def __init__(self, awaited: int) -> None:
        super().__init__(awaited)
        self.by: list[tuple[int, object]] = []

    def push(self, frames: Sequence[Frame]) -> None:
        self.by += [(number_of(given), given.annotations.get("by")) for given in frames]
        super().push(frames)


class Play:
    """A host, what it reported, and the threads that send to its lanes."""

    def __init__(self, placement: Placement) -> None:
        self.returned: list[Processor] = []
        self.told = threading.Event()
        self.faults: list[BaseException] = []
        self.threads: list[threading.Thread] = []
        self.host = host_for(
            ProcessorSpec(name="held", factory=Held, placement=placement),
            runtime=RUNTIME,
            wait=False,
            on_fault=lambda _, error: self.faults.append(error),
            on_late_return=self._note,
        )

    def _note(self, processor: Processor) -> None:
        self.returned.append(processor)
        self.told.set()

    def send(self, lane: Lane, number: int) -> None:
        """Send on a thread of its own, which an inline lane keeps until the call returns."""
        self.threads.append(threading.Thread(target=lane.send, args=(frame(number),)))
        self.threads[-1].start()

    def join(self) -> None:
        for thread in self.threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("placement", list(Placement))
def test_what_a_revoked_epoch_returns_never_comes_out(
    placement: Placement, raises: bool, workers: list[Worker]
) -> None:
    """Its frame comes out as it was, its return is told once, and the call that runs meanwhile is not disturbed."""
    play = Play(placement)
    host = play.host
    ears = [Listener(1), Listener(1)] if placement is Placement.INLINE else [Listener(2)]
    lanes = [host.lane(ear, ear) for ear in ears]
    first, second = Held(raises=raises), Held()
    host.install(first, workers[0])
    play.send(lanes[0], 0)
    assert first.entered.wait(PATIENCE_S)
    host.revoke(Reason.WARMING)
    assert host.calling(first)
    host.install(second, workers[1])
    play.send(lanes[-1], 1)
    assert second.entered.wait(PATIENCE_S)
    assert play.returned == []
    first.let_go.set()
    assert play.told.wait(PATIENCE_S)
    assert not host.calling(first)
    second.let_go.set()
    play.join()
    host.watch(0)
    for ear in ears:
        assert ear.complete.wait(PATIENCE_S)
    assert [heard for ear in ears for heard in ear.by] == [(0, None), (1, second)]
    assert host.counts() == {Reason.LATE: 1}
    assert host.processed == 1
    assert play.returned == [first]
    assert play.faults == []


def test_a_revoked_turn_takes_no_further_frame(workers: list[Worker]) -> None:
    """What waited behind it follows the policy; its worker's thread does not touch the lane again."""
    play = Play(Placement.THREAD)
    host = play.host
    ear = Listener(3)
    lane = host.lane(ear, ear)
    held = Held()
    host.install(held, workers[0])
    lane.push([frame(0), frame(1), frame(2)])
    assert held.entered.wait(PATIENCE_S)
    host.revoke(Reason.DEGRADED)
    host.watch(0)
    assert ear.by == [(0, None), (1, None), (2, None)]
    held.let_go.set()
    assert play.told.wait(PATIENCE_S)
    assert len(ear.by) == 3
    assert host.counts() == {Reason.LATE: 1, Reason.DEGRADED: 2}
