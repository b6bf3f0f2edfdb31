"""A new token for a room of LiveKit's with a thousand streams: how long the loop is busy with it, and what it is too late for.

The SDK calls a handler for each track, and looks at its signature first. So upstream's time is that of the tracks, and not of the streams.
"""

import asyncio
import sys
import time
from typing import Any, Final, cast

from benchmarks._livekit import Figures, Lag, Noop, Voice, by_turns, middle, opened, percentile, serve
from benchmarks._table import Row, show
from tests.livekit.sdkkit import Sfu

from greenroom.actors import Session
from greenroom.adapters.livekit import attach

STREAMS: Final = 1_000
TRACKS: Final = (20, 1_000)
TURNS: Final = 4
LOOP_TURNS: Final = 2
"""After so many turns of the loop nothing is left to be done on it: the processors are told on other threads."""
IDLE_S: Final = 0.5
BEHIND_S: Final = 0.05
"""How long the loop is watched when all have been told."""
SIDES: Final = ("upstream", "greenroom")
BUSY_MS: Final = 2.0
LAG_MS: Final = 5.0


class Told(Noop):
    """Counts the credentials that it was told."""

    count = 0
    goal = 0
    reached = asyncio.Event()
    loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def expect(cls, count: int) -> None:
        """Have ``reached`` set when so many more have been told."""
        cls.loop = asyncio.get_running_loop()
        cls.goal = cls.count + count
        cls.reached.clear()

    def _on_credentials_updated(self, **_: str) -> None:
        Told.count += 1
        if Told.count >= Told.goal and Told.loop is not None:
            Told.loop.call_soon_threadsafe(Told.reached.set)


class Crowd:
    """A room with a thousand streams."""

    def __init__(self, session: Session, tracks: int, side: str) -> None:
        self.streams: list[Any] = []
        self._sfu = Sfu()
        self._number = 0
        if side == "greenroom":
            attach(session, self._sfu.room)
        self._tracks, self._side, self._session = tracks, side, session

    async def open(self) -> None:
        """Open all, and return when all know where they are."""
        voice = Voice(queue_ms=0)  # which has nothing to say, and so no silence either
        await voice.hush()
        Told.expect(STREAMS)
        for number in range(self._tracks):
            track = self._sfu.enter(f"p{number}", f"TR_{number}", cast("Any", voice))
            self.streams += [
                opened(self._side, track, Told, self._session) for _ in range(STREAMS // self._tracks)
            ]
            await asyncio.sleep(0)
        await self._all_told()
        await asyncio.sleep(1)

    async def _all_told(self) -> None:
        await asyncio.wait_for(Told.reached.wait(), 120)

    def _refresh(self) -> None:
        Told.expect(STREAMS)
        self._number += 1
        self._sfu.refresh(f"a.token.{self._number}")

    async def measure(self) -> Figures:
        """Refresh twice: once to see what the loop's thread does for it, once to see what it is late for."""
        used = time.thread_time()
        self._refresh()
        for _ in range(LOOP_TURNS):
            await asyncio.sleep(0)
        busy_s = time.thread_time() - used
        await self._all_told()
        lag = Lag()
        await asyncio.sleep(IDLE_S)
        idle = lag.stop()
        lag, began = Lag(), time.perf_counter()
        await asyncio.sleep(0)
        self._refresh()
        await self._all_told()
        told_s = time.perf_counter() - began
        await asyncio.sleep(BEHIND_S)
        late = lag.stop()
        return {
            "busy_ms": busy_s * 1e3,
            "told_ms": told_s * 1e3,
            "lag_ms": percentile(late, 99),
            "idle_ms": percentile(idle, 99),
            "worst_ms": late[-1],
        }


async def side_of(tracks: int, side: str) -> None:
    """Be one side."""
    async with Session() as session:
        crowd = Crowd(session, tracks, side)
        await crowd.open()
        await serve(crowd.measure)


def _busy_row(tracks: int, found: dict[str, list[Figures]]) -> Row:
    ours, theirs = (middle(found[side], "busy_ms") for side in ("greenroom", "upstream"))
    return Row(
        what=f"livekit: loop busy with a refresh of {STREAMS:,} streams on {tracks:,} tracks, in all",
        here=f"{ours:.2f} ms",
        beside=f"{theirs:.2f} ms upstream",
        ratio=f"{ours / theirs:.2f}",
        goal=f"< {BUSY_MS:g} ms",
        met=ours < BUSY_MS,
    )


def _lag_row(tracks: int, found: dict[str, list[Figures]]) -> Row:
    late, idle, told = (middle(found["greenroom"], key) for key in ("lag_ms", "idle_ms", "told_ms"))
    theirs = middle(found["upstream"], "worst_ms")
    return Row(
        what=f"livekit: loop lag p99 in a refresh of {STREAMS:,} streams on {tracks:,} tracks",
        here=f"{late:.1f} ms, {idle:.1f} without; all told in {told:.0f}",
        beside=f"{theirs:.1f} ms at once upstream",
        ratio="",
        goal=f"< {LAG_MS:g} ms more",
        met=late - idle < LAG_MS,
    )


def rows() -> list[Row]:
    """Measure all."""
    found = {tracks: by_turns("bench_livekit_refresh", str(tracks), SIDES, TURNS) for tracks in TRACKS}
    return [row(tracks, found[tracks]) for tracks in TRACKS for row in (_busy_row, _lag_row)]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(side_of(int(sys.argv[1]), sys.argv[2]))
    else:
        show(rows())
