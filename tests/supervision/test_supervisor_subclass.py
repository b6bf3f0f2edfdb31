"""What a subclass of a supervisor may do in its own handlers."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.supervision.supkit import PATIENCE_S, Flaky, Tree, wait_until, worker

from greenroom.supervision import (
    START_LATER,
    ActorStopped,
    ActorSystem,
    AlreadyStarted,
    ChildNotFound,
    ChildSignal,
    ChildStarted,
    Future,
    Normal,
    StartFailed,
    Supervisor,
)
from greenroom.supervision.events import ActorEnded
from greenroom.supervision.probes import Probe


class Mine(Supervisor):
    """A supervisor with messages, children and names of its own."""

    _boot = "a name that the supervisor might have wanted"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.signals: list[ChildSignal] = []

    def on_receive(self, message: Any) -> Any:
        """Run a function on itself."""
        return message(self) if callable(message) else super().on_receive(message)

    def on_child(self, signal: ChildSignal) -> None:
        """Keep the signal."""
        self.signals.append(signal)
        super().on_child(signal)

    def _start(self) -> None:
        raise AssertionError("a private method of a subclass is not called by its supervisor")


def act(tree: Tree, hook: Callable[[Mine], Any]) -> Any:
    """Have the supervisor do something, and return what that gives."""
    return tree.ref.ask(hook, timeout=PATIENCE_S)


def _later(_: Probe) -> Any:
    return START_LATER


def test_children_are_started_and_stopped_by_futures(system: ActorSystem) -> None:
    """Completed when the child has started, failed to, or is over; the ref is known at once."""
    tree = Tree(system, supervisor=Mine)
    started: Future[Any] = act(tree, lambda mine: mine.start_child(worker("a")))
    ref = started.get(timeout=5).ref
    assert act(tree, lambda mine: mine.ref_of("a")) == ref
    assert act(tree, lambda mine: mine.ref_of("b")) is None
    failing: Future[Any] = act(tree, lambda mine: mine.start_child(worker("b", on_start=Flaky(1))))
    with pytest.raises(StartFailed):
        failing.get(timeout=5)
    stopped: Future[Any] = act(tree, lambda mine: mine.stop_child("a"))
    assert stopped.get(timeout=5) is None
    assert not ref.is_running()
    assert act(tree, lambda mine: mine.stop_child("a")).get(timeout=5) is None


def test_what_is_refused_is_raised_in_the_handler(system: ActorSystem) -> None:
    """A subclass may catch it; the supervisor goes on."""

    def provoke(mine: Mine) -> None:
        with pytest.raises(AlreadyStarted):
            mine.start_child(worker("a"))
        with pytest.raises(ChildNotFound):
            mine.stop_child("b")

    tree = Tree(system, children=[worker("a")], supervisor=Mine)
    act(tree, provoke)
    tree.until(a=1)


def test_a_future_that_is_open_when_the_supervisor_ends_is_completed(system: ActorSystem) -> None:
    """Whoever was handed it hears that the supervisor has stopped."""
    tree = Tree(system, supervisor=Mine)
    started: Future[Any] = act(tree, lambda mine: mine.start_child(worker("a", on_start=_later)))
    tree.stop()
    wait_until(system, started.done)
    assert isinstance(started.error(), ActorStopped | StartFailed)


def test_children_that_are_spawned_beside_the_family_are_let_go(system: ActorSystem) -> None:
    """They are neither counted nor restarted, and stopped with the supervisor."""
    tree = Tree(system, children=[worker("a")], supervisor=Mine)
    beside = act(tree, lambda mine: mine.spawn(Probe, name="beside"))
    wait_until(system, beside.is_running)
    assert tree.counts() == (1, 1, 0, 1)
    beside.stop(timeout=5)
    wait_until(system, lambda: not beside.is_alive())
    signals = act(tree, lambda mine: mine.signals)
    assert [type(each).__name__ for each in signals if each.child == beside] == ["ChildStarted", "ChildEnded"]
    assert isinstance(signals[0], ChildStarted)
    assert [event.cause for event in tree.seen.of(ActorEnded)] == [Normal()]
