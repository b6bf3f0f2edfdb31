"""How long to wait before the next restart: truly exponential, with jitter, forgotten after a healthy time.

The n-th wait (n = 0, 1, 2 ...) is ``min(max, min(max, initial * factor**n) * (1 + jitter * r))`` with ``r`` from
[-1, 1). So the cap holds *after* the jitter, and children that have all reached the cap are still spread below it.
"""

from dataclasses import dataclass
from typing import Final

from greenroom.supervision import _checks
from greenroom.supervision.errors import BadSpec

MILLISECOND_NS: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000
LONGEST_NS: Final = 7 * 24 * 3600 * SECOND_NS
"""A week: no wait and no healthy time is longer."""
LARGEST_FACTOR: Final = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How the waits between restarts grow. Checked when made: `BadSpec`.

    Attributes:
        initial_ns: the first wait, 1 to ``max_ns``.
        max_ns: no wait is longer, jitter included.
        factor: each wait is this many times the one before, 1 to 100. An integer is computed exactly.
        jitter: 0 (none) to 1: by what part of itself a wait may differ, up and down.
        healthy_ns: a child that ran at least this long starts from the first wait again.
        immediate_first: whether the first restart after a healthy time comes at once; ``initial_ns`` is then
            the wait before the second one.
    """

    initial_ns: int = 100 * MILLISECOND_NS
    max_ns: int = 10 * SECOND_NS
    factor: float = 2
    jitter: float = 0.2
    healthy_ns: int = 30 * SECOND_NS
    immediate_first: bool = True

    def __post_init__(self) -> None:
        _checks.integer("Backoff.max_ns", self.max_ns, least=1, most=LONGEST_NS)
        _checks.integer(
            "Backoff.initial_ns",
            self.initial_ns,
            least=1,
            most=self.max_ns,
            or_else=" (Backoff.max_ns); for a first restart at once say immediate_first=True",
        )
        _checks.number("Backoff.factor", self.factor, least=1, most=LARGEST_FACTOR)
        _checks.number("Backoff.jitter", self.jitter, least=0, most=1)
        _checks.integer("Backoff.healthy_ns", self.healthy_ns, least=1, most=LONGEST_NS)
        _checks.boolean("Backoff.immediate_first", self.immediate_first)


class BackoffState:
    """One child's place in its back-off. Owned by its supervisor; not locked.

    The supervisor says `started` and `ended` and asks for the `next` wait. A start that fails is no `started`,
    so it never counts as health.

    Raises:
        BadSpec: ``spec`` is no `Backoff`.
    """

    __slots__ = ("_failures", "_spec", "_started_ns")

    def __init__(self, spec: Backoff) -> None:
        self._spec = _checks.instance("spec", spec, Backoff)
        self._failures = 0
        self._started_ns: int | None = None

    @property
    def failures(self) -> int:
        """How many waits were asked for since the last healthy time."""
        return self._failures

    def change(self, spec: Backoff) -> None:
        """Go on with another spec, from the failures that were counted so far.

        Raises:
            BadSpec: it is none; nothing has changed.
        """
        self._spec = _checks.instance("spec", spec, Backoff)

    def started(self, now_ns: int) -> None:
        """Note that the child has acknowledged its start."""
        self._started_ns = now_ns

    def ended(self, now_ns: int) -> None:
        """Note that the child ended, and forget its failures if it ran for the healthy time."""
        if self._started_ns is None:
            return
        assert self._started_ns <= now_ns, "monotonic time went backwards"
        if now_ns - self._started_ns >= self._spec.healthy_ns:
            self._failures = 0
        self._started_ns = None

    def next(self, dice: float) -> int:
        """Return how long to wait before the next attempt, in ns.

        Args:
            dice: from [0, 1), the runtime's.

        Raises:
            BadSpec: ``dice`` is none of these.
        """
        if not isinstance(dice, float | int) or not 0 <= dice < 1:
            raise BadSpec("dice", dice, "a number from 0 to less than 1")
        spec = self._spec
        exponent = self._failures - spec.immediate_first
        self._failures += 1
        if exponent < 0:
            return 0
        wait_ns = _grown_ns(spec, exponent)
        return min(spec.max_ns, round(wait_ns * (1 + spec.jitter * (2 * dice - 1))))


def _grown_ns(spec: Backoff, exponent: int) -> float:
    """Return ``min(max, initial * factor**exponent)`` without ever computing a number much larger than the cap.

    It is exact where the factor is an integer, and else not rounded: that is done once, after the jitter.
    """
    try:
        growth = float(spec.factor) ** exponent
    except OverflowError:
        return spec.max_ns
    if growth > 2 * spec.max_ns / spec.initial_ns:
        return spec.max_ns
    if isinstance(spec.factor, int):
        exact: int = spec.initial_ns * spec.factor**exponent
        return min(spec.max_ns, exact)
    return min(spec.max_ns, spec.initial_ns * growth)
