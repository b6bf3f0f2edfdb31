"""What a whole session costs: a slow neighbour's effect on other streams, and a thousand rooms up and down."""

import asyncio
import time
from collections.abc import Sequence
from statistics import median

import numpy as np
from benchmarks._table import Row, show

from greenroom.actors import (
    AudioProcessor,
    EventKind,
    Frame,
    Pace,
    Placement,
    ProcessorSpec,
    Session,
    Stream,
)
from greenroom.actors.frames import read_only

NEIGHBOURS = 20
LISTEN_S = 3.0
ROUNDS = 3
ROOMS = 1_000
RATE_HZ = 16_000
BLOCK = RATE_HZ // 100


class Noise:
    """A source that gives 10 ms of noise for ever."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self._samples = read_only(rng.integers(-8_000, 8_000, (BLOCK, 1), np.int16))
        self._read = 0

    rate_hz = RATE_HZ
    channels = 1

    def open(self) -> "Noise":
        return self

    def read(self) -> Frame:
        self._read += 1
        return Frame(self._samples, RATE_HZ, (self._read - 1) * 10_000_000)

    def close(self) -> None:
        pass


class Gain(AudioProcessor):
    """A numpy processor of a few microseconds."""

    def _process(self, frame: Frame) -> Frame:
        return frame.with_samples(frame.samples >> 1)


class Sleeper(AudioProcessor):
    """A processor that takes 200 ms for 10 ms of audio."""

    def _process(self, frame: Frame) -> Frame:
        time.sleep(0.2)
        return frame


async def _consume(stream: Stream) -> None:
    async for _ in stream:
        pass


async def _p99_ns(*, slow: bool) -> float:
    """Return the median over 20 streams of their p99 frame latency, with or without a slow neighbour."""
    async with Session() as session:
        room = await session.open_room("bench")
        streams: list[Stream] = []
        for number in range(NEIGHBOURS):
            track = await room.add_track(f"TR_{number}", participant=f"p{number}", source=Noise())
            streams.append(await track.open_stream([Gain]))
        if slow:
            track = await room.add_track("TR_slow", participant="slow", source=Noise())
            streams.append(await track.open_stream([Sleeper]))
        readers = [asyncio.create_task(_consume(stream)) for stream in streams]
        await asyncio.sleep(LISTEN_S)
        found = median(stream.snapshot().latency.p99_ns for stream in streams[:NEIGHBOURS])
        for reader in readers:
            reader.cancel()
    return found


def slow_neighbour() -> Row:
    """Measure how much later frames are where a neighbour's processor sleeps."""
    without: list[float] = []
    beside: list[float] = []
    for _ in range(ROUNDS):
        without.append(asyncio.run(_p99_ns(slow=False)))
        beside.append(asyncio.run(_p99_ns(slow=True)))
    ratio = median(beside) / median(without)
    return Row(
        what=f"p99 frame latency of {NEIGHBOURS} streams beside one that sleeps 200 ms per frame",
        here=f"{median(beside) / 1e6:.2f} ms",
        beside=f"without it {median(without) / 1e6:.2f} ms",
        ratio=f"{ratio:.2f}",
        goal="at most 1.5",
        met=ratio <= 1.5,
    )


async def _thousand(placement: Placement) -> tuple[float, float, int]:
    """Return seconds until all rooms are up, seconds until all are closed, and processors closed other than once."""
    closed: dict[str, int] = {}
    session = Session(pace=Pace.REALTIME, shutdown_ns=60_000_000_000)
    session.observe(
        lambda e: (
            closed.update({e.subject: closed.get(e.subject, 0) + 1})
            if e.kind is EventKind.PROCESSOR_CLOSED
            else None
        )
    )
    spec = ProcessorSpec(name="gain", factory=Gain, placement=placement)
    async with session:
        began = time.perf_counter()

        async def open_one(number: int) -> Stream:
            room = await session.open_room(f"room-{number}")
            track = await room.add_track(f"TR_{number}", participant="p", source=Noise())
            return await track.open_stream([spec])

        streams = await asyncio.gather(*(open_one(number) for number in range(ROOMS)))
        up = time.perf_counter() - began
        await asyncio.sleep(1)
        assert all(stream.snapshot().frames_in for stream in streams)
        began = time.perf_counter()
        report = await session.close()
        down = time.perf_counter() - began
    broken = [verdict for verdict in report.verdicts if not verdict.held]
    assert not broken, broken
    return up, down, ROOMS - sum(count == 1 for count in closed.values())


def thousand_rooms() -> list[Row]:
    """Measure 1,000 rooms with one track, one stream and one numpy processor each.

    The goal is for the placement that numpy is for. With a thread for each, 1,000 live streams are 100,000 hand-offs
    between threads a second, more than one interpreter can do, so there the row only says what happens then.
    """
    rows: list[Row] = []
    for placement in Placement:
        up, down, wrong = asyncio.run(_thousand(placement))
        for what, seconds in (("up", up), ("closed", down)):
            rows.append(
                Row(
                    what=f"{ROOMS} rooms, {placement} placement: all {what}, {wrong} not closed once",
                    here=f"{seconds:.2f} s",
                    beside="5 s",
                    ratio=f"{seconds / 5:.2f}",
                    goal="at most 1" if placement is Placement.INLINE else "none: past what threads can do",
                    met=not wrong and (seconds <= 5 or placement is Placement.THREAD),
                )
            )
    return rows


def rows() -> Sequence[Row]:
    """Run all of this file's measurements."""
    return [slow_neighbour(), *thousand_rooms()]


if __name__ == "__main__":
    show(rows())
