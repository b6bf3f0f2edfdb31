"""Plays a deployment's script on a session: one small function per kind of event."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from greenroom.actors import Lease, Room, Session, Stream, StreamFailed, Track
from greenroom.actors.sources import Sink, Source
from greenroom.config import _secrets
from greenroom.config._deployment import Deployment, default_output, outputs_of
from greenroom.config._events import (
    AnyEvent,
    CloseStream,
    Fault,
    Hold,
    Join,
    Leave,
    Move,
    OpenStream,
    Reconnect,
    Refresh,
    Release,
)
from greenroom.config._fields import ns_of_s
from greenroom.config._rehearsal import Rehearsal
from greenroom.config._schema import TrackSection


@dataclass(slots=True, kw_only=True)
class Stay:
    """A track, from its joining to its leaving.

    Attributes:
        number: counts the stays of this track, from 1.
        rooms: where it has been, in order; the last is where it is.
        open: its streams that the script has opened and not closed, by the script's name.
    """

    section: TrackSection
    number: int
    rooms: list[str]
    track: Track
    open: dict[str, Stream] = field(default_factory=dict[str, Stream])


@dataclass(slots=True, kw_only=True)
class Take:
    """One stream: what a recording is made of.

    Attributes:
        name: unique among the streams that its track has had.
        started_ns: media time at which it was opened.
        output: the file name of its recording.
        failure: why it ended early, or empty.
    """

    stay: Stay
    name: str
    started_ns: int
    output: str
    stream: Stream
    failure: str = ""

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"{self.stay.section.participant}/{self.stay.section.source}, stream {self.name}"


class Studio(Protocol):
    """What a conductor needs from whoever knows files: a source per input, and a sink per output."""

    def source(self, track: TrackSection) -> Source:
        """Return a track's input, from its beginning."""
        ...

    def sink(self, track: TrackSection, output: str) -> Sink:
        """Return a sink for one of the track's streams."""
        ...


class Conductor:
    """Opens what a deployment says, and performs its events. Used by one task at a time."""

    def __init__(
        self,
        session: Session,
        deployment: Deployment,
        studio: Studio,
        rehearsals: Mapping[str, Rehearsal],
    ) -> None:
        self._session = session
        self._deployment = deployment
        self._studio = studio
        self._rehearsals = rehearsals
        self._rooms: dict[str, Room] = {}
        self._stays: dict[str, Stay] = {}
        self._leases: dict[str, Lease] = {}
        self._numbers: dict[str, int] = {}
        self._reconnects = 0
        self._promised = {name.casefold() for _, name in outputs_of(deployment.file)}
        self._used: set[str] = set()
        self.takes: list[Take] = []

    async def open_rooms(self) -> None:
        """Open all rooms, with their credentials."""
        for name, section in self._deployment.file.scripted.items():
            credentials = _secrets.credentials(self._deployment, section)
            self._rooms[name] = await self._session.open_room(name, credentials=credentials)

    async def publish(self, home: str, section: TrackSection) -> None:
        """Add a track to its room, and open its first stream."""
        source = self._studio.source(section)
        track = await self._rooms[home].add_track(
            section.sid, participant=section.participant, source=source, source_name=section.source
        )
        number = self._numbers[section.sid] = self._numbers.get(section.sid, 0) + 1
        stay = self._stays[section.sid] = Stay(section=section, number=number, rooms=[home], track=track)
        output = section.output or default_output(home, section)
        await self._open(stay, str(number), section.pipeline, output)

    async def perform(self, event: AnyEvent) -> None:  # noqa: C901 - one case per kind of event
        """Have an event happen, now."""
        match event:
            case Join():
                await self._join(event)
            case Leave():
                await self._leave(event)
            case Refresh():
                await self._refresh(event)
            case Reconnect():
                await self._reconnect(event)
            case Move():
                await self._move(event)
            case Fault():
                self._fault(event)
            case Hold():
                self._leases[event.lease] = await self._session.hold(event.processor)
            case Release():
                await self._leases.pop(event.lease).release()
            case OpenStream():
                await self._open_stream(event)
            case CloseStream():
                await self._close_stream(event)
            case _:
                assert_never(event)

    async def release_all(self) -> None:
        """Give back the leases that the script has not given back."""
        while self._leases:
            await self._leases.popitem()[1].release()

    async def ended(self) -> None:
        """Wait until every stream that there has been has ended; note why, where it failed."""
        await asyncio.gather(*(self._end_of(take) for take in self.takes))

    async def _join(self, event: Join) -> None:
        for section in self._deployment.file.scripted[event.room].tracks:
            if section.participant == event.participant and section.sid not in self._stays:
                await self.publish(event.room, section)

    async def _leave(self, event: Leave) -> None:
        await self._rooms[event.room].leave(event.participant)
        for sid, stay in list(self._stays.items()):
            if stay.rooms[-1] == event.room and stay.section.participant == event.participant:
                del self._stays[sid]

    async def _refresh(self, event: Refresh) -> None:
        section = self._deployment.file.scripted[event.room]
        credentials = _secrets.credentials(self._deployment, section, event)
        assert credentials is not None  # loading refuses a refresh of a room without a token
        await self._rooms[event.room].refresh(credentials)

    async def _reconnect(self, event: Reconnect) -> None:
        section = self._deployment.file.scripted[event.room]
        credentials = _secrets.credentials(self._deployment, section, event)
        self._reconnects += 1
        sids = {
            stay.track.sid: event.sids.get(name, f"{name}_r{self._reconnects}")
            for name, stay in self._stays.items()
            if stay.rooms[-1] == event.room
        }
        await self._rooms[event.room].reconnect(sids, credentials=credentials)

    async def _move(self, event: Move) -> None:
        stay = self._stays[event.track]
        await self._rooms[stay.rooms[-1]].move_track(stay.track, self._rooms[event.to], sid=event.sid)
        stay.rooms.append(event.to)

    def _fault(self, event: Fault) -> None:
        sid = self._stays[event.track].track.sid if event.track else ""
        rehearsal = self._rehearsals[event.processor]
        rehearsal.arm(event.kind, sid=sid, times=event.times, hold_ns=ns_of_s(event.hold_s))

    async def _open_stream(self, event: OpenStream) -> None:
        stay = self._stays[event.track]
        output = event.output or default_output(stay.rooms[0], stay.section, event.stream)
        name = event.stream if stay.number == 1 else f"{event.stream}-{stay.number}"
        stay.open[event.stream] = await self._open(stay, name, event.pipeline, output)

    async def _close_stream(self, event: CloseStream) -> None:
        await self._stays[event.track].open.pop(event.stream).drain()

    async def _open(self, stay: Stay, name: str, pipeline: str | tuple[str, ...], output: str) -> Stream:
        output = self._unused(output)
        started_ns = self._session.media_now_ns
        stream = await stay.track.open_stream(
            processors=list(self._deployment.steps(pipeline)),
            sink=self._studio.sink(stay.section, output),
            name=name,
        )
        self.takes.append(Take(stay=stay, name=name, started_ns=started_ns, output=output, stream=stream))
        return stream

    async def _end_of(self, take: Take) -> None:
        try:
            await take.stream.ended()
        except StreamFailed as failure:
            take.failure = str(failure.cause)

    def _unused(self, output: str) -> str:
        """Number an output from its track's second stay on: ``ben.wav``, ``ben-2.wav``."""
        stem, _, suffix = output.rpartition(".")
        name, number = output, 1
        while name.casefold() in self._used or (number > 1 and name.casefold() in self._promised):
            number += 1
            name = f"{stem}-{number}.{suffix}"
        self._used.add(name.casefold())
        return name
