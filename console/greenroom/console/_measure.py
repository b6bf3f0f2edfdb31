"""Measures how much noise a pipeline took away.

With the clean speech at hand, both the noisy input and the output are compared with it: signal-to-distortion
ratio as in BSS Eval (Vincent, Gribonval, Fevotte 2006), which allows the speech a short linear filter. So
neither the delay of a processor, nor its gain, nor a high-pass or a resampler counts as noise; what is left
over does. Without it, the level of the quietest tenth of the signal is compared: the noise between words.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.float64]
"""Mono audio, shape ``(frames,)``, full scale +-1."""

FILTER_SECONDS: Final = 0.016
"""How long a filter the comparison forgives: fits resamplers and high-passes, not reverberation."""

MAX_DELAY_SECONDS: Final = 0.5
FURTHEST_FILTERS: Final = 64
"""How many filter lengths the comparison looks for a delay: about a second."""

FLOOR_WINDOW_SECONDS: Final = 0.02
FLOOR_PERCENTILE: Final = 10
SILENCE_DB: Final = -100.0
PERFECT_DB: Final = 100.0
SHORTEST_SECONDS: Final = 0.25


class Method(StrEnum):
    """How a noise reduction was found."""

    REFERENCE = "reference"
    """Against the clean speech: ``before_db`` and ``after_db`` are signal-to-distortion ratios."""
    FLOOR = "floor"
    """Between the words: ``before_db`` and ``after_db`` are levels of the noise floor, 0 dB is full scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseReduction:
    """What a pipeline did to the noise of one track.

    Attributes:
        reduction_db: positive is better, by either method.
        delay_frames: how much later the output is than the input, in samples.
    """

    method: Method
    before_db: float
    after_db: float
    reduction_db: float
    delay_frames: int


def noise_reduction(
    before: Signal, after: Signal, rate_hz: int, *, reference: Signal | None = None
) -> NoiseReduction | None:
    """Compare a track's input with its output; None if there is too little of either to say anything.

    Args:
        before: what went in.
        after: what came out, at the same rate, from the same instant; where it begins or ends with digital silence
            (the stream opened late, the participant left) nothing is compared.
        rate_hz: of all three.
        reference: the speech in ``before`` without its noise.
    """
    sounding = np.flatnonzero(after)
    if not len(sounding):
        return None
    span = slice(int(sounding[0]), min(int(sounding[-1]) + 1, len(before)))
    before, after = before[span], after[span]
    if len(before) < SHORTEST_SECONDS * rate_hz or not before.any():
        return None
    delay = delay_frames(before, after, round(MAX_DELAY_SECONDS * rate_hz))
    clean = np.zeros_like(before)  # a reference that is a little shorter is silent where it is over
    if reference is not None:
        said = reference[span]
        clean[: len(said)] = said
    if clean.any():
        taps = round(FILTER_SECONDS * rate_hz)
        method, old, new = Method.REFERENCE, sdr_db(clean, before, taps), sdr_db(clean, after, taps)
        better = new - old
    else:
        method, old, new = Method.FLOOR, floor_db(before, rate_hz), floor_db(after, rate_hz)
        better = old - new
    return NoiseReduction(method=method, before_db=old, after_db=new, reduction_db=better, delay_frames=delay)


def delay_frames(earlier: Signal, later: Signal, limit: int) -> int:
    """Return by how many samples ``later`` lags (negative: leads), at most ``limit``, by cross-correlation."""
    # Longer shifts wrap around onto places beyond the limit, where nobody looks.
    size = _fast_size(max(len(earlier), len(later)) + limit + 1)
    spectrum = np.fft.rfft(later, size) * np.conj(np.fft.rfft(earlier, size))
    correlation = np.fft.irfft(spectrum, size)
    around = np.concatenate([correlation[-limit:] if limit else correlation[:0], correlation[: limit + 1]])
    return int(np.argmax(np.abs(around))) - limit


def sdr_db(clean: Signal, heard: Signal, taps: int) -> float:
    """Return the ratio of the part of ``heard`` that is ``clean`` through any ``taps`` long filter to the rest.

    A pure delay is found first and does not use up the filter, which reaches half its length to either side of it.
    """
    shift = delay_frames(clean, heard, min(FURTHEST_FILTERS * taps, len(clean) // 2)) - taps // 2
    clean, heard = _overlap(clean, heard, shift)
    size = _fast_size(len(clean) + taps)
    clean_spectrum = np.fft.rfft(clean, size)
    own = np.fft.irfft(np.abs(clean_spectrum) ** 2, size)[:taps]
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(clean_spectrum), size)[:taps]
    own[0] *= 1 + 1e-9  # speech that was resampled has empty bands, where the equations would be singular
    weights = solve_toeplitz(own, cross)
    target = np.fft.irfft(clean_spectrum * np.fft.rfft(weights, size), size)[: len(heard)]
    return ratio_db(float(np.sum(target**2)), float(np.sum((heard - target) ** 2)))


def solve_toeplitz(column: Signal, right: Signal) -> Signal:
    """Solve a symmetric positive definite Toeplitz system by Levinson's recursion.

    A general solver would take the cube of the filter's length instead of its square, and numpy's does it on all
    cores at once, which stalls for seconds on a machine that has other things to do.

    Args:
        column: the first column of the matrix, shape ``(n,)``.
        right: the right-hand side, shape ``(n,)``.
    """
    forward, solution = np.array([1 / column[0]]), np.array([right[0] / column[0]])
    for size in range(1, len(column)):
        mirrored = column[size:0:-1]
        error = mirrored @ forward
        longer = np.append(forward, 0.0)
        forward = (longer - error * longer[::-1]) / (1 - error * error)
        solution = np.append(solution, 0.0) + (right[size] - mirrored @ solution) * forward[::-1]
    return solution


def floor_db(signal: Signal, rate_hz: int) -> float:
    """Return the level of the quietest tenth of the signal, in dB below full scale."""
    size = max(1, round(FLOOR_WINDOW_SECONDS * rate_hz))
    whole = len(signal) // size * size
    energy = np.mean(signal[:whole].reshape(-1, size) ** 2, axis=1)
    return max(SILENCE_DB, ratio_db(float(np.percentile(energy, FLOOR_PERCENTILE)), 1.0))


def ratio_db(wanted: float, rest: float) -> float:
    """Return a power ratio in dB, within +-``PERFECT_DB``."""
    if wanted <= 0:
        return -PERFECT_DB
    if rest <= 0:
        return PERFECT_DB
    return float(np.clip(10 * np.log10(wanted / rest), -PERFECT_DB, PERFECT_DB))


def _overlap(clean: Signal, heard: Signal, shift: int) -> tuple[Signal, Signal]:
    """Move ``heard`` earlier by ``shift`` and cut both to what they share."""
    heard = heard[shift:] if shift >= 0 else np.concatenate([np.zeros(-shift), heard])
    length = min(len(clean), len(heard))
    return clean[:length], heard[:length]


def _fast_size(at_least: int) -> int:
    """Return the next size that has no prime factor above 5, for which the transform is quick."""
    best = 1 << (at_least - 1).bit_length()
    for fives in (1, 5, 25, 125):
        for threes in (1, 3, 9, 27, 81):
            odd = fives * threes
            best = min(best, odd << max(0, (-(-at_least // odd) - 1).bit_length()))
    return best
