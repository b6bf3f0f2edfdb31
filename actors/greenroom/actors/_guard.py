"""What a processor may return, and what comes out instead when it does not: the last check before native code."""

from collections.abc import Sequence
from typing import Final, Protocol, cast

import numpy as np

from greenroom.actors.frames import Frame, Vouched, read_only
from greenroom.actors.processors import OnFault, Reason

INT16: Final = np.dtype(np.int16)
_Array: Final = np.ndarray


class WrongFrame(TypeError):  # noqa: N818 - it is said of what a processor returned: "wrong frame: 441 samples ..."
    """A processor returned something that is not its frame; the text says what, and what would do."""


class FrameReceiver(Protocol):
    """Takes frames in order: a lane, or the output at the end of a stream."""

    def push(self, frames: Sequence[Frame]) -> None:
        """Take ``frames``, which follow the ones before. One thread at a time; never blocks, never raises."""
        ...

    def send(self, frame: Frame) -> None:
        """Take one frame: the same as ``push((frame,))``, at less cost."""
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
    """Return ``result`` as a frame that may follow for ``frame``: its samples read-only, its timestamp kept.

    What is plain is repaired (another timestamp, samples that are not contiguous); the rest is refused. A
    processor that goes on writing into the array that it has returned fails at that write.

    Raises:
        WrongFrame: it is no frame, or not of the same rate, shape and dtype.
    """
    if isinstance(result, Vouched) and result.origin is frame:
        return result
    if (
        type(result) is Frame
        and result.rate_hz == frame.rate_hz
        and result.timestamp_ns == frame.timestamp_ns
    ):
        samples = result.samples
        given = frame.samples
        if samples is given:
            return result
        # Typed as an array, but a foreign processor may have put anything at all there.
        if (
            type(samples) is _Array
            and samples.dtype is INT16
            and samples.shape == given.shape
            and samples.flags.c_contiguous
        ):
            samples.setflags(False)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
            return result
    return _repaired(result, frame)


def _repaired(result: object, frame: Frame) -> Frame:
    if not isinstance(result, Frame):
        raise WrongFrame(f"wrong frame: {type(result).__name__}; _process returns a Frame")
    samples = result.samples
    if not isinstance(cast("object", samples), np.ndarray):
        raise WrongFrame(f"wrong frame: samples are {type(samples).__name__}; they are a numpy array")
    if samples.dtype != INT16:
        raise WrongFrame(f"wrong frame: samples of dtype {samples.dtype}; they are int16")
    if samples.shape != frame.samples.shape:
        raise WrongFrame(
            f"wrong frame: shape {samples.shape}; it came with {frame.samples.shape}, which it keeps"
        )
    if result.rate_hz != frame.rate_hz:
        raise WrongFrame(f"wrong frame: {result.rate_hz} Hz; it came with {frame.rate_hz} Hz, which it keeps")
    contiguous = read_only(np.ascontiguousarray(samples, INT16))
    return Frame(contiguous, frame.rate_hz, frame.timestamp_ns, result.annotations)


def substitute(frame: Frame, policy: OnFault, reason: Reason) -> Frame | None:
    """Return what comes out in place of ``frame``, or None. Disabled processors are bypassed, whatever the policy."""
    if policy is OnFault.BYPASS or reason is Reason.DISABLED:
        return frame
    return frame.silenced() if policy is OnFault.SILENCE else None
