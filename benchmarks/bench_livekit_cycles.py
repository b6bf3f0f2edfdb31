"""Streams of LiveKit's that are opened, read and closed five hundred times: what is left of them in the process."""

import asyncio
import gc
import os
import sys
import threading
from pathlib import Path
from typing import Final

from benchmarks._livekit import Figures, Noop, Reading, Voice, by_turns, opened, serve
from benchmarks._table import Row, show

from greenroom.actors import Session

CYCLES: Final = 500
FIRST: Final = 200
"""From here on nothing may grow: pools, caches and the allocator have what they need."""
AT_ONCE: Final = 5
SETTLED_S: Final = 0.5
GROWN_MB: Final = 2.0


class Cycles:
    """Opens, reads and closes, some at a time."""

    def __init__(self, side: str, session: Session) -> None:
        self._side, self._session = side, session

    async def measure(self) -> Figures:
        """Return what is there after the last, less what was there after the first ones; of processors, what is there."""
        voice = Voice()
        before = await self._held(voice, FIRST)
        now = await self._held(voice, CYCLES - FIRST)
        await voice.hush()
        return {key: now[key] - before[key] for key in ("threads", "files", "rss_mb")} | {
            "processors": now["processors"]
        }

    async def _held(self, voice: Voice, cycles: int) -> Figures:
        for _ in range(cycles // AT_ONCE):
            readings = [Reading(opened(self._side, voice.track, Noop, self._session)) for _ in range(AT_ONCE)]
            await asyncio.gather(*(reading.reach(2) for reading in readings))
            await asyncio.gather(*(reading.close() for reading in readings))
        await asyncio.sleep(SETTLED_S)
        gc.collect()
        return {
            "threads": threading.active_count(),
            "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names alone
            "processors": len(self._session.snapshot().processors),
            "rss_mb": _rss_mb(),
        }


def _rss_mb() -> float:
    status = Path("/proc/self/status").read_text("utf8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


async def side_of(side: str) -> None:
    """Be one side."""
    async with Session() as session:
        await serve(Cycles(side, session).measure)


def rows() -> list[Row]:
    """Measure it."""
    found = by_turns("bench_livekit_cycles", "cycles", ("upstream", "greenroom"), 1)
    here, theirs = found["greenroom"][0], found["upstream"][0]
    return [
        Row(
            what=f"livekit: left after {CYCLES} times open, read, close (from the {FIRST}th on)",
            here=f"{here['threads']:.0f} threads, {here['files']:.0f} files, {here['processors']:.0f} processors, {here['rss_mb']:+.1f} MB",
            beside=f"{theirs['threads']:.0f} threads, {theirs['files']:.0f} files, {theirs['rss_mb']:+.1f} MB upstream",
            ratio="",
            goal=f"0, 0, 0, {GROWN_MB:g} MB",
            met=here["threads"] <= 0
            and here["files"] <= 0
            and not here["processors"]
            and here["rss_mb"] <= GROWN_MB,
        )
    ]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(side_of(sys.argv[2]))
    else:
        show(rows())
