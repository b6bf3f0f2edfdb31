"""The tail of a stream: a bounded buffer between the pipeline's threads and its one consumer."""

from collections.abc import AsyncIterator, Callable, Sequence

from greenroom.actors._meter import StreamMeter
from greenroom.actors.frames import Frame
from greenroom.actors.sources import Sink
from greenroom.supervision.runtime import Executor, Runtime


class Output:
    """A `FrameReceiver`. When full, the oldest frame is dropped and counted ``overflow`` (FAST never fills it).

    All methods: any thread. `push` by one at a time.
    """

    def __init__(self, runtime: Runtime, meter: StreamMeter, *, capacity: int) -> None: ...

    def push(self, frames: Sequence[Frame]) -> None: ...

    def end(self) -> None:
        """The last frame is in; the consumer gets what is left, then the end. Idempotent."""

    def fail(self, error: BaseException) -> None:
        """Like `end`, but after what is left the consumer gets ``error``."""

    def close(self) -> None:
        """Drop what is left, and what still comes, as ``closed``. The consumer gets the end. Idempotent."""


class StreamIterator(AsyncIterator[Frame]):
    """The consumer on an asyncio loop; made on that loop. One task at a time may iterate.

    Ends when the output has ended (StopAsyncIteration) or raises its failure; never leaks when cancelled.
    """

    def __init__(self, output: Output) -> None: ...

    async def __anext__(self) -> Frame:
        raise NotImplementedError

    def close(self) -> None:
        """Iterate no further: closes the output."""


class SinkWriter:
    """The consumer that writes to a `Sink`, on a thread that may block, in order.

    Args:
        on_done: called once: None when the sink has finished; else the error, and the sink was told to abort:
            the sink's own (``write`` or ``finish`` raised), or the stream's. `Output.close` aborts, with None.
            May only enqueue.
    """

    def __init__(
        self, output: Output, sink: Sink, executor: Executor, on_done: Callable[[BaseException | None], None]
    ) -> None: ...
