"""Calls that would block a simulated step: found at once or soon, with their place, and never hanging the run."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

import asyncio
import queue
import select
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future as PoolFuture
from contextlib import contextmanager
from typing import Any

import pytest

from greenroom.supervision import ActorCrashed, ActorSystem, Dispatcher
from greenroom.supervision.errors import BlockingInHandler
from greenroom.supervision.exploring import explore, random_schedules
from greenroom.supervision.probes import Probe
from greenroom.supervision.simulated import SimulatedRuntime


@contextmanager
def held() -> Generator[Any, None, None]:
    """Give a lock that is held."""
    lock = threading.Lock()
    lock.acquire()
    yield lock


def wait_for_condition(_: Any) -> None:
    """Wait for a condition that nobody notifies."""
    condition = threading.Condition()
    with condition:
        condition.wait(5)


def receive(_: Any) -> None:
    """Receive from a peer that says nothing."""
    one, other = socket.socketpair()
    with one, other:
        one.recv(1)


def run_loop(_: Any) -> None:
    """Run an event loop."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(loop.create_future())
    finally:
        loop.close()


def choose(_: Any) -> None:
    """Select in nothing."""
    with selectors.DefaultSelector() as selector:
        selector.select(5)


AT_ONCE: dict[str, Callable[[Any], Any]] = {
    "time.sleep": lambda _: time.sleep(5),
    "Event.wait": lambda _: threading.Event().wait(5),
    "Condition.wait": wait_for_condition,
    "Queue.get": lambda _: queue.Queue[int]().get(),
    "Semaphore.acquire": lambda _: threading.Semaphore(0).acquire(),
    "Thread.join": lambda _: threading.main_thread().join(5),
    "Future.result": lambda _: PoolFuture[int]().result(5),
    "run": lambda _: subprocess.run([sys.executable, "-c", "0"], check=False),
    "select.select": lambda _: select.select([], [], [], 5),
    "selectors": choose,
    "socket.recv": receive,
    "BaseEventLoop.run_until_complete": run_loop,
    "get() of an answer that is not there yet": lambda actor: actor.actor_ref.ask(1),
}


def blocked(
    act: Callable[[Any], Any], dispatcher: Dispatcher = Dispatcher.POOL
) -> tuple[BlockingInHandler, float]:
    """Have an actor do something that blocks; return what was raised there, and the real seconds it took."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        ref, started = system.launch(Probe, name="probe", dispatcher=dispatcher)
        started.get()
        began = time.monotonic()
        with pytest.raises(ActorCrashed) as caught:
            ref.ask(act)
        took = time.monotonic() - began
    error = caught.value.cause
    assert isinstance(error, BlockingInHandler)
    assert runtime.blocked == [error]
    return error, took


@pytest.mark.parametrize("what", AT_ONCE)
def test_a_call_that_would_block_is_refused_where_it_is_called(what: str) -> None:
    """With the actor's path, the function that was called, the file and the line; nothing waits."""
    error, took = blocked(AT_ONCE[what])
    assert took < 4
    assert error.actor == "probe"
    assert error.what.removesuffix("()").endswith(what)
    assert error.where.startswith("test_sched_blocking.py:")
    assert error.where in str(error)


def test_no_dispatcher_may_block_in_a_simulation() -> None:
    """There is one thread, whatever the actor has been promised."""
    for dispatcher in Dispatcher:
        assert blocked(AT_ONCE["time.sleep"], dispatcher)[0].what == "time.sleep()"


def test_outside_of_steps_nothing_is_refused() -> None:
    """Neither between steps, nor on another thread while a step runs, nor what does not wait."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        ref = system.start(Probe)
        time.sleep(0.001)
        other = threading.Event()

        def elsewhere() -> None:
            time.sleep(0.001)
            other.set()

        thread = threading.Thread(target=elsewhere)

        def harmless(_: Any) -> str:
            time.sleep(0)
            one, another = socket.socketpair()
            with one, another:
                one.setblocking(False)
                with pytest.raises(BlockingIOError):
                    one.recv(1)
            select.select([], [], [], 0)
            return "done"

        thread.start()
        assert ref.ask(harmless) == "done"
        thread.join()
        assert other.is_set()
    assert runtime.blocked == []


in_c: dict[str, Callable[[Any], Any]] = {
    "a lock that is held": lambda _: _take_held_lock(),
    "a queue in C": lambda _: queue.SimpleQueue[int]().get(),
}


def _take_held_lock() -> None:
    with held() as lock, lock:
        raise AssertionError


@pytest.mark.parametrize("what", in_c)
def test_what_waits_in_c_is_interrupted_by_the_watchdog(what: str) -> None:
    """It raises in the actor as well, with its place."""
    error, _ = blocked(in_c[what])
    assert error.actor == "probe"
    assert error.what == "something that blocks"
    assert error.where.startswith("test_sched_blocking.py:")


def endless(_: Any) -> None:
    """Compute for ever."""
    while True:
        pass


def test_a_step_that_computes_for_ever_is_interrupted() -> None:
    """After the runtime's patience, in real time."""
    runtime = SimulatedRuntime()
    runtime.patience_ns = 200_000_000
    with ActorSystem(runtime) as system:
        ref = system.start(Probe)
        with pytest.raises(ActorCrashed) as caught:
            ref.ask(endless)
    cause = caught.value.cause
    assert isinstance(cause, BlockingInHandler)
    assert cause.what == "something that takes more than 0.2 s of real time"
    assert "in endless" in cause.where


def test_on_another_thread_python_code_is_interrupted_as_well() -> None:
    """Where no signal reaches it."""
    caught: list[Any] = []

    def simulate() -> None:
        runtime = SimulatedRuntime()
        runtime.patience_ns = 200_000_000
        with ActorSystem(runtime) as system:
            ref = system.start(Probe)
            caught.append(ref.ask(endless, block=False))
            runtime.run_until_idle()
            caught.append(runtime.blocked)

    thread = threading.Thread(target=simulate)
    thread.start()
    thread.join()
    error = caught[0].error().cause
    assert isinstance(error, BlockingInHandler)
    assert "real time" in error.what
    assert [each.what for each in caught[1]] == [error.what]


def test_a_program_that_blocks_has_failed_though_its_supervisor_goes_on() -> None:
    """A restart does not hide it."""

    def program(runtime: SimulatedRuntime) -> None:
        with ActorSystem(runtime) as system:
            system.start(Probe).tell(lambda _: time.sleep(1))
            runtime.run_until_idle()

    (failure,) = explore(program, random_schedules(3)).failures
    assert isinstance(failure.error, BlockingInHandler)
    assert failure.error.what == "time.sleep()"
