"""Measures how loud audio is."""

import math
from typing import Final

import numpy as np

from greenroom.actors.frames import Frame
from greenroom.actors.processors import AudioProcessor, Placement
from greenroom.adapters.processors._about import offered

FULL_SCALE: Final = 32767.0
FLOOR_DBFS: Final = -120.0
"""What silence measures: a number, so that nobody downstream meets minus infinity."""


@offered(placement=Placement.INLINE)
def meter() -> "Meter":
    """Measures how loud audio is: annotates ``level_dbfs`` (RMS; a full-scale sine is -3.01) and ``peak_dbfs``."""
    return Meter()


class Meter(AudioProcessor):
    """Leaves audio as it is; stateless, so one may serve any number of streams."""

    latency_ns = 0

    def _process(self, frame: Frame) -> Frame:
        samples = frame.samples
        if not samples.size:
            return frame.annotated(level_dbfs=FLOOR_DBFS, peak_dbfs=FLOOR_DBFS)
        values = samples.reshape(-1).astype(np.float64)
        # Not abs(): -32768 has no positive counterpart in int16.
        peak = max(int(samples.max()), -int(samples.min()))
        rms = math.sqrt(float(values.dot(values)) / values.size)
        return frame.annotated(level_dbfs=_dbfs(rms), peak_dbfs=_dbfs(peak))


def _dbfs(value: float) -> float:
    return 20.0 * math.log10(value / FULL_SCALE) if value > 0 else FLOOR_DBFS
