"""How the lanes of a threaded host share its thread."""

from tests.actors.lanekit import MS, Stage, frame, processed

from greenroom.actors.frames import Frame


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
