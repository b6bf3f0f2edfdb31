"""Counts of one stream's frames and how long they took."""

from collections.abc import Callable, Mapping, Sequence

from greenroom.actors.frames import Frame
from greenroom.actors.processors import Reason
from greenroom.actors.snapshots import Latency


class Histogram:
    """Durations in logarithmic buckets: quantiles within 5 %, memory that does not grow with the count."""

    def add(self, value_ns: int) -> None: ...

    def latency(self) -> Latency:
        """Return count, p50, p99 and the exact maximum (all 0 when empty)."""
        raise NotImplementedError


class StreamMeter:
    """What became of a stream's frames: at rest ``frames_in == frames_out + sum(dropped) + in_flight``.

    A `Tally`. Arrivals are counted by one thread at a time, and so are departures; the rest by any.
    """

    def __init__(self, now_ns: Callable[[], int], lock: object) -> None: ...

    def entered(self, frame: Frame) -> None:
        """Count a frame that comes from the source (`StreamHead` calls it)."""

    def finished(self, frames: Sequence[Frame]) -> None:
        """Note how long frames took that came through the pipeline (`Output` calls it)."""

    def left(self, count: int) -> None:
        """Count frames that the consumer took (`Output` calls it)."""

    def bypassed(self, reason: Reason, count: int) -> None: ...

    def dropped(self, frame: Frame, reason: Reason) -> None: ...

    @property
    def frames_in(self) -> int: ...
    @property
    def frames_out(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    def bypassed_by_reason(self) -> Mapping[Reason, int]: ...
    def dropped_by_reason(self) -> Mapping[Reason, int]: ...
    def latency(self) -> Latency: ...
