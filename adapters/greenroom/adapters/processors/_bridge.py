"""Lets native code that knows one rate and one channel process frames of any rate and channel count."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from greenroom.actors.frames import Frame, Samples
from greenroom.actors.processors import SECOND_NS, AudioProcessor
from greenroom.adapters.processors._gain import saturated
from greenroom.adapters.processors._rates import Resampler, require_whole_blocks

Mono = npt.NDArray[np.int16]
"""One channel, shape ``(frames,)``, whole blocks of 10 ms at the kernel's rate; may be strided."""


class Kernel(Protocol):
    """Native state for one channel."""

    def run(self, samples: Mono) -> Mono:
        """Return as many samples as given."""
        ...

    def close(self) -> None:
        """Free the native state; may be called twice."""
        ...


class ClosedError(RuntimeError):
    """A call after close: greenroom makes none, and native code would crash on it."""


class BridgedProcessor(AudioProcessor):
    """Runs one kernel per channel at the kernel's rate; the output has the input's shape, rate and timestamp.

    At the kernel's own rate nothing is resampled. A change of rate or channels starts with fresh kernels.

    Attributes:
        latency_ns: by how much the output lags the input, for the format last seen (the kernel's own rate
            before the first frame). The first samples that come out are silence of that length.
    """

    def __init__(self, make: Callable[[], Kernel], *, rate_hz: int, latency_frames: int) -> None:
        self._make = make
        self._rate_hz = rate_hz
        self._own_ns = latency_frames * SECOND_NS // rate_hz
        self._format: tuple[int, int] | None = None
        self._kernels: list[Kernel] = [make()]
        self._there: Resampler | None = None
        self._back: Resampler | None = None
        self._closed = False
        self.latency_ns = self._own_ns

    def _process(self, frame: Frame) -> Frame:
        if self._closed:
            raise ClosedError("the processor is closed; build a new one")
        require_whole_blocks(frame)
        if self._format != (frame.rate_hz, frame.channels):
            self._prepare(frame.rate_hz, frame.channels)
        if self._there is None or self._back is None:
            return frame.with_samples(self._run(frame.samples))
        native = saturated(self._there.run(frame.samples.T)).T
        returned = saturated(self._back.run(self._run(native).T))
        return frame.with_samples(np.ascontiguousarray(returned.T))

    def _close(self) -> None:
        self._closed = True
        self._free()

    def _run(self, samples: Samples) -> Samples:
        if samples.shape[1] == 1:
            return self._kernels[0].run(samples[:, 0]).reshape(-1, 1)
        done = [kernel.run(samples[:, n]) for n, kernel in enumerate(self._kernels)]
        return np.stack(done, axis=1)

    def _prepare(self, rate_hz: int, channels: int) -> None:
        # The kernels made at the start serve the first format, so that the first frame pays for nothing twice.
        if self._format is not None:
            self._free()
        self._kernels += [self._make() for _ in range(channels - len(self._kernels))]
        self._there = self._back = None
        self.latency_ns = self._own_ns
        if rate_hz != self._rate_hz:
            self._there = Resampler(rate_hz, self._rate_hz, channels)
            self._back = Resampler(self._rate_hz, rate_hz, channels)
            self.latency_ns += self._there.latency_ns + self._back.latency_ns
        self._format = (rate_hz, channels)

    def _free(self) -> None:
        kernels, self._kernels = self._kernels, []
        for kernel in kernels:
            kernel.close()
