"""What the tests with a real server are written with: peers in other processes, probes, readers, tokens."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import numpy as np
from livekit import api, rtc
from tests.livekit.noting import Noting
from tests.livekit.server.serverkit import KEY, ROOT, SECRET, Server
from tests.livekit.server.tones import loudest

PATIENCE_S: Final = 60
"""How long anything may take that is waited for; long, because the machine may be busy."""
GAIN: Final = 0.5


def play(story: Coroutine[Any, Any, None], *, patience_s: float = 3 * PATIENCE_S) -> None:
    """Run a test's story on a loop of its own."""

    async def bounded() -> None:
        await asyncio.wait_for(story, patience_s)

    asyncio.run(bounded())


def token(identity: str, room: str) -> str:
    """Return a token for a participant of a room, who may do anything there."""
    grants = api.VideoGrants(room_join=True, room=room, can_update_own_metadata=True)
    return api.AccessToken(KEY, SECRET).with_identity(identity).with_grants(grants).to_jwt()


@asynccontextmanager
async def server_api(server: Server) -> AsyncGenerator[api.LiveKitAPI]:
    """Give the server's API."""
    client = api.LiveKitAPI(server.api_url, KEY, SECRET)
    try:
        yield client
    finally:
        await client.aclose()


class Peer:
    """A participant in another process; see `peer`."""

    def __init__(self, process: asyncio.subprocess.Process, identity: str, server: Server) -> None:
        self._process = process
        self._server = server
        self.identity = identity

    async def do(self, what: str, **values: Any) -> dict[str, Any]:
        """Have it do something, and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **values}).encode() + b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S)
        assert line, f"peer {self.identity} has ended"
        answer: dict[str, Any] = json.loads(line)
        assert "error" not in answer, answer
        return answer

    async def enter(self, room: str) -> None:
        """Enter a room."""
        await self.do("connect", url=self._server.url, token=token(self.identity, room))

    async def quit(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), PATIENCE_S)
        except TimeoutError:
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """End it without a goodbye."""
        with suppress(ProcessLookupError):
            self._process.kill()


@asynccontextmanager
async def peer(server: Server, identity: str, room: str = "", *, hz: int = 0) -> AsyncGenerator[Peer]:
    """Give a participant in another process, who has entered ``room`` and publishes ``hz``, if they are given."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.livekit.server.peer",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    made = Peer(process, identity, server)
    try:
        if room:
            await made.enter(room)
        if hz:
            await made.do("publish", hz=hz)
        yield made
    finally:
        await made.quit()


class Probe(Noting):
    """Halves what it hears, and remembers whose voice that was, and what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.voices: Counter[int | None] = Counter()
        self.rates: set[int] = set()
        self.closed = 0
        self.after_close = 0
        self.on = True

    @property
    def enabled(self) -> bool:
        return self.on

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self.on = value

    def _note(self, what: str, *values: Any) -> None:
        self.after_close += bool(self.closed)
        self.told.append((what, *values))

    def _on_credentials_updated(self, *, token: str, url: str) -> None:
        self._note("credentials", "token" if token else "", url)

    def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        self.after_close += bool(self.closed)
        samples = np.frombuffer(frame.data, np.int16)
        self.voices[loudest(samples, frame.sample_rate)[0]] += 1
        self.rates.add(frame.sample_rate)
        quieter = (samples * GAIN).astype(np.int16)
        return rtc.AudioFrame(
            quieter.tobytes(), frame.sample_rate, frame.num_channels, frame.samples_per_channel
        )

    def _close(self) -> None:
        self.closed += 1

    async def hears_of(self, count: int) -> None:
        """Wait until it was told so many things."""
        await until(lambda: len(self.told) >= count, f"told {count} things")

    @property
    def kinds(self) -> list[str]:
        """What it was told, without the values."""
        return [each[0] for each in self.told]


class Reader:
    """Reads a stream, upstream's or ours, and remembers whose voice came out."""

    def __init__(self, stream: Any, whose: str = "") -> None:
        self.stream = stream
        self.whose = whose
        self.voices: Counter[int | None] = Counter()
        self.level = 0.0
        self.frames = 0
        self.ended = asyncio.Event()
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.stream:
            hz, self.level = loudest(np.frombuffer(event.frame.data, np.int16))
            self.voices[hz] += 1
            self.frames += 1
            self._news.set()
        self.ended.set()

    async def until(self, condition: Callable[["Reader"], bool]) -> None:
        """Wait until what was read fulfils ``condition``, looking after each frame."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self):
                self._news.clear()
                await self._news.wait()

    async def hears(self, hz: int, frames: int = 20) -> None:
        """Wait for so many frames more in which ``hz`` is the voice."""
        goal = self.voices[hz] + frames
        await self.until(lambda reader: reader.voices[hz] >= goal)

    async def close(self) -> None:
        """Close the stream, and give up reading."""
        await self.stream.aclose()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


async def until(condition: Callable[[], bool], what: str = "", patience_s: float = PATIENCE_S) -> None:
    """Wait until ``condition()``, looking every 20 ms; for what sends no message of its own."""
    try:
        async with asyncio.timeout(patience_s):
            while not condition():  # noqa: ASYNC110 - for what happens on other threads, or inside the SDK
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None
