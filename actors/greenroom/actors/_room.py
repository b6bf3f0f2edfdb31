"""The room: credentials, tracks, and the leases that carry processors through a reconnect."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from greenroom.actors._desired import Granted, RoomState, TrackState, child_id
from greenroom.actors._directory import Obtain
from greenroom.actors._env import Env
from greenroom.actors._leasing import Release
from greenroom.actors._moves import Move, take_back
from greenroom.actors._refreshing import Refreshing
from greenroom.actors._roommail import (
    AddTrack,
    CloseRoom,
    DropTrack,
    MoveTrack,
    Reconnected,
    Reconnecting,
    Refresh,
    TakeTrack,
)
from greenroom.actors._track import RemoveTrack, Republish, TrackActor, UseCredentials, close_track
from greenroom.actors.context import NO_CONTEXT, Credentials
from greenroom.actors.errors import DuplicateName, NotThere, RoomClosed, SessionError
from greenroom.actors.snapshots import EventKind
from greenroom.supervision import (
    IGNORE,
    ActorRef,
    ChildFailed,
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


class TooManyRestarts(RuntimeError):  # noqa: N818 - it says what happened
    """What was above a stream failed too often, and was given up."""


class RoomActor(Supervisor):
    """One room. Its tracks are its children; what should be is in its `RoomState`."""

    def __init__(self, env: Env, state: RoomState, directory: ActorRef[Any]) -> None:
        self._env = env
        self._state = state
        self._directory = directory
        self._dropping: dict[str, list[Future[None]]] = {}
        self._moves: dict[str, Move] = {}
        self._starting: dict[str, Future[StartedChild]] = {}
        self._held: dict[str, list[Granted]] = {}
        self._grace: OwnTimer | None = None
        self._refreshing: Refreshing | None = None
        super().__init__(
            SupervisorFlags(strategy=Strategy.DYNAMIC, intensity=TRACK_RESTARTS, period_ns=TRACK_PERIOD_NS),
            () if state.closing else self._returning(),
        )

    def _returning(self) -> list[ChildSpec]:
        """Return the tracks of the incarnation before: they should be there again."""
        state = self._state
        for track in list(state.tracks.values()):
            track.kept, track.moving = (), False  # those leases ended with the incarnation that held them
            if track.room_name != state.name or (track.ticket and not track.claim()):
                state.tracks.pop(track.key)  # another room has it by now
            elif track.lent is not None:
                take_back(track)  # an incarnation that ended in the middle of a move
        return [self._child_spec(track) for track in state.tracks.values()]

    def on_start(self) -> Any:
        """Start the tracks that should be there; nothing, if the room should be closed."""
        self._state.actor = self.actor_ref
        if self._state.closing:
            close_room(self._env, self._state)
            return IGNORE
        return super().on_start()

    def on_receive(self, message: Any) -> Any:
        """Add, drop and move tracks; refresh, reconnect, close."""
        match message:
            case AddTrack(state=track):
                self._add_track(track, self.defer_reply())
            case DropTrack(key=key, discard=discard):
                self.drop(key, self.defer_reply(), discard=discard)
            case Refresh(credentials=credentials):
                self._refresh(credentials, self.defer_reply())
            case Reconnecting(grace_ns=grace_ns):
                self._keep_processors(grace_ns, self.defer_reply())
            case Reconnected():
                self._reconnected(message, self.defer_reply())
            case MoveTrack():
                self._move(message, self.defer_reply())
            case TakeTrack(state=track, sid=sid):
                self._take(track, sid, self.defer_reply())
            case CloseRoom(discard=discard):
                self._close(discard=discard)
            case _:
                return super().on_receive(message)
        return None

    def on_child(self, signal: ChildSignal) -> None:
        """Close what a track that is over has left."""
        super().on_child(signal)
        ref = signal.child
        if isinstance(signal, ChildStarted) or ref.is_alive():
            self._catch_up(ref)  # it has begun, or is being restarted
            return
        for track in list(self._state.tracks.values()):
            if track.actor == ref and not track.moving:
                self._forget(track, failed=isinstance(signal, ChildFailed))
        self.leave_if_empty()

    def _forget(self, track: TrackState, *, failed: bool = False) -> None:
        """A track is over, in order or for good."""
        error = None
        if failed or not (track.removed or self._state.closing or self._env.closing):
            error = TooManyRestarts(f"track {track.key!r} failed too often")
        if not self.has(track):
            return
        del self._state.tracks[track.key]
        if track.lent is not None:
            take_back(track)
        close_track(self._env, track, error)
        self._env.emit(EventKind.TRACK_REMOVED, track.path, sid=track.sid)
        for reply in self._dropping.pop(track.key, ()):
            reply.try_set(None)

    # -- tracks ---------------------------------------------------------------------------------------------

    def _add_track(self, track: TrackState, reply: Future[Any]) -> None:
        refusal = self._refusal(track, track.sid)
        if refusal is not None:
            reply.try_fail(refusal)
            return
        track.credentials = self._state.credentials
        track.kept = tuple(each.processor for each in self._held.get(track.key, ()))
        self._env.emit(EventKind.TRACK_ADDED, track.path, sid=track.sid)
        self.start_track(track, reply)

    def _refusal(self, track: TrackState, sid: str) -> SessionError | None:
        if self._state.closing:
            return RoomClosed(f"room {self._state.name!r} is being closed")
        if track.key in self._state.tracks:
            return DuplicateName("track", track.key)
        if sid and any(other.sid == sid for other in self._state.tracks.values()):
            return DuplicateName("track", sid)
        return None

    def start_track(self, track: TrackState, reply: Future[Any], lender: ActorRef[Any] | None = None) -> None:
        """Have a track started that is this room's; its streams take their leases over from ``lender``."""
        self._state.tracks[track.key] = track
        track.moving = False
        lent = () if lender is None else [(lender, granted) for granted in track.leases()]
        started = self._starting[track.key] = self.start_child(self._child_spec(track))
        self.when(started, self._on_started, track, reply, lent)

    def _on_started(
        self,
        started: Future[StartedChild],
        track: TrackState,
        reply: Future[Any],
        lent: Sequence[tuple[ActorRef[Any], Granted]],
    ) -> None:
        if self._starting.get(track.key) is started:
            del self._starting[track.key]
        for lender, granted in lent:  # those that nobody has taken over
            granted.processor.send(Release(lease_id=granted.lease_id, holder=lender))
        track.lent = None
        error = started.error()
        if error is None:
            reply.try_set(started.outcome().ref)
            return
        self._forget(track, failed=True)
        reply.try_fail(error)
        self.leave_if_empty()  # it may have been the last that a closing room waited for

    def drop(self, key: str, reply: Future[None], *, discard: bool) -> None:
        """End a track; wherever it is, if it is on its way to another room."""
        if key in self._moves:
            self._moves[key].drop_after(reply)
            return
        track = self._state.tracks.get(key)
        if track is None:
            reply.try_set(None)
            return
        self._dropping.setdefault(key, []).append(reply)
        track.removed = True
        if track.actor is not None:
            track.actor.send(RemoveTrack(discard=discard))

    def _refresh(self, credentials: Credentials | None, reply: Future[None]) -> None:
        self._state.credentials = credentials
        self._env.emit(EventKind.CREDENTIALS_REFRESHED, self._state.path)
        self._refreshing = Refreshing(self, self._state, self._refreshing, reply)

    def _catch_up(self, ref: ActorRef[Any]) -> None:
        """Tell a track that was restarted of the refresh over which it failed."""
        known = self._state.credentials
        for track in self._state.tracks.values():
            if track.actor == ref and track.source is not None and track.credentials != known:
                ref.send(UseCredentials(credentials=known))

    def ref_of_track(self, track: TrackState) -> ActorRef[TrackActor] | None:
        """Return the ref of a track that is here: one that is only starting will be told when it has."""
        return self.ref_of(child_id("track", track.key)) if self.has(track) else None

    # -- reconnects -----------------------------------------------------------------------------------------

    def _keep_processors(self, grace_ns: int, reply: Future[None]) -> None:
        """Hold a lease of our own on every processor of every track, so that none is closed meanwhile."""
        self._env.emit(EventKind.ROOM_RECONNECTING, self._state.path, grace_ms=grace_ns // 1_000_000)
        if self._grace is not None:
            self._grace.cancel()
        self._grace = self.after(grace_ns, self._let_go)
        answers: list[Future[Any]] = []
        for track in self._state.tracks.values():
            kept = self._held.setdefault(track.key, [])
            known = {each.processor for each in kept}
            for stream in track.streams.values():
                for granted in () if stream.pipeline is None else stream.pipeline.granted:
                    if granted.processor in known:
                        continue  # kept already, by a reconnect that has not ended
                    answer = self._directory.ask(self._keep(granted), block=False)
                    self.when(answer, self._on_kept, kept, self._grace)
                    answers.append(answer)
        self.gather(answers, lambda: reply.try_set(None))

    def _keep(self, granted: Granted) -> Obtain:
        return Obtain(
            spec=granted.spec,
            holder=self.actor_ref,
            incarnation=self.incarnation,
            context=NO_CONTEXT,
            streaming=False,
            very=granted.processor,
            keep=True,
        )

    def _on_kept(self, answer: Future[Granted], kept: list[Granted], grace: OwnTimer) -> None:
        if answer.error() is not None:
            return
        if self._grace is grace:
            kept.append(answer.outcome())
        else:
            _release(answer.outcome())  # the room was back before the answer came

    def _let_go(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
        self._grace = None
        for kept in self._held.values():
            for granted in kept:
                _release(granted)
        self._held.clear()
        for track in self._state.tracks.values():
            track.kept = ()

    def _reconnected(self, message: Reconnected, reply: Future[None]) -> None:
        by_sid = {track.sid: track for track in self._state.tracks.values()}
        unknown = [sid for sid in message.sids if sid not in by_sid]
        if unknown:
            reply.try_fail(NotThere("track", unknown[0], by_sid))
            return
        stay = by_sid.keys() - message.sids.keys()
        taken = [sid for sid in message.sids.values() if sid in stay]
        if taken:
            reply.try_fail(DuplicateName("track", taken[0]))
            return
        if message.credentials is not None:
            self._state.credentials = message.credentials
        self._env.emit(EventKind.ROOM_RECONNECTED, self._state.path, tracks=len(message.sids))
        told = [
            ref.ask(self._news(message.sids.get(sid)), block=False)
            for sid, track in by_sid.items()
            if (ref := self.ref_of_track(track)) is not None
        ]
        self._let_go()
        self.gather(told, lambda: reply.try_set(None))

    def _news(self, sid: str | None) -> Republish | UseCredentials:
        credentials = self._state.credentials
        if sid is None:
            return UseCredentials(credentials=credentials)
        return Republish(sid=sid, credentials=credentials)

    # -- moves ----------------------------------------------------------------------------------------------

    def _move(self, message: MoveTrack, reply: Future[Any]) -> None:
        track = self._state.tracks.get(message.key)
        if track is None or track.removed or message.key in self._moves:
            reply.try_fail(NotThere("track", message.key, self._state.tracks))
            return
        move = self._moves[message.key] = Move(self, track, message, reply)
        if (starting := self._starting.get(message.key)) is None:
            move.begin()
        else:  # its streams are taking their pipelines over from the move before
            self.when(starting, move.begin_after)

    def has(self, track: TrackState) -> bool:
        """Whether a track is in this room."""
        return self._state.tracks.get(track.key) is track

    def moved(self, track: TrackState, *, taken: bool, lender: ActorRef[Any] | None = None) -> None:
        """A move is over; one that was not taken stays, with its streams and processors as they are."""
        del self._moves[track.key]
        if taken or not track.claim():  # without a ticket it was taken, although we were not told
            track.lent = None
            if self.has(track):
                del self._state.tracks[track.key]
        elif self._state.closing or track.removed:
            self._forget(track)
        else:
            track.credentials = self._state.credentials  # they may have been refreshed meanwhile
            self.start_track(track, Future(), lender)
        self.leave_if_empty()

    def _take(self, track: TrackState, sid: str, reply: Future[Any]) -> None:
        refusal = self._refusal(track, sid)
        if refusal is None and not track.claim():
            refusal = NotThere("track", track.key, self._state.tracks)
        if refusal is not None:
            reply.try_fail(refusal)
            return
        before = track.room_name
        track.use(sid, self._state.name)
        track.room_handle = self._state.handle
        track.credentials = self._state.credentials
        track.kept = ()
        self._env.emit(EventKind.TRACK_MOVED, track.path, sid=sid, came_from=before)
        self.start_track(track, reply, self.actor_ref)

    # -- the end --------------------------------------------------------------------------------------------

    def _close(self, *, discard: bool) -> None:
        self._state.closing = True
        for key in list(self._state.tracks):
            if key not in self._moves:
                self.drop(key, Future(), discard=discard)
        self.leave_if_empty()

    def leave_if_empty(self) -> None:
        """End, if that was asked for and nothing is left."""
        if not self._state.closing or self._state.tracks or self._moves:
            return
        self._let_go()
        self.end()

    # -- tools ----------------------------------------------------------------------------------------------

    def gather(self, futures: Sequence[Future[Any]], then: Callable[[], object]) -> None:
        """Call ``then()`` as a message when all futures are complete, whatever they hold."""
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
            self.when(future, one_done)

    def _child_spec(self, track: TrackState) -> ChildSpec:
        return ChildSpec(
            id=child_id("track", track.key),
            start=TrackActor,
            args=(self._env, track, self._directory),
            restart=Restart.TRANSIENT,
            shutdown_ns=ShutdownBudget.INFINITE,
        )


def _release(granted: Granted) -> None:
    granted.processor.send(Release(lease_id=granted.lease_id))


def close_room(env: Env, room: RoomState, error: BaseException | None = None) -> None:
    """Take back what a room that has no actor any more holds open, and forget it. Idempotent."""
    room.closing = True
    for track in list(room.tracks.values()):
        close_track(env, track, error)
    room.tracks.clear()
    if env.rooms.get(room.name) is room:
        del env.rooms[room.name]
        env.emit(EventKind.ROOM_CLOSED, room.path)
    room.gone.try_set(None)
