"""Desired state: what rooms, tracks and streams should be. It outlives the actors that bring it about.

Each record is written by one actor at a time (its own) and read by others; a restarted actor finds here what it has
to do. What a record holds open (a reading, a pipeline) is closed by whoever takes the desire back, not by the
actor that happened to open it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenroom.actors._meter import StreamMeter
from greenroom.actors._output import Output
from greenroom.actors.context import Context, Credentials, StreamInfo
from greenroom.actors.snapshots import RoomSnapshot, StreamSnapshot, TrackSnapshot
from greenroom.actors.sources import Sink, Source
from greenroom.supervision import LeaseId

if TYPE_CHECKING:
    from greenroom.actors._head import Fan, StreamHead
    from greenroom.actors._host import Lane
    from greenroom.actors._pacer import PacedSource
    from greenroom.supervision import ActorRef, Future


@dataclass(slots=True)
class Granted:
    """A lease as its holder sees it.

    Attributes:
        step: the spec's name, ``denoise``.
        name: the processor's, ``denoise#1``.
    """

    lease_id: LeaseId
    processor: "ActorRef[Any]"
    step: str
    name: str
    host: Any


@dataclass(slots=True)
class Pipeline:
    """A stream's way: head, lanes and the leases behind them."""

    head: "StreamHead"
    lanes: Sequence["Lane"]
    granted: list[Granted]


@dataclass(slots=True)
class StreamState:
    """A stream that should be open.

    Attributes:
        done: completed when the last frame has reached the output.
        written: completed when the sink has finished, or at once with ``done`` where there is none.
    """

    name: str
    steps: tuple[Any, ...]
    output: Output
    meter: StreamMeter
    done: "Future[None]"
    written: "Future[None]"
    sink: Sink | None = None
    pipeline: Pipeline | None = None
    pipeline_names: tuple[str, ...] = ()
    removed: bool = False
    moving: bool = False
    error: BaseException | None = None
    actor: "ActorRef[Any] | None" = None

    def snapshot(self, path: str) -> StreamSnapshot:
        """Return it as a frozen record."""
        meter = self.meter
        return StreamSnapshot(
            name=path,
            pipeline=self.pipeline_names,
            frames_in=meter.frames_in,
            frames_out=meter.frames_out,
            in_flight=meter.in_flight,
            bypassed=dict(meter.bypassed_by_reason()),
            dropped=dict(meter.dropped_by_reason()),
            latency=meter.latency(),
            ended=self.done.done(),
        )


@dataclass(slots=True)
class TrackState:
    """A track that should be in a room."""

    key: str
    sid: str
    participant: str
    source_name: str
    source: Source
    room_name: str
    credentials: Credentials | None
    fan: "Fan"
    publication: int = 1
    paced: "PacedSource | None" = None
    streams: dict[str, StreamState] = field(default_factory=dict[str, StreamState])
    serial: int = 0
    held: dict[str, "ActorRef[Any]"] = field(default_factory=dict[str, Any])
    removed: bool = False
    moving: bool = False
    actor: "ActorRef[Any] | None" = None

    @property
    def path(self) -> str:
        """Its path in events."""
        return f"room:{self.room_name}/track:{self.key}"

    @property
    def context(self) -> Context:
        """What its processors should be told."""
        return Context(
            stream_info=StreamInfo(
                room_name=self.room_name, participant_identity=self.participant, publication_sid=self.sid
            ),
            credentials=self.credentials,
            publication=self.publication,
        )

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
    """A room that should be open."""

    name: str
    credentials: Credentials | None
    tracks: dict[str, TrackState] = field(default_factory=dict[str, TrackState])
    held: dict[str, list[Granted]] = field(default_factory=dict[str, list[Granted]])
    actor: "ActorRef[Any] | None" = None

    def snapshot(self) -> RoomSnapshot:
        """Return it as a frozen record."""
        url = "" if self.credentials is None else self.credentials.url
        return RoomSnapshot(
            name=self.name, url=url, tracks=tuple(track.snapshot() for track in self.tracks.copy().values())
        )
