"""Changes the rate of audio in blocks of 10 ms, with a delay of a few milliseconds that never changes.

soxr, which files go through, hands streamed audio out in bursts: it holds back 20 to 118 ms, depending on the
rates. A room cannot wait for that twice. All rates here are multiples of 100 Hz, so 10 ms are a whole number
of samples on both sides, and how output follows from input is the same in every block: each output sample is a
windowed-sinc interpolation whose taps depend on its place in the block alone.
"""

import math
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from greenroom.actors.frames import BLOCKS_PER_SECOND, Frame, block_frames
from greenroom.actors.processors import SECOND_NS

Floats = npt.NDArray[np.float32]

CROSSINGS: Final = 24
"""Zero crossings of the sinc on each side, at the lower rate: 1.5 ms at 16 kHz, and a transition of a tenth."""
KAISER_BETA: Final = 8.0
"""About 80 dB down in the stop band, below what int16 speech can hold."""
ROLL_OFF: Final = 0.95
"""Where the pass band ends, in units of the lower Nyquist frequency; half the transition lies beyond it."""


def require_whole_blocks(frame: Frame) -> None:
    """Refuse a frame that native code would abort on.

    Raises:
        ValueError: its rate is no multiple of 100 Hz, or it is not whole blocks of 10 ms.
    """
    if frame.rate_hz % BLOCKS_PER_SECOND or frame.rate_hz <= 0:
        raise ValueError(f"rate_hz is {frame.rate_hz}; a multiple of {BLOCKS_PER_SECOND} would do")
    if frame.frames % block_frames(frame.rate_hz):
        raise ValueError(
            f"a frame of {frame.frames} samples at {frame.rate_hz} Hz is not whole blocks of "
            f"{block_frames(frame.rate_hz)}"
        )


class Resampler:
    """Streams audio from one rate to another.

    Attributes:
        latency_ns: by how much the output lags; constant.
    """

    def __init__(self, from_hz: int, to_hz: int, channels: int) -> None:
        self._in = block_frames(from_hz)
        self._out = block_frames(to_hz)
        self._matrix = _matrix(from_hz, to_hz)
        self._past: Floats = np.zeros((channels, len(self._matrix) - self._in), np.float32)
        self.latency_ns = _half(from_hz, to_hz) * SECOND_NS // from_hz

    def run(self, samples: npt.NDArray[np.number]) -> Floats:
        """Return ``samples``, shape ``(channels, frames)`` of whole blocks, at the other rate."""
        given = np.concatenate([self._past, samples], axis=1, dtype=np.float32, casting="unsafe")
        self._past = given[:, samples.shape[1] :].copy()
        reach = len(self._matrix)
        blocks = samples.shape[1] // self._in
        out: Floats = np.empty((len(given), blocks * self._out), np.float32)
        for n in range(blocks):
            heard = given[:, n * self._in : n * self._in + reach]
            out[:, n * self._out : (n + 1) * self._out] = heard @ self._matrix
        return out


def _half(from_hz: int, to_hz: int) -> int:
    return math.ceil(CROSSINGS * from_hz / min(from_hz, to_hz))


@lru_cache(maxsize=16)
def _matrix(from_hz: int, to_hz: int) -> Floats:
    """Return what turns a block and the past before it into a block at the other rate; about 400 kB.

    Most of it is zeros, and one product with it is still several times as fast as choosing each sample's window.
    """
    half = _half(from_hz, to_hz)
    places = np.arange(block_frames(to_hz)) * (from_hz / to_hz)
    first = (np.arange(block_frames(to_hz)) * from_hz) // to_hz
    offsets = (first - places)[:, None] + np.arange(-half + 1, half + 1)[None, :]
    band = ROLL_OFF * min(1.0, to_hz / from_hz)
    window = np.i0(KAISER_BETA * np.sqrt(np.clip(1.0 - (offsets / half) ** 2, 0.0, 1.0)))
    taps = np.sinc(band * offsets) * window
    taps /= taps.sum(axis=1, keepdims=True)
    matrix = np.zeros((block_frames(from_hz) + taps.shape[1] - 1, block_frames(to_hz)), np.float32)
    for place, (start, row) in enumerate(zip(first, taps, strict=True)):
        matrix[start : start + len(row), place] = row
    return matrix
