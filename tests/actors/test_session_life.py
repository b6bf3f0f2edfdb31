"""Sessions, rooms, tracks and streams from open to close: in order, twice, at once, cancelled, forgotten."""

import asyncio
import gc
import threading
from typing import Any

import pytest
from tests.actors.sessionkit import (
    CREDENTIALS,
    MS,
    Collected,
    Counting,
    Journal,
    count,
    elapse,
    numbers,
    play,
    sim,
    simulated,
    until,
)

from greenroom.actors import (
    Credentials,
    DuplicateName,
    EventKind,
    Lease,
    NotAProcessor,
    NotThere,
    Pace,
    ProcessorSpec,
    Room,
    RoomClosed,
    Session,
    SessionClosed,
    SessionReport,
    Stream,
    StreamClosed,
    StreamFailed,
    Track,
    TrackClosed,
    UnknownProcessor,
)

LONG = 100_000


async def lobby(session: Session, frames: int = LONG) -> tuple[Room, Track]:
    """Return a room with a track."""
    room = await session.open_room("lobby", credentials=CREDENTIALS)
    return room, await room.add_track("TR_1", participant="g", source=Counting(frames))


# -- orderly ---------------------------------------------------------------------------------------------------


@sim
def test_what_is_opened_is_listed_and_what_is_closed_is_not(seed: int) -> None:
    """Rooms, tracks and streams are listed under their names while they are open, and only then."""

    async def story(session: Session) -> None:
        room, track = await lobby(session)
        stream = await track.open_stream(name="main")
        assert session.rooms == {"lobby": room}
        assert room.tracks == {"g/microphone": track}
        assert track.streams == {"main": stream}
        assert (track.key, track.sid, track.participant, track.room) == ("g/microphone", "TR_1", "g", room)
        await stream.aclose()
        assert track.streams == {}
        await track.remove()
        assert room.tracks == {}
        await room.close()
        assert session.rooms == {}
        await room.close()

    _, report = play(seed, story, pace=Pace.REALTIME)
    assert not report.snapshot.rooms


@sim
def test_a_name_can_be_used_again_once_its_owner_is_closed(seed: int) -> None:
    """When `close`, `remove_track` or `aclose` has returned, the name is free."""

    async def story(session: Session) -> None:
        for _ in range(3):
            room = await session.open_room("lobby")
            for _ in range(3):
                track = await room.add_track("TR_1", participant="g", source=Counting(LONG))
                for _ in range(3):
                    stream = await track.open_stream(name="main")
                    await stream.aclose()
                await room.remove_track("TR_1")
            await room.close()

    play(seed, story, pace=Pace.REALTIME)


@sim
def test_two_of_one_name_are_refused(seed: int) -> None:
    """The second room, track or stream of a name is refused, also when both are asked for at once."""

    async def story(session: Session) -> None:
        both = await asyncio.gather(
            session.open_room("lobby"), session.open_room("lobby"), return_exceptions=True
        )
        assert [type(each) for each in both] == [Room, DuplicateName]
        room = session.rooms["lobby"]
        tracks = [room.add_track("TR_1", participant="g", source=Counting(LONG)) for _ in range(2)]
        found = await asyncio.gather(*tracks, return_exceptions=True)
        assert sorted(type(each).__name__ for each in found) == ["DuplicateName", "Track"]
        with pytest.raises(DuplicateName, match="TR_1"):
            await room.add_track("TR_1", participant="other", source=Counting())
        track = room.tracks["g/microphone"]
        stream = await track.open_stream(name="main")
        sink = Collected()
        with pytest.raises(DuplicateName, match="stream 'main'"):
            await track.open_stream(name="main", sink=sink)
        await until(session, lambda: sink.ends == ["abort"])
        await session.declare(ProcessorSpec(name="p", factory=Journal().factory))
        with pytest.raises(DuplicateName, match="processor 'p'"):
            await session.declare(ProcessorSpec(name="p", factory=Journal().factory))
        await stream.aclose()

    play(seed, story, pace=Pace.REALTIME)


def test_two_specs_of_one_name_are_refused_on_entering() -> None:
    """A session with two specs of one name does not start, and leaves nothing behind."""

    async def story() -> None:
        specs = [ProcessorSpec(name="p", factory=Journal().factory) for _ in range(2)]
        with pytest.raises(DuplicateName, match="processor 'p'"):
            await Session(processors=specs, runtime=simulated(0)).__aenter__()

    asyncio.run(story())


@pytest.mark.parametrize("bad", ["", " ", "a/b", "a\nb", 300 * "x", 7, None])
def test_a_name_that_cannot_be_read_is_refused(bad: Any) -> None:
    """Names are printable texts without a slash, at most 256 characters: the error says which one is not."""

    async def story(session: Session) -> None:
        with pytest.raises(ValueError, match="room name"):
            await session.open_room(bad)
        room, track = await lobby(session)
        for kind, given in (
            ("sid", {"sid": bad}),
            ("participant", {"participant": bad}),
            ("source_name", {"source_name": bad}),
        ):
            values: dict[str, Any] = {"sid": "TR_2", "participant": "h", "source": Counting(), **given}
            with pytest.raises(ValueError, match=kind):
                await room.add_track(values.pop("sid"), **values)
        if bad is not None:
            with pytest.raises(ValueError, match="name"):
                await track.open_stream(name=bad)

    play(0, story, pace=Pace.REALTIME)


def test_names_may_be_as_long_as_a_server_allows() -> None:
    """Identities of 256 characters, as LiveKit allows, work; two that differ only at their end are two."""

    async def story(session: Session) -> list[int]:
        room = await session.open_room(256 * "r")
        await room.add_track("TR_1", participant=255 * "p" + "1", source_name=256 * "s", source=Counting())
        other = await room.add_track(
            "TR_2", participant=255 * "p" + "2", source_name=256 * "s", source=Counting()
        )
        found = await numbers(await other.open_stream())
        await other.remove()
        assert len(room.tracks) == 1
        return found

    assert play(0, story)[0] == list(range(30))


# -- after the end ---------------------------------------------------------------------------------------------


@sim
def test_what_is_closed_says_so(seed: int) -> None:
    """Whoever uses a stream, lease, track, room or session after its end is told what is closed."""
    held: dict[str, Any] = {}

    async def story(session: Session) -> None:
        journal = Journal()
        room, track = await lobby(session)
        stream = await track.open_stream()
        lease = await session.hold(journal.spec())
        held.update(room=room, track=track, lease=lease, session=session)
        await stream.aclose()
        await stream.aclose()
        with pytest.raises(StreamClosed):
            await lease.transfer(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        await track.remove()
        with pytest.raises(TrackClosed, match="g/microphone"):
            await track.open_stream()
        await room.close()
        with pytest.raises(RoomClosed, match="lobby"):
            await room.add_track("TR_2", participant="h", source=Counting())
        with pytest.raises(RoomClosed):
            await room.refresh(CREDENTIALS)

    play(seed, story, pace=Pace.REALTIME)

    async def afterwards() -> None:
        session: Session = held["session"]
        with pytest.raises(SessionClosed, match="is closed"):
            await session.open_room("again")
        with pytest.raises(SessionClosed):
            await session.hold("p")
        with pytest.raises(SessionClosed):
            await held["room"].add_track("TR_1", participant="g", source=Counting())
        with pytest.raises(SessionClosed):
            await held["track"].open_stream()
        await held["lease"].release()
        await held["room"].close()
        assert session.snapshot().rooms == ()

    asyncio.run(afterwards())


def test_a_session_is_entered_before_it_is_used_and_once() -> None:
    """Before it is entered, a session says how; a second time it refuses; closing one that never was is refused too."""

    async def story() -> None:
        session = Session(runtime=simulated(0))
        for use in (session.open_room("lobby"), session.close(), session.hold("p")):
            with pytest.raises(SessionClosed, match="async with"):
                await use
        with pytest.raises(SessionClosed):
            session.snapshot()
        async with session:
            with pytest.raises(SessionClosed, match="once"):
                await session.__aenter__()

    asyncio.run(story())


@sim
def test_who_is_not_there_is_no_error_to_end_but_one_to_use(seed: int) -> None:
    """Removing and leaving are idempotent; reconnecting or moving what is not there names what there is."""

    async def story(session: Session) -> None:
        room, track = await lobby(session)
        stage = await session.open_room("stage")
        await room.remove_track("TR_9")
        await room.leave("nobody")
        with pytest.raises(NotThere, match=r"no track 'TR_9'; known: TR_1"):
            await room.reconnected({"TR_9": "TR_10"})
        with pytest.raises(NotThere):
            await stage.move_track(track, room)
        await stage.add_track("TR_7", participant="g", source=Counting())
        with pytest.raises(DuplicateName):
            await room.move_track(track, stage)
        assert room.tracks == {"g/microphone": track}
        assert track.room is room

    play(seed, story, pace=Pace.REALTIME)


@sim
def test_what_is_no_processor_is_refused(seed: int) -> None:
    """An unknown name suggests the nearest; a thing that is no processor is told what would do."""

    async def story(session: Session) -> None:
        _, track = await lobby(session)
        with pytest.raises(UnknownProcessor, match="did you mean 'denoise'"):
            await track.open_stream(["denoize"])
        for nonsense in (7, object(), None):
            with pytest.raises(NotAProcessor, match="give a name"):
                await track.open_stream([nonsense])
            with pytest.raises(NotAProcessor):
                await session.hold(nonsense)
        with pytest.raises(NotAProcessor):
            await session.declare("p")  # type: ignore[arg-type]

    play(seed, story, pace=Pace.REALTIME, processors=[Journal().spec("denoise")])


# -- cancelled, forgotten --------------------------------------------------------------------------------------


async def closing(opened: Room | Track | Stream | Lease) -> None:
    """Close what was opened."""
    match opened:
        case Room():
            await opened.close()
        case Track():
            await opened.remove()
        case Stream():
            await opened.aclose()
        case Lease():
            await opened.release()


@pytest.mark.parametrize("turns", range(0, 24, 3))
@sim
def test_who_is_cancelled_while_opening_leaves_nothing(seed: int, turns: int) -> None:
    """A room, track, stream or lease whose opener was cancelled is closed again; its name can be used."""
    journal = Journal()

    async def cancelled(opening: Any) -> None:
        task = asyncio.ensure_future(opening)
        for _ in range(turns):
            await asyncio.sleep(0)
        if task.done():
            await closing(task.result())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def story(session: Session) -> None:
        room, track = await lobby(session)
        sink = Collected()
        await cancelled(session.open_room("other"))
        await cancelled(room.add_track("TR_2", participant="h", source=Counting(LONG)))
        await cancelled(track.open_stream([journal.spec()], name="main", sink=sink))
        await cancelled(session.hold(journal.spec()))
        gc.collect()
        await elapse(session, 200 * MS)
        assert list(session.rooms) == ["lobby"]
        assert list(room.tracks) == ["g/microphone"]
        assert len(journal.closed()) == journal.built
        assert not sink.ends or sink.ends == ["abort"]
        await session.open_room("other")
        await room.add_track("TR_2", participant="h", source=Counting(LONG))
        await track.open_stream([journal.spec()], name="main", sink=Collected())

    play(seed, story, pace=Pace.REALTIME)


@sim
def test_a_stream_that_is_forgotten_is_closed(seed: int) -> None:
    """A stream whose handle is dropped without `aclose` is collected, ends, and its processor is closed."""
    journal = Journal()

    async def story(session: Session) -> None:
        _, track = await lobby(session)
        stream: Stream | None = await track.open_stream([journal.spec()])
        assert stream is not None
        await numbers(stream, 5)
        stream = None
        gc.collect()
        await until(session, lambda: journal.closed() == [1])
        assert track.streams == {}

    play(seed, story, pace=Pace.REALTIME)


@sim
def test_an_iteration_that_is_cancelled_loses_nothing(seed: int) -> None:
    """Who stops iterating can go on later, from the next frame on."""

    async def story(session: Session) -> list[int]:
        _, track = await lobby(session, 200)
        stream = await track.open_stream()
        head = await numbers(stream, 7)
        task = asyncio.ensure_future(anext(stream))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return head + await numbers(stream)

    assert play(seed, story)[0] == list(range(200))


@sim
def test_closing_goes_on_when_its_caller_is_cancelled(seed: int) -> None:
    """A close that is cancelled closes all the same; every close gives the same report."""

    async def story() -> tuple[SessionReport, SessionReport]:
        session = await Session(runtime=simulated(seed)).__aenter__()
        _, track = await lobby(session)
        await track.open_stream([Journal().spec()], sink=Collected())
        task = asyncio.ensure_future(session.close())
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await session.close(), await session.close()

    one, other = asyncio.run(story())
    assert one is other
    assert all(verdict.held for verdict in one.verdicts)


@sim
def test_a_session_closes_while_everything_is_under_way(seed: int) -> None:
    """Whatever is being opened, held, moved, refreshed or closed meanwhile: the session ends, and the laws hold."""
    journal = Journal()

    async def story() -> SessionReport:
        session = await Session(runtime=simulated(seed)).__aenter__()
        room, track = await lobby(session)
        stage = await session.open_room("stage")
        await track.open_stream([journal.spec()], sink=Collected())
        spare = await session.hold(journal.spec("held"))
        busy = [
            asyncio.ensure_future(each)
            for each in (
                session.open_room("late"), room.add_track("TR_2", participant="h", source=Counting(LONG)),
                track.open_stream([journal.spec("q")], sink=Collected()), session.hold(journal.spec("r")),
                room.move_track(track, stage), room.refresh(CREDENTIALS), stage.close(), spare.release(),
                room.reconnecting(),
            )
        ]  # fmt: skip
        for _ in range(seed * 3):
            await asyncio.sleep(0)
        report = await session.close()
        await asyncio.gather(*busy, return_exceptions=True)
        return report

    report = asyncio.run(story())
    assert [verdict for verdict in report.verdicts if not verdict.held] == []
    assert sorted(journal.closed()) == sorted(set(journal.closed()))
    assert len(journal.closed()) == journal.built


# -- sources and sinks -----------------------------------------------------------------------------------------


@sim
def test_a_source_that_fails_fails_its_streams(seed: int) -> None:
    """One that cannot be opened, or breaks while it is read: every stream of it fails with that cause."""

    async def story(session: Session) -> None:
        room = await session.open_room("lobby")
        for sid, source, frames in (
            ("TR_1", Counting(fail_open=OSError("not there")), 0),
            ("TR_2", Counting(fail_at=(4, OSError("broken"))), 4),
        ):
            track = await room.add_track(sid, participant=sid, source=source)
            stream = await track.open_stream()
            assert len(await numbers(stream, frames)) == frames
            with pytest.raises(StreamFailed, match=r"stream:1 failed: OSError: (not there|broken)") as failed:
                await numbers(stream)
            assert isinstance(failed.value.cause, OSError)
            sink = Collected()
            late = await track.open_stream(sink=sink)
            with pytest.raises(StreamFailed):
                await late.ended()
            assert sink.ends == ["abort"]

    _, report = play(seed, story)
    assert count(report, EventKind.STREAM_FAILED) == 4


@sim
def test_a_sink_that_fails_fails_its_stream_and_no_other(seed: int) -> None:
    """A full disk ends that stream with its error, aborts that sink, and leaves the track's other stream alone."""

    async def story(session: Session) -> list[int]:
        _, track = await lobby(session, 100)
        sink, good = Collected(fail_at=5), Collected()
        stream = await track.open_stream(sink=sink)
        other = await track.open_stream(sink=good)
        with pytest.raises(StreamFailed, match="disk full"):
            await stream.ended()
        await other.ended()
        assert sink.ends == ["abort"]
        assert good.ends == ["finish"]
        return good.numbers

    found = play(seed, story)[0]
    assert found == list(range(found[0], 100))


@sim
def test_drain_lets_out_what_is_inside(seed: int) -> None:
    """`drain` ends a stream after its last frame was written; `aclose` drops what is inside and counts it."""

    async def story(session: Session) -> None:
        _, track = await lobby(session)
        sink = Collected()
        stream = await track.open_stream([Journal().spec()], sink=sink)
        await until(session, lambda: len(sink.numbers) > 5)
        await stream.drain()
        assert sink.ends == ["finish"]
        snapshot = stream.snapshot()
        assert snapshot.ended
        assert snapshot.frames_in == snapshot.frames_out == len(sink.numbers)
        with pytest.raises(StreamFailed, match="a sink takes its frames"):
            await anext(stream)

    play(seed, story, pace=Pace.REALTIME)


# -- several, and for long -------------------------------------------------------------------------------------


def test_two_sessions_in_one_loop_know_nothing_of_each_other() -> None:
    """The same names in two sessions are two things; one closes, the other goes on."""

    async def story() -> None:
        async with Session("one", pace=Pace.FAST) as one, Session("two", pace=Pace.FAST) as two:
            streams = [
                await (await lobby(each, 50))[1].open_stream([Journal().spec()]) for each in (one, two)
            ]
            assert await numbers(streams[0]) == list(range(50))
            await one.close()
            assert await numbers(streams[1]) == list(range(50))
        for session in (one, two):
            assert all(verdict.held for verdict in (await session.close()).verdicts)

    asyncio.run(story())


def test_sessions_in_two_loops_on_two_threads() -> None:
    """Each thread has its loop and its session; both play to the end."""
    found: list[list[int]] = []

    def run() -> None:
        async def story(session: Session) -> list[int]:
            return await numbers(await (await lobby(session, 100))[1].open_stream([Journal().spec()]))

        found.append(play(None, story)[0])

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [list(range(100))] * 2


def test_openings_do_not_add_up() -> None:
    """After the second hundred of rooms, tracks, streams, leases and processors there is no more than after the first."""

    async def story(session: Session) -> list[int]:
        sizes: list[int] = []
        journal = Journal()
        for number in range(200):
            room = await session.open_room(
                f"room-{number}", credentials=Credentials(token=f"sekrit-{number}")
            )
            track = await room.add_track("TR_1", participant="g", source=Counting(3))
            async with await session.hold(journal.spec(f"p{number}")):
                await numbers(await track.open_stream([journal.spec(f"p{number}")]))
            await room.close()
            if number % 100 == 99:
                gc.collect()
                record = session.record()
                sizes.append(
                    len(record.rooms) + len(record.holds) + len(record.processors) + len(record.leaving)
                )
                live = [
                    each
                    for each in gc.get_objects()
                    if type(each).__name__ in ("Cell", "Track", "Room", "Lease")
                ]
                sizes.append(len(live) if number == 99 else len(live) - sizes[1])
        return sizes

    sizes = play(0, story, steps=2_000_000)[0]
    assert sizes[0] == sizes[2] == 0
    assert abs(sizes[3]) <= 5
