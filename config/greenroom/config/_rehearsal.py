"""Faults on purpose: a factory whose processors misbehave when they are told to, and then behave again."""

# pyright: reportPrivateUsage=false
# The hooks of the processor contract begin with an underscore; hosting a processor means calling them.

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from greenroom.actors.frames import Frame, read_only
from greenroom.actors.processors import Processor, ProcessorFactory
from greenroom.supervision.runtime import Timer

FaultKind = Literal["raise", "hang", "wrong_frame", "fail_build"]

_ANY_TRACK: Final = ""


class LocksAndTimers(Protocol):
    """What faults need of a `Runtime`."""

    def lock(self) -> Any:
        """Return a mutex, which any thread may release."""
        ...

    @property
    def call_later(self) -> Callable[[int, Callable[[], None]], Timer]:
        """Call the second argument after the first, in ns."""
        ...


class RehearsedFault(RuntimeError):  # noqa: N818 - it is a fault on purpose, not an error of anybody's
    """A processor was told to fail; nothing is wrong with it."""


@dataclass(slots=True, kw_only=True)
class _Armed:
    """A fault that waits for its moment."""

    kind: FaultKind
    sid: str
    left: int
    hold_ns: int


class Rehearsal:
    """A `ProcessorFactory` around another one; `arm` makes its processors fail.

    Any thread may arm; faults fire on the threads that build and call the processors. A processor on which nothing
    is armed costs one attribute look-up per frame more than it would alone.
    """

    def __init__(self, factory: ProcessorFactory, runtime: LocksAndTimers) -> None:
        self._factory = factory
        self._runtime = runtime
        self._lock = runtime.lock()
        self.armed: list[_Armed] = []

    def __call__(self, **options: Any) -> Processor:
        """Build a processor, unless a ``fail_build`` is due.

        Raises:
            RehearsedFault: it is.
        """
        if self.armed and self.due("fail_build", _ANY_TRACK):
            raise RehearsedFault("it was told to fail while being built")
        return RehearsedProcessor(self._factory(**options), self)

    def arm(self, kind: FaultKind, *, sid: str = _ANY_TRACK, times: int = 1, hold_ns: int = 0) -> None:
        """Have the next ``times`` builds or frames fail.

        Args:
            kind: how.
            sid: only while the processor hears the publication with this sid; by default whatever it hears.
            times: how often.
            hold_ns: how long a ``hang`` holds its caller.
        """
        with self._lock:
            self.armed.append(_Armed(kind=kind, sid=sid, left=times, hold_ns=hold_ns))

    @property
    def pending(self) -> tuple[str, ...]:
        """The faults that were armed and have not happened, or not as often as they should."""
        return tuple(f"{fault.kind} x{fault.left}" for fault in tuple(self.armed))

    def due(self, kind: FaultKind, sid: str) -> _Armed | None:
        """Take one fault of ``kind`` for the publication ``sid``, if one is armed."""
        with self._lock:
            for fault in self.armed:
                if fault.kind == kind and fault.sid in (_ANY_TRACK, sid):
                    fault.left -= 1
                    if not fault.left:
                        self.armed.remove(fault)
                    return fault
        return None

    def hold(self, duration_ns: int) -> None:
        """Block the calling thread for ``duration_ns`` of the runtime's time."""
        gate = self._runtime.lock()
        gate.acquire()
        self._runtime.call_later(duration_ns, gate.release)
        gate.acquire()


class RehearsedProcessor:
    """A processor that does what the one inside does, until its `Rehearsal` says otherwise."""

    def __init__(self, inner: Processor, rehearsal: Rehearsal) -> None:
        self._inner = inner
        self._rehearsal = rehearsal
        self._sid = _ANY_TRACK

    @property
    def enabled(self) -> bool:
        """What the one inside says."""
        return self._inner.enabled

    def _process(self, frame: Frame) -> Frame:
        if not self._rehearsal.armed:
            return self._inner._process(frame)
        if self._rehearsal.due("raise", self._sid):
            raise RehearsedFault("it was told to raise")
        if fault := self._rehearsal.due("hang", self._sid):
            self._rehearsal.hold(fault.hold_ns)
        processed = self._inner._process(frame)
        if self._rehearsal.due("wrong_frame", self._sid):
            return processed.with_samples(read_only(processed.samples[: processed.frames // 3].copy()))
        return processed

    def _close(self) -> None:
        self._inner._close()

    def _on_stream_info_updated(
        self, *, room_name: str, participant_identity: str, publication_sid: str
    ) -> None:
        self._sid = publication_sid
        self._tell(
            "_on_stream_info_updated",
            room_name=room_name,
            participant_identity=participant_identity,
            publication_sid=publication_sid,
        )

    def _on_stream_info_cleared(self) -> None:
        self._sid = _ANY_TRACK
        self._tell("_on_stream_info_cleared")

    def _on_credentials_updated(self, *, token: str, url: str) -> None:
        self._tell("_on_credentials_updated", token=token, url=url)

    def _on_credentials_cleared(self) -> None:
        self._tell("_on_credentials_cleared")

    def _tell(self, hook: str, **values: str) -> None:
        """Hand a call on to the one inside, if it has such a hook."""
        method = getattr(self._inner, hook, None)
        if method is not None:
            method(**values)
