"""Many actors, and the short ways that make many cheap: stops without a hop, budgets without a lock."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

import gc
import threading
from functools import partial
from typing import Any

import pytest

from greenroom.supervision import (
    Actor,
    ActorRef,
    ActorSystem,
    ChildSpec,
    ChildStarted,
    CountChildren,
    Dispatcher,
    Shutdown,
    StartChild,
    StopChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
    UpdateSupervisor,
)
from greenroom.supervision._cell import Cell
from greenroom.supervision._clock import Clock
from greenroom.supervision._family import Family
from greenroom.supervision._future import Future
from greenroom.supervision.events import ActorEnded
from greenroom.supervision.probes import Probe, Recorder
from greenroom.supervision.simulated import SimulatedRuntime

MANY = 100_000
PATIENCE_S = 60.0


class Crowd(Supervisor):
    """A dynamic supervisor that says when so many of its children have started."""

    def __init__(self, wanted: int) -> None:
        flags = SupervisorFlags(strategy=Strategy.DYNAMIC, max_children=wanted)
        super().__init__(flags)
        self._left = wanted
        self._reply: Future[Any] | None = None

    def on_receive(self, message: Any) -> Any:
        if message != "fill":
            return super().on_receive(message)
        self._reply = self.defer_reply()
        for number in range(self._left):
            self.start_child(ChildSpec(id=f"child-{number}", start=Member))
        return None

    def on_child(self, signal: Any) -> None:
        super().on_child(signal)
        if isinstance(signal, ChildStarted):
            self._left -= 1
            if not self._left and self._reply is not None:
                self._reply.set("full")


class Parent(Actor):
    """An actor that starts so many children."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted

    def on_receive(self, message: Any) -> None:
        wanted, self._wanted = self._wanted, 0
        for number in range(wanted):
            self.spawn(Member, name=f"child-{number}")


class Member(Actor):
    """Counts what it is told."""

    heard = 0

    def on_receive(self, message: Any) -> int:
        self.heard += 1
        return self.heard


def test_a_hundred_thousand_actors_come_and_go(real: ActorSystem) -> None:
    """All start, are told something, handle it, and stop; nothing of them is left."""
    crowd = real.start(Crowd, MANY)
    assert crowd.ask("fill", timeout=PATIENCE_S) == "full"
    assert crowd.ask(CountChildren(), timeout=PATIENCE_S).active == MANY
    members = [cell.ref for cell in crowd._cell.children or ()]
    for member in members:
        member.tell("hello")
    assert [member.ask("again", timeout=PATIENCE_S) for member in members[:: MANY // 100]] == [2] * 100
    real.request_stop(crowd)
    gone = threading.Event()
    crowd.watch(lambda _, __: gone.set())
    assert gone.wait(PATIENCE_S)
    assert not any(member.is_alive() for member in members)
    assert real.paths() == []
    assert real.dead_letters == 0
    assert real.runtime.live_timers() == 0


def test_a_resting_child_without_code_for_its_end_ends_before_its_parents_next_step(
    simulated: ActorSystem,
) -> None:
    """What runs no code needs no hop: when the handler that stops it returns, it is over, and told once."""
    seen = Recorder(simulated)
    parent = simulated.start(Probe)
    child = parent.ask(lambda actor: actor.spawn(Member, name="child"))
    child.ask("up")
    simulated.runtime.run_until_idle()

    def stop(actor: Probe) -> str:
        actor.stop_later(child)
        return str(child.state_name)

    assert parent.ask(stop) == "ended"
    simulated.runtime.run_until_idle()
    assert [(event.path, event.cause) for event in seen.of(ActorEnded)] == [
        (f"{parent.path}/child", Shutdown())
    ]


@pytest.mark.parametrize("dispatcher", list(Dispatcher))
def test_code_for_the_end_is_run_by_the_actor_itself(system: ActorSystem, dispatcher: Dispatcher) -> None:
    """A hook, be it the class's or put on the object, runs in the child's cell: in its parent's it could hang that."""
    from greenroom.supervision._threads import current  # noqa: PLC0415 - only here

    ran_in: list[str] = []

    class Careful(Member):
        def on_stop(self) -> None:
            ran_in.append(current.cell.name)

    class Patched(Member):
        def on_start(self) -> None:
            self.on_stop = lambda: ran_in.append(current.cell.name)  # type: ignore[method-assign]

    parent = system.start(Probe)
    for kind in (Careful, Patched):
        child = parent.ask(
            lambda actor, kind=kind: actor.spawn(kind, name=kind.__name__, dispatcher=dispatcher)
        )
        child.ask("up", timeout=PATIENCE_S)
        parent.ask(lambda actor, child=child: actor.stop_later(child), timeout=PATIENCE_S)
    parent.stop(timeout=PATIENCE_S)
    assert sorted(ran_in) == ["Careful", "Patched"]


def test_who_waits_for_an_answer_of_a_resting_child_hears_of_its_end(system: ActorSystem) -> None:
    """A child that owes an answer is stopped the long way, and its asker is told."""

    class Owes(Actor):
        def on_receive(self, message: Any) -> None:
            self.defer_reply()

    parent = system.start(Probe)
    child = parent.ask(lambda actor: actor.spawn(Owes, name="child"), timeout=PATIENCE_S)
    owed = child.ask("please", block=False)
    parent.stop(timeout=PATIENCE_S)
    with pytest.raises(Exception, match="child"):
        owed.get(timeout=PATIENCE_S)


def test_a_timer_that_is_due_before_the_others_is_not_late() -> None:
    """The thread of timers sleeps until the earliest one, whichever was set last."""
    clock = Clock()
    try:
        far = clock.call_later(10**15, lambda: None)
        for _ in range(200):
            fired = threading.Event()
            clock.call_later(1000, fired.set)
            assert fired.wait(PATIENCE_S)
        far.cancel()
        assert clock.live() == 0
    finally:
        clock.close()


def test_budgets_that_are_set_and_cancelled_in_turns_wake_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock's thread sleeps until the first of them would have been due, whatever became of it."""
    clock = Clock()
    woken: list[None] = []
    notify = clock._condition.notify
    never_ns = 1 << 62

    def counted(n: int = 1) -> None:
        woken.append(None)
        notify(n)

    monkeypatch.setattr(clock._condition, "notify", counted)
    for _ in range(50):
        clock.call_later(10**15, print).cancel()
        while clock._new and clock._until_ns == never_ns:  # it was woken, and has not looked yet
            pass
    assert len(woken) <= 2
    assert clock.live() == 0
    clock.close()


def test_a_cancelled_timer_that_would_have_been_due_does_not_hold_up_the_others() -> None:
    """Nor does it come back to life."""
    clock = Clock()
    fired, order = threading.Event(), list[str]()
    clock.call_later(1, lambda: order.append("cancelled")).cancel()
    clock.call_later(2, lambda: order.append("second"))
    clock.call_later(3, fired.set)
    assert fired.wait(5)
    assert order in (["second"], ["cancelled", "second"])  # it may have been due already
    clock.close()


def test_timers_that_many_threads_set_and_cancel_fire_once_or_never() -> None:
    """Setting takes no lock; none is lost, none fires after it was taken back, and the cancelled leave."""
    clock = Clock()
    fired: list[int] = []
    done = threading.Barrier(5)

    def work(base: int) -> None:
        for number in range(base, base + 2000):
            handle = clock.call_later(10**15 if number % 2 else number % 7, partial(fired.append, number))
            if number % 2:
                handle.cancel()
        done.wait(PATIENCE_S)

    threads = [threading.Thread(target=work, args=(base,)) for base in range(0, 8000, 2000)]
    for thread in threads:
        thread.start()
    done.wait(PATIENCE_S)
    for thread in threads:
        thread.join(PATIENCE_S)
    last = threading.Event()
    clock.call_later(1_000_000, last.set)
    assert last.wait(PATIENCE_S)
    try:
        assert sorted(fired) == list(range(0, 8000, 2))
        assert clock.live() == 0
    finally:
        clock.close()


def test_a_start_under_a_dynamic_supervisor_does_not_look_at_the_others(
    simulated: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even after an update, which has other supervisors put their children in order: they stop all at once."""
    flags = SupervisorFlags(strategy=Strategy.DYNAMIC)
    crowd = simulated.start(Supervisor, flags)
    crowd.ask(StartChild(spec=ChildSpec(id="first", start=Member)))
    crowd.ask(UpdateSupervisor(children=[ChildSpec(id="first", start=Member)]))
    with monkeypatch.context() as patched:
        patched.setattr(Family, "__iter__", lambda _: pytest.fail("it looked at all of its children"))
        crowd.ask(StartChild(spec=ChildSpec(id="second", start=Member)))
    assert crowd.ask(CountChildren()).active == 2


def test_roots_that_are_started_during_the_stop_are_stopped_too(simulated: ActorSystem) -> None:
    """The stop goes from the newest to the oldest, and again until nobody is left."""
    seen = Recorder(simulated)

    def start_another(actor: Probe) -> None:
        simulated.launch(Member, name="late")

    for name in ("first", "second"):
        simulated.launch(Probe, kwargs={"on_stop": start_another if name == "second" else None}, name=name)
    assert simulated.stop()
    assert [event.path for event in seen.of(ActorEnded)] == ["second", "first", "late"]
    assert simulated.roots() == ()


def tracked() -> int:
    """Return how many objects the garbage collector looks at, after it has run."""
    gc.collect()
    return len(gc.get_objects())


@pytest.mark.parametrize(("parent", "most"), [(Parent, 5), (Crowd, 7)], ids=["actor", "dynamic supervisor"])
def test_what_a_collector_looks_at_for_each_child_is_little(parent: type[Actor], most: int) -> None:
    """Each full collection looks at every object: of a child at its cell, two locks, its incarnation and itself.

    A dynamic supervisor has its spec, and what the rules know of it, too.
    """
    with ActorSystem(SimulatedRuntime()) as system:
        ref: Any = system.start(parent, 500)
        before = tracked()
        ref.ask("fill")
        wait_for_starts(ref)
        assert 4 * 500 < tracked() - before <= most * 500 + 250


@pytest.mark.parametrize("parent", [Parent, Crowd], ids=["actor", "dynamic supervisor"])
def test_who_is_gone_is_not_left_to_the_collector(parent: type[Actor]) -> None:
    """Nothing of an actor is in a circle: it is freed when the last who knows it lets go of it."""
    with ActorSystem(SimulatedRuntime()) as system:
        ref: Any = system.start(parent, 200)
        ref.ask("fill")
        wait_for_starts(ref)
        gc.collect()
        before = cells()
        gc.disable()
        try:
            for name in [child.name for child in ref._cell.children]:
                if parent is Crowd:
                    ref.ask(StopChild(child=name))
                else:
                    next(child for child in ref._cell.children if child.name == name).ref.stop()
            wait_for_starts(ref)
            assert before - cells() > 100, "all but the last ones, which are remembered"
        finally:
            gc.enable()


def cells() -> int:
    """Return how many actors are there, or are left to the collector."""
    return sum(type(each) is Cell for each in gc.get_objects())


def wait_for_starts(ref: ActorRef[Any]) -> None:
    """Return when all has come to rest."""
    for _ in range(3):
        ref.ask(CountChildren() if ref.actor_class is Crowd else "look")
