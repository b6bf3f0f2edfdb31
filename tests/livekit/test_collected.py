"""Streams and rooms that are collected: the collector runs on any thread, in the middle of anything, and waits for no lock."""

import asyncio
import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.actors.test_collected import collecting_in
from tests.livekit.sdkkit import Scribe, Sfu, Voice, play, until

from greenroom.actors import Session
from greenroom.adapters.livekit import Attachment, AudioStream, attach

pytestmark = pytest.mark.timeout(30)


def in_a_cycle(*things: Any) -> None:
    """Leave them where only the collector finds them."""
    cycle: list[Any] = [*things]
    cycle.append(cycle)


def output_of(stream: AudioStream) -> Any:
    """Return where its frames wait to be read."""
    line: Any = stream._line
    return line.stream._state.output


@dataclass(frozen=True)
class There:
    """What there is of one stream."""

    stream: AudioStream
    attachment: Attachment
    session: Session


LOCKS: dict[str, Callable[[There], Any]] = {
    "output": lambda there: output_of(there.stream)._lock,
    "seat": lambda there: there.stream._line.seat._lock,
    "hall": lambda there: there.attachment.hall._lock,
    "attachment": lambda there: there.attachment._lock,
    "parking": lambda there: there.attachment._parking._lock,
    "pacer": lambda there: there.session.record().pacer._lock,
}


@pytest.mark.parametrize("name", LOCKS)
def test_a_stream_that_is_collected_waits_for_no_lock(name: str) -> None:
    """It is closed, with its processor, although it was dropped while this very thread had the lock."""

    async def story() -> None:
        async with Session() as session:
            sfu = Sfu()
            attachment = attach(session, sfu.room)
            scribe = Scribe()
            stream = AudioStream(sfu.enter("anna", "TR_1", Voice().start()), processors=scribe)
            await anext(stream)
            with collecting_in(LOCKS[name](There(stream, attachment, session))):
                in_a_cycle(stream)
                del stream
            await until(lambda: scribe.closed)

    play(story)


def test_a_stream_of_a_loop_that_is_closed_is_collected_without_a_lock() -> None:
    """Nothing runs on its loop any more: a thread of the session's gives back what it holds."""

    async def story() -> None:
        async with Session() as session:
            held, scribe = await _elsewhere(session, None)
            stream = held.pop()
            output = output_of(stream)
            with collecting_in(output._lock):
                in_a_cycle(stream)
                del stream
            await until(lambda: scribe.closed)

    play(story)


def test_a_room_of_a_loop_that_is_closed_is_collected_without_a_lock() -> None:
    """Its tracks are left all the same."""

    async def story() -> None:
        async with Session() as session:
            rooms: list[Sfu] = []
            held, scribe = await _elsewhere(session, rooms)
            attachment = attach(session, rooms[0].room)
            with collecting_in(attachment._lock):
                in_a_cycle(rooms.pop())
            await until(lambda: attachment.closed)
            await until(lambda: scribe.closed)
            assert len(held) == 1

    play(story)


async def _elsewhere(session: Session, rooms: list[Sfu] | None) -> tuple[list[AudioStream], Scribe]:
    """Open a stream in a loop of its own, in a room if ``rooms`` can take it; that loop is closed without a goodbye."""
    held: list[AudioStream] = []
    scribe = Scribe()

    async def listen() -> None:
        voice = Voice().start()
        if rooms is None:
            track: Any = voice.track
        else:
            rooms.append(Sfu())
            attach(session, rooms[0].room)
            track = rooms[0].enter("anna", "TR_1", voice)
        stream = AudioStream(track, processors=scribe, session=session)
        await anext(stream)
        held.append(stream)

    def live() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(listen())
        loop.close()
        gc.collect()

    thread = threading.Thread(target=live)
    thread.start()
    await until(lambda: not thread.is_alive())
    return held, scribe
