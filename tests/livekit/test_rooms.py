"""Rooms: attached before or after they connect, forgotten, reconnected, and seen right whatever events say."""

import asyncio
import threading
import weakref
from functools import partial
from typing import Any

import pytest
from livekit import rtc
from tests.livekit.sdkkit import (
    MICROPHONE,
    URL,
    Scribe,
    Sfu,
    Voice,
    collected,
    handlers_of,
    level_of,
    listen,
    play,
    publication,
    reading,
    until,
)

from greenroom.actors import Room, Session
from greenroom.adapters.livekit import AudioStream, attach, default_session
from greenroom.adapters.livekit._parking import Parking
from greenroom.adapters.livekit._seats import Hall

INFO = ("info", "lobby", "anna", "TR_1")
CREDENTIALS = ("credentials", "a.token.one", URL)
CLEARED = [("info cleared",), ("credentials cleared",)]


def follow(sfu: Sfu, identity: str, **values: Any) -> AudioStream:
    """Open a stream on whatever a participant says into their microphone."""
    return AudioStream.from_participant(
        participant=sfu.room.remote_participants[identity], track_source=MICROPHONE, **values
    )


def test_a_room_that_is_attached_before_it_connects() -> None:
    """Nothing is missed: name, credentials and tracks are known as soon as they are there."""

    async def story() -> None:
        session = await default_session()
        sfu = Sfu("lobby", connected=False)
        attachment = attach(session, sfu.room)
        assert (attachment.name, attachment.room) == ("", None)
        sfu.connect()
        assert attachment.name == "lobby"
        scribe = Scribe()
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        stream = AudioStream(track, noise_cancellation=scribe)
        await until(lambda: len(scribe.told) == 2)
        assert scribe.told == [INFO, CREDENTIALS]
        assert attachment.room is not None
        assert list(session.rooms) == ["lobby"]
        assert list(session.rooms["lobby"].tracks) == ["anna/microphone"]
        await stream.aclose()

    play(story)


def test_a_room_that_is_attached_when_people_are_there_already() -> None:
    """No event says who was there before: they are found by looking."""

    async def story() -> None:
        sfu = Sfu("lobby")
        sfu.enter("anna", "TR_1", Voice(1000).start())
        attach(await default_session(), sfu.room)
        scribe = Scribe()
        stream = follow(sfu, "anna", noise_cancellation=scribe)
        await anext(stream)
        await until(lambda: scribe.told == [INFO, CREDENTIALS])
        await stream.aclose()

    play(story)


def test_a_stream_of_a_participant_goes_on_from_track_to_track() -> None:
    """The same stream, the same processor; told of each publication, and cleared between them."""

    async def story() -> None:
        sfu = Sfu("lobby")
        sfu.join("anna")
        attach(await default_session(), sfu.room)
        scribe = Scribe()
        stream = follow(sfu, "anna", noise_cancellation=scribe)
        async with reading(stream) as levels:
            for number, level in enumerate((1000, 2000), start=1):
                sid = f"TR_{number}"
                sfu.enter("anna", sid, Voice(level).start())
                await until(lambda: level + 1 in levels)  # noqa: B023
                sfu.enter("anna", f"TR_S{number}", Voice(7).start(), rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO)
                sfu.unsubscribe("anna", sid)
                sfu.unpublish("anna", sid)
                await until(lambda: scribe.told[-2:] == CLEARED)
            assert 8 not in levels
        assert scribe.told == [
            INFO,
            CREDENTIALS,
            *CLEARED,
            ("info", "lobby", "anna", "TR_2"),
            CREDENTIALS,
            *CLEARED,
        ]
        sfu.leave("anna")
        assert [event async for event in stream] == []
        await until(lambda: scribe.closed)

    play(story)


def test_a_stream_of_a_participant_takes_the_newest_of_two_tracks_of_one_source() -> None:
    """Whichever order they come and go in; when the newest goes, the other one is heard again."""

    async def story() -> None:
        sfu = Sfu("lobby")
        attach(await default_session(), sfu.room)
        sfu.enter("anna", "TR_1", Voice(1000).start())
        scribe = Scribe()
        stream = follow(sfu, "anna", noise_cancellation=scribe)
        async with reading(stream) as levels:
            await until(lambda: 1001 in levels)
            sfu.enter("anna", "TR_2", Voice(2000).start())
            await until(lambda: 2001 in levels)
            sfu.unsubscribe("anna", "TR_2")
            sfu.unpublish("anna", "TR_2")
            levels.clear()
            await until(lambda: 1001 in levels)
            sfu.enter("anna", "TR_3", Voice(3000).start())
            sfu.unsubscribe("anna", "TR_1")
            sfu.unpublish("anna", "TR_1")
            await until(lambda: 3001 in levels)
        assert [told[3] for told in scribe.told if told[0] == "info"] == ["TR_1", "TR_2", "TR_1", "TR_3"]
        await stream.aclose()

    play(story)


def test_a_stream_of_a_participant_goes_on_through_a_full_reconnect() -> None:
    """They are reported gone first; whoever comes back in time is the same one."""

    async def story() -> None:
        sfu = Sfu("lobby")
        attach(await default_session(), sfu.room)
        sfu.enter("anna", "TR_1", Voice(1000).start())
        scribe = Scribe()
        stream = follow(sfu, "anna", noise_cancellation=scribe)
        async with reading(stream) as levels:
            await until(lambda: 1001 in levels)
            sfu.gone("anna", "TR_1")
            sfu.reconnecting()
            await until(lambda: scribe.told[-2:] == CLEARED)
            sfu.enter("anna", "TR_1", Voice(2000).start())
            sfu.reconnected()
            await until(lambda: 2001 in levels)
        assert scribe.told == [INFO, CREDENTIALS, *CLEARED, INFO, CREDENTIALS]
        await stream.aclose()

    play(story)


def test_a_stream_of_the_local_participant() -> None:
    """Whoever it is: the local one's tracks are followed as well."""

    async def story() -> None:
        sfu = Sfu("lobby")
        attach(await default_session(), sfu.room)
        scribe = Scribe()
        stream = AudioStream.from_participant(
            participant=sfu.room.local_participant, track_source=MICROPHONE, noise_cancellation=scribe
        )
        sfu.publish_local(Voice(1000).start().track, "TR_L1")
        await anext(stream)
        await until(lambda: scribe.told == [("info", "lobby", "me", "TR_L1"), CREDENTIALS])
        await stream.aclose()

    play(story)


def test_lost_events_are_found_out() -> None:
    """Nobody says that a track is there, or has gone: the sweeper sees it."""

    async def story() -> None:
        sfu = Sfu("lobby")
        attach(await default_session(), sfu.room)
        anna = sfu.join("anna")
        scribe = Scribe()
        stream = follow(sfu, "anna", noise_cancellation=scribe)
        voice = Voice(1000).start()
        silent = sfu.room.emit
        sfu.room.emit = lambda *_: None  # type: ignore[method-assign]
        track = sfu.enter("anna", "TR_1", voice)
        await anext(stream)
        tied = AudioStream(track)
        await anext(tied)
        sfu.gone("anna", "TR_1")
        async for _ in tied:
            pass
        async for _ in stream:
            pass
        await until(lambda: scribe.closed)
        sfu.room.emit = silent  # type: ignore[method-assign]
        assert scribe.told == [INFO, CREDENTIALS, *CLEARED, ("close",)]
        assert anna.identity == "anna"

    play(story)


def test_doubled_and_false_events_change_nothing() -> None:
    """What counts is what the room is, not what an event says."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        anna = sfu.room.remote_participants["anna"]
        scribe = Scribe()
        stream = AudioStream(track, noise_cancellation=scribe)
        await until(lambda: len(scribe.told) == 2)
        for _ in range(3):
            sfu.room.emit("token_refreshed")
            sfu.room.emit("track_subscribed", track, anna.track_publications["TR_1"], anna)
            sfu.room.emit("track_unpublished", anna.track_publications["TR_1"], anna)
            sfu.room.emit("participant_disconnected", anna)
            sfu.room.emit("room_updated")
        for _ in range(5):
            await anext(stream)
        sfu.refresh("a.token.two")
        await until(lambda: len(scribe.told) == 3)
        assert scribe.told == [INFO, CREDENTIALS, ("credentials", "a.token.two", URL)]
        await stream.aclose()

    play(story)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]])
def test_a_track_goes_in_any_order(order: list[int]) -> None:
    """Unsubscribed, unpublished, disconnected: whichever comes first ends the stream, and the rest changes nothing."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        scribe = Scribe()
        stream = AudioStream(track, noise_cancellation=scribe)
        await until(lambda: len(scribe.told) == 2)
        ways = [
            lambda: sfu.unsubscribe("anna", "TR_1"),
            lambda: sfu.unpublish("anna", "TR_1"),
            lambda: sfu.leave("anna"),
        ]
        ways[order[0]]()
        assert [event async for event in stream] == []
        for index in order[1:]:
            ways[index]()
        await until(lambda: scribe.closed)
        assert scribe.told == [INFO, CREDENTIALS, *CLEARED, ("close",)]

    play(story)


def test_a_mistake_in_a_handler_harms_nobody_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The application's own handlers are called, and it is written down once."""

    async def story() -> None:
        sfu = Sfu("lobby")
        attach(await default_session(), sfu.room)
        heard: list[str] = []
        for event in ("token_refreshed", "reconnecting"):
            listen(sfu.room, event, partial(heard.append, event))

        def broken(*_: Any) -> None:
            raise TypeError("a mistake")

        monkeypatch.setattr(Hall, "renew", broken)
        monkeypatch.setattr(Parking, "prolong", broken)
        for token in ("a.token.two", "a.token.three"):
            sfu.refresh(token)
            await asyncio.sleep(0)
            sfu.reconnecting()
        assert heard == 2 * ["token_refreshed", "reconnecting"]

    play(story)
    said = [record for record in caplog.records if "livekit.handler_failed" in record.getMessage()]
    for event in ("token_refreshed", "reconnecting"):
        assert len([record for record in said if f"'{event}'" in record.getMessage()]) == 1, event
    assert all("a.token" not in record.getMessage() for record in said)


def test_a_room_that_is_forgotten_is_collected_and_its_streams_end() -> None:
    """An attachment holds its room weakly."""

    async def story() -> None:
        session = await default_session()
        sfu = Sfu("lobby")
        attachment = attach(session, sfu.room)
        scribe = Scribe()
        stream = AudioStream(sfu.enter("anna", "TR_1", Voice(1000).start()), noise_cancellation=scribe)
        await until(lambda: len(scribe.told) == 2)
        room = weakref.ref(sfu.room)
        del sfu
        await until(lambda: collected(room))
        async for _ in stream:
            pass
        await until(lambda: scribe.closed)
        assert attachment.closed

    play(story)


def test_a_room_that_is_detached() -> None:
    """Its streams end in order, its room of the session is closed, and nothing listens to it any more."""

    async def story() -> None:
        session = await default_session()
        sfu = Sfu("lobby")
        attachment = attach(session, sfu.room)
        scribe = Scribe()
        stream = AudioStream(sfu.enter("anna", "TR_1", Voice(1000).start()), noise_cancellation=scribe)
        await anext(stream)
        await attachment.detach()
        async for _ in stream:
            pass
        await until(lambda: scribe.closed)
        assert not session.rooms
        assert not [handler for handler in handlers_of(sfu.room) if "greenroom" in handler.__module__]
        await attachment.detach()

    play(story)


def test_a_room_may_be_connected_again() -> None:
    """After a disconnect the same attachment serves the next connection."""

    async def story() -> None:
        sfu = Sfu("lobby")
        attachment = attach(await default_session(), sfu.room)
        first = AudioStream(sfu.enter("anna", "TR_1", Voice(1000).start()))
        await anext(first)
        sfu.end()
        async for _ in first:
            pass
        sfu.room._remote_participants.clear()
        sfu.connect()
        scribe = Scribe()
        again = AudioStream(sfu.enter("anna", "TR_9", Voice(2000).start()), noise_cancellation=scribe)
        await anext(again)
        await until(lambda: scribe.told == [("info", "lobby", "anna", "TR_9"), CREDENTIALS])
        assert attach(await default_session(), sfu.room) is attachment
        await again.aclose()

    play(story)


def test_two_rooms_of_one_name_and_names_of_any_letters() -> None:
    """The same room joined twice in one process, and an identity that no path can have, are told as they are."""

    async def story() -> None:
        session = await default_session()
        told: list[list[Any]] = []
        streams: list[AudioStream] = []
        sfus = [Sfu("a/room"), Sfu("a/room", token="a.token.two")]
        for sfu in sfus:
            scribe = Scribe()
            told.append(scribe.told)
            track = sfu.enter("an/na", "TR_1", Voice(1000).start())
            streams.append(AudioStream(track, noise_cancellation=scribe))
            streams.append(AudioStream(track))
            await until(lambda: len(scribe.told) == 2)  # noqa: B023
            await anext(streams[-1])
        assert [each[0] for each in told] == 2 * [("info", "a/room", "an/na", "TR_1")]
        assert [each[1][1] for each in told] == ["a.token.one", "a.token.two"]
        assert sorted(session.rooms) == ["a%2Froom", "a%2Froom~2"]
        tracks = [sorted(room.tracks) for room in session.rooms.values()]
        assert tracks == 2 * [["an%2Fna/microphone", "an%2Fna~2/microphone"]]
        for stream in streams:
            await stream.aclose()

    play(story)


def test_several_loops_and_threads() -> None:
    """Each thread has a loop and a room of its own; one session knows them all, and each is told what is its own."""
    session: list[Session] = []
    told: dict[str, list[Any]] = {}

    async def elsewhere(name: str) -> None:
        sfu = Sfu(name, token=f"{name}.token.one")
        attachment = attach(session[0], sfu.room)
        scribe = Scribe()
        told[name] = scribe.told
        voice = Voice(1000).start()
        stream = AudioStream(sfu.enter("anna", "TR_1", voice), noise_cancellation=scribe)
        async for event in stream:
            if level_of(event) == 1001:
                break
        sfu.refresh(f"{name}.token.two")
        await until(lambda: len(scribe.told) == 3)
        await stream.aclose()
        await voice.close()
        await attachment.detach()

    async def story() -> None:
        async with Session("shared") as shared:
            session.append(shared)
            names = ["red", "green", "blue"]
            threads = [threading.Thread(target=asyncio.run, args=(elsewhere(name),)) for name in names]
            for thread in threads:
                thread.start()
            await until(lambda: not any(thread.is_alive() for thread in threads))
            report = await shared.close()
            assert all(verdict.held for verdict in report.verdicts), report.verdicts
            for name in names:
                assert told[name] == [
                    ("info", name, "anna", "TR_1"),
                    ("credentials", f"{name}.token.one", URL),
                    ("credentials", f"{name}.token.two", URL),
                    *CLEARED,
                    ("close",),
                ]

    play(story)


def test_a_loop_that_ends_without_closing_its_streams_leaves_nothing() -> None:
    """The session lives in another loop, and goes on: no track, lease or native stream of the dead one is left."""

    async def elsewhere(session: Session, scribe: Scribe, kept: list[Any]) -> None:
        sfu = Sfu("lobby")
        attach(session, sfu.room)
        voice = Voice(1000).start()
        streams = [
            AudioStream(sfu.enter("anna", "TR_1", voice), noise_cancellation=scribe),
            AudioStream(Voice(1000).track, session=session),
        ]
        kept += [sfu, voice, *streams]
        await until(lambda: len(scribe.told) == 2 and streams[1]._line.stream is not None)

    async def story() -> None:
        scribe, kept = Scribe(), list[Any]()
        async with Session("shared") as session:
            await asyncio.to_thread(lambda: asyncio.run(elsewhere(session, scribe, kept)))
            await until(lambda: scribe.closed)
            await until(lambda: not any(room.tracks for room in session.rooms.values()))
            await until(lambda: not session.snapshot().processors)
            report = await session.close()
        assert all(verdict.held for verdict in report.verdicts), report.verdicts

    play(story)


def test_a_refresh_is_one_message_however_many_streams_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The room's loop has one thing to send; the session's threads do the rest."""

    async def story() -> None:
        session = await default_session()
        sfu = Sfu("lobby")
        attach(session, sfu.room)
        scribes = [Scribe() for _ in range(10)]
        streams = [
            AudioStream(sfu.enter(f"p{n}", f"TR_{n}", Voice(1000)), noise_cancellation=scribe)
            for n, scribe in enumerate(scribes)
        ]
        await until(lambda: all(len(scribe.told) == 2 for scribe in scribes))
        sent: list[Any] = []
        renew = Room.renew

        def counted(self: Room, new: Any) -> None:
            sent.append(new)
            renew(self, new)

        monkeypatch.setattr(Room, "renew", counted)
        sfu.refresh("a.token.two")
        assert not sent  # other handlers of the event come first
        await until(lambda: all(len(scribe.told) == 3 for scribe in scribes))
        assert len(sent) == 1
        for stream in streams:
            await stream.aclose()

    play(story)


def test_the_sdk_goes_through_no_streams_of_remote_tracks() -> None:
    """What a room says is passed on once, here; only a local track, whose room may be unknown, tells its streams of it."""

    async def story() -> None:
        sfu = Sfu("lobby")
        remote, local = sfu.enter("anna", "TR_1", Voice(1000)), Voice(1000).track
        streams = [AudioStream(track, processors=Scribe) for track in (remote, local)]
        assert [len(track._audio_streams) for track in (remote, local)] == [0, 1]
        for stream in streams:
            await stream.aclose()

    play(story)


def test_who_reads_a_track_the_sdks_own_way_beside_greenroom_is_told_of_each_refresh() -> None:
    """As long as its track is in the room; one that fails keeps the next from nothing; once detached it is the SDK's again."""

    async def story() -> None:
        sfu = Sfu("lobby")
        attachment = attach(await default_session(), sfu.room)
        tracks = [sfu.enter(name, f"TR_{name}", Voice(1000)) for name in ("anna", "bert")]
        fails, own = Scribe(), Scribe()
        theirs = [
            rtc.AudioStream(track, noise_cancellation=scribe)
            for track, scribe in zip(tracks, (fails, own), strict=True)
        ]
        ours = [AudioStream(track, processors=Scribe) for track in tracks]

        def tokens(scribe: Scribe) -> list[str]:
            return [values[0] for what, *values in scribe.told if what == "credentials"]

        fails.raises["credentials"] = RuntimeError("no")
        sfu.refresh("a.token.two")
        assert tokens(own) == ["a.token.one", "a.token.two"] == tokens(fails)
        for stream in ours:
            await stream.aclose()
        sfu.refresh("a.token.three")
        assert tokens(own)[2:] == ["a.token.three"] == tokens(fails)[2:]
        await attachment.detach()
        fails.raises.clear()
        sfu.refresh("a.token.four")
        assert tokens(own)[3:] == ["a.token.four"] == tokens(fails)[3:]
        sfu.unsubscribe("bert", "TR_bert")
        sfu.refresh("a.token.five")
        assert tokens(own)[4:] == []
        assert tokens(fails)[4:] == ["a.token.five"]
        for upstreams in theirs:
            await upstreams.aclose()

    play(story)


def test_who_reads_a_local_track_the_sdks_own_way_is_told_again_when_its_room_is_connected_again() -> None:
    """The SDK keeps its handler through a disconnect, and registers none for the same track in the same room."""

    async def story() -> None:
        sfu = Sfu("lobby")
        attach(await default_session(), sfu.room)
        track = Voice(1000).track
        sfu.publish_local(track, "TR_L1")
        theirs = Scribe()
        upstreams = rtc.AudioStream(track, noise_cancellation=theirs)
        follows = AudioStream.from_participant(
            participant=sfu.room.local_participant, track_source=MICROPHONE, processors=Scribe
        )
        sfu.end()
        sfu.connect()
        sfu.publish_local(track, "TR_L2")
        del theirs.told[:]
        sfu.refresh("a.token.two")
        assert theirs.told == [("credentials", "a.token.two", URL)]
        await follows.aclose()
        await upstreams.aclose()

    play(story)


@pytest.mark.parametrize("first", [True, False])
def test_a_room_that_is_detached_within_a_refresh_keeps_it_from_nobody(first: bool) -> None:
    """A handler of the application's that detaches it, or another thread meanwhile: who is to be told is told all the same."""

    async def story() -> None:
        sfu = Sfu("lobby")
        detached: list[Any] = []

        def detach() -> None:
            if not detached:
                detached.append(asyncio.get_running_loop().create_task(attachment.detach()))
                attachment.let_go()

        if first:
            listen(sfu.room, "token_refreshed", detach)
        attachment = attach(await default_session(), sfu.room)
        track = sfu.enter("anna", "TR_1", Voice(1000))
        theirs = Scribe()
        upstreams = rtc.AudioStream(track, noise_cancellation=theirs)
        ours = AudioStream(track, processors=Scribe)
        if not first:
            listen(sfu.room, "token_refreshed", detach)
        for token in ("a.token.two", "a.token.three"):
            del theirs.told[:]
            sfu.refresh(token)
            assert theirs.told == [("credentials", token, URL)]
        await detached[0]
        assert not attachment._rounds._taken
        await ours.aclose()
        await upstreams.aclose()

    play(story)


def test_a_name_that_comes_with_a_token_is_told_with_no_other_one() -> None:
    """In one burst: whoever enters the new room is never told the old one's token with it."""

    async def story() -> None:
        sfu = Sfu("lobby")
        scribes = [Scribe() for _ in range(12)]
        streams = [
            AudioStream(sfu.enter(f"p{n}", f"TR_{n}", Voice(1000)), noise_cancellation=scribe)
            for n, scribe in enumerate(scribes)
        ]
        await until(lambda: all(len(scribe.told) == 2 for scribe in scribes))
        sfu.refresh("a.token.two")
        sfu.move("backstage")
        await until(lambda: all(scribe.told[-2][1:2] == ("backstage",) for scribe in scribes))
        for scribe in scribes:
            new = ("credentials", "a.token.two", URL)
            assert scribe.told[-1] == new
            assert scribe.told[2:-2] in ([], [new])
        for stream in streams:
            await stream.aclose()

    play(story)


def test_the_sdk_calls_no_handler_for_a_track_that_greenroom_reads() -> None:
    """It would look at each handler's signature: a loop with a thousand tracks would do nothing else for 13 ms."""

    async def story() -> None:
        sfu = Sfu("lobby")
        attachment = attach(await default_session(), sfu.room)
        sfu.enter("carl", "TR_carl", Voice(1000))
        follows = AudioStream.from_participant(
            participant=sfu.room.remote_participants["carl"],
            track_source=rtc.TrackSource.SOURCE_MICROPHONE,
            processors=Scribe,
        )
        tracks = [sfu.enter(name, f"TR_{name}", Voice(1000)) for name in ("anna", "bert")]
        emitter: Any = sfu.room
        called = emitter._events["token_refreshed"]
        before = len(called)
        stream = AudioStream(tracks[0], processors=Scribe)
        assert len(called) == before - 1
        await stream.aclose()
        await follows.aclose()
        await attachment.detach()
        assert len(called) == 3  # one for each track, and nothing else

    play(story)


def test_what_the_session_says_of_rooms_shows_no_token() -> None:
    """Neither in a log line nor in an event, a snapshot or an error; and all laws hold at the end."""

    async def story() -> None:
        async with Session("s") as session:
            sfu = Sfu("lobby", token="a-hidden.token-of.anna")
            attach(session, sfu.room)
            stream = AudioStream(sfu.enter("anna", "TR_1", Voice(1000).start()), processors=Scribe)
            await anext(stream)
            sfu.refresh("another-hidden.token-of.anna")
            sfu.end()
            async for _ in stream:
                pass
            report = await session.close()
        assert all(verdict.held for verdict in report.verdicts), report.verdicts
        assert report.secrets_shown == ()
        assert "hidden" not in repr(report)

    play(story)


def test_a_publication_without_a_sid_is_not_told() -> None:
    """An info without identity or sid says nothing: it is never pushed."""

    async def story() -> None:
        sfu = Sfu("lobby")
        voice = Voice(1000).start()
        sfu.publish_local(voice.track, "TR_L1")
        scribe = Scribe()
        stream = AudioStream(voice.track, noise_cancellation=scribe)
        await until(lambda: len(scribe.told) == 2)
        mine = sfu.room.local_participant._track_publications["TR_L1"]
        mine._info = publication("").info
        sfu.room.emit("room_updated")
        await until(lambda: scribe.told[2:] == CLEARED)
        await stream.aclose()

    play(story)
