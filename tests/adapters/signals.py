"""Signals for the adapters' tests: made, cut into frames, put together again."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from greenroom.actors.frames import Frame, Samples, read_only
from greenroom.actors.processors import Processor
from greenroom.actors.sources import Reader
from greenroom.adapters.files import FileSource

Waves = npt.NDArray[np.float64]


class Signals:
    """Makes signals, cuts them into frames and puts what comes out together again."""

    def speech(self, rate_hz: int, seconds: float) -> Waves:
        """Syllables: voiced harmonics through two formants, four a second, with pauses. Peak about 0.5."""
        t = np.arange(int(rate_hz * seconds)) / rate_hz
        pitch = 120.0 + 15.0 * np.sin(2 * np.pi * 0.7 * t)
        phase = 2 * np.pi * np.cumsum(pitch) / rate_hz
        voice = np.zeros_like(t)
        for n in range(1, 30):
            f = n * 120.0
            weight = np.exp(-(((f - 600) / 250) ** 2)) + 0.5 * np.exp(-(((f - 1700) / 350) ** 2)) + 0.02
            voice += (f < rate_hz * 0.45) * weight * np.sin(n * phase)
        syllables = np.clip(np.sin(2 * np.pi * 4.0 * t), 0, None) * (np.sin(2 * np.pi * 0.5 * t) > -0.3)
        voice *= syllables
        return np.asarray(0.5 * voice / np.abs(voice).max(), np.float64)

    def noise(self, rate_hz: int, seconds: float, level: float, seed: int = 0) -> Waves:
        """White noise of the given RMS."""
        return level * np.random.default_rng(seed).standard_normal(int(rate_hz * seconds))

    def recorded(self, name: str, rate_hz: int, channels: int) -> Samples:
        """The demo's speech, at another rate, in as many channels."""
        folder = Path(__file__).parents[2] / "config/greenroom/config/deployments/demo"
        source = FileSource(folder / name, rate_hz=rate_hz, channels=channels)
        return np.concatenate([frame.samples for frame in self.drain(source.open())])

    def samples(self, wave: Waves) -> Samples:
        """Int16, one column per channel."""
        columns = wave[:, None] if wave.ndim == 1 else wave
        return np.clip(np.rint(columns * 32767), -32768, 32767).astype(np.int16)

    def frames(self, samples: Samples, rate_hz: int, blocks: Sequence[int] = (1,)) -> list[Frame]:
        """Cut into read-only frames of so many 10 ms blocks, in turn; what is left at the end is not used."""
        found: list[Frame] = []
        at = 0
        while True:
            step = blocks[len(found) % len(blocks)] * rate_hz // 100
            if at + step > len(samples):
                return found
            piece = read_only(np.ascontiguousarray(samples[at : at + step]))
            found.append(Frame(piece, rate_hz, at * 1_000_000_000 // rate_hz))
            at += step

    def through(self, processor: Processor, frames: Sequence[Frame]) -> Samples:
        """Process frames in order, hold each result to the contract, and join the audio."""
        out: list[Samples] = []
        for frame in frames:
            before = frame.samples.copy()
            done = processor._process(frame)
            assert (done.samples.shape, done.rate_hz, done.timestamp_ns) == (
                frame.samples.shape,
                frame.rate_hz,
                frame.timestamp_ns,
            )
            assert done.samples.dtype == np.int16
            assert done.samples.flags.c_contiguous
            assert np.array_equal(frame.samples, before)
            out.append(done.samples)
        return np.concatenate(out)

    def drain(self, reader: Reader) -> list[Frame]:
        """Read to the end, and close."""
        found: list[Frame] = []
        while (frame := reader.read()) is not None:
            found.append(frame)
        reader.close()
        return found
