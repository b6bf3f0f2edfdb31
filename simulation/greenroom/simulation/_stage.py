"""The stage: one simulated session, with everything that plays in it and everything that watches."""

import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from greenroom.actors import (
    Credentials,
    Placement,
    ProcessorSpec,
    Session,
    SessionReport,
)
from greenroom.simulation._court import ANSWERED, PROGRESS, Court
from greenroom.simulation._faults import PROCESSOR
from greenroom.simulation._injector import Injector
from greenroom.simulation._onlooker import Onlooker
from greenroom.simulation._scenario import Part
from greenroom.simulation._witness import (
    FrameCheck,
    InjectedError,
    SimulatedSink,
    SimulatedSource,
    Witness,
    injected,
)
from greenroom.supervision import ActorRef, Future
from greenroom.supervision.simulated import SimulatedRuntime

MS: Final = 1_000_000
TOKEN_MARK: Final = "sekrit-"  # noqa: S105 - what tokens of a simulation begin with, so that one that is shown is found
URL: Final = "wss://simulated"
CLOSED: Final = 1
LEFTOVERS: Final = 7
SECRETS: Final = 8
SETTLE_NS: Final = 5_000 * MS
POLL_NS: Final = 10 * MS
QUICK: Final[Mapping[str, int]] = {
    "backoff_ns": 5 * MS,
    "retry_ns": 50 * MS,
    "build_ns": 100 * MS,
    "close_ns": 60 * MS,
    "period_ns": 1_000 * MS,
}
"""Budgets of processors in scenarios: short, so that what takes them is over within a few steps."""

Built = Callable[..., Any]


class Stage:
    """One run's session and what is around it. Stories play on it; laws look at it.

    Attributes:
        runtime: the simulated runtime: virtual time.
        session: the session.
        injector: decides what goes wrong.
        court: where findings go.
        transferred: leases that were handed over to streams: processor and number.
        sinks: what streams were written to.
        readers: who iterates.
        dropped: streams whose handles were dropped (by weak references): they have to end once those are gone.
        on_note: told what the story does, for traces: who, and what.
    """

    def __init__(
        self, runtime: SimulatedRuntime, injector: Injector, *, under_test: Built | None = None
    ) -> None:
        self.runtime = runtime
        self.injector = injector
        self.court: Court = Court(self)
        self.session = Session("simulation", runtime=runtime, shutdown_ns=3_000 * MS)
        self.transferred: set[tuple[str, int]] = set()
        self.sources: list[SimulatedSource] = []
        self.sinks: list[SimulatedSink] = []
        self.readers: list[FrameCheck] = []
        self.dropped: list[tuple[Any, Any]] = []
        self.report: SessionReport | None = None
        self.own_errors: list[tuple[str, BaseException]] = []
        self.on_note: Callable[[str, str], None] | None = None
        self._under_test = under_test
        self._inline: set[str] = set()
        self.onlooker = Onlooker(self)
        self._witnesses = 0

    # -- its life ---------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Start the session, without faults; from now on they happen, and it is judged."""
        active, self.injector.active = self.injector.active, False
        await self.session.__aenter__()
        self.injector.active = active
        env = self.session.record()

        def budget(name: str) -> tuple[int, int] | None:
            book = env.processors.get(name)
            return None if book is None else book.budget

        self.court.session_begins(budget, lambda: (TOKEN_MARK,))
        self.session.observe(self.court.on_event)
        self.runtime.on_step = self._on_step

    def _on_step(self) -> None:
        court = self.court
        if self.runtime.blocked:
            court.find_blocking(self.runtime.blocked[0])
        now_ns = self.runtime.now_ns()
        if now_ns != self.onlooker.seen_ns:
            self.onlooker.at_instant(now_ns)
        court.on_step()
        if court.news and self.runtime.at_rest:
            court.on_rest()

    def note(self, who: str, what: object) -> None:
        """Note something for the trace, if there is one."""
        if self.on_note is not None:
            self.on_note(who, str(what))

    async def elapse(self, delay_ns: int) -> None:
        """Let virtual time go by."""
        over: Future[None] = Future(self.runtime, "a while")
        timer = self.runtime.call_later(delay_ns, partial(_complete, over))
        try:
            await over
        finally:
            timer.cancel()  # who waited may have been cancelled

    async def until(self, condition: Callable[[], bool], *, within_ns: int) -> bool:
        """Wait until something holds; return whether it does within so much virtual time."""
        deadline_ns = self.runtime.now_ns() + within_ns
        while not condition():
            if self.runtime.now_ns() >= deadline_ns:
                return False
            await self.elapse(POLL_NS)
        return True

    @property
    def over(self) -> bool:
        """Whether the session has ended, or failed."""
        return self.session._closing is not None or self.session.record().closing

    async def settle(self, pending: Callable[[], list[str]] = list) -> None:
        """Faults are over: everything that was asked is answered, and every open stream gets processed frames again.

        Args:
            pending: what has been asked and not answered yet.
        """
        self.note("story", "faults are over: everything must come to rest and work again")
        self.injector.stop()
        before = {check: check.processed for check in self.readers}
        if not await self.until(lambda: not pending(), within_ns=SETTLE_NS):
            self.court.find(ANSWERED, f"{pending()[0]} was never answered")
        if not await self.until(lambda: not self._starving(before), within_ns=SETTLE_NS):
            self.court.find(PROGRESS, self._starving(before)[0])
        if not await self.until(lambda: not self._lingering(), within_ns=SETTLE_NS):
            self.court.find(PROGRESS, self._lingering()[0])

    def _lingering(self) -> list[str]:
        """Return what should have come to its end by now: streams that were told to, and leases that are obtained anew."""
        if self.over:
            return []
        gone = [state for handle, state in self.dropped if handle() is None]
        left = [f"stream {each.name}, which nobody has, goes on" for each in gone if not each.gone.done()]
        record = self.session.record()
        left += self.onlooker.kept_too_long()
        left += [f"a hold on {each.name} is never renewed" for each in record.holds.copy() if each.renewing]
        for room in record.rooms.copy().values():
            for track in room.tracks.copy().values():
                over = track.removed or (track.source is not None and track.fan.over)
                streams = track.streams.copy().values()
                left += [
                    f"{track.path}/stream:{each.name} should have ended"
                    for each in streams
                    if over or each.removed
                ]
        return left

    def _starving(self, before: Mapping[FrameCheck, int]) -> list[str]:
        """Return the streams that should have come through again, and have not."""
        if self.over:
            return []
        found: list[str] = []
        for check in self.readers:
            if check.processed > before.get(check, 0) or not check.expects():
                continue
            found.append(f"stream {check.name} gets no processed frames any more, {check.frames} came out")
        return found

    async def close(self) -> SessionReport:
        """End the session, and judge its record."""
        self.note("story", "the session is closed")
        self.report = await self.session.close()
        while self.runtime.step(self.runtime.now_ns()):
            pass
        env = self.session.record()
        for name, left in (
            ("timers", self.runtime.live_timers()),
            ("threads", self.runtime.live_pinned()),
            ("processors", sum(not book.settled for book in env.processors.values())),
        ):
            if left:
                self.court.find(LEFTOVERS, f"{left} {name} after the end")
        for source in self.sources:
            if source.opened != source.closed:
                self.court.find(
                    LEFTOVERS, f"source {source.name}: {source.opened} opened, {source.closed} closed"
                )
        for sink in self.sinks:
            if not sink.ends:
                self.court.find(LEFTOVERS, f"the sink of stream {sink.name} was never told its end")
        if any(fired.kind.endswith("never_returns") for fired in self.injector.fired):
            self.court.excuse(
                LEFTOVERS, CLOSED
            )  # what never returns is left, and what it was to close is open
        self.court.judge_report(self.report)
        return self.report

    # -- what plays in it ---------------------------------------------------------------------------------------

    def spec(self, part: Part | str, **values: Any) -> ProcessorSpec:
        """Return a spec whose processors are watched, and fail as the plan says.

        Args:
            part: of a scenario, or a name.
            values: of the `ProcessorSpec`, beside those of the part.
        """
        if isinstance(part, str):
            part = Part(name=part)
        told: dict[str, Any] = {
            "shared": part.shared,
            "placement": part.placement,
            "on_fault": part.on_fault,
            "capacity_frames": part.capacity_frames,
            "intensity": part.intensity,
            "deadline_ns": part.deadline_ms * MS,
            "hang_ns": part.hang_ms * MS,
        }
        merged: dict[str, Any] = {**QUICK, **told, **values}
        if merged["placement"] is Placement.INLINE:
            self._inline.add(part.name)
        build = merged.pop("factory", self._under_test)
        name = part.name

        def factory(**options: Any) -> Witness:
            return self._build(name, build, options)

        return ProcessorSpec(name=name, factory=factory, **merged)

    def _build(self, part: str, build: Built | None, options: Mapping[str, Any]) -> Witness:
        fault = self.injector.visit(PROCESSOR, "build", part)
        if fault is not None and fault.kind in ("hang", "slow"):
            self.dwell(fault.takes_ns)
        elif fault is not None and fault.kind != "raise_after":
            raise injected(fault)
        inner = None
        if build is not None:
            with self.blaming(part):
                inner = build(**options)
        if fault is not None and fault.kind == "raise_after":
            raise injected(fault)
        return Witness(self, part, inner)

    def source(self, name: str, frames: int = 1_000_000, fail: str = "") -> SimulatedSource:
        """Return a source whose readers are watched."""
        source = SimulatedSource(self, name, frames, fail)
        self.sources.append(source)
        return source

    def sink(self, name: str, parts: tuple[str, ...] = ()) -> SimulatedSink:
        """Return a sink that looks at its frames; they should come through ``parts``."""
        sink = SimulatedSink(self, name, parts)
        self.sinks.append(sink)
        self.readers.append(sink)
        return sink

    def reader(self, name: str, parts: tuple[str, ...] = ()) -> FrameCheck:
        """Return what looks at the frames that somebody iterates over."""
        check = FrameCheck(self, name, parts)
        self.readers.append(check)
        return check

    @staticmethod
    def credentials(token: str) -> Credentials | None:
        """Return the credentials of a name; none for an empty one."""
        return Credentials(token=f"{TOKEN_MARK}{token}", url=URL) if token else None

    def dwell(self, delay_ns: int, part: str = "") -> None:
        """Be in the present call for so long, while others go on; who runs in another's thread just takes the time."""
        if not self.runtime.thread_id() or part in self._inline:
            self.runtime.spend(delay_ns)
        else:
            self.runtime.linger(delay_ns)

    @contextmanager
    def blaming(self, part: str) -> Generator[None]:
        """Note what the processor under test raises by itself."""
        try:
            yield
        except InjectedError:
            raise
        except BaseException as error:
            self.own_errors.append((part, error))
            raise

    def count_witness(self) -> int:
        """Return 1, 2, 3 ... for the instances of a run."""
        self._witnesses += 1
        return self._witnesses

    def actors(self, kind: str) -> list[ActorRef[Any]]:
        """Return the actors of a class, in the tree's order."""
        system = self.session._system
        assert system is not None
        cells: list[Any] = list(system.roots())
        for cell in cells:
            cells.extend(list(cell.children or ()))
        return [cell.ref for cell in cells if cell.actor_class.__name__ == kind]

    def state_of(self, kind: str, path: str) -> str:
        """Return the state in which an actor handles its next message, for the books of what was met."""
        if kind != "ProcessorActor":
            return "running"
        book = self.session.record().processors.get(path.rpartition("/")[2])
        return "building" if book is None else str(book.state)


class LogWatch(logging.Handler):
    """Reads every line of the log, and finds tokens in it."""

    def __init__(self, court: Court) -> None:
        super().__init__(logging.WARNING)
        self._court = court

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one line."""
        if TOKEN_MARK in record.getMessage():
            self._court.find(SECRETS, f"a token appears in the log, in a line of level {record.levelname}")

    @contextmanager
    def attached(self) -> Generator[None]:
        """Read the log for a while."""
        logger = logging.getLogger("greenroom")
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)


def _complete(future: Future[None]) -> None:
    future.try_set(None)
