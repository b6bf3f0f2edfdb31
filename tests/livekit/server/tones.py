"""Tones that survive a codec and can be told apart: how the tests know whose voice a frame holds.

All frequencies are multiples of 100 Hz, so that each has whole periods in a frame of 10 ms.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

RATE_HZ: Final = 48_000
AMPLITUDE: Final = 8_000
ANNA_HZ: Final = 400
BEN_HZ: Final = 1_100
CARLA_HZ: Final = 2_300
TONES_HZ: Final = (ANNA_HZ, BEN_HZ, CARLA_HZ)
AUDIBLE: Final = 300
"""Below this amplitude a frame counts as silent; a codec's ringing stays under it."""


def tone(
    hz: int, *, frames: int, first: int = 0, amplitude: int = AMPLITUDE, rate_hz: int = RATE_HZ
) -> npt.NDArray[np.int16]:
    """Return mono samples of a sine; ``first`` is the number of its first sample, for a seamless sequel."""
    t = np.arange(first, first + frames) / rate_hz
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def level(samples: npt.NDArray[np.int16], hz: int, rate_hz: int = RATE_HZ) -> float:
    """Return the amplitude of the sine of ``hz`` in mono ``samples``."""
    t = np.arange(len(samples)) / rate_hz
    return float(2 * abs(np.mean(samples * np.exp(-2j * np.pi * hz * t))))


def loudest(samples: npt.NDArray[np.int16], rate_hz: int = RATE_HZ) -> tuple[int | None, float]:
    """Return which of `TONES_HZ` is the loudest, and its amplitude; None for silence."""
    levels = {hz: level(samples, hz, rate_hz) for hz in TONES_HZ}
    hz = max(levels, key=lambda each: levels[each])
    return (hz, levels[hz]) if levels[hz] >= AUDIBLE else (None, levels[hz])
