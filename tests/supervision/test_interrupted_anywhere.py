"""Ctrl-C after each single call that the machine makes on the main thread, one after the other: nothing is left half done.

CPython runs a signal's handler when a call returns, when a function begins, and when a loop goes round. A tracer
raises there instead, at the first such place, then at the second, until the call under test comes to its end.
"""

import dis
import opcode
import queue
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import CodeType, FrameType
from typing import Any, TypeAlias

import pytest
from tests.supervision.supkit import PATIENCE_S, no_signal_handlers

from greenroom.supervision import (
    Actor,
    ActorRef,
    ActorSystem,
    Cause,
    ChildSpec,
    CountChildren,
    Dispatcher,
    MailboxSpec,
    Overflow,
    Shutdown,
    StopChild,
    SupervisionError,
    Supervisor,
    SupervisorFlags,
    ThreadRuntime,
    WhichChildren,
)
from greenroom.supervision._place import RUNNING

MACHINE = "greenroom/supervision/"
CHECKED = {
    opcode.opmap[name]
    for name in ("CALL", "CALL_KW", "CALL_FUNCTION_EX", "RESUME", "JUMP_BACKWARD")
    if name in opcode.opmap
}
"""After these CPython looks for signals."""
RESUME = opcode.opmap["RESUME"]
SHORT_S = 0.01


class Interrupted(KeyboardInterrupt):
    """What the signal's handler raises."""


def interrupt() -> None:
    """Raise, as the handler of a signal may."""
    raise Interrupted


class Places:
    """Counts the places where a handler could run, and raises at one of them, or does something else."""

    def __init__(self, at: int, strike: Callable[[], object] = interrupt) -> None:
        self.count = 0
        self._at = at
        self._strike = strike
        self._before: dict[FrameType, tuple[int, int]] = {}

    @contextmanager
    def counted(self) -> Generator[None]:
        """Trace the calls in here."""
        usual = sys.gettrace()
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(usual)

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if MACHINE not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "return":
            self._before.pop(frame, None)
        if event != "opcode":
            return self._trace
        code, here = frame.f_code, frame.f_lasti
        before, there = self._before.get(frame, (RESUME, here))
        self._before[frame] = code.co_code[here], here
        # The place belongs to the call: where that is the last one in a `try`, what is raised here comes too late.
        if before in CHECKED and _handler(code, there) == _handler(code, here):
            self.count += 1
            if self.count == self._at:
                sys.settrace(None)
                self._strike()
        return self._trace


def _handler(code: CodeType, offset: int) -> list[int]:
    parse: Any = getattr(dis, "_parse_exception_table")  # noqa: B009 - there is no public name
    return [entry.target for entry in parse(code) if entry.start <= offset < entry.end]


class Echo(Actor):
    """Answers, or waits."""

    def on_receive(self, message: Any) -> Any:
        """Wait for an event; give back anything else."""
        return message.wait(PATIENCE_S) if isinstance(message, threading.Event) else message


def press_ctrl_c() -> None:
    """Have this process get SIGINT."""
    signal.raise_signal(signal.SIGINT)


def press_twice() -> None:
    """Press it until it is raised where it comes."""
    press_ctrl_c()
    press_ctrl_c()


class Pressed(Actor):
    """Answers, and is interrupted if it is told so."""

    def on_receive(self, message: Any) -> Any:
        """Call what can be called; give back anything else."""
        return message() if callable(message) else message


Work: TypeAlias = Callable[[], object]
Setting: TypeAlias = Callable[[ActorSystem, ActorRef[Any], threading.Event], Work]
"""Sets a stage and returns what is to be interrupted; is given somebody who echoes, and an event to hang on."""


def hanging(system: ActorSystem, gate: threading.Event, **fields: Any) -> ActorRef[Any]:
    """Start an actor that hangs until the gate opens."""
    ref, started = system.launch(Echo, name="hangs", dispatcher=Dispatcher.BLOCKING, **fields)
    started.get(timeout=PATIENCE_S)
    ref.tell(gate)
    return ref


def full(system: ActorSystem, _: Any, gate: threading.Event) -> Work:
    """Wait for room in a mailbox."""
    ref = hanging(system, gate, mailbox=MailboxSpec(capacity=1, overflow=Overflow.BLOCK))
    ref.ask(1, block=False)

    def work() -> None:
        with suppress(SupervisionError):
            ref.ask(2, timeout=SHORT_S)

    return work


def resting(system: ActorSystem, _: Any, __: Any) -> Work:
    """Ask who is run by whoever asks."""
    ref, started = system.launch(Echo, name="resting", dispatcher=Dispatcher.CALLER)
    started.get(timeout=PATIENCE_S)
    return lambda: ref.ask(1, timeout=PATIENCE_S)


def elastic(system: ActorSystem, _: Any, __: Any) -> Work:
    """Ask who is run by a crew."""
    ref, started = system.launch(Echo, name="elastic", dispatcher=Dispatcher.ELASTIC)
    started.get(timeout=PATIENCE_S)
    return lambda: ref.ask(1, timeout=PATIENCE_S)


def brutal(system: ActorSystem, _: Any, gate: threading.Event) -> Work:
    """Stop who hangs, without asking it."""
    ref = hanging(system, gate, shutdown_ns=0)
    return lambda: system.request_stop(ref)


def impatient(system: ActorSystem, _: Any, gate: threading.Event) -> Work:
    """Close without patience."""
    hanging(system, gate, shutdown_ns=None)
    return lambda: system.close(timeout_ns=0)


def child(system: ActorSystem, _: Any, __: Any) -> Work:
    """Ask a supervisor for something."""
    specs = [ChildSpec(id="a", start=Echo)]
    ref, started = system.launch(Supervisor, (SupervisorFlags(), specs), name="supervisor")
    started.get(timeout=PATIENCE_S)
    return lambda: ref.ask(StopChild(child="a"), timeout=PATIENCE_S)


SETTINGS: dict[str, Setting] = {
    "tell": lambda _, ref, __: lambda: ref.tell(1),
    "ask": lambda _, ref, __: lambda: ref.ask(1, timeout=PATIENCE_S),
    "stop": lambda _, ref, __: lambda: ref.stop(timeout=PATIENCE_S),
    "watch": lambda _, ref, __: lambda: ref.watch(print),
    "register": lambda system, ref, __: lambda: system.register("name", ref),
    "launch": lambda system, _, __: lambda: system.launch(Echo, name="new", register="new"),
    "stop all": lambda system, _, __: system.stop,
    "close": lambda system, _, __: system.close,
    "launch elastic": lambda system, _, __: (
        lambda: system.launch(Echo, name="new", dispatcher=Dispatcher.ELASTIC)
    ),
    "launch pinned": lambda system, _, __: (
        lambda: system.launch(Echo, name="new", dispatcher=Dispatcher.PINNED)
    ),
    "elastic": elastic,
    "full": full,
    "resting": resting,
    "brutal": brutal,
    "impatient": impatient,
    "child": child,
}


def interrupted(setting: Setting, at: int) -> bool:
    """Interrupt at one place; whether the work had so many. Whatever it was at, others are answered, and all can be closed."""
    runtime = ThreadRuntime(pool_threads=1, blocking_threads=1)
    system, places, gate = ActorSystem(runtime), Places(at), threading.Event()
    system.attach(runtime.close)
    ref = system.start(Echo)
    work = setting(system, ref, gate)
    with suppress(Interrupted), places.counted():
        work()
    gate.set()
    if ref.is_alive():
        with suppress(SupervisionError):
            ref.ask("still there?", timeout=PATIENCE_S)
    closing = threading.Thread(target=system.close)
    closing.start()
    closing.join(PATIENCE_S)
    assert not closing.is_alive(), system.paths()
    for thread in threading.enumerate():
        if thread.name.startswith("greenroom"):
            started: threading.Event = getattr(thread, "_started")  # noqa: B009 - who starts one may be interrupted, too
            assert started.wait(PATIENCE_S)
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), thread.name
    over_in_vain(runtime)
    return places.count == at


def over_in_vain(runtime: ThreadRuntime) -> None:
    """See that a budget which was interrupted before anybody had noted it does nothing when it is over."""
    assert runtime.live_timers() <= 1
    for timer in tuple(runtime._clock._heap):
        timer[2]()
        timer.cancel()


@pytest.mark.parametrize("name", SETTINGS)
def test_an_interrupt_at_any_place_leaves_nothing_half_done(name: str) -> None:
    """The others answer, everything can be stopped, and no thread is left."""
    at = 1
    while interrupted(SETTINGS[name], at):
        at += 1
    assert at > 1


def held(at: int, start: Any, message: object, strike: Callable[[], object]) -> bool:
    """Press Ctrl-C at one place of an ask that the main thread sees to itself; whether there were so many."""
    runtime = ThreadRuntime(pool_threads=1, blocking_threads=1)
    system, places = ActorSystem(runtime), Places(at, strike)
    system.attach(runtime.close)
    args = (None, [ChildSpec(id="a", start=Echo)]) if start is Supervisor else ()
    top = system.start(Supervisor, SupervisorFlags(), [ChildSpec(id="asked", start=start, args=args)])
    ref = top.ask(WhichChildren(), timeout=PATIENCE_S)[0].ref
    assert ref.ask(CountChildren(), timeout=PATIENCE_S)
    while ref._cell.idle.locked():
        pass
    ref._cell.life.quick = True
    try:
        with places.counted():
            ref.ask(message)
    except KeyboardInterrupt:
        assert places.count == at or message is press_ctrl_c
    else:
        assert places.count < at
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert ref.ask(CountChildren(), timeout=PATIENCE_S)
    assert (runtime.zombies, runtime.guests, system.hung) == ({}, set(), {})
    closing = threading.Thread(target=system.close)
    closing.start()
    closing.join(PATIENCE_S)
    assert not closing.is_alive(), system.paths()
    over_in_vain(runtime)
    return places.count >= at


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signals on this system")
@pytest.mark.parametrize(
    ("start", "message", "strike"),
    [
        (Pressed, "hello", press_ctrl_c),
        (Pressed, press_ctrl_c, press_ctrl_c),
        (Supervisor, StopChild(child="a"), press_ctrl_c),
        (Supervisor, StopChild(child="a"), press_twice),
    ],
    ids=["once", "again", "supervisor", "supervisor twice"],
)
def test_ctrl_c_at_any_place_of_a_turn_on_the_main_thread_is_raised_and_leaves_nothing_behind(
    start: Any, message: object, strike: Callable[[], object]
) -> None:
    """Held or not, the first or the second: the ask is interrupted, and the actor, or its next incarnation, answers others."""
    with no_signal_handlers():
        at = 1
        while held(at, start, message, strike):
            at += 1
    assert at > 50


def asked_to_stop(at: int, *, busy: bool) -> bool:
    """Interrupt who asks for a stop at one place; whether there were so many."""
    runtime = ThreadRuntime(pool_threads=1, blocking_threads=1)
    system, places, gate = ActorSystem(runtime), Places(at), threading.Event()
    system.attach(runtime.close)
    if busy:
        ref = hanging(system, gate)
    else:
        ref = system.start(Echo)
        ref.ask("it rests", timeout=PATIENCE_S)
    causes: queue.SimpleQueue[Cause] = queue.SimpleQueue()
    ref.watch(lambda _, cause: causes.put(cause))
    with suppress(Interrupted), places.counted():
        system.request_stop(ref)
    asked = ref._cell.life.stop_timer is not None or ref._cell.state > RUNNING
    if not asked:
        over_in_vain(runtime)
    gate.set()
    if asked:
        assert causes.get(timeout=PATIENCE_S) == Shutdown()
    else:
        assert ref.ask("still there?", timeout=PATIENCE_S)
    system.close()
    return places.count == at


@pytest.mark.parametrize("busy", [False, True])
def test_who_is_interrupted_as_it_asks_for_a_stop_has_asked_or_has_not(busy: bool) -> None:
    """Either it stops in order, whether it rests or is busy now, or it goes on, and is not given up for a budget that is over."""
    at = 1
    while asked_to_stop(at, busy=busy):
        at += 1
    assert at > 1
