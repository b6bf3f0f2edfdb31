"""Python's garbage collector in a process with many actors: a full collection when as much is new as they have, not a quarter of it.

A full collection looks at everything that lives. Python does one, at its usual thresholds, for each quarter by which that grows, so
whoever starts 100,000 actors has the first ones looked at a dozen times, and everybody stands still for it. What is cheap is left as
it is: the young are collected as often as ever, and what is no circle goes at once, as ever.

Laws:
    - while there are runtimes, the third threshold grows with the number of actors, and falls with it, never below what it was;
    - it is looked at as actors are made, once for `EACH`: not in `gc.callbacks`, where what a signal's handler raises (Ctrl-C) is lost;
    - thresholds that somebody else sets meanwhile are his: nothing is changed from then on;
    - the end of the last runtime puts back what was found at the beginning of the first.
"""

import gc
import sys
from itertools import count
from typing import Any, Final

OBJECTS: Final = 7
"""So many objects of an actor on the pool are the collector's: its cell and that one's locks, its incarnation, itself, and what a parent keeps."""
EACH: Final = 1_024
"""A power of two."""


class FullCollections:
    """How often Python collects in full, while there are runtimes."""

    def __init__(self) -> None:
        self._runtimes: dict[int, None] = {}
        self._of_each: type[Any] = object
        """Each instance refers to its class: so there are as many actors, without anybody's counting, as references to this."""
        self._usual = self._ours = gc.get_threshold()
        self._made = count(1)

    def begin(self, runtime: object) -> None:
        """Hear that a runtime was made."""
        if not self._runtimes:
            from greenroom.supervision._incarnation import Incarnation  # noqa: PLC0415 - it needs runtimes

            self._of_each = Incarnation
            self._usual = self._ours = gc.get_threshold()
        self._runtimes[id(runtime)] = None

    def end(self, runtime: object) -> None:
        """Hear that one is closed. Idempotent."""
        if self._runtimes.pop(id(runtime), self) is not self and not self._runtimes:
            self._set(self._usual)

    def one_more(self) -> None:
        """Hear that an actor is made."""
        if not next(self._made) & (EACH - 1) and self._runtimes:
            young, middle, least = self._usual
            if young and middle and least:  # else there are none, or somebody wants all that there can be
                objects = sys.getrefcount(self._of_each) * OBJECTS
                self._set((young, middle, max(least, objects // (young * middle))))

    def _set(self, thresholds: tuple[int, int, int]) -> None:
        if thresholds != self._ours and gc.get_threshold() == self._ours:
            self._ours = thresholds
            gc.set_threshold(*thresholds)


full_collections: Final = FullCollections()
