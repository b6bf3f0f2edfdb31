"""Gain, high-pass and meter, held against the plainest way to say what they do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapters.signals import Signals

from greenroom.actors.frames import Frame, read_only
from greenroom.adapters.processors import gain, highpass, meter
from greenroom.adapters.processors._highpass import BlockFilter, coefficients

SIGNALS = Signals()


@given(st.lists(st.integers(-32768, 32767), min_size=80, max_size=80), st.floats(-60, 60))
@settings(max_examples=100)
def test_gain_multiplies_and_saturates(values: list[int], db: float) -> None:
    """Each sample is the exact product, rounded, and held within int16; it never wraps around."""
    samples = np.array(values, np.int16)[:, None]
    done = gain(db=db)._process(Frame(read_only(samples), 8000)).samples
    exact = np.clip(samples.astype(np.float64) * 10 ** (db / 20), -32768, 32767)
    assert np.all(np.abs(done - exact) <= 0.51)
    assert done.flags.c_contiguous


def test_no_gain_is_no_copy() -> None:
    """At 0 dB the very frame comes back."""
    frame = Frame(read_only(np.ones((160, 1), np.int16)), 16_000)
    assert gain()._process(frame) is frame


def reference(samples: np.ndarray, cutoff_hz: float, rate_hz: int) -> np.ndarray:
    """The filter's difference equation, sample by sample, as every textbook writes it."""
    b, a = (list(map(float, c)) for c in coefficients(cutoff_hz, rate_hz))
    out = np.zeros(samples.shape)
    for channel in range(samples.shape[1]):
        x1 = x2 = y1 = y2 = 0.0
        for n, x in enumerate(samples[:, channel].tolist()):
            y = b[0] * x + b[1] * x1 + b[2] * x2 - a[1] * y1 - a[2] * y2
            out[n, channel] = y
            x1, x2, y1, y2 = x, x1, y, y1
    return out


@given(
    rate_hz=st.sampled_from([8000, 10_700, 16_000, 22_100, 44_100, 48_000, 96_000]),
    cutoff_hz=st.floats(10, 1000),
    channels=st.integers(1, 3),
    blocks=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30, deadline=None)
def test_highpass_equals_the_loop(
    rate_hz: int, cutoff_hz: float, channels: int, blocks: list[int], seed: int
) -> None:
    """However it is cut into frames, the output is the per-sample recursion's, to the last bit but rounding."""
    rng = np.random.default_rng(seed)
    samples = rng.integers(-9000, 9000, (rate_hz // 100 * sum(blocks), channels)).astype(np.int16)
    done = SIGNALS.through(highpass(cutoff_hz=cutoff_hz), SIGNALS.frames(samples, rate_hz, blocks))
    exact = reference(samples, cutoff_hz, rate_hz)
    # Both are float64; at 10 Hz and 96 kHz they differ by some millionths of a step of int16 before rounding.
    assert np.max(np.abs(done - exact)) <= 0.5 + 1e-3


def test_highpass_does_not_drift() -> None:
    """After a minute the state is still the recursion's: errors do not add up."""
    rate_hz = 16_000
    filtering = BlockFilter(10.0, rate_hz)
    state = np.zeros((1, 2))
    x = np.random.default_rng(1).standard_normal(rate_hz * 10)
    out: list[np.ndarray] = []
    for at in range(0, len(x), 160):
        y, state = filtering.run(x[None, at : at + 160], state)
        out.append(y[0])
    assert np.max(np.abs(np.concatenate(out) - reference(x[:, None], 10.0, rate_hz)[:, 0])) < 1e-9


def test_highpass_takes_low_and_leaves_high(signals: Signals) -> None:
    """-3 dB at the cutoff, -24 dB two octaves below it, nothing two octaves above it."""
    rate_hz = 48_000
    t = np.arange(rate_hz) / rate_hz
    for hz, low, high in ((100, -3.2, -2.8), (25, -25, -23.5), (400, -0.1, 0.1)):
        given_ = signals.samples(0.5 * np.sin(2 * np.pi * hz * t))
        done = signals.through(highpass(cutoff_hz=100), signals.frames(given_, rate_hz))
        half = rate_hz // 2
        ratio = np.std(done[half:].astype(float)) / np.std(given_[half:].astype(float))
        assert low < 20 * np.log10(ratio) < high


def test_highpass_starts_afresh_with_another_format(signals: Signals) -> None:
    """Another rate or channel count meets no state of the one before."""
    loud = signals.samples(signals.noise(16_000, 0.05, 0.3))
    other = signals.samples(signals.noise(8_000, 0.05, 0.3))
    processor = highpass()
    signals.through(processor, signals.frames(loud, 16_000))
    mixed = signals.through(processor, signals.frames(other, 8_000))
    assert np.array_equal(mixed, signals.through(highpass(), signals.frames(other, 8_000)))


@pytest.mark.parametrize(("rate_hz", "frames"), [(16_000, 100), (16_050, 160), (0, 10)])
def test_highpass_refuses_broken_blocks(rate_hz: int, frames: int) -> None:
    """What is not whole 10 ms is refused, with the number that would do."""
    with pytest.raises(ValueError, match=r"multiple of 100|whole blocks of 160"):
        highpass()._process(Frame(read_only(np.zeros((frames, 1), np.int16)), rate_hz))


def test_meter_says_rms_and_peak(signals: Signals) -> None:
    """A full-scale sine is -3.01 dBFS RMS and 0 dBFS peak; half is 6.02 less; the audio is untouched."""
    t = np.arange(4800) / 48_000
    for factor, off in ((1.0, 0.0), (0.5, -6.02)):
        frame = Frame(read_only(signals.samples(factor * np.sin(2 * np.pi * 1000 * t))), 48_000)
        done = meter()._process(frame)
        assert done.samples is frame.samples
        assert done.annotations["level_dbfs"] == pytest.approx(off - 3.01, abs=0.01)
        assert done.annotations["peak_dbfs"] == pytest.approx(off, abs=0.01)


def test_meter_has_a_number_for_every_frame() -> None:
    """Silence, nothing, and the one sample that has no positive counterpart."""
    for samples, peak in (
        (np.zeros((80, 1)), -120.0),
        (np.zeros((0, 1)), -120.0),
        (np.full((80, 2), -32768), 0.0003),
    ):
        done = meter()._process(Frame(samples.astype(np.int16), 8000))
        assert done.annotations["peak_dbfs"] == pytest.approx(peak, abs=0.0001)
        assert done.annotations["level_dbfs"] == pytest.approx(peak, abs=0.0001)
