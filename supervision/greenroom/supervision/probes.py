"""What tests look through: an actor that does what it is told and remembers, and an observer that keeps events."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from greenroom.supervision._actor import Actor
from greenroom.supervision._system import ActorSystem
from greenroom.supervision.events import SystemEvent
from greenroom.supervision.signals import ChildSignal, ChildStarted

E = TypeVar("E")


class Probe(Actor):
    """Runs a message that is a function on itself and answers with what it returns; keeps every other message.

    >>> from greenroom.supervision.simulated import SimulatedRuntime
    >>> with ActorSystem(SimulatedRuntime()) as system:
    ...     probe = system.start(Probe)
    ...     probe.tell("hello")
    ...     probe.ask(lambda actor: actor.heard)
    ['hello']

    Args:
        heard: where messages go, in order; shared by incarnations if it is given.
        on_start: runs on it when it starts; what it returns is what ``on_start`` returns.
        on_stop: runs on it when it stops.
        on_failure: is given what it failed with.
        keep: whether children that are over are kept, as a supervisor does, until they are forgotten or respawned.
    """

    def __init__(
        self,
        heard: list[Any] | None = None,
        *,
        on_start: Callable[["Probe"], Any] | None = None,
        on_stop: Callable[["Probe"], Any] | None = None,
        on_failure: Callable[[BaseException], Any] | None = None,
        keep: bool = False,
    ) -> None:
        self.heard: list[Any] = [] if heard is None else heard
        self.signals: list[ChildSignal] = []
        self._on_start = on_start
        if on_stop is not None:  # else it is an actor without code for its end, as most are
            self.on_stop = partial(on_stop, self)  # type: ignore[method-assign]
        self._on_failure = on_failure
        self._keep = keep

    def on_start(self) -> Any:
        """Run what it was given to run."""
        return None if self._on_start is None else self._on_start(self)

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:  # noqa: ARG002 - Pykka's
        """Run what it was given to run."""
        if self._on_failure is not None:
            self._on_failure(exception_value)

    def on_child(self, signal: ChildSignal) -> None:
        """Keep the signal."""
        self.signals.append(signal)
        if not self._keep and not isinstance(signal, ChildStarted):
            self.forget(signal.child)

    def on_receive(self, message: Any) -> Any:
        """Run a function, keep anything else."""
        if callable(message):
            return message(self)
        self.heard.append(message)
        return message


class Recorder:
    """Keeps what a system tells its observers, in order."""

    def __init__(self, system: ActorSystem) -> None:
        self.events: list[SystemEvent] = []
        self.close = system.observe(self.events.append)

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]
