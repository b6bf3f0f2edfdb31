"""How frames come from the SDK's native threads: what those would send is put where they put it."""

import asyncio
import ctypes
import gc
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
from livekit import rtc
from livekit.rtc._ffi_client import FfiClient, FfiHandle
from livekit.rtc._proto import audio_frame_pb2, ffi_pb2, room_pb2
from tests.livekit.sdkkit import BLOCK, RATE, Scribe, Sfu, Voice, level_of, loud, play, until

from greenroom.actors import OnFault, Placement, ProcessorSpec, Stream
from greenroom.actors.processors import Reason
from greenroom.adapters.livekit import AudioStream, _sdk
from greenroom.adapters.livekit._frames import Heard, carried, from_rtc, out_of, returned, to_rtc
from greenroom.adapters.livekit._sdk import handle_of, inlet_of
from greenroom.adapters.livekit._wire import TURN_FRAMES, WAITING_FRAMES, Wire, wire

CHANNELS = 2


def subscriptions() -> int:
    """Return how many subscriptions to the SDK's events are the wire's."""
    queue: Any = FfiClient.instance.queue
    return [subscriber[2] for subscriber in queue._subscribers].count(wire._sort)


class Silence(Voice):
    """A source that says nothing, not even silence: what comes on its tracks is what a test puts there."""

    def __init__(self) -> None:
        super().__init__()
        self.source = rtc.AudioSource(RATE, CHANNELS, queue_size_ms=0)
        self.track = rtc.LocalAudioTrack.create_audio_track("silence", self.source)


def event_of(handle: int, level: int, buffer: int = 0) -> tuple[ffi_pb2.FfiEvent, Any]:
    """Return the event that brings a frame, and the memory where its samples are; 0: a buffer that is nobody's."""
    memory = (ctypes.c_int16 * (CHANNELS * BLOCK))(*[level] * CHANNELS * BLOCK)
    event = ffi_pb2.FfiEvent()
    event.audio_stream_event.stream_handle = handle
    frame = event.audio_stream_event.frame_received.frame
    frame.handle.id = buffer
    frame.info.data_ptr = ctypes.addressof(memory)
    frame.info.num_channels, frame.info.sample_rate, frame.info.samples_per_channel = CHANNELS, RATE, BLOCK
    return event, memory


def put(handle: int, *levels: int) -> None:
    """Send frames as a native thread would."""
    for level in levels:
        event, memory = event_of(handle, level)
        FfiClient.instance.queue.put(event)
        del memory  # read by then


def put_end(handle: int) -> None:
    """Say that a stream has ended, as a native thread would."""
    event = ffi_pb2.FfiEvent()
    event.audio_stream_event.stream_handle = handle
    event.audio_stream_event.eos.CopyFrom(audio_frame_pb2.AudioStreamEOS())
    FfiClient.instance.queue.put(event)


def put_room(**event: Any) -> None:
    """Say something of a room, as a native thread would."""
    FfiClient.instance.queue.put(ffi_pb2.FfiEvent(room_event=room_pb2.RoomEvent(**event)))


def native_of(stream: AudioStream) -> rtc.AudioStream:
    """Return the SDK's stream behind one of ours."""
    native = stream._line._native
    assert native is not None
    return native._stream


async def opened(track: rtc.Track, **options: Any) -> tuple[AudioStream, int]:
    """Open a stream; return it, and by which number its events are known."""
    stream = AudioStream(track, num_channels=CHANNELS, **options)
    await stream._line.opened()
    return stream, handle_of(native_of(stream))


def inner_of(stream: AudioStream) -> Stream:
    """Return the session's stream behind one of ours."""
    inner = stream._line.stream
    assert inner is not None
    return inner


async def levels(stream: AudioStream, count: int) -> list[int]:
    """Read so many frames."""
    return [level_of(await anext(stream)) for _ in range(count)]


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    # A loop that was closed without a goodbye leaves its own behind: other tests have such loops.
    sources, places = set(wire._sources), set(wire._places)
    yield
    assert set(wire._sources) <= sources
    assert set(wire._places) <= places


def test_frames_come_in_order_also_those_from_before_the_wire() -> None:
    """What the SDK had put on its own way comes first, what comes meanwhile next; nothing comes twice."""

    async def story() -> None:
        stream = AudioStream(Silence().track, num_channels=CHANNELS)
        handle = handle_of(native_of(stream))
        inlet = inlet_of(native_of(stream))
        loop = asyncio.get_running_loop()
        for level in (
            1,
            2,
        ):  # as if they had come before: the source joins later in this very turn of the loop
            event, memory = event_of(handle, level)
            inlet.put_nowait(event)
            loop.call_soon(lambda _: None, memory)
        stray, memory = event_of(handle + 1_000, 99)
        inlet.put_nowait(stray)
        put(handle, 3, 4)
        await stream._line.opened()
        put(handle, 5)
        assert await levels(stream, 5) == [1, 2, 3, 4, 5]
        assert inner_of(stream).snapshot().frames_in == 5
        await stream.aclose()
        del memory

    play(story)


def test_many_frames_wake_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever streams they are for."""

    async def story() -> None:
        voice = Silence()
        streams = [await opened(voice.track) for _ in range(5)]
        for stream, handle in streams:
            put(handle, 1)
            await levels(stream, 1)
        loop: Any = asyncio.get_running_loop()
        calls: list[Any] = []
        before = loop.call_soon_threadsafe

        def count(*what: Any) -> Any:
            calls.append(what)
            return before(*what)

        monkeypatch.setattr(loop, "call_soon_threadsafe", count)
        for _, handle in streams:
            put(handle, 2, 3)
        monkeypatch.undo()
        assert len(calls) == 1
        for stream, _ in streams:
            assert await levels(stream, 2) == [2, 3]
            await stream.aclose()

    play(story)


def test_a_stream_ends_behind_its_last_frame() -> None:
    """The SDK's own reader is told the end, and ends as it always does."""

    async def story() -> None:
        stream, handle = await opened(Silence().track)
        put(handle, 1, 2)
        put_end(handle)
        assert [level_of(event) async for event in stream] == [1, 2]
        await stream.aclose()

    play(story)


def test_after_a_room_has_said_that_a_track_is_gone_nothing_is_let_in() -> None:
    """Although the room's own task has not seen the event yet. Other tracks, and the same sid in another room, go on."""

    async def story() -> None:
        rooms = [Sfu("one"), Sfu("two")]
        for number, room in enumerate(rooms, 1):
            room.room._ffi_handle = FfiHandle(number)
            room.room._ffi_handle.mark_consumed()
        scribes = [Scribe() for _ in range(4)]
        streams = [
            await opened(room.enter(who, sid, Silence()), processors=scribe)
            for (room, who, sid), scribe in zip(
                [
                    (rooms[0], "anna", "TR_1"),
                    (rooms[0], "bert", "TR_2"),
                    (rooms[0], "carl", "TR_3"),
                    (rooms[1], "anna", "TR_1"),
                ],
                scribes,
                strict=True,
            )
        ]
        for stream, handle in streams:
            put(handle, 1)
            await levels(stream, 1)
        put_room(
            room_handle=1, participant_disconnected=room_pb2.ParticipantDisconnected(participant_identity="x")
        )
        put_room(
            room_handle=1,
            track_unsubscribed=room_pb2.TrackUnsubscribed(participant_identity="anna", track_sid="TR_1"),
        )
        put_room(
            room_handle=1,
            track_unpublished=room_pb2.TrackUnpublished(participant_identity="bert", publication_sid="TR_2"),
        )
        for _, handle in streams:
            put(handle, 7)
        for stream, _ in streams[2:]:
            assert await levels(stream, 1) == [8]
        assert [max(scribe.levels) for scribe in scribes] == [1, 1, 7, 7]
        for stream, _ in streams:
            await stream.aclose()

    play(story)


def test_every_native_buffer_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of frames that are heard, and of those that nobody hears any more."""
    given_back: list[int] = []

    class Buffer:
        def __init__(self, number: int) -> None:
            self.number = number

        def dispose(self) -> None:
            given_back.append(self.number)

    monkeypatch.setattr(_sdk, "FfiHandle", Buffer)

    async def story() -> None:
        stream, handle = await opened(Silence().track)
        first, memory = event_of(handle, 1, buffer=71)
        FfiClient.instance.queue.put(first)
        assert await levels(stream, 1) == [1]
        stream._line.cut()
        second, memory = event_of(handle, 2, buffer=72)
        FfiClient.instance.queue.put(second)
        assert given_back == [71, 72]
        await stream.aclose()
        del memory

    play(story)


def test_what_waits_for_a_loop_that_is_busy_is_bounded() -> None:
    """The oldest go, and are counted; media time goes on over them."""

    async def story() -> None:
        stream, handle = await opened(Silence().track, capacity=2 * WAITING_FRAMES)
        put(handle, 1)
        await levels(stream, 1)
        put(handle, *range(2, WAITING_FRAMES + 5))
        assert await levels(stream, WAITING_FRAMES) == list(range(5, WAITING_FRAMES + 5))
        inner = inner_of(stream)
        snapshot = inner.snapshot()
        assert snapshot.dropped == {Reason.OVERFLOW: 3}
        assert snapshot.frames_in == WAITING_FRAMES + 4
        put(handle, 1)
        await until(lambda: inner.in_flight)
        last = inner.take()
        assert last is not None
        assert last.timestamp_ns == (WAITING_FRAMES + 4) * 10_000_000
        await stream.aclose()

    play(story)


def test_in_a_backlog_others_have_their_turns() -> None:
    """A loop that was busy goes on with its other tasks after `TURN_FRAMES`, not after all that has come for it."""

    async def story() -> None:
        stream, handle = await opened(Silence().track)
        put(handle, 1)
        await levels(stream, 1)
        loop = asyncio.get_running_loop()
        inner = inner_of(stream)
        seen: list[int] = []

        def look() -> None:
            seen.append(inner.snapshot().frames_in)
            if seen[-1] < 1 + 5 * TURN_FRAMES:
                loop.call_soon(look)

        put(handle, *[2] * 5 * TURN_FRAMES)
        look()
        assert await levels(stream, 5 * TURN_FRAMES) == [2] * 5 * TURN_FRAMES
        assert {1 + turn * TURN_FRAMES for turn in range(1, 6)} <= set(seen)
        await stream.aclose()

    play(story)


def test_the_sdks_own_streams_go_on_beside() -> None:
    """On the same track, in the same process; with the last of ours the wire's subscription ends."""

    async def story() -> None:
        voice = Voice(1000).start()
        theirs = rtc.AudioStream(voice.track)
        streams = [AudioStream(voice.track) for _ in range(3)]
        assert subscriptions() == 1
        everybody: list[Any] = [*streams, theirs]
        for stream in everybody:
            assert await loud(stream) == 1000
        for stream in streams:
            await stream.aclose()
        assert (subscriptions(), wire._subscription is not None) == (bool(wire._sources), bool(wire._sources))
        assert await loud(theirs) == 1000
        await theirs.aclose()

    play(story)


def test_a_loop_that_has_ended_is_not_kept() -> None:
    """What came for it is forgotten with its last stream."""

    async def story() -> None:
        stream, handle = await opened(Silence().track)
        put(handle, 1)
        await levels(stream, 1)
        await stream.aclose()

    before = set(wire._inboxes)
    play(story)
    gc.collect()
    assert set(wire._inboxes) <= before


def test_a_mistake_ends_one_stream_and_no_other() -> None:
    """Whoever hears a source and raises is not called again; the next one is called."""
    heard: list[str] = []

    class Bad:
        def hear(self, frame: Heard, /) -> None:
            assert frame.frames == BLOCK
            heard.append("bad")
            raise ValueError

        def missed(self, frames: int, /) -> None: ...

    class Good(Bad):
        def hear(self, frame: Heard, /) -> None:
            assert frame.frames == BLOCK
            heard.append("good")

    async def story() -> None:
        voice = Silence()
        mine = Wire()
        loop = asyncio.get_running_loop()
        streams = [rtc.AudioStream(voice.track) for _ in range(2)]
        sources = [
            mine.plug(stream, voice.track, loop, listener)
            for stream, listener in zip(streams, (Bad(), Good()), strict=True)
        ]
        await asyncio.sleep(0)
        for _ in range(2):
            for source in sources:
                put(source.handle, 1)
        await until(lambda: heard.count("good") == 2)
        assert heard.count("bad") == 1
        for stream, source in zip(streams, sources, strict=True):
            await stream.aclose()
            mine.unplug(source)

    play(story)


# -- frames that are carried --------------------------------------------------------------------------------------------


def rtc_frame(level: int = 5, **userdata: Any) -> rtc.AudioFrame:
    """Return a frame of LiveKit's."""
    return rtc.AudioFrame(
        bytearray(np.full((BLOCK, CHANNELS), level, np.int16)), RATE, CHANNELS, BLOCK, userdata=userdata
    )


def test_a_frame_that_is_carried_looks_like_any_other() -> None:
    """Its samples are read-only; who writes in a copy changes nothing."""
    frame = carried(rtc_frame(voice=0.5), 70)
    assert (frame.rate_hz, frame.frames, frame.channels, frame.timestamp_ns) == (RATE, BLOCK, CHANNELS, 70)
    assert frame.duration_ns == 10_000_000
    assert frame.annotations == {"voice": 0.5}
    assert frame.samples.shape == (BLOCK, CHANNELS)
    assert frame.samples is frame.samples
    with pytest.raises(ValueError, match="read-only"):
        frame.samples[0] = 1
    copy = to_rtc(frame)
    copy.data[0] = 9
    assert copy.userdata == {"voice": 0.5}
    assert int(frame.samples[0, 0]) == 5
    assert int(frame.silenced().samples.max()) == 0


def test_what_a_processor_returns_is_itself_what_comes_out() -> None:
    """If it is of the shape that it came with; the annotations from before are kept."""
    given = carried(rtc_frame(), 70)
    result = rtc_frame(6)
    follows = returned(result, given)
    assert out_of(follows) is result
    assert follows.timestamp_ns == 70
    assert int(follows.samples[0, 0]) == 6
    noted = carried(rtc_frame(voice=0.5), 70)
    kept = returned(result, noted)
    assert (type(kept), kept.annotations) == (type(from_rtc(result, 0)), {"voice": 0.5})
    wrong = rtc.AudioFrame(bytearray(2 * BLOCK), RATE // 2, 1, BLOCK)
    assert not isinstance(returned(wrong, given), Heard)


def test_a_processor_that_spoils_its_frame_and_fails_has_not_touched_the_original() -> None:
    """It may write in what it is given: that is a copy, and the original comes out in its place."""

    class Spoils(Scribe):
        def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
            for index in range(len(frame.data)):
                frame.data[index] = 0
            raise ValueError

    async def story() -> None:
        spec = ProcessorSpec(
            name="spoils", factory=cast("Any", Spoils), placement=Placement.INLINE, on_fault=OnFault.BYPASS
        )
        stream, handle = await opened(Silence().track, processors=spec)
        put(handle, 1000)
        assert await levels(stream, 1) == [1000]
        snapshot = inner_of(stream).snapshot()
        assert sum(snapshot.bypassed.values()) == 1
        await stream.aclose()

    play(story)
