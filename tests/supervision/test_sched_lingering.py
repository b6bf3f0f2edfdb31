"""Steps that last: others go on meanwhile; what is given up comes back and is refused; locks are waited for, or hang."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from collections.abc import Callable
from typing import Any

import pytest

from greenroom.supervision import ActorSystem, Dispatcher, Hang
from greenroom.supervision.errors import ActorFenced, BlockingInHandler, Restless
from greenroom.supervision.probes import Probe
from greenroom.supervision.schedules import Replay
from greenroom.supervision.simulated import SimulatedRuntime


class Doing:
    """A task that does what it is given to do."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act

    def run(self) -> None:
        self.act()


def at(runtime: SimulatedRuntime, delay_ns: int, act: Callable[[], Any]) -> None:
    """Have something done as a task of its own, at that time."""
    executor = runtime.executor(Dispatcher.POOL, "pool")
    runtime.call_later(delay_ns, lambda: executor.submit(Doing(act)))


def test_others_go_on_while_a_step_lingers() -> None:
    """For exactly that time; what is due later waits."""
    runtime = SimulatedRuntime()
    seen: list[str] = []

    def lingers() -> None:
        me = runtime.thread_id()
        seen.append("begins")
        runtime.linger(100)
        seen.append(f"ends at {runtime.now_ns()}")
        assert runtime.thread_id() == me

    at(runtime, 0, lingers)
    for delay_ns in (50, 100, 101):
        at(runtime, delay_ns, lambda delay_ns=delay_ns: seen.append(f"other at {delay_ns}"))  # type: ignore[misc]
    runtime.run_until_idle()
    assert seen == ["begins", "other at 50", "other at 100", "ends at 100", "other at 101"]


def test_of_two_that_linger_the_later_comes_back_first() -> None:
    """Their stacks lie on each other; neither comes back before its time."""
    runtime = SimulatedRuntime()
    seen: list[tuple[str, int]] = []

    def lingers(name: str, delay_ns: int) -> None:
        runtime.linger(delay_ns)
        seen.append((name, runtime.now_ns()))

    at(runtime, 0, lambda: lingers("first", 50))
    at(runtime, 10, lambda: lingers("second", 100))
    runtime.run_until_idle()
    assert seen == [("second", 110), ("first", 110)]


def test_many_that_linger_at_once_do_not_exhaust_the_stack() -> None:
    """The deepest ones take their time alone."""
    runtime = SimulatedRuntime()
    over: list[int] = []

    def lingers() -> None:
        runtime.linger(1_000)
        over.append(runtime.now_ns())

    for number in range(100):
        at(runtime, number, lingers)
    runtime.run_until_idle()
    assert len(over) == 100
    assert min(over) >= 1_000


def test_a_thread_handles_nothing_else_while_its_step_lingers() -> None:
    """A pinned executor keeps its order; a shared one does not mind."""
    runtime = SimulatedRuntime(scheduler=Replay(()))
    order: list[str] = []
    pinned = runtime.executor(Dispatcher.PINNED, "lane")
    shared = runtime.executor(Dispatcher.POOL, "pool")

    def lingers() -> None:
        runtime.linger(10)
        order.append("lingered")

    pinned.submit(Doing(lingers))
    pinned.submit(Doing(lambda: order.append("behind")))
    shared.submit(Doing(lambda: order.append("elsewhere")))
    runtime.run_until_idle()
    assert order == ["elsewhere", "lingered", "behind"]


def test_a_lingering_handler_that_is_fenced_comes_back_and_is_refused() -> None:
    """As on real threads: the next incarnation runs meanwhile, and what the old one still sends is refused."""
    runtime = SimulatedRuntime()
    heard: list[Any] = []
    with ActorSystem(runtime) as system:
        other = system.start(Probe)

        def lingers(actor: Probe) -> None:
            runtime.linger(1_000_000)
            heard.append(actor.given_up)
            with pytest.raises(ActorFenced):
                other.tell("from a zombie")
            heard.append("refused")

        ref, started = system.launch(Probe, name="probe", shutdown_ns=500)
        started.get()
        asked = ref.ask(lingers, block=False)
        at(runtime, 100, lambda: system.request_stop(ref))
        ended: list[int] = []
        ref.watch(lambda *_: ended.append(runtime.now_ns()))
        runtime.run_until_idle()
        assert isinstance(asked.error(), ActorFenced)
        assert ended == [600]
        assert heard == [True, "refused"]
        assert runtime.now_ns() == 1_000_000
        assert runtime.zombies == {}
        assert other.ask(lambda actor: actor.heard) == []


def test_what_a_law_raises_while_a_step_lingers_is_not_caught_by_that_step() -> None:
    """Though it catches everything: it is the run that has failed."""
    runtime = SimulatedRuntime()
    caught: list[BaseException] = []

    def careless() -> None:
        try:
            runtime.linger(100)
        except Exception as error:  # noqa: BLE001 - that is what it is about
            caught.append(error)

    def law() -> None:
        if runtime.now_ns() == 50:
            raise ZeroDivisionError

    at(runtime, 0, careless)
    at(runtime, 50, lambda: None)
    runtime.on_step = law
    with pytest.raises(ZeroDivisionError):
        runtime.run_until_idle()
    assert caught == []
    assert runtime.thread_id() == 0


def test_the_limit_of_steps_holds_while_a_step_lingers() -> None:
    """It is told to whoever runs it."""
    runtime = SimulatedRuntime(limit=40)

    def again() -> None:
        runtime.call_later(1, again)

    again()
    at(runtime, 0, lambda: runtime.linger(10**9))
    with pytest.raises(Restless):
        runtime.run_until_idle()
    assert runtime.steps == 40


def test_who_comes_for_a_lock_of_a_step_that_hangs_waits_until_it_is_released() -> None:
    """By somebody else, in its name; a ``with`` of the one that hangs releases nothing."""
    runtime = SimulatedRuntime(scheduler=Replay(()))
    lock = runtime.lock()
    seen: list[Any] = []

    def hangs() -> None:
        with lock:
            runtime.hang()

    def comes() -> None:
        with lock:
            seen.append(runtime.now_ns())

    at(runtime, 0, hangs)
    at(runtime, 10, comes)
    at(runtime, 500, lock.release)
    runtime.run_until_idle()
    assert seen == [500]
    assert not lock.locked()


def test_who_waits_for_ever_hangs_too() -> None:
    """After a minute of virtual time at the latest; it is no error of his."""
    runtime = SimulatedRuntime(scheduler=Replay(()))
    lock = runtime.lock()
    seen: list[Any] = []

    def comes() -> None:
        try:
            with lock:
                seen.append("got it")
        except Exception as error:  # noqa: BLE001 - none is expected
            seen.append(error)
        except Hang:
            seen.append("hangs")
            raise

    def hangs() -> None:
        lock.acquire()
        runtime.hang()

    at(runtime, 0, hangs)
    at(runtime, 10, comes)
    runtime.run_until_idle()
    assert seen == ["hangs"]
    assert runtime.blocked == []


def test_a_bell_that_one_has_taken_oneself_is_rung_by_others() -> None:
    """A lock that is acquired twice by one step, and released by another in between."""
    runtime = SimulatedRuntime(scheduler=Replay(()))
    bell = runtime.lock()
    seen: list[int] = []

    def waits() -> None:
        bell.acquire()
        bell.acquire()
        seen.append(runtime.now_ns())

    at(runtime, 0, waits)
    at(runtime, 30, bell.release)
    runtime.run_until_idle()
    assert seen == [30]


def test_a_lock_of_a_step_that_lingers_is_refused() -> None:
    """It lies below on the stack, and cannot go on before the one that waits does."""
    runtime = SimulatedRuntime(scheduler=Replay(()))
    lock = runtime.lock()
    seen: list[BlockingInHandler] = []

    def lingers() -> None:
        with lock:
            runtime.linger(100)

    def comes() -> None:
        with pytest.raises(BlockingInHandler) as caught:
            lock.acquire()
        seen.append(caught.value)

    at(runtime, 0, lingers)
    at(runtime, 50, comes)
    runtime.run_until_idle()
    assert runtime.blocked == seen
    assert "in comes" in seen[0].where


def test_a_step_that_hangs_is_named_by_its_thread() -> None:
    """By the path of the actor whose thread it is."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        ref, started = system.launch(Probe, name="worker", dispatcher=Dispatcher.PINNED, shutdown_ns=9)
        started.get()
        ref._cell.executor.submit(Doing(runtime.hang))
        runtime.run_until_idle()
        ref._cell.executor.replace()
        assert list(runtime.zombie_stacks()) == ["worker"]


def test_outside_of_steps_nothing_lingers_or_hangs() -> None:
    """It would be the program's own time."""
    runtime = SimulatedRuntime()
    acts: list[Callable[[], Any]] = [lambda: runtime.linger(1), runtime.hang]
    for act in acts:
        with pytest.raises(AssertionError, match="only what runs in a step"):
            act()


def test_a_trace_that_raises_ends_the_run_in_order() -> None:
    """The runtime can be closed after it."""

    def trace(_: Any) -> None:
        raise ZeroDivisionError

    runtime = SimulatedRuntime(trace=trace)
    at(runtime, 0, lambda: None)
    with pytest.raises(ZeroDivisionError):
        runtime.run_until_idle()
    assert runtime.thread_id() == 0
    runtime.trace = None
    runtime.close()
