"""Generated audio: a tone or silence, for tests, trials and examples."""

from typing import Final

import numpy as np

from greenroom.actors.frames import Frame, read_only
from greenroom.actors.processors import SECOND_NS
from greenroom.adapters.files._source import require_frame, require_rate

PEAK: Final = 32767.0


class ToneSource:
    """A sine tone of a given length; every channel has the same.

    Args:
        hz: its frequency, up to half the rate.
        duration_ns: how long it sounds; the last frame is padded with silence.
        rate_hz: samples per second, a multiple of 100.
        channels: channels.
        level_dbfs: its peak, in decibels below full scale; 0 or less.
        frame_ms: how long a frame is, in whole blocks of 10 ms.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        hz: float,
        duration_ns: int,
        *,
        rate_hz: int = 48_000,
        channels: int = 1,
        level_dbfs: float = -20.0,
        frame_ms: int = 10,
    ) -> None:
        require_rate(rate_hz)
        require_frame(frame_ms)
        if not 0 <= hz <= rate_hz / 2:
            raise ValueError(f"hz is {hz}; from 0 to {rate_hz / 2} would do at {rate_hz} Hz")
        if duration_ns < 0:
            raise ValueError(f"duration_ns is {duration_ns}; 0 or more would do")
        if channels < 1:
            raise ValueError(f"channels is {channels}; 1 or more would do")
        if level_dbfs > 0:
            raise ValueError(f"level_dbfs is {level_dbfs}; 0 or less would do")
        self.hz = hz
        self.duration_ns = duration_ns
        self.rate_hz = rate_hz
        self.channels = channels
        self.peak = PEAK * 10.0 ** (level_dbfs / 20.0)
        self.frame_ms = frame_ms

    def open(self) -> "ToneReader":
        """Start at the beginning."""
        return ToneReader(self)


class SilenceSource(ToneSource):
    """Silence of a given length; the last frame is whole."""

    def __init__(
        self, duration_ns: int, *, rate_hz: int = 48_000, channels: int = 1, frame_ms: int = 10
    ) -> None:
        super().__init__(0.0, duration_ns, rate_hz=rate_hz, channels=channels, frame_ms=frame_ms)


class ToneReader:
    """One reading of a tone.

    Attributes:
        rate_hz: samples per second.
        channels: channels.
    """

    def __init__(self, source: ToneSource) -> None:
        self.rate_hz = source.rate_hz
        self.channels = source.channels
        self._source = source
        self._step = source.rate_hz * source.frame_ms // 1_000
        self._total = source.duration_ns * source.rate_hz // SECOND_NS
        self._at = 0

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end."""
        if self._at >= self._total:
            return None
        places = np.arange(self._at, self._at + self._step)
        wave = self._source.peak * np.sin(2.0 * np.pi * self._source.hz / self.rate_hz * places)
        wave[places >= self._total] = 0.0
        samples = np.repeat(np.rint(wave).astype(np.int16)[:, None], self.channels, axis=1)
        frame = Frame(read_only(samples), self.rate_hz, self._at * SECOND_NS // self.rate_hz)
        self._at += self._step
        return frame

    def close(self) -> None:
        """Hold nothing, give back nothing."""
