"""How many restarts are too many: a sliding list of restart times on a monotonic integer clock.

OTP's rule (``supervisor:add_restart/1``), exactly: a restart at ``now`` is added to the list, those older than
``now - period`` are forgotten, and it is allowed if at most ``limit`` are left. One that is exactly a period old
still counts. A refused restart counts too.
"""

from collections import deque

from greenroom.supervision import _checks
from greenroom.supervision._given import LONGEST_NS
from greenroom.supervision.spec import MOST_RESTARTS


class Intensity:
    """Admits at most ``limit`` restarts within any period.

    Owned by one supervisor, or by a subtree that shares its budget; not locked.

    Args:
        limit: restarts allowed within a period, up to `spec.MOST_RESTARTS`; 0 admits none.
        period_ns: length of the window, 1 to `LONGEST_NS`: thirty years.

    Raises:
        BadSpec: one of these is wrong.
    """

    __slots__ = ("_limit", "_period_ns", "_times_ns")

    def __init__(self, limit: int, period_ns: int) -> None:
        _check(limit, period_ns)
        self._limit = limit
        self._period_ns = period_ns
        # One more than the limit is enough to know that it was passed; older ones can never matter again.
        self._times_ns: deque[int] = deque(maxlen=limit + 1)

    def admit(self, now_ns: int) -> bool:
        """Count a restart at ``now_ns`` and say whether it is allowed. Amortised O(1)."""
        times = self._times_ns
        assert not times or times[-1] <= now_ns, "monotonic time went backwards"
        oldest_ns = now_ns - self._period_ns
        while times and times[0] < oldest_ns:
            times.popleft()
        times.append(now_ns)
        return len(times) <= self._limit

    def change(self, limit: int, period_ns: int) -> None:
        """Go on with another limit and period; what was counted so far still counts.

        Raises:
            BadSpec: one of these is wrong; nothing has changed.
        """
        _check(limit, period_ns)
        self._limit = limit
        self._period_ns = period_ns
        # A limit that is lowered may be raised again: what it would have dropped still counts then.
        self._times_ns = deque(self._times_ns, maxlen=max(limit + 1, self._times_ns.maxlen or 0))

    def in_window(self, now_ns: int) -> int:
        """Count the restarts within the last period; saturates at one more than the highest limit so far. Changes nothing."""
        assert not self._times_ns or self._times_ns[-1] <= now_ns, "monotonic time went backwards"
        oldest_ns = now_ns - self._period_ns
        return sum(1 for at_ns in self._times_ns if at_ns >= oldest_ns)

    def view(self, now_ns: int) -> tuple[int, int, int]:
        """Return (restarts in the window, limit, period); any thread may ask, while another one counts."""
        period_ns = self._period_ns
        return (
            sum(1 for at_ns in self._times_ns.copy() if at_ns >= now_ns - period_ns),
            self._limit,
            period_ns,
        )

    def left(self, now_ns: int) -> int:
        """Return how many restarts would be admitted at ``now_ns``."""
        return max(0, self._limit - self.in_window(now_ns))


def _check(limit: object, period_ns: object) -> None:
    _checks.integer("Intensity.limit", limit, least=0, most=MOST_RESTARTS)
    _checks.integer("Intensity.period_ns", period_ns, least=1, most=LONGEST_NS)
