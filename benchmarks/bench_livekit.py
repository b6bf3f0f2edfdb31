"""Streams of LiveKit's with greenroom, beside upstream's own: one that is slow among others, its close, and the end of a track.

What a frame costs is in `bench_livekit_frames`, a refresh in `bench_livekit_refresh`, what is left in the end in `bench_livekit_cycles`.
"""

import asyncio
import os
import sys
import threading
import time
from statistics import median
from typing import Any, Final, cast

from benchmarks._livekit import (
    Figures,
    Lag,
    Noop,
    Reading,
    Voice,
    by_turns,
    middle,
    opened,
    percentile,
    serve,
    tell,
)
from benchmarks._table import Row, show
from tests.livekit.sdkkit import Sfu

from greenroom.actors import Session
from greenroom.adapters.livekit import attach

STREAMS: Final = 20
SLOW_S: Final = 0.03
FRAMES_A_SECOND: Final = 100
MEASURED_S: Final = 1.5
GIVEN_UP_S: Final = 6.0
TURNS: Final = 3
ENDINGS: Final = 15
NEVER_S: Final = 0.1
LAG_MS: Final = 5.0
CLOSE_MS: Final = 200.0
END_MS: Final = 5.0


class Slow(Noop):
    """Takes its time, as one that waits for a device or a network."""

    def _process(self, frame: Any) -> Any:
        time.sleep(SLOW_S)
        return frame


class Neighbours:
    """Nineteen streams, and one more that is slow or not."""

    def __init__(self, side: str, session: Session) -> None:
        self._side, self._session = side, session
        self._voices = [Voice() for _ in range(STREAMS)]
        self._readings = [
            Reading(opened(side, voice.track, Noop, session)) for voice in self._voices[: STREAMS - 1]
        ]
        self._figures: Figures = {}
        self._lag: Lag | None = None
        self._since: list[int] = []
        self._began = 0.0

    async def _with(self, kind: type[Noop]) -> float:
        """Measure with that one beside; return how long it took to close, in milliseconds."""
        beside = Reading(opened(self._side, self._voices[-1].track, kind, self._session))
        await beside.reach(2)
        self._lag = Lag()
        self._since = [reading.frames for reading in self._readings]
        lost, self._began = self._lost(), time.perf_counter()
        await asyncio.sleep(MEASURED_S)
        self._figures = self._noticed() | {"lost": self._lost() - lost}
        began = time.perf_counter()
        await beside.close()
        return (time.perf_counter() - began) * 1e3

    def _lost(self) -> float:
        """Return how many frames the neighbours have lost, which `Noop` alone serves."""
        tracks = [track for room in self._session.snapshot().rooms for track in room.tracks]
        streams = [stream for track in tracks for stream in track.streams]
        return float(
            sum(
                sum(each.dropped.values())
                for each in streams
                if not any("Slow" in name for name in each.pipeline)
            )
        )

    def _noticed(self) -> Figures:
        counts = [reading.frames - since for reading, since in zip(self._readings, self._since, strict=True)]
        late = [0.0] if self._lag is None else self._lag.stop()
        return {
            "lag_ms": percentile(late, 99),
            "worst_ms": late[-1],
            "fewest": min(counts) / (time.perf_counter() - self._began) / FRAMES_A_SECOND,
        }

    async def measure(self) -> Figures:
        """Measure with none that is slow, then with one; a loop that does not come back is given up, and told of."""
        await self._with(Noop)
        idle = {"idle_ms": self._figures["lag_ms"], "idle_fewest": self._figures["fewest"]}

        def give_up() -> None:
            tell(self._noticed() | idle | {"lost": 0, "close_ms": -1})
            os._exit(0)

        watch = threading.Timer(GIVEN_UP_S, give_up)
        watch.start()
        close_ms = await self._with(Slow)
        watch.cancel()
        return self._figures | idle | {"close_ms": close_ms}


class Endings:
    """A track is unsubscribed while it speaks: when its reader stops, and how many frames it is handed after the event."""

    def __init__(self, side: str, session: Session) -> None:
        self._side, self._session = side, session
        self._sfu = Sfu()
        attach(session, self._sfu.room)
        self._voice = Voice()
        self._number = 0

    async def measure(self) -> Figures:
        """Do it some times."""
        late_ms: list[float] = []
        after = never = 0
        for _ in range(ENDINGS):
            self._number += 1
            sid = f"TR_{self._number}"
            track = self._sfu.enter("anna", sid, cast("Any", self._voice))
            reading = Reading(opened(self._side, track, Noop, self._session))
            await reading.reach(5)
            began, frames = time.perf_counter(), reading.frames
            self._sfu.unsubscribe("anna", sid)
            try:
                await asyncio.wait_for(reading.ended.wait(), NEVER_S)
                late_ms.append((reading.ended_s - began) * 1e3)
            except TimeoutError:
                never += 1
            after += reading.frames - frames
            await reading.close()
            self._sfu.unpublish("anna", sid)
            self._sfu.leave("anna")
        return {
            "median_ms": median(late_ms) if late_ms else -1,
            "worst_ms": max(late_ms, default=-1),
            "never": never,
            "after": after,
        }


async def side_of(what: str, side: str) -> None:
    """Be one side."""
    async with Session() as session:
        measured = Neighbours(side, session) if what == "slow" else Endings(side, session)
        await serve(measured.measure)


def _slow_rows() -> list[Row]:
    found = by_turns("bench_livekit", "slow", ("greenroom",), TURNS)["greenroom"]
    theirs = by_turns("bench_livekit", "slow", ("upstream",), 1)["upstream"][0]
    lag, idle, lost, fewest = (middle(found, key) for key in ("lag_ms", "idle_ms", "lost", "fewest"))
    close, spoken = middle(found, "close_ms"), middle(found, "idle_fewest")
    gone = theirs["close_ms"] < 0
    return [
        Row(
            what=f"livekit: loop lag p99, one slow processor ({SLOW_S * 1e3:.0f} ms a frame) of {STREAMS}",
            here=f"{lag:.1f} ms, {idle:.1f} with none slow",
            beside=f"{theirs['worst_ms'] if gone else theirs['lag_ms']:.0f} ms upstream{', and no end of it' if gone else ''}"
            f", {theirs['idle_ms']:.1f} with none slow",
            ratio="",
            goal=f"< {LAG_MS:g} ms",
            met=lag < LAG_MS,
        ),
        Row(
            what="livekit: frames that its neighbours lose",
            here=f"{lost:.0f}; fewest {100 * fewest:.1f} %, {100 * spoken:.1f} with none slow",
            beside=f"fewest {100 * theirs['fewest']:.1f} % upstream",
            ratio="",
            goal="none",
            met=lost == 0 and fewest > 0.95 * spoken,  # what is on its way when it is counted is not lost
        ),
        Row(
            what="livekit: closing the slow stream",
            here=f"{close:.0f} ms",
            beside="never comes to it, upstream" if gone else f"{theirs['close_ms']:.0f} ms upstream",
            ratio="",
            goal=f"< {CLOSE_MS:g} ms",
            met=close < CLOSE_MS,
        ),
    ]


def _ending_row() -> Row:
    found = by_turns("bench_livekit", "ending", ("upstream", "greenroom"), TURNS)
    here, theirs = found["greenroom"], found["upstream"]
    worst = middle(here, "worst_ms")
    after = sum(each["after"] for each in here)
    never = sum(each["never"] for each in here)
    return Row(
        what=f"livekit: unsubscribed, until its reader stops (worst of {ENDINGS})",
        here=f"{worst:.2f} ms, median {middle(here, 'median_ms'):.2f}; {after:.0f} frames after",
        beside=f"{middle(theirs, 'never'):.0f} of {ENDINGS} never, upstream; {middle(theirs, 'after'):.0f} frames after",
        ratio="",
        goal=f"<= {END_MS:g} ms, 0 frames",
        met=worst <= END_MS and after == never == 0,
    )


def rows() -> list[Row]:
    """Measure all."""
    return [*_slow_rows(), _ending_row()]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(side_of(sys.argv[1], sys.argv[2]))
    else:
        show(rows())
