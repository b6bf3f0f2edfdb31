"""Opens audio files, and says in one sentence why one cannot be used."""

import re
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Final

from greenroom.actors.processors import SECOND_NS
from greenroom.adapters._errors import BadAudioFile, UnreadableFile, suggestion

if TYPE_CHECKING:
    from soundfile import SoundFile

DECODE_FRAMES: Final = 1 << 16
WHOLE_BYTES: Final = 64 << 20
"""Up to this size a probe decodes the whole file, which takes a second at most; of a larger one, the last part."""
STREAMED_BYTES: Final = 0x7FFF_0000
"""A WAV written to a pipe cannot know its length and says something like 2**32 - 1, which is no truncation."""
NO_AUDIO: Final = frozenset({1, 3, 4})
"""libsndfile's codes for an unknown format, a malformed file and an unknown encoding (``sndfile.h``)."""
_SHORT_DATA: Final = re.compile(r"^\s*(?:data|SSND)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """What an audio file holds.

    Attributes:
        rate_hz: samples per second and channel.
        channels: channels.
        frames: samples per channel.
        duration_ns: how long it sounds, rounded down to a nanosecond.
        format: container and encoding, as libsndfile calls them (``"FLAC/PCM_16"``).
    """

    rate_hz: int
    channels: int
    frames: int
    duration_ns: int
    format: str


def probe(path: str | PathLike[str]) -> FileInfo:
    """Look at an audio file, closely enough to promise that it can be read to its end. Blocks on the disk.

    Raises:
        UnreadableFile: it is not there, is a folder, or may not be read.
        BadAudioFile: it is empty, no audio, of no known encoding, or ends before its header says.
    """
    with reading(path), opened(path) as file:
        first = 0 if Path(path).stat().st_size <= WHOLE_BYTES else max(0, file.frames - DECODE_FRAMES)
        found = file.seek(first)
        while count := len(file.read(DECODE_FRAMES, dtype="int16", always_2d=True)):
            found += count
        if found < file.frames:
            raise truncated(path, found=found, promised=file.frames, rate_hz=file.samplerate)
        return FileInfo(
            rate_hz=file.samplerate,
            channels=file.channels,
            frames=file.frames,
            duration_ns=file.frames * SECOND_NS // file.samplerate,
            format=f"{file.format}/{file.subtype}",
        )


def opened(path: str | PathLike[str]) -> "SoundFile":
    """Open an audio file for reading, with every refusal that needs no decoding. Call it within `reading`."""
    import soundfile  # noqa: PLC0415 - loads libsndfile and cffi, only when a file is opened

    _require_file(path)
    file = soundfile.SoundFile(fspath(path))
    try:
        _require_whole(path, file)
    except BadAudioFile:
        file.close()
        raise
    return file


@contextmanager
def reading(path: str | PathLike[str]) -> Generator[None]:
    """Turn what libsndfile and the system say while ``path`` is read into this floor's errors."""
    import soundfile  # noqa: PLC0415 - see opened

    try:
        yield
    except soundfile.LibsndfileError as error:
        text = error.error_string.removeprefix("Error : ").rstrip(".")
        what = f"is damaged or truncated ({text}); copy or record it again"
        if error.code in NO_AUDIO:
            what = f"is no audio that can be decoded ({text}); WAV, FLAC, OGG, MP3 or AIFF would do"
        raise BadAudioFile(path, what) from error
    except TypeError as error:
        # What soundfile says of headerless files, which it would need the rate and the channels for.
        raise BadAudioFile(path, "is raw audio, which does not say its rate; WAV or FLAC would do") from error
    except (UnreadableFile, BadAudioFile):
        raise
    except OSError as error:
        raise UnreadableFile(path, f"cannot be read: {error.strerror or error}") from error


def truncated(path: str | PathLike[str], *, found: int, promised: int, rate_hz: int) -> BadAudioFile:
    """Return the error for a file that ends early."""
    return BadAudioFile(
        path,
        f"is truncated: its header promises {promised / rate_hz:.2f} s, {found / rate_hz:.2f} s can be decoded; "
        "copy or record it again",
    )


def _require_whole(path: str | PathLike[str], file: "SoundFile") -> None:
    """Refuse what the header alone shows. libsndfile quietly shortens WAV and AIFF that end early; its log tells."""
    short = _SHORT_DATA.search(file.extra_info)
    if short and int(short[2]) < int(short[1]) < STREAMED_BYTES:
        what = f"its header promises {short[1]} bytes of audio, {short[2]} are there"
        raise BadAudioFile(path, f"is truncated: {what}; copy or record it again")
    if not file.frames:
        raise BadAudioFile(path, f"is {file.format} without a single sample; a recording would do")


def _require_file(path: str | PathLike[str]) -> None:
    place = Path(path)
    try:
        status = place.stat()
    except FileNotFoundError as error:
        raise UnreadableFile(path, f"no such file{_where(place)}") from error
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableFile(path, "is a folder; name an audio file in it")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableFile(path, "is no regular file; audio must be able to be read twice")
    # libsndfile says "System error" for everything; Python says which.
    with place.open("rb"):
        pass
    if not status.st_size:
        raise BadAudioFile(path, "is empty (0 bytes); copy or record it again")


def _where(place: Path) -> str:
    """Say how much of the path is there, and what is nearest in that folder."""
    folder = place.parent
    if not folder.is_dir():
        return f"; its folder {str(folder)!r} is not there either"
    try:
        return suggestion(place.name, [entry.name for entry in folder.iterdir()])
    except OSError:
        return ""
