"""An output is as long as its input, whatever the stream did."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.frames import Frame, read_only
from greenroom.config._padding import PaddedSink

RATE_HZ = 48_000


class Tape:
    """A sink that keeps everything, with silence in the gaps."""

    def __init__(self) -> None:
        self.samples = np.zeros((0, 2), np.int16)
        self.ended = ""

    def write(self, frame: Frame) -> None:
        start = round(frame.timestamp_ns * RATE_HZ / 1e9)
        gap = start - len(self.samples)
        assert gap >= 0
        self.samples = np.concatenate([self.samples, np.zeros((gap, 2), np.int16), frame.samples])

    def finish(self) -> None:
        self.ended += "finished"

    def abort(self) -> None:
        self.ended += "aborted"


def frame(index: int) -> Frame:
    """Return the 10 ms that begin at ``index`` times 10 ms, full of ones."""
    return Frame(read_only(np.ones((480, 2), np.int16)), RATE_HZ, index * 10_000_000)


@given(
    length_frames=st.integers(0, 30_000),
    present=st.lists(st.booleans(), max_size=40),
)
def test_the_length_is_exact(length_frames: int, present: list[bool]) -> None:
    """Late frames are cut, missing ones are silence, and every frame that came is where it belongs."""
    tape = Tape()
    sink = PaddedSink(tape, length_frames=length_frames, rate_hz=RATE_HZ, channels=2)
    for index, there in enumerate(present):
        if there:
            sink.write(frame(index))
    sink.finish()
    wanted = np.zeros((max(length_frames, 480 * len(present)), 2), np.int16)
    for index, there in enumerate(present):
        wanted[480 * index : 480 * (index + 1)] = there
    assert tape.ended == "finished"
    assert np.array_equal(tape.samples, wanted[:length_frames])


def test_abort_reaches_the_sink_inside() -> None:
    """Nothing is padded, nothing is finished."""
    tape = Tape()
    sink = PaddedSink(tape, length_frames=1_000, rate_hz=RATE_HZ, channels=2)
    sink.abort()
    assert tape.ended == "aborted"
    assert len(tape.samples) == 0
