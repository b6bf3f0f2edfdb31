"""Frames: the audio that flows through rooms, ten milliseconds or a few at a time."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
"""Interleaved PCM, shape ``(frames, channels)``, C-contiguous, full scale +-32767."""

BLOCKS_PER_SECOND: Final = 100
"""Audio moves in whole blocks of 10 ms: what WebRTC's native code takes, and aborts without."""

NO_ANNOTATIONS: Final[Mapping[str, object]] = MappingProxyType({})


class Frame:
    """A piece of one track's audio. Immutable by contract.

    The class is not frozen by machinery because that would cost more per frame than a whole inline lane.
    Sources mark ``samples`` read-only instead, so that a processor that writes in place fails loudly and
    the original is still there to bypass it with.

    Attributes:
        samples: int16, shape ``(frames, channels)``, C-contiguous, read-only.
        rate_hz: samples per second and channel.
        timestamp_ns: media time of the first sample, from the start of its track.
        annotations: what processors found out, by name (``"voice"``: probability 0..1, ``"level_dbfs"``).
    """

    __slots__ = ("annotations", "rate_hz", "samples", "timestamp_ns")

    def __init__(
        self,
        samples: Samples,
        rate_hz: int,
        timestamp_ns: int = 0,
        annotations: Mapping[str, object] = NO_ANNOTATIONS,
    ) -> None:
        self.samples = samples
        self.rate_hz = rate_hz
        self.timestamp_ns = timestamp_ns
        self.annotations = annotations

    @property
    def frames(self) -> int:
        """How many samples per channel."""
        return len(self.samples)

    @property
    def channels(self) -> int:
        """How many channels."""
        return int(self.samples.shape[1])

    @property
    def duration_ns(self) -> int:
        """How long this frame sounds, rounded down to a nanosecond."""
        return len(self.samples) * 1_000_000_000 // self.rate_hz

    def with_samples(self, samples: Samples) -> "Frame":
        """Return this frame with other samples: what a processor returns."""
        return Frame(samples, self.rate_hz, self.timestamp_ns, self.annotations)

    def annotated(self, **annotations: object) -> "Frame":
        """Return this frame with annotations added."""
        return Frame(self.samples, self.rate_hz, self.timestamp_ns, {**self.annotations, **annotations})

    def silenced(self) -> "Frame":
        """Return a frame of the same shape without any sound."""
        return self.with_samples(read_only(np.zeros_like(self.samples)))

    def __repr__(self) -> str:
        frames, channels = self.samples.shape
        return f"Frame({frames}x{channels} at {self.rate_hz} Hz, t={self.timestamp_ns} ns)"


class Vouched(Frame):
    """A frame whose maker vouches for it: it may follow for its ``origin`` without being looked at.

    For adapters that carry another kind of frame through lanes, and know without an array of samples that it is of the
    same rate, shape and dtype as the one that it stands for, has its timestamp, and that nobody can write in ``samples``.

    Attributes:
        origin: what the processor was given, or None for a frame from a source.
    """

    __slots__ = ("origin",)

    origin: Frame | None


def read_only(samples: Samples) -> Samples:
    """Mark ``samples`` read-only, in place, and return them."""
    samples.flags.writeable = False
    return samples


def block_frames(rate_hz: int) -> int:
    """Return how many samples per channel 10 ms are; ``rate_hz`` is a multiple of 100."""
    return rate_hz // BLOCKS_PER_SECOND
