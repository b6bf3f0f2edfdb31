"""How lanes close and hosts come to rest; both placements."""

from typing import SupportsIndex

import pytest
from tests.actors.lanekit import MS, Recorder, Stage, frame, processed

from greenroom.actors._control import EpochHost
from greenroom.actors.frames import Frame
from greenroom.actors.processors import Placement, Reason

BOTH = pytest.mark.parametrize("placement", list(Placement))


@BOTH
def test_a_closed_lane_tells_when_it_is_drained(placement: Placement) -> None:
    """Not before its last frame has gone out, and once; later frames are dropped as closed."""
    stage = Stage(placement=placement, wait=True)
    lane, out = stage.lane()
    lane.push([frame(0), frame(1)])
    drained: list[list[int]] = []
    lane.close(lambda: drained.append(out.numbers))
    assert drained == []
    stage.install()
    stage.worker.drain()
    assert drained == [[0, 1]]
    lane.send(frame(2))
    stage.worker.drain()
    assert out.numbers == [0, 1]
    assert out.drops == {2: Reason.CLOSED}


@BOTH
def test_a_lane_closed_with_discard_drops_what_waits(placement: Placement) -> None:
    """So that nobody waits for a processor that is never built."""
    stage = Stage(placement=placement, wait=True)
    lane, out = stage.lane()
    lane.push([frame(0), frame(1)])
    drained: list[None] = []
    lane.close(lambda: drained.append(None), discard=True)
    assert drained == [None]
    assert out.drops == {0: Reason.CLOSED, 1: Reason.CLOSED}


@BOTH
def test_an_empty_lane_is_drained_at_once(placement: Placement) -> None:
    """The callback comes before `close` returns."""
    stage = Stage(placement=placement)
    lane, _ = stage.lane()
    drained: list[None] = []
    lane.close(lambda: drained.append(None))
    assert drained == [None]


@BOTH
def test_a_quiet_host_calls_its_processor_no_more(placement: Placement) -> None:
    """It tells when nothing is inside; a frame that comes after all follows the policy."""
    stage = Stage(placement=placement)
    lane, out = stage.lane()
    stage.install()
    idle: list[list[int]] = []
    if placement is Placement.THREAD:
        lane.send(frame(0))
    stage.host.quiesce(lambda: idle.append(processed(out)))
    stage.worker.drain()
    assert idle == ([[0]] if placement is Placement.THREAD else [[]])
    stage.puppet.forbidden = True
    lane.send(frame(1))
    stage.host.install(stage.puppet, stage.worker)
    lane.send(frame(2))
    stage.worker.drain()
    assert out.bypasses == {Reason.CLOSED: 2}
    assert len(idle) == 1


@BOTH
def test_a_host_is_not_quiet_while_a_call_runs(placement: Placement) -> None:
    """Also when the call's frame was given up as late."""
    stage = Stage(placement=placement)
    lane, _ = stage.lane()
    stage.install()
    idle: list[bool] = []

    def plan(_: Frame) -> None:
        stage.host.quiesce(lambda: idle.append(stage.puppet.inside))
        stage.watch(300 * MS)
        stage.watch(300 * MS)
        assert idle == []

    stage.puppet.plan = plan
    lane.send(frame(0))
    stage.worker.drain()
    assert idle == [False]


@BOTH
def test_lanes_chain(placement: Placement) -> None:
    """The next lane is the downstream of the one before, also of the same host."""
    stage = Stage(placement=placement)
    second, out = stage.lane()
    first = stage.host.lane(second, out)
    stage.install()
    first.push([frame(0), frame(1)])
    stage.worker.drain()
    assert processed(out) == [0, 1]
    assert stage.puppet.calls == 4


@BOTH
@pytest.mark.parametrize("wait", [False, True])
def test_a_lane_whose_lease_has_ended_leads_round_the_processor(placement: Placement, wait: bool) -> None:
    """What waits and what still comes goes by the policy; when the lane is closed, what comes later is dropped."""
    stage = Stage(placement=placement, wait=wait)
    stage.host.lend(7)
    stage.host.lend(8)
    out, other = Recorder(stage.runtime), Recorder(stage.runtime)
    lane, neighbour = stage.host.lane(out, out, 7), stage.host.lane(other, other, 8)
    stage.install()
    for number in range(2):
        lane.send(frame(number))
    stage.worker.drain()
    if placement is Placement.THREAD:
        lane.send(frame(2))
    stage.host.bar(7)
    stage.host.bar(7)
    lane.push([frame(3)])
    lane.send(frame(4))
    neighbour.send(frame(0))
    stage.worker.drain()
    stage.watch()
    passed = [2, 3, 4] if placement is Placement.THREAD else [3, 4]
    assert out.numbers == [0, 1, *passed]
    assert processed(out) == [0, 1]
    assert out.bypasses == {Reason.WARMING: len(passed)}
    assert processed(other) == [0]
    drained: list[None] = []
    lane.close(lambda: drained.append(None))
    assert drained == [None]
    lane.send(frame(5))
    assert out.drops == {5: Reason.CLOSED}


@BOTH
def test_a_lease_that_has_ended_gets_no_lane_through_the_processor(placement: Placement) -> None:
    """A stream that was on its way when its lease ended finds it barred."""
    stage = Stage(placement=placement)
    stage.host.lend(7)
    stage.host.bar(7)
    out = Recorder(stage.runtime)
    lane = stage.host.lane(out, out, 7)
    stage.install()
    lane.send(frame(0))
    stage.worker.drain()
    assert out.numbers == [0]
    assert processed(out) == []


def test_a_frame_at_the_gate_goes_round_a_processor_that_its_lease_has_ended_on() -> None:
    """Inline: who waited for the worker's own call while the lease ended does not go in after it."""
    stage = Stage(placement=Placement.INLINE)
    stage.host.lend(7)
    out = Recorder(stage.runtime)
    lane = stage.host.lane(out, out, 7)
    stage.install()

    class Gate(list[None]):
        def pop(self, index: SupportsIndex = -1) -> None:
            stage.host.bar(7)
            return super().pop(index)

    assert isinstance(stage.host, EpochHost)
    assert stage.host.last is not None
    stage.host.last.gate.free = Gate([None])
    lane.send(frame(0))
    assert out.numbers == [0]
    assert processed(out) == []
