"""Python's garbage collector in a process with many actors: a full collection when twice as much is new as was there, not a quarter.

A full collection looks at everything that lives. Python does one, at its usual thresholds, for each quarter by which that grows, so
whoever starts 100,000 actors has the first ones looked at a dozen times, and everybody stands still for it. What is cheap is left as
it is: the young are collected as often as ever, and what is no circle goes at once, as ever.

Laws:
    - while there are runtimes, the third threshold grows with the number of actors, and falls with it, never below what it was;
    - it is looked at behind each full collection: so it takes effect from the next one on;
    - thresholds that somebody else sets meanwhile are his: nothing is changed from then on;
    - the end of the last runtime puts back what was found at the beginning of the first.
"""

import gc
import sys
from typing import Any, Final

OBJECTS: Final = 7
"""So many objects of an actor on the pool are the collector's: its cell and that one's locks, its incarnation, itself, and what a parent keeps."""

GROWTH: Final = 2
"""A full collection comes when so many times what the actors have is new."""
_OLDEST: Final = 2
"""The generation that is collected in full."""


class FullCollections:
    """How often Python collects in full, while there are runtimes."""

    def __init__(self) -> None:
        self._runtimes: dict[int, None] = {}
        self._of_each: type[Any] = object
        """Each instance refers to its class: so there are as many actors, without anybody's counting, as references to this."""
        self._usual = self._ours = gc.get_threshold()

    def begin(self, runtime: object) -> None:
        """Hear that a runtime was made."""
        if not self._runtimes:
            from greenroom.supervision._incarnation import Incarnation  # noqa: PLC0415 - it needs runtimes

            self._of_each = Incarnation
            self._usual = self._ours = gc.get_threshold()
            if self._usual[_OLDEST]:  # else Python has no such threshold, or somebody wants all of them
                gc.callbacks.append(self._collected)
        self._runtimes[id(runtime)] = None

    def end(self, runtime: object) -> None:
        """Hear that one is closed. Idempotent."""
        if self._runtimes.pop(id(runtime), self) is self or self._runtimes:
            return
        while self._collected in gc.callbacks:  # two threads may have made the first runtime at once
            gc.callbacks.remove(self._collected)
        self._set(self._usual)

    def _collected(self, phase: str, info: dict[str, Any]) -> None:
        """Hear of a collection: in the middle of anything, on any thread."""
        if info["generation"] == _OLDEST and phase == "stop":
            young, middle, least = self._usual
            new = sys.getrefcount(self._of_each) * OBJECTS * GROWTH
            self._set((young, middle, max(least, new // max(1, young * middle))))

    def _set(self, thresholds: tuple[int, int, int]) -> None:
        if thresholds != self._ours and gc.get_threshold() == self._ours:
            self._ours = thresholds
            gc.set_threshold(*thresholds)


full_collections: Final = FullCollections()
