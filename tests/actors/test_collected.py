"""Handles that are collected: the collector runs on any thread, in the middle of anything, and nothing waits for it."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.actors.sessionkit import frame

from greenroom.actors import (
    AudioProcessor,
    Feed,
    Frame,
    ProcessorSpec,
    ProcessorState,
    Reason,
    Session,
    Stream,
    StreamSnapshot,
    _env,
)

FRAMES = 5


class Passing(AudioProcessor):
    """Does nothing."""

    def _process(self, frame: Frame) -> Frame:
        return frame


@contextmanager
def collecting_in(lock: Any) -> Generator[None]:
    """Collect what was dropped in between while this thread is inside ``lock``, as the collector may at any moment."""
    gc.collect()
    gc.disable()
    try:
        yield
        with lock:
            gc.collect()
    finally:
        gc.enable()


def drop(stream: Stream) -> None:
    """Leave a stream in a cycle, where only the collector finds it."""
    cycle: list[Any] = [stream]
    cycle.append(cycle)


def play(story: Callable[[Session], Coroutine[Any, Any, None]]) -> None:
    """Run a story in a session with real threads."""

    async def run() -> None:
        async with Session() as session:
            await story(session)

    asyncio.run(asyncio.wait_for(run(), 30))


async def opened(session: Session, feed: Feed) -> Stream:
    """Return a stream on a feed that has been read from, with frames in it that nobody reads any more."""
    room = await session.open_room("lobby")
    track = await room.open_track("anna")
    stream = await track.open_stream([], feed=feed)
    for number in range(FRAMES + 1):
        feed.push(frame(number))
    await anext(stream)
    return stream


async def past(session: Session) -> StreamSnapshot:
    """Return the record of the only stream, when all of it is accounted for."""
    while True:
        streams = session.snapshot().past_streams
        if streams and not streams[0].in_flight:
            return streams[0]
        await asyncio.sleep(0.002)


LOCKS: dict[str, Callable[[Stream, Session], Any]] = {
    "output": lambda stream, _: stream._state.output._lock,
    "meter": lambda stream, _: stream._state.meter._lock,
    "pacer": lambda _, session: session.record().pacer._lock,
    "fan": lambda stream, _: stream._track._state.fan._lock,
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", LOCKS)
def test_a_stream_that_is_collected_waits_for_no_lock(name: str) -> None:
    """Not even for one that this very thread has; it is closed all the same, and what nobody read is counted."""

    async def story(session: Session) -> None:
        stream = await opened(session, Feed())
        with collecting_in(LOCKS[name](stream, session)):
            drop(stream)
            del stream
        assert (await past(session)).dropped == {Reason.CLOSED: FRAMES}

    play(story)


@pytest.mark.timeout(20)
def test_what_is_left_in_a_stream_that_has_ended_is_counted_when_it_is_collected() -> None:
    """Nobody can read it any more: no actor is left to say so, so a thread of the pool does."""

    async def story(session: Session) -> None:
        feed = Feed()
        stream = await opened(session, feed)
        feed.end()
        await stream.ended()
        output = stream._state.output
        await stream.released()
        assert stream.snapshot().in_flight == FRAMES
        with collecting_in(output._lock):
            drop(stream)
            del stream
        assert (await past(session)).dropped == {Reason.CLOSED: FRAMES}

    play(story)


def test_a_session_that_is_over_is_collected_whoever_holds_what_of_it() -> None:
    """Its handles' finalizers do not hold it, though an observer holds the handles: nothing was closed but the session."""

    class Keeper:
        """Somebody who observes a session, and has handles of it."""

        def __init__(self) -> None:
            self.handles: list[Any] = []

        def note(self, _: object) -> None:
            """Hear of an event."""

    over: list[weakref.ref[Any]] = []

    async def story() -> None:
        keeper = Keeper()
        async with Session(processors=[ProcessorSpec(name="own", factory=Passing)]) as session:
            session.observe(keeper.note)
            stream = await opened(session, Feed())
            keeper.handles += [stream, await session.hold("own")]
            over.extend(weakref.ref(each) for each in (keeper, session, *keeper.handles))

    asyncio.run(asyncio.wait_for(story(), 30))
    gc.collect()
    assert [each() for each in over] == [None] * 4


@pytest.mark.parametrize("most", [1, 3])
def test_a_session_remembers_so_many_of_what_is_gone_and_no_more(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its streams and processors the last ones, however long it runs; what they are told by is kept once."""
    monkeypatch.setattr(_env, "PAST_RECORDS", most)
    monkeypatch.setattr(_env, "SHARED_WORDS", 10)

    async def story(session: Session) -> None:
        room = await session.open_room("lobby")
        names: list[str] = []
        for number in range(3 * most):
            track = await room.open_track(f"guest-{number}")
            stream = await track.open_stream([ProcessorSpec(name="passing", factory=Passing)], feed=Feed())
            names.append(f"{track.key}/stream:1")
            await stream.aclose()
            await track.remove()
        while (now := session.snapshot()).processors:  # noqa: ASYNC110 - there is no event of what is forgotten
            await asyncio.sleep(0.002)
        assert [past.name.partition("track:")[2] for past in now.past_streams] == names[-most:]
        assert len(now.past_processors) == most
        assert len(session.record()._words) <= 11

    play(story)


class Fleeting:
    """The book of a processor that is over: whoever looks once finds its host and its actor, and nobody finds them twice.

    Args:
        thread: whose looks count, if not everybody's.
    """

    hung = False
    state = ProcessorState.CLOSING

    def __init__(self, thread: int | None = None) -> None:
        self.thread = thread
        self.looks = {"host": 0, "actor": 0}
        self.done = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def _once(self, name: str) -> Any:
        if self.thread not in (None, threading.get_ident()):
            return None
        self.looks[name] += 1
        return self if self.looks[name] == 1 else None

    @property
    def host(self) -> Any:
        return self._once("host")

    @property
    def actor(self) -> Any:
        return self._once("actor")

    def watch(self, what: Any) -> Any:
        """Be the actor, which has ended, or the host, which is late."""
        if callable(what):
            what(1, None)
        return Reason.LATE

    def revoke(self, _: Reason) -> None:
        self.loop.call_soon_threadsafe(self.done.set)


@pytest.mark.timeout(20)
def test_a_processor_that_is_over_may_be_forgotten_while_somebody_looks() -> None:
    """Its book lets go of host and actor on a thread of its own: who waits for its end, and the watch, look once."""

    async def story(session: Session) -> None:
        room = await session.open_room("late")
        track = await room.open_track("anna")
        stream = await track.open_stream([Passing], feed=Feed())
        record: Any = session.record()
        (name,) = stream._state.pipeline_names
        waited_for, late = Fleeting(threading.get_ident()), Fleeting()
        await stream.aclose()
        await stream.released()
        record.processors[name] = waited_for
        await stream.released()
        del record.processors[name]
        assert waited_for.looks["actor"] == 1
        kept = await track.open_stream([Passing], feed=Feed())
        record.leaving[late] = None
        await late.done.wait()
        record.leaving.pop(late)
        await kept.aclose()

    play(story)
