"""On which threads a processor is built, called and closed, by its placement; real threads."""

import asyncio
import threading

from tests.actors.sessionkit import frame

from greenroom.actors import AudioProcessor, Feed, Frame, Placement, ProcessorSpec, Session

FRAMES = 5


class Placed(AudioProcessor):
    """Notes the thread of each call."""

    def __init__(self, threads: list[threading.Thread]) -> None:
        self._threads = threads
        threads.append(threading.current_thread())

    def _process(self, frame: Frame) -> Frame:
        self._threads.append(threading.current_thread())
        return frame

    def _close(self) -> None:
        self._threads.append(threading.current_thread())


def threads_of(placement: Placement) -> list[threading.Thread]:
    """Return the threads of a build, of each frame, and of the close."""
    threads: list[threading.Thread] = []

    async def story() -> None:
        spec = ProcessorSpec(name="placed", factory=Placed, options={"threads": threads}, placement=placement)
        async with Session() as session:
            track = await (await session.open_room("lobby")).open_track("anna")
            feed = Feed()
            stream = await track.open_stream([spec], feed=feed)
            number = 0
            while len(threads) <= FRAMES:  # the first ones may pass by while it is being built
                feed.push(frame(number))
                await anext(stream)
                number += 1

    asyncio.run(asyncio.wait_for(story(), 30))
    assert len(threads) == FRAMES + 2
    return threads


def test_pinned_is_always_the_same_thread() -> None:
    """Its own: from the build to the close."""
    threads = threads_of(Placement.PINNED)
    assert len(set(threads)) == 1
    assert threads[0].name == "greenroom-worker-1"


def test_thread_is_one_of_the_crews() -> None:
    """Not the event loop's, nor one of its own."""
    assert all(thread.name.startswith("greenroom-crew-") for thread in threads_of(Placement.THREAD))


def test_inline_is_the_thread_that_brings_the_frame() -> None:
    """Here the event loop's, which pushes; what is not about a frame is done elsewhere."""
    built, *called, closed = threads_of(Placement.INLINE)
    assert set(called) == {threading.main_thread()}
    assert not {built, closed} & set(called)
