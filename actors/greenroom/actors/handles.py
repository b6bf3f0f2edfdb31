"""What people hold of a session: rooms, tracks, streams, leases and scripts. Made by `Session`, never directly."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from greenroom.actors._desired import Granted, RoomState, StreamState, TrackState
from greenroom.actors._head import Fan
from greenroom.actors._meter import StreamMeter
from greenroom.actors._output import Output, SinkWriter, StreamIterator
from greenroom.actors._pacer import PacerScript
from greenroom.actors._processor import Release, Transfer
from greenroom.actors._room import (
    GRACE_NS,
    AddTrack,
    CloseRoom,
    DropTrack,
    MoveTrack,
    Reconnected,
    Reconnecting,
    Refresh,
)
from greenroom.actors._stream import CloseStream
from greenroom.actors._track import OpenStream
from greenroom.actors.context import Credentials
from greenroom.actors.errors import LeaseOver, NotThere, RoomClosed, SessionClosed, StreamFailed, TrackClosed
from greenroom.actors.frames import Frame
from greenroom.actors.snapshots import StreamSnapshot
from greenroom.actors.sources import Sink, Source
from greenroom.supervision import ActorDead, ActorRef, Dispatcher, Future

if TYPE_CHECKING:
    from greenroom.actors.session import Session

OUTPUT_FRAMES: Final = 1_000
"""How many frames a stream keeps for a consumer that is slow; past it the oldest is dropped (real time)."""
NAME_CHARACTERS: Final = 120


def check_name(kind: str, name: object) -> None:
    """Refuse a name that could not be read in a path or a log.

    Raises:
        ValueError: it is not a printable text without ``/`` of 1 to 120 characters.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or "/" in name:
        raise ValueError(f"{kind} is {name!r}; it must be a printable text without '/'")
    if len(name) > NAME_CHARACTERS:
        raise ValueError(f"{kind} has {len(name)} characters; at most {NAME_CHARACTERS} are allowed")


class Room:
    """A room that is open. Made by `Session.open_room`."""

    def __init__(self, session: "Session", state: RoomState) -> None:
        self._session = session
        self._state = state
        self._tracks: dict[str, Track] = {}

    @property
    def name(self) -> str:
        """Its name."""
        return self._state.name

    @property
    def ref(self) -> ActorRef[Any]:
        """The RoomActor's ref, for messages of one's own and for fault injection."""
        if self._state.actor is None:
            raise RoomClosed(f"room {self.name!r} is closed")
        return self._state.actor

    @property
    def tracks(self) -> Mapping[str, "Track"]:
        """The tracks that are in it, by key ``participant/source``."""
        return {key: track for key, track in self._tracks.items() if key in self._state.tracks}

    async def add_track(
        self, sid: str, *, participant: str, source: Source, source_name: str = "microphone"
    ) -> "Track":
        """Add what a participant has published. Its source is read from when its first stream opens.

        Raises:
            DuplicateName: the participant has a track of that source in here, or the sid is taken.
            RoomClosed: the room is closed.
        """
        env = self._session.alive()
        for kind, value in (("sid", sid), ("participant", participant), ("source_name", source_name)):
            check_name(kind, value)
        state = TrackState(
            key=f"{participant}/{source_name}",
            sid=sid,
            participant=participant,
            source_name=source_name,
            source=source,
            room_name=self.name,
            credentials=None,
            fan=Fan(env.runtime),
        )
        await self._ask(AddTrack(state=state))
        track = self._tracks[state.key] = Track(self, state)
        return track

    async def remove_track(self, track: "Track | str") -> None:
        """End a track (or the one of that sid or key): its streams end after their last frames. Idempotent."""
        key = track.key if isinstance(track, Track) else self._key(track)
        if key is not None:
            await self._ask(DropTrack(key=key))

    async def leave(self, participant: str) -> None:
        """End all tracks of a participant, who has left. Idempotent."""
        keys = [key for key, state in self._state.tracks.copy().items() if state.participant == participant]
        await asyncio.gather(*(self._ask(DropTrack(key=key)) for key in keys))

    async def refresh(self, credentials: Credentials) -> None:
        """The room's token was refreshed: all its processors are told the new credentials."""
        await self._ask(Refresh(credentials=self._known(credentials)))

    async def reconnecting(self, *, grace_ns: int = GRACE_NS) -> None:
        """The connection is lost: processors are kept for tracks that come back within ``grace_ns``."""
        await self._ask(Reconnecting(grace_ns=grace_ns))

    async def reconnected(
        self, sids: Mapping[str, str] | None = None, *, credentials: Credentials | None = None
    ) -> None:
        """The connection is back: the tracks of ``sids`` (old to new) were published again, and go on.

        Raises:
            NotThere: an old sid is none of this room's.
        """
        await self._ask(Reconnected(sids=dict(sids or {}), credentials=self._known(credentials)))

    async def reconnect(self, sids: Mapping[str, str], *, credentials: Credentials | None = None) -> None:
        """A full reconnect at once: `reconnecting`, then `reconnected`."""
        await self.reconnecting()
        await self.reconnected(sids, credentials=credentials)

    async def move_track(self, track: "Track", room: "Room", *, sid: str | None = None) -> "Track":
        """Hand a track over to another room of the session, with its streams, losing no frame.

        Raises:
            NotThere: the track is not in this room.
            DuplicateName: the other room has such a track; this one stays where it is.
        """
        if room._session is not self._session:
            raise NotThere("room", room.name, self._session.rooms)
        await self._ask(MoveTrack(key=track.key, to=room.ref, sid=track.sid if sid is None else sid))
        self._tracks.pop(track.key, None)
        room._tracks[track.key] = track
        track._room = room
        return track

    async def close(self) -> None:
        """End all tracks in order, then the room. Idempotent."""
        try:
            await self._ask(CloseRoom())
        except (RoomClosed, SessionClosed):
            return

    def _known(self, credentials: Credentials | None) -> Any:
        return self._session.alive().know(credentials)

    def _key(self, sid_or_key: str) -> str | None:
        for key, state in self._state.tracks.copy().items():
            if sid_or_key in (key, state.sid):
                return key
        return None

    async def _ask(self, message: Any) -> Any:
        try:
            return await self._session.ask(self.ref, message)
        except ActorDead as error:
            raise RoomClosed(f"room {self.name!r} is closed") from error

    def __repr__(self) -> str:
        return f"<Room {self.name}>"


class Track:
    """A track that is in a room. Made by `Room.add_track`."""

    def __init__(self, room: Room, state: TrackState) -> None:
        self._room = room
        self._state = state
        self._streams: weakref.WeakValueDictionary[str, Stream] = weakref.WeakValueDictionary()

    @property
    def key(self) -> str:
        """``participant/source``: the same across republications and moves."""
        return self._state.key

    @property
    def sid(self) -> str:
        """The publication it is known by at present."""
        return self._state.sid

    @property
    def participant(self) -> str:
        """Whose it is."""
        return self._state.participant

    @property
    def room(self) -> Room:
        """Where it is."""
        return self._room

    @property
    def streams(self) -> Mapping[str, "Stream"]:
        """The streams that are open and whose handles somebody has, by name."""
        return dict(self._streams)

    async def open_stream(
        self, processors: Sequence[Any] = (), *, sink: Sink | None = None, name: str | None = None
    ) -> "Stream":
        """Open a stream through ``processors``, in that order.

        Each is a configured or installed name, a `ProcessorSpec`, a factory, an instance, or a `Lease`. The
        stream starts at once: what comes before a processor is ready follows its ``on_fault``, as ``warming``.

        Args:
            processors: the pipeline; empty passes the frames through.
            sink: takes the frames; without one the stream is iterated.
            name: unique in the track; numbered by default.

        Raises:
            TrackClosed: the track has left.
            UnknownProcessor, NotAProcessor, LeaseOver, StreamFailed: what is wrong with the pipeline.
        """
        session = self._room._session
        env = session.alive()
        if self._state.removed:
            raise TrackClosed(f"track {self.key!r} has left its room")
        steps = [await self._step(wanted) for wanted in processors]
        if name is None:
            self._state.serial += 1
            name = str(self._state.serial)
        check_name("name", name)
        meter = StreamMeter(env.runtime)
        state = StreamState(
            name=name,
            steps=tuple(steps),
            output=Output(env.runtime, meter, capacity=OUTPUT_FRAMES),
            meter=meter,
            done=Future(env.runtime),
            written=Future(env.runtime),
            sink=sink,
        )
        try:
            await session.ask(self.ref, OpenStream(state=state))
        except ActorDead as error:
            raise TrackClosed(f"track {self.key!r} has left its room") from error
        stream = self._streams[name] = Stream(self, state)
        return stream

    @property
    def ref(self) -> ActorRef[Any]:
        """The TrackActor's ref."""
        if self._state.actor is None:
            raise TrackClosed(f"track {self.key!r} has left its room")
        return self._state.actor

    async def _step(self, wanted: Any) -> Any:
        if isinstance(wanted, Lease):
            if wanted.over:
                raise LeaseOver(f"the lease on {wanted.processor!r} has ended; hold the processor again")
            return wanted._granted.processor
        return await self._room._session.spec(wanted)

    async def remove(self) -> None:
        """End the track: its streams end after their last frames. Idempotent."""
        await self._room.remove_track(self)

    def __repr__(self) -> str:
        return f"<Track {self.key} {self.sid} in {self._room.name}>"


class Stream(AsyncIterator[Frame]):
    """A stream that is open: an iterator of its frames, unless a sink takes them. Made by `Track.open_stream`.

    One that is dropped without `aclose` is closed when it is collected.
    """

    def __init__(self, track: Track, state: StreamState) -> None:
        self._track = track
        self._state = state
        self._iterator: StreamIterator | None = None
        env = track._room._session.alive()
        if state.sink is None:
            self._forgotten: Any = weakref.finalize(self, _forget, state)
            self._forgotten.atexit = False
        else:
            executor = env.runtime.executor(Dispatcher.BLOCKING, "sink")
            self._writer = SinkWriter(state.output, state.sink, executor, lambda error: _written(state, error))

    @property
    def name(self) -> str:
        """Its name in its track."""
        return self._state.name

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> Frame:
        """Return the next frame.

        Raises:
            StopAsyncIteration: the stream has ended.
            StreamFailed: its source or its pipeline failed.
        """
        if self._iterator is None:
            if self._state.sink is not None:
                raise StreamFailed(self.name, TypeError("a sink takes its frames; it cannot be iterated as well"))
            self._iterator = StreamIterator(self._state.output)
        try:
            return await self._iterator.__anext__()
        except StopAsyncIteration:
            raise
        except Exception as error:
            raise StreamFailed(self.name, error) from error

    async def aclose(self) -> None:
        """End the stream now; what is inside is dropped and counted. Idempotent."""
        await self._close(discard=True)

    async def drain(self) -> None:
        """End the stream after what is inside has come out; for one with a sink, after it was written."""
        await self._close(discard=False)

    async def _close(self, *, discard: bool) -> None:
        if self.ref.send(CloseStream(discard=discard)):
            await self._track._room._session.ended(self.ref)

    @property
    def ref(self) -> ActorRef[Any]:
        """The StreamActor's ref."""
        assert self._state.actor is not None
        return self._state.actor

    async def ended(self) -> None:
        """Wait until the stream has ended, and its sink has finished.

        Raises:
            StreamFailed: it ended because of an error.
        """
        await self._state.done
        await self._state.written
        if self._state.error is not None:
            raise StreamFailed(self.name, self._state.error)

    def snapshot(self) -> StreamSnapshot:
        """Return its counts."""
        return self._state.snapshot(f"{self._track._state.path}/stream:{self.name}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Stream {self.name} of {self._track.key}>"


class Lease:
    """A processor held open. Given back by `release`, by leaving its ``async with``, or when it is collected."""

    def __init__(self, session: "Session", granted: Granted) -> None:
        self._session = session
        self._granted = granted
        self._forgotten: Any = weakref.finalize(
            self, granted.processor.send, Release(lease_id=granted.lease_id)
        )
        self._forgotten.atexit = False

    @property
    def processor(self) -> str:
        """The processor's name: ``denoise#1``."""
        return self._granted.name

    @property
    def over(self) -> bool:
        """Whether it was released, or its processor is gone."""
        return not self._forgotten.alive or not self._granted.processor.is_alive()

    async def release(self) -> None:
        """Give it back. Idempotent; the last one out closes the processor."""
        if self._forgotten.detach() is None:
            return
        try:
            await self._session.ask(self._granted.processor, Release(lease_id=self._granted.lease_id))
        except (ActorDead, SessionClosed):
            return

    async def transfer(self, stream: Stream) -> None:
        """Make ``stream`` its holder: the processor then stays open as long as that stream does.

        Raises:
            LeaseOver: it has ended.
        """
        message = Transfer(
            lease_id=self._granted.lease_id, holder=stream.ref, incarnation=stream.ref.incarnation
        )
        try:
            await self._session.ask(self._granted.processor, message)
        except ActorDead as error:
            raise LeaseOver(f"processor {self.processor!r} was closed") from error
        self._forgotten.detach()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.release()

    def __repr__(self) -> str:
        return f"<Lease {self._granted.lease_id} on {self.processor}>"


class Script:
    """Somebody who acts at given instants of media time. Made by `Session.script`."""

    def __init__(self, script: PacerScript, runtime: Any) -> None:
        self._script = script
        self._runtime = runtime

    async def until(self, at_ns: int) -> None:
        """Return when media time is ``at_ns`` or later."""
        reached: Future[None] = Future(self._runtime)
        self._script.request(at_ns, lambda: reached.try_set(None) and None)
        await reached

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._script.release()


def _written(state: StreamState, error: BaseException | None) -> None:
    """Hear from the sink's writer, on its thread."""
    if error is not None and state.error is None:
        state.error = error
    state.written.try_set(None)
    if error is not None and state.actor is not None:
        state.actor.send(CloseStream(discard=True))


def _forget(state: StreamState) -> None:
    """Close a stream whose handle was collected."""
    if state.actor is not None:
        state.actor.send(CloseStream(discard=True))
