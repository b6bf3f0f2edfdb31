"""The tail of a stream: a bounded buffer between the pipeline's threads and its one consumer.

A consumer registers how it is woken; it is woken once for many frames, and takes them one after the other. Frames
count as out when the consumer takes them, so what lies here when it goes away is counted ``closed``.
"""

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from greenroom.actors._meter import StreamMeter
from greenroom.actors.frames import Frame
from greenroom.actors.processors import Reason
from greenroom.actors.sources import Sink
from greenroom.supervision import Future, Hang
from greenroom.supervision.runtime import Executor, Runtime

YIELD_EVERY_FRAMES: Final = 64
"""After so many frames without waiting an iteration lets the event loop's other tasks have their turn."""
WRITES_PER_TURN: Final = 64
"""After so many frames a sink gives its blocking thread to the next one."""

NOTHING: Final[deque[Frame]] = deque(maxlen=0)
"""What is in an output that was closed; nothing can be put in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What a consumer takes after the last frame.

    Attributes:
        error: what the stream failed with, or None.
        closed: the output was closed; there was no orderly end.
    """

    error: BaseException | None
    closed: bool


_running_loop: Final = asyncio._get_running_loop  # pyright: ignore[reportPrivateUsage] - quicker than to raise


class Output:
    """A `FrameReceiver`. When full, the oldest frame is dropped and counted ``overflow`` (FAST never fills it).

    All methods: any thread; `push` and `send` by one at a time, and `take` too. A frame leaves the buffer by one
    ``popleft``, which is atomic: so who takes needs no lock as long as there is something to take.
    """

    def __init__(self, runtime: Runtime, meter: StreamMeter, *, capacity: int) -> None:
        self._lock = runtime.lock()
        self._meter = meter
        self._capacity = capacity
        self._frames: deque[Frame] = deque()
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None
        self._asleep = False
        self._wake: Callable[[], None] | None = None

    def push(self, frames: Sequence[Frame]) -> None:
        """Take frames; any beyond the capacity push out the oldest."""
        self._meter.finished(frames)
        lost: Sequence[Frame] = ()
        reason = Reason.OVERFLOW
        with self._lock:
            if self._closed:
                lost, reason = frames, Reason.CLOSED
            else:
                self._frames.extend(frames)
                if len(self._frames) > self._capacity:
                    lost = self._excess()
            wake = self._rouse()
        for frame in lost:
            self._meter.dropped(frame, reason)
        if wake is not None:
            wake()

    def send(self, frame: Frame) -> None:
        """Take one frame: the same as `push`, at less cost."""
        self._meter.passed(frame)
        lost: Sequence[Frame] = ()
        reason = Reason.OVERFLOW
        wake: Callable[[], None] | None = None
        with self._lock:
            if self._closed:
                lost, reason = (frame,), Reason.CLOSED
            else:
                self._frames.append(frame)
                if len(self._frames) > self._capacity:
                    lost = self._excess()
            if self._asleep:
                self._asleep = False
                wake = self._wake
        for each in lost:
            self._meter.dropped(each, reason)
        if wake is not None:
            wake()

    def _excess(self) -> Sequence[Frame]:
        """Take out what is too much, but not what the consumer takes meanwhile. Under the lock."""
        lost: list[Frame] = []
        while len(self._frames) > self._capacity:
            with suppress(IndexError):
                lost.append(self._frames.popleft())
        return lost

    def end(self) -> None:
        """The last frame is in; the consumer gets what is left, then the end. Idempotent."""
        self._finish(None)

    def fail(self, error: BaseException) -> None:
        """Like `end`, but after what is left the consumer gets ``error``. Does nothing after an `end`."""
        self._finish(error)

    def _finish(self, error: BaseException | None) -> None:
        with self._lock:
            if not self._ended:
                self._ended = True
                self._error = error
            wake = self._rouse()
        if wake is not None:
            wake()

    def close(self) -> None:
        """Drop what is left, and what still comes, as ``closed``. The consumer gets the end. Idempotent."""
        with self._lock:
            self._closed = self._ended = True
            lost, self._frames = (
                self._frames,
                NOTHING,
            )  # a session remembers thousands of outputs that are closed
            wake = self._rouse()
        # One by one, as the consumer may be taking one of them.
        with suppress(IndexError):
            while True:
                self._meter.dropped(lost.popleft(), Reason.CLOSED)
        if wake is not None:
            wake()

    @property
    def unread(self) -> bool:
        """Whether there is something to read, or may still come."""
        return not self._closed and (not self._ended or bool(self._frames))

    # The consumer's side.

    def serve(self, wake: Callable[[], None]) -> None:
        """Have ``wake()`` called, on any thread, when there is something to `take` after it gave None."""
        self._wake = wake

    def take(self) -> Frame | End | None:
        """Return the next frame, or the `End` (again and again), or None: then there will be one wake-up."""
        frames = self._frames
        if frames:
            try:
                frame = frames.popleft()
            except IndexError:
                return self.take()  # it was dropped meanwhile
            self._meter.left(1)
            return frame
        with self._lock:
            if not self._frames:
                if self._ended:
                    return End(error=self._error, closed=self._closed)
                self._asleep = True
                return None
        return self.take()

    def _rouse(self) -> Callable[[], None] | None:
        if not self._asleep:
            return None
        self._asleep = False
        return self._wake


class Waker:
    """Wakes the consumers of one loop: one call into the loop for all that have frames at about the same time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._due: deque[Callable[[], None]] = deque()
        self._called = False

    def wake(self, consumer: Callable[[], None]) -> None:
        """Have ``consumer()`` called on the loop. Any thread.

        Raises:
            RuntimeError: the loop is closed.
        """
        loop = self._loop()
        if loop is None or loop.is_closed():
            self._due.clear()
            raise RuntimeError("the event loop is closed")
        self._due.append(consumer)
        if not self._called:
            self._called = True
            loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        # Said first: who comes while this runs calls again, at worst for nothing.
        self._called = False
        due = self._due
        while due:
            due.popleft()()


_wakers: Final[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Waker]] = weakref.WeakKeyDictionary()


def waker_of(loop: asyncio.AbstractEventLoop) -> Waker:
    """Return the waker of ``loop``; on its thread."""
    waker = _wakers.get(loop)
    if waker is None:
        waker = _wakers[loop] = Waker(loop)
    return waker


def _itself(error: BaseException) -> BaseException:
    return error


class StreamIterator(AsyncIterator[Frame]):
    """The consumer on an asyncio loop; made on that loop. One task at a time may iterate.

    ``failed`` makes what is raised of what the stream failed with.

    Ends when the output has ended, or raises its failure. A task that is cancelled while it waits loses nothing:
    frames leave the output only when they are returned.
    """

    def __init__(self, output: Output, failed: Callable[[BaseException], BaseException] = _itself) -> None:
        self._output = output
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._waker = waker_of(self._loop)
        self._waiter: asyncio.Future[None] | None = None
        self._in_a_row = 0
        output.serve(self._on_frames)

    def __aiter__(self) -> "StreamIterator":
        return self

    async def __anext__(self) -> Frame:
        """Return the next frame.

        Raises:
            StopAsyncIteration: the stream has ended, or was closed.
            RuntimeError: another task is iterating.
            BaseException: what the stream failed with.
        """
        self._in_a_row += 1
        if self._in_a_row >= YIELD_EVERY_FRAMES:
            self._in_a_row = 0
            await asyncio.sleep(0)
        while (taken := self._output.take()) is None:
            if self._waiter is not None:
                raise self._failed(
                    RuntimeError(
                        "another task is iterating over this stream already; open a second stream for it"
                    )
                )
            self._in_a_row = 0
            self._waiter = waiter = self._future()
            try:
                await waiter
            finally:
                self._waiter = None
        if isinstance(taken, Frame):
            return taken
        if taken.error is not None:
            raise self._failed(taken.error) from taken.error
        raise StopAsyncIteration

    def _future(self) -> Any:
        """Return what is completed when there is something to take."""
        return self._loop.create_future()

    def _on_frames(self) -> None:
        if _running_loop() is self._loop:  # the pipeline runs inline
            self._wake()
            return
        try:
            self._waker.wake(self._wake)
        except RuntimeError:
            # The loop was closed without closing the stream: nobody will ever iterate.
            self._output.close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Iterate no further: closes the output. On the loop's thread."""
        self._output.close()
        self._wake()


class SimulatedIterator(StreamIterator):
    """The consumer in a simulation: whoever waits for a frame runs the simulation until there is one."""

    def __init__(
        self, output: Output, runtime: Any, failed: Callable[[BaseException], BaseException]
    ) -> None:
        super().__init__(output, failed)
        self._runtime = runtime

    def _future(self) -> Any:
        arrived: Future[None] = Future(self._runtime, "a stream's next frame")
        self._output.serve(partial(_arrived, arrived))
        return arrived


def _arrived(arrived: Future[None]) -> None:
    arrived.try_set(None)


class SinkWriter:
    """The consumer that writes to a `Sink`, on a thread that may block, in order.

    Args:
        output: what to write; `Output.close` has the sink abort.
        sink: exactly one of ``finish`` and ``abort`` is called, last; ``abort`` also after ``finish`` has raised.
        executor: a blocking one.
        on_done: called once. None: the sink has finished, or the output was closed. Otherwise the sink's own error
            or the stream's, and the sink was told to abort. May only enqueue.
    """

    def __init__(
        self, output: Output, sink: Sink, executor: Executor, on_done: Callable[[BaseException | None], None]
    ) -> None:
        self._output = output
        self._sink = sink
        self._executor = executor
        self._on_done = on_done
        output.serve(self._submit)
        self._submit()

    def _submit(self) -> None:
        self._executor.submit(self)

    def run(self) -> None:
        """Write what is there, up to a turn's worth: the writer is the task that is submitted."""
        for _ in range(WRITES_PER_TURN):
            taken = self._output.take()
            if taken is None:
                return
            try:
                if isinstance(taken, Frame):
                    self._sink.write(taken)
                    continue
                if taken.error is None and not taken.closed:
                    self._sink.finish()
                    self._on_done(None)
                    return
            except Hang:
                raise
            except BaseException as raised:  # noqa: BLE001 - foreign code: whatever it raises ends this stream
                self._abort(raised)
            else:
                self._abort(taken.error)
            return
        self._submit()

    def _abort(self, error: BaseException | None) -> None:
        try:
            self._sink.abort()
        except Hang:
            raise
        except BaseException as raised:  # noqa: BLE001 - as above
            error = error or raised
        self._output.close()
        self._on_done(error)
