"""Feeds, tracks that are pointed, streams that are stopped, processors that are kept: the seam for live rooms."""

import asyncio
from typing import Any

import pytest
from pykka.messages import ProxyGetAttr
from tests.actors.sessionkit import (
    CREDENTIALS,
    SECOND,
    Journal,
    elapse,
    frame,
    number_of,
    numbers,
    play,
    sim,
    until,
)

from greenroom.actors import (
    Credentials,
    EventKind,
    Feed,
    Pace,
    Session,
    SessionError,
    StreamClosed,
    StreamFailed,
    StreamInfo,
)
from greenroom.actors.feed import WAITING_FRAMES

ANNA = StreamInfo(room_name="Lobby", participant_identity="anna k", publication_sid="TR_1")


class Head:
    """Where a feed's frames go, in a test without actors."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def send(self, given: Any) -> None:
        self.heard.append(number_of(given))

    def missed(self, frames: int) -> None:
        self.heard.append(f"missed {frames}")

    def end(self) -> None:
        self.heard.append("end")

    def fail(self, error: BaseException) -> None:
        self.heard.append(str(error))


def heads(count: int = 1) -> list[Any]:
    """Return so many heads."""
    return [Head() for _ in range(count)]


def test_frames_wait_for_a_head_and_go_in_with_the_next_push() -> None:
    """What comes before a stream is open comes out first, on the pusher's thread; the oldest beyond the limit are counted."""
    feed, (head,) = Feed(), heads()
    for number in range(WAITING_FRAMES + 2):
        feed.push(frame(number))
    feed.attach(head)
    assert head.heard == []
    feed.push(frame(WAITING_FRAMES + 2))
    assert head.heard == ["missed 2", *range(2, WAITING_FRAMES + 3)]


def test_the_end_takes_along_what_waits() -> None:
    """An end before the stream is open is told when it is, after the frames; a second head is told again; one end counts."""
    feed, (first, second) = Feed(), heads(2)
    feed.push(frame(0))
    feed.end(ValueError("line cut"))
    feed.end()
    assert feed.over
    feed.attach(first)
    assert first.heard == [0, "line cut"]
    feed.detach(first)
    feed.attach(second)
    assert second.heard == ["line cut"]


def test_what_was_lost_on_the_way_is_counted() -> None:
    """At once if there is a head, behind what waits; with the next push otherwise."""
    feed, (head,) = Feed(), heads()
    feed.push(frame(0))
    feed.missed(2)
    feed.attach(head)
    assert head.heard == []
    feed.missed(3)
    assert head.heard == ["missed 5", 0]
    feed.push(frame(1))
    assert head.heard == ["missed 5", 0, 1]


def test_between_two_heads_frames_wait() -> None:
    """A stream that starts over misses nothing; a head that is not there any more gets nothing."""
    feed, (first, second) = Feed(), heads(2)
    feed.attach(first)
    feed.push(frame(0))
    feed.detach(second)
    feed.detach(first)
    feed.push(frame(1))
    feed.attach(second)
    feed.end()
    assert (first.heard, second.heard) == ([0], [1, "end"])


def test_a_feed_tells_once_that_it_is_closed() -> None:
    """Afterwards nothing is taken."""
    told: list[str] = []
    feed, (head,) = Feed(on_closed=lambda: told.append("closed")), heads()
    assert not feed.closed
    feed.push(frame(0))
    feed.close()
    feed.close()
    assert feed.closed
    feed.push(frame(1))
    feed.attach(head)
    feed.push(frame(2))
    assert told == ["closed"]
    assert head.heard == [2]  # nobody attaches a closed one: a stream's actor that does has been told to end


async def fed(session: Session, journal: Journal, feed: Feed, **values: Any) -> Any:
    """Open a stream that is fed, on a track of its own."""
    room = await session.open_room("lobby", credentials=CREDENTIALS)
    track = await room.open_track("anna", source_name="microphone")
    return track, await track.open_stream([journal.spec()], feed=feed, **values)


@sim
def test_what_is_pushed_comes_out(seed: int) -> None:
    """In order, before and after the stream is open; its end is the stream's, and the feed is told."""
    journal, told = Journal(), list[str]()

    async def story(session: Session) -> list[int]:
        feed = Feed(on_closed=lambda: told.append("closed"))
        for number in range(3):
            feed.push(frame(number))
        _, stream = await fed(session, journal, feed)
        await until(session, lambda: journal.built == 1)
        for number in range(3, 6):
            feed.push(frame(number))
        feed.end()
        found = await numbers(stream)
        await stream.ended()
        await stream.released()
        return found

    found, _ = play(seed, story)
    assert found == [0, 1, 2, 3, 4, 5]
    assert told == ["closed"]
    assert journal.closed() == [1]


@sim
def test_a_feed_that_fails_fails_its_stream(seed: int) -> None:
    """What came before is handed out, then the error."""
    journal = Journal()

    async def story(session: Session) -> list[int]:
        feed = Feed()
        feed.push(frame(0))
        feed.end(OSError("gone"))
        _, stream = await fed(session, journal, feed)
        found = [number_of(await anext(stream))]
        with pytest.raises(StreamFailed, match="gone"):
            await anext(stream)
        return found

    found, _ = play(seed, story)
    assert found == [0]


@sim
def test_a_stream_that_starts_over_goes_on_with_its_feed(seed: int) -> None:
    """A StreamActor that crashes is replaced, and what is pushed meanwhile waits for the next one."""
    journal = Journal()

    async def story(session: Session) -> list[int]:
        feed = Feed()
        _, stream = await fed(session, journal, feed)
        feed.push(frame(0))
        found = [number_of(await anext(stream))]
        before = stream.ref.incarnation
        stream.ref.send(ProxyGetAttr(attr_path=("nothing_of_that_name",)))
        await until(session, lambda: stream.ref.incarnation > before)
        feed.push(frame(1))
        feed.end()
        return found + await numbers(stream)

    found, _ = play(seed, story)
    assert found[0] == 0


@sim
def test_a_stopped_stream_hands_out_nothing_more(seed: int) -> None:
    """From the return of ``stop`` on, whatever is inside; it is not waited for."""
    journal = Journal()

    async def story(session: Session) -> list[int]:
        feed = Feed()
        _, stream = await fed(session, journal, feed)
        for number in range(5):
            feed.push(frame(number))
        await until(session, lambda: stream.snapshot().in_flight > 0)
        stream.stop()
        feed.push(frame(5))
        found = await numbers(stream)
        await stream.released()
        return found

    found, _ = play(seed, story)
    assert found == []
    assert journal.closed() == [1]


@sim
def test_a_hushed_stream_hands_out_nothing_more_and_is_ended_later(seed: int) -> None:
    """Who reads hears of the end before any actor does; the processor is closed when the rest is asked for, not before."""
    journal = Journal()

    async def story(session: Session) -> list[int]:
        feed = Feed()
        _, stream = await fed(session, journal, feed)
        for number in range(5):
            feed.push(frame(number))
        await until(session, lambda: stream.snapshot().in_flight > 0)
        stream.hush()
        found = await numbers(stream)
        await elapse(session, SECOND)
        assert not stream.over
        assert not journal.closed()
        await stream.drain()
        await stream.released()
        snapshot = stream.snapshot()
        assert snapshot.frames_in == sum(snapshot.dropped.values()) + snapshot.frames_out
        return found

    found, _ = play(seed, story)
    assert found == []
    assert journal.closed() == [1]


@sim
def test_a_track_is_told_whose_it_is(seed: int) -> None:
    """Nothing before; both when it is pointed; both again for another publication; both cleared when it is nobody's."""
    journal = Journal()

    async def story(session: Session) -> None:
        track, stream = await fed(session, journal, Feed())
        await until(session, lambda: journal.built == 1)
        assert journal.told() == []
        track.point(ANNA)
        await until(session, lambda: len(journal.told()) == 2)
        track.point(ANNA)
        await until(session, lambda: len(journal.told()) == 4)
        track.point(ANNA, publication=0, credentials=Credentials(token="sekrit-token-2"))
        await until(session, lambda: len(journal.told()) == 5)
        track.room.renew(Credentials(token="sekrit-token-3"))
        await until(session, lambda: len(journal.told()) == 6)
        track.point(None)
        await until(session, lambda: len(journal.told()) == 8)
        await stream.aclose()

    _, report = play(seed, story)
    info = ("info", "Lobby", "anna k", "TR_1")
    assert journal.told() == [
        info,
        ("credentials", "sekrit-token-1", "wss://one"),
        info,
        ("credentials", "sekrit-token-1", "wss://one"),
        ("credentials", "sekrit-token-2", ""),
        ("credentials", "sekrit-token-3", ""),
        ("info cleared",),
        ("credentials cleared",),
        ("close",),
    ]
    assert sum(event.kind is EventKind.TRACK_REPUBLISHED for event in report.events) == 2


@sim
def test_a_kept_processor_goes_on_with_the_next_stream(seed: int) -> None:
    """It is nobody else's meanwhile; cleared while nobody uses it; given back, it is closed."""
    journal = Journal()

    async def story(session: Session) -> None:
        track, stream = await fed(session, journal, Feed())
        track.point(ANNA)
        await until(session, lambda: len(journal.told()) == 2)
        (lease,) = await stream.keep()
        assert lease.spec.name == "p"
        await stream.aclose()
        await until(session, lambda: len(journal.told()) == 4)
        other = await track.open_stream([journal.spec()], feed=Feed())
        await until(session, lambda: journal.built == 2)
        again = await track.open_stream([lease], feed=Feed())
        await until(session, lambda: len(journal.told(1)) == 6)
        lease.give_back()
        lease.give_back()
        assert lease.over
        await again.aclose()
        await again.released()
        assert journal.closed() == [1]
        await other.aclose()

    play(seed, story)
    assert journal.built == 2


@sim
def test_there_is_nothing_to_keep_of_a_stream_that_has_ended(seed: int) -> None:
    """And no processor is opened for it."""
    journal = Journal()

    async def story(session: Session) -> None:
        _, stream = await fed(session, journal, Feed())
        await stream.aclose()
        with pytest.raises(StreamClosed):
            await stream.keep()

    play(seed, story)
    assert journal.built <= 1


@sim
def test_a_processor_that_is_being_closed_is_not_opened_again_to_be_kept(seed: int) -> None:
    """Whichever comes first, the stream's end or the wish to keep: one instance, closed once."""
    journal = Journal()

    async def story(session: Session) -> None:
        _, stream = await fed(session, journal, Feed())
        await until(session, lambda: journal.built == 1)
        stream.stop()
        try:
            leases = await stream.keep()
        except SessionError:
            return  # it had ended: either is right, if nothing is left
        else:
            for lease in leases:
                lease.give_back()

    play(seed, story)
    assert journal.closed() == [1]


def test_what_a_stream_is_given_is_checked() -> None:
    """A feed where there is a source, none where there is none; a capacity that is no number; info that nobody would be told."""

    async def story(session: Session) -> None:
        room = await session.open_room("lobby")
        track = await room.open_track("anna")
        with pytest.raises(ValueError, match="feed is None"):
            await track.open_stream([])
        with pytest.raises(TypeError, match="feed is 1"):
            await track.open_stream([], feed=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(ValueError, match="capacity_frames is 0"):
            await track.open_stream([], feed=Feed(), capacity_frames=0)
        with pytest.raises(ValueError, match="publication_sid"):
            track.point(StreamInfo(room_name="", participant_identity="anna", publication_sid=""))
        with pytest.raises(TypeError, match="info is 'anna'"):
            track.point("anna")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    play(None, story, pace=Pace.REALTIME)


def test_the_capacity_holds() -> None:
    """Past it the oldest frame goes, and is counted."""

    async def story(session: Session) -> tuple[list[int], int]:
        room = await session.open_room("lobby")
        track = await room.open_track("anna")
        feed = Feed()
        stream = await track.open_stream([], feed=feed, capacity_frames=3)
        for number in range(10):
            feed.push(frame(number))
        feed.end()
        found = await numbers(stream)
        await stream.ended()
        return found, sum(stream.snapshot().dropped.values())

    (found, dropped), _ = play(None, story, pace=Pace.REALTIME)
    assert (found, dropped) == ([7, 8, 9], 7)


def test_consumers_of_one_loop_are_woken_together() -> None:
    """Streams of one loop get their frames, whichever thread brings them, and after the loop was busy."""

    async def story(session: Session) -> list[int]:
        room = await session.open_room("lobby")
        track = await room.open_track("anna")
        feeds = [Feed() for _ in range(5)]
        streams = [await track.open_stream([], feed=feed) for feed in feeds]
        readers = [asyncio.ensure_future(numbers(stream, 2)) for stream in streams]
        for feed in feeds:
            await asyncio.to_thread(feed.push, frame(1))
        for feed in feeds:
            feed.push(frame(2))
        return [number for reader in readers for number in await reader]

    found, _ = play(None, story, pace=Pace.REALTIME)
    assert found == 5 * [1, 2]
