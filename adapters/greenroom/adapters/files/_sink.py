"""Writes a stream to an audio file that appears under its name only when it is whole."""

import contextlib
import os
import shutil
from collections.abc import Generator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from greenroom.actors.frames import Frame, Samples
from greenroom.actors.processors import SECOND_NS
from greenroom.adapters._errors import OutputFailed
from greenroom.adapters.files._source import require_rate

if TYPE_CHECKING:
    from soundfile import SoundFile

FORMATS: Final = {".wav": "WAV", ".flac": "FLAC"}
SILENCE_FRAMES: Final = 1 << 16
FULL_BYTES: Final = 64 * 1024
"""A disk with less room than that is full: the last blocks are often out of reach."""


class FileSink:
    """Writes 16-bit WAV or FLAC, by the name's suffix. Nothing is opened before the first write.

    Frames are put where their timestamps say: a gap becomes silence, and what overlaps what is there already is
    left out. While it is written it lies beside its place under a hidden name, which `finish` changes.

    Args:
        path: where it is to appear; its folder must be there.
        rate_hz: the rate of every frame.
        channels: the channels of every frame.
        length_frames: how long the file is to be, whatever the stream brings: padded with silence or cut.
            None takes what comes.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self, path: str | PathLike[str], *, rate_hz: int, channels: int, length_frames: int | None = None
    ) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in FORMATS:
            raise ValueError(f"{self.path}: suffix is {self.path.suffix!r}; .wav or .flac would do")
        require_rate(rate_hz)
        if channels < 1:
            raise ValueError(f"channels is {channels}; 1 or more would do")
        if length_frames is not None and length_frames < 0:
            raise ValueError(f"length_frames is {length_frames}; 0 or more would do")
        self._rate_hz = rate_hz
        self._channels = channels
        self._length = length_frames
        # The process id keeps two runs with the same output folder out of each other's way.
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._file: SoundFile | None = None
        self._written = 0
        self._over = False

    def write(self, frame: Frame) -> None:
        """Put one frame in its place.

        Raises:
            ValueError: its rate or channels are not the file's.
            OutputFailed: it cannot be written (no space, no right, a folder that is gone); nothing is left.
        """
        if (frame.rate_hz, frame.channels) != (self._rate_hz, self._channels):
            raise ValueError(
                f"{self.path}: a frame of {frame.channels} channels at {frame.rate_hz} Hz; "
                f"the file has {self._channels} at {self._rate_hz} Hz"
            )
        start = round(frame.timestamp_ns * self._rate_hz / SECOND_NS)
        with self._failing():
            self._silence_to(start)
            self._put(frame.samples[max(0, self._written - start) :])

    def finish(self) -> None:
        """Bring the file to its length, check that it is whole, and give it its name.

        A stream that brought nothing makes no file, unless a length was asked for.

        Raises:
            OutputFailed: it cannot be completed; nothing is left, and what was under the name before stays.
        """
        with self._failing():
            if self._length is not None:
                self._silence_to(self._length)
            self._require_unfinished()
            if self._file is not None:
                self._file.close()
                self._require_whole()
                self._part.replace(self.path)
            self._over = True

    def abort(self) -> None:
        """Remove what was written; may be called at any time, and twice."""
        self._over = True
        # The file may be broken already, and cleaning up must not hide the error that led here.
        with contextlib.suppress(OSError, RuntimeError):
            if self._file is not None:
                self._file.close()
        with contextlib.suppress(OSError):
            self._part.unlink()

    def _silence_to(self, end: int) -> None:
        if self._length is not None:
            end = min(end, self._length)
        while self._written < end:
            self._put(np.zeros((min(SILENCE_FRAMES, end - self._written), self._channels), np.int16))

    def _put(self, samples: Samples) -> None:
        if self._length is not None:
            samples = samples[: self._length - self._written]
        if len(samples):
            self._opened().write(samples)
            self._written += len(samples)

    def _opened(self) -> "SoundFile":
        self._require_unfinished()
        if self._file is None:
            import soundfile  # noqa: PLC0415 - loads libsndfile and cffi, only when a file is opened

            # Python's error says which of "no space", "no right" and "no folder" it is; libsndfile's does not.
            self._part.touch()
            self._file = soundfile.SoundFile(
                os.fspath(self._part),
                "w",
                samplerate=self._rate_hz,
                channels=self._channels,
                subtype="PCM_16",
                format=FORMATS[self.path.suffix.lower()],
            )
        return self._file

    def _require_unfinished(self) -> None:
        if self._over:
            raise ValueError(f"{self.path}: the output is finished or given up; make a new sink")

    def _require_whole(self) -> None:
        """Read back the end: closing flushes, and libsndfile does not report what fails there."""
        import soundfile  # noqa: PLC0415 - see _opened

        with soundfile.SoundFile(os.fspath(self._part)) as file:
            whole = file.frames == self._written
            if whole and self._written:
                file.seek(self._written - 1)
                whole = len(file.read(1, dtype="int16")) == 1
        if not whole:
            raise OSError("its end could not be written; is the disk full?")

    @contextlib.contextmanager
    def _failing(self) -> Generator[None]:
        """Clean up after, and turn into one error, whatever the system, libsndfile or soundfile say."""
        try:
            yield
        except ValueError:
            raise
        except (OSError, RuntimeError, AssertionError) as error:
            full = self._disk_is_full()  # looked at before the file is removed, which makes room again
            self.abort()
            # soundfile asserts that all samples were written, and libsndfile says "System error": a full disk.
            text = getattr(error, "strerror", None) or str(error) or "not everything could be written"
            text = "the disk is full" if full else text.rstrip(".")
            raise OutputFailed(self.path, f"cannot be written: {text}; nothing of it was kept") from error

    def _disk_is_full(self) -> bool:
        try:
            return shutil.disk_usage(self.path.parent).free < FULL_BYTES
        except OSError:
            return False


def check_output_folder(path: str | PathLike[str]) -> Path:
    """Make the folder if it is not there, see that files can be written into it, and return it.

    Raises:
        OutputFailed: it cannot be made, is no folder, or may not be written.
    """
    folder = Path(path)
    trial = folder / f".greenroom.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(b"\0")
        trial.unlink()
    except FileExistsError as error:
        raise OutputFailed(path, "is a file; name a folder for the output") from error
    except NotADirectoryError as error:
        raise OutputFailed(path, "leads through a file; name another folder for the output") from error
    except FileNotFoundError as error:
        raise OutputFailed(path, "cannot be made there; name another folder for the output") from error
    except OSError as error:
        with contextlib.suppress(OSError):
            trial.unlink()
        what = f"cannot be written: {error.strerror or error}; name another folder for the output"
        raise OutputFailed(path, what) from error
    return folder
