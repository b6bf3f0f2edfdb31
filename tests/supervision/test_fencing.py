"""The fence: real threads that hang, and what is refused from them when they come back; hangs in the simulator."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

from collections.abc import Callable, Iterator
from threading import Event, Timer
from threading import enumerate as enumerate_threads
from typing import Any

import pytest

from greenroom.supervision._future import Future
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._restart import Fenced
from greenroom.supervision._system import ActorSystem
from greenroom.supervision._threads import ThreadRuntime
from greenroom.supervision.errors import ActorFenced, StartFailed
from greenroom.supervision.events import ActorEnded, ActorFencedEvent
from greenroom.supervision.probes import Probe, Recorder
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.signals import ChildEnded, ChildFailed, ChildStarted
from greenroom.supervision.simulated import SimulatedRuntime

MS = 1_000_000


class Trap:
    """Foreign code that hangs until it is let go, and then tries things."""

    def __init__(self) -> None:
        self.entered = Event()
        self.gate = Event()
        self.left = Event()
        self.refused: list[str] = []
        self.given_up: list[Any] = []

    def hang(self, *_: Any) -> None:
        self.entered.set()
        self.gate.wait(10)

    def hang_then(self, *tries: Callable[[Any], Any]) -> Callable[[Any], None]:
        def run(actor: Any) -> None:
            self.hang()
            for act in tries:
                try:
                    act(actor)
                except ActorFenced:
                    self.refused.append(act.__name__)
            self.left.set()

        return run


@pytest.fixture
def trap() -> Iterator[Trap]:
    """A trap that is opened at the end."""
    made = Trap()
    yield made
    made.gate.set()


class Keeper(Probe):
    """Keeps its children, and completes a future when one is over."""

    def __init__(self, ended: Future[Any], **kwargs: Any) -> None:
        super().__init__(keep=True, **kwargs)
        self._ended = ended

    def on_child(self, signal: Any) -> None:
        super().on_child(signal)
        if not isinstance(signal, ChildStarted):
            self._ended.try_set(signal)


class Haunted(Probe):
    """Tells when it is given up."""

    def __init__(self, heard: Any, trap: Trap, **kwargs: Any) -> None:
        super().__init__(heard, **kwargs)
        self._trap = trap

    def on_given_up(self) -> None:
        self._trap.given_up.append(self)
        self._trap.left.set()


def returns(system: ActorSystem, trap: Trap) -> None:
    """Let the zombie return, and wait until its thread has ended."""
    threads = list(system.runtime.zombies.values())
    trap.gate.set()
    for thread in threads:
        thread.join(5)
    assert system.runtime.zombies == {}
    assert system.runtime.zombie_stacks() == {}


DISPATCHERS = pytest.mark.parametrize("dispatcher", list(Dispatcher))
OWN = pytest.mark.parametrize("dispatcher", [Dispatcher.ELASTIC, Dispatcher.PINNED])


@DISPATCHERS
def test_a_hung_handler_is_given_up_and_its_thread_replaced(
    real: ActorSystem, trap: Trap, dispatcher: Dispatcher
) -> None:
    """The asker hears of it, the parent too, the thread is listed with its stack, and the pool goes on."""
    ended: Future[Any] = Future()
    parent = real.start(Keeper, ended)
    child = parent.ask(lambda actor: actor.spawn(Haunted, None, trap, name="hung", dispatcher=dispatcher))
    asked = child.ask(trap.hang, block=False)
    assert trap.entered.wait(5)
    child.send("waits in the mailbox")
    parent.ask(lambda actor: actor.fence_child(child, "on purpose"), timeout=5)
    with pytest.raises(ActorFenced):
        asked.get(timeout=5)
    signal = ended.get(timeout=5)
    assert signal == ChildEnded(child=child, incarnation=1, cause=Fenced("on purpose"))
    (stack,) = real.runtime.zombie_stacks().values()
    assert "gate.wait" in stack

    parent.ask(lambda actor: actor.respawn(child), timeout=5)
    assert child.ask(lambda actor: actor.heard, timeout=5) == ["waits in the mailbox"]
    assert child.incarnation == 2
    assert trap.given_up == []
    others = [real.start(Probe) for _ in range(8)]
    assert [other.ask(1, timeout=5) for other in others] == [1] * 8

    returns(real, trap)
    assert len(trap.given_up) == 1
    assert child.ask("still the second", timeout=5)


def test_whatever_a_zombie_still_does_is_refused(  # noqa: C901 - one small function for each thing it may try
    real: ActorSystem, trap: Trap
) -> None:
    """Sends, spawns, timers, monitors, answers: none reaches anybody, least of all the next incarnation."""
    ended: Future[Any] = Future()
    heard: list[Any] = []
    other = real.start(Probe, heard)
    parent = real.start(Keeper, ended)
    child = parent.ask(lambda actor: actor.spawn(Probe, name="child", dispatcher=Dispatcher.PINNED))

    def tell(_: Probe) -> None:
        other.tell("from the grave")

    def ask(_: Probe) -> None:
        other.ask("from the grave", timeout=5)

    def stop(_: Probe) -> None:
        other.stop(timeout=5)

    def spawn(actor: Probe) -> None:
        actor.spawn(Probe, name="late")

    def after(actor: Probe) -> None:
        actor.after(0, heard.append, "timer")

    def monitor(actor: Probe) -> None:
        actor.monitor(other)

    def when(actor: Probe) -> None:
        actor.when(Future(), heard.append)

    def defer(actor: Probe) -> None:
        actor.defer_reply()

    def acknowledge(actor: Probe) -> None:
        actor.acknowledge()

    def end(actor: Probe) -> None:
        actor.end()

    tries = (tell, ask, stop, spawn, after, monitor, when, acknowledge, end, defer)
    asked = child.ask(trap.hang_then(*tries), block=False)
    assert trap.entered.wait(5)
    parent.ask(lambda actor: actor.fence_child(child, "on purpose"), timeout=5)
    ended.get(timeout=5)
    parent.ask(lambda actor: actor.respawn(child), timeout=5)
    kept: list[Future[Any]] = []
    later = child.ask(lambda actor: kept.append(actor.defer_reply()), block=False)
    child.ask("has come to it", timeout=5)
    returns(real, trap)
    assert trap.left.is_set()
    assert trap.refused == [act.__name__ for act in tries]
    assert heard == []
    with pytest.raises(ActorFenced):
        asked.get(timeout=5)
    assert not later.done()
    kept[0].set("the second incarnation answers")
    assert later.get(timeout=5) == "the second incarnation answers"
    assert child.ask(lambda actor: actor._cell.children, timeout=5) is None


def test_a_hung_start_is_a_failed_start(real: ActorSystem, trap: Trap) -> None:
    """Past its start budget the starter is told; what the zombie then acknowledges counts for nothing."""
    ref, started = real.launch(Haunted, (None, trap), {"on_start": trap.hang}, name="slow", start_ns=20 * MS)
    with pytest.raises(StartFailed) as caught:
        started.get(timeout=5)
    assert isinstance(caught.value.cause, ActorFenced)
    assert not ref.is_alive()
    returns(real, trap)
    assert len(trap.given_up) == 1


def test_a_hung_constructor_is_a_failed_start(real: ActorSystem, trap: Trap) -> None:
    """The constructor runs on the actor's thread and within its start budget."""

    class Slow(Haunted):
        def __init__(self) -> None:
            super().__init__(None, trap)
            trap.hang()

    _, started = real.launch(Slow, name="slow", start_ns=20 * MS)
    with pytest.raises(StartFailed):
        started.get(timeout=5)
    returns(real, trap)
    assert len(trap.given_up) == 1


def test_a_hung_on_stop_ends_with_the_budget(real: ActorSystem, trap: Trap) -> None:
    """A stop takes no longer than its budget; the caller hears that it has ended."""
    seen = Recorder(real)
    ref, _ = real.launch(
        Probe, kwargs={"on_stop": trap.hang}, name="slow", shutdown_ns=20 * MS, dispatcher=Dispatcher.BLOCKING
    )
    assert ref.stop(timeout=5) is True
    assert [event.reason for event in seen.of(ActorFencedEvent)] == ["did not stop within its 20 ms"]
    returns(real, trap)


def test_an_idle_actor_is_given_up_at_once(real: ActorSystem, trap: Trap) -> None:
    """Where no thread is in the actor's code it releases what it held before its parent hears of the end."""
    ended: Future[Any] = Future()
    parent = real.start(Keeper, ended)
    child = parent.ask(lambda actor: actor.spawn(Haunted, None, trap, name="idle"))
    child.ask("is up", timeout=5)
    parent.ask(lambda actor: actor.fence_child(child, "on purpose"), timeout=5)
    ended.get(timeout=5)
    assert len(trap.given_up) == 1
    assert real.runtime.zombies == {}


def test_answers_that_were_taken_over_are_given_by_the_fence(real: ActorSystem, trap: Trap) -> None:
    """A zombie cannot answer late what it had deferred."""
    ended: Future[Any] = Future()
    parent = real.start(Keeper, ended)
    child = parent.ask(lambda actor: actor.spawn(Probe, name="child", dispatcher=Dispatcher.PINNED))
    late: list[bool] = []

    def defer(actor: Probe) -> None:
        reply = actor.defer_reply()
        trap.hang()
        late.append(reply.try_set("late"))

    asked = child.ask(defer, block=False)
    assert trap.entered.wait(5)
    parent.ask(lambda actor: actor.fence_child(child, "on purpose"), timeout=5)
    with pytest.raises(ActorFenced):
        asked.get(timeout=5)
    returns(real, trap)
    assert late == [False]


@OWN
def test_a_lane_that_hangs_on_the_actors_thread_is_replaced_with_it(
    real: ActorSystem, trap: Trap, dispatcher: Dispatcher
) -> None:
    """``stuck`` gives up the actor's thread whatever task it hangs in."""

    class Lane:
        def run(self) -> None:
            trap.hang()

    ended: Future[Any] = Future()
    parent = real.start(Keeper, ended)
    child = parent.ask(lambda actor: actor.spawn(Probe, name="worker", dispatcher=dispatcher))
    child.ask(lambda actor: actor.executor.submit(Lane()), timeout=5)
    assert trap.entered.wait(5)
    parent.ask(lambda actor: actor.fence_child(child, "on purpose", stuck=True), timeout=5)
    ended.get(timeout=5)
    parent.ask(lambda actor: actor.respawn(child), timeout=5)
    assert child.ask("the next one answers", timeout=5)
    returns(real, trap)
    assert child.ask("and goes on", timeout=5)


@OWN
def test_a_replaced_thread_that_was_idle_ends_and_loses_nothing(
    real: ActorSystem, dispatcher: Dispatcher
) -> None:
    """``stuck`` of a thread that does not hang: its next task is run by the new one."""
    ended: Future[Any] = Future()
    parent = real.start(Keeper, ended)
    child = parent.ask(lambda actor: actor.spawn(Probe, name="worker", dispatcher=dispatcher))
    child.ask("is up", timeout=5)
    parent.ask(lambda actor: actor.fence_child(child, "on purpose", stuck=True), timeout=5)
    ended.get(timeout=5)
    parent.ask(lambda actor: actor.respawn(child), timeout=5)
    for number in range(20):
        assert child.ask(number, timeout=5) == number
    threads = [thread for thread in enumerate_threads() if "worker" in thread.name or "crew" in thread.name]
    assert threads
    parent.stop(timeout=5)
    for thread in threads:
        thread.join(5)  # it ends when the actor has given it back
    assert real.runtime.live_pinned() == 0
    assert real.runtime.zombies == {}


@pytest.fixture
def runtime() -> SimulatedRuntime:
    """Virtual time."""
    return SimulatedRuntime(3)


@pytest.mark.parametrize("where", ["start", "handler", "timer", "stop", "failure"])
def test_wherever_it_hangs_it_is_fenced_once(runtime: SimulatedRuntime, where: str) -> None:
    """A hang in any hook ends in exactly one end, within the budget."""

    def hang(*_: Any) -> None:
        runtime.hang()

    hooks = {f"on_{where}": hang} if where in ("start", "stop", "failure") else {}
    with ActorSystem(runtime) as system:
        seen = Recorder(system)
        ref, started = system.launch(Probe, kwargs=hooks, name="probe", shutdown_ns=5 * MS, start_ns=7 * MS)
        if where != "start":
            started.get()
        if where == "timer":
            ref.ask(lambda actor: actor.after(0, hang))
        elif where in ("handler", "failure"):
            ref.tell(hang if where == "handler" else lambda _: 1 / 0)
        runtime.advance(7 * MS)
        system.close()
        assert len(seen.of(ActorEnded)) == 1
        assert len(seen.of(ActorFencedEvent)) == 1
        assert list(runtime.zombies.values()) == ["probe"]
        assert "runtime.hang()" in runtime.zombie_stacks()["probe"]


def test_a_fence_while_children_stop_gives_them_up_too(runtime: SimulatedRuntime) -> None:
    """Past the parent's budget its children are fenced, not waited for any longer; the order stays."""
    with ActorSystem(runtime) as system:
        seen = Recorder(system)

        def start(actor: Probe) -> None:
            actor.spawn(Probe, name="a", on_stop=lambda _: runtime.hang(), shutdown_ns=None)
            actor.spawn(Probe, name="b", on_stop=lambda _: runtime.hang(), shutdown_ns=None)

        ref, started = system.launch(Probe, kwargs={"on_start": start}, name="parent", shutdown_ns=5 * MS)
        started.get()
        ref.stop()
        assert runtime.now_ns() == 5 * MS
        assert [event.path for event in seen.of(ActorEnded)][-1] == "parent"
        assert len(seen.of(ActorEnded)) == 3


@pytest.mark.parametrize("seed", range(30))
def test_a_fence_before_the_start_is_a_failed_start(seed: int) -> None:
    """A cell that is fenced while it is queued ends once, and the stale start is void."""
    runtime = SimulatedRuntime(seed)
    with ActorSystem(runtime) as system:
        ended: Future[Any] = Future(runtime)
        parent = system.start(Keeper, ended)
        child: ActorRef[Probe] = parent.ask(
            lambda actor: (ref := actor.spawn(Probe, name="child"), actor.fence_child(ref, "early"))[0]
        )
        signal = ended.get()
        assert isinstance(signal, ChildFailed)
        parent.ask(lambda actor: actor.respawn(child))
        assert child.ask("up") == "up"
        assert child.incarnation == 2


@pytest.mark.parametrize("seed", range(30))
def test_two_fences_hit_one_incarnation(seed: int) -> None:
    """A second fence of an incarnation does not hit the next."""
    runtime = SimulatedRuntime(seed)
    with ActorSystem(runtime) as system:
        seen = Recorder(system)

        class Reviver(Probe):
            def on_child(self, signal: Any) -> None:
                if not isinstance(signal, ChildStarted):
                    self.respawn(signal.child)

        parent = system.start(Reviver)
        child = parent.ask(lambda actor: actor.spawn(Probe, name="child"))
        child.ask("up")
        first = child._cell.life
        child._cell.fence("first")
        child._cell.fence("second")
        runtime.run_until_idle()
        assert child._cell.fence("a budget that ran out as it ended", first) is False
        runtime.run_until_idle()
        assert child.incarnation == 2
        assert child.is_running()
        assert [event.path for event in seen.of(ActorEnded)] == [child.path]


@pytest.mark.parametrize("seed", range(5))
def test_a_release_that_fails_or_hangs_does_not_hold_up_the_end(seed: int) -> None:
    """``on_given_up`` is foreign code like any other: its error is logged, its hang fenced again."""
    runtime = SimulatedRuntime(seed)

    class Fails(Probe):
        def on_given_up(self) -> None:
            raise OSError("on purpose")

    class Hangs(Probe):
        def on_given_up(self) -> None:
            runtime.hang()

    with ActorSystem(runtime) as system:
        seen = Recorder(system)
        for kind in (Fails, Hangs):
            ref, started = system.launch(kind, name=kind.__name__, shutdown_ns=5 * MS)
            started.get()
            ref._cell.fence("on purpose")
        runtime.run_until_idle()
        assert sorted(event.path for event in seen.of(ActorEnded)) == ["Fails", "Hangs"]
        assert system.roots() == ()
        assert runtime.now_ns() == 5 * MS


def test_an_actor_knows_whether_it_is_starting_and_whether_it_was_given_up(
    real: ActorSystem, trap: Trap
) -> None:
    """A zombie can look, so that foreign code can stop of its own accord."""
    seen: list[Any] = []
    ended: Future[Any] = Future()
    parent = real.start(Keeper, ended)

    def look(actor: Probe) -> None:
        seen.append((actor.starting, actor.given_up))

    def hang(actor: Probe) -> None:
        look(actor)
        trap.hang()
        look(actor)
        trap.left.set()

    child = parent.ask(
        lambda actor: actor.spawn(Probe, name="child", dispatcher=Dispatcher.PINNED, on_start=look)
    )
    child.tell(hang)
    assert trap.entered.wait(5)
    parent.ask(lambda actor: actor.fence_child(child, "on purpose"), timeout=5)
    returns(real, trap)
    assert seen == [(True, False), (False, False), (False, True)]


def test_who_comes_back_while_the_runtime_is_closed_is_no_zombie(trap: Trap) -> None:
    """It is waited for a moment; who does not come back is left behind, and named."""
    for lets_go in (True, False):
        runtime = ThreadRuntime()
        system = ActorSystem(runtime)
        ref, started = system.launch(Probe, name="stuck", dispatcher=Dispatcher.PINNED, shutdown_ns=MS)
        started.get(timeout=10)
        trap.entered.clear()
        trap.gate.clear()
        ref.tell(trap.hang)
        assert trap.entered.wait(10)
        system.close()
        assert len(runtime.zombies) == 1
        (thread,) = runtime.zombies.values()
        if lets_go:
            Timer(0.02, trap.gate.set).start()
        runtime.close()
        assert bool(runtime.zombies) is not lets_go
        trap.gate.set()
        thread.join(10)
        assert runtime.zombies == {}
