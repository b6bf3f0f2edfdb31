"""What the benchmarks of LiveKit share: streams of both kinds, voices for them, and sides that are measured by turns.

Each side has a process of its own that holds what it measures open all the time; they are measured one after the other, several times. So a
figure is a median of turns, and what the machine does meanwhile weighs on all sides.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from statistics import median
from typing import Any, Final, cast

import numpy as np
from livekit import rtc
from tests.livekit.sdkkit import Voice as SdkVoice

from greenroom.actors import Session
from greenroom.adapters.livekit import AudioStream

RATE_HZ: Final = 48_000
BLOCK: Final = RATE_HZ // 100
BREATH_FRAMES: Final = 50
LAG_EVERY_S: Final = 0.001
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


class Voice:
    """A track that speaks in real time: the loop hands a long breath over now and then, and a native thread cuts it into frames of 10 ms.

    So what a loop does is for those who listen, as where audio comes from a network.
    """

    def __init__(self, queue_ms: int = 1_000) -> None:
        self.source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=queue_ms)
        self.track = rtc.LocalAudioTrack.create_audio_track("voice", self.source)
        breath = np.full(BLOCK * BREATH_FRAMES, 1000, np.int16)
        self._frame = rtc.AudioFrame(breath.tobytes(), RATE_HZ, 1, breath.size)
        self._task = asyncio.create_task(self._speak())

    async def _speak(self) -> None:
        while True:
            await self.source.capture_frame(self._frame)

    async def hush(self) -> None:
        """Be silent."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def remote_handle(self) -> Any:
        """Give away the native handle of one more track, for one that looks remote."""
        self.track = rtc.LocalAudioTrack.create_audio_track("voice", self.source)
        return SdkVoice.remote_handle(cast("Any", self))


class Reading:
    """Reads a stream, and counts."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.frames = 0
        self.ended = asyncio.Event()
        self.ended_s = 0.0
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for _ in self.stream:
            self.frames += 1
        self.ended_s = time.perf_counter()
        self.ended.set()

    async def reach(self, frames: int) -> None:
        """Return when so many have been read."""
        while self.frames < frames:  # noqa: ASYNC110 - a frame is no event here
            await asyncio.sleep(0.002)

    async def close(self) -> None:
        """Stop reading."""
        await self.stream.aclose()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


def opened(side: str, track: rtc.Track, kind: Any, session: Session) -> Any:
    """Open a stream of one side, with a processor of that kind."""
    if side == "upstream":
        return rtc.AudioStream(track, noise_cancellation=kind(), auto_close_noise_cancellation=True)
    return AudioStream(track, processors=kind, session=session)


class Lag:
    """How late the loop is for who wants to run again in a millisecond."""

    def __init__(self) -> None:
        self._late_s: list[float] = []
        self._began = time.perf_counter()
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            self._began = time.perf_counter()
            await asyncio.sleep(LAG_EVERY_S)
            self._late_s.append(time.perf_counter() - self._began - LAG_EVERY_S)

    def stop(self) -> list[float]:
        """Return how late it was each time, in milliseconds, the latest last; by now for a time that is not over."""
        self._task.cancel()
        now_s = max(0.0, time.perf_counter() - self._began - LAG_EVERY_S)
        return sorted(late * 1e3 for late in [*self._late_s, now_s])


def percentile(values: Sequence[float], percent: int) -> float:
    """Return that percentile of sorted values."""
    return values[min(len(values) * percent // 100, len(values) - 1)]


async def serve(measure: Callable[[], Awaitable[Figures]]) -> None:
    """Measure whenever told to, until the input ends; then end the process."""
    print(READY, flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        tell(await measure())
    os._exit(0)  # with streams left open upstream's own way aborts at the end (G26)


def tell(figures: Figures) -> None:
    """Say what was measured. Any thread."""
    print(json.dumps(figures), flush=True)


class Side:
    """One side's process: ``module`` is run with ``words``, and calls `serve`."""

    def __init__(self, module: str, *words: str) -> None:
        self.figures: list[Figures] = []
        self._words = (module, *words)
        self._process = subprocess.Popen(  # noqa: S603 - a module of this package
            [sys.executable, "-m", f"benchmarks.{module}", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def _answer(self) -> str:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline().strip():
            if line == READY or line.startswith("{"):
                return line
        raise RuntimeError(f"{self._words} ended: {self._process.wait()}")

    def ready(self) -> None:
        """Return when it has opened what it measures."""
        assert self._answer() == READY

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


def by_turns(module: str, what: str, sides: Sequence[str], turns: int) -> dict[str, list[Figures]]:
    """Measure all sides by turns."""
    with ExitStack() as stack:
        running = {side: Side(module, what, side) for side in sides}
        for each in running.values():
            stack.callback(each.close)
        for each in running.values():
            each.ready()
        for _ in range(turns):
            for each in running.values():
                each.turn()
    return {side: each.figures for side, each in running.items()}


def middle(figures: Sequence[Figures], key: str) -> float:
    """Return the median of the turns."""
    return median(each[key] for each in figures)
