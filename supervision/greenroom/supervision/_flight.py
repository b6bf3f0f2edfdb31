"""The flight recorder: the last things that happened to each actor, and to those that died last.

Laws:
    - an actor to which nothing happened has no record: that it started is a number in its incarnation, and is
      put into the record that is made once something else happens;
    - a record belongs to the place, so it outlives incarnations; it goes with the place, to the graves;
    - a flood of dead letters and overflows is counted and not listed, so that it hides nothing;
    - no lock is waited for, so that anything may be noted anywhere: by a finalizer too. What that costs: of two
      threads that note something about one actor in the same instant, one may be left out.
"""

from collections import deque
from contextlib import suppress
from typing import Any, Final

from greenroom.supervision.snapshot import FlightEntry, FlightKind, LastFailure

GRAVES: Final = 32
"""So many dead actors that had failed are remembered, and so many that had not."""
DEFAULT_ENTRIES: Final = 16
MOST_ENTRIES: Final = 10_000
FLOODS: Final = (FlightKind.DEAD_LETTER, FlightKind.OVERFLOW)
"""These two come in floods, in turns."""


class Record:
    """What happened to one actor."""

    __slots__ = ("entries", "failure")

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, FlightKind, str, int]] = []
        self.failure: tuple[str, int, int] | None = None

    def taken_out(self, incarnation: int, kind: FlightKind, detail: str) -> int:
        """Take out the entries of the same flood; return what they had counted."""
        count = 0
        for entry in self.entries[-2:]:
            if entry[1:4] == (incarnation, kind, detail):
                count += entry[4]
                with suppress(ValueError):  # another thread may have let go of it in between
                    self.entries.remove(entry)
        return count

    def listed(self) -> tuple[FlightEntry, ...]:
        """Return the entries, oldest first; any thread may ask."""
        return tuple(
            FlightEntry(at_ns=at_ns, incarnation=incarnation, kind=kind, detail=detail, count=count)
            for at_ns, incarnation, kind, detail, count in self.entries.copy()
        )

    def last_failure(self) -> LastFailure | None:
        """Return the last end that nobody wanted."""
        failure = self.failure
        if failure is None:
            return None
        error, incarnation, at_ns = failure
        return LastFailure(error=error, incarnation=incarnation, at_ns=at_ns)


class Graves:
    """The records of those that died last. Those that never failed do not push out those that did."""

    __slots__ = ("_failed", "_others")

    def __init__(self) -> None:
        self._failed: deque[tuple[int, str, Any, int, Record]] = deque(maxlen=GRAVES)
        self._others: deque[tuple[int, str, Any, int, Record]] = deque(maxlen=GRAVES)

    def add(self, at_ns: int, path: str, runs: Any, incarnation: int, record: Record) -> None:
        """Remember one that is gone."""
        graves = self._others if record.failure is None else self._failed
        graves.append((at_ns, path, runs, incarnation, record))

    def listed(self) -> list[tuple[int, str, Any, int, Record]]:
        """Return them, oldest first; any thread may ask."""
        return sorted((*self._failed.copy(), *self._others.copy()), key=lambda grave: grave[0])
