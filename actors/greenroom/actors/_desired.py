"""Desired state: what rooms, tracks and streams should be. It outlives the actors that bring it about.

Each record is written by one actor at a time (its own) and read by others; a restarted actor finds here what it has
to do. What a record holds open (a reading, a pipeline) is closed by whoever takes the desire back, not by the
actor that happened to open it.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from greenroom.actors._meter import StreamMeter
from greenroom.actors._output import Output
from greenroom.actors.context import Context, Credentials, StreamInfo
from greenroom.actors.feed import Feed
from greenroom.actors.processors import ProcessorSpec
from greenroom.actors.snapshots import RoomSnapshot, StreamSnapshot, TrackSnapshot
from greenroom.actors.sources import Sink, Source
from greenroom.supervision import Future, LeaseId

if TYPE_CHECKING:
    from greenroom.actors._head import Fan, StreamHead
    from greenroom.actors._host import Lane
    from greenroom.actors._pacer import PacedSource
    from greenroom.supervision import ActorRef

ID_CHARACTERS: Final = 180


def child_id(kind: str, key: str) -> str:
    """Return what a child is called by its supervisor: the key itself, unless it is too long for that.

    >>> child_id("track", "guest-1/microphone")
    'track:guest-1/microphone'
    >>> len(child_id("track", 300 * "x"))
    189
    """
    whole = f"{kind}:{key}"
    if len(whole) <= ID_CHARACTERS:
        return whole
    return f"{whole[:ID_CHARACTERS]}~{zlib.crc32(key.encode()):08x}"


@dataclass(slots=True, eq=False)
class Granted:
    """A lease as its holder sees it.

    Attributes:
        name: the processor's, ``denoise#1``.
        keeps: it keeps that processor for a stream that may come back.
        over: its holder has given it back, or away.
        renewing: its processor is gone, and another one has been asked for.
        disown: undoes what the collector would do with its handle, which could keep the session from being collected.
    """

    lease_id: LeaseId
    processor: "ActorRef[Any]"
    spec: ProcessorSpec
    name: str
    host: Any
    keeps: bool = False
    over: bool = False
    renewing: bool = False
    disown: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a pipeline: what is wanted, and the very processor, if a lease on it was given."""

    spec: ProcessorSpec
    processor: "ActorRef[Any] | None" = None


@dataclass(slots=True)
class Pipeline:
    """A stream's way: head, lanes and the leases behind them."""

    head: "StreamHead"
    lanes: Sequence["Lane"]
    granted: list[Granted]

    def discard(self, drained: "Future[None]") -> None:
        """Drop what is inside; ``drained`` is completed when the last call that runs has come back, or was given up."""
        self.head.close()
        left = list(self.lanes)
        if not left:
            drained.try_set(None)

        def one_drained(lane: "Lane") -> None:
            left.remove(lane)
            if not left:
                drained.try_set(None)

        for lane in self.lanes:
            lane.close(partial(one_drained, lane), discard=True)


@dataclass(slots=True)
class StreamState:
    """A stream that should be open.

    Attributes:
        done: completed when the last frame has reached the output.
        written: completed when the sink has finished, or at once with ``done`` where there is none.
        gone: completed when nothing of it is left: no lease, no actor.
        removed: it should end; any thread may set it.
        feed: where its frames come from, if not from its track's source.
        discard: what is inside should be dropped then.
        drained: completed when nothing comes any more from the pipeline before the present one.
        disown: undoes what the collector would do with its handle, which could keep the session from being collected.
    """

    name: str
    output: Output
    meter: StreamMeter
    done: "Future[None]"
    written: "Future[None]"
    gone: "Future[None]"
    steps: tuple[Step, ...] = ()
    sink: Sink | None = None
    feed: Feed | None = None
    pipeline: Pipeline | None = None
    drained: "Future[None] | None" = None
    pipeline_names: tuple[str, ...] = ()
    removed: bool = False
    discard: bool = False
    moving: bool = False
    error: BaseException | None = None
    actor: "ActorRef[Any] | None" = None
    disown: Callable[[], object] | None = None

    def snapshot(self, path: str) -> StreamSnapshot:
        """Return it as a frozen record."""
        return _stream_snapshot(path, self.pipeline_names, self.meter, self.done)

    def past(self, path: str) -> "PastStream":
        """Return what is remembered of it, and let go of its actors, lanes and steps."""
        self.actor = self.drained = self.feed = None
        self.steps = ()
        self.meter.on_gone = None
        return PastStream(path, self)


def new_stream(
    runtime: Any, name: str, sink: Sink | None, feed: Feed | None, capacity_frames: int
) -> StreamState:
    """Return the record of a stream that is not open yet."""
    meter = StreamMeter(runtime)
    return StreamState(
        name=name,
        output=Output(runtime, meter, capacity=capacity_frames),
        meter=meter,
        done=Future(runtime),
        written=Future(runtime),
        gone=Future(runtime),
        sink=sink,
        feed=feed,
    )


class PastStream:
    """What is remembered of a stream that is gone. Somebody may still read what is in its output; then only the counts stay."""

    __slots__ = ("_disown", "_open", "_sealed")

    def __init__(self, path: str, stream: StreamState) -> None:
        self._sealed: StreamSnapshot | None = None
        self._disown = stream.disown
        self._open: tuple[str, tuple[str, ...], StreamMeter, Output, Future[None], Future[None]] | None = (
            path, stream.pipeline_names, stream.meter, stream.output, stream.done, stream.written,
        )  # fmt: skip
        self.seal()

    def seal(self) -> StreamSnapshot:
        """Return the counts; keep nothing else, if they change no more: a session remembers thousands. Any thread."""
        still = self._open
        if still is None:
            assert self._sealed is not None
            return self._sealed
        path, names, meter, output, done, written = still
        over = not meter.in_flight and not output.unread and done.done() and written.done()
        counts = _stream_snapshot(path, names, meter, done)
        if over:
            self._sealed = counts
            self._let_go()
            self._open = None  # last: who finds nothing here finds the counts
        return counts

    @property
    def balanced(self) -> bool:
        """Whether each frame that went in has come out, or was counted as dropped."""
        return self.seal().in_flight == 0

    def close(self) -> None:
        """Count what nobody has read as dropped."""
        still = self._open
        if still is not None:
            still[3].close()
            self._let_go()

    def _let_go(self) -> None:
        disown, self._disown = self._disown, None
        if disown is not None:
            disown()

    def give_up(self) -> None:
        """Wait for its sink no longer."""
        still = self._open
        if still is not None:
            still[5].try_set(None)

    def snapshot(self) -> StreamSnapshot:
        """Return it as a frozen record."""
        return self.seal()


def _stream_snapshot(
    path: str, names: tuple[str, ...], meter: StreamMeter, done: "Future[None]"
) -> StreamSnapshot:
    return StreamSnapshot(
        name=path,
        pipeline=names,
        frames_in=meter.frames_in,
        frames_out=meter.frames_out,
        in_flight=meter.in_flight,
        bypassed=dict(meter.bypassed_by_reason()),
        dropped=dict(meter.dropped_by_reason()),
        latency=meter.latency(),
        ended=done.done(),
    )


@dataclass(slots=True)
class TrackState:
    """A track that should be in a room.

    Attributes:
        source: None: each of its streams has a feed of its own.
        info: what its processors are told of it; None: nothing, it is in no room.
        ticket: while it moves from room to room, holds one item; who pops it has the track.
        kept: what a reconnecting room has kept for it: processors that its first streams take.
        lent: while it moves, the room that its leases were transferred to, and which; or None.
        handle: what people hold of it.
        room_handle: what people hold of its room.
    """

    key: str
    sid: str
    participant: str
    source_name: str
    source: Source | None
    room_name: str
    info: StreamInfo | None
    credentials: Credentials | None
    fan: "Fan"
    publication: int = 1
    paced: "PacedSource | None" = None
    streams: dict[str, StreamState] = field(default_factory=dict[str, StreamState])
    serial: int = 0
    kept: tuple["ActorRef[Any]", ...] = ()
    lent: "tuple[ActorRef[Any], list[Granted]] | None" = None
    removed: bool = False
    moving: bool = False
    ticket: list[None] = field(default_factory=list[None])
    actor: "ActorRef[Any] | None" = None
    handle: Any = None
    room_handle: Any = None

    def claim(self) -> bool:
        """Take a track that is on its way between two rooms; only one of them can."""
        try:
            self.ticket.pop()
        except IndexError:
            return False
        return True

    @property
    def path(self) -> str:
        """Its path in events."""
        return f"room:{self.room_name}/track:{self.key}"

    def leases(self) -> list[Granted]:
        """Return the leases of its streams."""
        pipelines = [stream.pipeline for stream in self.streams.copy().values()]
        return [granted for pipeline in pipelines if pipeline is not None for granted in pipeline.granted]

    @property
    def context(self) -> Context:
        """What its processors should be told."""
        return Context(stream_info=self.info, credentials=self.credentials, publication=self.publication)

    def use(self, sid: str, room_name: str) -> None:
        """Be known by another publication, perhaps in another room: its processors are told of both again."""
        self.sid = sid
        self.room_name = room_name
        self.publication += 1
        if self.info is not None:
            self.info = replace(self.info, room_name=room_name, publication_sid=sid)

    def snapshot(self) -> TrackSnapshot:
        """Return it as a frozen record."""
        return TrackSnapshot(
            key=self.key,
            sid=self.sid,
            participant=self.participant,
            source=self.source_name,
            publication=self.publication,
            streams=tuple(s.snapshot(f"{self.path}/stream:{s.name}") for s in self.streams.copy().values()),
        )


@dataclass(slots=True)
class RoomState:
    """A room that should be open.

    Attributes:
        gone: completed when nothing of it is left.
        closing: it should end.
        handle: what people hold of it.
    """

    name: str
    credentials: Credentials | None
    gone: "Future[None]"
    tracks: dict[str, TrackState] = field(default_factory=dict[str, TrackState])
    closing: bool = False
    actor: "ActorRef[Any] | None" = None
    handle: Any = None

    @property
    def path(self) -> str:
        """Its path in events."""
        return f"room:{self.name}"

    def snapshot(self) -> RoomSnapshot:
        """Return it as a frozen record."""
        url = "" if self.credentials is None else self.credentials.url
        return RoomSnapshot(
            name=self.name, url=url, tracks=tuple(track.snapshot() for track in self.tracks.copy().values())
        )
