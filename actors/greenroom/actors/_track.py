"""The track: one participant's audio in one room, and the supervisor of its streams."""

from dataclasses import dataclass
from typing import Any, ClassVar

from greenroom.actors._desired import StreamState, TrackState, child_id
from greenroom.actors._env import Env
from greenroom.actors._stream import CloseStream, StreamActor, UseContext, inlet_of
from greenroom.actors.context import Credentials, StreamInfo
from greenroom.actors.errors import DuplicateName, StreamFailed, TrackClosed
from greenroom.actors.snapshots import EventKind
from greenroom.supervision import (
    IGNORE,
    ActorRef,
    ChildSignal,
    ChildSpec,
    ChildStarted,
    Future,
    Restart,
    StartedChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
)

STREAM_RESTARTS = 5
"""A stream that starts over more often within the period takes its track down with it."""
STREAM_PERIOD_NS = 10_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStream:
    """Open a stream; answered with its ref when its leases are granted."""

    state: StreamState
    errors: ClassVar = (DuplicateName, StreamFailed, TrackClosed)


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCredentials:
    """The room has new credentials."""

    credentials: Credentials | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Republish:
    """The track was published again, as ``sid``: its processors are told, its streams go on."""

    sid: str
    credentials: Credentials | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredentials:
    """Credentials to use from now on; None: there are none."""

    known: Credentials | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Tell the processors that this is whose audio it is; None: nobody's, the track is in no room.

    Attributes:
        publication: if higher than before, both are pushed again; None: one more than before.
        credentials: None: as they are.
    """

    info: StreamInfo | None
    publication: int | None
    credentials: NewCredentials | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Answered when what the track was told before has been passed on to its streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveTrack:
    """The track has left: end its streams in order, then yourself."""

    discard: bool = False


class TrackActor(Supervisor):
    """One track. Its streams are its children; what should be is in its `TrackState`."""

    def __init__(self, env: Env, state: TrackState, directory: ActorRef[Any]) -> None:
        self._env = env
        self._state = state
        self._directory = directory
        self._refs: dict[str, ActorRef[StreamActor]] = {}
        self._discard = False
        super().__init__(
            SupervisorFlags(strategy=Strategy.DYNAMIC, intensity=STREAM_RESTARTS, period_ns=STREAM_PERIOD_NS),
            [] if state.removed else [self._child_spec(stream) for stream in state.streams.values()],
        )

    def on_start(self) -> Any:
        """Start the streams that should be open; nothing, if the track should be gone."""
        self._state.actor = self.actor_ref
        if self._state.removed:
            close_track(self._env, self._state)
            return IGNORE
        return super().on_start()

    def on_receive(self, message: Any) -> Any:
        """Open streams, pass context on, leave."""
        match message:
            case OpenStream(state=stream):
                self._open(stream, self.defer_reply())
            case UseCredentials(credentials=credentials):
                self._state.credentials = credentials
                self._tell_streams()
            case Republish(sid=sid, credentials=credentials):
                self._state.use(sid, self._state.room_name)
                self._state.credentials = credentials
                self._env.emit(EventKind.TRACK_REPUBLISHED, self._state.path, sid=sid)
                self._tell_streams()
            case Point():
                self._point(message)
            case Settle():
                pass
            case RemoveTrack(discard=discard):
                self._remove(discard=discard)
            case _:
                return super().on_receive(message)
        return None

    def on_child(self, signal: ChildSignal) -> None:
        """Start reading with the first stream; forget a stream that is over."""
        super().on_child(signal)
        ref = signal.child
        if isinstance(signal, ChildStarted):
            self._refs[ref.name] = ref
            if self._state.removed:
                ref.send(CloseStream(discard=self._discard))
            elif self._state.paced is None and self._state.source is not None:
                self._state.paced = self._env.pacer.add(self._state.source, self._state.fan)
            return
        if ref.is_alive():
            return  # it is being restarted
        self._refs.pop(ref.name, None)
        for stream in list(self._state.streams.values()):
            if stream.actor == ref and not stream.moving:
                close_stream(self._env, self._state, stream)
        self._leave_if_empty()

    def on_stop(self) -> None:
        """Give the reading back, if the track has left for good."""
        if self._state.removed or self._env.closing:
            close_track(self._env, self._state)

    def _open(self, stream: StreamState, reply: Future[Any]) -> None:
        if stream.name in self._state.streams:
            reply.try_fail(DuplicateName("stream", stream.name))
            return
        if self._state.removed:
            reply.try_fail(TrackClosed(f"track {self._state.key!r} is leaving its room"))
            return
        self._state.streams[stream.name] = stream
        started = self.start_child(self._child_spec(stream))
        self.when(started, self._on_opened, stream, reply)

    def _on_opened(self, started: Future[StartedChild], stream: StreamState, reply: Future[Any]) -> None:
        error = started.error()
        if error is None:
            reply.try_set(started.outcome().ref)
            return
        close_stream(self._env, self._state, stream)
        cause = error.__cause__ or error
        reply.try_fail(StreamFailed(f"{self._state.path}/stream:{stream.name}", cause, self._env.told(cause)))

    def _point(self, point: Point) -> None:
        state = self._state
        info, known, before = point.info, state.info, state.publication
        state.info = info
        state.sid = "" if info is None else info.publication_sid
        state.publication = state.publication + 1 if point.publication is None else point.publication
        if point.credentials is not None:
            state.credentials = point.credentials.known
        if info is not None and known is not None and (info, state.publication) != (known, before):
            self._env.emit(EventKind.TRACK_REPUBLISHED, state.path, sid=state.sid)
        self._tell_streams()

    def _tell_streams(self) -> None:
        for ref in self._refs.values():
            ref.send(UseContext(context=self._state.context))

    def _remove(self, *, discard: bool) -> None:
        self._state.removed = True
        self._discard = self._discard or discard
        for ref in self._refs.values():
            ref.send(CloseStream(discard=discard))
        self._leave_if_empty()

    def _leave_if_empty(self) -> None:
        if self._state.removed and not len(self.children()):
            self.end()

    def _child_spec(self, stream: StreamState) -> ChildSpec:
        return ChildSpec(
            id=child_id("stream", stream.name),
            start=StreamActor,
            args=(self._env, self._state, stream, self._directory),
            restart=Restart.TRANSIENT,
        )


def close_track(env: Env, track: TrackState, error: BaseException | None = None) -> None:
    """Take back what a track holds open, whoever opened it. Idempotent.

    Args:
        env: the session's records.
        track: which.
        error: what its streams end with, if that is no orderly end.
    """
    track.removed = True
    paced, track.paced = track.paced, None
    if paced is not None:
        paced.close()
    for stream in list(track.streams.values()):
        if not stream.done.done():
            stream.error = stream.error or error
        close_stream(env, track, stream)


def close_stream(env: Env, track: TrackState, stream: StreamState) -> None:
    """Take back what a stream that has no actor any more holds open, and move it to the past. Idempotent."""
    stream.removed = True
    pipeline, stream.pipeline = stream.pipeline, None
    if pipeline is not None:
        inlet_of(track, stream).detach(pipeline.head)
        pipeline.discard(Future(env.runtime))
    if stream.feed is not None:
        stream.feed.close()
    if not stream.done.done() and stream.error is not None:
        stream.output.fail(stream.error)
        env.emit(EventKind.STREAM_FAILED, f"{track.path}/stream:{stream.name}", error=env.told(stream.error))
    elif not stream.done.done():
        stream.output.close()
    if stream.done.try_set(None):
        path = f"{track.path}/stream:{stream.name}"
        env.emit(EventKind.STREAM_ENDED, path, frames_in=stream.meter.frames_in)
    if stream.sink is None:
        stream.written.try_set(None)
    if track.streams.get(stream.name) is stream:
        del track.streams[stream.name]
        env.remember_stream(stream, f"{track.path}/stream:{stream.name}")
    stream.gone.try_set(None)
