"""Hosts and lanes, step by step; what holds for both placements is tested with both."""

from collections.abc import Callable

import numpy as np
import pytest
from tests.actors.lanekit import MS, Stage, frame, processed

from greenroom.actors._guard import WrongFrame
from greenroom.actors.frames import Frame
from greenroom.actors.processors import OnFault, Placement, Reason

BOTH = pytest.mark.parametrize("placement", list(Placement))


def raising(error: BaseException) -> Callable[[Frame], object]:
    """Return a plan for a puppet's next call."""

    def plan(_: Frame) -> object:
        raise error

    return plan


@BOTH
def test_frames_come_out_processed_in_order(placement: Placement) -> None:
    """What is pushed after the install comes out in order, each processed once."""
    stage = Stage(placement=placement)
    lane, out = stage.lane()
    stage.install()
    lane.send(frame(0))
    lane.push([frame(1), frame(2)])
    stage.worker.drain()
    assert processed(out) == out.numbers == [0, 1, 2]
    assert stage.host.processed == 3


@BOTH
@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_whatever_a_processor_raises_is_a_fault_and_ends_its_epoch(
    placement: Placement, error: BaseException
) -> None:
    """Its frame is bypassed as a fault, those after it as warming, and it is reported once."""
    stage = Stage(placement=placement)
    lane, out = stage.lane()
    epoch = stage.install()
    stage.puppet.plan = raising(error)
    lane.push([frame(number) for number in range(3)])
    stage.worker.drain()
    assert stage.faults == [(epoch, error)]
    assert out.numbers == [0, 1, 2]
    assert processed(out) == []
    assert out.bypasses == {Reason.FAULT: 1, Reason.WARMING: 2} == stage.host.counts()


@BOTH
def test_a_wrong_frame_is_a_fault(placement: Placement) -> None:
    """The original comes out, and the report says what was wrong."""
    stage = Stage(placement=placement)
    lane, out = stage.lane()
    stage.install()
    stage.puppet.plan = lambda given: given.with_samples(np.zeros((441, 1), np.int16))
    given = frame(0)
    lane.send(given)
    stage.worker.drain()
    assert out.frames == [given]
    assert isinstance(stage.faults[0][1], WrongFrame)


@BOTH
def test_a_fault_in_enabled_is_a_fault(placement: Placement) -> None:
    """Asking whether it is enabled runs foreign code too."""

    class Moody:
        @property
        def enabled(self) -> bool:
            raise LookupError("who knows")

        def _process(self, frame: Frame) -> Frame:
            return frame

        def _close(self) -> None: ...

    stage = Stage(placement=placement)
    lane, out = stage.lane()
    stage.host.install(Moody(), stage.worker)
    lane.send(frame(0))
    stage.worker.drain()
    assert out.bypasses == {Reason.FAULT: 1}
    assert [type(error) for _, error in stage.faults] == [LookupError]


@BOTH
def test_a_disabled_processor_is_bypassed_whatever_the_policy(placement: Placement) -> None:
    """That is no fault; and it is asked again for every frame."""
    stage = Stage(placement=placement, on_fault=OnFault.DROP)
    lane, out = stage.lane()
    stage.install()
    stage.puppet.enabled = False
    lane.push([frame(0), frame(1)])
    stage.worker.drain()
    stage.puppet.enabled = True
    lane.send(frame(2))
    stage.worker.drain()
    assert out.numbers == [0, 1, 2]
    assert processed(out) == [2]
    assert out.bypasses == {Reason.DISABLED: 2}
    assert stage.faults == []


@BOTH
def test_before_the_install_frames_follow_the_policy(placement: Placement) -> None:
    """In real time nobody waits for a processor: warming, and degraded once that is said."""
    stage = Stage(placement=placement, on_fault=OnFault.DROP)
    lane, out = stage.lane()
    lane.send(frame(0))
    stage.host.suspend(Reason.DEGRADED)
    lane.send(frame(1))
    assert out.frames == []
    assert out.drops == {0: Reason.WARMING, 1: Reason.DEGRADED}


@BOTH
def test_a_host_that_waits_keeps_frames_while_warming(placement: Placement) -> None:
    """They are processed after the install, in order with those that come later; none is ever late."""
    stage = Stage(placement=placement, wait=True, capacity=2)
    lane, out = stage.lane()
    lane.push([frame(number) for number in range(5)])
    stage.watch(10_000 * MS)
    stage.watch(10_000 * MS)
    assert out.frames == []
    stage.install()
    lane.send(frame(5))
    stage.worker.drain()
    lane.send(frame(6))
    stage.worker.drain()
    assert processed(out) == list(range(7))
    assert stage.host.counts() == {}


@BOTH
def test_a_host_that_waits_bypasses_while_degraded(placement: Placement) -> None:
    """What was waiting goes out with the next watch; the rest at once; the retry processes again."""
    stage = Stage(placement=placement, wait=True)
    lane, out = stage.lane()
    lane.send(frame(0))
    stage.host.suspend(Reason.DEGRADED)
    assert out.frames == []
    stage.watch()
    lane.send(frame(1))
    stage.install()
    lane.send(frame(2))
    stage.worker.drain()
    assert out.numbers == [0, 1, 2]
    assert out.bypasses == {Reason.DEGRADED: 2}
    assert processed(out) == [2]


def test_a_full_lane_resolves_the_oldest_waiting_frame() -> None:
    """Order is kept, and the newest frames are the ones that are processed."""
    stage = Stage(capacity=3)
    lane, out = stage.lane()
    stage.install()
    lane.push([frame(number) for number in range(5)])
    stage.worker.drain()
    assert out.numbers == [0, 1, 2, 3, 4]
    assert processed(out) == [2, 3, 4]
    assert out.bypasses == {Reason.OVERFLOW: 2}


def test_what_overflows_behind_a_running_call_waits_for_it() -> None:
    """The running frame comes out first, processed."""
    stage = Stage(capacity=2)
    lane, out = stage.lane()
    stage.install()

    def plan(_: Frame) -> None:
        lane.push([frame(number) for number in range(1, 5)])
        assert out.frames == []

    stage.puppet.plan = plan
    lane.send(frame(0))
    stage.worker.drain()
    assert out.numbers == [0, 1, 2, 3, 4]
    assert processed(out) == [0, 3, 4]


def test_a_call_that_lasts_until_too_much_stands_behind_it_is_given_up() -> None:
    """A lane holds at most twice its capacity and the running frame; then that one overflows too."""
    stage = Stage(capacity=2)
    lane, out = stage.lane()
    stage.install()

    def plan(_: Frame) -> None:
        for number in range(1, 6):
            lane.send(frame(number))

    stage.puppet.plan = plan
    lane.send(frame(0))
    stage.worker.drain()
    assert out.numbers == [0, 1, 2, 3, 4, 5]
    assert processed(out) == [4, 5]
    assert out.bypasses == {Reason.OVERFLOW: 4}


def test_frames_older_than_the_deadline_are_late_in_order() -> None:
    """The running one and those behind it; a younger one is processed; the late result is thrown away."""
    stage = Stage()
    lane, out = stage.lane()
    stage.install()

    def plan(_: Frame) -> None:
        stage.watch(150 * MS)
        lane.send(frame(2))
        stage.watch(60 * MS)
        assert out.numbers == [0, 1]

    stage.puppet.plan = plan
    lane.push([frame(0), frame(1)])
    stage.watch()
    stage.worker.drain()
    assert out.numbers == [0, 1, 2]
    assert processed(out) == [2]
    assert out.bypasses == {Reason.LATE: 2}


def test_frames_are_not_late_before_the_deadline() -> None:
    """A frame is late only when a watch that saw it is a deadline ago."""
    stage = Stage()
    lane, out = stage.lane()
    stage.install()
    stage.watch()
    lane.send(frame(0))
    stage.watch(190 * MS)
    stage.watch(190 * MS)
    assert out.frames == []
    stage.watch(11 * MS)
    assert out.bypasses == {Reason.LATE: 1}


def test_the_watch_tells_since_when_a_call_hangs() -> None:
    """Not before the limit; the start is known to within one watch; a revoked call is told no more."""
    stage = Stage(wait=True)
    lane, _ = stage.lane()
    stage.install()

    def plan(_: Frame) -> None:
        assert stage.watch(10 * MS) is None
        assert stage.watch(999 * MS) is None
        assert stage.watch(1 * MS) == 10 * MS
        stage.host.revoke(Reason.WARMING)
        assert stage.watch(1 * MS) is None

    stage.puppet.plan = plan
    lane.send(frame(0))
    stage.worker.drain()


def test_a_call_hangs_whatever_becomes_of_the_frames_meanwhile() -> None:
    """Its own frame and those behind it are late, others overflow: that is no sign of life."""
    stage = Stage(capacity=2)
    lane, _ = stage.lane()
    stage.install()
    found: list[int | None] = []

    def plan(_: Frame) -> None:
        for number in range(1, 12):
            lane.send(frame(number))
            found.append(stage.watch(100 * MS))

    stage.puppet.plan = plan
    lane.send(frame(0))
    stage.worker.drain()
    assert found == [None] * 10 + [100 * MS]
    assert stage.host.counts()[Reason.LATE] == 1
    assert stage.host.counts()[Reason.OVERFLOW] > 5


def test_many_calls_that_are_each_in_time_are_no_hang() -> None:
    """Also when every one of them comes too late for its frame."""
    stage = Stage()
    lane, _ = stage.lane()
    stage.install()
    found: list[int | None] = []

    def plan(given: Frame) -> None:
        found.extend(stage.watch(300 * MS) for _ in range(3))
        if given.timestamp_ns < 40 * MS:
            stage.puppet.plan = plan
            lane.send(frame(given.timestamp_ns // (10 * MS) + 1))

    stage.puppet.plan = plan
    lane.send(frame(0))
    stage.worker.drain()
    assert len(found) == 15
    assert set(found) == {None}


@pytest.mark.parametrize("raises", [False, True])
def test_a_revoked_call_comes_out_late_and_its_end_is_thrown_away(raises: bool) -> None:
    """Neither its result nor its fault is heard of; the next epoch takes over meanwhile."""
    stage = Stage()
    lane, out = stage.lane()
    stage.install()
    second = type(stage.worker)()

    def plan(given: Frame) -> Frame:
        stage.host.revoke(Reason.WARMING)
        assert out.frames == []
        lane.send(frame(1))
        assert out.numbers == [0, 1]
        stage.puppet.forbidden = True
        stage.puppet = type(stage.puppet)("second")
        stage.host.install(stage.puppet, second)
        lane.send(frame(2))
        second.drain()
        if raises:
            raise ValueError("too late for anybody")
        return given

    stage.puppet.plan = plan
    lane.send(frame(0))
    stage.worker.drain()
    assert out.numbers == [0, 1, 2]
    assert [given.annotations.get("by") for given in out.frames] == [None, None, "second"]
    assert out.bypasses == {Reason.LATE: 1, Reason.WARMING: 1}
    assert stage.faults == []


@BOTH
def test_the_return_of_a_revoked_call_is_told(placement: Placement) -> None:
    """So that its processor can be closed then, and not under the running call."""
    stage = Stage(placement=placement)
    lane, out = stage.lane()
    stage.install()

    def plan(_: Frame) -> None:
        stage.host.revoke(Reason.WARMING)
        assert stage.host.calling(stage.puppet)
        assert stage.returned == []

    stage.puppet.plan = plan
    lane.send(frame(0))
    stage.worker.drain()
    assert stage.returned == [stage.puppet]
    assert not stage.host.calling(stage.puppet)
    stage.watch()
    assert out.bypasses == {Reason.LATE: 1}


def test_an_idle_processor_is_not_being_called() -> None:
    """Nobody waits for a return that will not come."""
    stage = Stage(placement=Placement.INLINE)
    lane, _ = stage.lane()
    stage.install()
    lane.send(frame(0))
    stage.host.revoke(Reason.WARMING)
    assert not stage.host.calling(stage.puppet)
    with stage.host.exclusive():
        assert stage.returned == []


def test_a_frame_pushed_while_its_forerunner_is_delivered_waits_for_it() -> None:
    """Whoever delivers takes along what others resolve meanwhile; nobody overtakes."""
    stage = Stage()
    lane, out = stage.lane()
    stage.install()

    def during_delivery() -> None:
        lane.send(frame(1))
        stage.host.revoke(Reason.WARMING)
        stage.watch()
        assert out.numbers == [0]

    out.hook = during_delivery
    lane.send(frame(0))
    stage.worker.drain()
    assert out.numbers == [0, 1]
