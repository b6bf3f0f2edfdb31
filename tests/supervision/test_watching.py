"""Monitors, timers and continuations: each exactly once, none too late, all bound to the incarnation."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

import threading
from typing import Any

import pytest
from tests.supervision.supkit import wait_until

from greenroom.supervision._future import Future
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._restart import Crashed, Fenced, Normal
from greenroom.supervision._system import ActorSystem
from greenroom.supervision.probes import Probe
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.signals import ChildStarted, Down


class Reviver(Probe):
    """Starts a child again whenever it is over, and completes a future each time."""

    def __init__(self, revived: list[Future[Any]]) -> None:
        super().__init__(keep=True)
        self._revived = revived

    def on_child(self, signal: Any) -> None:
        super().on_child(signal)
        if isinstance(signal, ChildStarted) and signal.incarnation > 1:
            self._revived.pop(0).set(signal.incarnation)
        elif not isinstance(signal, ChildStarted):
            self.respawn(signal.child)


def settle(system: ActorSystem, ref: ActorRef[Any]) -> None:
    """Let everything come to rest; on threads, as far as messages to ``ref`` can tell."""
    if system.runtime.simulated:
        system.runtime.run_until_idle()
    for _ in range(200):
        ref.ask(lambda _: None, timeout=5)


def downs(heard: list[Any]) -> list[Down]:
    """Return the notices among the messages."""
    return [message for message in heard if isinstance(message, Down)]


def test_a_monitor_is_told_once_when_the_actor_is_gone(system: ActorSystem) -> None:
    """Each call of `monitor` brings one notice, with its own key."""
    heard: list[Any] = []
    watcher = system.start(Probe, heard)
    target = system.start(Probe)
    keys = watcher.ask(lambda actor: [actor.monitor(target), actor.monitor(target)])
    assert keys[0] != keys[1]
    target.stop(timeout=5)
    settle(system, watcher)
    assert sorted(down.monitor for down in downs(heard)) == sorted(keys)
    assert {down.cause for down in downs(heard)} == {Normal()}
    assert {down.ref for down in downs(heard)} == {target}


def test_a_monitor_of_the_dead_is_told_at_once(system: ActorSystem) -> None:
    """Who is gone already is reported just the same."""
    heard: list[Any] = []
    watcher = system.start(Probe, heard)
    target = system.start(Probe)
    target.stop(timeout=5)
    watcher.ask(lambda actor: actor.monitor(target))
    settle(system, watcher)
    assert len(downs(heard)) == 1


def test_after_demonitor_no_notice_comes_even_if_it_was_queued(system: ActorSystem) -> None:
    """A notice that is already in the mailbox is dropped."""
    heard: list[Any] = []
    watcher = system.start(Probe, heard)
    target = system.start(Probe)
    target.stop(timeout=5)

    def monitor_and_take_back(actor: Probe) -> None:
        key = actor.monitor(target)  # told at once: the notice is queued behind this very message
        actor.demonitor(key)
        actor.demonitor(key)

    watcher.ask(monitor_and_take_back)
    settle(system, watcher)
    assert downs(heard) == []


def test_a_monitor_of_an_incarnation_is_told_at_its_end(system: ActorSystem) -> None:
    """One incarnation's end is news to who watches it, not to who watches the actor for good."""
    heard: list[Any] = []
    watcher = system.start(Probe, heard)
    revived = [Future[Any](system.runtime)]
    parent = system.start(Reviver, [*revived])
    target = parent.ask(lambda actor: actor.spawn(Probe, name="target"))
    target.ask("up")
    first, for_good, next_one = watcher.ask(
        lambda actor: (
            actor.monitor(target, incarnation=1),
            actor.monitor(target),
            actor.monitor(target, incarnation=2),
        )
    )
    target.tell(lambda _: 1 / 0)
    assert revived[0].get(timeout=5) == 2
    settle(system, watcher)
    (down,) = downs(heard)
    assert (down.monitor, down.incarnation, type(down.cause)) == (first, 1, Crashed)
    late = watcher.ask(lambda actor: actor.monitor(target, incarnation=1))
    settle(system, watcher)
    assert downs(heard)[1].monitor == late
    parent.stop(timeout=5)
    settle(system, watcher)
    assert sorted(down.monitor for down in downs(heard)[2:]) == sorted([for_good, next_one])


def test_a_fence_is_told_as_such(simulated: ActorSystem) -> None:
    """The notice carries the cause."""
    heard: list[Any] = []
    watcher = simulated.start(Probe, heard)
    parent = simulated.start(Probe)
    target = parent.ask(lambda actor: actor.spawn(Probe, name="target"))
    watcher.ask(lambda actor: actor.monitor(target))
    target.tell(lambda _: simulated.runtime.hang())
    simulated.runtime.run_until_idle()
    parent.ask(lambda actor: actor.fence_child(target, "on purpose"))
    settle(simulated, watcher)
    assert [down.cause for down in downs(heard)] == [Fenced("on purpose")]


def test_the_watchers_own_end_drops_its_monitors(system: ActorSystem) -> None:
    """The next incarnation of a watcher does not hear what the last one wanted to know."""
    heard: list[Any] = []
    revived = [Future[Any](system.runtime)]
    parent = system.start(Reviver, [*revived])
    watcher = parent.ask(lambda actor: actor.spawn(Probe, heard, name="watcher"))
    target = system.start(Probe)
    watcher.ask(lambda actor: actor.monitor(target))
    watcher.tell(lambda _: 1 / 0)
    assert revived[0].get(timeout=5) == 2
    assert not target._cell.watches
    target.stop(timeout=5)
    settle(system, watcher)
    assert downs(heard) == []


def test_a_timer_belongs_to_its_incarnation(simulated: ActorSystem) -> None:
    """The next incarnation never hears of it, and nothing is left in the runtime."""
    heard: list[Any] = []
    revived = [Future[Any](simulated.runtime)]
    parent = simulated.start(Reviver, [*revived])
    child = parent.ask(lambda actor: actor.spawn(Probe, name="child"))
    child.ask(lambda actor: actor.after(1000, heard.append, "too late"))
    child.tell(lambda _: 1 / 0)
    assert revived[0].get() == 2
    assert simulated.runtime.live_timers() == 0
    simulated.runtime.advance(2000)
    assert heard == []


LATE = 10**9


def asks_late(target: ActorRef[Any], said: list[str]) -> Any:
    """Return what sets a timer and a monitor."""

    def hook(actor: Any) -> None:
        actor.after(LATE, said.append, "a timer")
        actor.monitor(target)
        said.append("asked")

    return hook


@pytest.mark.parametrize("how", ["on_stop", "on_failure", "on_given_up"])
def test_what_is_set_going_at_the_end_ends_with_it(how: str, simulated: ActorSystem) -> None:
    """A timer or a monitor of the end's own hooks: nobody is there any more who could hear of it."""
    said: list[str] = []
    target = simulated.start(Probe)
    hook = asks_late(target, said)

    class Late(Probe):
        def on_given_up(self) -> None:
            hook(self)

    ref: ActorRef[Late] = simulated.start(Late, on_stop=hook, on_failure=lambda _: hook(ref._cell.actor))
    if how == "on_stop":
        ref.stop(block=False)
    elif how == "on_failure":
        ref.tell(lambda _: 1 / 0)
    else:
        ref._cell.fence("on purpose")
    while ref.is_alive():
        simulated.runtime.step()
    assert said == ["asked"]
    assert simulated.runtime.live_timers() == 0
    assert not target._cell.watches


@pytest.mark.parametrize("what", ["timer", "monitor"])
def test_who_is_given_up_as_it_sets_something_going_leaves_nothing(
    what: str, real: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is over before the runtime has its timer, or the other one its monitor."""
    target = real.start(Probe)
    entered, go_on = threading.Event(), threading.Event()
    runtime = real.runtime
    owner, name = (runtime, "call_later") if what == "timer" else (runtime, "next_id")
    its = getattr(owner, name)

    def slow(*args: Any) -> Any:
        if threading.get_ident() == stuck[0]:
            entered.set()
            assert go_on.wait(20)
        return its(*args)

    stuck = [0]

    def hook(actor: Probe) -> None:
        stuck[0] = threading.get_ident()
        if what == "timer":
            actor.after(3600 * LATE, list)
        else:
            actor.monitor(target)

    ref, started = real.launch(Probe, name="x", dispatcher=Dispatcher.PINNED)
    started.get(timeout=5)
    monkeypatch.setattr(owner, name, slow)
    ref.tell(hook)
    assert entered.wait(20)
    threads = list(threading.enumerate())
    ref._cell.fence("on purpose")
    wait_until(real, lambda: not ref.is_alive())
    go_on.set()
    for thread in threads:
        if thread.ident == stuck[0]:
            thread.join(20)
    assert real.runtime.live_timers() == 0
    assert not target._cell.watches


def test_timers_come_in_order_and_on_time(simulated: ActorSystem) -> None:
    """Virtual time is what was asked for, to the nanosecond."""
    heard: list[Any] = []
    ref = simulated.start(Probe)

    def set_timers(actor: Probe) -> None:
        for delay in (30, 10, 20):
            actor.after(delay, lambda: heard.append(actor.runtime.now_ns()))

    began = simulated.runtime.now_ns()
    ref.ask(set_timers)
    simulated.runtime.run_until_idle()
    assert heard == [began + 10, began + 20, began + 30]


def test_a_timer_that_was_due_can_still_be_cancelled(simulated: ActorSystem) -> None:
    """Cancelled is cancelled, even if it is in the mailbox already."""
    heard: list[Any] = []
    ref = simulated.start(Probe)

    def set_and_cancel(actor: Probe) -> None:
        timer = actor.after(0, heard.append, "cancelled")
        timer.due()  # as the timer thread does, while the handler still runs
        timer.cancel()
        timer.cancel()

    ref.ask(set_and_cancel)
    simulated.runtime.run_until_idle()
    assert heard == []


def test_timers_fire_on_threads(real: ActorSystem) -> None:
    """A real timer comes back as a message of its actor."""
    fired: Future[Any] = Future()
    ref = real.start(Probe)
    ref.ask(lambda actor: actor.after(1_000_000, lambda: fired.try_set(actor.path) and None))
    assert fired.get(timeout=5) == ref.path


def test_many_cancelled_timers_are_thrown_away(real: ActorSystem) -> None:
    """A cancelled timer does not wait for its hour in memory."""
    timers = [real.runtime.call_later(10**15, lambda: None) for _ in range(1000)]
    assert real.runtime.live_timers() == 1000
    for timer in timers:
        timer.cancel()
    assert real.runtime.live_timers() == 0
    assert len(real.runtime._clock._heap) < 200


def test_an_answer_continues_in_a_message(system: ActorSystem) -> None:
    """`when` instead of waiting: the continuation runs in the actor, with the answer."""
    heard: list[Any] = []
    asker, asked = system.start(Probe, heard), system.start(Probe)

    def ask(actor: Probe) -> None:
        actor.when(asked.ask("question", block=False), go_on, actor)

    def go_on(answer: Future[Any], actor: Probe) -> None:
        actor.heard.append(answer.outcome())

    asker.ask(ask)
    settle(system, asked)
    settle(system, asker)
    assert heard == ["question"]


def test_an_answer_that_comes_after_the_end_is_dropped(simulated: ActorSystem) -> None:
    """A continuation belongs to the incarnation that wanted it."""
    heard: list[Any] = []
    future: Future[Any] = Future(simulated.runtime)
    ref = simulated.start(Probe)
    ref.ask(lambda actor: actor.when(future, heard.append))
    ref.stop()
    future.set("late")
    simulated.runtime.run_until_idle()
    assert heard == []


def test_an_answer_that_comes_in_the_next_incarnation_is_dropped(simulated: ActorSystem) -> None:
    """The next incarnation does not hear what the last one asked."""
    heard: list[Any] = []
    future: Future[Any] = Future(simulated.runtime)
    revived = [Future[Any](simulated.runtime)]
    parent = simulated.start(Reviver, [*revived])
    child = parent.ask(lambda actor: actor.spawn(Probe, name="child"))
    child.ask(lambda actor: actor.when(future, heard.append))
    child.tell(lambda _: 1 / 0)
    assert revived[0].get() == 2
    future.set("late")
    simulated.runtime.run_until_idle()
    assert heard == []
