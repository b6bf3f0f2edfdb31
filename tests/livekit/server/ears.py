"""Two ways to hear a room: upstream's own and greenroom's, written as an application writes them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from livekit import rtc
from tests.livekit.server.roomkit import PATIENCE_S, Probe, Reader, token, until
from tests.livekit.server.serverkit import Server

from greenroom.actors import Session
from greenroom.adapters.livekit import AudioStream, attach


class Ear:
    """A room that somebody listens to: each track that is subscribed gets a stream with a probe on it."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.readers: list[Reader] = []
        self.probes: list[Probe] = []
        self.events: list[str] = []
        self.gone = asyncio.Event()
        emitter: Any = self.room  # upstream's `on` is only half typed
        emitter.on("track_subscribed", self._on_subscribed)
        for name in ("track_unsubscribed", "token_refreshed", "reconnecting", "reconnected"):
            emitter.on(name, partial(self._note, name))
        emitter.on("disconnected", self._on_disconnected)

    def _note(self, name: str, *_: object) -> None:
        self.events.append(name)

    def _on_subscribed(
        self, track: rtc.Track, _: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        self.events.append("track_subscribed")
        self.readers.append(Reader(self.open(track), participant.identity))

    def _on_disconnected(self, *_: object) -> None:
        self.events.append("disconnected")
        self.gone.set()

    def build(self) -> Probe:
        """Build a probe: what a factory does."""
        probe = Probe()
        self.probes.append(probe)
        return probe

    def open(self, track: rtc.Track) -> Any:
        """Open a stream with a probe on a track."""
        raise NotImplementedError

    async def reader(self, number: int = 0) -> Reader:
        """Return the stream of the track that was subscribed as that one, waiting for it."""
        await until(lambda: len(self.readers) > number, f"track {number} subscribed")
        return self.readers[number]

    async def suffer(self, scenario: rtc.SimulateScenarioKind.ValueType) -> None:
        """Have the server do something to the connection."""
        await asyncio.wait_for(self.room.simulate_scenario(scenario), PATIENCE_S)

    async def close(self) -> None:
        """Leave the room and close what is open."""
        await self.room.disconnect()
        for reader in self.readers:
            await reader.close()


class Theirs(Ear):
    """Upstream's own way."""

    def open(self, track: rtc.Track) -> rtc.AudioStream:
        """Open upstream's stream, with a processor directly on it."""
        return rtc.AudioStream(track, noise_cancellation=self.build())


@asynccontextmanager
async def theirs(server: Server, room: str) -> AsyncGenerator[Theirs]:
    """Listen to a room upstream's way."""
    ear = Theirs()
    await ear.room.connect(server.url, token("theirs", room))
    try:
        yield ear
    finally:
        await ear.close()


class Ours(Ear):
    """The same with greenroom."""

    def open(self, track: rtc.Track) -> AudioStream:
        """Open greenroom's stream, with a factory of processors."""
        return AudioStream(track, processors=self.build)


@asynccontextmanager
async def ours(server: Server, room: str, session: Session) -> AsyncGenerator[Ours]:
    """Listen to a room greenroom's way."""
    ear = Ours()
    attach(session, ear.room)
    await ear.room.connect(server.url, token("ours", room))
    try:
        yield ear
    finally:
        await ear.close()


@asynccontextmanager
async def both(server: Server, room: str) -> AsyncGenerator[tuple[Theirs, Ours]]:
    """Listen to a room both ways at once; greenroom's session must be in order at the end."""
    async with Session() as session:
        async with theirs(server, room) as one, ours(server, room, session) as other:
            yield one, other
        report = await session.close()
    assert all(verdict.held for verdict in report.verdicts), report.verdicts
    assert all(probe.closed == 1 for probe in other.probes), [probe.closed for probe in other.probes]
    assert not any(probe.after_close for probe in other.probes)
