"""What Pykka's users know: proxies, urns, futures and their map, filter, reduce and join."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportAttributeAccessIssue=false
# A proxy's attributes are futures, which no checker can see.

from pathlib import Path
from typing import Any

import pykka
import pytest

from greenroom.supervision._actor import Actor
from greenroom.supervision._future import Future
from greenroom.supervision._system import ActorSystem
from greenroom.supervision.errors import ActorCrashed, ActorDead
from greenroom.supervision.probes import Probe


class Counter(Actor):
    """An actor in Pykka's own style."""

    def __init__(self, start: int = 0) -> None:
        super().__init__()
        self.count = start

    def add(self, number: int) -> int:
        self.count += number
        return self.count

    def refuse(self) -> None:
        raise LookupError("declared")

    refuse.errors = (LookupError,)  # type: ignore[attr-defined]

    def crash(self) -> None:
        raise LookupError("not declared")


def test_a_proxy_calls_reads_and_writes(real: ActorSystem) -> None:
    """Methods, attributes and assignments go through messages, as with Pykka's own actors."""
    proxy = real.start(Counter, 5).proxy()
    assert proxy.add(2).get(timeout=5) == 7
    assert proxy.count.get(timeout=5) == 7
    proxy.count = 1
    assert proxy.count.get(timeout=5) == 1


def test_a_method_may_declare_its_errors(real: ActorSystem) -> None:
    """A proxied method lists its errors as an attribute; any other error is a crash."""
    ref = real.start(Counter)
    proxy = ref.proxy()
    with pytest.raises(LookupError, match="declared"):
        proxy.refuse().get(timeout=5)
    assert proxy.add(1).get(timeout=5) == 1
    with pytest.raises(ActorCrashed):
        proxy.crash().get(timeout=5)


def test_no_proxy_for_the_dead(real: ActorSystem) -> None:
    """As Pykka's: `ActorDeadError`."""
    ref = real.start(Counter)
    ref.stop(timeout=5)
    with pytest.raises(pykka.ActorDeadError):
        ref.proxy()


def test_actors_start_without_a_system() -> None:
    """`Actor.start` uses a default system, made when first needed."""
    ref = Counter.start(3)
    assert isinstance(ref, pykka.ActorRef)
    assert ref.proxy().count.get(timeout=5) == 3
    assert ref.actor_class is Counter
    assert ref.actor_urn == f"urn:greenroom:{ref.path}"
    assert not ref.actor_stopped.is_set()
    assert ref.stop(timeout=5)
    assert ref.actor_stopped.is_set()


def test_pykkas_errors_catch_ours(real: ActorSystem) -> None:
    """Code that catches Pykka's errors keeps working."""
    ref = real.start(Probe)
    with pytest.raises(pykka.Timeout):
        ref.ask(lambda actor: actor.defer_reply() and None, timeout=0.01)
    ref.stop(timeout=5)
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("late")


def test_futures_combine(real: ActorSystem) -> None:
    """`get_all`, `map`, `filter`, `reduce` and `join` work on answers."""
    ref = real.start(Probe)
    answers = [ref.ask(number, block=False) for number in range(5)]
    assert list(pykka.get_all(answers, timeout=5)) == [0, 1, 2, 3, 4]
    assert answers[2].map(lambda number: number * 10).get(timeout=5) == 20
    joined: pykka.Future[Any] = answers[0].join(*answers[1:])
    assert list(joined.get(timeout=5)) == [0, 1, 2, 3, 4]
    assert list(joined.filter(lambda number: number > 2).get(timeout=5)) == [3, 4]
    assert joined.reduce(lambda a, b: a + b).get(timeout=5) == 10


def test_a_future_is_set_once() -> None:
    """A second answer is refused, whichever way it comes."""
    future: Future[Any] = Future()
    assert not future.done()
    future.set(1)
    with pytest.raises(RuntimeError):
        future.set(2)
    with pytest.raises(RuntimeError):
        future.set_exception((ValueError, ValueError(), None))
    assert not future.try_set(3)
    assert not future.try_fail(ValueError())
    with pytest.raises(RuntimeError):
        future.set_get_hook(lambda _: 4)
    assert future.get() == 1
    assert repr(future) == "<Future done>"


def test_a_future_takes_an_error_as_sys_has_it() -> None:
    """Within ``except`` nothing needs to be handed over."""
    future: Future[Any] = Future()
    assert repr(future) == "<Future pending>"
    try:
        Path("/no such file").read_bytes()
    except OSError:
        future.set_exception()
    assert isinstance(future.error(), OSError)
    assert repr(future) == "<Future failed FileNotFoundError>"
    with pytest.raises(FileNotFoundError):
        future.get()


def test_callbacks_run_once_and_do_not_harm_each_other() -> None:
    """One that raises is logged; the others run; one that was taken back does not."""
    future: Future[Any] = Future()
    heard: list[str] = []

    def fail(_: object) -> None:
        heard.append("fails")
        raise ValueError("on purpose")

    def taken_back(_: object) -> None:
        heard.append("taken back")

    future.add_done_callback(fail)
    future.add_done_callback(taken_back)
    future.add_done_callback(lambda _: heard.append("runs"))
    future.remove_done_callback(taken_back)
    future.remove_done_callback(taken_back)
    future.set(1)
    future.add_done_callback(lambda _: heard.append("at once"))
    assert heard == ["fails", "runs", "at once"]


def test_an_actor_may_stop_itself_by_pykkas_name(real: ActorSystem) -> None:
    """`self.stop()` ends after the messages that are there."""
    ref = real.start(Probe)
    ref.tell(lambda actor: actor.stop())
    answer = ref.ask("maybe", block=False)
    answer.add_done_callback(lambda _: None)
    assert ref.stop(timeout=5) in (True, False)
    with pytest.raises(ActorDead):
        ref.tell("late")
