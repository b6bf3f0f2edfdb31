"""An output as long as its input: what a track did not say any more is silence."""

from typing import Final

import numpy as np

from greenroom.actors.frames import Frame, read_only
from greenroom.actors.sources import Sink

_BLOCK_FRAMES: Final = 4_800


class PaddedSink:
    """A `Sink` that makes another one's output exactly ``length_frames`` long.

    What comes later is cut off, and what is missing at the end, because the track left early, is silence. Gaps
    before that are filled by the sink inside, which goes by timestamps.
    """

    def __init__(self, inner: Sink, *, length_frames: int, rate_hz: int, channels: int) -> None:
        self._inner = inner
        self._length_frames = length_frames
        self._rate_hz = rate_hz
        self._channels = channels
        self._end_frames = 0

    def write(self, frame: Frame) -> None:
        """Hand a frame on, up to the length."""
        start = round(frame.timestamp_ns * self._rate_hz / 1_000_000_000)
        room = self._length_frames - start
        if room <= 0:
            return
        self._inner.write(frame if frame.frames <= room else frame.with_samples(frame.samples[:room]))
        self._end_frames = start + min(frame.frames, room)

    def finish(self) -> None:
        """Write the silence that is missing, and finish the output."""
        while self._end_frames < self._length_frames:
            frames = min(_BLOCK_FRAMES, self._length_frames - self._end_frames)
            silence = read_only(np.zeros((frames, self._channels), np.int16))
            at_ns = self._end_frames * 1_000_000_000 // self._rate_hz
            self._inner.write(Frame(silence, self._rate_hz, at_ns))
            self._end_frames += frames
        self._inner.finish()

    def abort(self) -> None:
        """Leave nothing behind."""
        self._inner.abort()
