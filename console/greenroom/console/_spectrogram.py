"""Turns audio into a spectrogram picture, with one scale for all so that two can be compared."""

from typing import Final

import numpy as np
import numpy.typing as npt

from greenroom.console._measure import Signal
from greenroom.console._png import indexed_png

WINDOW_SECONDS: Final = 0.032
"""Long enough to separate the harmonics of a voice, short enough to show its syllables."""

TOP_HZ: Final = 8_000
"""Speech and what disturbs it live below; a higher band would squeeze them into a strip."""

QUIETEST_DB: Final = -100.0
LOUDEST_DB: Final = -20.0
WIDTH: Final = 720
HEIGHT: Final = 128
COLOURS: Final = 64

# From black over violet and orange to pale yellow: brightness grows evenly, so that it can be read in grey
# and by people who confuse red and green.
_ANCHORS: Final = np.array(
    [
        (0, 0, 4),
        (28, 16, 68),
        (79, 18, 123),
        (129, 37, 129),
        (181, 54, 122),
        (229, 80, 100),
        (251, 135, 97),
        (254, 194, 135),
        (252, 253, 191),
    ],
    dtype=np.float64,
)


def palette() -> npt.NDArray[np.uint8]:
    """Return the colours from quiet to loud, shape ``(COLOURS, 3)``."""
    at = np.linspace(0, len(_ANCHORS) - 1, COLOURS)
    channels = [np.interp(at, np.arange(len(_ANCHORS)), _ANCHORS[:, i]) for i in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def top_hz(rate_hz: int) -> int:
    """Return the frequency at the upper edge of a picture of audio with this rate."""
    return min(TOP_HZ, rate_hz // 2)


def levels_db(signal: Signal, rate_hz: int) -> npt.NDArray[np.float64]:
    """Return short-time levels, shape ``(HEIGHT, WIDTH)``, lowest frequency first.

    0 dB is a sine at full scale. A column shows the loudest moment and a row the loudest line that falls
    into it: means would hide clicks and whistles, which is what one looks for.
    """
    size = max(64, 1 << round(np.log2(WINDOW_SECONDS * rate_hz)))
    padded = np.pad(signal, (size // 2, size))
    hop = max(1, min(size // 2, len(signal) // WIDTH))
    starts = np.arange(0, max(1, len(signal)), hop)
    window = np.hanning(size)
    bins = max(1, round(top_hz(rate_hz) / rate_hz * size))
    power = np.empty((bins, len(starts)))
    for first in range(0, len(starts), 256):  # in slices: a long file at once would take gigabytes
        some = starts[first : first + 256]
        spectrum = np.fft.rfft(padded[some[:, None] + np.arange(size)] * window, axis=1)[:, :bins]
        power[:, first : first + 256] = (np.abs(spectrum).T * (2 / window.sum())) ** 2
    picture = _loudest(_loudest(power, HEIGHT, axis=0), WIDTH, axis=1)
    return 10 * np.log10(np.maximum(picture, 10 ** (QUIETEST_DB / 10)))


def spectrogram_png(signal: Signal, rate_hz: int) -> bytes:
    """Return a PNG, ``WIDTH`` by ``HEIGHT``: time to the right, frequency upwards to ``top_hz(rate_hz)``."""
    scaled = (levels_db(signal, rate_hz) - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB)
    pixels = (np.clip(scaled, 0, 1) * (COLOURS - 1)).round().astype(np.uint8)
    return indexed_png(pixels[::-1], palette())


def _loudest(power: npt.NDArray[np.float64], size: int, *, axis: int) -> npt.NDArray[np.float64]:
    """Squeeze ``axis`` to ``size`` by the maximum, or stretch it by repeating."""
    have = power.shape[axis]
    edges = np.arange(size) * have // size
    squeezed: npt.NDArray[np.float64] = (
        np.take(power, edges, axis=axis) if have < size else np.maximum.reduceat(power, edges, axis=axis)
    )
    return squeezed
