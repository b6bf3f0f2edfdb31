"""What a session looks like from outside: frozen records that people, tests, reports and pages share."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from greenroom.actors.processors import OnFault, Placement, Reason


class ProcessorState(StrEnum):
    """What a processor is doing."""

    BUILDING = "building"
    """Its worker runs the factory, for the first time."""
    READY = "ready"
    """Frames go through it."""
    RESTARTING = "restarting"
    """Its worker failed; the next one is being built, or waits for its back-off."""
    DEGRADED = "degraded"
    """It failed too often; frames bypass it until a half-open retry succeeds."""
    CLOSING = "closing"
    """Its last lease has ended."""
    CLOSED = "closed"
    """It is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long frames took from the source to the stream's output."""

    count: int
    p50_ns: int
    p99_ns: int
    max_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSnapshot:
    """One stream. ``frames_in == frames_out + sum(dropped) + in_flight`` at every moment of rest.

    Attributes:
        bypassed: frames that came out, but not processed as wanted, by reason (original or silence).
        dropped: frames that did not come out, by reason.
    """

    name: str
    pipeline: tuple[str, ...]
    frames_in: int
    frames_out: int
    in_flight: int
    bypassed: Mapping[Reason, int]
    dropped: Mapping[Reason, int]
    latency: Latency
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackSnapshot:
    """One track and its streams.

    Attributes:
        key: stable across republication: ``participant/source``, ``guest-1/microphone``.
        sid: the publication it is known by at present.
    """

    key: str
    sid: str
    participant: str
    source: str
    publication: int
    streams: tuple[StreamSnapshot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSnapshot:
    """One room and its tracks."""

    name: str
    url: str
    tracks: tuple[TrackSnapshot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorSnapshot:
    """One processor: an instance of a spec, with its own leases and its own worker.

    Attributes:
        name: the spec's name and a number, ``denoise#1``.
        opened: how many times its factory has built an instance.
        closed: how many of those instances have been closed; equal to ``opened`` once it is gone.
        restarts: how many times its worker was replaced.
        leases: how many are live now.
        leases_granted: how many there ever were.
        leases_ended: how many of them are over.
        context: whose audio it has been told it hears, ``room/participant/sid``, or empty.
        wanted: whose audio it should know that it hears, in the same form.
    """

    name: str
    spec: str
    state: ProcessorState
    placement: Placement
    on_fault: OnFault
    opened: int
    closed: int
    restarts: int
    leases: int
    leases_granted: int
    faults: Mapping[Reason, int]
    context: str
    last_failure: str
    leases_ended: int = 0
    wanted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSnapshot:
    """All of a session at one moment: what is live, and what has been (``past_*``, bounded)."""

    name: str
    now_ns: int
    rooms: tuple[RoomSnapshot, ...]
    processors: tuple[ProcessorSnapshot, ...]
    past_processors: tuple[ProcessorSnapshot, ...]
    past_streams: tuple[StreamSnapshot, ...]
    zombies: tuple[str, ...]


class EventKind(StrEnum):
    """Everything that a session tells its observers; the log uses the same names."""

    ROOM_OPENED = "room.opened"
    ROOM_CLOSED = "room.closed"
    ROOM_RECONNECTING = "room.reconnecting"
    ROOM_RECONNECTED = "room.reconnected"
    CREDENTIALS_REFRESHED = "credentials.refreshed"
    TRACK_ADDED = "track.added"
    TRACK_REMOVED = "track.removed"
    TRACK_MOVED = "track.moved"
    TRACK_REPUBLISHED = "track.republished"
    STREAM_OPENED = "stream.opened"
    STREAM_ENDED = "stream.ended"
    STREAM_FAILED = "stream.failed"
    LEASE_GRANTED = "lease.granted"
    LEASE_ENDED = "lease.ended"
    PROCESSOR_OPENED = "processor.opened"
    PROCESSOR_READY = "processor.ready"
    PROCESSOR_FAILED = "processor.failed"
    PROCESSOR_HUNG = "processor.hung"
    PROCESSOR_RESTARTED = "processor.restarted"
    PROCESSOR_DEGRADED = "processor.degraded"
    PROCESSOR_RETRIED = "processor.retried"
    PROCESSOR_RECOVERED = "processor.recovered"
    PROCESSOR_CLOSED = "processor.closed"
    CONTEXT_APPLIED = "context.applied"
    CONTEXT_CLEARED = "context.cleared"
    ACTOR_CRASHED = "actor.crashed"
    ACTOR_FENCED = "actor.fenced"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """Something that happened, in the past tense. Holds no secret and no actor.

    Attributes:
        at_ns: the runtime's monotonic clock.
        subject: path of what it happened to: ``room:lobby``, ``room:lobby/track:guest-1/microphone``,
            ``.../stream:1``, ``processor:denoise#1``.
        details: short printable facts, by name.
    """

    at_ns: int
    kind: EventKind
    subject: str
    details: Mapping[str, str | int | float]
