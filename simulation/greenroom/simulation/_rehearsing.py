"""A fault plan on real threads: what processors do wrong in a simulation, they do in a real run, at the same points."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import numpy as np

from greenroom.actors import Frame, Processor, ProcessorFactory
from greenroom.actors.frames import read_only
from greenroom.simulation._faults import PROCESSOR, Fault, FaultPlan, Fired
from greenroom.simulation._injector import Injector
from greenroom.simulation._witness import injected
from greenroom.simulation.errors import BadFaultPlan
from greenroom.supervision import Timer

_WHY: Final[Mapping[str, str]] = {
    "actor": "greenroom's own actors are not touched in a real run",
    "backend": "what a real server tells is not ours to change; a deployment's [[events]] say what happens when",
    "source": "real sources fail by themselves",
    "sink": "real outputs fail by themselves",
    "reader": "nobody iterates over the streams of a deployment",
}


class LocksAndTimers(Protocol):
    """What is needed of a runtime."""

    def lock(self) -> Any:
        """Return a mutex, which any thread may release."""
        ...

    @property
    def call_later(self) -> Callable[[int, Callable[[], None]], Timer]:
        """Call the second argument after the first, in ns."""
        ...


def check_real(plan: FaultPlan) -> FaultPlan:
    """Return a plan that can be carried out on real threads.

    Raises:
        BadFaultPlan: something in it cannot be; by its number and name.
    """
    for number, fault in enumerate(plan.faults, 1):
        if fault.at != PROCESSOR:
            raise BadFaultPlan(
                f"fault plan {plan.name!r}, fault {number}: {fault.at} faults ({fault.kind}) can only be simulated: "
                f"{_WHY[fault.at]}. Leave it out, or run it with greenroom simulate"
            )
    return plan


class Rehearsal:
    """Has the processors of one session fail by a plan. Any thread.

    Args:
        plan: has passed `check_real`.
        runtime: the session's own, for locks and for calls that take long.
        seed: of the dice.
    """

    def __init__(self, plan: FaultPlan, runtime: LocksAndTimers, *, seed: int = 0) -> None:
        self._injector = Injector(check_real(plan), seed)
        self._runtime = runtime
        self._lock = runtime.lock()

    @property
    def fired(self) -> tuple[Fired, ...]:
        """What has happened so far."""
        return tuple(self._injector.fired)

    def around(self, name: str, factory: ProcessorFactory) -> ProcessorFactory:
        """Return a factory like ``factory``, whose processors and builds fail as the plan says."""

        def build(**options: Any) -> Processor:
            fault = self.begin("build", name)
            built = factory(**options)
            self.end(fault)
            return _Rehearsed(built, name, self)

        placement = getattr(factory, "default_placement", None)
        if placement is not None:
            build.default_placement = placement  # type: ignore[attr-defined]
        return build

    def begin(self, where: str, name: str) -> Fault | None:
        """Come to a point: raise or take long there, or return what is due afterwards."""
        with self._lock:
            fault = self._injector.visit(PROCESSOR, where, name)
        if fault is None:
            return None
        if fault.kind in ("raise", "exit", "memory"):
            raise injected(fault)
        if fault.kind in ("hang", "slow"):
            self._hold(fault.takes_ns)
        return fault

    def end(self, fault: Fault | None) -> None:
        """Raise what is due after the effects."""
        if fault is not None and fault.kind == "raise_after":
            raise injected(fault)

    def _hold(self, duration_ns: int) -> None:
        """Block the calling thread for so long."""
        gate = self._runtime.lock()
        gate.acquire()
        self._runtime.call_later(duration_ns, gate.release)
        gate.acquire()


class _Rehearsed:
    """A processor that does what the one inside does, unless the plan says otherwise."""

    def __init__(self, inner: Processor, name: str, rehearsal: Rehearsal) -> None:
        self._inner = inner
        self._name = name
        self._rehearsal = rehearsal
        self._flipped = False

    @property
    def enabled(self) -> bool:
        fault = self._rehearsal.begin("enabled", self._name)
        if fault is not None:
            self._flipped = not self._flipped
        return bool(self._inner.enabled) and not self._flipped

    def _process(self, frame: Frame) -> Any:
        fault = self._rehearsal.begin("frame", self._name)
        if fault is not None and fault.kind in _WRONG:
            return _WRONG[fault.kind](frame)
        result = self._inner._process(frame)
        self._rehearsal.end(fault)
        return result

    def _on_stream_info_updated(self, **values: str) -> None:
        self._tell("info", "_on_stream_info_updated", values)

    def _on_stream_info_cleared(self) -> None:
        self._tell("info_cleared", "_on_stream_info_cleared", {})

    def _on_credentials_updated(self, **values: str) -> None:
        self._tell("credentials", "_on_credentials_updated", values)

    def _on_credentials_cleared(self) -> None:
        self._tell("credentials_cleared", "_on_credentials_cleared", {})

    def _close(self) -> None:
        try:
            fault = self._rehearsal.begin("close", self._name)
        finally:
            self._inner._close()  # whatever the plan says: what is real must not be left open
        self._rehearsal.end(fault)

    def _tell(self, where: str, method: str, values: dict[str, str]) -> None:
        fault = self._rehearsal.begin(where, self._name)
        callback = getattr(self._inner, method, None)
        if callback is not None:
            callback(**values)
        self._rehearsal.end(fault)


def _nothing(_: Frame) -> Any:
    return None


def _number(_: Frame) -> Any:
    return 7


def _short(frame: Frame) -> Any:
    return frame.with_samples(read_only(np.ascontiguousarray(frame.samples[:-1])))


def _faster(frame: Frame) -> Any:
    return Frame(frame.samples, frame.rate_hz * 2, frame.timestamp_ns)


_WRONG: Final[Mapping[str, Callable[[Frame], Any]]] = {
    "none": _nothing,
    "wrong_type": _number,
    "wrong_size": _short,
    "wrong_rate": _faster,
}
