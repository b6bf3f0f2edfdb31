"""How the lanes of a threaded host share its thread."""

from tests.actors.lanekit import MS, Stage, frame, processed

from greenroom.actors.frames import Frame
from greenroom.actors.processors import Reason


def test_lanes_take_turns() -> None:
    """One that always has frames does not keep another waiting for more than a turn."""
    stage = Stage()
    busy, _ = stage.lane()
    other, out = stage.lane()
    stage.install()
    busy.push([frame(number) for number in range(100)])
    other.send(frame(0))
    stage.worker.step()
    stage.worker.step()
    assert processed(out) == [0]


def test_one_turn_is_submitted_at_a_time() -> None:
    """However many frames wait, and in however many lanes."""
    stage = Stage()
    lanes = [stage.lane()[0] for _ in range(3)]
    stage.install()
    for lane in lanes:
        lane.push([frame(0), frame(1)])
    assert len(stage.worker.tasks) == 1
    stage.worker.step()
    assert len(stage.worker.tasks) == 1


def test_a_quick_processor_gets_larger_turns_and_a_slow_one_single_frames() -> None:
    """A turn lasts about a millisecond, so that a slow call's result never waits for the next call."""
    stage = Stage()
    lane, _ = stage.lane()
    stage.install()
    steps = 0
    lane.push([frame(number) for number in range(100)])
    while stage.worker.step():
        steps += 1
    assert steps <= 8

    def slow(_: Frame) -> None:
        stage.runtime.clock_ns += 5 * MS
        stage.puppet.plan = slow

    stage.puppet.plan = slow
    for _ in range(10):
        lane.push([frame(number) for number in range(100, 150)])
        stage.worker.step()
    before = stage.puppet.calls
    stage.worker.step()
    assert stage.puppet.calls == before + 1


def test_a_frame_that_comes_during_the_only_call_is_processed_next() -> None:
    """Nobody has to send another one to wake the lane."""
    stage = Stage()
    lane, out = stage.lane()
    stage.install()
    stage.puppet.plan = lambda _: lane.send(frame(1))
    lane.send(frame(0))
    stage.worker.drain()
    assert processed(out) == [0, 1]


def test_a_late_result_is_thrown_away_in_its_own_epoch_too() -> None:
    """The original has gone out in its place."""
    stage = Stage()
    lane, out = stage.lane()
    stage.install()

    def slow(_: Frame) -> None:
        stage.watch()
        stage.watch(250 * MS)
        assert out.numbers == [0]

    stage.puppet.plan = slow
    lane.send(frame(0))
    stage.worker.drain()
    lane.send(frame(1))
    stage.worker.drain()
    assert out.numbers == [0, 1]
    assert processed(out) == [1]
    assert stage.host.processed == 1


def test_a_processed_frame_does_not_overtake_one_that_was_resolved() -> None:
    """What a suspension has resolved goes out with the next delivery, whoever makes it."""
    stage = Stage()
    lane, out = stage.lane()
    stage.install()
    lane.send(frame(0))
    stage.host.suspend(Reason.WARMING)
    stage.worker.drain()
    stage.install()
    lane.send(frame(1))
    stage.worker.drain()
    assert out.numbers == [0, 1]
    assert processed(out) == [1]


def test_a_new_worker_does_not_deliver_beside_an_old_one() -> None:
    """An old worker's thread may hang downstream; what the new one has ready is taken along after that."""
    stage = Stage()
    lane, out = stage.lane()
    stage.install()
    second = type(stage.worker)()

    def during_delivery() -> None:
        stage.host.revoke(Reason.WARMING)
        stage.host.install(stage.puppet, second)
        lane.send(frame(1))
        second.drain()
        assert out.numbers == [0]

    out.hook = during_delivery
    lane.send(frame(0))
    stage.worker.drain()
    assert processed(out) == [0, 1]
