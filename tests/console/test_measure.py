"""Noise reduction: signals whose answer is known beforehand."""

import numpy as np
import pytest

from greenroom.console._measure import (
    Method,
    NoiseReduction,
    Signal,
    delay_frames,
    floor_db,
    noise_reduction,
    sdr_db,
    solve_toeplitz,
)

RATE = 16_000


def speech(seconds: float = 3.0, seed: int = 1) -> Signal:
    """Noise in syllables: loud for 200 ms, silent for 200 ms."""
    rng = np.random.default_rng(seed)
    length = round(seconds * RATE)
    loud = np.arange(length) // (RATE // 5) % 2 == 0
    syllables: Signal = rng.normal(0, 0.1, length) * loud
    return syllables


def hiss(like: Signal, snr_db: float, seed: int = 2) -> Signal:
    """White noise so much weaker than ``like``."""
    noise = np.random.default_rng(seed).normal(0, 1, len(like))
    scaled: Signal = noise * np.sqrt(np.mean(like**2) / np.mean(noise**2) / 10 ** (snr_db / 10))
    return scaled


def measured(before: Signal, after: Signal, reference: Signal | None = None) -> NoiseReduction:
    """The measure, where there must be one."""
    found = noise_reduction(before, after, RATE, reference=reference)
    assert found is not None
    return found


@pytest.mark.parametrize("snr_db", [0.0, 5.0, 20.0])
def test_the_ratio_of_speech_in_noise_is_the_ratio_it_was_mixed_at(snr_db: float) -> None:
    """At a known signal-to-noise ratio the measure says that ratio, within what a filter can fit by chance."""
    clean = speech()
    assert sdr_db(clean, clean + hiss(clean, snr_db), 256) == pytest.approx(snr_db, abs=0.6)


@pytest.mark.parametrize("gain", [0.25, -1.0, 3.0])
@pytest.mark.parametrize("delay", [0, 37, 480, 4_000])
def test_gain_and_delay_are_not_noise(gain: float, delay: int) -> None:
    """A processor that is late or turns the volume has taken away no noise and added none."""
    clean = speech()
    before = clean + hiss(clean, 5)
    after = gain * np.concatenate([np.zeros(delay), before[: len(before) - delay]])
    found = measured(before, after, clean)
    assert found.method is Method.REFERENCE
    assert found.delay_frames == delay
    assert found.reduction_db == pytest.approx(0, abs=0.6)


def test_removed_noise_counts_in_db() -> None:
    """Noise that is turned down by 12 dB behind a delay is a reduction of 12 dB."""
    clean = speech()
    noise = hiss(clean, 0)
    after = np.roll(clean + noise * 10 ** (-12 / 20), 160)
    after[:160] = 0
    assert measured(clean + noise, after, clean).reduction_db == pytest.approx(12, abs=0.6)


def test_a_high_pass_is_not_noise() -> None:
    """A short linear filter may change the speech without being counted as distortion (but for its tail)."""
    clean = speech()
    filtered = np.convolve(clean, [1.0, -0.95])[: len(clean)]
    assert sdr_db(clean, filtered, 256) > 35


def test_the_quick_solver_finds_what_the_general_one_finds() -> None:
    """Levinson's recursion agrees with numpy's solver, on the equations of speech and on a single one."""
    said = speech(1.0)
    own = np.correlate(said, said, "full")[len(said) - 1 :][:128]
    own[0] *= 1.01
    right = np.random.default_rng(5).normal(0, 1, 128)
    lags = np.abs(np.arange(128)[:, None] - np.arange(128))
    assert np.allclose(solve_toeplitz(own, right), np.linalg.solve(own[lags], right))
    assert solve_toeplitz(own[:1], right[:1]) == pytest.approx(right[0] / own[0])


def test_garbled_speech_is_a_loss() -> None:
    """A processor that replaces the speech by something else gets a negative number."""
    clean = speech()
    assert measured(clean + hiss(clean, 10), speech(seed=9), clean).reduction_db < -8


def test_without_a_reference_the_floor_between_words_counts() -> None:
    """Noise between the words that falls by 20 dB is a reduction of 20 dB, whatever the words do."""
    clean = speech()
    noise = hiss(clean, 10)
    found = measured(clean + noise, clean + noise / 10)
    assert found.method is Method.FLOOR
    assert found.reduction_db == pytest.approx(20, abs=0.5)


def test_the_floor_of_a_known_noise_is_its_level() -> None:
    """White noise of rms 0.01 has its floor at about -40 dB."""
    noise = np.random.default_rng(3).normal(0, 0.01, RATE)
    assert floor_db(noise, RATE) == pytest.approx(-40, abs=1)


def test_what_was_not_heard_is_not_measured() -> None:
    """A stream that opened late and ended early is compared only where it was open."""
    clean = speech()
    before = clean + hiss(clean, 5)
    after = before.copy()
    after[:RATE] = 0
    after[2 * RATE :] = 0
    assert measured(before, after, clean).reduction_db == pytest.approx(0, abs=0.6)


@pytest.mark.parametrize("length", [0, 100])
def test_too_little_audio_says_nothing(length: int) -> None:
    """No number is better than a number that means nothing."""
    assert noise_reduction(np.ones(length), np.ones(length), RATE) is None
    assert noise_reduction(speech(), np.zeros(3 * RATE), RATE) is None


def test_a_lead_is_a_negative_delay() -> None:
    """The sign says which of the two is later."""
    signal = speech(1.0)
    assert delay_frames(signal[100:], signal, 200) == 100
    assert delay_frames(signal, signal[100:], 200) == -100


def test_a_reference_may_be_a_little_shorter() -> None:
    """Codecs cut ends off; the rest is compared all the same."""
    clean = speech()
    before = clean + hiss(clean, 5)
    found = measured(before, before, clean[:-100])
    assert found.method is Method.REFERENCE
    assert found.before_db == pytest.approx(5, abs=0.6)
