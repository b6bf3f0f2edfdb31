"""Trees as deep as they like: nothing in the machine calls itself once for each level."""

from typing import Any

from tests.supervision.supkit import PATIENCE_S, wait_until

from greenroom.supervision import START_LATER, Actor, ActorSystem, ChildSignal, ChildStarted

LEVELS = 1_500


class Level(Actor):
    """Has one child, which has one child, and so on; it has started when that has."""

    def __init__(self, left: int) -> None:
        self.left = left

    def on_start(self) -> Any:
        """Start the next level."""
        if not self.left:
            return None
        self.spawn(Level, self.left - 1, name="d", shutdown_ns=None, start_ns=None)
        return START_LATER

    def on_child(self, signal: ChildSignal) -> None:
        """Start when the child has; crash when it has."""
        if isinstance(signal, ChildStarted):
            self.acknowledge()
            return
        self.forget(signal.child)
        raise RuntimeError("on purpose")

    def on_receive(self, message: Any) -> Any:
        """Crash."""
        raise RuntimeError(message)


def test_a_tree_of_many_levels_starts_is_looked_at_and_stops(either: ActorSystem) -> None:
    """Deeper than Python's own limit of calls."""
    ref, started = either.launch(Level, (LEVELS,), name="d", shutdown_ns=None, start_ns=None)
    started.get(timeout=PATIENCE_S)
    nodes = either.snapshot().describe().splitlines()
    assert len(nodes) >= LEVELS
    assert ref.stop(timeout=PATIENCE_S)


def test_a_crash_goes_up_through_many_levels(either: ActorSystem) -> None:
    """From the deepest to the root, one after the other."""
    ref, started = either.launch(Level, (LEVELS,), name="d", shutdown_ns=None, start_ns=None)
    started.get(timeout=PATIENCE_S)
    deepest: Any = ref._cell
    while deepest.children:
        deepest = next(iter(deepest.children))
    deepest.ref.tell("crash")
    wait_until(either, lambda: not ref.is_alive())
