"""What is written down about one processor: counts and states, kept apart from the actors that may crash."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from greenroom.actors._host import Host
from greenroom.actors.processors import Processor, ProcessorSpec, Reason
from greenroom.actors.snapshots import EventKind, ProcessorSnapshot, ProcessorState
from greenroom.supervision import ActorRef, Executor, Future, Hang


class Instance:
    """One processor that a factory has built (or that was given), until it is closed: once."""

    __slots__ = ("_guard", "book", "has_credentials", "has_info", "incarnation", "processor")

    def __init__(self, processor: Processor, book: "ProcessorBook", lock: Any, incarnation: int) -> None:
        self.processor = processor
        self.incarnation = incarnation
        self.book = book
        self.has_info = False
        self.has_credentials = False
        self._guard = lock

    def call(self, name: str, **values: str) -> None:
        """Call one of the optional callbacks of the contract, if the processor has it."""
        callback = getattr(self.processor, name, None)
        if callback is not None:
            callback(**values)

    def dispose(self) -> None:
        """Clear what it was told and close it. Once, whoever comes first; a second call does nothing.

        Whatever a clear raises, it is still closed; whatever the close raises is written down, not raised.
        """
        if not self._guard.acquire(False):
            return
        errors: list[BaseException] = []
        for due, name in (
            (self.has_info, "_on_stream_info_cleared"),
            (self.has_credentials, "_on_credentials_cleared"),
        ):
            if due:
                _attempt(lambda name=name: self.call(name), errors)  # type: ignore[misc]
        self.has_info = self.has_credentials = False
        _attempt(self.processor._close, errors)
        self.book.note_closed(self, errors)


class ProcessorBook:
    """The record of one ProcessorActor. Its actor writes it; `opened` and `closed` also its workers' threads."""

    __slots__ = (
        "__weakref__", "_emit", "_gate", "_installed", "_instances", "_lock", "_sealed", "_spec", "_waiting", "actor", "budget", "closed",
        "context", "host", "hung", "last_failure", "leases", "leases_ended", "leases_granted", "left", "name", "opened", "restarts", "state", "wanted",
    )  # fmt: skip

    def __init__(
        self, name: str, spec: ProcessorSpec, lock: Any, gate: Any, emit: Callable[..., None]
    ) -> None:
        self.name = name
        self.budget = (spec.intensity, spec.period_ns)
        self._spec: ProcessorSpec | None = spec
        self._sealed: ProcessorSnapshot | None = None
        self.state = ProcessorState.BUILDING
        self.opened = 0
        self.closed = 0
        self.restarts = 0
        self.leases = 0
        self.leases_granted = 0
        self.leases_ended = 0
        self.context = ""
        self.wanted = ""
        self.last_failure = ""
        self.host: Host | None = None
        self.actor: ActorRef[Any] | None = None
        self.hung = False
        self.left = False
        self._instances: dict[int, Instance] = {}
        self._waiting: list[Future[None]] = []
        self._installed: Instance | None = None
        self._lock = lock
        self._gate = gate
        self._emit = emit

    @property
    def subject(self) -> str:
        """Its path in events."""
        return f"processor:{self.name}"

    def note_opened(self, instance: Instance) -> None:
        """Write down that an instance was built."""
        with self._lock:
            self.opened += 1
            self._instances[id(instance.processor)] = instance
        self._emit(EventKind.PROCESSOR_OPENED, self.subject, incarnation=instance.incarnation)

    def note_closed(self, instance: Instance, errors: list[BaseException]) -> None:
        """Write down that an instance was closed, and what its last calls raised."""
        with self._lock:
            self.closed += 1
            self._instances.pop(id(instance.processor), None)
            waiting = [] if self._instances else self._waiting
            if not self._instances:
                self.context = ""
        details: dict[str, str] = {}
        if errors:
            self.last_failure = f"{type(errors[-1]).__name__} while closing"
            details["error"] = type(errors[-1]).__name__
        self._emit(EventKind.PROCESSOR_CLOSED, self.subject, incarnation=instance.incarnation, **details)
        for future in waiting:
            future.try_set(None)
        if self.left:
            self.seal()

    def note_context(self, context: str) -> str:
        """Write down what the processor has been told, unless all of it is closed by now; return what it knew before."""
        with self._lock:
            before, self.context = self.context, context if self._instances else ""
        return before

    def install(self, instance: Instance, executor: Executor) -> int:
        """Let frames through an instance; return the epoch's number. On its worker's thread.

        A worker that was given up and comes back finds its successor's instance in place, and changes nothing.
        """
        with self._gate:
            newest = 0 if self._installed is None else self._installed.incarnation
            if self.host is None or newest > instance.incarnation:
                return 0
            self._installed = instance
            return self.host.install(instance.processor, executor)

    def retire(self, instance: Instance, *, given_up: bool = False) -> None:
        """Let no frame through an instance any more, if it is the one that they go through; it is about to be closed."""
        if self.host is None:
            return  # sealed: a factory that was given up has come back after all, and its processor is to be closed
        with self._gate:
            if self._installed is not instance:
                return
            if given_up:
                self.host.revoke(Reason.WARMING)
            else:
                self.host.suspend(Reason.WARMING)

    def returned_late(self, processor: Processor) -> None:
        """Dispose of an instance whose last call has come back after it was given up; on that call's thread."""
        instance = self._instances.get(id(processor))
        if instance is not None:
            instance.dispose()

    def all_closed(self) -> Future[None]:
        """Return a future that is complete when every instance has been closed; one may be in a call that hangs."""
        future: Future[None] = Future()
        with self._lock:
            self._waiting.append(future)
            if not self._instances:
                future.try_set(None)
        return future

    @property
    def settled(self) -> bool:
        """Whether nothing of it is open: it can be forgotten."""
        return self.opened == self.closed and self.leases_granted == self.leases_ended and not self.leases

    def seal(self) -> None:
        """Let go of what it was built from, its host and its actor, once nothing of it can change any more.

        A processor that was given as an instance is free then, and with it its memory.
        """
        if self.settled and self.state is ProcessorState.CLOSED:
            self._sealed = self.snapshot()
            self._spec = self._installed = self.host = self.actor = None

    def fault_counts(self) -> Mapping[Any, int]:
        """Return how many frames did not come out processed, by reason."""
        host = self.host
        return {} if host is None else host.counts()

    def snapshot(self) -> ProcessorSnapshot:
        """Return it as a frozen record."""
        spec = self._spec
        if self._sealed is not None or spec is None:
            assert self._sealed is not None
            return replace(
                self._sealed, opened=self.opened, closed=self.closed
            )  # one more may have come back late
        return ProcessorSnapshot(
            name=self.name,
            spec=spec.name,
            state=self.state,
            placement=spec.placement,
            on_fault=spec.on_fault,
            opened=self.opened,
            closed=self.closed,
            restarts=self.restarts,
            leases=self.leases,
            leases_granted=self.leases_granted,
            faults=dict(self.fault_counts()),
            context=self.context,
            last_failure=self.last_failure,
            leases_ended=self.leases_ended,
            wanted=self.wanted,
        )


def _attempt(call: Callable[[], None], errors: list[BaseException]) -> None:
    try:
        call()
    except Hang:
        raise
    except BaseException as error:  # noqa: BLE001 - a foreign processor may raise anything; it is being closed anyway
        errors.append(error)
