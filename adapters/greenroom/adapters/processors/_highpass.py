"""Takes low rumble out of audio: a second-order Butterworth high-pass.

A recursive filter is a loop over samples, which Python cannot afford 48,000 times a second. Written as a
state space (``y = C s + D x``, ``s' = A s + B x``), the outputs of a piece of ``b`` samples are one matrix
product of its inputs plus one of the state before it, and the states between the pieces are a second, small
one. So a block of 10 ms costs four products and gives what the loop gives, up to rounding in float64.
"""

import math
from functools import lru_cache
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from greenroom.actors.frames import Frame, block_frames
from greenroom.actors.processors import AudioProcessor, Placement
from greenroom.adapters.processors._about import offered
from greenroom.adapters.processors._gain import saturated
from greenroom.adapters.processors._rates import require_whole_blocks

Floats = npt.NDArray[np.float64]
ORDER: Final = 2
PIECE_FRAMES: Final = 32


@offered(placement=Placement.INLINE)
def highpass(*, cutoff_hz: Annotated[float, Interval(ge=10, le=1000)] = 80.0) -> "HighPass":
    """Takes what is below ``cutoff_hz`` out: rumble, handling noise, the lowest part of mains hum."""
    return HighPass(cutoff_hz)


def coefficients(cutoff_hz: float, rate_hz: int) -> tuple[Floats, Floats]:
    """Return ``b`` and ``a`` of the filter, ``a[0] == 1``.

    From the bilinear transform as in Robert Bristow-Johnson's Audio EQ Cookbook, with Q = 1/sqrt(2).
    """
    omega = 2.0 * math.pi * cutoff_hz / rate_hz
    alpha = math.sin(omega) / math.sqrt(2.0)
    cosine = math.cos(omega)
    b = np.array([(1.0 + cosine) / 2.0, -(1.0 + cosine), (1.0 + cosine) / 2.0])
    a = np.array([1.0 + alpha, -2.0 * cosine, 1.0 - alpha])
    return b / a[0], a / a[0]


class BlockFilter:
    """One filter at one rate, as matrices for blocks of 10 ms. Holds no audio, so it is shared.

    Attributes:
        piece: samples in a piece; a divisor of the block.
        pieces: pieces in a block.
    """

    def __init__(self, cutoff_hz: float, rate_hz: int) -> None:
        frames = block_frames(rate_hz)
        self.piece = _piece(frames)
        self.pieces = frames // self.piece
        b, a = coefficients(cutoff_hz, rate_hz)
        step = np.array([[-a[1], 1.0], [-a[2], 0.0]])
        inwards = np.array([b[1] - a[1] * b[0], b[2] - a[2] * b[0]])
        powers = [np.linalg.matrix_power(step, n) for n in range(self.piece + 1)]
        impulse = np.array([b[0], *(float((powers[n] @ inwards)[0]) for n in range(self.piece - 1))])
        lag = np.arange(self.piece)[:, None] - np.arange(self.piece)[None, :]
        #: forced[i, j]: what input j of a piece gives to output i
        self.forced: Floats = np.where(lag >= 0, impulse[np.abs(lag)], 0.0)
        #: free[i]: what the state before a piece gives to output i
        self.free: Floats = np.stack([powers[n][0] for n in range(self.piece)])
        #: drive[:, j]: what input j of a piece gives to the state after it
        self.drive: Floats = np.stack(
            [powers[self.piece - 1 - n] @ inwards for n in range(self.piece)], axis=1
        )
        self.chain, self.carry = _between_pieces(powers[self.piece], self.pieces)

    def run(self, block: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Filter one block.

        Args:
            block: shape ``(channels, frames)``.
            state: shape ``(channels, 2)``, from the block before; zeros at first.

        Returns:
            The filtered block and the state after it, of the same shapes.
        """
        channels = len(block)
        x = block.reshape(channels, self.pieces, self.piece)
        pushes = (x @ self.drive.T).reshape(channels, -1)
        states = pushes @ self.chain.T + state @ self.carry.T
        before = np.concatenate([state, states[:, :-ORDER]], axis=1).reshape(channels, self.pieces, ORDER)
        y = x @ self.forced.T + before @ self.free.T
        return y.reshape(channels, -1), states[:, -ORDER:]


def _between_pieces(over: Floats, pieces: int) -> tuple[Floats, Floats]:
    """Return how all the states after each piece follow from the pieces' pushes, and from the state before."""
    powers = [np.linalg.matrix_power(over, n) for n in range(pieces + 1)]
    nothing = np.zeros((ORDER, ORDER))
    chain = np.block([[powers[i - j] if i >= j else nothing for j in range(pieces)] for i in range(pieces)])
    return chain, np.concatenate(powers[1:])


def _piece(frames: int) -> int:
    """Return the largest divisor up to `PIECE_FRAMES`; a block that has none to speak of is one piece."""
    best = max(n for n in range(1, PIECE_FRAMES + 1) if frames % n == 0)
    return best if best * best >= frames // PIECE_FRAMES else frames


_block_filter = lru_cache(maxsize=32)(BlockFilter)


class HighPass(AudioProcessor):
    """Keeps two numbers per channel between frames; a change of rate or channels starts afresh."""

    latency_ns = 0

    def __init__(self, cutoff_hz: float) -> None:
        self._cutoff_hz = cutoff_hz
        self._format: tuple[int, int] | None = None
        self._state: Floats = np.zeros((0, ORDER))

    def _process(self, frame: Frame) -> Frame:
        filtering = self._filtering(frame)
        values: Floats = frame.samples.T.astype(np.float64)
        out = np.empty_like(values)
        step = block_frames(frame.rate_hz)
        for at in range(0, frame.frames, step):
            block = np.ascontiguousarray(values[:, at : at + step])
            out[:, at : at + step], self._state = filtering.run(block, self._state)
        return frame.with_samples(np.ascontiguousarray(saturated(out).T))

    def _filtering(self, frame: Frame) -> BlockFilter:
        require_whole_blocks(frame)
        if self._format != (frame.rate_hz, frame.channels):
            self._format = (frame.rate_hz, frame.channels)
            self._state = np.zeros((frame.channels, ORDER))
        return _block_filter(self._cutoff_hz, frame.rate_hz)
