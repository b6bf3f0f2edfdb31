"""`AudioStream`: frames of real tracks through real processors, without a server."""

import asyncio
import difflib
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from livekit import rtc
from tests.livekit.sdkkit import MICROPHONE, Scribe, Sfu, Voice, level_of, play, until

from greenroom.actors import ProcessorSpec, Session, SessionClosed
from greenroom.adapters.livekit import (
    AudioStream,
    _native,
    attach,
    close_default_session,
    default_session,
    hosted,
)
from greenroom.adapters.processors import meter
from greenroom.supervision import ActorRef

ROOT = Path(__file__).parents[2]


def test_one_import_is_enough() -> None:
    """A stream on a remote track of a room that nobody attached: processed frames, full context, one close."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        scribe = Scribe()
        stream = AudioStream(track, noise_cancellation=scribe)
        async for event in stream:
            assert isinstance(event, rtc.AudioFrameEvent)
            if level_of(event) == 1001:
                break
        await stream.aclose()
        await until(lambda: scribe.closed)
        assert scribe.told == [
            ("info", "lobby", "anna", "TR_1"),
            ("credentials", "a.token.one", "wss://sfu.test"),
            ("info cleared",),
            ("credentials cleared",),
            ("close",),
        ]
        assert not scribe.after_close

    play(story)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_who_reads_hears_of_the_end_before_any_actor(
    elsewhere: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their threads would have the interpreter first. The event may come on the loop's thread, or on another."""

    async def story() -> None:
        order: list[str] = []
        kind: Any = ActorRef
        send = kind.send

        def noted(self: Any, message: Any) -> Any:
            order.append(type(message).__name__)
            return send(self, message)

        async def read() -> None:
            async for _ in stream:
                heard.set()
            order.append("reader")

        heard = asyncio.Event()
        sfu = Sfu("lobby")
        stream = AudioStream(sfu.enter("anna", "TR_1", Voice(1000).start()), processors=Scribe)
        reader = asyncio.create_task(read())
        await heard.wait()
        monkeypatch.setattr(ActorRef, "send", noted)
        if elsewhere:
            await asyncio.to_thread(sfu.unsubscribe, "anna", "TR_1")
        else:
            sfu.unsubscribe("anna", "TR_1")
        await reader
        await until(lambda: "CloseStream" in order)
        assert order.index("reader") < order.index("CloseStream")
        assert order[0] == "reader"
        monkeypatch.undo()

    play(story)


def test_a_track_that_is_unsubscribed_ends_its_stream() -> None:
    """No frame comes after the event, and the processor is told and closed."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        scribe = Scribe()
        stream = AudioStream(track, noise_cancellation=scribe)
        await anext(stream)
        sfu.gone("anna", "TR_1")
        assert [event async for event in stream] == []
        await until(lambda: scribe.closed)
        assert scribe.told[2:] == [("info cleared",), ("credentials cleared",), ("close",)]

    play(story)


def test_the_example_differs_from_the_sdks_by_one_import() -> None:
    """Before and after: the same program but for where `AudioStream` comes from; both run, and say the same."""
    before, after = (
        (ROOT / f"examples/livekit_{name}.py").read_text("utf8").split('"""', 2)[2].splitlines()
        for name in ("before", "after")
    )
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-" and line[2:].strip()]
    assert changed == [
        "- from livekit.rtc import AudioStream",
        "+ from greenroom.adapters.livekit import AudioStream",
    ]
    said = [
        subprocess.run(
            [sys.executable, ROOT / f"examples/livekit_{name}.py"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.splitlines()
        for name in ("before", "after")
    ]
    assert [lines[-1] for lines in said] == 2 * ["the processor is closed"]
    assert [len(lines) for lines in said] == [9, 9]
    assert said[0][1:] == said[1][1:]


def test_a_filter_inside_the_sdk_is_passed_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for as given, in front of the processors here, which work as always."""
    asked: list[tuple[Any, Any]] = []
    create = rtc.AudioStream._create_owned_stream

    def without_filter(self: rtc.AudioStream) -> Any:
        # There is no such filter in here: what was asked for is written down, and left out.
        asked.append((self._audio_filter_module, self._audio_filter_options))
        self._audio_filter_module = self._audio_filter_options = None
        return create(self)

    monkeypatch.setattr(rtc.AudioStream, "_create_owned_stream", without_filter)

    async def story() -> None:
        track = Voice(1000).start().track
        options = rtc.NoiseCancellationOptions("krisp", {"level": 3})
        stream = AudioStream(track, noise_cancellation=options, processors=[Scribe, Scribe])
        async for event in stream:
            if level_of(event) == 1002:
                break
        await stream.aclose()

    play(story)
    assert asked == [("krisp", {"level": 3})]


def test_frames_have_the_shape_that_was_asked_for() -> None:
    """Rate, channels and length reach the SDK; each has its effect."""

    async def story() -> None:
        track = Voice(1000).start().track
        stream = AudioStream.from_track(
            track=track, sample_rate=16_000, num_channels=2, frame_size_ms=50, processors=Scribe
        )
        frame = (await anext(stream)).frame
        assert (frame.sample_rate, frame.num_channels, frame.samples_per_channel) == (16_000, 2, 800)
        frame.data[0] = 7  # it is the reader's own
        await stream.aclose()

    play(story)


def test_the_capacity_is_the_streams() -> None:
    """A reader that is late finds the newest frames, and what it has missed is counted."""

    async def story() -> None:
        voice = Voice(1000)
        stream = AudioStream(voice.track, capacity=3)
        await voice.say(20)
        await stream._line.opened()
        inner = stream._line.stream
        assert inner is not None
        await until(lambda: inner.snapshot().frames_in >= 12)
        assert inner.snapshot().in_flight <= 3
        assert sum(inner.snapshot().dropped.values()) >= 9
        await stream.aclose()

    play(story)


def test_notes_on_a_frame_go_along() -> None:
    """What a processor writes into ``userdata`` is in the frame that comes out."""

    class Noting(Scribe):
        def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
            frame.userdata["voice"] = 0.5
            return frame

    class Reading(Scribe):
        def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
            frame.userdata["heard"] = frame.userdata.get("voice")
            return frame

    async def story() -> None:
        stream = AudioStream(Voice(1000).start().track, processors=[Noting, Reading])
        async for event in stream:
            if event.frame.userdata.get("heard"):
                assert event.frame.userdata == {"voice": 0.5, "heard": 0.5}
                break
        await stream.aclose()

    play(story)


def test_processors_of_both_kinds_in_one_pipeline() -> None:
    """LiveKit's and greenroom's, by class, by name, by spec: in the order given."""

    async def story() -> None:
        session = await default_session()
        lease = await session.hold(await hosted(session, Scribe))
        stream = AudioStream(
            Voice(1000).start().track,
            noise_cancellation=Scribe,
            processors=["gain", lease, ProcessorSpec(name="meter", factory=meter), partial(Scribe, add=10)],
        )
        async for event in stream:
            if level_of(event) == 1012 and "level_dbfs" in event.frame.userdata:
                break
        inner = stream._line.stream
        assert inner is not None
        assert [name.partition("#")[0] for name in inner.snapshot().pipeline] == [
            "Scribe",
            "gain",
            "Scribe",
            "meter",
            "partial",
        ]
        await stream.aclose()
        await lease.release()

    play(story)


def test_a_cancelled_reader_loses_nothing() -> None:
    """Frames leave the stream only when they are returned; a closed stream has none, however often it is closed."""

    async def story() -> None:
        sfu = Sfu("lobby")
        anna = sfu.join("anna")
        attach(await default_session(), sfu.room)
        stream = AudioStream.from_participant(participant=anna, track_source=MICROPHONE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.05)
        sfu.enter("anna", "TR_1", Voice(1000).start())
        assert level_of(await anext(stream)) in (0, 1000)
        async with stream:
            await anext(stream)
        await stream.aclose()
        assert [event async for event in stream] == []

    play(story)


def test_a_session_that_closes_ends_its_streams() -> None:
    """In order: natives closed, processors closed, readers at their end, laws kept."""

    async def story() -> None:
        scribes = [Scribe() for _ in range(3)]
        async with Session("mine") as session:
            track = Voice(1000).start().track
            streams = [AudioStream(track, noise_cancellation=scribe, session=session) for scribe in scribes]
            for stream in streams:
                await anext(stream)
            report = await session.close()
        assert all(verdict.held for verdict in report.verdicts), report.verdicts
        for stream in streams:
            async for _ in stream:
                pass
            await stream.aclose()
        assert [scribe.closed for scribe in scribes] == [1, 1, 1]

    play(story)


def test_the_default_session_comes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each loop, with its first stream; soon after the last one it is closed, and the next stream has another."""
    monkeypatch.setattr("greenroom.adapters.livekit._lobby.IDLE_S", 0.05)

    async def story() -> None:
        first = await default_session()
        assert await default_session() is first
        stream = AudioStream(Voice(1000).start().track)
        await anext(stream)
        assert [room.name for room in first.rooms.values()] == ["local"]
        await stream.aclose()
        await until(lambda: closed(first))
        second = AudioStream(Voice(1000).start().track)
        await anext(second)
        assert await default_session() is not first
        await second.aclose()
        await close_default_session()

    play(story)


def closed(session: Session) -> bool:
    """Whether a session is closed."""
    try:
        session.alive()
    except SessionClosed:
        return True
    return False


def test_five_hundred_streams_leave_nothing() -> None:
    """Open, read, close, again and again: no native stream, no thread, no processor is left, nothing is waited for."""

    async def story() -> None:
        voice = Voice(1000).start()
        built: list[Scribe] = []

        def factory() -> Scribe:
            built.append(Scribe())
            return built[-1]

        session = await default_session()
        stream = AudioStream(voice.track, processors=factory)
        await anext(stream)
        await stream.aclose()
        threads = threading.active_count()
        for _ in range(50):
            some = [AudioStream(voice.track, processors=factory) for _ in range(10)]
            for stream in some:
                await anext(stream)
            for stream in some:
                await stream.aclose()
        assert len(built) == 501
        assert all(scribe.closed == 1 and not scribe.after_close for scribe in built)
        await until(
            lambda: threading.active_count() <= threads
        )  # one that has nothing to do any more ends by itself
        assert not session.snapshot().processors
        assert not _native._open

    play(story)
