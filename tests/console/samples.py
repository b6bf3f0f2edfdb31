"""Hand-made snapshots and events that the console's tests share."""

from dataclasses import replace

from greenroom.actors import Verdict
from greenroom.actors.processors import OnFault, Placement, Reason
from greenroom.actors.snapshots import (
    EventKind,
    Latency,
    ProcessorSnapshot,
    ProcessorState,
    RoomSnapshot,
    SessionEvent,
    SessionSnapshot,
    StreamSnapshot,
    TrackSnapshot,
)
from greenroom.console._audio import measure
from greenroom.console._facts import RunFacts, StreamAudio, processor_facts, stream_facts

SECOND = 1_000_000_000
MS = 1_000_000


HELD = (
    Verdict(law=1, title="each processor is closed once", held=True, detail="5 opened, 5 closed"),
    Verdict(law=4, title="no frame is lost without a reason", held=True, detail=""),
)
BROKEN = (HELD[0], Verdict(law=4, title="no frame is lost", held=False, detail="7 frames are nowhere"))


def sample_stream(
    name: str = "1",
    *,
    frames: int = 1_200,
    dropped: dict[Reason, int] | None = None,
    bypassed: dict[Reason, int] | None = None,
    pipeline: tuple[str, ...] = ("highpass#1", "denoise#1"),
    ended: bool = False,
) -> StreamSnapshot:
    """A stream whose counts add up."""
    lost = dropped or {}
    return StreamSnapshot(
        name=name,
        pipeline=pipeline,
        frames_in=frames,
        frames_out=frames - sum(lost.values()),
        in_flight=0,
        bypassed=bypassed or {},
        dropped=lost,
        latency=Latency(count=frames, p50_ns=420_000, p99_ns=12_300_000, max_ns=40 * MS),
        ended=ended,
    )


def sample_track(key: str, *streams: StreamSnapshot, sid: str = "TR_1") -> TrackSnapshot:
    """A microphone."""
    participant, source = key.split("/")
    return TrackSnapshot(
        key=key, sid=sid, participant=participant, source=source, publication=1, streams=streams
    )


def sample_processor(
    name: str = "denoise#1",
    state: ProcessorState = ProcessorState.READY,
    *,
    opened: int = 1,
    closed: int = 0,
    restarts: int = 0,
    leases: int = 1,
    faults: dict[Reason, int] | None = None,
    last_failure: str = "",
) -> ProcessorSnapshot:
    """A processor on a thread."""
    return ProcessorSnapshot(
        name=name,
        spec=name.split("#", maxsplit=1)[0],
        state=state,
        placement=Placement.THREAD,
        on_fault=OnFault.BYPASS,
        opened=opened,
        closed=closed,
        restarts=restarts,
        leases=leases,
        leases_granted=leases + 1,
        faults=faults or {},
        context="lobby/guest-1/TR_1",
        last_failure=last_failure,
    )


def sample_snapshot(*, seconds: float = 12.0, frames: int = 1_200) -> SessionSnapshot:
    """Two rooms, three tracks, a shared processor, one that restarts."""
    return SessionSnapshot(
        name="demo",
        now_ns=round(seconds * SECOND),
        rooms=(
            RoomSnapshot(
                name="lobby",
                url="wss://lobby.invalid",
                tracks=(
                    sample_track("anna/microphone", sample_stream(frames=frames)),
                    sample_track(
                        "ben/microphone",
                        sample_stream(
                            frames=frames,
                            dropped={Reason.LATE: 3},
                            bypassed={Reason.WARMING: 17, Reason.FAULT: 1},
                            pipeline=("denoise#1", "voice#1", "level#2"),
                        ),
                    ),
                ),
            ),
            RoomSnapshot(
                name="studio",
                url="",
                tracks=(sample_track("carla-with-a-long-name/microphone", sample_stream(frames=frames)),),
            ),
        ),
        processors=(
            sample_processor(leases=2),
            sample_processor(
                "voice#1",
                ProcessorState.RESTARTING,
                opened=3,
                closed=2,
                restarts=2,
                faults={Reason.FAULT: 2, Reason.LATE: 12},
                last_failure="ValueError: the model has lost its mind",
            ),
            sample_processor("highpass#1", ProcessorState.DEGRADED, faults={Reason.DEGRADED: 40}),
        ),
        past_processors=(sample_processor("gain#1", ProcessorState.CLOSED, closed=1, leases=0),),
        past_streams=(),
        zombies=(),
    )


def sample_event(kind: EventKind, subject: str, seconds: float = 1.0, **details: str | float) -> SessionEvent:
    """Something that happened."""
    return SessionEvent(at_ns=round(seconds * SECOND), kind=kind, subject=subject, details=details)


def sample_events() -> tuple[SessionEvent, ...]:
    """A short life with a crash and a hang."""
    mic = "room:lobby/track:anna/microphone"
    return (
        sample_event(EventKind.ROOM_OPENED, "room:lobby", 0.0),
        sample_event(EventKind.ROOM_OPENED, "room:studio", 0.1),
        sample_event(EventKind.TRACK_ADDED, mic, 0.2, sid="TR_1"),
        sample_event(EventKind.TRACK_ADDED, "room:studio/track:carla/microphone", 0.3, sid="TR_2"),
        sample_event(EventKind.STREAM_OPENED, f"{mic}/stream:1", 0.4, pipeline="denoise#1"),
        sample_event(EventKind.LEASE_GRANTED, "processor:denoise#1", 0.4, holder=f"{mic}/stream:1", leases=1),
        sample_event(EventKind.PROCESSOR_OPENED, "processor:denoise#1", 0.5),
        sample_event(EventKind.PROCESSOR_READY, "processor:denoise#1", 0.6, built_ns=35 * MS),
        sample_event(EventKind.PROCESSOR_FAILED, "processor:denoise#1", 3.0, error="ValueError: <b>no</b>"),
        sample_event(EventKind.PROCESSOR_CLOSED, "processor:denoise#1", 3.05, incarnation=1),
        sample_event(EventKind.PROCESSOR_RESTARTED, "processor:denoise#1", 3.1, incarnation=2),
        sample_event(EventKind.PROCESSOR_OPENED, "processor:denoise#1", 3.2, incarnation=2),
        sample_event(EventKind.PROCESSOR_READY, "processor:denoise#1", 3.3),
        sample_event(EventKind.PROCESSOR_HUNG, "processor:denoise#1", 6.0, after_ns=1_000 * MS),
        sample_event(EventKind.PROCESSOR_RESTARTED, "processor:denoise#1", 6.1, incarnation=3),
        sample_event(EventKind.PROCESSOR_OPENED, "processor:denoise#1", 6.3, incarnation=3),
        sample_event(EventKind.PROCESSOR_READY, "processor:denoise#1", 6.4),
        sample_event(EventKind.PROCESSOR_CLOSED, "processor:denoise#1", 6.9, incarnation=2),
        sample_event(EventKind.ROOM_RECONNECTING, "room:lobby", 7.0),
        sample_event(EventKind.TRACK_REPUBLISHED, mic, 7.2, sid="TR_9"),
        sample_event(EventKind.ROOM_RECONNECTED, "room:lobby", 7.3),
        sample_event(EventKind.STREAM_ENDED, f"{mic}/stream:1", 9.0, frames_in=900),
        sample_event(EventKind.LEASE_ENDED, "processor:denoise#1", 9.0, leases=0),
        sample_event(EventKind.PROCESSOR_CLOSED, "processor:denoise#1", 9.2, incarnation=3),
        sample_event(EventKind.TRACK_REMOVED, mic, 9.3),
        sample_event(EventKind.ROOM_CLOSED, "room:lobby", 9.5),
        sample_event(EventKind.ROOM_CLOSED, "room:studio", 9.6),
    )


def sample_facts(*, verdicts: tuple[Verdict, ...] = HELD, audio: StreamAudio | None = None) -> RunFacts:
    """The facts of a run of the sample session."""
    snapshot = sample_snapshot()
    streams = tuple(
        replace(s, audio=audio, noise=measure(audio) if audio else None) for s in stream_facts(snapshot)
    )
    return RunFacts(
        name="demo <1>",
        created="2026-01-02T03:04:05+00:00",
        version="0.1.0",
        pace="realtime",
        stopped_by="end",
        started_ns=0,
        ended_ns=10 * SECOND,
        streams=streams,
        processors=processor_facts(snapshot),
        events=sample_events(),
        media_ns=tuple(event.at_ns // 2 for event in sample_events()),
        verdicts=verdicts,
        leftovers=(),
    )
