"""Callbacks, observers, loggers and messages of other people: whatever they raise, it is their affair."""

import logging
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import structlog
from pykka.messages import ProxyCall
from tests.supervision.supkit import PATIENCE_S, Tree, flags, wait_until, worker

from greenroom.supervision import Actor, ActorCrashed, ActorSystem, Dispatcher
from greenroom.supervision.probes import Probe

GUESTS = (RuntimeError, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration)


def raising(error: type[BaseException]) -> Any:
    """Return a callback that raises."""

    def callback(*_: object) -> None:
        raise error

    return callback


@pytest.mark.parametrize("error", GUESTS)
def test_a_watch_that_raises_stops_nobody_from_ending(
    either: ActorSystem, error: type[BaseException]
) -> None:
    """The dead one's end is told on, to the others that watch and to its parent; its thread is given back."""
    tree = Tree(either, flags(), [worker("a", dispatcher=Dispatcher.PINNED)])
    heard: list[int] = []
    child = tree.child("a")

    def hear(which: int, _: Any) -> None:
        heard.append(which)

    watching: list[Any] = [raising(error), hear, raising(error)]
    for callback in watching:
        child.watch(callback)
    tree.stop()
    assert heard == [1]
    child.watch(raising(error))  # it is told at once
    wait_until(either, lambda: either.runtime.live_pinned() == 0)


@pytest.mark.parametrize("error", GUESTS)
def test_an_observer_that_raises_harms_nobody(either: ActorSystem, error: type[BaseException]) -> None:
    """SystemExit and its like included."""
    either.observe(raising(error))
    ref = either.start(Probe)
    assert ref.ask("x", timeout=PATIENCE_S) == "x"
    assert ref.stop(timeout=PATIENCE_S)


@pytest.mark.parametrize("error", GUESTS)
def test_who_waits_for_an_answer_cannot_harm_who_gives_it(
    either: ActorSystem, error: type[BaseException]
) -> None:
    """A callback of the asker's that raises does not end the actor that answers."""
    ref = either.start(Probe)
    heard: list[object] = []
    for callback in (raising(error), heard.append):
        answer = ref.ask("x", block=False)
        answer.add_done_callback(raising(error))
        answer.add_done_callback(callback)
        answer.get(timeout=PATIENCE_S)
    assert ref.ask("x", timeout=PATIENCE_S) == "x"
    assert ref.incarnation == 1
    assert len(heard) == 1


class _Liar:
    """A message that cannot say which errors are answers."""

    errors: ClassVar = ("no class",)


class _Touchy(Actor):
    """An actor with a property that raises, whatever is asked."""

    @property
    def touchy(self) -> Any:
        """Raise."""
        raise LookupError("not now")

    def on_receive(self, message: Any) -> Any:
        """Raise too."""
        raise LookupError(type(message).__name__)


@pytest.mark.parametrize("message", [_Liar(), ProxyCall(attr_path=("touchy", "x"), args=(), kwargs={})])
def test_a_message_that_lies_about_its_errors_declares_none(either: ActorSystem, message: Any) -> None:
    """The asker gets the crash and its cause, as for any error."""
    ref = either.start(_Touchy)
    with pytest.raises(ActorCrashed) as crash:
        ref.ask(message, timeout=PATIENCE_S)
    assert isinstance(crash.value.cause, LookupError)


@pytest.fixture
def failing_log() -> Iterator[None]:
    """A host whose log raises."""

    def fail(*_: object) -> Any:
        raise RuntimeError("the disk is full")

    structlog.configure(processors=[fail])
    try:
        yield
    finally:
        structlog.reset_defaults()
        logging.getLogger("greenroom").setLevel(logging.NOTSET)


@pytest.mark.usefixtures("failing_log")
def test_a_log_that_raises_harms_nobody(either: ActorSystem) -> None:
    """Crashes, a supervisor that gives up, an observer that raises: all go their way."""
    tree = Tree(either, flags(intensity=1), [worker("a")])
    for incarnation in (1, 2):
        tree.until(a=incarnation)
        tree.end("a")
    tree.gone()
    assert tree.cause().detail == "restart intensity exceeded by 'a'"  # type: ignore[union-attr]


def test_no_thread_is_lost_by_any_of_that(real: ActorSystem) -> None:
    """The pool's threads are there after callbacks that raise on them."""
    ref = real.start(Probe)
    before = {thread.name for thread in threading.enumerate()}
    for error in GUESTS:
        answer = ref.ask("x", block=False)
        answer.add_done_callback(raising(error))
        answer.get(timeout=PATIENCE_S)
    ref.stop(timeout=PATIENCE_S)
    assert before <= {thread.name for thread in threading.enumerate()}
