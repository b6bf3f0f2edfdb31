"""Faults of greenroom's own actors: what the simulated runtime asks before each step and in each handler."""

from collections.abc import Callable
from typing import Final

from greenroom.simulation._faults import ACTOR
from greenroom.simulation._injector import Injector
from greenroom.simulation.steps import ACTORS
from greenroom.supervision.faults import Fault, FaultInjector, FaultKind, Whose

_KINDS: Final = {
    "raise_before": Fault(kind=FaultKind.RAISE_BEFORE),
    "raise_after": Fault(kind=FaultKind.RAISE_AFTER),
    "kill": Fault(kind=FaultKind.KILL_BEFORE),
    "start_raises": Fault(kind=FaultKind.RAISE_BEFORE),
    "start_never_returns": Fault(kind=FaultKind.HANG),
    "stop_raises": Fault(kind=FaultKind.RAISE_BEFORE),
}
_HOOKS: Final = ("on_start", "on_stop", "on_failure", "on_child")
_KNOWN: Final = frozenset(ACTORS)


class ActorFaults(FaultInjector):
    """Has the faults of a plan strike at actors.

    Args:
        injector: decides.

    Attributes:
        state_of: tells the state of an actor by its class and path, where what is met is to be counted.
        visited: how often each (class, state, message) was met, where that is counted.
    """

    def __init__(self, injector: Injector) -> None:
        super().__init__(())
        self._injector = injector
        self.state_of: Callable[[str, str], str] | None = None
        self.visited: dict[tuple[str, str, str], int] = {}

    def concerns(self, path: str) -> bool:  # noqa: ARG002 - which class it is will be told when it comes to it
        """Any actor may be struck."""
        return True

    def draw(
        self,
        owner: str,
        whose: Whose,
        what: str,
        *,
        handler: bool,
        step: int,  # noqa: ARG002 - as the runtime asks
        now_ns: int,  # noqa: ARG002 - as above
    ) -> Fault | None:
        """Say which fault strikes, if any."""
        if handler and self.state_of is not None:
            met = (owner, self.state_of(owner, whose.path), what)
            self.visited[met] = self.visited.get(met, 0) + 1
        if owner not in _KNOWN or not self._injector.active:
            return None
        group = "step" if not handler else what if what in _HOOKS else "message"
        fault = self._injector.visit(ACTOR, owner, what, group)
        return None if fault is None else _KINDS[fault.kind]
