"""What the tests of supervisors share: a supervisor to look at, and children that end in every way."""

import faulthandler
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, TypeAlias

from greenroom.supervision import (
    ActorRef,
    ActorSystem,
    Cause,
    ChildInfo,
    ChildSpec,
    CountChildren,
    Dispatcher,
    Shutdown,
    StartChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
    WhichChildren,
)
from greenroom.supervision.events import ActorEnded, ActorStarted
from greenroom.supervision.probes import Probe, Recorder

MS = 1_000_000
PATIENCE_S = 20.0
LISTED = tuple(each for each in Strategy if not each.is_template)
"""The strategies of supervisors whose children are listed, each with a spec of its own."""


Hook: TypeAlias = Callable[[Probe], Any]


def worker(
    name: str, *, on_start: Hook | None = None, on_stop: Hook | None = None, **fields: Any
) -> ChildSpec:
    """Return the spec of a child that does what it is told."""
    return ChildSpec(id=name, start=Probe, kwargs={"on_start": on_start, "on_stop": on_stop}, **fields)


def flags(strategy: Strategy = Strategy.ONE_FOR_ONE, intensity: int = 10, **fields: Any) -> SupervisorFlags:
    """Return flags with a generous intensity within an hour."""
    return SupervisorFlags(strategy=strategy, intensity=intensity, period_ns=3600 * 1000 * MS, **fields)


def fail(_: Any = None) -> None:
    """Crash."""
    raise RuntimeError("on purpose")


def normal(actor: Probe) -> None:
    """End normally."""
    actor.end()


ENDS: dict[str, Hook] = {
    "normal": normal,
    "shutdown": lambda actor: actor.end(Shutdown()),
    "shutdown with a term": lambda actor: actor.end(Shutdown("term")),
    "abnormal": fail,
}


def end(ref: ActorRef[Any], how: str = "abnormal") -> None:
    """Have a child end by itself, or (killed) be cut off."""
    if how == "killed":
        ref._cell.fence("killed")
    else:
        ref.tell(ENDS[how])


def act(ref: ActorRef[Any], hook: Hook) -> Any:
    """Have an actor do something, and return what that gives."""
    return ref.ask(hook, timeout=PATIENCE_S)


class Flaky:
    """A start that can be told to fail: give it as ``on_start``."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.tried = 0

    def __call__(self, _: Any) -> None:
        self.tried += 1
        if self.failures:
            self.failures -= 1
            raise OSError("does not start")


class Tree:
    """A supervisor as seen from outside."""

    def __init__(
        self,
        system: ActorSystem,
        given: SupervisorFlags | None = None,
        children: Iterable[ChildSpec] = (),
        *,
        supervisor: type[Supervisor] = Supervisor,
        name: str = "top",
    ) -> None:
        self.system = system
        self.seen = Recorder(system)
        self.ref, self.started = system.launch(
            supervisor, (given or flags(), tuple(children)), name=name, shutdown_ns=None
        )
        self.started.get(timeout=PATIENCE_S)

    def ask(self, message: Any) -> Any:
        """Ask the supervisor."""
        return self.ref.ask(message, timeout=PATIENCE_S)

    def add(self, spec: ChildSpec) -> ActorRef[Any]:
        """Start one more child."""
        ref: ActorRef[Any] = self.ask(StartChild(spec=spec)).ref
        return ref

    def children(self) -> dict[str, ChildInfo]:
        """Return its children by id."""
        return {info.spec.id: info for info in self.ask(WhichChildren())}

    def child(self, name: str) -> ActorRef[Any]:
        """Return the ref of a child."""
        ref = self.children()[name].ref
        assert ref is not None
        return ref

    def counts(self) -> tuple[int, int, int, int]:
        """Return (specs, active, supervisors, workers)."""
        counts = self.ask(CountChildren())
        return counts.specs, counts.active, counts.supervisors, counts.workers

    def states(self) -> dict[str, int | str]:
        """Return for each child the incarnation that runs, or else its status."""
        return {
            name: info.incarnation if info.status == "running" else str(info.status)
            for name, info in self.children().items()
        }

    def until(self, **wanted: int | str) -> None:
        """Wait until exactly these children are in these states, in this order."""
        wait_until(self.system, lambda: list(self.states().items()) == list(wanted.items()), self.states)

    def end(self, name: str, how: str = "abnormal") -> None:
        """Have a child end."""
        end(self.child(name), how)

    def stop(self) -> None:
        """Stop the supervisor, as its parent would, and wait."""
        self.system.request_stop(self.ref)
        self.gone()

    def gone(self) -> None:
        """Wait until the supervisor is gone."""
        wait_until(self.system, lambda: not self.ref.is_alive(), lambda: self.ref)

    def cause(self, path: str = "") -> Cause:
        """Return why an actor ended last, by its path below the supervisor."""
        wanted = "/".join(part for part in (self.ref.path, path) if part)
        return [event.cause for event in self.seen.of(ActorEnded) if event.path == wanted][-1]

    def history(self) -> list[str]:
        """Return who started (+) and ended (-), in order, by name."""
        signs = {ActorStarted: "+", ActorEnded: "-"}
        return [
            signs[type(event)] + event.path.rsplit("/")[-1]
            for event in self.seen.events
            if isinstance(event, ActorStarted | ActorEnded)
        ]


def wait_until(system: ActorSystem, wanted: Any, what: Any = lambda: "") -> None:
    """Wait for something to become true, whatever the runtime; fail if it does not."""
    runtime = system.runtime
    if runtime.simulated:
        while not wanted():
            assert runtime.step(), f"at rest with {what()}"
        return
    happened = threading.Event()
    forget = system.observe(lambda _: happened.set())
    try:
        for _ in range(int(PATIENCE_S / 0.01)):
            if wanted():
                return
            happened.wait(0.01)
            happened.clear()
        raise AssertionError(f"still {what()}")
    finally:
        forget()


@contextmanager
def no_signal_handlers() -> Generator[None]:
    """Be a process without handlers of signals, but Python's own of Ctrl-C: the test's timeout and a watchdog have one each."""
    timer = signal.setitimer(signal.ITIMER_REAL, 0)[0]
    handlers = {
        each: signal.getsignal(each)
        for each in signal.valid_signals() - {signal.SIGINT}
        if callable(signal.getsignal(each))
    }
    for each in handlers:
        signal.signal(each, signal.SIG_DFL)
    faulthandler.dump_traceback_later(5 * PATIENCE_S, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        for each, handler in handlers.items():
            signal.signal(each, handler)
        signal.setitimer(signal.ITIMER_REAL, timer)


@contextmanager
def hanging(system: ActorSystem) -> Generator[dict[str, Any], None, None]:
    """Give what a spec needs to have its actor hang when it is told to stop; let go of the threads at the end."""
    gate = threading.Event()
    runtime = system.runtime

    def hang(_: Any) -> None:
        if runtime.simulated:
            runtime.hang()
        gate.wait(PATIENCE_S)

    try:
        yield {"dispatcher": Dispatcher.PINNED, "on_stop": hang}
    finally:
        gate.set()
        if not runtime.simulated:
            for thread in list(runtime.zombies.values()):
                thread.join(PATIENCE_S)
