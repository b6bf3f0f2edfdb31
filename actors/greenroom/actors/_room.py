"""The room: credentials, tracks, and the leases that carry processors through a reconnect or a move."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from greenroom.actors._desired import Granted, RoomState, TrackState
from greenroom.actors._env import Env
from greenroom.actors._leasing import Acquire, Release, Transfer
from greenroom.actors._track import RemoveTrack, Republish, TrackActor, UseCredentials, close_track
from greenroom.actors.context import NO_CONTEXT, Credentials
from greenroom.actors.errors import DuplicateName, NotThere, RoomClosed
from greenroom.actors.snapshots import EventKind
from greenroom.supervision import (
    ActorRef,
    ChildSignal,
    ChildSpec,
    ChildStarted,
    Future,
    OwnTimer,
    Restart,
    ShutdownBudget,
    StartedChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
)

TRACK_RESTARTS: Final = 5
TRACK_PERIOD_NS: Final = 10_000_000_000
GRACE_NS: Final = 15_000_000_000
"""How long a reconnecting room keeps the processors of tracks that have not come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddTrack:
    """A participant publishes; answered with the track's ref when it has started."""

    state: TrackState
    errors: ClassVar = (DuplicateName, RoomClosed)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTrack:
    """A track leaves; answered when its streams have ended. One that is not there is no error."""

    key: str
    discard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """The room's token was refreshed."""

    credentials: Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnecting:
    """The room has lost its connection: keep its tracks' processors until it is back, at most for ``grace_ns``."""

    grace_ns: int = GRACE_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnected:
    """The room is back: tracks of ``sids`` (old to new) were published again. Answered when all know."""

    sids: Mapping[str, str]
    credentials: Credentials | None
    errors: ClassVar = (NotThere,)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveTrack:
    """Hand a track over to another room, with its streams and processors, without losing a frame."""

    key: str
    to: ActorRef[Any]
    sid: str
    errors: ClassVar = (NotThere, DuplicateName, RoomClosed)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeTrack:
    """Take over a track from another room; its leases are held by this one already."""

    state: TrackState
    sid: str
    errors: ClassVar = (DuplicateName, RoomClosed)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRoom:
    """End all tracks in order, then yourself. Answered when they have ended."""

    discard: bool = False


class RoomActor(Supervisor):
    """One room. Its tracks are its children; what should be is in its `RoomState`."""

    def __init__(self, env: Env, state: RoomState, directory: ActorRef[Any]) -> None:
        self._env = env
        self._state = state
        self._directory = directory
        self._refs: dict[str, ActorRef[TrackActor]] = {}
        self._closing: list[Future[None]] = []
        self._grace: OwnTimer | None = None
        state.held.clear()  # leases of an incarnation that is over have ended
        super().__init__(
            SupervisorFlags(strategy=Strategy.DYNAMIC, intensity=TRACK_RESTARTS, period_ns=TRACK_PERIOD_NS),
            [self._child_spec(track) for track in state.tracks.values() if not track.removed],
        )

    def on_start(self) -> Any:
        """Start the tracks that should be there."""
        self._state.actor = self.actor_ref
        return super().on_start()

    @property
    def _path(self) -> str:
        return f"room:{self._state.name}"

    def on_receive(self, message: Any) -> Any:
        """Add, drop and move tracks; refresh, reconnect, close."""
        match message:
            case AddTrack(state=track):
                self._add(track, self.defer_reply())
            case DropTrack(key=key, discard=discard):
                self._drop(key, self.defer_reply(), discard=discard)
            case Refresh(credentials=credentials):
                self._refresh(credentials)
            case Reconnecting(grace_ns=grace_ns):
                self._keep_processors(grace_ns)
            case Reconnected():
                self._reconnected(message)
            case MoveTrack():
                self._move(message, self.defer_reply())
            case TakeTrack(state=track, sid=sid):
                self._take(track, sid, self.defer_reply())
            case CloseRoom(discard=discard):
                self._close(self.defer_reply(), discard=discard)
            case _:
                return super().on_receive(message)
        return None

    def on_child(self, signal: ChildSignal) -> None:
        """Keep the refs of running tracks; close what a track that is over has left."""
        super().on_child(signal)
        key = signal.child.name.removeprefix("track:")
        if isinstance(signal, ChildStarted):
            self._refs[key] = signal.child
            return
        if signal.child.is_alive():
            return  # it is being restarted
        self._refs.pop(key, None)
        track = self._state.tracks.get(key)
        if track is not None and not track.moving:
            self._state.tracks.pop(key)
            close_track(self._env, track)
            self._env.emit(EventKind.TRACK_REMOVED, track.path, sid=track.sid)
        self._leave_if_empty()

    def on_stop(self) -> None:
        """Close what is left; in order if the room was closed."""
        if self._env.closing or self._closing:
            for track in list(self._state.tracks.values()):
                close_track(self._env, track)
            self._state.tracks.clear()

    # -- tracks ---------------------------------------------------------------------------------------------

    def _add(self, track: TrackState, reply: Future[Any]) -> None:
        if self._closing:
            reply.try_fail(RoomClosed(f"room {self._state.name!r} is being closed"))
            return
        if self._has(track):
            reply.try_fail(DuplicateName("track", track.key))
            return
        track.credentials = self._state.credentials
        track.held = {each.step: each.processor for each in self._state.held.get(track.key, ())}
        self._start_track(track, reply)
        self._env.emit(EventKind.TRACK_ADDED, track.path, sid=track.sid)

    def _has(self, track: TrackState) -> bool:
        return any(t.key == track.key or t.sid == track.sid for t in self._state.tracks.values())

    def _start_track(self, track: TrackState, reply: Future[Any]) -> None:
        self._state.tracks[track.key] = track
        self.when(self.start_child(self._child_spec(track)), _pass_on_ref, reply)

    def _drop(self, key: str, reply: Future[None], *, discard: bool) -> None:
        ref = self._refs.get(key)
        if ref is None:
            reply.try_set(None)
            return
        removed = ref.ask(RemoveTrack(discard=discard), block=False)
        self.when(removed, _pass_on_end, reply)

    def _refresh(self, credentials: Credentials) -> None:
        self._state.credentials = credentials
        for ref in self._refs.values():
            ref.send(UseCredentials(credentials=credentials))
        self._env.emit(EventKind.CREDENTIALS_REFRESHED, self._path)

    # -- reconnects -----------------------------------------------------------------------------------------

    def _keep_processors(self, grace_ns: int) -> None:
        """Hold a lease of our own on every processor of every track, so that none is closed meanwhile."""
        self._env.emit(EventKind.ROOM_RECONNECTING, self._path)
        for track in self._state.tracks.values():
            for stream in track.streams.values():
                for granted in () if stream.pipeline is None else stream.pipeline.granted:
                    ask = Acquire(holder=self.actor_ref, incarnation=self.incarnation, context=NO_CONTEXT)
                    answer = granted.processor.ask(ask, block=False)
                    self.when(answer, self._on_kept, track.key)
        if self._grace is not None:
            self._grace.cancel()
        self._grace = self.after(grace_ns, self._let_go)

    def _on_kept(self, answer: Future[Granted], key: str) -> None:
        if answer.error() is None:
            self._state.held.setdefault(key, []).append(answer.outcome())
            if self._grace is None:
                self._let_go()  # it was reconnected before the answer came

    def _let_go(self) -> None:
        self._grace = None
        for held in self._state.held.values():
            for granted in held:
                granted.processor.send(Release(lease_id=granted.lease_id))
        self._state.held.clear()
        for track in self._state.tracks.values():
            track.held = {}

    def _reconnected(self, message: Reconnected) -> None:
        by_sid = {track.sid: track for track in self._state.tracks.values()}
        unknown = [sid for sid in message.sids if sid not in by_sid]
        if unknown:
            raise NotThere("track", unknown[0], by_sid)
        if message.credentials is not None:
            self._state.credentials = message.credentials
        for old, new in message.sids.items():
            ref = self._refs.get(by_sid[old].key)
            if ref is not None:
                ref.send(Republish(sid=new, credentials=self._state.credentials))
        self._env.emit(EventKind.ROOM_RECONNECTED, self._path, tracks=len(message.sids))
        if self._grace is not None:
            self._grace.cancel()
            self._let_go()

    # -- moves ----------------------------------------------------------------------------------------------

    def _move(self, message: MoveTrack, reply: Future[Any]) -> None:
        track = self._state.tracks.get(message.key)
        if track is None:
            reply.try_fail(NotThere("track", message.key, self._state.tracks))
            return
        transfers = [
            granted.processor.ask(
                Transfer(lease_id=granted.lease_id, holder=message.to, incarnation=message.to.incarnation),
                block=False,
            )
            for stream in track.streams.values()
            for granted in (() if stream.pipeline is None else stream.pipeline.granted)
        ]
        gather(self, transfers, lambda: self._hand_over(track, message, reply))

    def _hand_over(self, track: TrackState, message: MoveTrack, reply: Future[Any]) -> None:
        track.moving = True
        for stream in track.streams.values():
            stream.moving = stream.pipeline is not None
        self.when(self.stop_child(f"track:{track.key}"), self._handed_over, track, message, reply)

    def _handed_over(
        self, _: Future[None], track: TrackState, message: MoveTrack, reply: Future[Any]
    ) -> None:
        self._state.tracks.pop(track.key, None)
        taken = message.to.ask(TakeTrack(state=track, sid=message.sid), block=False)
        self.when(taken, self._on_taken, track, reply)

    def _on_taken(self, answer: Future[Any], track: TrackState, reply: Future[Any]) -> None:
        error = answer.error()
        if error is None:
            reply.try_set(answer.outcome())
            self._leave_if_empty()
            return
        # The other room did not take it: it stays here, with its streams and processors as they are.
        track.moving = True
        self._start_track(track, Future())
        reply.try_fail(error)

    def _take(self, track: TrackState, sid: str, reply: Future[Any]) -> None:
        if self._closing:
            reply.try_fail(RoomClosed(f"room {self._state.name!r} is being closed"))
            return
        if any(t.key == track.key or t.sid == sid for t in self._state.tracks.values()):
            reply.try_fail(DuplicateName("track", track.key))
            return
        before = track.room_name
        track.room_name = self._state.name
        track.sid = sid
        track.credentials = self._state.credentials
        track.publication += 1
        self._env.emit(EventKind.TRACK_MOVED, track.path, sid=sid, came_from=before)
        self._start_track(track, reply)

    # -- the end --------------------------------------------------------------------------------------------

    def _close(self, reply: Future[None], *, discard: bool) -> None:
        self._closing.append(reply)
        for ref in self._refs.values():
            ref.ask(RemoveTrack(discard=discard), block=False)
        self._leave_if_empty()

    def _leave_if_empty(self) -> None:
        if not self._closing or self._refs:
            return
        self._let_go()
        self._env.rooms.pop(self._state.name, None)
        self._env.emit(EventKind.ROOM_CLOSED, self._path)
        for reply in self._closing:
            reply.try_set(None)
        self.end()

    def _child_spec(self, track: TrackState) -> ChildSpec:
        return ChildSpec(
            id=f"track:{track.key}",
            start=TrackActor,
            args=(self._env, track, self._directory),
            restart=Restart.TRANSIENT,
            shutdown_ns=ShutdownBudget.INFINITE,
        )


def gather(actor: RoomActor, futures: list[Future[Any]], then: Any) -> None:
    """Call ``then()`` in ``actor`` when all futures are complete, whatever they hold."""
    left = len(futures)
    if not left:
        then()
        return

    def one_done(_: Future[Any]) -> None:
        nonlocal left
        left -= 1
        if not left:
            then()

    for future in futures:
        actor.when(future, one_done)


def _pass_on_end(_: Future[Any], reply: Future[None]) -> None:
    reply.try_set(None)


def _pass_on_ref(started: Future[StartedChild], reply: Future[Any]) -> None:
    error = started.error()
    if error is None:
        reply.try_set(started.outcome().ref)
    else:
        reply.try_fail(error)
