"""Once per kind, with a count: says which of many equal reports are worth a line in the log. Pure, and not locked.

Laws:
    - the first report of a kind is worth a line at once, so one crash is always seen when it happens;
    - those that follow within a pause are counted; the next one after it stands for all of them;
    - `left` gives what was counted and never told: who ends tells it;
    - it remembers a limited number of kinds: a kind that is forgotten is a new one.
"""

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

PAUSE_NS: Final = 1_000_000_000
"""So long nothing more is said of a kind: a crash-loop writes one line a second, however fast it is."""
MOST_KINDS: Final = 1_000


class Repeats(Generic[K]):
    """Counts equal reports.

    >>> repeats = Repeats()
    >>> [repeats.count("a crash", at_ns) for at_ns in (0, 1, 2, PAUSE_NS, PAUSE_NS + 1)]
    [1, 0, 0, 3, 0]
    """

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        self._kinds: dict[K, tuple[int, int]] = {}

    def count(self, kind: K, now_ns: int) -> int:
        """Hear of one more; return for how many a line is due now, 0 for none."""
        said_ns, untold = self._kinds.get(kind, (None, 0))
        untold += 1
        if said_ns is not None and now_ns - said_ns < PAUSE_NS:
            self._kinds[kind] = (said_ns, untold)
            return 0
        if said_ns is None and len(self._kinds) >= MOST_KINDS:
            self._make_room()
        self._kinds[kind] = (now_ns, 0)
        return untold

    def _make_room(self) -> None:
        """Forget the kind of which was spoken first; one of which something is untold only if there is no other."""
        told = (kind for kind, (_, untold) in self._kinds.items() if not untold)
        del self._kinds[next(told, next(iter(self._kinds)))]

    def left(self) -> dict[K, int]:
        """Return how many of each kind were never told, and forget them all."""
        kinds, self._kinds = self._kinds, {}
        return {kind: untold for kind, (_, untold) in kinds.items() if untold}
