"""Ctrl-C, or another signal's handler that raises, at any place of a call into the machine: nobody hangs afterwards."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest
from tests.supervision.supkit import PATIENCE_S

from greenroom.supervision import Actor, ActorSystem, SupervisionError

ROUNDS = 100
LONG = 3_000
STEP_S = 0.000_01
FIRST_S = 0.000_2
AGAIN_S = 0.001


class Interrupted(KeyboardInterrupt):
    """What the signal's handler raises."""


class Echo(Actor):
    """Answers."""

    def on_receive(self, message: Any) -> Any:
        """Give it back."""
        return message


@pytest.fixture
def alarm() -> Iterator[Callable[[float], None]]:
    """Have this thread interrupted once, somewhere in the machine, after so many seconds."""
    armed: list[bool] = []

    def interrupt(_number: int, frame: FrameType | None) -> None:
        if not armed:
            return
        if frame is not None and "greenroom" in frame.f_code.co_filename:
            armed.clear()
            raise Interrupted
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)  # else something else's clean-up would be hit

    def arm(after_s: float) -> None:
        armed[:] = [True] * bool(after_s)
        signal.setitimer(signal.ITIMER_REAL, after_s)

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        yield arm
    finally:
        armed.clear()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def asks(system: ActorSystem) -> None:
    """Ask again and again."""
    ref = system.roots()[0].ref
    for _ in range(LONG):
        ref.ask(1)


def starts(system: ActorSystem) -> None:
    """Start and stop again and again."""
    for _ in range(LONG):
        system.launch(Echo, name="x")[0].stop(block=False)


def stops(system: ActorSystem) -> None:
    """Start a few, and stop them all."""
    for _ in range(LONG):
        system.start(Echo)
        system.stop()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such timers on this system")
@pytest.mark.parametrize("work", [asks, starts, stops])
def test_who_is_interrupted_leaves_nobody_hanging(
    alarm: Callable[[float], None], work: Callable[[ActorSystem], None]
) -> None:
    """The actors go on, and the system can be closed."""
    for number in range(ROUNDS):
        system = ActorSystem()
        ref = system.start(Echo)
        with suppress(Interrupted):
            alarm(FIRST_S + number * STEP_S)
            work(system)
            alarm(0)
        if work is not stops:
            assert ref.ask(2, timeout=PATIENCE_S) == 2
        else:
            with suppress(SupervisionError):
                ref.ask(2, timeout=PATIENCE_S)
        closing = threading.Thread(target=system.close)
        closing.start()
        closing.join(PATIENCE_S)
        assert not closing.is_alive(), system.paths()
