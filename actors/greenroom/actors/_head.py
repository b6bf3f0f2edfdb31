"""The way into a stream, and the fan that shares one reading of a track among its streams."""

from collections.abc import Callable
from typing import Protocol

from greenroom.actors._guard import FrameReceiver
from greenroom.actors._meter import StreamMeter
from greenroom.actors.frames import Frame


class Head(Protocol):
    """Where a paced source sends its frames. All but `room` is called by one thread at a time."""

    def send(self, frame: Frame) -> None: ...

    def end(self) -> None:
        """The source has ended; called once, last, unless `fail` is."""
        ...

    def fail(self, error: BaseException) -> None:
        """The source could not be opened or read; called once, last."""
        ...

    def room(self) -> bool:
        """Whether it wants a further frame now; only FAST pace asks. Any thread."""
        ...


class StreamHead:
    """A `Head` that counts frames into a stream and lets at most ``window`` of them be inside at a time.

    Args:
        window: FAST: at most the smallest capacity of the stream's lanes and output, so that none overflows.
        on_end: called once with None, or the source's error. May only enqueue.
        on_room: called when `room` turns true again: `Pacer.nudge`.
    """

    def __init__(
        self,
        first: FrameReceiver,
        meter: StreamMeter,
        *,
        window: int,
        on_end: Callable[[BaseException | None], None],
        on_room: Callable[[], None],
    ) -> None: ...

    def send(self, frame: Frame) -> None: ...
    def end(self) -> None: ...
    def fail(self, error: BaseException) -> None: ...
    def room(self) -> bool: ...

    def close(self) -> None:
        """Let nothing further in, and hold nobody up. Returns at once; a `send` may still be under way."""


class Fan:
    """A `Head` for a track: every stream that is attached gets each frame. Attach and detach from any thread."""

    def attach(self, head: Head) -> None:
        """Send ``head`` what is read from now on; one attached after the end is ended at once."""

    def detach(self, head: Head) -> None: ...
    def send(self, frame: Frame) -> None: ...
    def end(self) -> None: ...
    def fail(self, error: BaseException) -> None: ...
    def room(self) -> bool: ...
