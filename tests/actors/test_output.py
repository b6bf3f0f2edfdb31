"""The tail of a stream and its two kinds of consumers."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
from tests.actors.lanekit import ManualExecutor, ManualRuntime, frame, number_of

from greenroom.actors._meter import StreamMeter
from greenroom.actors._output import YIELD_EVERY_FRAMES, End, Output, SinkWriter, StreamIterator
from greenroom.actors.frames import Frame
from greenroom.actors.processors import Reason
from greenroom.supervision.runtime import Runtime


class Tail:
    """An output with its books."""

    def __init__(self, capacity: int = 100) -> None:
        runtime = cast("Runtime", ManualRuntime())
        self.meter = StreamMeter(runtime)
        self.output = Output(runtime, self.meter, capacity=capacity)
        self.count = 0

    def push(self, count: int) -> None:
        frames = [frame(number) for number in range(self.count, self.count + count)]
        self.count += count
        for given in frames:
            self.meter.entered(given)
        self.output.push(frames)

    def check(self) -> None:
        meter = self.meter
        assert meter.frames_in == meter.frames_out + sum(meter.dropped_by_reason().values()) + meter.in_flight


class MemorySink:
    """A sink that writes down what it is told, and fails when told to."""

    def __init__(self, *, fails_at: str = "") -> None:
        self.told: list[object] = []
        self.fails_at = fails_at

    def _tell(self, what: object, kind: str) -> None:
        self.told.append(what)
        if kind == self.fails_at:
            raise OSError("disk full")

    def write(self, frame: Frame) -> None:
        self._tell(number_of(frame), "write")

    def finish(self) -> None:
        self._tell("finish", "finish")

    def abort(self) -> None:
        self._tell("abort", "abort")


def test_a_full_output_drops_the_oldest() -> None:
    """Counted as overflow; what is left is the newest, in order."""
    tail = Tail(capacity=3)
    tail.push(5)
    taken = [tail.output.take() for _ in range(3)]
    assert [number_of(given) for given in taken if isinstance(given, Frame)] == [2, 3, 4]
    assert tail.meter.dropped_by_reason() == {Reason.OVERFLOW: 2}
    tail.check()


def test_a_consumer_is_woken_once_for_many_frames() -> None:
    """Only when it found nothing, and once until it has looked again."""
    tail = Tail()
    woken: list[None] = []
    tail.output.serve(lambda: woken.append(None))
    tail.push(3)
    assert woken == []
    while isinstance(tail.output.take(), Frame):
        pass
    tail.push(2)
    tail.push(2)
    assert len(woken) == 1


def test_the_end_comes_after_the_last_frame() -> None:
    """Again and again, with the first cause."""
    tail = Tail()
    tail.push(1)
    error = OSError("gone")
    tail.output.fail(error)
    tail.output.end()
    assert isinstance(tail.output.take(), Frame)
    assert tail.output.take() == tail.output.take() == End(error=error, closed=False)


def test_a_closed_output_drops_what_it_has_and_what_comes() -> None:
    """Counted as closed; the books are balanced."""
    tail = Tail()
    tail.push(2)
    tail.output.close()
    tail.push(1)
    assert tail.meter.dropped_by_reason() == {Reason.CLOSED: 3}
    assert tail.output.take() == End(error=None, closed=True)
    tail.check()


async def collect(iterator: StreamIterator) -> list[int]:
    """Return the numbers of all frames to the end."""
    return [number_of(given) async for given in iterator]


def test_an_iteration_yields_all_frames_and_ends() -> None:
    """Those that were there, and those that come from another thread while it waits."""

    async def main() -> list[int]:
        tail = Tail()
        tail.push(2)
        task = asyncio.ensure_future(collect(StreamIterator(tail.output)))
        await asyncio.sleep(0)
        await asyncio.to_thread(tail.push, 2)
        await asyncio.to_thread(tail.output.end)
        return await task

    assert asyncio.run(main()) == [0, 1, 2, 3]


def test_an_iteration_raises_what_the_stream_failed_with() -> None:
    """After the frames that came before."""

    async def main() -> None:
        tail = Tail()
        iterator = StreamIterator(tail.output)
        tail.push(1)
        tail.output.fail(OSError("truncated"))
        assert number_of(await anext(iterator)) == 0
        with pytest.raises(OSError, match="truncated"):
            await anext(iterator)

    asyncio.run(main())


def test_an_iteration_lets_others_run() -> None:
    """Though it never has to wait."""

    async def main() -> None:
        tail = Tail(capacity=1000)
        tail.push(2 * YIELD_EVERY_FRAMES)
        tail.output.end()
        seen: list[int] = []
        asyncio.get_running_loop().call_soon(lambda: seen.append(tail.meter.frames_out))
        await collect(StreamIterator(tail.output))
        assert seen
        assert seen[0] < YIELD_EVERY_FRAMES

    asyncio.run(main())


def test_a_cancelled_iteration_loses_nothing() -> None:
    """The next one goes on where it was."""

    async def main() -> None:
        tail = Tail()
        iterator = StreamIterator(tail.output)
        waiting = asyncio.ensure_future(anext(iterator))
        await asyncio.sleep(0)
        waiting.cancel()
        tail.push(1)
        await asyncio.sleep(0)
        assert waiting.cancelled()
        assert number_of(await anext(iterator)) == 0

    asyncio.run(main())


def test_two_tasks_may_not_iterate_at_a_time() -> None:
    """The second one hears what to do."""

    async def main() -> None:
        iterator = StreamIterator(Tail().output)
        first = asyncio.ensure_future(anext(iterator))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="second stream"):
            await anext(iterator)
        iterator.close()
        with pytest.raises(StopAsyncIteration):
            await first

    asyncio.run(main())


def test_a_closed_loop_closes_the_output() -> None:
    """Whoever pushes hears nothing of it, and frames are counted as closed."""
    tail = Tail()

    async def main() -> None:
        waiting = asyncio.ensure_future(anext(StreamIterator(tail.output)))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(main())
    tail.push(2)
    assert tail.meter.dropped_by_reason() == {Reason.CLOSED: 2}
    tail.check()


def writer(tail: Tail, sink: MemorySink) -> tuple[ManualExecutor, list[BaseException | None]]:
    """Return the executor of a new writer, and what its end was."""
    done: list[BaseException | None] = []
    executor = ManualExecutor()
    SinkWriter(tail.output, sink, executor, done.append)
    return executor, done


def test_a_sink_gets_all_frames_and_is_finished() -> None:
    """In order, a turn at a time."""
    tail, sink = Tail(capacity=1000), MemorySink()
    tail.push(100)
    executor, done = writer(tail, sink)
    executor.step()
    assert len(sink.told) < 100
    executor.drain()
    tail.push(1)
    tail.output.end()
    executor.drain()
    assert sink.told == [*range(101), "finish"]
    assert done == [None]
    tail.check()


def close(tail: Tail) -> None:
    """End as a consumer that goes away."""
    tail.output.close()


def fail(tail: Tail) -> None:
    """End as a stream that fails."""
    tail.output.fail(OSError("source"))


@pytest.mark.parametrize(
    ("fails_at", "ending", "told", "error"),
    [
        ("write", close, [0, "abort"], "disk full"),
        ("finish", None, [0, 1, "finish", "abort"], "disk full"),
        ("", fail, [0, 1, "abort"], "source"),
        ("", close, ["abort"], None),
        ("abort", close, ["abort"], "disk full"),
    ],
)
def test_whatever_goes_wrong_the_sink_aborts(
    fails_at: str, ending: Callable[[Tail], None] | None, told: list[object], error: str | None
) -> None:
    """Once, last, and the cause is told; frames that come later are counted as closed."""
    tail, sink = Tail(), MemorySink(fails_at=fails_at)
    tail.push(2)
    if fails_at != "write" and ending is not None:
        ending(tail)
    if fails_at == "finish":
        tail.output.end()
    executor, done = writer(tail, sink)
    executor.drain()
    tail.push(1)
    executor.drain()
    assert sink.told == told
    assert [str(given) if given else None for given in done] == [error]
    assert tail.meter.in_flight == 0
    tail.check()
