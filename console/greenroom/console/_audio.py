"""Reads audio files for measuring and showing, and packs them small for the page's players."""

import io
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr

from greenroom.console._facts import StreamAudio
from greenroom.console._measure import NoiseReduction, Signal, noise_reduction

LONGEST_SECONDS: Final = 300
"""How much of a file is measured and shown: more would cost memory and tell no more."""

CLIP_HZ: Final = 16_000
"""The band that the pictures show; the whole of it is in the output folder, and three times as large."""

CLIP_FORMATS: Final = {"MP3": "audio/mpeg", "FLAC": "audio/flac"}
"""What every browser plays, the smaller first; libsndfile writes MP3 since 1.1."""

LARGEST_CLIP_BYTES: Final = 2_000_000
"""What one player may add to the page; longer audio is listened to in the output folder."""


def read_mono(path: Path) -> tuple[Signal, int]:
    """Return the first minutes of a file's audio, its channels averaged, and its rate in Hz.

    Raises:
        OSError: soundfile cannot read it.
    """
    try:
        with soundfile.SoundFile(path) as file:
            rate_hz = int(file.samplerate)
            samples = file.read(LONGEST_SECONDS * rate_hz, dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise OSError(f"{path}: {error.error_string}") from error
    mono: Signal = samples.mean(axis=1)
    return mono, rate_hz


def at_rate(signal: Signal, rate_hz: int, wanted_hz: int) -> Signal:
    """Return ``signal`` at another rate."""
    return (
        signal
        if rate_hz == wanted_hz
        else np.asarray(soxr.resample(signal, rate_hz, wanted_hz), dtype=np.float64)
    )


def measure(audio: StreamAudio) -> NoiseReduction | None:
    """Compare a stream's output with its input; None if one of them cannot be read or says nothing."""
    try:
        before, rate_hz = read_mono(audio.before)
        after, after_hz = read_mono(audio.after)
        clean = read_mono(audio.reference) if audio.reference else None
    except OSError:
        return None
    reference = None if clean is None else at_rate(clean[0], clean[1], rate_hz)
    return noise_reduction(before, at_rate(after, after_hz, rate_hz), rate_hz, reference=reference)


def clip(signal: Signal, rate_hz: int) -> tuple[str, bytes] | None:
    """Return ``signal`` packed small, with its media type; None if that would be too large for a page."""
    form = next(form for form in CLIP_FORMATS if form in soundfile.available_formats())
    packed = io.BytesIO()
    soundfile.write(packed, np.clip(at_rate(signal, rate_hz, CLIP_HZ), -1, 1), CLIP_HZ, format=form)
    content = packed.getvalue()
    return (CLIP_FORMATS[form], content) if len(content) <= LARGEST_CLIP_BYTES else None
