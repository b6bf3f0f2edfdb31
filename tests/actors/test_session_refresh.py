"""New credentials for a room with many streams: told some at a time, so that the process has time for its audio."""

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

from tests.actors.sessionkit import CREDENTIALS, Journal, elapse, play, sim, until

from greenroom.actors import Credentials, Feed, Room, Session, StreamInfo, Track
from greenroom.actors._refreshing import PAUSE_NS, STREAMS_AT_ONCE

TRACKS = 3 * STREAMS_AT_ONCE
TWO = Credentials(token="sekrit-token-2", url="wss://one")
THREE = Credentials(token="sekrit-token-3", url="wss://one")


class Ear:
    """Writes down which processor is told which token, and when."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.journal.plan = self._note
        self.session: Session | None = None
        self.at: Counter[int] = Counter()

    def _note(self, _number: int, what: str, _count: int) -> None:
        if what == "credentials" and self.session is not None:
            self.at[self.session.record().runtime.now_ns()] += 1

    def tokens(self, instance: int) -> list[str]:
        """Return what one processor was told, in order."""
        return [values[0] for what, *values in self.journal.told(instance) if what == "credentials"]

    def told(self, credentials: Credentials) -> int:
        """Return how many processors know this, as the newest."""
        token = credentials.token.reveal()
        return sum(self.tokens(number)[-1:] == [token] for number in range(1, self.journal.built + 1))


async def crowd(session: Session, ear: Ear, tracks: int = TRACKS) -> tuple[Room, list[tuple[Track, Any]]]:
    """Return a room with so many tracks, each with a stream whose processor knows where it is."""
    room = await session.open_room("lobby", credentials=CREDENTIALS)
    found: list[tuple[Track, Any]] = []
    for number in range(tracks):
        track = await room.open_track(f"p{number}")
        track.point(StreamInfo(room_name="lobby", participant_identity=track.key, publication_sid="TR"))
        found.append((track, await track.open_stream([ear.journal.spec(f"p{number}")], feed=Feed())))
    await until(session, lambda: ear.told(CREDENTIALS) == tracks)
    ear.session = session
    return room, found


@sim
def test_a_large_room_is_told_some_at_a_time(seed: int) -> None:
    """Every processor hears of it once; never more at one instant than the limit, and a pause in between."""
    ear = Ear()

    async def story(session: Session) -> None:
        room, _ = await crowd(session, ear)
        await room.refresh(TWO)
        await until(session, lambda: ear.told(TWO) == TRACKS)

    play(seed, story)
    assert all(len(ear.tokens(number)) == 2 for number in range(1, TRACKS + 1))
    assert max(ear.at.values()) <= STREAMS_AT_ONCE
    instants = sorted(ear.at)
    assert len(instants) == 3
    assert all(later - earlier >= PAUSE_NS for earlier, later in pairwise(instants))


@sim
def test_a_small_room_is_told_at_once(seed: int) -> None:
    """Up to the limit nobody waits for anything."""
    ear = Ear()

    async def story(session: Session) -> None:
        room, _ = await crowd(session, ear, STREAMS_AT_ONCE)
        await room.refresh(TWO)
        await until(session, lambda: ear.told(TWO) == STREAMS_AT_ONCE)

    play(seed, story)
    assert len(ear.at) == 1


@sim
def test_a_refresh_takes_the_place_of_one_that_is_under_way(seed: int) -> None:
    """Both are answered; every processor ends with the newest, and none hears an older one after a newer one."""
    ear = Ear()

    async def story(session: Session) -> None:
        room, _ = await crowd(session, ear)
        first = asyncio.ensure_future(room.refresh(TWO))
        await elapse(session, PAUSE_NS // 2)
        assert 0 < ear.told(TWO) < TRACKS
        await room.refresh(THREE)
        await first
        await until(session, lambda: ear.told(THREE) == TRACKS)

    play(seed, story)
    order = [each.token.reveal() for each in (CREDENTIALS, TWO, THREE)]
    for number in range(1, TRACKS + 1):
        heard = [order.index(token) for token in ear.tokens(number)]
        assert heard == sorted(set(heard)), heard


@sim
def test_who_leaves_or_comes_during_a_refresh_is_no_hindrance(seed: int) -> None:
    """A track that has left is not told; one that comes has the newest from the start; the rest hears of it."""
    ear = Ear()

    async def story(session: Session) -> None:
        room, found = await crowd(session, ear)
        refresh = asyncio.ensure_future(room.refresh(TWO))
        await elapse(session, PAUSE_NS // 2)
        last, stream = found[-1]
        await last.remove()
        await stream.released()
        late = await room.open_track("late")
        late.point(StreamInfo(room_name="lobby", participant_identity="late", publication_sid="TR"))
        await late.open_stream([ear.journal.spec("late")], feed=Feed())
        await refresh
        await until(session, lambda: ear.told(TWO) == TRACKS)

    play(seed, story)
    assert ear.tokens(TRACKS) == [CREDENTIALS.token.reveal()]
    assert ear.tokens(TRACKS + 1) == [TWO.token.reveal()]
