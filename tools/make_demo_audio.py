"""Make the audio of the demo deployment: generated speech, mixed with noise at stated ratios.

Run it from anywhere, with ``espeak-ng`` on the path::

    python tools/make_demo_audio.py          # writes into the package
    python tools/make_demo_audio.py --out /tmp/x

What it promises:

- The same espeak-ng gives the same samples: every noise has its own seed, nothing else is random.
- The *reference* of a track is exactly the speech in its mix. It is stored as Ogg Vorbis, which is lossy, so the
  mix is made from what the stored file decodes to, not from what went into it.
- The ratio is speech level over noise level in dB; speech level is the RMS of the 20 ms pieces that are within
  35 dB of the loudest one (pauses do not count), noise level is the RMS of all of the noise.
- No mix clips; it raises rather than limit.
"""

import argparse
import json
import math
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

Sound = npt.NDArray[np.float64]
"""Mono, full scale +-1, at `RATE_HZ`."""

RATE_HZ: Final = 16_000
SPEECH_DBFS: Final = -26.0
LEAD_S: Final = 0.7
HOME: Final = Path(__file__).parents[1] / "config/greenroom/config/deployments/demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One speaker: an espeak-ng voice, its speed in words per minute and its pitch (0..99)."""

    name: str
    speed: int
    pitch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One track: who says what for how long, over which noises at which ratio."""

    name: str
    voice: Voice
    sentences: tuple[str, ...]
    pause_s: float
    noises: tuple[str, ...]
    snr_db: float
    length_s: float
    seed: int


RECORDINGS: Final = (
    Recording(
        name="anna",
        voice=Voice(name="en-gb-x-rp+f3", speed=158, pitch=52),
        sentences=(
            "Good morning, and welcome to the green room.",
            "Please take a seat; the first panel starts in ten minutes.",
            "There is coffee on the left, and water on the right.",
            "If the fan behind me bothers you, just say so.",
            "Somebody will come and fetch you when it is time.",
        ),
        pause_s=0.9,
        noises=("fan",),
        snr_db=5.0,
        length_s=20.0,
        seed=1,
    ),
    Recording(
        name="ben",
        voice=Voice(name="en-us+m3", speed=165, pitch=38),
        sentences=(
            "Hi, it is Ben. I am taking notes while we talk.",
            "You may hear my keyboard, I am afraid.",
            "So, three speakers, two demos, and one question from the audience.",
            "Shall we move the second demo to the end?",
            "All right, I have written that down.",
        ),
        pause_s=1.0,
        noises=("keyboard", "room"),
        snr_db=8.0,
        length_s=20.0,
        seed=2,
    ),
    Recording(
        name="carla",
        voice=Voice(name="en-us+f2", speed=160, pitch=60),
        sentences=(
            "Can you hear me over the crowd?",
            "We are live from the foyer, and it is rather full today.",
            "In a moment I will speak with the person who built all of this.",
            "She says that the hardest part was to let things fail.",
            "Stay with us, we are going up to the stage.",
        ),
        pause_s=0.8,
        noises=("babble",),
        snr_db=6.0,
        length_s=20.0,
        seed=3,
    ),
    Recording(
        name="deniz",
        voice=Voice(name="en-gb-scotland+m7", speed=150, pitch=42),
        sentences=(
            "Thank you. I brought an old amplifier, and it hums.",
            "That hum has fifty cycles per second, and all of its relatives.",
            "A good filter takes it out and leaves my voice alone.",
            "If the filter crashes, you should still hear me, hum and all.",
        ),
        pause_s=1.1,
        noises=("hum", "room"),
        snr_db=0.0,
        length_s=20.0,
        seed=4,
    ),
    Recording(
        name="emil",
        voice=Voice(name="en-gb+m2", speed=162, pitch=45),
        sentences=(
            "Support, this is Emil speaking. How can I help?",
            "I see. And since when has the line been so bad?",
            "Let me restart your channel; you need not hang up.",
            "There. Is it any better now?",
            "Wonderful. I will stay on the line for a minute.",
        ),
        pause_s=1.0,
        noises=("pink",),
        snr_db=5.0,
        length_s=20.0,
        seed=5,
    ),
    Recording(
        name="farah",
        voice=Voice(name="en-029+f4", speed=155, pitch=50),
        sentences=(
            "Hello, my line is full of hiss.",
            "It began this morning, right after the storm.",
            "Yes, I have switched it off and on again.",
            "Oh, that is much better. Thank you.",
        ),
        pause_s=1.2,
        noises=("white",),
        snr_db=8.0,
        length_s=17.0,
        seed=6,
    ),
)

CROWD: Final = (
    (
        Voice(name="en-us+m1", speed=175, pitch=30),
        "The queue at the door is longer than it was last year, I think.",
    ),
    (
        Voice(name="en-gb+f1", speed=170, pitch=58),
        "Did you try the little cakes? They are by the window, over there.",
    ),
    (
        Voice(name="en-us+m5", speed=180, pitch=48),
        "No, the train was late, so we walked along the river instead.",
    ),
    (
        Voice(name="en-gb-scotland+f5", speed=165, pitch=44),
        "My sister works here; she says it gets busier after lunch.",
    ),
    (
        Voice(name="en-029+m4", speed=172, pitch=36),
        "And then he asked me whether the lift was working at all.",
    ),
)


def spoken(voice: Voice, text: str) -> Sound:
    """Have espeak-ng say ``text`` and return it at `RATE_HZ`, without the silence around it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        arguments = ["-v", voice.name, "-s", str(voice.speed), "-p", str(voice.pitch), "-w", str(path), text]
        subprocess.run(["espeak-ng", *arguments], check=True)
        samples, rate_hz = soundfile.read(path, dtype="float64")
    loud = np.flatnonzero(np.abs(samples) > 1e-3)  # noqa: PLR2004 - -60 dBFS
    return np.asarray(soxr.resample(samples[loud[0] : loud[-1] + 1], rate_hz, RATE_HZ), dtype=np.float64)


def speech_of(recording: Recording) -> Sound:
    """Return all sentences with pauses between them, at `SPEECH_DBFS`, cut or padded to the length."""
    quiet = np.zeros(round(recording.pause_s * RATE_HZ))
    pieces: list[Sound] = [np.zeros(round(LEAD_S * RATE_HZ))]
    for sentence in recording.sentences:
        pieces += [spoken(recording.voice, sentence), quiet]
    speech = np.concatenate(pieces)
    wanted = round(recording.length_s * RATE_HZ)
    spare_s = (wanted - len(speech)) / RATE_HZ
    if spare_s < 0:
        raise ValueError(
            f"{recording.name}: speech is {-spare_s:.1f} s longer than length_s={recording.length_s}"
        )
    speech = np.concatenate([speech, np.zeros(wanted - len(speech))])
    return speech * gain(active_rms(speech), SPEECH_DBFS)


def active_rms(sound: Sound) -> float:
    """Return the RMS of the 20 ms pieces within 35 dB of the loudest one."""
    piece = RATE_HZ // 50
    power = np.mean(sound[: len(sound) // piece * piece].reshape(-1, piece) ** 2, axis=1)
    return math.sqrt(float(np.mean(power[power > power.max() * 10**-3.5])))


def gain(rms: float, wanted_db: float) -> float:
    """Return the factor that brings ``rms`` to ``wanted_db`` dBFS."""
    return float(10 ** (wanted_db / 20)) / rms


def shaped(length: int, dice: np.random.Generator, response: Callable[[Sound], Sound]) -> Sound:
    """Return Gaussian noise whose amplitude spectrum follows ``response(frequency in Hz)``."""
    spectrum = np.fft.rfft(dice.standard_normal(length))
    return np.fft.irfft(spectrum * response(np.fft.rfftfreq(length, 1 / RATE_HZ)), length)


def white(length: int, dice: np.random.Generator) -> Sound:
    """Hiss: the same power at every frequency."""
    return dice.standard_normal(length)


def pink(length: int, dice: np.random.Generator) -> Sound:
    """The same power in every octave, from 40 Hz."""
    return shaped(length, dice, lambda hz: np.where(hz < 40, 0.0, 1 / np.sqrt(np.maximum(hz, 1))))  # noqa: PLR2004


def room(length: int, dice: np.random.Generator) -> Sound:
    """A quiet room: pink, and 14 dB below what is beside it."""
    sound = pink(length, dice)
    return sound * 0.2 / float(np.std(sound))


def fan(length: int, dice: np.random.Generator) -> Sound:
    """Brown noise from 60 Hz, with the blades' tone at 118 Hz, wavering slowly."""
    air = shaped(length, dice, lambda hz: np.where(hz < 60, 0.0, 60 / np.maximum(hz, 1)) + 0.012)  # noqa: PLR2004
    seconds = np.arange(length) / RATE_HZ
    waver = 1 + 0.15 * np.sin(2 * np.pi * 0.37 * seconds)
    blades = sum(0.25 / k * np.sin(2 * np.pi * 118 * k * seconds) for k in (1, 2, 3))
    return (air / np.std(air) + blades) * waver


def hum(length: int, dice: np.random.Generator) -> Sound:
    """Mains: 50 Hz and its harmonics up to 1 kHz, odd ones stronger, phases at random."""
    seconds = np.arange(length) / RATE_HZ
    sound = np.zeros(length)
    for k in range(1, 21):
        strength = (1.0 if k % 2 else 0.45) / k**0.8
        sound += strength * np.sin(2 * np.pi * (50 * k * seconds + dice.random()))
    return sound / np.std(sound)


def keyboard(length: int, dice: np.random.Generator) -> Sound:
    """Somebody types: bursts of keys, each a short click with a duller one on release."""
    sound = np.zeros(length + RATE_HZ)
    at = 0.2
    while at < length / RATE_HZ:
        for offset_s, strength, colour_hz in ((0.0, 1.0, 3200.0), (0.07, 0.45, 1500.0)):
            start = round((at + offset_s + 0.01 * dice.random()) * RATE_HZ)
            sound[start : start + 640] += strength * (0.6 + 0.8 * dice.random()) * click(dice, colour_hz)
        at += 0.09 + 0.12 * dice.random() if dice.random() < 0.85 else 0.5 + 0.8 * dice.random()  # noqa: PLR2004
    return sound[:length] / np.std(sound[:length])


def click(dice: np.random.Generator, colour_hz: float) -> Sound:
    """40 ms: a burst of noise and a resonance at ``colour_hz``, dying away."""
    seconds = np.arange(640) / RATE_HZ
    body = np.sin(2 * np.pi * colour_hz * (0.9 + 0.2 * dice.random()) * seconds)
    return (0.6 * dice.standard_normal(640) + body) * np.exp(-seconds / 0.006)


def babble(length: int, dice: np.random.Generator) -> Sound:
    """Five people behind you, each at another distance, all the time."""
    sound = np.zeros(length)
    for voice, text in CROWD:
        said = spoken(voice, text)
        looped = np.tile(said, 2 + length // len(said))
        start = int(dice.integers(len(said)))
        sound += looped[start : start + length] / np.std(said) * (0.6 + 0.6 * dice.random())
    return sound / np.std(sound)


NOISES: Final = {f.__name__: f for f in (white, pink, room, fan, hum, keyboard, babble)}


def make(recording: Recording, folder: Path) -> dict[str, object]:
    """Write the reference and the mix of one track; return its line in the manifest."""
    reference = folder / f"{recording.name}.clean.ogg"
    soundfile.write(
        reference, speech_of(recording), RATE_HZ, format="OGG", subtype="VORBIS", compression_level=0.5
    )
    speech, _ = soundfile.read(reference, dtype="float64")
    dice = np.random.default_rng(recording.seed)
    noise = np.sum([NOISES[name](len(speech), dice) for name in recording.noises], axis=0)
    level = active_rms(speech)
    noise *= gain(float(np.sqrt(np.mean(noise**2))), 20 * math.log10(level) - recording.snr_db)
    mix = speech + noise
    if np.abs(mix).max() >= 1:
        raise ValueError(f"{recording.name}: the mix clips; lower SPEECH_DBFS or raise snr_db")
    soundfile.write(folder / f"{recording.name}.flac", mix, RATE_HZ, subtype="PCM_16", compression_level=1.0)
    return {
        "mix": f"{recording.name}.flac",
        "reference": reference.name,
        "length_s": recording.length_s,
        "rate_hz": RATE_HZ,
        "noises": list(recording.noises),
        "snr_db": recording.snr_db,
        "seed": recording.seed,
        "voice": recording.voice.name,
        "text": " ".join(recording.sentences),
    }


def manifest(entries: dict[str, dict[str, object]]) -> str:
    """Return ``manifest.toml``; JSON strings, numbers and lists of strings are TOML as they are."""
    version = subprocess.run(["espeak-ng", "--version"], check=True, capture_output=True, text=True)
    lines = [
        "# Made by tools/make_demo_audio.py; do not edit.",
        "# Nobody was recorded: all speech is generated by espeak-ng, all noise by numpy. Part of greenroom, Apache-2.0.",
        "# snr_db: RMS of the speech without its pauses over RMS of the noise.",
        f"made_with = {json.dumps(version.stdout.split('  Data')[0].strip())}",
    ]
    for name, entry in entries.items():
        lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write all tracks and the manifest, and say how big they are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=HOME, help="folder to write to (default: into the package)"
    )
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    entries = {recording.name: make(recording, folder) for recording in RECORDINGS}
    (folder / "manifest.toml").write_text(manifest(entries), encoding="utf8")
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size / 1024:8.0f} KiB  {path.name}")


if __name__ == "__main__":
    main()
