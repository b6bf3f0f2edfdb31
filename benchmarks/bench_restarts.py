"""What replacing and stopping costs: Pykka's way beside it, and OTP's own supervisor where `escript` is installed.

All of it is measured in one run, in turns, so that a machine that is busy for a while is so for all of them.
"""

import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

import pykka
from benchmarks._table import Row, show

from greenroom.supervision import (
    Actor,
    ActorRef,
    ActorSystem,
    ChildSpec,
    StartChild,
    StartedChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
    WhichChildren,
)

ROUNDS = 7
CRASHES = 200
GROUP = 100
BURST = 5
FAMILY = 1_000
MOST_RESTARTS = 10_000
ANSWERING = "crash to replacement answering, p50"
OTP = Path(__file__).with_name("otp_restart.escript")


class Crasher(Actor):
    """Crashes when it is told to, and answers anything else."""

    def on_receive(self, message: Any) -> Any:
        if message == "crash":
            raise RuntimeError(message)
        return message


class Last(Crasher):
    """The last child of a group: who starts in order starts it when all others have."""

    full: ClassVar = queue.SimpleQueue[bool]()

    def on_start(self) -> None:
        self.full.put(True)


def family(strategy: Strategy, children: int) -> tuple[SupervisorFlags, list[ChildSpec]]:
    """Return what a supervisor of so many children is given."""
    flags = SupervisorFlags(strategy=strategy, intensity=MOST_RESTARTS, period_ns=1)
    specs = [ChildSpec(id=f"{each}", start=Crasher) for each in range(children - 1)]
    return flags, [*specs, ChildSpec(id=f"{children - 1}", start=Last)]


class Naive(pykka.ThreadingActor):
    """What Pykka's users write: who fails starts another one, and says which."""

    def __init__(self, replaced: "queue.SimpleQueue[Any]") -> None:
        super().__init__()
        self.replaced = replaced

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:  # noqa: ARG002 - Pykka's
        self.replaced.put(type(self).start(self.replaced))

    def on_receive(self, message: Any) -> Any:
        if message == "crash":
            raise RuntimeError(message)
        return message


def p50_us(count: int, act: Callable[[], Any]) -> float:
    """Return the median microseconds of ``act``."""
    times: list[int] = []
    for _ in range(count):
        began = time.perf_counter_ns()
        act()
        times.append(time.perf_counter_ns() - began)
    return median(times) / 1000


class Replacements:
    """Crash to replacement answering: here, asked by a thread and by an actor, and with a naive restart in Pykka."""

    def __init__(self, system: ActorSystem) -> None:
        flags = SupervisorFlags(intensity=MOST_RESTARTS, period_ns=1)
        supervisor = system.start(Supervisor, flags)
        started: StartedChild = supervisor.ask(StartChild(spec=ChildSpec(id="child", start=Crasher)))
        assert started.ref is not None
        self._child: ActorRef[Any] = started.ref
        self._system = system
        self._replaced = queue.SimpleQueue[Any]()
        self._naive: Any = Naive.start(self._replaced)

    def here(self) -> None:
        self._child.tell("crash")
        self._child.ask("there?")

    def by_actor_us(self) -> float:
        asker = self._system.start(Asker, self._child)
        found: float = asker.ask("go")
        asker.stop()
        return found

    def pykka(self) -> None:
        self._naive.tell("crash")
        self._naive = self._replaced.get()
        self._naive.ask("there?")

    def close(self) -> None:
        self._naive.stop()


class Asker(Actor):
    """Makes a child crash and asks its replacement, again and again: as OTP's process beside it does."""

    def __init__(self, child: ActorRef[Any]) -> None:
        self._child = child
        self._times: list[int] = []
        self._began = 0
        self._reply: Any = None

    def on_receive(self, message: Any) -> None:  # noqa: ARG002 - it means: go
        self._reply = self.defer_reply()
        self._go()

    def _go(self) -> None:
        self._began = time.perf_counter_ns()
        self._child.tell("crash")
        self.when(self._child.ask("there?", block=False), self._answered)

    def _answered(self, answer: Any) -> None:
        answer.get()
        self._times.append(time.perf_counter_ns() - self._began)
        if len(self._times) < CRASHES:
            self._go()
        else:
            self._reply.set(median(self._times) / 1000)


def replacement_us(system: ActorSystem) -> list[tuple[float, float, float]]:
    """Return for each round the microseconds here, asked by a thread and by an actor, and Pykka's."""
    both = Replacements(system)
    rounds = [
        (p50_us(CRASHES, both.here), both.by_actor_us(), p50_us(CRASHES, both.pykka)) for _ in range(ROUNDS)
    ]
    both.close()
    return rounds


def group_us(system: ActorSystem) -> list[tuple[float, float]]:
    """Return microseconds for each child of a one_for_all, from the crash of one until all are replaced; and of CPU."""
    top = system.start(Supervisor, *family(Strategy.ONE_FOR_ALL, GROUP))
    Last.full.get()
    child = top.ask(WhichChildren())[GROUP // 2].ref

    def replace() -> None:
        child.tell("crash")
        Last.full.get()

    times: list[tuple[float, float]] = []
    for _ in range(2 * ROUNDS):
        began = time.process_time_ns()
        wall_us = p50_us(BURST, replace)
        times.append((wall_us / GROUP, (time.process_time_ns() - began) / BURST / GROUP / 1000))
    top.stop()
    return times


def stop_ms(system: ActorSystem) -> tuple[float, float]:
    """Return milliseconds for the stop of a thousand: children here, in order; and Pykka's, one after the other."""
    top = system.start(Supervisor, *family(Strategy.ONE_FOR_ONE, FAMILY))
    Last.full.get()
    actors: list[Any] = [Naive.start(None) for _ in range(FAMILY)]
    began = time.perf_counter_ns()
    system.request_stop(top)
    gone = threading.Event()
    top.watch(lambda _, __: gone.set())
    gone.wait()
    between = time.perf_counter_ns()
    for actor in actors:
        actor.stop()
    return (between - began) / 1e6, (time.perf_counter_ns() - between) / 1e6


def otp_us() -> tuple[float, float] | None:
    """Return OTP's microseconds: crash to replacement answering, and one_for_all for each child."""
    escript = shutil.which("escript")
    if escript is None:
        return None
    said = subprocess.run(  # noqa: S603 - our own script
        [escript, str(OTP), "2000"], check=True, capture_output=True, text=True, timeout=120
    )
    one, each = said.stdout.split()
    return float(one), float(each)


def rows() -> list[Row]:
    """Measure."""
    otp = otp_us()
    with ActorSystem() as system:
        replacements = replacement_us(system)
        groups = group_us(system)
        stops = [stop_ms(system) for _ in range(3)]
    here, by_actor, naive = (median(column) for column in zip(*replacements, strict=True))
    group, busy = (median(column) for column in zip(*groups, strict=True))
    stop, theirs = (median(column) for column in zip(*stops, strict=True))
    found = [
        _row(f"{ANSWERING}, asked by a thread", here, "Pykka, naive restart", naive, 0.6),
        _row(f"ordered stop of {FAMILY:,} children", stop, "Pykka, one by one", theirs, 0.3, "ms"),
        Row(
            what=f"one_for_all over {GROUP} children, for each",
            here=f"{group:.1f} us ({busy:.1f} us of CPU)",
            beside="-" if otp is None else f"OTP {otp[1]:.1f} us",
            ratio="-" if otp is None else f"{group / otp[1]:.2f}",
            goal="at most 15 us",
            met=group <= 15,
        ),
    ]
    if otp is not None:
        found.append(_row(f"{ANSWERING}, asked by an actor", by_actor, "OTP, by a process", otp[0], 4))
    return found


def _row(what: str, ours: float, whose: str, theirs: float, most: float, unit: str = "us") -> Row:
    return Row(
        what=what,
        here=f"{ours:.1f} {unit}",
        beside=f"{whose} {theirs:.1f} {unit}",
        ratio=f"{ours / theirs:.2f}",
        goal=f"at most {most:g} times",
        met=ours <= most * theirs,
    )


if __name__ == "__main__":
    show(rows())
