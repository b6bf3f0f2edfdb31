"""Witnesses: a processor, a source, a sink and a reader that see what is done to them, say what is wrong, and fail as told.

Each frame carries its number as its time and, as an annotation, the processors that it came through; so whoever takes it
at the end can tell whether it is in order, whole, and what became of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greenroom.actors import Frame
from greenroom.actors.frames import read_only
from greenroom.simulation._court import Court
from greenroom.simulation._faults import PROCESSOR, SINK, SOURCE, Fault
from greenroom.simulation._injector import Injector

if TYPE_CHECKING:
    from greenroom.simulation._stage import Stage

RATE_HZ: Final = 8_000
BLOCK: Final = RATE_HZ // 100
FRAME_NS: Final = 10_000_000
THROUGH: Final = "through"
CLOSED: Final = 1
CONTEXT: Final = 3
FRAMES: Final = 4
_SOUND: Final = read_only(np.full((BLOCK, 1), 1_000, np.int16))


class InjectedError(RuntimeError):
    """A fault that the plan wanted."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a processor has been told."""

    info: tuple[str, str, str] | None = None
    credentials: tuple[str, str] | None = None


def injected(fault: Fault) -> BaseException:
    """Return what is raised for a fault."""
    if fault.kind == "exit":
        return SystemExit("injected")
    return MemoryError("injected") if fault.kind == "memory" else InjectedError(f"{fault.kind}, as planned")


class Witness:
    """Stands in front of one processor, or is one: checks the order in which it is called, and fails as told.

    Args:
        stage: where it plays.
        part: the name of its processor in the scenario.
        inner: the processor under test, if there is one.
    """

    def __init__(self, stage: "Stage", part: str, inner: Any = None) -> None:
        self._court: Court = stage.court
        self._faults: Injector = stage.injector
        self._stage = stage
        self._inner = inner
        self.part = part
        self.number = stage.count_witness()
        self.closed = False
        self.busy = ""
        self.told = Told()
        self.frames = 0
        self._flipped = False
        self._name = f"{part} (instance {self.number})"
        self._watched = self._faults.watches(PROCESSOR)
        self.book: Any = None  # its record, once it has been looked for

    # -- what greenroom calls ---------------------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        """Whether frames should go through it."""
        if self._watched:
            fault = self._faults.visit(PROCESSOR, "enabled", self.part)
            if fault is not None:
                if fault.kind != "flip":
                    raise injected(fault)
                self._flipped = not self._flipped
            if not self._faults.active:
                self._flipped = False
        return not self._flipped and (self._inner is None or bool(self._inner.enabled))

    def _process(self, frame: Frame) -> Any:
        if self.busy or self.closed:
            self._misused("frame")
        if self.told.info is None:
            self._court.find(CONTEXT, f"{self._name} got a frame before it was told whose it is")
        self._stage.onlooker.at_frame(self)
        self.busy = "frame"
        try:
            self.frames += 1
            fault = self._faults.visit(PROCESSOR, "frame", self.part) if self._watched else None
            result = self._wrong(fault, frame) if fault is not None else None
            if result is None:
                done = frame if self._inner is None else self._inner_process(frame)
                through = frame.annotations.get(THROUGH, ())
                result = _through(done, through, self.part) if type(done) is Frame else done
                if fault is not None and fault.kind == "raise_after":
                    raise injected(fault)
            return None if result == "none" else result
        finally:
            self.busy = ""

    def _inner_process(self, frame: Frame) -> Any:
        with self._stage.blaming(self.part):
            return self._inner._process(frame)

    def _wrong(self, fault: Fault, frame: Frame) -> Any:
        match fault.kind:
            case "none":
                return "none"
            case "wrong_type":
                return 7
            case "wrong_size":
                return Frame(_SOUND[: BLOCK - 1], frame.rate_hz, frame.timestamp_ns)
            case "wrong_rate":
                return Frame(frame.samples, frame.rate_hz * 2, frame.timestamp_ns)
            case "hang" | "slow":
                self._stage.dwell(fault.takes_ns, self.part)
                return None
            case "raise_after":
                return None
            case _:
                raise injected(fault)

    def _on_stream_info_updated(
        self, *, room_name: str, participant_identity: str, publication_sid: str
    ) -> None:
        if not (participant_identity and publication_sid):
            self._court.find(CONTEXT, f"{self._name} was told of nobody in particular")
        info = (room_name, participant_identity, publication_sid)
        values = {
            "room_name": room_name,
            "participant_identity": participant_identity,
            "publication_sid": publication_sid,
        }
        self._call("info", "_on_stream_info_updated", values, Told(info, self.told.credentials))

    def _on_credentials_updated(self, *, token: str, url: str) -> None:
        if self.told.info is None:
            self._court.find(
                CONTEXT, f"{self._name} was given credentials before it was told whose audio it hears"
            )
        elif self._stage.onlooker.is_foreign(token, self.told.info[0]):
            self._court.find(
                CONTEXT, f"{self._name} was given another room's token for audio of {self.told.info[0]}"
            )
        values = {"token": token, "url": url}
        self._call("credentials", "_on_credentials_updated", values, Told(self.told.info, (token, url)))

    def _on_stream_info_cleared(self) -> None:
        if self.told.info is None:
            self._court.find(CONTEXT, f"{self._name}: its stream info was cleared, and there was none")
        self._call("info_cleared", "_on_stream_info_cleared", {}, Told(None, self.told.credentials))

    def _on_credentials_cleared(self) -> None:
        if self.told.credentials is None:
            self._court.find(CONTEXT, f"{self._name}: its credentials were cleared, and there were none")
        self._call("credentials_cleared", "_on_credentials_cleared", {}, Told(self.told.info, None))

    def _close(self) -> None:
        if self.told != Told() and not self.closed:
            self._court.find(CONTEXT, f"{self._name} was closed and never told that what it knew is over")
        try:
            self._call("close", "_close", {}, self.told)
        finally:
            self.closed = True

    # -- what is behind ----------------------------------------------------------------------------------------

    def _call(self, what: str, method: str, values: dict[str, str], told: Told) -> None:
        if self.busy or self.closed:
            self._misused(what)
        self.told = told
        self.busy = what
        try:
            fault = self._faults.visit(PROCESSOR, what, self.part) if self._watched else None
            if fault is not None and fault.kind in ("raise", "exit"):
                raise injected(fault)
            if fault is not None and fault.kind in ("hang", "slow"):
                self._stage.dwell(fault.takes_ns, self.part)
            callback = getattr(self._inner, method, None)
            if callback is not None:
                with self._stage.blaming(self.part):
                    callback(**values)
            if fault is not None and fault.kind == "raise_after":
                raise injected(fault)
        finally:
            self.busy = ""

    def _misused(self, what: str) -> None:
        how = "after it was closed" if self.closed else f"while {self.busy!r} was running"
        self._court.find(CLOSED, f"{self._name}: {what!r} was called {how}")


def _through(frame: Frame, through: Any, part: str) -> Frame:
    return Frame(
        frame.samples, frame.rate_hz, frame.timestamp_ns, {**frame.annotations, THROUGH: (*through, part)}
    )


class SimulatedSource:
    """Frames 0, 1, 2 ... of 10 ms; fails where it is told to, or where the plan says so."""

    def __init__(self, stage: "Stage", name: str, frames: int, fail: str = "") -> None:
        self.stage = stage
        self.name = name
        self.frames = frames
        self.fail = fail
        self.opened = 0
        self.closed = 0

    def open(self) -> "SimulatedReader":
        """Start reading."""
        _fail_or_wait(self.stage, SOURCE, "open", self.name)
        if self.fail == "open":
            raise OSError("cannot be opened, as planned")
        self.opened += 1
        return SimulatedReader(self)


class SimulatedReader:
    """One reading of a `SimulatedSource`."""

    rate_hz = RATE_HZ
    channels = 1
    READ_FAILS_AT: Final = 3

    def __init__(self, source: SimulatedSource) -> None:
        self._source = source
        self._next = 0
        self._closed = False

    def read(self) -> Frame | None:
        """Return the next frame."""
        source = self._source
        if self._closed:
            source.stage.court.find(CLOSED, f"source {source.name} was read after its reader was closed")
        _fail_or_wait(source.stage, SOURCE, "read", source.name)
        if source.fail == "read" and self._next == self.READ_FAILS_AT:
            raise OSError("unreadable, as planned")
        if self._next >= source.frames:
            return None
        self._next += 1
        return Frame(_SOUND, RATE_HZ, (self._next - 1) * FRAME_NS)

    def close(self) -> None:
        """Give it back."""
        if self._closed:
            self._source.stage.court.find(
                CLOSED, f"the reader of source {self._source.name} was closed twice"
            )
        self._closed = True
        self._source.closed += 1


class FrameCheck:
    """Looks at the frames that come out of a stream: in order, none twice, each whole; counts those that were processed."""

    def __init__(self, stage: "Stage", name: str, parts: tuple[str, ...]) -> None:
        self.court = stage.court
        self.stage = stage
        self.name = name
        self.parts = parts
        self.frames = 0
        self.processed = 0
        self.expects: Callable[[], bool] = _nothing_yet
        self._last = -1

    def take(self, frame: Frame) -> None:
        """Look at one frame."""
        number = frame.timestamp_ns
        if number <= self._last:
            again = "twice" if number == self._last else f"behind {self._last // FRAME_NS}"
            self.court.find(FRAMES, f"stream {self.name}: frame {number // FRAME_NS} came out {again}")
        self._last = number
        if frame.rate_hz != RATE_HZ or frame.samples.shape != (BLOCK, 1) or frame.samples.dtype != np.int16:
            self.court.find(FRAMES, f"stream {self.name}: frame {number // FRAME_NS} came out as {frame!r}")
        through = frame.annotations.get(THROUGH, ())
        self.frames += 1
        if through == self.parts:
            self.processed += 1
        else:
            self._in_order(through, number)

    def _in_order(self, through: Any, number: int) -> None:
        left = iter(self.parts)
        if not all(part in left for part in through):
            told = " > ".join(through)
            self.court.find(FRAMES, f"stream {self.name}: frame {number // FRAME_NS} came through {told}")


class SimulatedSink(FrameCheck):
    """A sink that looks at its frames, and at how it is ended."""

    def __init__(self, stage: "Stage", name: str, parts: tuple[str, ...]) -> None:
        super().__init__(stage, name, parts)
        self.ends: list[str] = []
        self.failed = False

    def write(self, frame: Frame) -> None:
        """Take a frame."""
        if self.ends:
            self.court.find(FRAMES, f"stream {self.name}: its sink got a frame after {self.ends[-1]}")
        self.take(frame)
        self._may_fail("write")

    def finish(self) -> None:
        """It has ended in order."""
        self._end("finish")

    def abort(self) -> None:
        """It has not."""
        self._end("abort")

    def _end(self, what: str) -> None:
        if self.ends and not (self.failed and what == "abort" and self.ends == ["finish"]):
            self.court.find(FRAMES, f"stream {self.name}: its sink was told {what!r} after {self.ends[-1]!r}")
        self.ends.append(what)
        self._may_fail(what)

    def _may_fail(self, where: str) -> None:
        try:
            _fail_or_wait(self.stage, SINK, where, self.name)
        except BaseException:
            self.failed = True
            raise


def _nothing_yet() -> bool:
    return False


def _fail_or_wait(stage: "Stage", at: str, where: str, name: str) -> None:
    fault = stage.injector.visit(at, where, name)
    if fault is None:
        return
    if fault.kind == "slow":
        stage.runtime.spend(fault.takes_ns)
        return
    raise injected(fault)
