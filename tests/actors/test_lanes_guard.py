"""What a lane checks of what its processor returns; both placements."""

from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
from tests.actors.lanekit import STEP_NS, Stage, frame

from greenroom.actors.frames import Frame, Samples, read_only
from greenroom.actors.processors import Placement, Reason

BOTH = pytest.mark.parametrize("placement", list(Placement))
WIDE = np.arange(1_920, dtype=np.int16).reshape(480, 4)


def given(channels: int, number: int = 0) -> Frame:
    """Return a frame of 10 ms."""
    return Frame(read_only(np.ones((480, channels), np.int16)), 48_000, number * STEP_NS)


@BOTH
@pytest.mark.parametrize(
    ("channels", "samples"),
    [(1, WIDE[:, :1]), (2, WIDE[:, ::2]), (2, np.asfortranarray(WIDE[:, :2])), (1, WIDE[::-1, :1])],
)
def test_what_comes_out_is_contiguous(placement: Placement, channels: int, samples: Samples) -> None:
    """A slice, or an array of its own in another order, is copied; it is no fault."""
    stage = Stage(placement=placement)
    lane, out = stage.lane()
    stage.install()
    stage.puppet.plan = lambda frame: frame.with_samples(samples)
    lane.send(given(channels))
    stage.worker.drain()
    assert out.frames[0].samples.flags.c_contiguous
    assert np.array_equal(out.frames[0].samples, samples)
    assert stage.host.counts() == {}


WRONG: list[Callable[[Frame], object]] = [
    lambda _: 3,
    lambda frame: Frame(cast("Samples", frame.samples.tolist()), frame.rate_hz, frame.timestamp_ns),
    lambda frame: frame.with_samples(cast("Samples", np.zeros((480, 1), np.int32))),
    lambda frame: frame.with_samples(np.zeros((240, 2), np.int16)),
    lambda frame: Frame(frame.samples.copy(), 16_000, frame.timestamp_ns),
]


@BOTH
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_not_the_frame_is_a_fault(placement: Placement, wrong: Callable[[Frame], object]) -> None:
    """Another type, dtype, shape or rate: the original comes out."""
    stage = Stage(placement=placement)
    lane, out = stage.lane()
    stage.install()
    stage.puppet.plan = wrong
    original = given(1)
    lane.send(original)
    stage.worker.drain()
    assert out.frames == [original]
    assert stage.host.counts() == {Reason.FAULT: 1}


@BOTH
def test_another_timestamp_is_put_right_on_the_way(placement: Placement) -> None:
    """Equal is as good as the same."""
    stage = Stage(placement=placement)
    lane, out = stage.lane()
    stage.install()
    stage.puppet.plan = lambda frame: Frame(frame.samples.copy(), int("48000"), 7)
    lane.send(given(1, number=3))
    stage.worker.drain()
    assert out.frames[0].timestamp_ns == 3 * STEP_NS
    assert stage.host.counts() == {}


@BOTH
def test_what_goes_to_another_lane_is_read_only(placement: Placement) -> None:
    """Each time: the next processor's original must still be there to bypass it with."""
    stage = Stage(placement=placement)
    second, out = stage.lane()
    first = stage.host.lane(second, out)
    stage.install()
    found: list[bool] = []

    def look(frame: Frame) -> None:
        found.append(frame.samples.flags.writeable)

    for number in range(3):

        def copy(frame: Frame) -> Frame:
            stage.puppet.plan = look
            return frame.with_samples(frame.samples.copy())

        stage.puppet.plan = copy
        first.send(frame(number))
        stage.worker.drain()
    assert found == [False] * 3


@BOTH
def test_an_array_that_is_written_again_is_found_out(placement: Placement) -> None:
    """A processor that always returns the same array fails at its second frame, after a rebuild too."""
    stage = Stage(placement=placement)
    lane, out = stage.lane()
    for life in range(2):
        stage.install()
        kept = np.zeros((480, 1), np.int16)

        def reuse(frame: Frame, kept: Samples = kept) -> Frame:
            stage.puppet.plan = reuse
            kept[:] = frame.samples
            return frame.with_samples(kept)

        stage.puppet.plan = reuse
        for number in range(2):
            lane.send(frame(2 * life + number))
            stage.worker.drain()
    assert [type(error) for _, error in stage.faults] == [ValueError, ValueError]
    assert out.numbers == [0, 1, 2, 3]


@BOTH
def test_an_array_is_marked_after_each_watch(placement: Placement) -> None:
    """One that begins to use its arrays again later on is found out as well."""
    stage = Stage(placement=placement)
    lane, out = stage.lane()
    stage.install()
    for number in range(3):
        stage.puppet.plan = lambda frame: frame.with_samples(frame.samples.copy())
        lane.send(frame(number))
        stage.worker.drain()
    stage.watch()
    stage.puppet.plan = lambda frame: frame.with_samples(frame.samples.copy())
    lane.send(frame(3))
    stage.worker.drain()
    assert not out.frames[0].samples.flags.writeable
    assert not out.frames[3].samples.flags.writeable
