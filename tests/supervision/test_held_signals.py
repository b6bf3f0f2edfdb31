"""The main thread runs a quick handler of the pool's, and Ctrl-C waits for it. Real threads, real signals."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.supervision.supkit import PATIENCE_S, no_signal_handlers

from greenroom.supervision import (
    ActorCrashed,
    ActorFenced,
    ActorRef,
    ActorSystem,
    ChildSpec,
    Dispatcher,
    Liveness,
    RestartChild,
    StopChild,
    Supervisor,
    SupervisorFlags,
    _caller,
    _held_signals,
)
from greenroom.supervision._at_rest import stop_at_rest
from greenroom.supervision._held_signals import HeldInterrupt
from greenroom.supervision.events import ActorCrashedEvent
from greenroom.supervision.probes import Probe, Recorder

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signals on this system")
ROOT = Path(__file__).parents[2]
EVER_NS = 10**18
HOUR_NS = 3_600_000_000_000
PATCH = pytest.MonkeyPatch()
"""For tests in a process of their own, which take nothing back."""


class ReplyError(Exception):
    """An answer that is an error."""


class Refusing:
    """A message that is answered with an error."""

    errors: ClassVar = (ReplyError,)

    def __call__(self, _: Any) -> None:
        raise ReplyError


def where(_: Any = None) -> int:
    """Say which thread runs this."""
    return threading.get_ident()


def fail(_: Any = None) -> None:
    """Crash."""
    raise RuntimeError("on purpose")


def handler_of_ctrl_c(_: Any = None) -> Any:
    """Say what a SIGINT would find."""
    return signal.getsignal(signal.SIGINT)


def kill_me(_: Any = None) -> None:
    """Press Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


def prove(ref: ActorRef[Any]) -> None:
    """Ask until the main thread runs the handler: it is quick, and at rest."""
    while ref.ask(where) != where():
        pass


def child_of(
    system: ActorSystem, dispatcher: Dispatcher = Dispatcher.POOL, **kwargs: Any
) -> tuple[ActorRef[Any], ActorRef[Any]]:
    """Start a supervisor with one child; return both."""

    class Top(Supervisor):
        def on_receive(self, message: Any) -> Any:
            return self.ref_of("child") if message == "child" else super().on_receive(message)

    spec = ChildSpec(id="child", start=Probe, dispatcher=dispatcher, kwargs=kwargs)
    top = system.start(Top, SupervisorFlags(intensity=1000), [spec])
    return top, top.ask("child", timeout=PATIENCE_S)


@pytest.fixture
def quiet() -> Iterator[None]:
    """A process without handlers of signals."""
    with no_signal_handlers():
        yield


@pytest.fixture
def probe(real: ActorSystem, quiet: None, monkeypatch: pytest.MonkeyPatch) -> ActorRef[Probe]:
    """A probe on the pool whose handler the main thread would run; however slow this machine is, it is quick."""
    monkeypatch.setattr(_caller, "QUICK_NS", EVER_NS)
    ref = real.start(Probe)
    prove(ref)
    return ref


def in_a_process(scenario: Callable[[], None]) -> Callable[[], None]:
    """Have a test run in a process of its own, where Ctrl-C is nobody else's."""

    @wraps(scenario)
    def test() -> None:
        text = f"from tests.supervision.test_held_signals import {scenario.__name__} as test, by_itself\n"
        text += "by_itself(test.__wrapped__)"
        ran = subprocess.run(
            [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
        )
        assert ran.returncode == 0, ran.stderr

    return test


def by_itself(scenario: Callable[[], None]) -> None:
    """Run a test in a process without handlers of signals, where each answer is a quick one."""
    PATCH.setattr(_caller, "QUICK_NS", EVER_NS)
    with no_signal_handlers():
        scenario()


# -- where it runs -------------------------------------------------------------------------------------------------


def test_the_main_thread_runs_the_handler_of_an_actor_that_was_quick(
    real: ActorSystem, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ask goes to the pool, and its answer is the proof."""
    monkeypatch.setattr(_caller, "QUICK_NS", EVER_NS)
    ref = real.start(Probe)
    assert ref.ask(where) != where()
    prove(ref)
    assert [ref.ask(where) for _ in range(5)] == [where()] * 5
    assert real.runtime.guests == set()


def test_an_actor_that_was_slow_must_prove_itself_anew(
    real: ActorSystem, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the pool has run it or the main thread; quick is what takes 2 ms at most."""
    ref = real.start(Probe)

    def slow(_: Any) -> int:
        threading.Event().wait(0.005)
        return where()

    assert ref.ask(slow) != where()
    assert ref.ask(where) != where()
    monkeypatch.setattr(_caller, "QUICK_NS", EVER_NS)
    prove(ref)
    monkeypatch.undo()
    assert ref.ask(slow) == where()
    assert ref.ask(where) != where()


@pytest.mark.parametrize("message", [Refusing(), fail], ids=["declared", "crash"])
def test_an_error_is_no_proof(probe: ActorRef[Probe], message: Any) -> None:
    """Only an answer is."""
    with pytest.raises((ReplyError, ActorCrashed)):
        probe.ask(message)
    assert not probe._cell.life.quick


def test_a_new_incarnation_must_prove_itself(
    real: ActorSystem, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code may do something else."""
    monkeypatch.setattr(_caller, "QUICK_NS", EVER_NS)
    _, child = child_of(real)
    for number in (1, 2, 3):
        assert child.ask(where) != where()
        prove(child)
        assert child.incarnation == number
        with pytest.raises(ActorCrashed):
            child.ask(fail)


def test_an_incarnation_that_comes_just_then_is_not_run(
    real: ActorSystem, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the last one was quick says nothing of it, even if the last one was there when the ask began."""
    monkeypatch.setattr(_caller, "QUICK_NS", EVER_NS)
    _, child = child_of(real)
    prove(child)

    def restarted() -> bool:
        monkeypatch.undo()
        with pytest.raises(ActorCrashed):
            child.ask(fail, timeout=PATIENCE_S)
        while child.ask(lambda actor: actor.incarnation, timeout=PATIENCE_S) == 1 or not at_rest():
            pass
        return False

    def at_rest() -> bool:
        cell = child._cell
        return not (cell.idle.locked() or cell.user or cell.control)

    monkeypatch.setattr(_caller, "_is_busy", restarted)
    assert child.ask(where) != where()
    assert child.incarnation == 2


def test_a_supervisor_that_the_main_thread_runs_stops_nobody_there(
    real: ActorSystem, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second Ctrl-C between two steps would leave the child half stopped; so each end is a thread's of the pool."""
    monkeypatch.setattr(_caller, "QUICK_NS", EVER_NS)
    at: list[int] = []

    class Top(Supervisor):
        def on_receive(self, message: Any) -> Any:
            if isinstance(message, StopChild):
                at.append(where())
            return super().on_receive(message)

    def noted(cell: Any, cause: Any) -> bool:
        ends.append(where())
        return stop_at_rest(cell, cause)

    ends: list[int] = []
    monkeypatch.setattr("greenroom.supervision._ending.stop_at_rest", noted)
    top = real.start(Top, None, [ChildSpec(id="child", start=Probe)])
    while where() not in at:
        top.ask(StopChild(child="child"))
        top.ask(RestartChild(child="child"))
    assert where() not in ends


def test_who_says_how_long_to_wait_on_the_main_thread_is_not_held(probe: ActorRef[Probe]) -> None:
    """Nor is who does not wait."""
    assert probe.ask(where, timeout=PATIENCE_S) != where()
    assert probe.ask(where, block=False).get(timeout=PATIENCE_S) != where()


def handled(*_: Any) -> None:
    """A signal's handler."""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGALRM", "SIGUSR1", "SIGHUP", "SIGINT"])
def test_where_another_signal_has_a_handler_the_pool_runs_it(probe: ActorRef[Probe], name: str) -> None:
    """It could end the process, or close the system, in the middle of the actor."""
    number = signal.Signals[name]
    before = signal.signal(number, handled)
    try:
        assert probe.ask(where) != where()
        assert signal.getsignal(number) is handled
    finally:
        signal.signal(number, before)
    prove(probe)


@pytest.mark.parametrize("how", [signal.SIG_IGN, signal.SIG_DFL])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_without_a_handler_in_python_is_no_obstacle(
    probe: ActorRef[Probe], name: str, how: Any
) -> None:
    """What the system does by itself never comes between two steps; and it is left as it is."""
    number = signal.Signals[name]
    before = signal.signal(number, how)
    try:
        assert probe.ask(where) == where()
        assert probe.ask(lambda _: signal.getsignal(number)) == how
        assert signal.getsignal(number) == how
    finally:
        signal.signal(number, before)


def test_under_an_event_loop_on_the_main_thread_the_pool_runs_it(probe: ActorRef[Probe]) -> None:
    """A handler never finds itself inside somebody's loop."""

    async def ask() -> int:
        ran_on: int = probe.ask(where)
        return ran_on

    assert asyncio.run(ask()) != where()


@pytest.mark.parametrize("recorded", [False, True])
def test_the_main_thread_runs_nobody_who_is_watched_or_recorded(quiet: None, recorded: bool) -> None:
    """A liveness budget takes an actor out of its handler, which it cannot on somebody else's thread."""
    fields: dict[str, Any] = {} if recorded else {"liveness": Liveness(handler_ns=HOUR_NS)}
    with ActorSystem(record_messages=recorded) as system:
        for dispatcher in (Dispatcher.POOL, Dispatcher.CALLER):
            ref = system.launch(Probe, name=dispatcher, dispatcher=dispatcher, **fields)[0]
            assert type(ref) is ActorRef
            assert where() not in [ref.ask(where) for _ in range(20)]


# -- whose handler SIGINT has ----------------------------------------------------------------------------------------


def test_ctrl_c_is_held_for_the_turn_alone(probe: ActorRef[Probe]) -> None:
    """Before and after it Python's own handler is there."""
    assert type(probe.ask(handler_of_ctrl_c)) is HeldInterrupt
    assert handler_of_ctrl_c() is signal.default_int_handler


@pytest.mark.parametrize("how", ["crash", "declared", "fence", "restart"])
def test_however_a_turn_ends_pythons_handler_of_ctrl_c_is_back(
    real: ActorSystem, quiet: None, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Also of an incarnation that was given up, and replaced, meanwhile."""
    monkeypatch.setattr(_caller, "QUICK_NS", EVER_NS)
    _, child = child_of(real)
    prove(child)
    found: list[Any] = []

    def given_up(_: Any) -> None:
        found.append(handler_of_ctrl_c())
        child._cell.fence("on purpose")
        while how == "restart" and child.incarnation == 1:
            threading.Event().wait(0.001)

    def crash(_: Any) -> None:
        found.append(handler_of_ctrl_c())
        fail()

    class Declared(Refusing):
        def __call__(self, _: Any) -> None:
            found.append(handler_of_ctrl_c())
            raise ReplyError

    message = {"crash": crash, "declared": Declared()}.get(how, given_up)
    with pytest.raises((ActorCrashed, ReplyError, ActorFenced)):
        child.ask(message)
    assert [type(each) for each in found] == [HeldInterrupt]
    assert handler_of_ctrl_c() is signal.default_int_handler
    assert child.ask("hello", timeout=PATIENCE_S) == "hello"
    assert real.runtime.zombies == {}


def test_an_actor_may_set_a_handler_of_ctrl_c(probe: ActorRef[Probe]) -> None:
    """It stays."""
    try:
        probe.ask(lambda _: signal.signal(signal.SIGINT, handled) and None)
        assert handler_of_ctrl_c() is handled
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_where_no_signals_strike_nothing_is_held() -> None:
    """Python may take another thread for its main one than `threading` does, which some embed."""
    found: list[Any] = []

    def hold() -> None:
        with HeldInterrupt() as held:
            found.append((handler_of_ctrl_c(), held.noted))

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join(PATIENCE_S)
    assert found == [(signal.default_int_handler, False)]


# -- Ctrl-C ----------------------------------------------------------------------------------------------------------


@in_a_process
def test_ctrl_c_in_a_short_handler_leaves_the_actor_whole() -> None:
    """The ask is interrupted behind it; the same incarnation goes on, and runs its `on_stop` at the end."""
    stopped: list[list[Any]] = []
    with ActorSystem() as system:
        _, child = child_of(system, on_stop=lambda actor: stopped.append(actor.heard))
        prove(child)

        def handler(actor: Any) -> None:
            kill_me()
            actor.heard.append((where(), "came to its end"))

        with pytest.raises(KeyboardInterrupt):
            child.ask(handler)
        assert handler_of_ctrl_c() is signal.default_int_handler
        assert not child._cell.life.quick
        assert child.ask(where) != where()
        assert child.incarnation == 1
    assert stopped == [[(where(), "came to its end")]]


@in_a_process
def test_an_answer_that_was_taken_over_is_not_waited_for_after_ctrl_c() -> None:
    """The handler has returned, so the ask is interrupted."""
    with ActorSystem() as system:
        ref = system.start(Probe)
        prove(ref)

        def handler(actor: Any) -> None:
            actor.defer_reply()
            kill_me()

        with pytest.raises(KeyboardInterrupt):
            ref.ask(handler)
        assert ref.ask("hello") == "hello"


def never_returns(wait: Callable[[], None]) -> None:
    """See that Ctrl-C ends a handler that hangs, and that its supervisor restarts the actor."""
    failures: list[BaseException] = []
    with ActorSystem() as system:
        events = Recorder(system)
        _, child = child_of(system, on_failure=failures.append)
        prove(child)

        def handler(actor: Any) -> None:
            kill_me()
            wait()
            raise AssertionError("it should hang until it is interrupted")

        with pytest.raises(KeyboardInterrupt):
            child.ask(handler)
        assert handler_of_ctrl_c() is signal.default_int_handler
        assert child.ask(lambda actor: actor.incarnation) == 2
        assert [event.error for event in events.of(ActorCrashedEvent)] == ["KeyboardInterrupt"]
        assert [type(each) for each in failures] == [KeyboardInterrupt]
        assert system.runtime.zombies == {}


def loop() -> None:
    """Hang."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        pass


@in_a_process
def test_ctrl_c_ends_a_handler_that_hangs_in_python() -> None:
    """After the patience it is raised there: the actor's crash, and the ask's interrupt."""
    never_returns(loop)


@in_a_process
def test_ctrl_c_ends_a_handler_that_hangs_where_no_thread_can_be_sent_a_signal() -> None:
    """As on Windows: there Python is told of it."""
    del signal.pthread_kill
    never_returns(loop)


@in_a_process
def test_ctrl_c_ends_a_handler_that_hangs_in_c() -> None:
    """A sleep goes on after a signal whose handler returns, so another signal is sent."""
    never_returns(lambda: time.sleep(PATIENCE_S))


@in_a_process
def test_ctrl_c_ends_a_handler_that_waits_for_a_lock() -> None:
    """As a sleep."""
    lock = threading.Lock()
    lock.acquire()

    def wait() -> None:
        lock.acquire(timeout=PATIENCE_S)

    never_returns(wait)


@in_a_process
def test_a_second_ctrl_c_is_raised_at_once() -> None:
    """Who presses it twice does not want to wait."""
    PATCH.setattr(_held_signals, "PATIENCE_S", 3600.0)
    never_returns(kill_me)


@in_a_process
def test_ctrl_c_is_raised_at_once_where_nobody_could_remind_of_it() -> None:
    """There can be no more threads."""

    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    PATCH.setattr(_held_signals, "call_late", refuse)
    never_returns(lambda: None)


@in_a_process
def test_a_ctrl_c_that_the_actor_swallows_is_raised_by_the_ask() -> None:
    """Whoever asked was interrupted all the same."""
    with ActorSystem() as system:
        ref = system.start(Probe)
        prove(ref)

        def handler(actor: Any) -> None:
            try:
                kill_me()
                kill_me()
            except KeyboardInterrupt:
                actor.heard.append("swallowed")

        with pytest.raises(KeyboardInterrupt):
            ref.ask(handler)
        assert ref.ask(lambda actor: (actor.incarnation, actor.heard)) == (1, ["swallowed"])


@in_a_process
def test_no_reminder_of_ctrl_c_comes_after_its_turn() -> None:
    """Neither outside of a turn nor in the next one."""
    with ActorSystem() as system:
        ref = system.start(Probe)
        prove(ref)
        with pytest.raises(KeyboardInterrupt):
            ref.ask(kill_me)
        prove(ref)

        def patient(_: Any) -> int:
            time.sleep(2 * _held_signals.PATIENCE_S)
            return where()

        assert ref.ask(patient) == where()
        with pytest.raises(KeyboardInterrupt):
            ref.ask(kill_me)
        time.sleep(2 * _held_signals.PATIENCE_S)


@in_a_process
def test_a_reminder_that_has_looked_before_the_turn_was_over_sends_nothing_after_it() -> None:
    """To look whether it still goes on, and to send, is one step."""
    reminders: list[Callable[[], None]] = []
    PATCH.setattr(_held_signals, "call_late", lambda _, remind: reminders.append(remind))
    with HeldInterrupt() as held:
        kill_me()
    PATCH.setattr(_held_signals, "_get", lambda _: held)
    (remind,) = reminders
    remind()
    assert held.noted


@in_a_process
def test_a_handler_of_the_actors_hears_of_no_reminder() -> None:
    """It has taken over: what is held is raised when its message is done."""
    heard: list[int] = []
    with ActorSystem() as system:
        ref = system.start(Probe)
        prove(ref)

        def handler(_: Any) -> None:
            kill_me()
            signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
            time.sleep(2 * _held_signals.PATIENCE_S)

        with pytest.raises(KeyboardInterrupt):
            ref.ask(handler)
        assert heard == []
        kill_me()
        assert heard == [signal.SIGINT]


@in_a_process
def test_ctrl_c_before_the_next_turn_is_raised_as_ever() -> None:
    """What is held for one turn holds for no other: each has a Ctrl-C of its own."""
    with ActorSystem() as system:
        _, child = child_of(system)
        for _ in range(3):
            prove(child)
            with pytest.raises(KeyboardInterrupt):
                child.ask(kill_me)
            with pytest.raises(KeyboardInterrupt):
                kill_me()
        assert child.incarnation == 1
