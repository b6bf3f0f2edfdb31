"""What supervised actors cost: starts, memory, stops, tells and asks; Pykka beside, in the same run."""

import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import pykka
from benchmarks._table import Row, show

from greenroom.supervision import Actor, ActorRef, ActorSystem, ChildStarted, Dispatcher

ROUNDS = 5
STARTS = 400
TELLS = 20_000
ASKS = 2_000
FEW = 1_000
MANY = 50_000
MEASURED = 20_000


class Echo(Actor):
    def on_receive(self, message: Any) -> Any:
        return message


class PykkaEcho(pykka.ThreadingActor):
    def on_receive(self, message: Any) -> Any:
        return message


class Parent(Actor):
    """Starts children, and answers when all of them have acknowledged."""

    def __init__(self) -> None:
        self.started = 0
        self.wanted = 0
        self.reply: Any = None

    def on_receive(self, message: int) -> None:
        self.wanted = self.started + message
        self.reply = self.defer_reply()
        for number in range(self.started, self.wanted):
            self.spawn(Echo, name=f"child-{number}")

    def on_child(self, signal: Any) -> None:
        if isinstance(signal, ChildStarted):
            self.started += 1
            if self.started == self.wanted:
                self.reply.set(self.started)
        else:
            self.forget(signal.child)


def each_us(count: int, act: Callable[[], Any]) -> float:
    """Return microseconds for each of ``count`` things that ``act`` does."""
    began = time.perf_counter_ns()
    act()
    return (time.perf_counter_ns() - began) / count / 1000


def family(system: ActorSystem, count: int) -> tuple[ActorRef[Parent], float]:
    """Start a parent with ``count`` children; return it and the microseconds for each child."""
    parent = system.start(Parent)
    return parent, each_us(count, lambda: parent.ask(count))


def start_us(system: ActorSystem) -> tuple[float, float, float]:
    """Return microseconds for an acknowledged start: by a parent, from outside, and Pykka's."""
    parent, ours = family(system, STARTS)
    parent.stop()
    refs: list[Any] = []
    alone = each_us(STARTS, lambda: refs.extend(system.start(Echo) for _ in range(STARTS)))
    theirs = each_us(STARTS, lambda: refs.extend(PykkaEcho.start() for _ in range(STARTS)))
    for ref in refs:
        ref.stop()
    return ours, alone, theirs


def stop_us(system: ActorSystem, count: int) -> float:
    """Return microseconds for each of ``count`` children that are stopped in order."""
    parent, _ = family(system, count)
    return each_us(count, parent.stop)


def kib_each(system: ActorSystem) -> float:
    """Return KiB for each of many actors that have handled a message."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    parent, _ = family(system, MEASURED)
    cells = list(parent._cell.children or ())
    for cell in cells:
        cell.ref.tell("a message")
    cells[-1].ref.ask("the last")
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    parent.stop()
    return size / MEASURED / 1024


def tell_us(ref: Any) -> float:
    """Return microseconds for each message, from the first tell until the last has been handled."""

    def send() -> None:
        tell = ref.tell
        for number in range(TELLS):
            tell(number)
        ref.ask("last")

    return each_us(TELLS, send)


def ask_us(ref: Any) -> float:
    """Return the median microseconds of a question and its answer."""
    times: list[float] = []
    for number in range(ASKS):
        began = time.perf_counter_ns()
        ref.ask(number)
        times.append((time.perf_counter_ns() - began) / 1000)
    return median(times)


def on_a_worker(refs: Sequence[Any]) -> tuple[float, ...]:
    """Return `ask_us` of each, asked by a thread that is not the main one, where signals strike: nothing is held back."""
    found: list[float] = []
    thread = threading.Thread(target=lambda: found.extend(map(ask_us, refs)))
    thread.start()
    thread.join()
    return tuple(found)


def rows() -> list[Row]:
    """Measure, all in one run, interleaved; medians of the rounds."""
    with ActorSystem() as system:
        starts = [start_us(system) for _ in range(ROUNDS)]
        ours, theirs = system.start(Echo), PykkaEcho.start()
        own: ActorRef[Echo] = system.launch(Echo, name="own", dispatcher=Dispatcher.PINNED)[0]
        tells = [(tell_us(ours), tell_us(theirs)) for _ in range(ROUNDS)]
        here: ActorRef[Echo] = system.launch(Echo, name="here", dispatcher=Dispatcher.CALLER)[0]
        asks = [(ask_us(ours), ask_us(own), ask_us(here), ask_us(theirs)) for _ in range(ROUNDS)]
        idle_asks = [on_a_worker((ours, theirs)) for _ in range(ROUNDS)]
        theirs.stop()
        stops = [(stop_us(system, FEW), stop_us(system, MANY)) for _ in range(3)]
        kib = kib_each(system)
    start, alone, pykka_start = _medians(starts)
    tell, pykka_tell = _medians(tells)
    ask, own_ask, here_ask, pykka_ask = _medians(asks)
    idle_ask, pykka_idle_ask = _medians(idle_asks)
    few, many = _medians(stops)
    return [
        _faster("start of a supervised actor, acknowledged", start, pykka_start, "start", 5),
        _faster("start from outside, one after the other", alone, pykka_start, "start", 1),
        Row(
            what=f"memory of an actor, of {MEASURED:,}",
            here=f"{kib:.2f} KiB",
            beside="-",
            ratio="-",
            goal="at most 6 KiB",
            met=kib <= 6,
        ),
        Row(
            what=f"ordered stop, per actor, of {MANY:,}",
            here=f"{many:.1f} us",
            beside=f"of {FEW:,}: {few:.1f} us",
            ratio=f"{many / few:.2f}",
            goal="at most 1.5 times",
            met=many / few <= 1.5,
        ),
        _faster("tell, handled", tell, pykka_tell, "tell", 3),
        _faster("ask, p50, of an actor with a thread of its own, as Pykka's", own_ask, pykka_ask, "ask", 1),
        _faster("ask, p50, of an actor that is idle on the pool", idle_ask, pykka_idle_ask, "ask", 2),
        _faster("the same, asked by the main thread, which holds Ctrl-C back", ask, pykka_ask, "ask", 2),
        _faster("ask by the main thread, p50, of an idle `Dispatcher.CALLER`", here_ask, pykka_ask, "ask", 2),
    ]


def _medians(rounds: Sequence[tuple[float, ...]]) -> list[float]:
    return [median(column) for column in zip(*rounds, strict=True)]


def _faster(what: str, ours: float, theirs: float, verb: str, goal: float) -> Row:
    return Row(
        what=what,
        here=f"{ours:.1f} us",
        beside=f"Pykka {verb} {theirs:.1f} us",
        ratio=f"{ours / theirs:.2f}",
        goal=f"{goal:g} times faster" if goal > 1 else "not slower",
        met=theirs / ours >= goal,
    )


if __name__ == "__main__":
    show(rows())
