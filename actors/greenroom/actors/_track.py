"""The track: one participant's audio in one room, and the supervisor of its streams."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from greenroom.actors._desired import StreamState, TrackState
from greenroom.actors._env import Env
from greenroom.actors._stream import CloseStream, StreamActor, UseContext
from greenroom.actors.context import Credentials
from greenroom.actors.errors import DuplicateName, StreamFailed
from greenroom.actors.snapshots import EventKind
from greenroom.supervision import (
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
    errors: ClassVar = (DuplicateName, StreamFailed)


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
class RemoveTrack:
    """The track has left: end its streams in order, then yourself. Answered when the streams have ended."""

    discard: bool = False


class TrackActor(Supervisor):
    """One track. Its streams are its children; what should be is in its `TrackState`."""

    def __init__(self, env: Env, state: TrackState, directory: ActorRef[Any]) -> None:
        self._env = env
        self._state = state
        self._directory = directory
        self._refs: dict[str, ActorRef[StreamActor]] = {}
        self._removing: list[Future[None]] = []
        super().__init__(
            SupervisorFlags(strategy=Strategy.DYNAMIC, intensity=STREAM_RESTARTS, period_ns=STREAM_PERIOD_NS),
            [self._child_spec(stream) for stream in state.streams.values() if not stream.done.done()],
        )

    def on_start(self) -> Any:
        """Start the streams that should be open."""
        self._state.moving = False
        self._state.actor = self.actor_ref
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
                self._state.sid = sid
                self._state.credentials = credentials
                self._state.publication += 1
                self._env.emit(EventKind.TRACK_REPUBLISHED, self._state.path, sid=sid)
                self._tell_streams()
            case RemoveTrack(discard=discard):
                self._remove(self.defer_reply(), discard=discard)
            case _:
                return super().on_receive(message)
        return None

    def on_child(self, signal: ChildSignal) -> None:
        """Start reading with the first stream; forget a stream that is over."""
        super().on_child(signal)
        name = signal.child.name.removeprefix("stream:")
        if isinstance(signal, ChildStarted):
            self._refs[name] = signal.child
            if self._state.paced is None and not self._state.removed:
                self._state.paced = self._env.pacer.add(self._state.source, self._state.fan)
            return
        stream = self._state.streams.get(name)
        if stream is not None and (stream.done.done() or stream.removed):
            self._refs.pop(name, None)
            forget_stream(self._env, self._state, stream)
        self._leave_if_empty()

    def on_stop(self) -> None:
        """Give the reading back, if the track has left for good."""
        if self._state.removed or self._env.closing:
            close_track(self._env, self._state)

    def _open(self, stream: StreamState, reply: Future[Any]) -> None:
        if stream.name in self._state.streams:
            reply.try_fail(DuplicateName("stream", stream.name))
            return
        self._state.streams[stream.name] = stream
        started = self.start_child(self._child_spec(stream))
        self.when(started, self._on_opened, stream, reply)

    def _on_opened(self, started: Future[StartedChild], stream: StreamState, reply: Future[Any]) -> None:
        error = started.error()
        if error is None:
            reply.try_set(started.outcome().ref)
            return
        self._state.streams.pop(stream.name, None)
        reply.try_fail(StreamFailed(f"{self._state.path}/stream:{stream.name}", error.__cause__ or error))

    def _tell_streams(self) -> None:
        for ref in self._refs.values():
            ref.send(UseContext(context=self._state.context))

    def _remove(self, reply: Future[None], *, discard: bool) -> None:
        self._state.removed = True
        self._removing.append(reply)
        for ref in self._refs.values():
            ref.send(CloseStream(discard=discard))
        self._leave_if_empty()

    def _leave_if_empty(self) -> None:
        if self._removing and not self._refs:
            close_track(self._env, self._state)
            for reply in self._removing:
                reply.try_set(None)
            self._removing.clear()
            self.end()

    def _child_spec(self, stream: StreamState) -> ChildSpec:
        return ChildSpec(
            id=f"stream:{stream.name}",
            start=StreamActor,
            args=(self._env, self._state, stream, self._directory),
            restart=Restart.TRANSIENT,
        )


def forget_stream(env: Env, track: TrackState, stream: StreamState) -> None:
    """Move a stream that has ended to the past."""
    if track.streams.pop(stream.name, None) is not None:
        env.past_streams.append((stream, f"{track.path}/stream:{stream.name}"))


def close_track(env: Env, track: TrackState) -> None:
    """Take back what a track holds open, whoever opened it. Idempotent."""
    track.removed = True
    paced, track.paced = track.paced, None
    if paced is not None:
        paced.close()
    for stream in list(track.streams.values()):
        _close_stream(stream)
        forget_stream(env, track, stream)


def _close_stream(stream: StreamState) -> None:
    pipeline, stream.pipeline = stream.pipeline, None
    if pipeline is not None:
        pipeline.head.close()
        for lane in pipeline.lanes:
            lane.close(_NOTHING, discard=True)
    stream.output.close()
    stream.written.try_set(None)
    stream.done.try_set(None)


_NOTHING: Callable[[], None] = lambda: None  # noqa: E731 - nobody waits for these lanes
