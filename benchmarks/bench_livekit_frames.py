"""What a frame costs in a stream of LiveKit's with greenroom, beside upstream's own with the same processor: CPU, not time.

Each side has forty streams open all the time, and only one side speaks at a time. A ratio is the median of those of
neighbouring turns. Two paths:

- *loopback*: real frames, from an `rtc.AudioSource` through a local track, on all the threads that take part;
- *handed*: the same events of the SDK, put where its native threads put them, from one thread.
"""

import asyncio
import ctypes
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any, Final, cast

import numpy as np
from benchmarks._livekit import BLOCK, RATE_HZ, Figures, Noop, Reading, by_turns, middle, opened, serve
from benchmarks._table import Row, show
from livekit import rtc
from livekit.rtc._ffi_client import FfiClient
from livekit.rtc._proto import ffi_pb2

from greenroom.actors import Placement, ProcessorSpec, Session

STREAMS: Final = 40
TRACKS: Final = 4
TURNS: Final = 15
MEASURED_S: Final = 1.0
SETTLED_S: Final = 0.3
HANDED_FRAMES: Final = 50
GOALS: Final = {"process": 1.15, "loop": 1.10}
SIDES: Final = {
    "inline": "inline, as upstream",
    "thread": "on shared threads",
    "pinned": "on a thread each",
}


class Speaking:
    """Four tracks that speak for as long as they are told to, on a thread of their own, as a network has its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._frame = rtc.AudioFrame(np.full(BLOCK, 1000, np.int16).tobytes(), RATE_HZ, 1, BLOCK)
        self._sources = [rtc.AudioSource(RATE_HZ, 1, queue_size_ms=0, loop=self._loop) for _ in range(TRACKS)]
        self.tracks = [rtc.LocalAudioTrack.create_audio_track("voice", source) for source in self._sources]

    async def speak(self, seconds: float) -> None:
        """Speak ten milliseconds every ten milliseconds."""
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._speak(seconds), self._loop))

    async def _speak(self, seconds: float) -> None:
        loop = self._loop
        began = loop.time()
        for number in range(round(seconds * 100)):
            await asyncio.sleep(max(0.0, began + number / 100 - loop.time()))
            for source in self._sources:
                await source.capture_frame(self._frame)


class Used:
    """What CPU has been used, from when it was made."""

    def __init__(self) -> None:
        self._process, self._thread = time.process_time(), time.thread_time()

    def per(self, frames: int) -> Figures:
        """Return it in microseconds for each of ``frames``: of all threads, and of this one."""
        process, thread = time.process_time() - self._process, time.thread_time() - self._thread
        return {"process": process / frames * 1e6, "loop": thread / frames * 1e6, "frames": frames}


def heard(readings: list[Reading]) -> int:
    """Return how many frames have been read in all."""
    return sum(reading.frames for reading in readings)


async def loopback(readings: list[Reading], speaking: Speaking) -> Figures:
    """Measure a second of real frames."""
    await speaking.speak(SETTLED_S)
    before, used = heard(readings), Used()
    await speaking.speak(MEASURED_S)
    return used.per(heard(readings) - before)


class Handing:
    """Puts events where the SDK's native threads put theirs, from the loop's own thread."""

    def __init__(self) -> None:
        self._memory = (ctypes.c_int16 * BLOCK)(*[1000] * BLOCK)
        self._events: list[bytes] = []

    @contextmanager
    def watching(self) -> Generator[None]:
        """Note which native streams are opened meanwhile."""
        kind: Any = rtc.AudioStream
        before = kind._create_owned_stream

        def create(stream: Any) -> Any:
            made = before(stream)
            self._events.append(self._event(made.handle.id))
            return made

        kind._create_owned_stream = create
        yield
        kind._create_owned_stream = before

    def _event(self, handle: int) -> bytes:
        event = ffi_pb2.FfiEvent()
        event.audio_stream_event.stream_handle = handle
        event.audio_stream_event.frame_received.frame.handle.id = 0  # nothing to give back
        info = event.audio_stream_event.frame_received.frame.info
        info.data_ptr = ctypes.addressof(self._memory)
        info.num_channels, info.sample_rate, info.samples_per_channel = 1, RATE_HZ, BLOCK
        return event.SerializeToString()

    async def __call__(self, readings: list[Reading], _: Speaking) -> Figures:
        """Measure some frames for each stream."""
        put: Callable[[Any], None] = FfiClient.instance.queue.put
        before, used = heard(readings), Used()
        for number in range(HANDED_FRAMES):
            for data in self._events:
                event = ffi_pb2.FfiEvent()
                event.ParseFromString(data)
                put(event)
            while heard(readings) < before + (number + 1) * STREAMS:  # noqa: ASYNC110 - a frame is no event here
                await asyncio.sleep(0)
        return used.per(HANDED_FRAMES * STREAMS)


async def stand(path: str, side: str) -> None:
    """Hold forty streams open, and measure whenever told to."""
    handing = Handing()
    measure: Callable[[list[Reading], Speaking], Awaitable[Figures]] = (
        handing if path == "handed" else loopback
    )
    kind: Any = Noop
    if side != "upstream":
        kind = ProcessorSpec(name="noop", factory=cast("Any", Noop), placement=Placement(side))
    async with Session() as session:
        speaking = Speaking()
        with handing.watching():
            streams = [opened(side, speaking.tracks[n % TRACKS], kind, session) for n in range(STREAMS)]
        readings = [Reading(stream) for stream in streams]
        while heard(readings) < STREAMS * 10:
            await speaking.speak(0.1)
        await asyncio.sleep(SETTLED_S)
        await serve(partial(measure, readings, speaking))


def _row(path: str, side: str, key: str, found: dict[str, list[Figures]]) -> Row:
    ratio = median(
        ours[key] / theirs[key] for ours, theirs in zip(found[side], found["upstream"], strict=True)
    )
    return Row(
        what=f"livekit: CPU per frame of {STREAMS} streams, {path}, no-op {SIDES[side]}: {key}",
        here=f"{middle(found[side], key):.1f} us",
        beside=f"{middle(found['upstream'], key):.1f} us upstream",
        ratio=f"{ratio:.2f}",
        goal="-" if side == "pinned" else f"<= {GOALS[key]:.2f}",
        met=None if side == "pinned" else ratio <= GOALS[key],
    )


def rows() -> list[Row]:
    """Measure all."""
    found = {
        path: by_turns("bench_livekit_frames", path, ("upstream", *SIDES), TURNS)
        for path in ("loopback", "handed")
    }
    return [_row(path, side, key, found[path]) for path in found for side in SIDES for key in GOALS]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(stand(sys.argv[1], sys.argv[2]))
    else:
        show(rows())
