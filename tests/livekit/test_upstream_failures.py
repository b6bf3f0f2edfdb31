"""The 31 failures of the table in docs/livekit.md: greenroom free of each, the SDK failing beside it where it can be shown.

Where the SDK is seen to fail, the test asserts that it does: so we learn when it is mended. Not in here:

- G3, G30 and G31 with a real server, and G23 and G24 with a real RoomIO: tests/livekit/server and tests/livekit/agents.
- G25, the SDK's side: a wrong frame aborts the process inside native code, whichever package brought it.
- G26, the SDK's side: it aborts now and then (1.2.1: one run of six), too seldom for a test that must not fail by chance.
- G27, the SDK's side: mended in 1.2.1; in 1.1.21 only under load.
- G28: the native filters' credentials are one per process, inside the SDK. `NoiseCancellationOptions` are passed through.
"""

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from tests.livekit.sdkkit import (
    MICROPHONE,
    URL,
    Scribe,
    Sfu,
    Voice,
    collected,
    level_of,
    listen,
    loud,
    play,
    reading,
    until,
)

from greenroom.actors import OnFault
from greenroom.adapters.livekit import (
    AudioStream,
    NotAnOption,
    NotInRoom,
    attach,
    default_session,
    hosted,
)
from greenroom.adapters.livekit._sdk import free, task_of

INFO = ("info", "lobby", "anna", "TR_1")
CREDENTIALS = ("credentials", "a.token.one", URL)
CLEARED = [("info cleared",), ("credentials cleared",)]


class FromParticipant(rtc.AudioStream):
    """The SDK's stream of a participant, without a server: what native code would find is given."""

    voice: Voice

    def _create_owned_stream_from_participant(self, participant: Any, track_source: Any) -> Any:
        self._track = self.voice.track
        try:
            return self._create_owned_stream()
        finally:
            self._track = None


def natives_of(stream: AudioStream) -> rtc.AudioStream:
    """Return the SDK's stream behind one of ours."""
    native = stream._line._native
    assert native is not None
    return native._stream


def test_g1_a_stream_of_a_participant_is_told_whose_audio_it_is() -> None:
    """G1: theirs processes frames, and is told nothing."""

    async def story() -> None:
        sfu = Sfu("lobby")
        sfu.enter("anna", "TR_1", Voice(1000).start())
        anna = sfu.room.remote_participants["anna"]
        FromParticipant.voice = Voice(1000).start()
        theirs, ours = Scribe(), Scribe()
        upstream = FromParticipant(
            track=None,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            participant=anna,
            track_source=MICROPHONE,
            noise_cancellation=theirs,
        )
        stream = AudioStream.from_participant(
            participant=anna, track_source=MICROPHONE, noise_cancellation=ours
        )
        await until(lambda: theirs.frames > 3 and ours.frames > 3)
        assert theirs.told == []
        assert ours.told == [INFO, CREDENTIALS]
        await upstream.aclose()
        await stream.aclose()

    play(story)


def test_g2_a_disconnect_clears_and_closes() -> None:
    """G2: theirs keeps info and credentials of a room that is over."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        theirs, ours = Scribe(), Scribe()
        upstream = rtc.AudioStream(track, noise_cancellation=theirs)
        stream = AudioStream(track, noise_cancellation=ours)
        await until(lambda: len(ours.told) == 2)
        sfu.end()
        await until(lambda: ours.closed)
        assert ours.told[2:] == [*CLEARED, ("close",)]
        assert theirs.told == [INFO, CREDENTIALS]
        await stream.aclose()
        await upstream.aclose()

    play(story)


def test_g3_a_room_that_the_server_ends_ends_its_streams() -> None:
    """G3: the reader of theirs goes on waiting; a later disconnect does not end it either."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000))
        upstream, stream = rtc.AudioStream(track), AudioStream(track)
        async with reading(upstream):
            await stream._line.opened()
            sfu.end()
            async for _ in stream:  # what was heard before
                pass
            await sfu.room.disconnect()
            assert not task_of(upstream).done()
        await stream.aclose()
        await upstream.aclose()

    play(story)


def test_g4_a_processor_that_raises_in_a_clear_harms_nobody() -> None:
    """G4: the room loses the event: the application never hears that the track has gone."""

    async def story(kind: Any) -> list[str]:
        sfu = Sfu("lobby")
        heard: list[str] = []
        listen(sfu.room, "track_unsubscribed", lambda: heard.append("unsubscribed"))
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        scribe = Scribe(raises={"info cleared": RuntimeError("no")})
        stream = kind(track, noise_cancellation=scribe)
        await until(lambda: len(scribe.told) == 2)
        try:
            sfu.unsubscribe("anna", "TR_1")
        except RuntimeError:
            heard.append("raised")
        scribe.raises.clear()
        await stream.aclose()
        return heard

    assert play(lambda: story(rtc.AudioStream)) == ["raised"]
    assert play(lambda: story(AudioStream)) == ["unsubscribed"]


@pytest.mark.parametrize("error", [RuntimeError("no"), TypeError("no")])
def test_g5_a_processor_that_raises_on_a_refresh_keeps_it_from_nobody(error: Exception) -> None:
    """G5: one stream's processor raises, and the track's other streams never hear of the token."""

    async def story(kind: Any) -> tuple[int, list[str]]:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        scribes = [Scribe() for _ in range(4)]
        streams = [kind(track, noise_cancellation=scribe) for scribe in scribes]
        heard: list[str] = []
        listen(sfu.room, "token_refreshed", lambda: heard.append("refreshed"))
        await until(lambda: all(len(scribe.told) == 2 for scribe in scribes))
        for scribe in scribes:
            scribe.raises["credentials"] = error
        try:
            sfu.refresh("a.token.two")
        except TypeError:
            heard.append("raised")
        new = ("credentials", "a.token.two", URL)
        if kind is AudioStream:
            await until(lambda: all(new in scribe.told for scribe in scribes))
        for stream in streams:
            await stream.aclose()
        return sum(new in scribe.told for scribe in scribes), heard

    count, heard = play(lambda: story(rtc.AudioStream))
    assert count == 1
    assert heard == (["raised"] if isinstance(error, TypeError) else ["refreshed"])
    assert play(lambda: story(AudioStream)) == (4, ["refreshed"])


def test_g6_a_processor_that_raises_while_attaching_leaves_no_orphan() -> None:
    """G6: the constructor of theirs raises, and a stream that nobody has goes on processing."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        theirs = Scribe(raises={"info": RuntimeError("no")})
        with pytest.raises(RuntimeError):
            rtc.AudioStream(track, noise_cancellation=theirs)
        await until(lambda: theirs.frames > 3)
        ours = Scribe(raises={"info": RuntimeError("no")})
        stream = AudioStream(track, noise_cancellation=ours)
        assert await loud(stream) == 1000
        await until(lambda: ours.closed)
        await stream.aclose()
        assert ours.frames == 0
        for orphan in [each for each in list(track._audio_streams) if each._processor is theirs]:
            await orphan.aclose()

    play(story)


def test_g7_a_shared_processor_is_closed_by_the_last_of_its_streams() -> None:
    """G7: the first of theirs to close closes it under the other, and it is closed twice."""

    async def story(kind: Any) -> Scribe:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        shared = Scribe()
        first, second = kind(track, noise_cancellation=shared), kind(track, noise_cancellation=shared)
        async with reading(first), reading(second):
            await until(lambda: shared.frames > 5)
            await first.aclose()
            before = shared.frames
            await until(lambda: shared.frames > before + 3)
            if kind is AudioStream:
                assert not shared.closed
            await second.aclose()
        await until(lambda: shared.closed)
        return shared

    theirs, ours = play(lambda: story(rtc.AudioStream)), play(lambda: story(AudioStream))
    assert (theirs.closed, "frame" in theirs.after_close) == (2, True)
    assert (ours.closed, ours.after_close) == (1, [])


def test_g7_one_track_that_leaves_takes_nothing_from_another() -> None:
    """G7: two tracks, one processor: the first to leave clears the other one's credentials."""

    async def story(kind: Any) -> list[tuple[Any, ...]]:
        sfu = Sfu("lobby")
        first = sfu.enter("anna", "TR_1", Voice(1000).start())
        second = sfu.enter("ben", "TR_2", Voice(2000).start())
        shared = Scribe()
        streams = [kind(first, noise_cancellation=shared)]
        await until(lambda: len(shared.told) == 2)
        streams.append(kind(second, noise_cancellation=shared))
        await until(lambda: len(shared.told) == 4)
        sfu.gone("anna", "TR_1")
        sfu.refresh("a.token.two")
        await until(lambda: ("credentials", "a.token.two", URL) in shared.told)
        told = list(shared.told[4:])
        for stream in streams:
            await stream.aclose()
        return told

    assert play(lambda: story(rtc.AudioStream))[:2] == CLEARED
    assert play(lambda: story(AudioStream)) == [("credentials", "a.token.two", URL)]


def test_g8_a_stream_that_is_dropped_is_collected_and_closed() -> None:
    """G8: theirs is never collected, and buffers for ever."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        theirs, ours = Scribe(), Scribe()
        upstream = rtc.AudioStream(track, noise_cancellation=theirs)
        stream = AudioStream(track, noise_cancellation=ours)
        await until(lambda: ours.frames > 3 and theirs.frames > 3)
        refs = weakref.ref(upstream), weakref.ref(stream)
        native = weakref.ref(natives_of(stream))
        del upstream, stream
        gc.collect()
        assert refs[0]() is not None
        assert refs[1]() is None
        await until(lambda: ours.closed)
        await until(lambda: collected(native))
        assert ours.told[2:] == [*CLEARED, ("close",)]
        before = theirs.frames
        await until(lambda: theirs.frames > before + 3)
        left = refs[0]()
        assert left is not None
        assert len(left._queue._queue) > 3
        await left.aclose()

    play(story)


def test_g9_the_end_of_a_track_closes_the_processor() -> None:
    """G9: theirs ends, and its processor is never closed unless somebody calls ``aclose``."""

    async def story() -> None:
        track = Voice(1000).start().track
        theirs, ours = Scribe(), Scribe()
        upstream = rtc.AudioStream(track, noise_cancellation=theirs)
        stream = AudioStream(track, noise_cancellation=ours)
        await until(lambda: ours.frames > 3 and theirs.frames > 3)
        free(upstream)
        free(natives_of(stream))
        async for _ in stream:
            pass
        await until(lambda: ours.closed)
        await until(lambda: task_of(upstream).done())
        assert not theirs.closed
        await upstream.aclose()

    play(story)


def test_g10_a_callback_may_open_a_stream() -> None:
    """G10: theirs raises from the middle of the room's event: a set was changed while it was looked through."""

    async def story(kind: Any) -> tuple[bool, int]:
        sfu = Sfu("lobby")
        voice = Voice(1000).start()
        loop = asyncio.get_running_loop()
        opened: list[Any] = []

        class Opener(Scribe):
            def _on_stream_info_updated(self, **values: str) -> None:
                super()._on_stream_info_updated(**values)
                if kind is AudioStream:
                    loop.call_soon_threadsafe(lambda: opened.append(kind(voice.track)))
                else:
                    opened.append(kind(voice.track))

        first = kind(voice.track, noise_cancellation=Opener())
        others = [kind(voice.track) for _ in range(3)]
        await anext(first)
        raised = False
        try:
            sfu.publish_local(voice.track, "TR_L1")
        except RuntimeError:
            raised = True
        await until(lambda: opened)
        for stream in [first, *others, *opened]:
            await stream.aclose()
        return raised, len(opened)

    assert play(lambda: story(rtc.AudioStream)) == (True, 1)
    assert play(lambda: story(AudioStream)) == (False, 1)


def test_g11_however_often_it_is_closed_it_is_closed_once() -> None:
    """G11: three ``aclose`` of theirs give three ``_close``; one that is cancelled gives none."""

    async def story(kind: Any) -> tuple[int, int]:
        voice = Voice(1000).start()
        often, cancelled = Scribe(), Scribe()
        first, second = (
            kind(voice.track, noise_cancellation=often),
            kind(voice.track, noise_cancellation=cancelled),
        )
        await until(lambda: often.frames and cancelled.frames)
        for _ in range(3):
            await first.aclose()
        closing = asyncio.ensure_future(second.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        if kind is AudioStream:
            await until(lambda: cancelled.closed)
        return often.closed, cancelled.closed

    assert play(lambda: story(rtc.AudioStream)) == (3, 0)
    assert play(lambda: story(AudioStream)) == (1, 1)


def test_g12_a_processor_whose_enabled_raises_is_bypassed() -> None:
    """G12: the reader of theirs dies of it, and whoever waits for a frame waits for ever."""

    async def story() -> None:
        track = Voice(1000).start().track
        broken = {"enabled": RuntimeError("no")}
        upstream = rtc.AudioStream(track, noise_cancellation=Scribe(raises=dict(broken)))
        waiting = asyncio.ensure_future(anext(upstream))
        await until(lambda: task_of(upstream).done())
        assert isinstance(task_of(upstream).exception(), RuntimeError)
        stream = AudioStream(track, noise_cancellation=Scribe(raises=dict(broken)))
        assert [await loud(stream) for _ in range(5)] == 5 * [1000]
        assert not waiting.done()
        waiting.cancel()
        await stream.aclose()

    play(story)


class Wrong(Scribe):
    """A processor that returns something else."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result

    def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        self.frames += 1
        wrong: rtc.AudioFrame = self.result
        return wrong


def test_g13_what_is_no_frame_is_not_handed_out() -> None:
    """G13: theirs hands out whatever a processor returns, None included."""

    async def story() -> None:
        track = Voice(1000).start().track
        upstream = rtc.AudioStream(track, noise_cancellation=Wrong(None))
        assert (await anext(upstream)).frame is None
        ours = Wrong(None)
        stream = AudioStream(track, noise_cancellation=ours)
        await until(lambda: ours.frames)
        assert [await loud(stream) for _ in range(5)] == 5 * [1000]
        await upstream.aclose()
        await stream.aclose()

    play(story)


def test_g14_what_was_heard_before_the_end_is_handed_out() -> None:
    """G14: theirs throws away the frames that are queued when the track ends."""

    async def story(kind: Any) -> tuple[int, int]:
        voice = Voice(1000)
        stream = kind(voice.track)
        await voice.say(20)
        native = natives_of(stream) if kind is AudioStream else stream
        if kind is AudioStream:
            await stream._line.opened()
            await until(lambda: stream._line.stream.snapshot().frames_in >= 10)
            queued = stream._line.stream.snapshot().in_flight
        else:
            await until(lambda: len(stream._queue._queue) >= 10)
            queued = len(stream._queue._queue)
        free(native)
        await until(lambda: task_of(native).done())
        got = len([event async for event in stream])
        await stream.aclose()
        return queued, got

    queued, got = play(lambda: story(rtc.AudioStream))
    assert queued >= 10
    assert got == 0
    queued, got = play(lambda: story(AudioStream))
    assert got >= queued >= 10


def test_g15_a_class_is_a_factory_and_a_selector_is_refused() -> None:
    """G15: theirs ignores both without a word."""

    async def story() -> None:
        track = Voice(1000).start().track

        def selector(params: Any) -> Scribe:
            return Scribe()

        for ignored in (Scribe, selector):
            upstream = rtc.AudioStream(track, noise_cancellation=ignored)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            assert await loud(upstream) == 1000
            await upstream.aclose()
        stream = AudioStream(track, noise_cancellation=Scribe)
        async for event in stream:
            if level_of(event) == 1001:
                break
        await stream.aclose()
        with pytest.raises(NotAnOption, match="selector"):
            AudioStream(track, noise_cancellation=selector)
        with pytest.raises(NotAnOption, match="auto_close_noise_cancellation"):
            AudioStream(track, auto_close_noise_cancellation=False)

    play(story)


def test_g16_a_slow_processor_holds_up_neither_the_loop_nor_its_neighbour() -> None:
    """G16: theirs processes on the loop's own thread: while a processor takes its time, nothing else happens."""

    async def story() -> None:
        me = threading.get_ident()
        threads: dict[str, int] = {}
        gate = threading.Event()

        class Slow(Scribe):
            name = "theirs"

            def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
                threads[self.name] = threading.get_ident()
                if self.name == "ours":
                    gate.wait()
                return super()._process(frame)

        class Ours(Slow):
            name = "ours"

        upstream = rtc.AudioStream(Voice(1000).start().track, noise_cancellation=Slow())
        await anext(upstream)
        assert threads["theirs"] == me
        slow = AudioStream(Voice(1000).start().track, processors=Ours)
        neighbour = AudioStream(Voice(3000).start().track, processors=Scribe)
        await until(lambda: "ours" in threads)
        assert threads["ours"] != me
        for _ in range(20):
            await anext(neighbour)
        gate.set()
        await slow.aclose()
        await neighbour.aclose()
        await upstream.aclose()

    play(story)


def test_g17_after_a_move_the_new_name_is_told() -> None:
    """G17: theirs goes on under the old room's name."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        theirs, ours = Scribe(), Scribe()
        upstream = rtc.AudioStream(track, noise_cancellation=theirs)
        stream = AudioStream(track, noise_cancellation=ours)
        sfu.refresh("a.token.two")
        sfu.move("backstage")
        await until(lambda: ("info", "backstage", "anna", "TR_1") in ours.told)
        assert ("info", "backstage", "anna", "TR_1") not in theirs.told
        await stream.aclose()
        await upstream.aclose()

    play(story)


@pytest.mark.parametrize("way", ["left", "unpublished"])
def test_g18_whatever_comes_first_says_that_the_track_has_gone(way: str) -> None:
    """G18: if the participant or the publication goes before the subscription, theirs is never cleared."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        theirs, ours = Scribe(), Scribe()
        upstream = rtc.AudioStream(track, noise_cancellation=theirs)
        stream = AudioStream(track, noise_cancellation=ours)
        await until(lambda: len(ours.told) == 2)
        if way == "left":
            sfu.leave("anna")
        else:
            sfu.unpublish("anna", "TR_1")
        sfu.unsubscribe("anna", "TR_1")
        assert [event async for event in stream] == []
        await until(lambda: ours.closed)
        assert ours.told[2:] == [*CLEARED, ("close",)]
        assert len(theirs.told) == 2
        await upstream.aclose()

    play(story)


def test_g19_a_stream_on_the_track_of_one_who_left_is_refused() -> None:
    """G19: theirs is told an empty identity, with valid credentials."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        sfu.leave("anna")
        theirs = Scribe()
        upstream = rtc.AudioStream(track, noise_cancellation=theirs)
        assert theirs.told == [("info", "lobby", "", ""), CREDENTIALS]
        with pytest.raises(NotInRoom, match="left"):
            AudioStream(track, noise_cancellation=Scribe)
        await upstream.aclose()

    play(story)


def test_g20_a_local_track_in_two_rooms() -> None:
    """G20: leaving the first clears the second, in theirs; ours tells the newest publication that there is."""

    async def story(kind: Any) -> list[tuple[Any, ...]]:
        first, second = Sfu("first"), Sfu("second", token="another.token.one")
        voice = Voice(1000).start()
        scribe = Scribe()
        stream = kind(voice.track, noise_cancellation=scribe)
        first.publish_local(voice.track, "TR_A")
        await until(lambda: len(scribe.told) == 2)
        second.publish_local(voice.track, "TR_B")
        await until(lambda: len(scribe.told) == 4)
        if kind is AudioStream:
            second.unpublish_local("TR_B")
            await until(lambda: len(scribe.told) == 6)
            assert scribe.told[4:] == scribe.told[:2]
            second.publish_local(voice.track, "TR_C")
            await until(lambda: len(scribe.told) == 8)
        count = len(scribe.told)
        first.unpublish_local("TR_A")
        second.refresh("another.token.two")
        await until(
            lambda: ("credentials", "another.token.two", URL) in scribe.told or kind is rtc.AudioStream
        )
        told = list(scribe.told[count:])
        await stream.aclose()
        return told

    assert play(lambda: story(rtc.AudioStream)) == CLEARED
    assert play(lambda: story(AudioStream)) == [("credentials", "another.token.two", URL)]


def test_g21_a_hand_over_in_one_burst_leaves_the_processor_with_its_context() -> None:
    """G21: the old track's clear lands after the new one's info, and theirs goes on without credentials."""
    new = [("info", "lobby", "anna", "TR_2"), CREDENTIALS]

    async def story(kind: Any) -> list[tuple[Any, ...]]:
        sfu = Sfu("lobby")
        old = sfu.enter("anna", "TR_1", Voice(1000).start())
        shared = Scribe()
        streams = [kind(old, noise_cancellation=shared)]
        await until(lambda: len(shared.told) == 2)
        again = sfu.enter("anna", "TR_2", Voice(2000).start())
        streams.append(kind(again, noise_cancellation=shared))
        sfu.unsubscribe("anna", "TR_1")
        sfu.unpublish("anna", "TR_1")
        if kind is AudioStream:
            first = streams[0]._line
            await until(lambda: first._closing is not None and first._closing.done())
            await until(lambda: shared.told[-2:] == new)
        told = list(shared.told)
        for stream in streams:
            await stream.aclose()
        return told

    assert play(lambda: story(rtc.AudioStream)) == [INFO, CREDENTIALS, *new, *CLEARED]
    told = play(lambda: story(AudioStream))
    assert told[-2:] == new
    assert ("close",) not in told


def test_g22_one_thread_at_a_time_whatever_loops_there_are() -> None:
    """G22: a stream in another loop than its room's: theirs is called by two threads, at the same time if need be."""

    async def story(kind: Any) -> set[int]:
        sfu = Sfu("lobby")
        threads: set[int] = set()

        class Threads(Scribe):
            def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
                threads.add(threading.get_ident())
                return super()._process(frame)

            def _on_credentials_updated(self, **values: str) -> None:
                super()._on_credentials_updated(**values)
                threads.add(threading.get_ident())

        scribe = Threads()
        attach(await default_session(), sfu.room)
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        ready, done = threading.Event(), threading.Event()

        async def elsewhere() -> None:
            stream = kind(track, noise_cancellation=scribe)
            await until(lambda: scribe.frames > 3)
            ready.set()
            await until(done.is_set)
            await stream.aclose()

        other = threading.Thread(target=asyncio.run, args=(elsewhere(),))
        other.start()
        await until(ready.is_set)
        if kind is rtc.AudioStream:
            threads.discard(threading.get_ident())
        sfu.refresh("a.token.two")
        await until(lambda: ("credentials", "a.token.two", URL) in scribe.told)
        done.set()
        await until(lambda: not other.is_alive())
        return threads

    assert len(play(lambda: story(rtc.AudioStream))) == 2
    assert len(play(lambda: story(AudioStream))) == 1


def test_g24_what_was_told_is_cleared_before_the_close() -> None:
    """G24: theirs closes a processor with everything that it was told; RoomIO sends no clears either."""

    async def story(kind: Any) -> list[tuple[Any, ...]]:
        sfu = Sfu("lobby")
        scribe = Scribe()
        stream = kind(sfu.enter("anna", "TR_1", Voice(1000).start()), noise_cancellation=scribe)
        await until(lambda: len(scribe.told) == 2)
        await stream.aclose()
        return scribe.told[2:]

    assert play(lambda: story(rtc.AudioStream)) == [("close",)]
    assert play(lambda: story(AudioStream)) == [*CLEARED, ("close",)]


def test_g25_a_frame_of_another_length_goes_no_further() -> None:
    """G25: what is not whole blocks of 10 ms aborts native code behind it; here it is replaced by the original."""

    async def story() -> None:
        track = Voice(1000).start().track
        samples = np.full(720, 7, np.int16)
        wrong = Wrong(rtc.AudioFrame(bytearray(samples), 48_000, 1, 720))
        upstream = rtc.AudioStream(track, noise_cancellation=wrong)
        assert (await anext(upstream)).frame.samples_per_channel == 720
        stream = AudioStream(track, noise_cancellation=Wrong(wrong.result))
        for _ in range(10):
            frame = (await anext(stream)).frame
            assert (frame.samples_per_channel, frame.data[0]) == (480, 1000)
        with pytest.raises(NotAnOption, match="10 ms"):
            AudioStream(track, frame_size_ms=15, processors=Scribe)
        await upstream.aclose()
        await stream.aclose()

    play(story)


LEFT_OPEN = """
import asyncio
from livekit import rtc
from greenroom.adapters.livekit import AudioStream

async def main():
    source = rtc.AudioSource(48000, 1, queue_size_ms=50)
    track = rtc.LocalAudioTrack.create_audio_track("t", source)
    kept.extend(AudioStream(track) for _ in range(50))
    for _ in range(5):
        await source.capture_frame(rtc.AudioFrame(bytearray(960), 48000, 1, 480))
    await anext(kept[0])

kept = []
{run}
print("ended")
"""


@pytest.mark.parametrize(
    "run",
    ["asyncio.run(main())", "loop = asyncio.new_event_loop(); loop.run_until_complete(main())"],
)
def test_g26_streams_that_are_left_open_do_not_abort_the_interpreter(run: str) -> None:
    """G26: fifty open streams, a loop that is closed or not, and an interpreter that ends in order."""
    done = subprocess.run(
        [sys.executable, "-c", LEFT_OPEN.format(run=run)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr[-2000:]


def test_g29_what_is_dropped_leaves_no_thread() -> None:
    """G29: each dropped source, track and stream of theirs leaves native threads behind."""

    async def story(kind: Any) -> int:
        async def drop() -> None:
            voice = Voice(1000)
            stream = kind(voice.track)
            await voice.say(3)
            await anext(stream)

        await drop()
        before = native_threads()
        for _ in range(10):
            await drop()
        if kind is AudioStream:
            await until(lambda: collected(lambda: None) and native_threads() <= before + 4)
        return native_threads() - before

    assert play(lambda: story(AudioStream)) <= 4
    assert play(lambda: story(rtc.AudioStream)) >= 10


def native_threads() -> int:
    """Return how many threads the process has, native ones included."""
    status = Path("/proc/self/status").read_text("utf8").splitlines()
    return int(next(line for line in status if line.startswith("Threads:")).split()[1])


def test_g30_nobody_else_is_ever_heard_in_ones_place() -> None:
    """G30: the reader of a track that has gone goes on, and delivers whoever is put in the same place."""

    async def story() -> None:
        sfu = Sfu("lobby")
        voice = Voice(1000).start()
        track = sfu.enter("anna", "TR_1", voice)
        theirs, ours = Scribe(), Scribe()
        upstream = rtc.AudioStream(track, noise_cancellation=theirs)
        stream = AudioStream(track, noise_cancellation=ours)
        async with reading(upstream) as heard:
            await until(lambda: 1000 in theirs.levels and 1000 in ours.levels)
            sfu.gone("anna", "TR_1")
            voice.level = 2000  # another participant, on the same native track
            await until(lambda: 2001 in heard)
        assert 2000 in theirs.levels
        assert theirs.told[-1] == ("credentials cleared",)
        assert [event async for event in stream] == []
        await until(lambda: ours.closed)
        assert ours.levels - {0} == {1000}
        await upstream.aclose()

    play(story)


def test_g31_a_full_reconnect_leaves_nothing_behind_and_the_processor_goes_on() -> None:
    """G31: theirs leaves a stream and an unclosed processor with each reconnect; ours goes on with the same one."""

    async def story() -> None:
        sfu = Sfu("lobby")
        session = await default_session()
        told: list[tuple[Any, ...]] = []
        built: list[Scribe] = []

        def factory() -> Scribe:
            built.append(Scribe(told))
            return built[-1]

        spec = await hosted(session, factory, name="scribe")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        upstream = [rtc.AudioStream(track, noise_cancellation=Scribe())]
        stream = AudioStream(track, processors=spec)
        await until(lambda: len(told) == 2)
        await until(lambda: stream._line._leases)
        for number in range(3):
            sfu.gone("anna", "TR_1")
            sfu.reconnecting()
            assert [event async for event in stream] == []
            track = sfu.enter("anna", "TR_1", Voice(1000).start())
            sfu.reconnected()
            sfu.refresh(f"a.token.{number}")
            upstream.append(rtc.AudioStream(track, noise_cancellation=Scribe()))
            stream = AudioStream(track, processors=spec)
            async for event in stream:
                if level_of(event) == 1001:
                    break
            await until(lambda: told[-1] == ("credentials", f"a.token.{number}", URL))  # noqa: B023
            await until(lambda: stream._line._leases)  # noqa: B023
        assert len(built) == 1
        assert (
            len(
                [
                    stream
                    for room in session.rooms.values()
                    for t in room.tracks.values()
                    for stream in t.streams
                ]
            )
            <= 1
        )
        sfu.end()
        await until(lambda: built[0].closed)
        assert not built[0].after_close
        assert not any(task_of(each).done() for each in upstream)
        await stream.aclose()
        for each in upstream:
            await each.aclose()

    play(story)


def test_hosted_processors_are_held_by_who_wants_them_open() -> None:
    """What ``auto_close=False`` meant: a lease of one's own, and the processor is open beyond its streams."""

    async def story() -> None:
        session = await default_session()
        track = Voice(1000).start().track
        scribe = Scribe()
        spec = await hosted(session, scribe, on_fault=OnFault.SILENCE)
        lease = await session.hold(spec)
        for _ in range(2):
            stream = AudioStream(track, processors=lease)
            async for event in stream:
                if level_of(event) == 1001:
                    break
            await stream.aclose()
            assert not scribe.closed
        await lease.release()
        await until(lambda: scribe.closed)
        assert spec.on_fault is OnFault.SILENCE

    play(story)
