"""Python's garbage collector in a process with many actors."""

import gc
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from tests.supervision.supkit import PATIENCE_S

from greenroom.supervision import (
    Actor,
    ActorRef,
    ActorSystem,
    ChildStarted,
    ThreadRuntime,
)
from greenroom.supervision._collecting import EACH, OBJECTS
from greenroom.supervision._incarnation import Incarnation

MANY = 20_000
USUAL = (700, 10, 10)


@pytest.fixture(autouse=True)
def _usual_thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*USUAL)
    yield
    gc.set_threshold(*before)


TOLERATED = range(-3, 4)
"""It is looked at once for so many."""


def usual() -> int:
    """Return what the third threshold is to be: other tests have left incarnations behind, which somebody still holds."""
    return max(USUAL[2], sys.getrefcount(Incarnation) * OBJECTS // (USUAL[0] * USUAL[1]))


class Crowd(Actor):
    """Has many children; answers when all have started, and when all are gone."""

    def on_receive(self, message: int) -> None:
        self._left, self._reply = message, self.defer_reply()
        for number in range(message):
            self.spawn(Actor, name=f"{number}")

    def on_child(self, signal: Any) -> None:
        if isinstance(signal, ChildStarted):
            self._left -= 1
            if not self._left:
                self._reply.set(None)


def crowd(system: ActorSystem) -> ActorRef[Any]:
    """Start many actors."""
    ref = system.start(Crowd)
    ref.ask(MANY, timeout=PATIENCE_S)
    return ref


def test_full_collections_become_rarer_with_the_number_of_actors_and_as_frequent_again(
    real: ActorSystem,
) -> None:
    """As much must be new as all actors have together; the young are collected as ever. It falls as others are started."""
    few = real.start(Crowd)
    few.ask(EACH, timeout=PATIENCE_S)
    before = gc.get_threshold()[2]
    assert before - usual() in TOLERATED
    ref = crowd(real)
    assert gc.get_threshold()[:2] == USUAL[:2]
    raised = gc.get_threshold()[2]
    assert raised - usual() in TOLERATED
    assert raised > before + (MANY - 10_000) * OBJECTS // 7_000 - 4
    ref.stop()
    few.stop()
    real.start(Crowd).ask(EACH, timeout=PATIENCE_S)
    assert gc.get_threshold()[2] - before in TOLERATED


def test_ctrl_c_is_not_lost_in_the_collector(real: ActorSystem) -> None:
    """What a signal's handler raises in a callback of the collector is lost: so nothing of ours is called there."""
    crowd(real)
    assert not [each for each in gc.callbacks if "greenroom" in str(getattr(each, "__module__", ""))]


def test_the_last_runtime_puts_back_what_was_there() -> None:
    """However many there are, and whatever is still alive."""
    with ExitStack() as both:
        first = both.enter_context(closing(ThreadRuntime()))
        with closing(ThreadRuntime()) as second, ActorSystem(second) as system:
            crowd(system)
            raised = gc.get_threshold()
            assert raised != USUAL
        assert gc.get_threshold() == raised
        first.close()
        first.close()
        assert gc.get_threshold() == USUAL


def test_what_somebody_has_set_before_is_the_least() -> None:
    """Nobody who collects less often is made to collect more."""
    gc.set_threshold(5_000, 20, 50)
    with ActorSystem() as system:
        crowd(system)
        gc.collect()
        assert gc.get_threshold() == (5_000, 20, 50)
    assert gc.get_threshold() == (5_000, 20, 50)


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_somebody_sets_meanwhile_is_his(when: str) -> None:
    """It is not changed, by growth, by an end, or by a close."""
    with ActorSystem() as system:
        if when == "before":
            gc.set_threshold(800, 10, 10)
        ref = crowd(system)
        gc.collect()
        gc.set_threshold(800, 10, 10)
        ref.stop()
        gc.collect()
        assert gc.get_threshold() == (800, 10, 10)
    assert gc.get_threshold() == (800, 10, 10)


def test_a_third_threshold_of_zero_is_left_alone() -> None:
    """Either somebody wants every full collection that there can be, or Python has none of this kind."""
    gc.set_threshold(700, 10, 0)
    with ActorSystem() as system:
        crowd(system)
        gc.collect()
        assert gc.get_threshold() == (700, 10, 0)
    assert gc.get_threshold() == (700, 10, 0)
