"""What each word of a scenario does: through the session's public door, with what the scenario has named so far."""

import asyncio
import weakref
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from pykka.messages import ProxyGetAttr

from greenroom.actors import Credentials, Lease, Room, SessionError, Stream, Track
from greenroom.simulation import steps as words
from greenroom.simulation._faults import READER
from greenroom.simulation._scenario import Scenario
from greenroom.simulation._stage import MS, Stage
from greenroom.simulation._witness import FrameCheck, SimulatedSink, SimulatedSource

ENDLESS_FRAMES: Final = 10_000
"""A source of more frames than this does not end while a scenario is played."""


@dataclass(slots=True)
class Opened:
    """A stream that was opened, and who reads it."""

    stream: Stream
    check: FrameCheck
    reading: asyncio.Event
    task: "asyncio.Task[None] | None" = None


class Acts:
    """Carries single steps out. One whose room, track, stream or lease is not there does nothing.

    Attributes:
        streams: those that are open or were, by name.
        reading: who iterates over streams.
    """

    def __init__(self, stage: Stage, scenario: Scenario) -> None:
        self.stage = stage
        self.streams: dict[str, Opened] = {}
        self.reading: list[asyncio.Task[None]] = []
        self._rooms: dict[str, Room] = {}
        self._tracks: dict[str, Track] = {}
        self._sources: dict[str, SimulatedSource] = {}
        self._leases: dict[str, Lease] = {}
        self._lease_parts: dict[str, str] = {}
        self._specs = {part.name: stage.spec(part) for part in scenario.parts}
        self._serial = 0

    async def act(self, step: words.Step) -> None:
        """Carry out one step.

        Raises:
            SessionError, SupervisionError: the session refuses it.
        """
        await getattr(self, f"_{step.do}")(step)

    def _sid(self, sid: str) -> str:
        self._serial += 1
        return f"{sid.partition('~')[0]}~{self._serial}"

    # -- rooms --------------------------------------------------------------------------------------------------

    async def _open_room(self, step: words.OpenRoom) -> None:
        credentials = self.stage.credentials(step.token)
        with self.stage.onlooker.using(step.room, credentials):
            self._rooms[step.room] = await self.stage.session.open_room(step.room, credentials=credentials)

    async def _close_room(self, step: words.CloseRoom) -> None:
        if room := self._rooms.get(step.room):
            await room.close()

    async def _leave(self, step: words.Leave) -> None:
        if room := self._rooms.get(step.room):
            await room.leave(step.participant)

    async def _refresh(self, step: words.Refresh) -> None:
        credentials = self.stage.credentials(step.token)
        if (room := self._rooms.get(step.room)) and isinstance(credentials, Credentials):
            with self.stage.onlooker.using(step.room, credentials):
                await room.refresh(credentials)

    async def _reconnect(self, step: words.Reconnect) -> None:
        if room := self._rooms.get(step.room):
            sids = {track.sid: self._sid(track.sid) for track in room.tracks.values()}
            await room.reconnect(sids, self.stage.credentials(step.token))

    async def _lose_connection(self, step: words.LoseConnection) -> None:
        if room := self._rooms.get(step.room):
            await room.reconnecting(grace_ns=max(1, step.grace_ms) * MS)

    # -- tracks -------------------------------------------------------------------------------------------------

    async def _publish(self, step: words.Publish) -> None:
        room = self._rooms.get(step.room)
        if room is None:
            return
        source = self.stage.source(step.track, step.frames, step.fail)
        track = await room.add_track(
            f"TR_{step.track}", participant=step.participant, source=source, source_name=step.source
        )
        self._tracks[step.track], self._sources[step.track] = track, source

    async def _unpublish(self, step: words.Unpublish) -> None:
        if track := self._tracks.get(step.track):
            await track.remove()

    async def _republish(self, step: words.Republish) -> None:
        if track := self._tracks.get(step.track):
            await track.room.reconnected({track.sid: self._sid(track.sid)})

    async def _move(self, step: words.Move) -> None:
        track, room = self._tracks.get(step.track), self._rooms.get(step.room)
        if track and room:
            await track.room.move_track(track, room)

    # -- streams ------------------------------------------------------------------------------------------------

    async def _open_stream(self, step: words.OpenStream) -> None:
        track = self._tracks.get(step.track)
        if track is None:
            return
        through, parts = self._pipeline(step.through)
        check: FrameCheck
        sink: SimulatedSink | None = None
        if step.reader == "sink":
            check = sink = self.stage.sink(step.stream, parts)
        else:
            check = self.stage.reader(step.stream, parts)
        try:
            stream = await track.open_stream(through, sink=sink, capacity_frames=step.holds)
        except BaseException:
            if self.stage.over and sink is not None:
                self.stage.sinks.remove(sink)  # a session that is over has no thread to tell it on
            raise
        opened = self.streams[step.stream] = Opened(stream, check, asyncio.Event())
        opened.reading.set()
        source = self._sources[step.track]
        endless = source.frames > ENDLESS_FRAMES and not source.fail
        check.expects = partial(_expects, stream, reads=endless and step.reader != "nobody")
        if step.reader == "iterate":
            opened.task = asyncio.ensure_future(_iterate(self.stage, stream, check, opened.reading))
            self.reading.append(opened.task)

    def _pipeline(self, names: tuple[str, ...]) -> tuple[list[Any], tuple[str, ...]]:
        """Return what is asked for, and the processors that this comes to."""
        through: list[Any] = []
        parts: list[str] = []
        for name in names:
            if name in self._specs:
                through.append(self._specs[name])
                parts.append(name)
            elif name in self._leases:
                through.append(self._leases[name])
                parts.append(self._lease_parts[name])
        return through, tuple(parts)

    async def _close_stream(self, step: words.CloseStream) -> None:
        if opened := self.streams.get(step.stream):
            await opened.stream.aclose()

    async def _drain_stream(self, step: words.DrainStream) -> None:
        if opened := self.streams.get(step.stream):
            await opened.stream.drain()

    async def _drop_stream(self, step: words.DropStream) -> None:
        opened = self.streams.pop(step.stream, None)
        if opened is None:
            return
        opened.check.expects = _never
        if opened.stream._state.sink is None:  # what a sink takes needs nobody to have the stream
            self.stage.dropped.append((weakref.ref(opened.stream), opened.stream._state))
        if opened.task is not None:
            self.reading.remove(opened.task)
            opened.task.cancel()
            await asyncio.wait({opened.task})

    async def _stop_reading(self, step: words.StopReading) -> None:
        if opened := self.streams.get(step.stream):
            opened.reading.clear()

    async def _read_on(self, step: words.ReadOn) -> None:
        if opened := self.streams.get(step.stream):
            opened.reading.set()

    # -- leases, and the rest -----------------------------------------------------------------------------------

    async def _hold(self, step: words.Hold) -> None:
        if spec := self._specs.get(step.processor):
            self._leases[step.lease] = await self.stage.session.hold(spec)
            self._lease_parts[step.lease] = step.processor

    async def _release(self, step: words.Release) -> None:
        if lease := self._leases.get(step.lease):
            await lease.release()

    async def _transfer(self, step: words.Transfer) -> None:
        lease, opened = self._leases.get(step.lease), self.streams.get(step.stream)
        if lease and opened:
            # Noted first: the lease may be the stream's before we are told so.
            self.stage.transferred.add((lease.processor, int(lease._granted.lease_id)))
            await lease.transfer(opened.stream)

    async def _kill(self, step: words.Kill) -> None:
        found = self.stage.actors(step.actor)
        if found:
            kill(found[step.which % len(found)], step.how)

    async def _close_session(self, _: words.CloseSession) -> None:
        await self.stage.session.close()


def kill(ref: Any, how: str) -> None:
    """Crash an actor by a message, or fence it where it stands."""
    if how == "crash":
        ref.send(ProxyGetAttr(attr_path=("nothing_of_that_name",)))
    else:
        ref._cell.fence("killed by a scenario")


async def _iterate(stage: Stage, stream: Stream, check: FrameCheck, reading: asyncio.Event) -> None:
    """Read a stream to its end; stop for a while where that is wanted."""
    try:
        async for frame in stream:
            check.take(frame)
            await reading.wait()
            fault = stage.injector.visit(READER, "iterate", check.name)
            if fault is not None:
                await stage.elapse(fault.takes_ns)
    except SessionError:
        return


def _expects(stream: Stream, *, reads: bool) -> bool:
    """Whether a stream should go on to give frames: it is open, its source has not ended, and somebody reads."""
    state = stream._state
    return reads and not (stream.over or state.removed or state.done.done())


def _never() -> bool:
    return False
