"""Races on real threads: many rounds of two things at once, and every ask answered at the end."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from threading import Barrier, Event, Thread
from threading import enumerate as enumerate_threads
from typing import Any

import pytest
from tests.supervision.supkit import flags, worker

from greenroom.supervision import Supervisor, WhichChildren
from greenroom.supervision._future import Future
from greenroom.supervision._incarnation import Incarnation
from greenroom.supervision._system import ActorSystem
from greenroom.supervision.errors import ActorCrashed, ActorDead, SupervisionError
from greenroom.supervision.probes import Probe
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.signals import ChildStarted, Exit

ROUNDS = 60


@pytest.fixture(autouse=True)
def _hurried_threads() -> Iterator[None]:
    """Have the interpreter switch threads a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)


DISPATCHERS = pytest.mark.parametrize("dispatcher", list(Dispatcher))


def together(*actions: Any) -> None:
    """Run actions at the same moment, each on a thread."""
    barrier = Barrier(len(actions))
    errors: list[BaseException] = []

    def run(action: Any) -> None:
        barrier.wait(5)
        try:
            action()
        except SupervisionError:
            return
        except BaseException as error:  # noqa: BLE001 - reported below
            errors.append(error)

    threads = [Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert errors == []


class Reviver(Probe):
    """Starts children again for ever."""

    def on_child(self, signal: Any) -> None:
        if not isinstance(signal, ChildStarted):
            self.respawn(signal.child)


def all_answered(answers: list[Future[Any]]) -> None:
    """Wait for each answer, whatever it is."""
    for answer in answers:
        with suppress(ActorDead, ActorCrashed):
            answer.get(timeout=5)


@DISPATCHERS
def test_puts_and_the_end(real: ActorSystem, dispatcher: Dispatcher) -> None:
    """Asks from three threads while the actor stops, crashes or is fenced: all are answered."""
    for number in range(ROUNDS):
        ref, started = real.launch(Probe, name=f"probe-{number}", dispatcher=dispatcher)
        started.get(timeout=5)
        answers: list[Future[Any]] = []

        def flood(ref: Any = ref, answers: Any = answers) -> None:
            for item in range(50):
                answers.append(ref.ask(item, block=False))

        ends = (
            lambda ref=ref: ref.stop(timeout=5),
            lambda ref=ref: ref.tell(lambda _: 1 / 0),
            lambda ref=ref: ref._cell.fence("on purpose"),
        )
        together(flood, flood, flood, ends[number % 3])
        if ref.is_alive():
            ref.stop(timeout=5)
        all_answered(answers)


@DISPATCHERS
def test_fences_and_handlers_that_return(real: ActorSystem, dispatcher: Dispatcher) -> None:
    """An actor that is fenced again and again while it works, and restarted each time, goes on working."""
    parent = real.start(Reviver)
    child = parent.ask(lambda actor: actor.spawn(Probe, name="child", dispatcher=dispatcher), timeout=5)
    for _ in range(ROUNDS):
        answers = [child.ask(number, block=False) for number in range(20)]
        together(
            lambda: child._cell.fence("on purpose"),
            lambda: [child.send(number) for number in range(20)],
            lambda: child._cell.fence("on purpose"),
        )
        all_answered(answers)
    assert child.ask("still there", timeout=5) == "still there"
    assert child.incarnation > 1
    parent.stop(timeout=5)
    assert not child.is_alive()


def test_restarts_and_the_stop_of_their_parent(real: ActorSystem) -> None:
    """A parent that stops while its children crash and are restarted leaves none behind."""
    for number in range(ROUNDS):
        parent, started = real.launch(Reviver, name=f"parent-{number}")
        started.get(timeout=5)
        children = parent.ask(
            lambda actor: [actor.spawn(Probe, name=f"{index}") for index in range(4)], timeout=5
        )
        together(
            lambda children=children: [child.send(lambda _: 1 / 0) for child in children],
            lambda parent=parent: parent.stop(timeout=5),
            lambda children=children: [child._cell.fence("on purpose") for child in children],
        )
        assert not parent.is_alive()
        assert not any(child.is_alive() for child in children)
    assert real.roots() == ()


def test_timers_and_the_end(real: ActorSystem) -> None:
    """Timers that are due while their actor ends neither fire in it nor stay behind."""
    for _ in range(ROUNDS):
        ref = real.start(Probe)
        ref.ask(lambda actor: [actor.after(number * 1000, lambda: None) for number in range(100)], timeout=5)
        together(lambda ref=ref: ref.stop(timeout=5), lambda ref=ref: ref._cell.fence("on purpose"))
        if ref.is_alive():
            ref.stop(timeout=5)
    assert real.runtime.live_timers() == 0


def test_starts_and_the_close_of_their_system() -> None:
    """Actors that are started while the system closes are started and stopped, or refused; none is left."""
    for _ in range(10):
        system = ActorSystem()

        def start(system: ActorSystem = system) -> None:
            for _ in range(20):
                system.start(Probe)

        together(start, start, system.close)
        assert system.roots() == ()


def test_monitors_and_the_end(real: ActorSystem) -> None:
    """A monitor that is set while its target ends is told exactly once."""
    for _ in range(ROUNDS):
        heard: list[Any] = []
        watcher, target = real.start(Probe, heard), real.start(Probe)
        together(
            lambda watcher=watcher, target=target: watcher.ask(
                lambda actor: [actor.monitor(target) for _ in range(20)] and None, timeout=5
            ),
            lambda target=target: target.stop(timeout=5),
        )
        target.stop(timeout=5)
        for _ in range(1000):
            if len(watcher.ask(lambda actor: list(actor.heard), timeout=5)) == 20:
                break
        assert len({down.monitor for down in heard}) == len(heard) == 20
        watcher.stop(timeout=5)


class Trapper(Probe):
    """Is told of the ends of who it is linked with."""

    trap_exits = True


def test_links_and_ends_on_threads(real: ActorSystem) -> None:
    """Links from both sides while one ends, in each way: told once, or both end; neither is left bound."""
    for number in range(ROUNDS):
        heard: list[Any] = []
        one, two = real.start(Trapper, heard), real.start(Probe)
        before: list[int] = []

        def link(actor: Probe, two: Any = two, before: Any = before) -> None:
            before.append(len(actor.heard))
            for _ in range(5):
                actor.link(two)

        ends = (
            lambda two=two: two.stop(timeout=5),
            lambda two=two: two.tell(lambda _: 1 / 0),
            lambda two=two: two._cell.fence("on purpose"),
        )
        together(
            lambda one=one, link=link: one.ask(link, timeout=5),
            lambda one=one, two=two: two.ask(lambda actor: actor.link(one), timeout=5),
            ends[number % 3],
        )
        if two.is_alive():
            two.stop(timeout=5)
        expected = before[0] + 1  # who links again after it was told is told again
        for _ in range(1000):
            if one.ask(lambda actor: len(actor.heard), timeout=5) == expected:
                break
        one.ask(lambda _: None, timeout=5)
        assert [type(each) for each in heard] == [Exit] * expected
        assert not one._cell.life.links
        one.stop(timeout=5)


def note(told: Future[None], *_: object) -> None:
    """Note an end."""
    told.set(None)


def test_linked_actors_that_end_at_once_on_threads(real: ActorSystem) -> None:
    """A ring of links whose members end at the same moment: all are gone, whoever was first."""
    for number in range(ROUNDS):
        ring = [real.start(Probe) for _ in range(4)]
        for one, two in zip(ring, [*ring[1:], ring[0]], strict=True):
            one.ask(lambda actor, two=two: actor.link(two), timeout=5)
        gone = [Future[None]() for _ in ring]

        def take_back(actor: Probe, other: Any = ring[0]) -> None:
            actor.unlink(other)

        for ref, told in zip(ring, gone, strict=True):
            ref.watch(partial(note, told))
        together(
            partial(ring[0].tell, lambda _: 1 / 0),
            partial(ring[2]._cell.fence, "on purpose"),
            partial(ring[number % 4].ask, take_back, timeout=5),
        )
        for told in gone[::2]:
            told.get(timeout=5)
        for ref in ring[1::2]:
            if ref.is_alive():
                ref.stop(timeout=5)


def test_a_broken_machine_does_not_leave_an_actor_half_way(real: ActorSystem) -> None:
    """Should our own code fail, the actor is fenced, its asks are answered, and its thread goes on for others."""
    ref = real.start(Probe)
    ref._cell.put_control((lambda *_: 1 / 0, None, None))
    gone: Future[None] = Future()
    ref._cell.watch(real.runtime.next_id(), lambda _, __: gone.try_set(None), None)
    gone.get(timeout=5)
    others = [real.start(Probe) for _ in range(4)]
    assert [other.ask(1, timeout=5) for other in others] == [1] * 4


def test_a_broken_machine_does_not_harm_the_next_incarnation(real: ActorSystem) -> None:
    """Should our own code fail on a thread that was given up long ago, nobody else is given up for it."""
    gate, there = Event(), Event()

    def fails_late(*_: Any) -> None:
        there.set()
        gate.wait(10)
        raise ZeroDivisionError

    top = real.start(Supervisor, flags(), [worker("a")])
    ref: Any = top.ask(WhichChildren())[0].ref
    ref._cell.put_control((fails_late, None, None))
    there.wait(10)
    thread = ref._cell.thread
    ref._cell.fence("it hangs")
    assert ref.ask("the next one", timeout=10) == "the next one"
    gate.set()
    for each in enumerate_threads():
        if each.ident == thread:
            each.join(10)
    assert ref.ask("still the same", timeout=10) == "still the same"
    assert ref.incarnation == 2
    assert top.is_alive()


def test_an_answer_that_is_given_as_its_actor_ends_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The end takes all open answers away between two looks of whoever gives this one."""
    answer = Future[str]()
    found: dict[Any, None] = {answer: None}
    looks: list[Any] = [found]

    class Ends(Incarnation):
        @property
        def deferred(self) -> Any:
            return looks.pop() if looks else None

        @deferred.setter
        def deferred(self, _: Any) -> None:  # pyright: ignore[reportIncompatibleVariableOverride] - a look is what is tested
            """Nothing: it is being made."""

    answer.add_done_callback(Ends(1)._was_answered)
    assert answer.try_set("just in time")
    assert found == {}
    assert caplog.messages == []
