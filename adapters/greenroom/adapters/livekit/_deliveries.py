"""Where processed audio goes: back into the room as a track, or into a sink."""

import asyncio
import contextlib
from typing import Final, Protocol

from greenroom.actors import Frame, Sink
from greenroom.adapters.livekit._frames import from_rtc
from greenroom.adapters.livekit._sdk import rtc

QUEUE_MS: Final = 200
"""How much audio waits in a published track: enough for a loop that is busy, little enough for a conversation."""
BATCH_FRAMES: Final = 50
"""How many frames a sink is given at a time: a thread is asked twice a second, not for each frame."""


class Delivery(Protocol):
    """Takes one stream's frames, in order. All on one event loop."""

    async def put(self, frame: rtc.AudioFrame) -> None:
        """Take the next frame."""
        ...

    async def close(self) -> None:
        """Nothing more will come, for whatever reason. Called once."""
        ...


class TrackDelivery:
    """Publishes a track when the first frame is there, and takes it back at the end."""

    def __init__(self, room: rtc.Room, name: str) -> None:
        self._room = room
        self._name = name
        self._source: rtc.AudioSource | None = None
        self._publication: rtc.LocalTrackPublication | None = None

    async def put(self, frame: rtc.AudioFrame) -> None:
        """Send a frame; waits while the track has enough.

        Raises:
            PublishTrackError: the server does not allow it.
        """
        if self._source is None:
            self._source = await self._publish(frame)
        await self._source.capture_frame(frame)

    async def _publish(self, frame: rtc.AudioFrame) -> rtc.AudioSource:
        source = rtc.AudioSource(frame.sample_rate, frame.num_channels, queue_size_ms=QUEUE_MS)
        track = rtc.LocalAudioTrack.create_audio_track(self._name, source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_UNKNOWN)
        self._publication = await self._room.local_participant.publish_track(track, options)
        return source

    async def close(self) -> None:
        """Take the track back."""
        if self._publication is not None and self._room.isconnected():
            with contextlib.suppress(rtc.participant.UnpublishTrackError):  # it is not there any more
                await self._room.local_participant.unpublish_track(self._publication.sid)
        if self._source is not None:
            await self._source.aclose()


class SinkDelivery:
    """Writes to a sink, on a thread that may block."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waiting: list[Frame] = []
        self._clock_ns = 0
        self._failed = False

    async def put(self, frame: rtc.AudioFrame) -> None:
        """Take a frame.

        Raises:
            OSError, ValueError: what the sink says; it was told to abort then.
        """
        taken = from_rtc(frame, self._clock_ns)
        self._clock_ns += taken.duration_ns
        self._waiting.append(taken)
        if len(self._waiting) >= BATCH_FRAMES:
            await self._write()

    async def _write(self) -> None:
        frames, self._waiting = self._waiting, []
        await asyncio.to_thread(self._write_all, frames)

    def _write_all(self, frames: list[Frame]) -> None:
        try:
            for frame in frames:
                self._sink.write(frame)
        except BaseException:
            self._failed = True
            self._sink.abort()
            raise

    async def close(self) -> None:
        """Write what is left, and complete the output.

        Raises:
            OSError, ValueError: what the sink says.
        """
        if self._failed:
            return
        await self._write()
        await asyncio.to_thread(self._sink.finish)
