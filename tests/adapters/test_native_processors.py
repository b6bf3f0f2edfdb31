"""The native processors with their real packages: shape, alignment, quality, and what happens after close."""

import gc
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapters.signals import Signals

from greenroom.actors.frames import Frame, Samples, read_only
from greenroom.actors.processors import Processor
from greenroom.adapters.processors import rnnoise, silero, webrtc_agc, webrtc_ns
from greenroom.adapters.processors._bridge import BridgedProcessor, Mono
from greenroom.adapters.processors._rates import Resampler

SIGNALS = Signals()
RATES = [8000, 12_000, 16_000, 22_100, 24_000, 32_000, 44_100, 48_000]
NATIVE: list[Callable[[], BridgedProcessor]] = [webrtc_ns, webrtc_agc, rnnoise]
Make = Callable[[], Processor]


class Same:
    """A kernel that returns what it is given, and tells when it is closed."""

    open_now = 0

    def __init__(self) -> None:
        Same.open_now += 1
        self.closed = False

    def run(self, samples: Mono) -> Mono:
        assert not self.closed
        assert len(samples) % 160 == 0
        return samples.copy()

    def close(self) -> None:
        assert not self.closed
        self.closed = True
        Same.open_now -= 1


def same() -> BridgedProcessor:
    """Build a bridge at 16 kHz around nothing."""
    return BridgedProcessor(Same, rate_hz=16_000, latency_frames=0)


@given(
    rate_hz=st.sampled_from(RATES),
    channels=st.integers(1, 3),
    blocks=st.lists(st.integers(1, 5), min_size=1, max_size=5),
)
@settings(max_examples=40, deadline=None)
def test_the_bridge_keeps_shape_and_place(rate_hz: int, channels: int, blocks: list[int]) -> None:
    """At any rate, channel count and frame length, audio comes out as it went in, late by ``latency_ns``."""
    t = np.arange(rate_hz // 2) / rate_hz
    wave = np.stack([0.4 * np.sin(2 * np.pi * (300 + 200 * c) * t) for c in range(channels)], axis=1)
    processor = same()
    done = SIGNALS.through(processor, SIGNALS.frames(SIGNALS.samples(wave), rate_hz, blocks)) / 32767
    late = processor.latency_ns / 1e9
    places = np.arange(len(done)) / rate_hz
    for c in range(channels):
        exact = 0.4 * np.sin(2 * np.pi * (300 + 200 * c) * (places - late))
        settled = places > late + 0.03
        assert np.max(np.abs(done[settled, c] - exact[settled])) < 0.001
    quiet = done[places < late - 0.008]
    assert quiet.size == 0 or np.max(np.abs(quiet)) < 0.01


def test_how_it_is_cut_changes_nothing(signals: Signals) -> None:
    """The same audio in other frame lengths gives the same samples."""
    samples = signals.samples(signals.speech(44_100, 0.6))
    one, *others = (
        signals.through(rnnoise(), signals.frames(samples, 44_100, blocks))
        for blocks in ((1,), (2,), (1, 3, 2))
    )
    for other in others:
        assert np.array_equal(one[: len(other)], other)


@pytest.mark.parametrize(("from_hz", "to_hz"), [*itertools.permutations([8000, 16_000, 44_100, 48_000], 2)])
def test_resampling_lets_no_alias_through(from_hz: int, to_hz: int) -> None:
    """What the lower rate cannot hold is 60 dB down, and the pass band is flat to 0.1 dB."""
    lower = min(from_hz, to_hz)
    for hz, low, high in ((0.35 * lower, -0.1, 0.1), (0.56 * lower, -200.0, -60.0)):
        if hz >= from_hz / 2:
            continue
        t = np.arange(from_hz // 2) / from_hz
        done = Resampler(from_hz, to_hz, 1).run(np.sin(2 * np.pi * hz * t).astype(np.float32)[None, :])[0]
        level = 20 * np.log10(np.std(done[len(done) // 4 :]) * np.sqrt(2) + 1e-12)
        assert low < level < high, (from_hz, to_hz, hz)


def test_at_the_native_rate_nothing_is_resampled(signals: Signals) -> None:
    """At the kernel's rate the samples that come out are the kernel's own."""
    samples = signals.samples(signals.noise(16_000, 0.1, 0.2))
    assert np.array_equal(signals.through(same(), signals.frames(samples, 16_000)), samples)


def test_kernels_are_freed_with_their_format() -> None:
    """One kernel per channel; another format frees the ones before; close frees all; then nothing runs."""
    before = Same.open_now
    processor = same()
    for rate_hz, channels in ((48_000, 2), (16_000, 1), (16_000, 3)):
        processor._process(Frame(read_only(np.zeros((rate_hz // 100, channels), np.int16)), rate_hz))
        assert Same.open_now - before == channels
    processor._close()
    assert Same.open_now == before
    with pytest.raises(RuntimeError, match="closed"):
        processor._process(Frame(read_only(np.zeros((160, 1), np.int16)), 16_000))
    assert Same.open_now == before


@pytest.mark.parametrize("make", [*NATIVE, silero])
def test_after_close_calls_raise_and_nothing_crashes(make: Make) -> None:
    """A call after close raises; a second close and the collector find nothing left to free."""
    for rate_hz in (16_000, 48_000, 44_100):
        processor = make()
        frame = Frame(read_only(np.zeros((rate_hz // 50, 2), np.int16)), rate_hz)
        processor._process(frame)
        processor._close()
        with pytest.raises(RuntimeError, match="closed"):
            processor._process(frame)
        processor._close()
        del processor
        gc.collect()


@pytest.mark.parametrize("make", [*NATIVE, silero])
def test_broken_blocks_never_reach_native_code(make: Make) -> None:
    """What is not whole 10 ms is refused before the library that would abort on it."""
    processor = make()
    for frames, rate_hz in ((100, 16_000), (481, 48_000), (220, 22_050)):
        with pytest.raises(ValueError, match=r"whole blocks|multiple of 100"):
            processor._process(Frame(read_only(np.zeros((frames, 1), np.int16)), rate_hz))
    processor._close()


@pytest.mark.parametrize("make", NATIVE)
@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_latency_is_what_is_said(
    make: Callable[[], BridgedProcessor], rate_hz: int, signals: Signals
) -> None:
    """The output matches the input best when it is moved by ``latency_ns``."""
    wave = signals.samples(signals.speech(rate_hz, 2.0))
    processor = make()
    done = signals.through(processor, signals.frames(wave, rate_hz))[:, 0].astype(float)
    lag = np.argmax(np.correlate(done[rate_hz:], wave[rate_hz : len(done) - rate_hz // 10, 0].astype(float)))
    processor._close()
    assert lag * 1000 / rate_hz == pytest.approx(processor.latency_ns / 1e6, abs=0.6)


def improvement_db(make: Callable[[], BridgedProcessor], rate_hz: int, snr_db: float) -> float:
    """How many decibels closer to the clean voice the output is than the input, levels fitted."""
    clean = SIGNALS.speech(rate_hz, 6.0)
    rms = float(np.sqrt(np.mean(clean**2)))
    noisy = clean + SIGNALS.noise(rate_hz, 6.0, rms * 10 ** (-snr_db / 20))
    processor = make()
    done = SIGNALS.through(processor, SIGNALS.frames(SIGNALS.samples(noisy), rate_hz))[:, 0] / 32767.0
    processor._close()
    lag = round(processor.latency_ns * rate_hz / 1e9)
    start = 2 * rate_hz
    voice = clean[start : len(done) - lag]
    return ratio_db(voice, done[start + lag :]) - ratio_db(voice, noisy[start : len(done) - lag])


def ratio_db(clean: np.ndarray, heard: np.ndarray) -> float:
    """Signal to distortion in decibels, with the best gain (SI-SDR)."""
    factor = (clean @ heard) / (clean @ clean)
    rest = heard - factor * clean
    return float(10 * np.log10(factor**2 * (clean @ clean) / (rest @ rest)))


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_rnnoise_improves_noisy_speech(rate_hz: int) -> None:
    """White noise 5 dB below a voice: what comes out is at least 4 dB closer to the voice."""
    assert improvement_db(rnnoise, rate_hz, 5.0) > 4.0


def test_rnnoise_improves_the_demo(signals: Signals) -> None:
    """The demo's own speech with a fan behind it comes out at least 5 dB closer to its clean reference."""
    noisy, clean = (signals.recorded(name, 16_000, 1) for name in ("anna.flac", "anna.clean.ogg"))
    processor = rnnoise()
    done = signals.through(processor, signals.frames(noisy, 16_000))[:, 0].astype(float)
    lag = round(processor.latency_ns * 16_000 / 1e9)
    processor._close()
    reference = clean[: len(done) - lag, 0].astype(float)
    before = ratio_db(reference, noisy[: len(reference), 0].astype(float))
    assert ratio_db(reference, done[lag : lag + len(reference)]) - before > 5.0


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_webrtc_improves_noisy_speech(rate_hz: int) -> None:
    """White noise 5 dB below a voice: what comes out is at least 2 dB closer to the voice."""
    assert improvement_db(lambda: webrtc_ns(level=2), rate_hz, 5.0) > 2.0


def test_each_suppression_level_is_stronger(signals: Signals) -> None:
    """The option matters: of noise alone, each level leaves less."""
    samples = signals.samples(signals.noise(16_000, 3.0, 0.05))
    left: list[float] = []
    for level in (1, 2, 3, 4):
        done = signals.through(webrtc_ns(level=level), signals.frames(samples, 16_000))
        left.append(float(np.std(done[32_000:].astype(float))))
    assert left == sorted(left, reverse=True)
    assert left[0] > 1.2 * left[3]


def test_gain_control_brings_a_quiet_voice_up(signals: Signals) -> None:
    """A voice 26 dB too quiet comes out at least 6 dB louder."""
    samples = signals.samples(0.05 * signals.speech(16_000, 6.0))
    done = signals.through(webrtc_agc(), signals.frames(samples, 16_000))
    before, after = (float(np.std(x[48_000:].astype(float))) for x in (samples, done))
    assert after > 2.0 * before


def voice(samples: Samples, rate_hz: int) -> list[float]:
    """What silero says frame by frame."""
    processor = silero()
    said: list[float] = []
    for frame in SIGNALS.frames(samples, rate_hz):
        done = processor._process(frame)
        assert done.samples is frame.samples
        value = done.annotations["voice"]
        assert isinstance(value, float)
        assert 0.0 <= value <= 1.0
        said.append(value)
    processor._close()
    return said


@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 1), (48_000, 2), (44_100, 1), (8000, 1)])
def test_silero_tells_speech_from_noise_and_silence(rate_hz: int, channels: int, signals: Signals) -> None:
    """While somebody speaks it says so, in the pauses and of noise and silence it does not."""
    spoken = signals.recorded("anna.clean.ogg", rate_hz, channels)
    said = np.array(voice(spoken, rate_hz))
    step = rate_hz // 100
    loudness = np.sqrt(np.mean(spoken[: len(said) * step, 0].reshape(-1, step).astype(float) ** 2, axis=1))
    far_from_sound = np.convolve(loudness > 20, np.ones(31), "same") == 0
    assert np.mean(said[loudness > 300] > 0.5) > 0.9
    assert np.mean(said[far_from_sound] < 0.2) > 0.95
    noise = np.repeat(signals.samples(signals.noise(rate_hz, 2.0, 0.05)), channels, axis=1)
    assert np.mean(voice(noise, rate_hz)) < 0.15
    assert np.mean(voice(np.zeros_like(noise), rate_hz)) < 0.1


def test_silero_forgets_another_format(signals: Signals) -> None:
    """A change of rate starts with fresh ears."""
    processor = silero()
    for frame in signals.frames(signals.samples(signals.speech(16_000, 1.0)), 16_000):
        processor._process(frame)
    quiet = Frame(read_only(np.zeros((480, 1), np.int16)), 48_000)
    assert processor._process(quiet).annotations["voice"] == 0.0
    processor._close()
