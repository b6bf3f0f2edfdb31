"""What a frame costs in a stream of LiveKit's with greenroom, beside upstream's own with the same processor: CPU, not time.

Each side has a process of its own, with forty streams open all the time. They are measured by turns, a second each, and
only one speaks at a time: so a ratio is of two neighbouring seconds, and what the machine does meanwhile weighs on
both. The figures are medians of the turns. Two paths:

- *loopback*: real frames, from an `rtc.AudioSource` through a local track, on all the threads that take part;
- *handed*: the same events of the SDK, put where its native threads put them, from one thread.
"""

import asyncio
import ctypes
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any, Final, cast

import numpy as np
from benchmarks._table import Row, show
from livekit import rtc
from livekit.rtc._ffi_client import FfiClient
from livekit.rtc._proto import ffi_pb2

from greenroom.actors import Placement, ProcessorSpec, Session
from greenroom.adapters.livekit import AudioStream

RATE_HZ: Final = 48_000
BLOCK: Final = RATE_HZ // 100
STREAMS: Final = 40
TRACKS: Final = 4
TURNS: Final = 15
MEASURED_S: Final = 1.0
SETTLED_S: Final = 0.3
HANDED_FRAMES: Final = 50
GOALS: Final = {"process": 1.15, "loop": 1.10}
SIDES: Final = {"inline": "inline, as upstream", "thread": "on a thread of its own"}
READY: Final = "ready"

Figures = dict[str, float]


class Noop(rtc.FrameProcessor[rtc.AudioFrame]):
    """Returns what it is given."""

    @property
    def enabled(self) -> bool:
        return True

    @enabled.setter
    def enabled(self, value: bool) -> None: ...

    def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        return frame

    def _close(self) -> None: ...


def opened(side: str, track: rtc.Track, session: Session) -> Any:
    """Open a stream of one side."""
    if side == "upstream":
        return rtc.AudioStream(track, noise_cancellation=Noop(), auto_close_noise_cancellation=True)
    spec = ProcessorSpec(name="noop", factory=cast("Any", Noop), placement=Placement(side))
    return AudioStream(track, processors=spec, session=session)


class Reading:
    """Reads a stream, and counts."""

    def __init__(self, stream: Any) -> None:
        self.frames = 0
        self._task = asyncio.create_task(self._read(stream))

    async def _read(self, stream: Any) -> None:
        async for _ in stream:
            self.frames += 1


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
                await asyncio.sleep(0)  # until all have been woken
        return used.per(HANDED_FRAMES * STREAMS)


async def serve(path: str, side: str) -> None:
    """Hold forty streams open, and measure whenever told to, until the input ends."""
    handing = Handing()
    measure: Callable[[list[Reading], Speaking], Awaitable[Figures]] = (
        handing if path == "handed" else loopback
    )
    async with Session() as session:
        speaking = Speaking()
        with handing.watching():
            streams = [opened(side, speaking.tracks[n % TRACKS], session) for n in range(STREAMS)]
        readings = [Reading(stream) for stream in streams]
        while heard(readings) < STREAMS * 10:
            await speaking.speak(0.1)
        await asyncio.sleep(SETTLED_S)
        print(READY, flush=True)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps(await measure(readings, speaking)), flush=True)
    os._exit(0)


class Side:
    """One side's process."""

    def __init__(self, path: str, side: str) -> None:
        self.figures: list[Figures] = []
        self._process = subprocess.Popen(  # noqa: S603 - this very module
            [sys.executable, "-m", "benchmarks.bench_livekit_frames", path, side],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == READY

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def turn(self) -> None:
        """Let it be measured once."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.figures.append(json.loads(self._answer()))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def by_turns(path: str, turns: int = TURNS) -> dict[str, list[Figures]]:
    """Measure all sides by turns."""
    with ExitStack() as stack:
        sides = {name: Side(path, name) for name in ("upstream", *SIDES)}
        for side in sides.values():
            stack.callback(side.close)
        for _ in range(turns):
            for side in sides.values():
                side.turn()
    return {name: side.figures for name, side in sides.items()}


def _row(path: str, side: str, key: str, found: dict[str, list[Figures]]) -> Row:
    here, beside = (median(each[key] for each in found[name]) for name in (side, "upstream"))
    ratio = median(
        ours[key] / theirs[key] for ours, theirs in zip(found[side], found["upstream"], strict=True)
    )
    return Row(
        what=f"livekit: CPU per frame of {STREAMS} streams, {path}, no-op {SIDES[side]}: {key}",
        here=f"{here:.1f} us",
        beside=f"{beside:.1f} us upstream",
        ratio=f"{ratio:.2f}",
        goal=f"<= {GOALS[key]:.2f}",
        met=ratio <= GOALS[key],
    )


def rows() -> list[Row]:
    """Measure all."""
    found = {path: by_turns(path) for path in ("loopback", "handed")}
    return [_row(path, side, key, found[path]) for path in found for side in SIDES for key in GOALS]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(serve(sys.argv[1], sys.argv[2]))
    else:
        show(rows())
