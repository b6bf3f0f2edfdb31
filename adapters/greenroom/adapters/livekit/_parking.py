"""What is kept for tracks that may come back: the leases of their processors, each for a while.

In a full reconnect every track is first reported gone, and the room as reconnecting only then. So whatever goes is kept
for `LINGER_S`; once the room says that it is reconnecting, for `GRACE_S`.

Law: as long as anything is kept, the loop looks when the first of it is over; one timer, however much that is.
"""

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from greenroom.actors import Lease, ProcessorSpec
from greenroom.adapters.livekit._seats import new_lock

LINGER_S: Final = 0.5
GRACE_S: Final = 15.0


@dataclass(slots=True, eq=False)
class Parked:
    """One lease that is kept.

    Attributes:
        subject: whose.
        until_s: until then, on the loop's clock.
    """

    subject: Hashable
    lease: Lease
    until_s: float


class Parking:
    """The leases that one room keeps. Any thread, but what the loop calls.

    Attributes:
        for_s: how long at present.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = new_lock()
        self._parked: list[Parked] = []
        self._planned = False
        self._timer: asyncio.TimerHandle | None = None
        self.for_s = LINGER_S

    def park(self, subject: Hashable, leases: Sequence[Lease]) -> None:
        """Keep these for ``subject``."""
        if not leases:
            return
        with self._lock:
            until_s = self._loop.time() + self.for_s
            self._parked += [Parked(subject, lease, until_s) for lease in leases]
            planned, self._planned = self._planned, True
        if not planned or self._loop.is_closed():
            self._plan_soon()

    def take(self, subject: Hashable, specs: Sequence[ProcessorSpec]) -> list[Lease | None]:
        """Hand over what is kept for ``subject``: for each of ``specs`` a lease on its like, or None."""
        found: list[Lease | None] = []
        with self._lock:
            for spec in specs:
                fitting = next(
                    (
                        p
                        for p in self._parked
                        if p.subject == subject and not p.lease.over and p.lease.spec == spec
                    ),
                    None,
                )
                if fitting is not None:
                    self._parked.remove(fitting)
                found.append(None if fitting is None else fitting.lease)
        return found

    def prolong(self) -> None:
        """The room is reconnecting: keep what is here, and what comes, for longer."""
        with self._lock:
            self.for_s = GRACE_S
            until_s = self._loop.time() + GRACE_S
            for parked in self._parked:
                parked.until_s = until_s

    def shorten(self) -> None:
        """The room is back: what goes from now on is kept for the shorter time."""
        self.for_s = LINGER_S

    def _plan_soon(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._plan)
        except RuntimeError:
            self.clear()  # the loop is closed: nothing can come back

    def _plan(self) -> None:
        """Have the loop look when the first of what is here is over: what came in one burst is planned for once."""
        with self._lock:
            self._planned = False
            nearest_s = min((parked.until_s for parked in self._parked), default=None)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if nearest_s is None else self._loop.call_at(nearest_s, self._look)

    def _look(self) -> None:
        """Give back what has been kept for long enough; the rest may have been given more time since this was planned."""
        with self._lock:
            now_s = self._loop.time()
            over = [parked for parked in self._parked if parked.until_s <= now_s]
            self._parked = [parked for parked in self._parked if parked.until_s > now_s]
        for parked in over:
            parked.lease.give_back()
        self._plan()

    def clear(self) -> None:
        """Give everything back: the room is disconnected, and if it is connected anew it begins anew."""
        self.for_s = LINGER_S
        with self._lock:
            parked, self._parked = self._parked, []
        for each in parked:
            each.lease.give_back()


class Niche:
    """The parking of one subject: what a line is given as its keeper."""

    def __init__(self, parking: Parking, subject: Hashable) -> None:
        self._parking = parking
        self._subject = subject

    def take(self, specs: Sequence[ProcessorSpec]) -> Sequence[Lease | None]:
        """Hand over what is kept."""
        return self._parking.take(self._subject, specs)

    def park(self, leases: Sequence[Lease]) -> None:
        """Keep these for a while."""
        self._parking.park(self._subject, leases)
