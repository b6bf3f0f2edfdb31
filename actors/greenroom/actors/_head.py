"""The way into a stream, and the fan that shares one reading of a track among its streams."""

from collections.abc import Callable
from typing import Protocol

from greenroom.actors._guard import FrameReceiver
from greenroom.actors._meter import StreamMeter
from greenroom.actors.frames import Frame
from greenroom.actors.processors import Reason
from greenroom.supervision.runtime import Runtime


class Head(Protocol):
    """Where a paced source sends its frames. All but `room` is called by one thread at a time."""

    def send(self, frame: Frame) -> None:
        """Take the next frame."""
        ...

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
        first: the stream's first lane, or its output.
        meter: counts them in; its ``on_gone`` becomes this head's when it refuses one for the first time.
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
    ) -> None:
        self._first = first
        self._meter = meter
        self._window = window
        self.on_end = on_end
        self._on_room = on_room
        self._closed = False
        self._refused = False

    def send(self, frame: Frame) -> None:
        """Count the frame and hand it to the first lane; does nothing once closed."""
        if not self._closed:
            self._meter.entered(frame)
            self._first.send(frame)

    def missed(self, frames: int) -> None:
        """Count frames that came before the stream was open, and for which there was no place."""
        self._meter.missed(frames, Reason.OVERFLOW)

    def end(self) -> None:
        """Tell ``on_end`` that the source has ended."""
        self.on_end(None)

    def fail(self, error: BaseException) -> None:
        """Tell ``on_end`` why the source has ended."""
        self.on_end(error)

    def room(self) -> bool:
        """Whether fewer than ``window`` frames are inside. One that hears False is told by ``on_room``."""
        if self._free():
            return True
        # Said before the second look: a frame that leaves in between finds it, or the look finds the frame gone.
        self._refused = True
        self._meter.on_gone = self._gone  # only from now on: in real time nobody is ever refused
        return self._free()

    def _free(self) -> bool:
        return self._closed or self._meter.in_flight < self._window

    def _gone(self) -> None:
        if self._refused and self._free():
            self._refused = False
            self._on_room()

    def close(self) -> None:
        """Let nothing further in, and hold nobody up. Returns at once; a `send` may still be under way."""
        self._closed = True
        self._gone()


class Fan:
    """A `Head` for a track: every stream that is attached gets each frame. Attach and detach from any thread."""

    def __init__(self, runtime: Runtime) -> None:
        self._lock = runtime.lock()
        self._heads: tuple[Head, ...] = ()
        self._ended = False
        self._error: BaseException | None = None

    @property
    def over(self) -> bool:
        """Whether the source has ended."""
        return self._ended

    def attach(self, head: Head) -> None:
        """Send ``head`` what is read from now on; one attached after the end is ended at once."""
        with self._lock:
            ended = self._ended
            if not ended:
                self._heads = (*self._heads, head)
        if ended:
            self._finish(head)

    def detach(self, head: Head) -> None:
        """Send ``head`` nothing further, not even the end; a frame may still be on its way. Idempotent."""
        with self._lock:
            self._heads = tuple(other for other in self._heads if other is not head)

    def send(self, frame: Frame) -> None:
        """Send the frame to all."""
        for head in self._heads:
            head.send(frame)

    def end(self) -> None:
        """End all."""
        self._end(None)

    def fail(self, error: BaseException) -> None:
        """End all with ``error``."""
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        with self._lock:
            self._ended = True
            self._error = error
            heads, self._heads = self._heads, ()
        for head in heads:
            self._finish(head)

    def _finish(self, head: Head) -> None:
        if self._error is None:
            head.end()
        else:
            head.fail(self._error)

    def room(self) -> bool:
        """Whether every stream has room; a track without streams never waits."""
        return all(head.room() for head in self._heads)
