"""Another participant, in a process of its own: takes commands on stdin, one JSON object a line, and answers each on stdout.

Run as ``python -m tests.livekit.server.peer``. Commands: ``connect`` (url, token), ``publish`` (hz or file), ``early`` (hz), ``unpublish``,
``hear`` (hz; waits until it hears that, answers the level), ``forget``, ``leave``, ``quit``.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import numpy as np
import soundfile
from livekit import rtc
from tests.livekit.server.tones import RATE_HZ, level, tone

BLOCK = RATE_HZ // 50


async def tones(hz: int) -> AsyncIterator[np.ndarray[Any, np.dtype[np.int16]]]:
    """Yield a tone for ever, in blocks of 20 ms."""
    first = 0
    while True:
        yield tone(hz, frames=BLOCK, first=first)
        first += BLOCK


async def speech(path: str) -> AsyncIterator[np.ndarray[Any, np.dtype[np.int16]]]:
    """Yield a mono file of 48 kHz for ever, in blocks of 20 ms."""
    read: Any = soundfile.read(path, dtype="int16", always_2d=True)
    samples: np.ndarray[Any, np.dtype[np.int16]] = read[0]
    assert read[1] == RATE_HZ, read[1]
    while True:
        for first in range(0, len(samples) - BLOCK, BLOCK):
            yield np.ascontiguousarray(samples[first : first + BLOCK, 0])


class Peer:
    """A participant who publishes one track, and hears what is published to him."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        emitter: Any = self.room  # upstream's `on` is only half typed
        emitter.on("track_subscribed", self._on_track)
        self.feeding: asyncio.Task[None] | None = None
        self.published: rtc.LocalTrackPublication | None = None
        self.listening: set[asyncio.Task[None]] = set()
        self.heard: dict[str, np.ndarray[Any, np.dtype[np.int16]]] = {}
        self.news = asyncio.Event()

    async def connect(self, url: str, token: str) -> dict[str, Any]:
        """Enter the room."""
        await self.room.connect(url, token)
        return {"identity": self.room.local_participant.identity}

    async def publish(
        self, hz: int = 0, file: str = "", name: str = "mic", early: bool = False
    ) -> dict[str, Any]:
        """Publish a tone or a file as the microphone; ``early``: what was said before the connection will be sent."""
        source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=200)
        track = rtc.LocalAudioTrack.create_audio_track(name, source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, preconnect_buffer=early)
        self.published = await self.room.local_participant.publish_track(track, options)
        self.feeding = asyncio.create_task(self._feed(source, speech(file) if file else tones(hz)))
        return {"sid": self.published.sid}

    async def early(self, hz: int) -> dict[str, Any]:
        """Send a second of a tone as clients send what was said before they were connected."""
        assert self.published is not None
        writer = await self.room.local_participant.stream_bytes(
            "early",
            topic="lk.agent.pre-connect-audio-buffer",
            attributes={"trackId": self.published.sid, "sampleRate": str(RATE_HZ), "channels": "1"},
        )
        await writer.write(tone(hz, frames=RATE_HZ).tobytes())
        await writer.aclose()
        return {}

    async def _feed(
        self, source: rtc.AudioSource, blocks: AsyncIterator[np.ndarray[Any, np.dtype[np.int16]]]
    ) -> None:
        async for block in blocks:
            await source.capture_frame(rtc.AudioFrame(block.tobytes(), RATE_HZ, 1, len(block)))

    async def unpublish(self) -> dict[str, Any]:
        """Take the track back."""
        assert self.published is not None
        await self._silence()
        await self.room.local_participant.unpublish_track(self.published.sid)
        return {}

    async def hear(self, hz: int, least: float, most: float, who: str = "") -> dict[str, Any]:
        """Wait until somebody (``who``, if given) is heard at ``hz`` with a level between the limits."""
        while True:
            for identity, samples in self.heard.items():
                found = level(samples, hz)
                if least <= found <= most and who in ("", identity):
                    return {"level": found, "who": identity}
            self.news.clear()
            await self.news.wait()

    async def forget(self) -> dict[str, Any]:
        """Forget what was heard so far."""
        self.heard.clear()
        return {}

    def _on_track(
        self, track: rtc.Track, _: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        task = asyncio.create_task(self._listen(track, participant.identity))
        self.listening.add(task)

    async def _listen(self, track: rtc.Track, identity: str) -> None:
        async for event in rtc.AudioStream(track, frame_size_ms=100):
            self.heard[identity] = np.frombuffer(event.frame.data, np.int16)
            self.news.set()

    async def _silence(self) -> None:
        if self.feeding is not None:
            self.feeding.cancel()
            with suppress(asyncio.CancelledError):
                await self.feeding

    async def leave(self) -> dict[str, Any]:
        """Leave the room, with a goodbye."""
        await self._silence()
        await self.room.disconnect()
        return {}


async def main() -> None:
    """Do as told until there is nothing more to be told."""
    peer = Peer()
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        command: dict[str, Any] = json.loads(line)
        what = command.pop("do")
        if what == "quit":
            break
        try:
            answer: dict[str, Any] = await getattr(peer, what)(**command)
        except Exception as error:  # noqa: BLE001 - told to whoever asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer
    with suppress(Exception):
        await peer.leave()


if __name__ == "__main__":
    asyncio.run(main())
