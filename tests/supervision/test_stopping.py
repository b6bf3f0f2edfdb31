"""Stopping: in order, within a budget; on real threads and in a dozen simulated orders."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

from threading import Barrier, Event
from typing import Any

import pytest

from greenroom.supervision import _ending
from greenroom.supervision._actor import Actor
from greenroom.supervision._cell import Cell
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._restart import Cause, Fenced, Normal, Shutdown
from greenroom.supervision._system import ActorSystem
from greenroom.supervision.errors import ActorDead, ActorStopped, AskTimeout, BlockingInHandler
from greenroom.supervision.events import ActorEnded, DeadLetter
from greenroom.supervision.probes import Probe, Recorder
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.signals import ChildEnded
from greenroom.supervision.simulated import SimulatedRuntime

NAMES = ["a", "b", "c", "d"]


def family(system: ActorSystem, order: list[str], **kwargs: Any) -> ActorRef[Probe]:
    """Start a parent with four children that note when they stop."""

    def start(actor: Probe) -> None:
        for name in NAMES:
            actor.spawn(Probe, name=name, on_stop=lambda child: order.append(child.path[-1]), **kwargs)

    return system.start(Probe, on_start=start, on_stop=lambda _: order.append("parent"))


def test_children_stop_in_reverse_order_each_after_the_last(system: ActorSystem) -> None:
    """The newest child stops first, and the parent last."""
    order: list[str] = []
    seen = Recorder(system)
    family(system, order).stop(timeout=5)
    assert order == ["d", "c", "b", "a", "parent"]
    assert [event.path[-1] for event in seen.of(ActorEnded)][:4] == ["d", "c", "b", "a"]


def test_children_that_stop_together_are_all_waited_for(system: ActorSystem) -> None:
    """A dynamic supervisor asks all at once; it still stops after the last of them."""
    order: list[str] = []
    parent = family(system, order)
    parent.ask(lambda actor: setattr(actor._cell, "together", True))
    parent.stop(timeout=5)
    assert sorted(order[:4]) == NAMES
    assert order[4] == "parent"


def together(system: ActorSystem, count: int, **kwargs: Any) -> ActorRef[Probe]:
    """Start a parent whose children stop together."""

    def start(actor: Probe) -> None:
        actor._cell.together = True
        for number in range(count):
            actor.spawn(Probe, name=f"child-{number}", **kwargs)

    return system.start(Probe, on_start=start)


def test_so_many_that_stop_together_are_asked_in_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred thousand children not all wait to be heard at once, and nobody else waits until all have been asked."""
    monkeypatch.setattr(_ending, "WAVE", 3)
    waiting: list[int] = []

    class Bare(Actor):
        """Ends at once when it is told to."""

    def start(actor: Probe) -> None:
        actor._cell.together = True
        for number in range(20):
            actor.spawn(Bare, name=f"child-{number}")

    original = Cell.hear_child

    def noted(cell: Any, life: Any, signal: Any, epoch: int) -> None:
        if isinstance(signal, ChildEnded):
            waiting.append(len(cell.control))
        original(cell, life, signal, epoch)

    monkeypatch.setattr(Cell, "hear_child", noted)
    with ActorSystem(SimulatedRuntime()) as system:
        parent = system.start(Probe, on_start=start)
        parent.ask("settled")
        parent.stop()
        assert len(waiting) == 20
        assert max(waiting) == 3, "the rest of the wave, and the next one"


def test_a_wave_does_not_wait_for_the_one_before(real: ActorSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are asked, however long the first take: here each waits in its ``on_stop`` for all the others."""
    monkeypatch.setattr(_ending, "WAVE", 2)
    all_asked = Barrier(7)
    ended: list[int] = []
    parent = together(
        real, 7, dispatcher=Dispatcher.PINNED, on_stop=lambda _: ended.append(all_asked.wait(10))
    )
    parent.stop(timeout=20)
    assert sorted(ended) == list(range(7))


def test_stop_is_queued_behind_the_messages_that_are_there(system: ActorSystem) -> None:
    """What was sent before a stop is handled; what comes after it is not, and asks are told so."""
    heard: list[Any] = []
    seen = Recorder(system)
    ref = system.start(Probe, heard)

    def send(actor: Probe) -> tuple[Any, Any]:
        ref.tell(1)
        stopped = ref.stop(block=False)
        ref.tell(2)
        return stopped, ref.ask(3, block=False)

    stopped, asked = ref.ask(send)
    assert stopped.get(timeout=5) is True
    with pytest.raises(ActorStopped):
        asked.get(timeout=5)
    assert heard == [1]
    assert [letter.message for letter in seen.of(DeadLetter)] == ["int"]
    assert system.dead_letters == 1


def test_a_second_stop_says_that_it_was_gone(system: ActorSystem) -> None:
    """As Pykka's: true once it has stopped, false if there was nobody to stop."""
    ref = system.start(Probe)
    assert ref.stop(timeout=5) is True
    assert ref.stop(timeout=5) is False
    with pytest.raises(ActorDead):
        ref.tell("late")
    assert ref.send("late") is False
    assert system.dead_letters == 1


def test_two_stops_at_once_are_both_answered(system: ActorSystem) -> None:
    """The second of two stops is answered when the first has ended the actor."""
    ref = system.start(Probe)
    both = ref.ask(lambda _: [ref.stop(block=False), ref.stop(block=False)])
    assert [each.get(timeout=5) for each in both] == [True, True]


def test_an_actor_that_ends_itself_ends_before_further_messages(system: ActorSystem) -> None:
    """`end` comes before what is in the mailbox, and carries its cause."""
    heard: list[Any] = []
    seen = Recorder(system)
    ref = system.start(Probe, heard)

    def end(actor: Probe) -> Any:
        waiting = ref.ask("too late", block=False)
        actor.end(Shutdown("done"))
        return waiting

    with pytest.raises(ActorStopped):
        ref.ask(end).get(timeout=5)
    assert heard == []
    assert [event.cause for event in seen.of(ActorEnded)] == [Shutdown("done")]


def test_an_actor_whose_on_stop_raises_is_gone_all_the_same(system: ActorSystem) -> None:
    """An error in ``on_stop`` is logged; the end goes on."""

    def fail(_: Probe) -> None:
        raise OSError("on purpose")

    ref = system.start(Probe, on_stop=fail)
    assert ref.stop(timeout=5)
    assert not ref.is_alive()


def test_is_alive_until_everything_is_released(system: ActorSystem) -> None:
    """An actor is gone when its resources are released, not before."""
    alive: list[bool] = []
    ref = system.start(Probe, on_stop=lambda actor: alive.append(actor.actor_ref.is_alive()))
    ref.stop(timeout=5)
    assert alive == [True]
    assert not ref.is_alive()


def causes(seen: Recorder) -> dict[str, Cause]:
    """Return how each actor ended, by its name."""
    return {event.path.split("/")[-1]: event.cause for event in seen.of(ActorEnded)}


def test_an_actor_that_overruns_its_budget_is_fenced() -> None:
    """Past its shutdown budget an actor is given up, and its parent's stop goes on."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        seen = Recorder(system)

        def start(actor: Probe) -> None:
            actor.spawn(Probe, name="quick")
            actor.spawn(Probe, name="hung", on_stop=lambda _: runtime.hang(), shutdown_ns=70_000_000)

        system.start(Probe, on_start=start).stop()
        assert runtime.now_ns() == 70_000_000
        assert causes(seen)["hung"] == Fenced("did not stop within its 70 ms")
        assert causes(seen)["quick"] == Shutdown()


@pytest.mark.parametrize("how", ["by itself", "by a crash"])
def test_a_brutal_child_that_ends_by_itself_and_hangs_is_given_up(how: str) -> None:
    """Its budget says how it is stopped; an end of its own has the default of five seconds, and is fenced past that."""
    runtime = SimulatedRuntime()

    def hang(_: Any) -> None:
        runtime.hang()

    def start(actor: Probe) -> None:
        actor.spawn(Probe, name="child", on_stop=hang, on_failure=hang, shutdown_ns=0)

    with ActorSystem(runtime) as system:
        seen = Recorder(system)
        parent = system.start(Probe, on_start=start)
        child = next(iter(parent._cell.children or ()))
        child.ref.tell(lambda actor: actor.end() if how == "by itself" else 1 / 0)
        runtime.advance(4_999_000_000)
        assert seen.of(ActorEnded) == []
        runtime.advance(1_000_000)
        (ended,) = seen.of(ActorEnded)
        assert ended.cause == Fenced("did not stop within its 5000 ms")
        assert parent.ask(lambda actor: actor.signals[-1].cause) == ended.cause


def test_a_brutal_shutdown_asks_nobody() -> None:
    """A budget of 0 fences at once: ``on_stop`` never runs, ``on_given_up`` does."""
    order: list[str] = []

    class Brutal(Probe):
        def on_given_up(self) -> None:
            order.append("given up")

    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        seen = Recorder(system)
        parent = system.start(Probe)
        child = parent.ask(
            lambda actor: actor.spawn(
                Brutal, name="child", shutdown_ns=0, on_stop=lambda _: order.append("stopped")
            )
        )
        child.ask("has started")
        parent.stop()
        assert order == ["given up"]
        assert causes(seen)["child"] == Fenced("brutal shutdown")
        assert runtime.now_ns() == 0


def test_an_infinite_budget_waits() -> None:
    """None waits as long as it takes."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        seen = Recorder(system)
        parent = system.start(Probe, on_stop=lambda _: None)

        def start(actor: Probe) -> None:
            actor.spawn(
                Probe,
                name="child",
                shutdown_ns=None,
                on_start=lambda child: child.spawn(
                    Probe, name="slow", on_stop=lambda _: runtime.hang(), shutdown_ns=10**14
                ),
            )

        parent.ask(start)
        parent._cell.shutdown_ns = None
        parent.stop()
        assert runtime.now_ns() == 10**14
        assert causes(seen)["child"] == Shutdown()


def test_an_actor_that_stops_by_itself_has_its_budget_too() -> None:
    """However an end begins, it is not waited for longer than the budget."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        seen = Recorder(system)
        ref, _ = system.launch(
            Probe, kwargs={"on_stop": lambda _: runtime.hang()}, name="probe", shutdown_ns=1000
        )
        assert ref.stop() is True
        assert isinstance(causes(seen)["probe"], Fenced)
        assert runtime.now_ns() == 1000


def test_a_late_stop_does_not_hit_the_next_incarnation(simulated: ActorSystem) -> None:
    """A request to stop aims at an incarnation: one that comes late is void."""

    class Reviver(Probe):
        def on_child(self, signal: Any) -> None:
            if isinstance(signal, ChildEnded):
                self.respawn(signal.child)

    parent = simulated.start(Reviver)
    child = parent.ask(lambda actor: actor.spawn(Probe, name="child"))
    child.ask("up")
    for _ in range(5):
        child._cell.request_stop(Shutdown())
    simulated.runtime.run_until_idle()
    assert child.is_running()
    assert child.incarnation == 2


def test_a_system_closes_in_reverse_order_of_its_roots(system: ActorSystem) -> None:
    """The newest root stops first."""
    order: list[str] = []
    for name in NAMES:
        _, started = system.launch(
            Probe, kwargs={"on_stop": lambda actor: order.append(actor.path)}, name=name
        )
        started.get(timeout=5)
    system.close()
    assert order == NAMES[::-1]


def test_a_system_cannot_be_closed_by_its_own_actor(system: ActorSystem) -> None:
    """That would wait for itself; it is refused, and nothing has changed."""

    def close(_: Probe) -> str:
        with pytest.raises(BlockingInHandler):
            system.close()
        return "refused"

    ref = system.start(Probe)
    assert ref.ask(close, timeout=5) == "refused"
    assert system.start(Probe).is_running()


def test_close_gives_up_what_does_not_stop_in_its_time() -> None:
    """Past its timeout, `close` fences everything, however deep, and still ends."""
    gate = Event()
    system = ActorSystem()
    held: list[ActorRef[Probe]] = []

    def start(actor: Probe) -> None:
        held.append(
            actor.spawn(
                Probe,
                name="hung",
                dispatcher=Dispatcher.PINNED,
                on_stop=lambda _: gate.wait(),
                shutdown_ns=None,
            )
        )

    system.launch(Probe, kwargs={"on_start": start}, name="root", shutdown_ns=None)[1].get(timeout=5)
    try:
        system.close(timeout_ns=20_000_000)
        assert system.roots() == ()
        assert not held[0].is_alive()
        assert [name for name in system.runtime.zombie_stacks() if "hung" in name]
    finally:
        gate.set()
        for thread in list(system.runtime.zombies.values()):
            thread.join(5)
    assert system.runtime.zombies == {}


def test_a_stop_that_takes_too_long_for_its_caller_goes_on() -> None:
    """The timeout of `stop` is the caller's patience, not the actor's budget."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        ref = system.start(Probe, on_stop=lambda _: runtime.hang())
        with pytest.raises(AskTimeout):
            ref.stop(timeout=1)
        assert ref.is_alive()
        runtime.run_until_idle()
        assert not ref.is_alive()


def test_the_ends_of_a_parent_and_its_child_are_told_in_that_order(simulated: ActorSystem) -> None:
    """No actor outlives its parent, whatever the order in which their messages are handled."""
    seen = Recorder(simulated)

    def start(actor: Probe) -> None:
        for name in NAMES:
            actor.spawn(Probe, name=name, on_start=lambda child: child.spawn(Probe, name="x"))

    parent = simulated.start(Probe, on_start=start)
    crash = parent.ask(lambda actor: list(actor._cell.children)[2].ref)
    crash.tell(lambda _: 1 / 0)
    parent.stop()
    paths = [event.path for event in seen.of(ActorEnded)]
    assert len(paths) == 9
    for index, path in enumerate(paths):
        assert not any(later.startswith(path + "/") for later in paths[index:])


class Quiet(Actor):
    """The least an actor can be."""


def test_an_actor_without_hooks_lives_and_ends(system: ActorSystem) -> None:
    """Every hook has a default."""
    seen = Recorder(system)
    system.start(Quiet).stop(timeout=5)
    assert [event.cause for event in seen.of(ActorEnded)] == [Normal()]
