"""Counts of one stream's frames, and how long they took."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Final

import numpy as np

from greenroom.actors.frames import Frame
from greenroom.actors.processors import Reason
from greenroom.actors.snapshots import Latency
from greenroom.supervision.runtime import Runtime

SUB_BITS: Final = 4
"""Each octave is cut in 2**4 buckets of equal width, so the middle of one is at most 1/32 off."""


def bucket_of(value: int) -> int:
    """Return the number of the bucket that ``value`` (>= 0) falls in; numbers grow with values."""
    shift = max(value.bit_length() - SUB_BITS - 1, 0)
    return (shift << SUB_BITS) + (value >> shift)


def middle_of(bucket: int) -> int:
    """Return the value in the middle of ``bucket``."""
    shift = max((bucket >> SUB_BITS) - 1, 0)
    low = (bucket - (shift << SUB_BITS)) << shift
    return low + ((1 << shift) - 1) // 2


FOLDED: Final = 256
"""So many durations are put in their buckets at a time: a tenth of the work of one after the other."""

Held = tuple[dict[int, int], list[int]]
"""How many durations are in which bucket, and those that are in none yet."""


class Histogram:
    """Durations in logarithmic buckets: quantiles within 5 %, memory that does not grow with the count.

    One thread at a time adds; reading meanwhile gives a state of a moment ago.
    """

    __slots__ = ("_held", "_max_ns")

    def __init__(self) -> None:
        self._held: Held = ({}, [])
        self._max_ns = 0

    def add(self, value_ns: int) -> None:
        """Count one duration; a negative one counts as 0."""
        waiting = self._held[1]
        waiting.append(value_ns)
        if len(waiting) >= FOLDED:
            self._max_ns = max(self._max_ns, *waiting)
            # Both at once, and nothing of the old is changed: who reads meanwhile has all of it.
            self._held = (_folded(self._held), [])

    def latency(self) -> Latency:
        """Return count, p50, p99 (nearest rank) and the exact maximum; all 0 when empty."""
        held = self._held
        waiting = held[1].copy()
        longest_ns = max(0, self._max_ns, *waiting)
        buckets = sorted(_folded((held[0], waiting)).items())
        count = sum(number for _, number in buckets)
        return Latency(
            count=count,
            p50_ns=min(_ranked(buckets, ceil(count * 0.50)), longest_ns),
            p99_ns=min(_ranked(buckets, ceil(count * 0.99)), longest_ns),
            max_ns=longest_ns,
        )


def buckets_of(values: Sequence[int]) -> Mapping[int, int]:
    """Return how many of ``values`` fall in which bucket: `bucket_of` for many at a time; negative ones count as 0."""
    given = np.maximum(np.array(values, np.int64), 0)
    lengths = np.frexp(given.astype(np.float64))[1].astype(np.int64)
    shifts = np.maximum(lengths - SUB_BITS - 1, 0)
    numbers, counts = np.unique((shifts << SUB_BITS) + (given >> shifts), return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def _folded(held: Held) -> dict[int, int]:
    """Return all that is held, in buckets."""
    buckets = held[0].copy()
    if held[1]:
        for bucket, number in buckets_of(held[1]).items():
            buckets[bucket] = buckets.get(bucket, 0) + number
    return buckets


def _ranked(buckets: Sequence[tuple[int, int]], rank: int) -> int:
    for bucket, number in buckets:
        rank -= number
        if rank <= 0:
            return middle_of(bucket)
    return 0


class StreamMeter:
    """What became of a stream's frames: at rest ``frames_in == frames_out + sum(dropped) + in_flight``.

    A `Tally`. Arrivals are counted by one thread at a time, and so are those that have come through; the rest by
    any thread. Frames of one stream have different timestamps: that is how arrivals are found again.

    Attributes:
        on_gone: called, outside any lock, whenever frames have left or were dropped: makes room.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._now_ns = runtime.now_ns
        self._lock = runtime.lock()
        self._arrived_ns: dict[int, int] = {}
        self._histogram = Histogram()
        self._in = 0
        self._lost = 0
        self._out = 0
        self._bypassed: dict[Reason, int] = {}
        self._dropped: dict[Reason, int] = {}
        self.on_gone: Callable[[], None] | None = None

    def entered(self, frame: Frame) -> None:
        """Count a frame that comes from the source (`StreamHead` calls it)."""
        self._arrived_ns[frame.timestamp_ns] = self._now_ns()
        self._in += 1

    def finished(self, frames: Sequence[Frame]) -> None:
        """Note how long frames took that came through the pipeline (`Output` calls it)."""
        for frame in frames:
            self.passed(frame)

    def passed(self, frame: Frame) -> None:
        """The same for one frame."""
        arrived_ns = self._arrived_ns.pop(frame.timestamp_ns, None)
        if arrived_ns is not None:
            self._histogram.add(self._now_ns() - arrived_ns)

    def left(self, count: int) -> None:
        """Count frames that the consumer took (`Output` calls it): one thread at a time, so without a lock."""
        self._out += count
        if self.on_gone is not None:
            self.on_gone()

    def bypassed(self, reason: Reason, count: int) -> None:
        """Count frames that come out, but not processed (original or silence)."""
        with self._lock:
            self._bypassed[reason] = self._bypassed.get(reason, 0) + count

    def dropped(self, frame: Frame, reason: Reason) -> None:
        """Count a frame that does not come out."""
        self._arrived_ns.pop(frame.timestamp_ns, None)
        with self._lock:
            self._dropped[reason] = self._dropped.get(reason, 0) + 1
            self._lost += 1
        if self.on_gone is not None:
            self.on_gone()

    def missed(self, count: int, reason: Reason) -> None:
        """Count frames that came in and were dropped before they had an arrival of their own."""
        self._in += count
        with self._lock:
            self._dropped[reason] = self._dropped.get(reason, 0) + count
            self._lost += count

    @property
    def frames_in(self) -> int:
        """Frames that came from the source."""
        return self._in

    @property
    def frames_out(self) -> int:
        """Frames that the consumer took."""
        return self._out

    @property
    def in_flight(self) -> int:
        """Frames that are inside: in lanes, or in the output's buffer."""
        gone = self._out + self._lost
        return max(self._in - gone, 0)

    def bypassed_by_reason(self) -> Mapping[Reason, int]:
        """Return how many came out, but not processed. A frame may be bypassed by several processors."""
        with self._lock:
            return dict(self._bypassed)

    def dropped_by_reason(self) -> Mapping[Reason, int]:
        """Return how many did not come out."""
        with self._lock:
            return dict(self._dropped)

    def latency(self) -> Latency:
        """Return how long frames took from the source to the stream's output."""
        return self._histogram.latency()
