"""A stream's books, and its histogram."""

from collections import Counter
from math import ceil
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from tests.actors.lanekit import ManualRuntime, frame

from greenroom.actors._meter import FOLDED, Histogram, StreamMeter, bucket_of, buckets_of, middle_of
from greenroom.actors.processors import Reason
from greenroom.supervision.runtime import Runtime

DURATIONS = st.integers(0, 10**12)


@given(DURATIONS)
def test_the_middle_of_a_bucket_is_within_five_percent(value: int) -> None:
    """Of every value that falls in it."""
    assert abs(middle_of(bucket_of(value)) - value) <= value * 0.05


@given(DURATIONS, DURATIONS)
def test_buckets_grow_with_values(one: int, other: int) -> None:
    """So that a rank among buckets is a rank among values."""
    low, high = sorted((one, other))
    assert bucket_of(low) <= bucket_of(high)


@given(st.lists(DURATIONS, min_size=1, max_size=300))
def test_quantiles_are_within_five_percent(values: list[int]) -> None:
    """Of the value of nearest rank; count and maximum are exact."""
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    ranked = sorted(values)
    latency = histogram.latency()
    for found, share in ((latency.p50_ns, 0.50), (latency.p99_ns, 0.99)):
        exact = ranked[ceil(len(values) * share) - 1]
        assert abs(found - exact) <= exact * 0.05
    assert (latency.count, latency.max_ns) == (len(values), ranked[-1])


def test_an_empty_histogram_says_zero() -> None:
    """Nobody divides by the count."""
    latency = Histogram().latency()
    assert (latency.count, latency.p50_ns, latency.p99_ns, latency.max_ns) == (0, 0, 0, 0)


def test_a_histogram_does_not_grow_with_the_count() -> None:
    """A day of frames takes no more room than the width of their durations."""
    histogram = Histogram()
    for value in range(1_000_000, 1_100_000, 7):
        histogram.add(value)
    buckets, waiting = histogram._held  # pyright: ignore[reportPrivateUsage]
    assert len(buckets) <= 5
    assert len(waiting) < FOLDED


@given(st.lists(DURATIONS, max_size=50))
def test_many_values_fall_where_each_of_them_does(values: list[int]) -> None:
    """And one below nothing counts as nothing."""
    assert buckets_of([*values, -5]) == Counter(map(bucket_of, [*values, 0]))


def test_a_full_hand_of_durations_is_counted_once() -> None:
    """Whether they have been put in their buckets or not."""
    histogram = Histogram()
    for number in range(2 * FOLDED + 1):
        histogram.add(number)
        latency = histogram.latency()
        assert (latency.count, latency.max_ns) == (number + 1, number)


def test_latency_is_from_the_source_to_the_output() -> None:
    """Found again by timestamp, whatever happened in between; a dropped frame leaves nothing behind."""
    runtime = ManualRuntime()
    meter = StreamMeter(cast("Runtime", runtime))
    for number in range(3):
        meter.entered(frame(number))
        runtime.clock_ns += 1_000
    meter.dropped(frame(1), Reason.LATE)
    meter.finished([frame(0)])
    runtime.clock_ns += 1_000
    meter.finished([frame(2), frame(2)])
    latency = meter.latency()
    assert (latency.count, latency.max_ns) == (2, 3_000)
    assert meter._arrived_ns == {}  # pyright: ignore[reportPrivateUsage]


def test_the_books_are_balanced() -> None:
    """In == out + dropped + in flight; bypassed frames are not gone."""
    meter = StreamMeter(cast("Runtime", ManualRuntime()))
    rooms: list[int] = []
    meter.on_gone = lambda: rooms.append(meter.in_flight)
    for number in range(5):
        meter.entered(frame(number))
    meter.bypassed(Reason.FAULT, 2)
    assert meter.in_flight == 5
    meter.dropped(frame(0), Reason.OVERFLOW)
    meter.left(3)
    assert (meter.frames_in, meter.frames_out, meter.in_flight) == (5, 3, 1)
    assert meter.bypassed_by_reason() == {Reason.FAULT: 2}
    assert meter.dropped_by_reason() == {Reason.OVERFLOW: 1}
    assert rooms == [4, 1]
