"""Whether the end of a significant child ends its supervisor. Pure.

Laws:
    - only a significant child that ended by itself and stays down does that: any of them, or the last one that is up;
    - not while the supervisor's own list of children is still being started (OTP: the same). Then who has ended counts
      once all have started, and of several the last; whoever is significant and up by then holds it up, if all must end.
"""

from collections.abc import Iterable

from greenroom.supervision._child import Child
from greenroom.supervision._decisions import RESTARTING, RUNNING, STARTING, Decisions, ShutDown
from greenroom.supervision.spec import AutoShutdown

_UP = (STARTING, RUNNING, RESTARTING)


class Significant:
    """What one supervisor makes of such ends."""

    __slots__ = ("_early", "_waits")

    def __init__(self) -> None:
        self._waits = False
        self._early: Child | None = None

    def boot(self) -> None:
        """Hear that the supervisor starts its own list of children."""
        self._waits = True

    def booted(self, mode: AutoShutdown, children: Iterable[Child]) -> Decisions:
        """Hear that all of that list have started."""
        self._waits = False
        return () if self._early is None else self.ended(self._early, mode, children)

    def ended(self, child: Child, mode: AutoShutdown, children: Iterable[Child]) -> Decisions:
        """Hear that ``child`` ended by itself and stays down; ``children`` are those that are left."""
        if not child.spec.significant or mode is AutoShutdown.NEVER:
            return ()
        if self._waits:
            self._early = child
            return ()
        if mode is AutoShutdown.ALL_SIGNIFICANT and any(
            each.spec.significant and each.status in _UP for each in children
        ):
            return ()
        return (ShutDown(child.id),)
