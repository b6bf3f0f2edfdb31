"""What is known at the end of a run: the one value that the table, the JSON report and the page are made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from greenroom.actors import Verdict
from greenroom.actors.processors import Reason
from greenroom.actors.snapshots import (
    Latency,
    ProcessorSnapshot,
    SessionEvent,
    SessionSnapshot,
    StreamSnapshot,
)
from greenroom.console._measure import NoiseReduction
from greenroom.console._subjects import parse_subject


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAudio:
    """Where a stream's audio lies, before and after, and the clean speech if the deployment has it."""

    before: Path
    after: Path
    reference: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """One stream's life, with the numbers of its audio."""

    room: str
    track: str
    stream: str
    pipeline: tuple[str, ...]
    frames_in: int
    frames_out: int
    in_flight: int
    dropped: Mapping[Reason, int]
    bypassed: Mapping[Reason, int]
    latency: Latency
    noise: NoiseReduction | None = None
    audio: StreamAudio | None = None

    @property
    def label(self) -> str:
        """How people find it again: room and track; that a track is a microphone goes without saying."""
        return (
            " / ".join(part for part in (self.room, self.track.removesuffix("/microphone")) if part)
            or self.stream
        )

    @property
    def frames_lost(self) -> int:
        """Frames that went in and are nowhere: neither out, nor dropped for a reason, nor on their way."""
        return self.frames_in - self.frames_out - sum(self.dropped.values()) - self.in_flight


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """One run.

    Attributes:
        created: when the report was made, ISO 8601 with offset.
        pace: ``realtime`` or ``fast``.
        stopped_by: ``end`` (everything played out), ``--for`` or ``signal``.
        started_ns: on the clock of the events; subtract it to get times into the run.
        media_ns: per event, how much audio the session had read by then.
        leftovers: what should be gone and is not.
        unplayed: faults of the script that did not happen, because nothing called their processor any more.
        failures: inputs that could not be read to their end, outputs that could not be written.
    """

    name: str
    created: str
    version: str
    pace: str
    stopped_by: str
    started_ns: int
    ended_ns: int
    streams: tuple[StreamFacts, ...]
    processors: tuple[ProcessorSnapshot, ...]
    events: tuple[SessionEvent, ...]
    media_ns: tuple[int, ...]
    verdicts: tuple[Verdict, ...]
    leftovers: tuple[str, ...]
    unplayed: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether all laws held."""
        return all(verdict.held for verdict in self.verdicts)


def stream_facts(snapshot: SessionSnapshot) -> tuple[StreamFacts, ...]:
    """Every stream that a session's last snapshot knows, ended ones too, by room, track and name."""
    # A participant that leaves and comes back has two streams of the same path; the sort keeps them in order.
    found = (_facts(path, stream) for path, stream in _paths(snapshot))
    return tuple(sorted(found, key=lambda facts: (facts.room, facts.track, facts.stream)))


def processor_facts(snapshot: SessionSnapshot) -> tuple[ProcessorSnapshot, ...]:
    """Every processor that a session's last snapshot knows, closed ones too, by name."""
    found = {processor.name: processor for processor in (*snapshot.past_processors, *snapshot.processors)}
    return tuple(sorted(found.values(), key=lambda p: (p.spec, len(p.name), p.name)))


def _paths(snapshot: SessionSnapshot) -> Iterator[tuple[str, StreamSnapshot]]:
    for past in snapshot.past_streams:
        yield past.name, past
    for room in snapshot.rooms:
        for track in room.tracks:
            for stream in track.streams:
                yield (
                    f"room:{room.name}/track:{track.key}/stream:{parse_subject(stream.name).stream or stream.name}",
                    stream,
                )


def _facts(path: str, stream: StreamSnapshot) -> StreamFacts:
    place = parse_subject(path)
    return StreamFacts(
        room=place.room,
        track=place.track,
        stream=place.stream or path,
        pipeline=stream.pipeline,
        frames_in=stream.frames_in,
        frames_out=stream.frames_out,
        in_flight=stream.in_flight,
        dropped=stream.dropped,
        bypassed=stream.bypassed,
        latency=stream.latency,
    )
