"""Where audio comes from and where it goes: the two seams that adapters fill."""

from typing import Protocol, runtime_checkable

from greenroom.actors.frames import Frame


class Reader(Protocol):
    """One reading of a source, from its beginning. Used by one thread at a time; may block on a disk."""

    @property
    def rate_hz(self) -> int:
        """Samples per second, a multiple of 100; the same for every frame."""
        ...

    @property
    def channels(self) -> int:
        """Channels; the same for every frame."""
        ...

    def read(self) -> Frame | None:
        """Return the next frame (whole 10 ms blocks, read-only samples, timestamps from 0), or None at the end."""
        ...

    def close(self) -> None:
        """Give back the file, device or memory; called once."""
        ...


@runtime_checkable
class Source(Protocol):
    """Audio that can be pulled at the session's pace: a file, a generator.

    The streams of a track share one reading: one that opens late hears what is read from then on.
    """

    def open(self) -> Reader:
        """Start reading. Runs on a thread that may block.

        Raises:
            OSError or ValueError: it cannot be read; the message says why.
        """
        ...


class Sink(Protocol):
    """Takes a stream's frames, in order. Used by one thread at a time; may block on a disk."""

    def write(self, frame: Frame) -> None:
        """Take one frame; timestamps say where it belongs, gaps are silence."""
        ...

    def finish(self) -> None:
        """The stream has ended: complete the output and put it under its final name."""
        ...

    def abort(self) -> None:
        """Leave nothing half-written behind."""
        ...
