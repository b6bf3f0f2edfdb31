"""Files of every rate and channel count are read whole; every file that cannot be is refused in one sentence."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adapters.signals import Signals

from greenroom.actors.frames import Samples
from greenroom.actors.sources import Source
from greenroom.adapters import AdapterError, BadAudioFile, UnreadableFile
from greenroom.adapters.files import FileSource, SilenceSource, ToneSource, _info, probe

SECOND = 1_000_000_000


def ramp(frames: int, channels: int = 1) -> Samples:
    """Samples that all differ, so that a shift by one is seen."""
    return (
        (np.arange(frames * channels, dtype=np.int64) % 20_011 - 10_000)
        .astype(np.int16)
        .reshape(frames, channels)
    )


@given(
    rate_hz=st.sampled_from([8000, 16_000, 44_100, 48_000]),
    channels=st.integers(1, 4),
    frames=st.integers(1, 60_000),
    frame_ms=st.sampled_from([10, 20, 60]),
    suffix=st.sampled_from(["wav", "flac"]),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_is_read_bit_by_bit(
    rate_hz: int, channels: int, frames: int, frame_ms: int, suffix: str, tmp_path: Path, signals: Signals
) -> None:
    """Whole frames, in order, timestamps from 0, read-only; the end padded with silence; nothing else changed."""
    path = tmp_path / f"x.{suffix}"
    samples = ramp(frames, channels)
    soundfile.write(path, samples, rate_hz)
    reader = FileSource(path, frame_ms=frame_ms).open()
    assert (reader.rate_hz, reader.channels) == (rate_hz, channels)
    found = signals.drain(reader)
    step = rate_hz * frame_ms // 1000
    assert [f.samples.shape for f in found] == [(step, channels)] * -(-frames // step)
    assert [f.timestamp_ns for f in found] == [n * frame_ms * 1_000_000 for n in range(len(found))]
    assert not any(f.samples.flags.writeable for f in found)
    assert all(f.samples.flags.c_contiguous for f in found)
    joined = np.concatenate([f.samples for f in found])
    assert np.array_equal(joined[:frames], samples)
    assert not joined[frames:].any()


@given(
    from_hz=st.sampled_from([7000, 11_025, 22_050, 44_100, 48_000, 96_000]),
    to_hz=st.sampled_from([None, 8000, 16_000, 44_100, 48_000]),
    frames=st.integers(1, 50_000),
    channels=st.sampled_from([(1, 1), (2, 1), (1, 2), (3, 3), (6, 1)]),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rate_and_channel_count_becomes_what_is_asked(
    from_hz: int, to_hz: int | None, frames: int, channels: tuple[int, int], tmp_path: Path, signals: Signals
) -> None:
    """A resampled file lasts as long as before, to the sample, and is in the same place."""
    path = tmp_path / "x.wav"
    t = np.arange(frames) / from_hz
    wave = np.repeat(0.4 * np.sin(2 * np.pi * 440 * t)[:, None], channels[0], axis=1)
    soundfile.write(path, wave, from_hz, subtype="FLOAT")
    reader = FileSource(path, rate_hz=to_hz, channels=channels[1]).open()
    assert reader.rate_hz % 100 == 0
    rate_hz = reader.rate_hz
    joined = np.concatenate([f.samples for f in signals.drain(reader)])
    total = max(1, round(frames * rate_hz / from_hz))
    assert -(-total // (rate_hz // 100)) * (rate_hz // 100) == len(joined)
    assert joined.shape[1] == channels[1]
    assert not joined[total:].any()
    exact = 0.4 * np.sin(2 * np.pi * 440 * np.arange(total) / rate_hz)
    inner = slice(rate_hz // 50, max(0, total - rate_hz // 50))
    if total > rate_hz // 25:
        assert np.max(np.abs(joined[inner, 0] / 32767 - exact[inner])) < 0.002


@pytest.mark.parametrize(
    ("file_hz", "comes_hz"), [(4000, 8000), (11_025, 12_000), (22_050, 24_000), (88_200, 88_200)]
)
def test_a_rate_without_whole_blocks_becomes_the_next_usual_one(
    file_hz: int, comes_hz: int, tmp_path: Path
) -> None:
    """10 ms of 22,050 Hz are no whole number of samples; rooms cannot take that."""
    soundfile.write(tmp_path / "x.wav", ramp(5000), file_hz)
    reader = FileSource(tmp_path / "x.wav").open()
    reader.close()
    assert reader.rate_hz == comes_hz


def test_what_is_too_loud_saturates(tmp_path: Path, signals: Signals) -> None:
    """Float files beyond full scale do not wrap around, resampled or not."""
    soundfile.write(tmp_path / "x.wav", np.full(4800, 1.5), 48_000, subtype="FLOAT")
    for rate_hz in (48_000, 16_000):
        samples = np.concatenate(
            [f.samples for f in signals.drain(FileSource(tmp_path / "x.wav", rate_hz=rate_hz).open())]
        )
        assert samples[100:1000].min() == 32767


def test_each_opening_starts_at_the_beginning(tmp_path: Path, signals: Signals) -> None:
    """Two readers of one source do not know of each other."""
    soundfile.write(tmp_path / "x.wav", ramp(1000), 8000)
    source = FileSource(tmp_path / "x.wav")
    assert isinstance(source, Source)
    first = source.open()
    first.read()
    second = signals.drain(source.open())
    assert second[0].timestamp_ns == 0
    assert len(signals.drain(first)) == len(second) - 1


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
def test_a_probe_says_what_is_there(suffix: str, tmp_path: Path) -> None:
    """Rate, channels, length and format, for every format that is promised."""
    soundfile.write(tmp_path / f"x.{suffix}", ramp(48_000, 2), 16_000)
    info = probe(tmp_path / f"x.{suffix}")
    assert (info.rate_hz, info.channels, info.frames, info.duration_ns) == (16_000, 2, 48_000, 3 * SECOND)
    assert info.format.startswith(suffix.upper())


def written(name: str, content: bytes) -> Callable[[Path], Path]:
    """Return what makes a file of these bytes."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def cut(suffix: str, keep: float) -> Callable[[Path], Path]:
    """Return what makes three seconds of audio that end early."""

    def make(folder: Path) -> Path:
        path = folder / f"cut.{suffix}"
        noise = np.random.default_rng(0).integers(-9000, 9000, 48_000).astype(np.int16)
        soundfile.write(path, noise, 16_000)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])
        return path

    return make


def no_samples(folder: Path) -> Path:
    """Make a WAV of nothing."""
    soundfile.write(folder / "none.wav", np.zeros((0, 1)), 16_000)
    return folder / "none.wav"


def near_miss(folder: Path) -> Path:
    """Make a file, and name another."""
    (folder / "guest-1.flac").write_bytes(b"x")
    return folder / "guest-l.flac"


BAD: list[tuple[Callable[[Path], Path], type[AdapterError], str]] = [
    (near_miss, UnreadableFile, "no such file; did you mean 'guest-1.flac'?"),
    (lambda folder: folder / "none" / "x.wav", UnreadableFile, "is not there either"),
    (lambda folder: folder, UnreadableFile, "is a folder; name an audio file in it"),
    (lambda _: Path("/dev/null"), UnreadableFile, "no regular file"),
    (written("x.wav", b""), BadAudioFile, "is empty (0 bytes)"),
    (written("x.wav", b"this is a text " * 20), BadAudioFile, "no audio that can be decoded"),
    (written("x.flac", b"fLaC"), BadAudioFile, "no audio that can be decoded"),
    (written("x.raw", b"\0" * 320), BadAudioFile, "raw audio, which does not say its rate"),
    (no_samples, BadAudioFile, "without a single sample"),
    (cut("wav", 0.6), BadAudioFile, "is truncated: its header promises 96000 bytes"),
    (cut("aiff", 0.6), BadAudioFile, "is truncated"),
    (cut("mp3", 0.6), BadAudioFile, "is truncated: its header promises 3.00 s"),
    (cut("flac", 0.6), BadAudioFile, "is damaged or truncated"),
    (cut("flac", 0.99), BadAudioFile, "truncated"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD)
@pytest.mark.parametrize("use", ["probe", "read"])
def test_a_file_that_cannot_be_read_says_why(
    make: Callable[[Path], Path],
    error: type[AdapterError],
    text: str,
    use: str,
    tmp_path: Path,
    signals: Signals,
) -> None:
    """Checked or read, it is the same error: the path, what is wrong, what would do."""
    path = make(tmp_path)
    with pytest.raises(error, match=re.escape(text)) as caught:
        probe(path) if use == "probe" else signals.drain(FileSource(path).open())
    assert str(caught.value).startswith(str(path))
    assert isinstance(caught.value, OSError if error is UnreadableFile else ValueError)


@pytest.mark.parametrize("mode", [0o000])
def test_a_file_that_may_not_be_read_says_so(
    mode: int, tmp_path: Path, unprivileged: Callable[[Path, int], None]
) -> None:
    """No permission is told as that, for the file and for its folder."""
    path = tmp_path / "x.wav"
    soundfile.write(path, ramp(100), 8000)
    unprivileged(path, mode)
    with pytest.raises(UnreadableFile, match="cannot be read: Permission denied"):
        probe(path)


@pytest.mark.parametrize("keep", [1.0, 0.7])
def test_a_large_file_is_probed_by_its_end(
    keep: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit only the end is decoded, which still finds a truncation."""
    monkeypatch.setattr(_info, "WHOLE_BYTES", 1000)
    path = cut("flac", keep)(tmp_path)
    if keep == 1.0:
        assert probe(path).frames == 48_000
    else:
        with pytest.raises(BadAudioFile):
            probe(path)


@pytest.mark.parametrize("said", [0xFFFF_FFFF, 0x7FFF_FFFF])
def test_a_wav_from_a_pipe_is_not_truncated(said: int, tmp_path: Path) -> None:
    """A program that writes to a pipe cannot know the length; its placeholder is no promise."""
    path = tmp_path / "x.wav"
    soundfile.write(path, ramp(4000), 8000)
    content = bytearray(path.read_bytes())
    content[40:44] = said.to_bytes(4, "little")
    path.write_bytes(content)
    assert probe(path).frames == 4000


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"rate_hz": 22_050}, "rate_hz is 22050; a multiple of 100"),
        ({"rate_hz": 0}, "rate_hz is 0"),
        ({"frame_ms": 15}, "frame_ms is 15; a multiple of 10"),
        ({"frame_ms": 0}, "frame_ms is 0"),
        ({"channels": 0}, "channels is 0"),
    ],
)
def test_a_source_refuses_wrong_arguments(options: dict[str, Any], text: str) -> None:
    """Before anything is opened, with field, value and what would do."""
    with pytest.raises(ValueError, match=re.escape(text)):
        FileSource("x.wav", **options)


def test_channels_that_cannot_become_others_are_refused(tmp_path: Path) -> None:
    """Nobody knows how six channels become two."""
    soundfile.write(tmp_path / "x.wav", ramp(100, 6), 8000)
    with pytest.raises(BadAudioFile, match="has 6 channels, not 2; ask for 6 or 1"):
        FileSource(tmp_path / "x.wav", channels=2).open()


def test_a_tone_is_what_is_asked(signals: Signals) -> None:
    """Frequency, level, length, channels; whole frames; the rest of the last one is silent."""
    source = ToneSource(1000, SECOND // 8 + 1, rate_hz=16_000, channels=2, level_dbfs=-6.0, frame_ms=20)
    found = signals.drain(source.open())
    joined = np.concatenate([f.samples for f in found])
    exact = 32767 * 10 ** (-6 / 20) * np.sin(2 * np.pi * 1000 / 16_000 * np.arange(2000))
    assert np.max(np.abs(joined[:2000, 1] - exact)) <= 0.5
    assert not joined[2000:].any()
    assert len(joined) == 7 * 320
    assert [f.timestamp_ns for f in found] == [n * 20_000_000 for n in range(7)]
    assert not found[0].samples.flags.writeable


def test_silence_is_silent(signals: Signals) -> None:
    """As long as asked, and nothing in it."""
    found = signals.drain(SilenceSource(SECOND // 10, rate_hz=8000, channels=3).open())
    assert [f.samples.shape for f in found] == [(80, 3)] * 10
    assert not any(f.samples.any() for f in found)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"hz": 5000}, "hz is 5000"),
        ({"duration_ns": -1}, "duration_ns is -1"),
        ({"channels": 0}, "channels is 0"),
        ({"level_dbfs": 1.0}, "level_dbfs is 1.0"),
        ({"rate_hz": 8001}, "rate_hz is 8001"),
    ],
)
def test_a_tone_refuses_wrong_arguments(options: dict[str, Any], text: str) -> None:
    """With field, value and what would do."""
    arguments: dict[str, Any] = {"hz": 440.0, "duration_ns": SECOND, "rate_hz": 8000, **options}
    with pytest.raises(ValueError, match=re.escape(text)):
        ToneSource(**arguments)
