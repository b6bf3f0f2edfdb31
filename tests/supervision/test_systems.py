"""Systems and the real runtime: observers are guests, the pool survives, and closing leaves nothing."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

import threading
from threading import Event
from typing import Any

import pytest

from greenroom.supervision._actor import Actor
from greenroom.supervision._default import close_default_system, default_system
from greenroom.supervision._future import Future
from greenroom.supervision._system import ActorSystem
from greenroom.supervision._threads import ThreadRuntime
from greenroom.supervision.errors import ActorCrashed, BlockingInHandler
from greenroom.supervision.events import ActorCrashedEvent, ActorEnded, ActorStarted
from greenroom.supervision.probes import Probe, Recorder
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.simulated import SimulatedRuntime


def test_observers_hear_of_lives_until_they_take_themselves_back(system: ActorSystem) -> None:
    """Started, crashed, ended; and nothing any more after the undoing."""
    seen = Recorder(system)
    ref = system.start(Probe)
    ref.stop(timeout=5)
    assert [type(event) for event in seen.events] == [ActorStarted, ActorEnded]
    seen.close()
    seen.close()
    system.start(Probe)
    assert len(seen.events) == 2


def test_an_observer_that_fails_harms_nobody(system: ActorSystem) -> None:
    """The others hear the event all the same, and the actor starts."""

    def fail(_: object) -> None:
        raise ValueError("on purpose")

    system.observe(fail)
    seen = Recorder(system)
    system.start(Probe)
    assert len(seen.of(ActorStarted)) == 1


def test_a_host_whose_log_fails_harms_nobody(system: ActorSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash is still a crash when it cannot be logged."""

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise OSError("disk full")

    monkeypatch.setattr("greenroom.supervision._system.get_logger", lambda **_: Broken())
    seen = Recorder(system)
    ref = system.start(Probe)
    gone: Future[None] = Future(system.runtime, "probe")
    ref._cell.watch(system.runtime.next_id(), lambda _, __: gone.try_set(None), None)
    ref.tell(lambda _: 1 / 0)
    gone.get(timeout=5)
    assert len(seen.of(ActorCrashedEvent)) == 1


class Failing:
    """A task with a bug."""

    def run(self) -> None:
        raise KeyboardInterrupt


def test_a_task_with_a_bug_does_not_cost_the_pool_a_thread(real: ActorSystem) -> None:
    """As many failing tasks as there are threads, and actors still run."""
    for dispatcher in (Dispatcher.POOL, Dispatcher.BLOCKING):
        for _ in range(10):
            real.runtime.executor(dispatcher, "x").submit(Failing())
    assert real.start(Probe).ask(1, timeout=5) == 1


def test_a_timer_with_a_bug_does_not_stop_the_others(real: ActorSystem) -> None:
    """The clock goes on."""

    def fail() -> None:
        raise SystemExit

    fired = Event()
    real.runtime.call_later(0, fail)
    real.runtime.call_later(1_000, fired.set)
    assert fired.wait(5)


def test_a_pinned_actor_has_a_thread_of_its_own_and_gives_it_back(real: ActorSystem) -> None:
    """Its handlers may block; its thread has its name, and ends with it."""
    ref, started = real.launch(Probe, name="worker", dispatcher=Dispatcher.PINNED)
    started.get(timeout=5)
    other = real.start(Probe)
    name = ref.ask(lambda _: (other.ask("may block here"), threading.current_thread())[1], timeout=5)
    assert name.name == "greenroom-worker-1"
    assert real.runtime.live_pinned() == 1
    ref.stop(timeout=5)
    name.join(5)
    assert real.runtime.live_pinned() == 0


def test_a_class_may_choose_its_dispatcher(real: ActorSystem) -> None:
    """The class's choice holds where the starter does not say."""

    class Pinned(Actor):
        dispatcher = Dispatcher.PINNED

        def on_receive(self, message: Any) -> str:
            return threading.current_thread().name

    assert real.start(Pinned).ask("where", timeout=5).startswith("greenroom-Pinned")


def test_a_runtime_has_as_many_threads_as_it_was_told() -> None:
    """Pools are sized by their options, and all threads end with the runtime."""
    before = set(threading.enumerate())
    runtime = ThreadRuntime(pool_threads=3, blocking_threads=1, seed=5)
    names = [thread.name for thread in set(threading.enumerate()) - before]
    assert sum("pool" in name for name in names) == 3
    assert sum("blocking" in name for name in names) == 1
    assert runtime.random.random() == ThreadRuntimeDice.first(5)
    runtime.close()
    runtime.close()
    assert set(threading.enumerate()) == before


class ThreadRuntimeDice:
    """What the dice show for a seed."""

    @staticmethod
    def first(seed: int) -> float:
        import random  # noqa: PLC0415 - only here

        return random.Random(seed).random()  # noqa: S311 - as in the runtime


def test_a_runtime_that_was_passed_in_is_not_closed_by_the_system() -> None:
    """Who made it closes it: two systems can share one."""
    runtime = ThreadRuntime()
    try:
        with ActorSystem(runtime) as first:
            first.start(Probe)
        with ActorSystem(runtime) as second:
            assert second.start(Probe).ask(1, timeout=5) == 1
    finally:
        runtime.close()


def test_close_is_idempotent_and_ends_all_roots(system: ActorSystem) -> None:
    """A second close does nothing."""
    refs = [system.start(Probe) for _ in range(5)]
    system.close()
    system.close()
    assert not any(ref.is_alive() for ref in refs)
    assert system.runtime.live_timers() == 0


def test_the_default_system_is_made_when_needed_and_again_after_a_close() -> None:
    """Tests and programs that end in order close it."""
    first = default_system()
    assert default_system() is first
    close_default_system()
    assert default_system() is not first


def test_a_late_task_runs_in_its_senders_thread_after_close() -> None:
    """A closed runtime still sees to the last message: nobody waits for ever."""
    runtime = ThreadRuntime()
    runtime.close()
    ran: list[int] = []

    class Task:
        def run(self) -> None:
            ran.append(threading.get_ident())

    for dispatcher in (Dispatcher.POOL, Dispatcher.BLOCKING):
        runtime.executor(dispatcher, "late").submit(Task())
    runtime.executor(Dispatcher.POOL, "late").submit(Failing())
    assert ran == [threading.get_ident()] * 2


def test_stop_may_lose_patience_and_close_still_ends() -> None:
    """Under simulation: the budget of the roots decides, in virtual time."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        for number in range(3):
            system.launch(
                Probe, kwargs={"on_stop": lambda _: runtime.hang()}, name=f"{number}", shutdown_ns=10**9
            )[1].get()
        system.close()
        assert runtime.now_ns() == 3 * 10**9
        assert sorted(runtime.zombies.values()) == ["0", "1", "2"]


def test_an_actor_that_may_not_wait_starts_nobody_by_waiting() -> None:
    """It is refused before anything is started: there is no actor that nobody has heard of."""
    with ActorSystem() as system:
        ref = system.start(Probe)
        gone = threading.Event()
        ref.watch(lambda _, __: gone.set())
        with pytest.raises(ActorCrashed) as crashed:
            ref.ask(lambda _: system.start(Probe), timeout=20)
        assert isinstance(crashed.value.cause, BlockingInHandler)
        assert gone.wait(20)
        assert system.paths() == []
