"""Who holds a processor open, who may use it, and when it is closed: leases as people see them."""

import asyncio
import gc
from typing import Any

import pytest
from tests.actors.sessionkit import (
    CREDENTIALS,
    MS,
    Collected,
    Counting,
    Journal,
    Scribe,
    elapse,
    play,
    sim,
    until,
)

from greenroom.actors import (
    Lease,
    LeaseOver,
    Pace,
    ProcessorState,
    Room,
    Session,
    Stream,
    StreamClosed,
    Track,
)

LONG = 100_000


async def lobby(session: Session) -> tuple[Room, Track]:
    """Return a room with a track."""
    room = await session.open_room("lobby", credentials=CREDENTIALS)
    return room, await room.add_track("TR_1", participant="g", source=Counting(LONG))


async def open_to(track: Track, *pipeline: object) -> tuple[Stream, Collected]:
    """Open a stream into a sink."""
    sink = Collected()
    return await track.open_stream(list(pipeline), sink=sink), sink


@sim
def test_a_shared_processor_is_closed_by_the_last_one_out(seed: int) -> None:
    """Two streams share one: it goes on under the second when the first closes, and is closed with the second."""
    journal = Journal()
    spec = journal.spec(shared=True)

    async def story(session: Session) -> None:
        _, track = await lobby(session)
        (first, one), (second, two) = await open_to(track, spec), await open_to(track, spec)
        await until(session, lambda: min(len(one.numbers), len(two.numbers)) > 5)
        await first.aclose()
        assert journal.closed() == []
        before = len(two.numbers)
        await until(session, lambda: len(two.numbers) > before + 10)
        await second.aclose()
        await until(session, lambda: journal.closed() == [1])

    play(seed, story, pace=Pace.REALTIME)
    assert journal.built == 1


@sim
def test_streams_never_share_what_is_not_shared(seed: int) -> None:
    """However many streams open at once through a spec that is not shared: each has an instance of its own."""
    journal = Journal()

    async def story(session: Session) -> None:
        _, track = await lobby(session)
        opened = await asyncio.gather(*(open_to(track, journal.spec()) for _ in range(4)))
        assert len({stream.snapshot().pipeline for stream, _ in opened}) == 4

    play(seed, story, pace=Pace.REALTIME)
    assert journal.built == 4


@sim
def test_an_instance_given_twice_is_one_processor(seed: int) -> None:
    """The same instance in two streams is shared, and closed once, by the last one out."""
    journal = Journal()

    async def story(session: Session) -> None:
        _, track = await lobby(session)
        instance = Scribe(journal)
        (first, _), (second, _) = await open_to(track, instance), await open_to(track, instance)
        assert first.snapshot().pipeline == second.snapshot().pipeline
        await first.aclose()
        assert journal.closed() == []
        await second.aclose()
        await until(session, lambda: journal.closed() == [1])

    play(seed, story, pace=Pace.REALTIME)


@sim
def test_a_hold_keeps_a_processor_open_and_the_next_stream_adopts_it(seed: int) -> None:
    """Held, a processor outlives its stream; the next stream uses it; the hold's end lets it go with that stream."""
    journal = Journal()

    async def story(session: Session) -> None:
        _, track = await lobby(session)
        lease = await session.hold(journal.spec())
        first, _ = await open_to(track, journal.spec())
        assert first.snapshot().pipeline == (lease.processor,)
        await first.aclose()
        await elapse(session, 100 * MS)
        assert journal.closed() == []
        second, _ = await open_to(track, journal.spec())
        assert second.snapshot().pipeline == (lease.processor,)
        await lease.release()
        await lease.release()
        assert lease.over
        await elapse(session, 100 * MS)
        assert journal.closed() == []
        await second.aclose()
        await until(session, lambda: journal.closed() == [1])

    play(seed, story, pace=Pace.REALTIME)
    assert journal.built == 1


@sim
def test_a_lease_in_a_pipeline_is_that_very_processor(seed: int) -> None:
    """A stream given a lease uses that processor; nobody else adopts it meanwhile; a lease that is over is refused."""
    journal = Journal()

    async def story(session: Session) -> None:
        _, track = await lobby(session)
        lease = await session.hold(journal.spec())
        stream, _ = await open_to(track, lease)
        other, _ = await open_to(track, journal.spec())
        assert stream.snapshot().pipeline == (lease.processor,) != other.snapshot().pipeline
        await lease.release()
        with pytest.raises(LeaseOver, match="hold the processor again"):
            await open_to(track, lease)

    play(seed, story, pace=Pace.REALTIME)
    assert journal.built == 2


@sim
def test_a_lease_that_is_transferred_ends_with_its_stream(seed: int) -> None:
    """Given to a stream, a lease keeps the processor open as long as the stream lives, and no longer."""
    journal = Journal()

    async def story(session: Session) -> None:
        _, track = await lobby(session)
        stream, _ = await open_to(track)
        lease = await session.hold(journal.spec())
        await lease.transfer(stream)
        assert lease.over
        with pytest.raises(LeaseOver):
            await lease.transfer(stream)
        await lease.release()
        await elapse(session, 100 * MS)
        assert journal.closed() == []
        await stream.aclose()
        await until(session, lambda: journal.closed() == [1])
        spare = await session.hold(journal.spec())
        with pytest.raises(StreamClosed):
            await spare.transfer(stream)
        assert not spare.over

    play(seed, story, pace=Pace.REALTIME)


@sim
def test_a_lease_that_is_transferred_as_its_processor_dies(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who hears late that it is the stream's, and was given another processor meanwhile, lets go of that one."""
    journal = Journal()

    async def story(session: Session) -> None:
        _, track = await lobby(session)
        stream, _ = await open_to(track)
        lease = await session.hold(journal.spec())
        asked = session.ask

        async def heard_late(ref: Any, message: Any) -> Any:
            answer = await asked(ref, message)
            ref._cell.fence("killed by a test")
            await until(session, lambda: lease.processor == "p#2")
            return answer

        monkeypatch.setattr(session, "ask", heard_late)
        await lease.transfer(stream)
        assert lease.over
        await until(session, lambda: not session.record().processors)
        assert not stream.over

    play(seed, story, pace=Pace.REALTIME)
    assert journal.built == 2


@sim
def test_a_lease_that_is_forgotten_is_given_back(seed: int) -> None:
    """A lease whose handle is collected, or whose block is left, is over."""
    journal = Journal()

    async def story(session: Session) -> None:
        lease: Lease | None = await session.hold(journal.spec())
        assert lease is not None
        lease = None
        gc.collect()
        await until(session, lambda: journal.closed() == [1])
        async with await session.hold(journal.spec()) as held:
            assert held.processor == "p#2"
        await until(session, lambda: journal.closed() == [1, 2])

    play(seed, story)


@sim
def test_what_is_kept_for_a_track_is_nobody_elses(seed: int) -> None:
    """While a room reconnects, a new participant gets a processor of their own, not the one that waits for its owner."""
    journal = Journal()

    async def story(session: Session) -> None:
        room, track = await lobby(session)
        stream, _ = await open_to(track, journal.spec())
        await room.reconnecting()
        await track.remove()
        stranger = await room.add_track("TR_2", participant="stranger", source=Counting(LONG))
        theirs, _ = await open_to(stranger, journal.spec())
        again = await room.add_track("TR_3", participant="g", source=Counting(LONG))
        ours, _ = await open_to(again, journal.spec())
        assert ours.snapshot().pipeline == stream.snapshot().pipeline != theirs.snapshot().pipeline
        await room.reconnected()

    play(seed, story, pace=Pace.REALTIME)
    assert journal.built == 2


WAITING: dict[ProcessorState, dict[str, Any]] = {
    ProcessorState.BUILDING: {},
    ProcessorState.RESTARTING: {"backoff_ns": 1_000 * MS, "backoff_max_ns": 1_000 * MS, "intensity": 100},
    ProcessorState.DEGRADED: {"intensity": 0, "retry_ns": 5_000 * MS},
}


@sim
@pytest.mark.parametrize("state", WAITING)
def test_a_processor_may_lose_its_last_lease_in_any_state(seed: int, state: ProcessorState) -> None:
    """Closing while it is being built, waits for its back-off or is degraded: it is closed once, if it was built, and gone."""
    journal = Journal()
    building = state is ProcessorState.BUILDING

    def plan(_instance: int, what: str, _number: int) -> None:
        if what == "build" and not building:
            raise RuntimeError("cannot be built")

    journal.plan = plan

    async def story(session: Session) -> None:
        lease = await session.hold(journal.spec("p", **WAITING[state]))
        if not building:
            await until(session, lambda: session.snapshot().processors[0].state is state)
            await elapse(session, 50 * MS)
        await lease.release()
        await until(session, lambda: not session.snapshot().processors)

    play(seed, story, pace=Pace.REALTIME)
    assert len(journal.closed()) == (journal.built if building else 0)
