"""What a processor is told of its room, callback by callback, over many orders of events."""

from tests.actors.sessionkit import (
    CREDENTIALS,
    MS,
    SECOND,
    TOKEN,
    Collected,
    Counting,
    Journal,
    elapse,
    numbers,
    play,
    sim,
    until,
)

from greenroom.actors import Credentials, Pace, Room, Session, Track

FIRST = [("info", "lobby", "g", "TR_1"), ("credentials", TOKEN, "wss://one")]
LAST = [("info cleared",), ("credentials cleared",), ("close",)]
NEWER = Credentials(token="sekrit-token-2", url="wss://one")


async def lobby(session: Session, frames: int = 100) -> tuple[Room, Track]:
    """Return a room with a track."""
    room = await session.open_room("lobby", credentials=CREDENTIALS)
    return room, await room.add_track("TR_1", participant="g", source=Counting(frames))


@sim
def test_a_processor_hears_where_it_is_then_frames_then_the_end(seed: int) -> None:
    """Info, credentials, frames, info cleared, credentials cleared, close: in this order, nothing twice."""
    journal = Journal()

    async def story(session: Session) -> list[int]:
        _, track = await lobby(session)
        return await numbers(await track.open_stream([journal.spec()]))

    found, _ = play(seed, story)
    assert found == list(range(100))
    assert journal.told() == [*FIRST, *LAST]
    assert journal.names() == [
        "info", "credentials", "frame", "info cleared", "credentials cleared", "close",
    ]  # fmt: skip


@sim
def test_a_room_without_credentials_pushes_and_clears_none(seed: int) -> None:
    """Where there are no credentials neither their callback nor its undoing is called."""
    journal = Journal()

    async def story(session: Session) -> None:
        room = await session.open_room("lobby")
        track = await room.add_track("TR_1", participant="g", source=Counting())
        await numbers(await track.open_stream([journal.spec()]))

    play(seed, story)
    assert journal.told() == [FIRST[0], ("info cleared",), ("close",)]


@sim
def test_a_refreshed_token_is_pushed_alone(seed: int) -> None:
    """A refresh pushes the new credentials, and nothing else."""
    journal = Journal()

    async def story(session: Session) -> None:
        room, track = await lobby(session)
        stream = await track.open_stream([journal.spec()])
        await numbers(stream, 10)
        await room.refresh(NEWER)
        await until(session, lambda: len(journal.told()) > 2)
        await numbers(stream)

    play(seed, story)
    assert journal.told() == [*FIRST, ("credentials", "sekrit-token-2", "wss://one"), *LAST]


@sim
def test_a_track_that_comes_later_gets_the_refreshed_token(seed: int) -> None:
    """The room's newest credentials are those of tracks and streams that come after the refresh."""
    journal = Journal()

    async def story(session: Session) -> None:
        room, track = await lobby(session)
        await room.refresh(NEWER)
        await numbers(await track.open_stream([journal.spec()]))

    play(seed, story)
    assert journal.told() == [FIRST[0], ("credentials", "sekrit-token-2", "wss://one"), *LAST]


@sim
def test_a_full_reconnect_pushes_both_again(seed: int) -> None:
    """After a reconnect with new sids the same instance is told both, without a clear, and no frame is lost."""
    journal = Journal()

    async def story(session: Session) -> list[int]:
        room, track = await lobby(session)
        stream = await track.open_stream([journal.spec()])
        head = await numbers(stream, 10)
        await room.reconnect({"TR_1": "TR_2"}, NEWER)
        assert track.sid == "TR_2"
        return head + await numbers(stream)

    found, _ = play(seed, story)
    assert found == list(range(100))
    assert journal.built == 1
    assert journal.told() == [
        *FIRST, ("info", "lobby", "g", "TR_2"), ("credentials", "sekrit-token-2", "wss://one"), *LAST,
    ]  # fmt: skip


@sim
def test_a_full_reconnect_with_the_same_sids_pushes_both_again(seed: int) -> None:
    """Servers often give the same sids again: the processor is told all the same."""
    journal = Journal()

    async def story(session: Session) -> None:
        room, track = await lobby(session)
        stream = await track.open_stream([journal.spec()])
        await numbers(stream, 10)
        await room.reconnect({"TR_1": "TR_1"})
        await numbers(stream)

    play(seed, story)
    assert journal.told() == [*FIRST, *FIRST, *LAST]


@sim
def test_a_track_that_comes_back_within_the_grace_gets_its_processor(seed: int) -> None:
    """While a room reconnects a removed track's processor stays open, and is pointed at the one that comes back."""
    journal = Journal()

    async def story(session: Session) -> None:
        room, track = await lobby(session)
        first = await track.open_stream([journal.spec()])
        await numbers(first, 10)
        await room.reconnecting()
        await room.remove_track(track)
        again = await room.add_track("TR_2", participant="g", source=Counting())
        stream = await again.open_stream([journal.spec()])
        await room.reconnected()
        assert len(await numbers(stream)) == 30

    play(seed, story)
    assert journal.built == 1
    cleared = LAST[:2]
    assert journal.told() == [*FIRST, *cleared, ("info", "lobby", "g", "TR_2"), FIRST[1], *LAST]


@sim
def test_a_track_that_does_not_come_back_loses_its_processor(seed: int) -> None:
    """When the grace is over, what nobody uses is closed; who comes later gets a new one."""
    journal = Journal()

    async def story(session: Session) -> None:
        room, track = await lobby(session)
        first = await track.open_stream([journal.spec()])
        await numbers(first, 10)
        await room.reconnecting(grace_ns=2 * SECOND)
        await room.remove_track(track)
        await elapse(session, 1900 * MS)
        assert journal.closed() == []
        await elapse(session, 200 * MS)
        assert journal.closed() == [1]
        again = await room.add_track("TR_2", participant="g", source=Counting())
        await numbers(await again.open_stream([journal.spec()]))

    play(seed, story)
    assert journal.built == 2
    assert journal.told() == [*FIRST, *LAST]


@sim
def test_a_track_moves_to_another_room_with_its_processor(seed: int) -> None:
    """A move pushes both anew with nothing cleared in between, loses no frame, and ends the old room's say."""
    journal = Journal()

    async def story(session: Session) -> list[int]:
        room, track = await lobby(session)
        stage = await session.open_room("stage", credentials=NEWER)
        stream = await track.open_stream([journal.spec()])
        head = await numbers(stream, 10)
        await room.move_track(track, stage, "TR_9")
        assert (track.room, track.sid, list(room.tracks), list(stage.tracks)) == (
            stage,
            "TR_9",
            [],
            [track.key],
        )
        await room.refresh(Credentials(token="sekrit-token-3", url="wss://one"))
        await room.close()
        return head + await numbers(stream)

    found, _ = play(seed, story)
    assert found == list(range(100))
    assert journal.built == 1
    assert journal.told() == [
        *FIRST, ("info", "stage", "g", "TR_9"), ("credentials", "sekrit-token-2", "wss://one"), *LAST,
    ]  # fmt: skip


@sim
def test_a_move_to_a_room_without_credentials_takes_them_away(seed: int) -> None:
    """The old room's token does not stay with the new room's info."""
    journal = Journal()

    async def story(session: Session) -> None:
        room, track = await lobby(session)
        stage = await session.open_room("stage")
        stream = await track.open_stream([journal.spec()])
        await numbers(stream, 10)
        await room.move_track(track, stage)
        await numbers(stream)

    play(seed, story)
    assert journal.told() == [
        *FIRST, ("info", "stage", "g", "TR_1"), ("credentials cleared",), ("info cleared",), ("close",),
    ]  # fmt: skip


@sim
def test_who_leaves_is_cleared_once_and_closed(seed: int) -> None:
    """However many ways say that somebody has left: both are cleared once, then the processor is closed once."""
    journal = Journal()

    async def story(session: Session) -> None:
        room, track = await lobby(session, 10_000)
        sink = Collected()
        stream = await track.open_stream([journal.spec()], sink=sink)
        await until(session, lambda: len(sink.numbers) > 10)
        await room.leave("g")
        await room.leave("g")
        await track.remove()
        await room.remove_track("TR_1")
        await stream.aclose()
        await stream.ended()
        assert sink.ends == ["finish"]
        assert sink.numbers == list(range(len(sink.numbers)))

    play(seed, story)
    assert journal.told() == [*FIRST, *LAST]


@sim
def test_the_older_lease_takes_over_when_the_newer_one_ends(seed: int) -> None:
    """Two tracks share a processor: it hears the newer one's, then the older one's again; it is never cleared between."""
    journal = Journal()

    async def story(session: Session) -> None:
        room, track = await lobby(session, 2_000)
        spec = journal.spec(shared=True)
        first = await track.open_stream([spec], sink=Collected())
        await until(session, lambda: len(journal.told()) == 2)
        other = await room.add_track("TR_2", participant="h", source=Counting(10))
        second = await other.open_stream([spec], sink=Collected())
        await second.ended()
        await second.drain()
        await until(session, lambda: len(journal.told()) == 6)
        await first.aclose()

    play(seed, story, pace=Pace.REALTIME)
    assert journal.built == 1
    assert journal.told() == [
        *FIRST, ("info", "lobby", "h", "TR_2"), FIRST[1], *FIRST, *LAST,
    ]  # fmt: skip


@sim
def test_a_new_instance_is_told_everything_again(seed: int) -> None:
    """After a crash the next instance hears info and credentials before its first frame; the old one was cleared."""
    journal = Journal()

    def plan(instance: int, what: str, number: int) -> None:
        if (instance, what, number) == (1, "frame", 10):
            raise RuntimeError("as planned")

    journal.plan = plan

    async def story(session: Session) -> list[int]:
        _, track = await lobby(session)
        return await numbers(await track.open_stream([journal.spec()]))

    found, _ = play(seed, story)
    assert found == list(range(100))
    for instance in (1, 2):
        assert journal.told(instance) == [*FIRST, *LAST]
    assert journal.names(2)[2] == "frame"
