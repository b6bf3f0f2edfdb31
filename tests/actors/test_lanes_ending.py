"""How lanes close and hosts come to rest; both placements."""

import pytest
from tests.actors.lanekit import MS, Stage, frame, processed

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
