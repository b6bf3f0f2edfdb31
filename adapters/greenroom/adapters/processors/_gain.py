"""Makes audio louder or quieter, without wrapping around."""

from typing import Annotated, Final

import numpy as np
from annotated_types import Interval

from greenroom.actors.frames import Frame, Samples
from greenroom.actors.processors import AudioProcessor, Placement
from greenroom.adapters.processors._about import offered

LOWEST: Final = -32768
HIGHEST: Final = 32767


@offered(placement=Placement.INLINE)
def gain(*, db: Annotated[float, Interval(ge=-60, le=60)] = 0.0) -> "Gain":
    """Makes audio louder or quieter by a fixed amount; what would be too loud saturates."""
    return Gain(db)


class Gain(AudioProcessor):
    """Multiplies by a constant; stateless, so one may serve any number of streams."""

    latency_ns = 0

    def __init__(self, db: float) -> None:
        self._factor = np.float32(10.0 ** (db / 20.0))

    def _process(self, frame: Frame) -> Frame:
        if self._factor == 1.0:
            return frame
        return frame.with_samples(saturated(frame.samples * self._factor))


def saturated(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Samples:
    """Round ``values``, which are in units of int16, to the nearest that int16 holds. Uses ``values`` as scratch."""
    np.rint(values, out=values)
    np.clip(values, LOWEST, HIGHEST, out=values)
    return values.astype(np.int16)
