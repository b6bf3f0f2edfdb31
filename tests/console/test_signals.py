"""Ctrl-C and SIGTERM, in a real process."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from greenroom.console._signals import StopSignals

PROGRAM = """
import os, signal, sys
from greenroom.console._signals import StopSignals
def say(text):  # not print: a signal may come in the middle of one
    os.write(1, text + b"\\n")
with StopSignals(lambda: say(b"asked"), before_exit=lambda: say(b"restored")) as signals:
    say(b"ready")
    for line in sys.stdin:
        print(signals.seen, flush=True)
print("in order", flush=True)
"""


class Program:
    """Our handlers in another process, which says what happens to it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ":".join(p for p in sys.path if p)},
        )

    def said(self) -> str:
        """Its next line."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        """End it, whatever the test has found."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def program() -> Iterator[Program]:
    """A running one."""
    running = Program()
    yield running
    running.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks(program: Program, number: signal.Signals) -> None:
    """Whichever it is, the process goes on and ends in its own order."""
    assert program.said() == "ready"
    program.process.send_signal(number)
    assert program.said() == "asked"
    out, _ = program.process.communicate("\n", timeout=20)
    assert out.split("\n")[:2] == ["True", "in order"]
    assert program.process.returncode == 0


def test_the_second_signal_does_not_ask(program: Program) -> None:
    """The terminal is put right and the process is gone, with the code that shells give to Ctrl-C."""
    assert program.said() == "ready"
    program.process.send_signal(signal.SIGTERM)
    assert program.said() == "asked"
    program.process.send_signal(signal.SIGINT)
    out, err = program.process.communicate(timeout=20)
    assert out.strip() == "restored"
    assert err.strip() == "greenroom: stopped at once"
    assert program.process.returncode == 130


def test_handlers_are_put_back() -> None:
    """After the run Ctrl-C means what it meant before."""
    before: Callable[..., object] | int | None = signal.getsignal(signal.SIGINT)
    with StopSignals(lambda: None) as signals:
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    assert not signals.seen
