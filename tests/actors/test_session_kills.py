"""Any of our own actors is killed at any moment: what should be there comes back, frames go on, the laws hold."""

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
from pykka.messages import ProxyGetAttr
from tests.actors.sessionkit import CREDENTIALS, MS, Collected, Counting, Journal, elapse, play, until

from greenroom.actors import Pace, Room, Session, Track
from greenroom.supervision import ActorRef


def _named(session: Session, wanted: Callable[[Any], bool]) -> list[Any]:
    """Return the cells of the session's tree that ``wanted`` picks."""
    assert session._system is not None
    found = list(session._system.roots())
    for cell in found:
        found.extend(list(cell.children or ()))
    return [cell for cell in found if wanted(cell)]


KINDS = [
    "RoomActor", "TrackActor", "StreamActor", "ProcessorActor", "ProcessorWorker", "HoldsActor",
    "ProcessorsActor", "RoomsActor", "WatchActor",
]  # fmt: skip


def kill(cell: Any, how: str) -> None:
    """Crash an actor by a message, or fence it where it stands."""
    if how == "poison":
        ref: ActorRef[Any] = cell.ref
        ref.send(ProxyGetAttr(attr_path=("nothing_of_that_name",)))
    else:
        cell.fence("killed by a test")


@pytest.mark.parametrize("how", ["poison", "fence"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_who_is_killed_is_replaced_and_frames_go_on(seed: int, kind: str, how: str) -> None:
    """After the death of any one actor the stream delivers frames, processed, and everything comes to rest."""
    journal = Journal()
    dice = random.Random(seed)  # noqa: S311 - dice for tests are no secret

    async def story(session: Session) -> None:
        room = await session.open_room("lobby", credentials=CREDENTIALS)
        track = await room.add_track("TR_1", participant="g", source=Counting(100_000))
        sink = Collected()
        stream = await track.open_stream([journal.spec(), journal.spec("q")], sink=sink)
        lease = await session.hold(journal.spec("held"))
        await elapse(session, dice.randrange(60) * MS)
        for cell in _named(session, lambda cell: cell.actor_class.__name__ == kind):
            kill(cell, how)
        await elapse(session, 300 * MS)
        before = len(sink.numbers)
        await until(session, lambda: len(sink.numbers) > before + 50)
        assert sink.numbers == sorted(set(sink.numbers))
        assert not lease.over
        await lease.release()
        await track.remove()
        await stream.ended()
        assert sink.ends == ["finish"]
        assert session.rooms == {"lobby": room}

    _, report = play(seed, story, pace=Pace.REALTIME)
    assert len(journal.closed()) == len(set(journal.closed())) == journal.built
    assert not report.snapshot.rooms


@pytest.mark.parametrize("how", ["poison", "fence"])
@pytest.mark.parametrize("seed", range(6))
def test_who_is_cancelled_while_its_room_fails_leaves_no_track(seed: int, how: str) -> None:
    """Whichever of both comes first, and however far the room has come with it: the name is free again."""

    async def opened(room: Room, turns: int, then: int, *, killed_first: bool) -> None:
        task = asyncio.ensure_future(room.open_track("g"))
        for _ in range(turns):
            await asyncio.sleep(0)
        strikes: list[Callable[[], object]] = [task.cancel, lambda: kill(room.ref._cell, how)]
        for strike in reversed(strikes) if killed_first else strikes:
            strike()
            for _ in range(then):
                await asyncio.sleep(0)
        (found,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(found, Track):
            await found.remove()

    async def story(session: Session) -> None:
        for turns, then, killed_first in itertools.product(range(1, 6), range(5), (False, True)):
            room = await session.open_room("lobby", credentials=CREDENTIALS)
            await opened(room, turns, then, killed_first=killed_first)
            await elapse(session, 11_000 * MS)  # so that nobody takes it for one that fails too often
            assert room.tracks == {}
            assert room._state.tracks == {}
            await room.open_track("g")
            await room.close()

    play(seed, story, pace=Pace.REALTIME)
