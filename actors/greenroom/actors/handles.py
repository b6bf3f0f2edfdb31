"""What people hold of a session: its rooms and tracks. Made by `Session`, never directly."""

import asyncio
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Final

from greenroom.actors._checks import (
    check_credentials,
    check_duration,
    check_has,
    check_info,
    check_name,
    check_pipeline,
    check_sids,
    check_stream,
)
from greenroom.actors._desired import RoomState, Step, StreamState, TrackState, new_stream
from greenroom.actors._head import Fan
from greenroom.actors._roommail import (
    GRACE_NS,
    AddTrack,
    CloseRoom,
    DropTrack,
    MoveTrack,
    Reconnected,
    Reconnecting,
    Refresh,
)
from greenroom.actors._track import NewCredentials, OpenStream, Point, Settle
from greenroom.actors.context import Credentials, StreamInfo
from greenroom.actors.errors import LeaseOver, NotThere, RoomClosed, SessionClosed, TrackClosed
from greenroom.actors.feed import Feed
from greenroom.actors.sources import Sink, Source
from greenroom.actors.streams import Lease, Stream, end_stream
from greenroom.supervision import ActorCrashed, ActorDead, ActorRef

if TYPE_CHECKING:
    from greenroom.actors.session import Session

OUTPUT_FRAMES: Final = 1_000
"""How many frames a stream keeps for a consumer that is slow; past it the oldest is dropped (real time)."""
NAME_CHARACTERS: Final = 120


class Room:
    """A room that is open. Made by `Session.open_room`."""

    def __init__(self, session: "Session", state: RoomState) -> None:
        self._session = session
        self._state = state

    @property
    def name(self) -> str:
        """Its name."""
        return self._state.name

    @property
    def ref(self) -> ActorRef[Any]:
        """The RoomActor's ref, for messages of one's own and for fault injection."""
        if self._state.actor is None or self._state.gone.done():
            raise RoomClosed(f"room {self.name!r} is closed")
        return self._state.actor

    @property
    def tracks(self) -> Mapping[str, "Track"]:
        """The tracks that are in it, by key ``participant/source``."""
        states = self._state.tracks.copy()
        return {key: state.handle for key, state in states.items() if not state.removed}

    async def add_track(
        self, sid: str, *, participant: str, source: Source, source_name: str = "microphone"
    ) -> "Track":
        """Add what a participant has published. Its source is read from when its first stream opens.

        Raises:
            DuplicateName: the participant has a track of that source in here, or the sid is taken.
            RoomClosed: the room is closed.
        """
        check_name("sid", sid)
        check_has("source", source, ("open",), "a file is FileSource(path)")
        info = StreamInfo(room_name=self.name, participant_identity=participant, publication_sid=sid)
        return await self._add(participant, source_name, source, info)

    async def open_track(self, participant: str, *, source_name: str = "microphone") -> "Track":
        """Add a track that has no source: its streams are given feeds, and `Track.point` says whose audio it is.

        Until then its processors are told nothing.

        Raises:
            DuplicateName: there is a track ``participant/source_name`` already.
            RoomClosed: the room is closed.
        """
        return await self._add(participant, source_name, None, None)

    async def _add(
        self, participant: str, source_name: str, source: Source | None, info: StreamInfo | None
    ) -> "Track":
        env = self._session.alive()
        for kind, value in (("participant", participant), ("source_name", source_name)):
            check_name(kind, value)
        state = TrackState(
            key=f"{participant}/{source_name}",
            sid="" if info is None else info.publication_sid,
            participant=participant,
            source_name=source_name,
            source=source,
            room_name=self.name,
            info=info,
            credentials=None,
            fan=Fan(env.runtime),
            room_handle=self,
        )
        track = state.handle = Track(self, state)
        await self._ask(AddTrack(state=state), undo=self._undo_track(state), done=partial(self._has, state))
        return track

    def _has(self, state: TrackState) -> bool:
        return self._state.tracks.get(state.key) is state and state.actor is not None

    def _undo_track(self, state: TrackState) -> Callable[[Any], object]:
        def undo(added: ActorRef[Any] | None) -> None:
            state.removed = True  # first: one that is only starting sees this
            room = self._state.actor
            if room is not None and (added is not None or self._has(state)):
                room.send(DropTrack(key=state.key))

        return undo

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

    def renew(self, credentials: Credentials | None) -> None:
        """As `refresh`, without waiting until the processors are told. Any thread; None: there are none any more."""
        self.ref.send(Refresh(credentials=self._known(credentials)))

    async def reconnecting(self, *, grace_ns: int = GRACE_NS) -> None:
        """The connection is lost: processors are kept for tracks that come back within ``grace_ns``."""
        check_duration("grace_ns", grace_ns)
        await self._ask(Reconnecting(grace_ns=grace_ns))

    async def reconnected(
        self, sids: Mapping[str, str] | None = None, credentials: Credentials | None = None
    ) -> None:
        """The connection is back: the tracks of ``sids`` (old to new) were published again, and go on.

        Raises:
            NotThere: an old sid is none of this room's.
        """
        check_sids({} if sids is None else sids)
        await self._ask(Reconnected(sids=dict(sids or {}), credentials=self._known(credentials)))

    async def reconnect(self, sids: Mapping[str, str], credentials: Credentials | None = None) -> None:
        """A full reconnect at once: `reconnecting`, then `reconnected`.

        Raises:
            NotThere: an old sid is none of this room's; nothing has changed.
        """
        check_sids(sids)
        there = {state.sid for state in self._state.tracks.copy().values()}
        for old in sids:
            if old not in there:
                raise NotThere("track", old, sorted(there))
        await self.reconnecting()
        await self.reconnected(sids, credentials=credentials)

    async def move_track(self, track: "Track", room: "Room", sid: str | None = None) -> "Track":
        """Hand a track over to another room of the session, with its streams, losing no frame.

        Raises:
            NotThere: the track is not in this room.
            DuplicateName: the other room has such a track; this one stays where it is.
        """
        if room._session is not self._session:
            raise NotThere("room", room.name, self._session.rooms)
        sid = track.sid if sid is None else sid
        check_name("sid", sid)
        await self._ask(MoveTrack(key=track.key, to=room.ref, sid=sid), done=partial(room._has, track._state))
        return track

    async def close(self) -> None:
        """End all tracks in order, then the room. Idempotent."""
        try:
            await self._ask(CloseRoom())
        except (RoomClosed, SessionClosed):
            return
        await self._state.gone

    def _known(self, credentials: Credentials | None) -> Any:
        check_credentials(credentials)
        return self._session.alive().know(credentials)

    def _key(self, sid_or_key: str) -> str | None:
        for key, state in self._state.tracks.copy().items():
            if sid_or_key in (key, state.sid):
                return key
        return None

    async def _ask(self, message: Any, **values: Any) -> Any:
        try:
            return await self._session.ask(self.ref, message, **values)
        except (ActorDead, ActorCrashed) as error:
            raise RoomClosed(f"room {self.name!r} is closed") from error

    def __repr__(self) -> str:
        return f"<Room {self.name}>"


class Track:
    """A track that is in a room. Made by `Room.add_track`."""

    def __init__(self, room: Room, state: TrackState) -> None:
        self._session = room._session
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
        """Where it is; where it was, once it has left."""
        room: Room = self._state.room_handle
        return room

    @property
    def streams(self) -> Mapping[str, "Stream"]:
        """The streams that are open and whose handles somebody has, by name."""
        return {name: each for name, each in self._streams.items() if not each.over}

    def point(
        self,
        info: StreamInfo | None,
        *,
        publication: int | None = None,
        credentials: Credentials | EllipsisType | None = ...,
    ) -> None:
        """Say whose audio it is from now on, without waiting until its processors are told. Any thread.

        Args:
            info: None: nobody's, the track has left its room, and what its processors were told is cleared.
            publication: higher than any before: both are told again, even if they are the same; by default it is.
            credentials: if not its room's.
        """
        check_info(info)
        told = (
            None
            if isinstance(credentials, EllipsisType)
            else NewCredentials(known=self.room._known(credentials))
        )
        self.ref.send(Point(info=info, publication=publication, credentials=told))

    async def settled(self) -> None:
        """Return when what it was pointed at has been passed on to its streams: an end that they are told of then comes behind.

        Raises:
            TrackClosed, SessionClosed, ActorDead: it is gone.
        """
        await self._session.ask(self.ref, Settle())

    async def open_stream(
        self,
        processors: Sequence[Any] = (),
        *,
        sink: Sink | None = None,
        feed: Feed | None = None,
        capacity_frames: int = OUTPUT_FRAMES,
        name: str | None = None,
    ) -> "Stream":
        """Open a stream through ``processors``, in that order.

        Each is a configured or installed name, a `ProcessorSpec`, a factory, an instance, or a `Lease`. The
        stream starts at once: what comes before a processor is ready follows its ``on_fault``, as ``warming``.

        Args:
            processors: the pipeline; empty passes the frames through.
            sink: takes the frames; without one the stream is iterated.
            feed: brings the frames, if the track's source does not; closed with the stream.
            capacity_frames: how many frames are kept for a consumer that is slow; past it the oldest is dropped.
            name: unique in the track; numbered by default.

        Raises:
            TrackClosed: the track has left.
            UnknownProcessor, NotAProcessor, LeaseOver, StreamFailed: what is wrong with the pipeline.
        """
        env = self._session.alive()
        check_pipeline(processors)
        check_stream(self._state, sink, feed, capacity_frames)
        if name is None:
            self._state.serial += 1
            name = str(self._state.serial)
        check_name("name", name, most=NAME_CHARACTERS)
        state = new_stream(env.runtime, name, sink, feed, capacity_frames)
        stream = Stream(self, state)
        try:
            self._check_open()
            state.steps = tuple([await self._step(wanted) for wanted in processors])
            await self._open(state)
        except BaseException:
            # Cancelled or refused: should it be there after all, it ends; a sink is told to abort.
            end_stream(state, discard=True)
            state.output.close()
            if feed is not None:
                feed.close()
            raise
        self._streams[name] = stream
        return stream

    async def _open(self, state: StreamState) -> None:
        def done() -> bool:
            return self._state.streams.get(state.name) is state

        while True:
            ref = self.ref
            try:
                await self._session.ask(ref, OpenStream(state=state), done=done)
            except (ActorDead, ActorCrashed) as error:
                self._check_open()
                if self._state.actor == ref:
                    raise TrackClosed(f"track {self.key!r} is on its way to another room") from error
            else:
                return

    def _check_open(self) -> None:
        if self._state.removed or self._state.room_handle._state.gone.done():
            raise TrackClosed(f"track {self.key!r} has left its room")

    @property
    def ref(self) -> ActorRef[Any]:
        """The TrackActor's ref.

        Raises:
            TrackClosed: it is not there.
        """
        self._check_open()
        if self._state.actor is None:
            raise TrackClosed(f"track {self.key!r} has left its room")
        return self._state.actor

    async def _step(self, wanted: Any) -> Step:
        if not isinstance(wanted, Lease):
            return Step(await self._session.spec(wanted))
        if wanted.over:
            raise LeaseOver(f"the lease on {wanted.processor!r} has ended; hold the processor again")
        return Step(wanted._granted.spec, wanted._granted.processor)

    def drop(self) -> None:
        """As `remove`, without waiting. Any thread."""
        actor = self.room._state.actor
        if actor is not None:
            actor.send(DropTrack(key=self.key))

    async def remove(self) -> None:
        """End the track: its streams end after their last frames. Idempotent."""
        await self.room.remove_track(self)

    def __repr__(self) -> str:
        return f"<Track {self.key} {self.sid} in {self.room.name}>"
