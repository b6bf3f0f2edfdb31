"""LiveKit's SDK without a server: real rooms, participants and tracks, driven by the protobuf events that a server causes.

A remote track here has the native handle of a local one, so real frames come out of it. Everything else has no handle.
"""

import asyncio
import gc
import itertools
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import numpy as np
from livekit import rtc
from livekit.rtc._ffi_client import FfiHandle
from livekit.rtc._proto import handle_pb2, participant_pb2, room_pb2, track_pb2
from tests.livekit.noting import Noting

from greenroom.adapters.livekit import close_default_session

RATE: Final = 48_000
BLOCK: Final = RATE // 100
MICROPHONE: Final = rtc.TrackSource.SOURCE_MICROPHONE
URL: Final = "wss://sfu.test"
NOBODY: Final = handle_pb2.FfiOwnedHandle(id=0)

_serial: Final = itertools.count(1)
_voices: Final[list[weakref.ref["Voice"]]] = []


class Voice:
    """A source that speaks: frames full of one number, ten milliseconds each, as the SDK paces them."""

    def __init__(self, level: int = 1000, *, channels: int = 1) -> None:
        self.level = level
        self.source = rtc.AudioSource(RATE, channels, queue_size_ms=50)
        self.track = rtc.LocalAudioTrack.create_audio_track(f"voice-{next(_serial)}", self.source)
        self.loop = asyncio.get_running_loop()
        self._channels = channels
        self._task: asyncio.Task[None] | None = None
        _voices.append(weakref.ref(self))

    def start(self) -> "Voice":
        """Speak from now on."""
        self._task = asyncio.get_running_loop().create_task(self._speak())
        return self

    async def say(self, frames: int) -> None:
        """Speak for so many frames, and return when they are in."""
        for _ in range(frames):
            await self.source.capture_frame(self._frame())

    async def _speak(self) -> None:
        while True:
            await self.source.capture_frame(self._frame())

    def _frame(self) -> rtc.AudioFrame:
        samples = np.full((BLOCK, self._channels), self.level, np.int16)
        return rtc.AudioFrame(bytearray(samples), RATE, self._channels, BLOCK)

    async def close(self) -> None:
        """Be silent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.source.aclose()

    def remote_handle(self) -> handle_pb2.FfiOwnedHandle:
        """Give the track's native handle away: to a remote track, which then drops it."""
        handle = self.track._ffi_handle
        handle._disposed = True
        return handle_pb2.FfiOwnedHandle(id=handle.handle)


def info(identity: str) -> participant_pb2.OwnedParticipant:
    """Return what a server says of a participant."""
    return participant_pb2.OwnedParticipant(
        handle=NOBODY, info=participant_pb2.ParticipantInfo(sid=f"PA_{identity}", identity=identity)
    )


def publication(
    sid: str, source: Any = MICROPHONE, kind: Any = rtc.TrackKind.KIND_AUDIO
) -> track_pb2.OwnedTrackPublication:
    """Return what a server says of a publication."""
    return track_pb2.OwnedTrackPublication(
        handle=NOBODY, info=track_pb2.TrackPublicationInfo(sid=sid, name=sid, kind=kind, source=source)
    )


class Sfu:
    """A room of the SDK, connected as far as it can tell, and who drives it."""

    def __init__(
        self, name: str = "lobby", *, token: str = "a.token.one", connected: bool = True, me: str = "me"
    ) -> None:
        self.room = rtc.Room()
        self.room._ffi_queue = None
        self._me = me
        self._name = name
        self._token = token
        if connected:
            self.connect()

    def connect(self) -> None:
        """Be connected, as after `rtc.Room.connect`."""
        room = self.room
        room._server_url = URL
        room._token = self._token
        room._ffi_handle = FfiHandle(0)
        room._info = room_pb2.RoomInfo(sid="RM_1", name=self._name)
        room._local_participant = rtc.LocalParticipant(room._room_queue, info(self._me))
        self.state(rtc.ConnectionState.CONN_CONNECTED)

    def send(self, **event: Any) -> None:
        """Have the room handle one event, as its own task would."""
        self.room._on_room_event(room_pb2.RoomEvent(room_handle=0, **event))

    def state(self, state: Any) -> None:
        self.send(connection_state_changed=room_pb2.ConnectionStateChanged(state=state))

    # -- participants and their tracks ------------------------------------------------------------------------

    def join(self, identity: str) -> rtc.RemoteParticipant:
        self.send(participant_connected=room_pb2.ParticipantConnected(info=info(identity)))
        return self.room.remote_participants[identity]

    def publish(self, identity: str, sid: str, source: Any = MICROPHONE) -> None:
        self.send(
            track_published=room_pb2.TrackPublished(
                participant_identity=identity, publication=publication(sid, source)
            )
        )

    def subscribe(
        self, identity: str, sid: str, voice: Voice | None = None, kind: Any = rtc.TrackKind.KIND_AUDIO
    ) -> rtc.Track:
        handle = NOBODY if voice is None else voice.remote_handle()
        track = track_pb2.TrackInfo(sid=sid, name=sid, kind=kind, remote=True)
        self.send(
            track_subscribed=room_pb2.TrackSubscribed(
                participant_identity=identity, track=track_pb2.OwnedTrack(handle=handle, info=track)
            )
        )
        found = self.room.remote_participants[identity].track_publications[sid].track
        assert found is not None
        return found

    def enter(self, identity: str, sid: str, voice: Voice, source: Any = MICROPHONE) -> rtc.Track:
        """Join, publish and be subscribed to."""
        if identity not in self.room.remote_participants:
            self.join(identity)
        self.publish(identity, sid, source)
        return self.subscribe(identity, sid, voice)

    def unsubscribe(self, identity: str, sid: str) -> None:
        self.send(track_unsubscribed=room_pb2.TrackUnsubscribed(participant_identity=identity, track_sid=sid))

    def unpublish(self, identity: str, sid: str) -> None:
        self.send(
            track_unpublished=room_pb2.TrackUnpublished(participant_identity=identity, publication_sid=sid)
        )

    def leave(self, identity: str) -> None:
        self.send(participant_disconnected=room_pb2.ParticipantDisconnected(participant_identity=identity))

    def gone(self, identity: str, sid: str) -> None:
        """Go as a server says it: unsubscribed, unpublished, disconnected."""
        self.unsubscribe(identity, sid)
        self.unpublish(identity, sid)
        self.leave(identity)

    # -- the room itself ----------------------------------------------------------------------------------------

    def refresh(self, token: str) -> None:
        self.send(token_refreshed=room_pb2.TokenRefreshed(token=token))

    def move(self, name: str) -> None:
        self.send(moved=room_pb2.RoomInfo(sid="RM_2", name=name))

    def reconnecting(self) -> None:
        self.state(rtc.ConnectionState.CONN_RECONNECTING)
        self.send(reconnecting=room_pb2.Reconnecting())

    def reconnected(self) -> None:
        self.state(rtc.ConnectionState.CONN_CONNECTED)
        self.send(reconnected=room_pb2.Reconnected())

    def end(self) -> None:
        """Be disconnected by the server: nothing else is said."""
        self.state(rtc.ConnectionState.CONN_DISCONNECTED)
        self.send(disconnected=room_pb2.Disconnected())

    # -- local tracks ---------------------------------------------------------------------------------------------

    def publish_local(self, track: rtc.LocalAudioTrack, sid: str) -> rtc.LocalTrackPublication:
        """Publish a local track, as `LocalParticipant.publish_track` does after the server has answered."""
        mine = rtc.LocalTrackPublication(publication(sid))
        mine._track = track
        track._info.sid = sid
        self.room.local_participant._track_publications[sid] = mine
        self.send(local_track_published=room_pb2.LocalTrackPublished(track_sid=sid))
        return mine

    def republish_local(self, previous: str, sid: str) -> None:
        self.send(
            local_track_republished=room_pb2.LocalTrackRepublished(
                previous_sid=previous, info=publication(sid).info
            )
        )

    def unpublish_local(self, sid: str) -> None:
        self.send(local_track_unpublished=room_pb2.LocalTrackUnpublished(publication_sid=sid))


# -- processors -------------------------------------------------------------------------------------------------------


class Scribe(Noting):
    """A processor of LiveKit's that writes down what it is told, and adds to each sample.

    Args:
        told: where it writes.
        raises: what is raised in which call, by name.
        add: to each sample.
    """

    def __init__(
        self,
        told: list[tuple[Any, ...]] | None = None,
        *,
        raises: dict[str, BaseException] | None = None,
        add: int = 1,
    ) -> None:
        self.told: list[tuple[Any, ...]] = [] if told is None else told
        self.raises = {} if raises is None else raises
        self.add = add
        self.frames: int = 0
        self.levels: set[int] = set()
        self.closed = 0
        self.after_close: list[str] = []
        self._enabled = True

    @property
    def enabled(self) -> bool:
        if "enabled" in self.raises:
            raise self.raises["enabled"]
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._enabled = value

    def _note(self, what: str, *values: str) -> None:
        if self.closed:
            self.after_close.append(what)
        self.told.append((what, *values))
        if what in self.raises:
            raise self.raises[what]

    def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        if self.closed:
            self.after_close.append("frame")
        self.frames += 1
        if "frame" in self.raises:
            raise self.raises["frame"]
        samples = np.frombuffer(frame.data, np.int16)
        self.levels |= {int(samples[0])}
        return rtc.AudioFrame(
            bytearray(samples + np.int16(self.add)),
            frame.sample_rate,
            frame.num_channels,
            frame.samples_per_channel,
        )

    def _close(self) -> None:
        if self.closed:
            self.after_close.append("close")
        self.closed += 1
        self.told.append(("close",))
        if "close" in self.raises:
            raise self.raises["close"]


# -- loops and waiting ------------------------------------------------------------------------------------------------


def play(story: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a story in a loop of its own; its default session is closed, and its voices are silent, at the end."""

    async def run() -> Any:
        loop = asyncio.get_running_loop()
        try:
            return await story()
        finally:
            voices = [voice for ref in _voices if (voice := ref()) is not None]
            for voice in voices:
                if voice.loop is loop:
                    await voice.close()
            _voices[:] = [weakref.ref(voice) for voice in voices if voice.loop is not loop]
            await close_default_session()

    return asyncio.run(asyncio.wait_for(run(), 60))


async def until(condition: Callable[[], Any]) -> None:
    """Return when something holds; the test's own time limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - what is waited for happens on other threads
        await asyncio.sleep(0.002)


def collected(ref: Callable[[], object]) -> bool:
    """Return whether what a weak reference refers to is gone, now that the collector has run."""
    gc.collect()
    return ref() is None


def listen(room: rtc.Room, event: str, handler: Callable[..., object]) -> None:
    """Have a handler of the application's called."""
    emitter: Any = room
    emitter.on(event, handler)


def handlers_of(room: rtc.Room) -> list[Any]:
    """Return everybody who listens to a room."""
    emitter: Any = room
    return [handler for handlers in emitter._events.values() for handler in handlers]


def level_of(event: rtc.AudioFrameEvent) -> int:
    """Return what a frame is full of."""
    return int(event.frame.data[0])


async def loud(stream: Any) -> int:
    """Return what the next frame is full of that is not silent: a source begins with silence, and falls back into it when it is late."""
    while not (level := level_of(await anext(stream))):
        pass
    return level


@asynccontextmanager
async def reading(stream: Any) -> AsyncGenerator[list[int], None]:
    """Read a stream in the background; give the levels that come out."""
    levels: list[int] = []

    async def read() -> None:
        async for event in stream:
            levels.append(level_of(event))  # noqa: PERF401 - they are looked at while they come

    task = asyncio.get_running_loop().create_task(read())
    try:
        yield levels
    finally:
        task.cancel()
        await asyncio.wait([task])
