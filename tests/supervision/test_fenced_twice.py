"""An incarnation that is given up again while it is being given up: by two that close, by a budget and a watch."""

from typing import Any

import pytest

from greenroom.supervision import Actor, ActorSystem, Dispatcher, Liveness, LivenessAction
from greenroom.supervision.simulated import SimulatedRuntime


class Holder(Actor):
    """Holds something."""

    def __init__(self, held: list[str], how: str) -> None:
        self.held = held
        self.how = how
        held.append(self.path)

    def on_receive(self, message: Any) -> Any:
        """Hang for ever, or until it is let go."""
        message(self)

    def on_given_up(self) -> None:
        """Let go of it; and be given up meanwhile, if it is so."""
        self.held.remove(self.path)
        if self.how == "meanwhile":
            self._cell.fence("once more")


def test_who_is_fenced_twice_releases_once(system: ActorSystem) -> None:
    """At rest: neither never, because the second took the first's place, nor twice."""
    held: list[str] = []
    refs = [system.start(Holder, held, how) for how in ("before", "meanwhile") for _ in range(8)]
    for ref in refs:
        for why in ("first", "second", "third"):
            ref._cell.fence(why)
    assert all(ref.stop() in (True, False) for ref in refs)
    assert held == []


def test_who_is_fenced_again_while_it_releases_does_so_once(system: ActorSystem) -> None:
    """The thread that runs ``on_given_up`` is given up itself."""
    held: list[str] = []
    ref = system.start(Holder, held, "meanwhile")
    ref._cell.fence("first")
    ref.stop()
    assert held == []
    assert system._crashes.left() == {}


def test_who_is_fenced_twice_in_a_handler_releases_once(system: ActorSystem) -> None:
    """When its thread comes back."""
    held: list[str] = []
    ref = system.launch(Holder, (held, "before"), name="x", dispatcher=Dispatcher.PINNED)[0]

    def twice(actor: Actor) -> None:
        for why in ("first", "second"):
            actor._cell.fence(why)

    ref.tell(twice)
    ref.stop()
    assert held == []


class Stubborn(Actor):
    """Hangs when it is told to, or when it stops; has children whose ends nobody gives a time."""

    def __init__(self, runtime: SimulatedRuntime, below: int, *, hangs: bool) -> None:
        self.simulation = runtime
        self.hangs = hangs
        if below:
            for name in ("first", "last"):
                args = (runtime, below - 1)
                self.spawn(Stubborn, *args, name=name, hangs=below == 1 or name == "last", shutdown_ns=None)

    def on_receive(self, message: Any) -> Any:
        """Hang."""
        self.simulation.hang()

    def on_stop(self) -> None:
        """Hang, if it is one of those."""
        if self.hangs:
            self.simulation.hang()


@pytest.mark.parametrize("busy", [False, True], ids=["at rest", "hangs in a handler"])
def test_whose_budget_is_over_is_given_up_with_all_below_it(busy: bool) -> None:
    """Also those that had not been asked to stop yet, and however long each of them may take by itself."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        top, _ = system.launch(Stubborn, (runtime, 2), {"hangs": False}, name="top", shutdown_ns=6_000_000)
        runtime.run_until_idle()
        if busy:
            top.tell("hang")
            runtime.run_until_idle()
        system.close()
        assert not top.is_alive()


def test_whose_inbox_is_too_old_is_given_up_with_all_below_it() -> None:
    """The watch over its liveness gives its end the same budget, and what is below has no more than that."""
    runtime = SimulatedRuntime()
    watch = Liveness(inbox_age_ns=1_000_000, action=LivenessAction.RESTART)
    with ActorSystem(runtime) as system:
        top, _ = system.launch(
            Stubborn, (runtime, 2), {"hangs": False}, name="top", shutdown_ns=6_000_000, liveness=watch
        )
        runtime.run_until_idle()
        for _ in range(2):
            top.tell("hang")
        runtime.advance(50_000_000)
        assert not top.is_alive()
