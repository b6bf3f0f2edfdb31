"""What a processor may return, and what comes out instead when it does not: the last check before native code."""

from collections.abc import Sequence
from typing import Protocol

from greenroom.actors.frames import Frame
from greenroom.actors.processors import OnFault, Reason


class WrongFrame(TypeError):  # noqa: N818 - it is said of what a processor returned: "wrong frame: 441 samples ..."
    """A processor returned something that is not its frame; the text says what and what would do."""


class FrameReceiver(Protocol):
    """Takes frames in order: a lane, or the output at the end of a stream."""

    def push(self, frames: Sequence[Frame]) -> None:
        """Take ``frames``, which follow the ones before. One thread at a time; never blocks, never raises."""
        ...


class Tally(Protocol):
    """Counts what became of a stream's frames; any thread."""

    def bypassed(self, reason: Reason, count: int) -> None:
        """Count frames that come out, but not processed (original or silence)."""
        ...

    def dropped(self, frame: Frame, reason: Reason) -> None:
        """Count a frame that does not come out."""
        ...


def guarded(result: object, frame: Frame) -> Frame:
    """Return ``result`` as a frame that may follow for ``frame``, restamped and made contiguous if need be.

    Raises:
        WrongFrame: it is no frame, or not of the same rate, shape and dtype.
    """
    raise NotImplementedError


def substitute(frame: Frame, policy: OnFault, reason: Reason) -> Frame | None:
    """Return what comes out in place of ``frame``, or None. Disabled processors are always bypassed."""
    raise NotImplementedError
