"""Reads an audio file as a track's source: any rate and channel count in, whole blocks of 10 ms out."""

from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from greenroom.actors.frames import BLOCKS_PER_SECOND, Frame, Samples, read_only
from greenroom.actors.processors import SECOND_NS
from greenroom.adapters._errors import BadAudioFile
from greenroom.adapters.files._info import opened, reading, truncated

if TYPE_CHECKING:
    from soundfile import SoundFile
    from soxr import ResampleStream

LOWEST_HZ: Final = 8_000
HIGHEST_HZ: Final = 384_000
USUAL_HZ: Final = (8_000, 12_000, 16_000, 24_000, 32_000, 48_000)
LONGEST_FRAME_MS: Final = 1_000
CHUNKS_PER_SECOND: Final = 4
"""A file is decoded in quarters of a second: few calls, and little memory for a thousand files."""
FULL_SCALE: Final = 32768.0
"""What libsndfile divides by to make floats: the same number back keeps int16 as it was."""


class FileSource:
    """An audio file. Each `open` reads it from its beginning.

    Args:
        path: anything that libsndfile reads.
        rate_hz: the rate that comes out, a multiple of 100; None keeps the file's where that is one, and takes
            the next usual rate where it is not (22,050 becomes 24,000).
        frame_ms: how long a frame is, in whole blocks of 10 ms.
        channels: how many come out; None keeps the file's. Many become one by their mean; one becomes many
            by repetition.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        rate_hz: int | None = None,
        frame_ms: int = 10,
        channels: int | None = None,
    ) -> None:
        if rate_hz is not None:
            require_rate(rate_hz)
        require_frame(frame_ms)
        if channels is not None and channels < 1:
            raise ValueError(f"channels is {channels}; 1 or more would do")
        self.path = fspath(path)
        self.rate_hz = rate_hz
        self.frame_ms = frame_ms
        self.channels = channels

    def open(self) -> "FileReader":
        """Start reading; blocks on the disk.

        Raises:
            UnreadableFile: it is not there, is a folder, or may not be read.
            BadAudioFile: it is empty, no audio, truncated, or has channels that cannot become ``channels``.
        """
        with reading(self.path):
            file = opened(self.path)
            wanted = self.channels or file.channels
            if wanted != file.channels and 1 not in {wanted, file.channels}:
                file.close()
                raise BadAudioFile(
                    self.path, f"has {file.channels} channels, not {wanted}; ask for {file.channels} or 1"
                )
            return FileReader(
                self.path,
                file,
                rate_hz=self.rate_hz or _next_rate(file.samplerate),
                frame_ms=self.frame_ms,
                channels=wanted,
            )

    def __repr__(self) -> str:
        return f"FileSource({self.path!r})"


class FileReader:
    """One reading of a file. Frames are views of decoded chunks; the last is padded with silence.

    Attributes:
        rate_hz: samples per second.
        channels: channels.
    """

    def __init__(self, path: str, file: "SoundFile", *, rate_hz: int, frame_ms: int, channels: int) -> None:
        self.rate_hz = rate_hz
        self.channels = channels
        self._path = path
        self._file = file
        self._step = rate_hz * frame_ms // 1_000
        self._soxr = _resampler(file.samplerate, rate_hz, channels)
        self._chunk_frames = max(file.samplerate // CHUNKS_PER_SECOND, 1)
        self._decoded = 0
        self._ended = False
        self._total = max(1, round(file.frames * rate_hz / file.samplerate))
        self._given = 0
        self._made = 0
        self._ready: Samples = np.zeros((0, channels), np.int16)
        self._at = 0

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end.

        Raises:
            BadAudioFile: the file ends before its header says, or cannot be decoded further.
        """
        while len(self._ready) - self._at < self._step and not self._ended:
            self._refill()
        left = len(self._ready) - self._at
        if not left:
            return None
        samples = self._ready[self._at : self._at + self._step]
        if left < self._step:
            samples = np.concatenate([samples, np.zeros((self._step - left, self.channels), np.int16)])
        self._at = min(self._at + self._step, len(self._ready))
        frame = Frame(read_only(samples), self.rate_hz, self._given * SECOND_NS // self.rate_hz)
        self._given += self._step
        return frame

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()

    def _refill(self) -> None:
        rest = self._ready[self._at :]
        fresh = self._decode()
        self._ready = np.concatenate([rest, fresh]) if len(rest) else fresh
        read_only(self._ready)
        self._at = 0

    def _decode(self) -> Samples:
        # Asked for int16 of a file of floats, libsndfile neither scales nor clips.
        whole_numbers = self._file.subtype.startswith("PCM_")
        plain = whole_numbers and self._soxr is None and self.channels == self._file.channels
        chunk: npt.NDArray[Any]
        with reading(self._path):
            chunk = self._file.read(self._chunk_frames, dtype="int16" if plain else "float32", always_2d=True)
        self._decoded += len(chunk)
        # A short read is the end; libsndfile does not say so otherwise.
        self._ended = len(chunk) < self._chunk_frames
        if self._ended and self._decoded < self._file.frames:
            raise truncated(
                self._path, found=self._decoded, promised=self._file.frames, rate_hz=self._file.samplerate
            )
        return np.ascontiguousarray(chunk) if plain else self._converted(chunk)

    def _converted(self, chunk: npt.NDArray[np.float32]) -> Samples:
        if self.channels != chunk.shape[1]:
            chunk = (
                chunk.mean(axis=1, keepdims=True, dtype=np.float32)
                if self.channels == 1
                else np.repeat(chunk, self.channels, axis=1)
            )
        if self._soxr is not None:
            chunk = self._soxr.resample_chunk(np.ascontiguousarray(chunk), last=self._ended)
            # soxr rounds the length its own way; a track must not grow or shrink by its rate.
            chunk = chunk[: max(0, self._total - self._made)]
            self._made += len(chunk)
            if self._ended and self._made < self._total:
                chunk = np.pad(chunk, ((0, self._total - self._made), (0, 0)))
        scaled: npt.NDArray[np.float32] = np.clip(np.rint(chunk * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
        return scaled.astype(np.int16)


def require_rate(rate_hz: int) -> None:
    """Refuse a rate that rooms cannot take.

    Raises:
        ValueError: it is no multiple of 100, or out of range.
    """
    if rate_hz % BLOCKS_PER_SECOND or not LOWEST_HZ <= rate_hz <= HIGHEST_HZ:
        raise ValueError(f"rate_hz is {rate_hz}; a multiple of 100 from {LOWEST_HZ} to {HIGHEST_HZ} would do")


def require_frame(frame_ms: int) -> None:
    """Refuse a frame length that is not whole blocks.

    Raises:
        ValueError: it is no multiple of 10, or out of range.
    """
    if frame_ms % 10 or not 0 < frame_ms <= LONGEST_FRAME_MS:
        raise ValueError(f"frame_ms is {frame_ms}; a multiple of 10 from 10 to {LONGEST_FRAME_MS} would do")


def _next_rate(file_hz: int) -> int:
    if file_hz % BLOCKS_PER_SECOND == 0 and LOWEST_HZ <= file_hz <= HIGHEST_HZ:
        return file_hz
    return next((rate for rate in USUAL_HZ if rate >= file_hz), USUAL_HZ[-1])


def _resampler(from_hz: int, to_hz: int, channels: int) -> "ResampleStream | None":
    if from_hz == to_hz:
        return None
    import soxr  # noqa: PLC0415 - native code, only when a file has another rate

    return soxr.ResampleStream(from_hz, to_hz, channels, dtype="float32")
