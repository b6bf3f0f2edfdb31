"""Parts for the tests of sessions: sources that count, processors that write down what is done to them, a simulation."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import pytest

from greenroom.actors import (
    AudioProcessor,
    Credentials,
    EventKind,
    Frame,
    Pace,
    ProcessorSpec,
    Session,
    SessionReport,
    Stream,
)
from greenroom.actors.frames import read_only
from greenroom.supervision import Future
from greenroom.supervision.simulated import SimulatedRuntime, TraceLine

MS = 1_000_000
SECOND = 1_000_000_000
RATE = 8_000
BLOCK = RATE // 100
TOKEN = "sekrit-token-1"
CREDENTIALS = Credentials(token=TOKEN, url="wss://one")
STEPS = 100_000
SEEDS = range(8)
T = TypeVar("T")
sim = pytest.mark.parametrize("seed", SEEDS)


def frame(number: int) -> Frame:
    """Return the frame that stands at ``number`` times 10 ms, full of that number."""
    return Frame(read_only(np.full((BLOCK, 1), number % 10_000, np.int16)), RATE, number * 10 * MS)


def number_of(given: Frame) -> int:
    """Return the number that the frame was made with."""
    return given.timestamp_ns // (10 * MS)


class Counting:
    """A source of ``frames`` frames 0, 1, 2 ...; knows how many readers of it are open.

    Args:
        frames: how many; past them it ends.
        fail_open: what its ``open`` raises.
        fail_at: which read raises, and what.
    """

    def __init__(
        self,
        frames: int = 30,
        *,
        fail_open: BaseException | None = None,
        fail_at: tuple[int, BaseException] | None = None,
    ) -> None:
        self.frames = frames
        self.fail_open = fail_open
        self.fail_at = fail_at
        self.opened = 0
        self.closed = 0

    def open(self) -> "CountingReader":
        if self.fail_open is not None:
            raise self.fail_open
        self.opened += 1
        return CountingReader(self)


class CountingReader:
    rate_hz = RATE
    channels = 1

    def __init__(self, source: Counting) -> None:
        self._source = source
        self._next = 0

    def read(self) -> Frame | None:
        source = self._source
        if source.fail_at is not None and source.fail_at[0] == self._next:
            raise source.fail_at[1]
        if self._next >= source.frames:
            return None
        self._next += 1
        return frame(self._next - 1)

    def close(self) -> None:
        self._source.closed += 1


class Journal:
    """What was done to all processors that write in it, in order, each with the number of its instance."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, str, tuple[str, ...]]] = []
        self.frames: dict[int, list[int]] = {}
        self.built = 0
        self.after_close: list[tuple[int, str]] = []
        self.plan: Callable[[int, str, int], Any] = _nothing

    def factory(self, **_: Any) -> "Scribe":
        """Build a processor that writes in here: what a spec takes as its factory."""
        return Scribe(self)

    def spec(self, name: str = "p", **values: Any) -> ProcessorSpec:
        """Return a spec whose processors write in here."""
        return ProcessorSpec(name=name, factory=self.factory, **values)

    def told(self, instance: int = 1) -> list[tuple[str, ...]]:
        """Return what was done to one instance, but frames."""
        return [
            (what, *values) for number, what, values in self.calls if number == instance and what != "frame"
        ]

    def names(self, instance: int = 1) -> list[str]:
        """Return the names of what was done to one instance; many frames in a row are one ``frame``."""
        found = [what for number, what, _ in self.calls if number == instance]
        return [
            what for at, what in enumerate(found) if what != "frame" or at == 0 or found[at - 1] != "frame"
        ]

    def closed(self) -> list[int]:
        """Return the instances that were closed, in order, as often as they were."""
        return [number for number, what, _ in self.calls if what == "close"]


def _nothing(_instance: int, _what: str, _count: int) -> None:
    """Go on."""


class Scribe(AudioProcessor):
    """A processor that writes down what is done to it, adds 1 to each sample, and fails where the plan says so."""

    def __init__(self, journal: Journal) -> None:
        journal.built += 1
        self.journal = journal
        self.number = journal.built
        self.over = False
        self._count: dict[str, itertools.count[int]] = {}
        self._act("build")

    def _act(self, what: str, *values: str) -> Any:
        if self.over:
            self.journal.after_close.append((self.number, what))
        if what != "build":
            self.journal.calls.append((self.number, what, values))
        count = next(self._count.setdefault(what, itertools.count(1)))
        return self.journal.plan(self.number, what, count)

    def _process(self, frame: Frame) -> Frame:
        instead = self._act("frame")
        self.journal.frames.setdefault(self.number, []).append(number_of(frame))
        return frame.with_samples(frame.samples + np.int16(1)) if instead is None else instead[0]

    def _on_stream_info_updated(
        self, *, room_name: str, participant_identity: str, publication_sid: str
    ) -> None:
        self._act("info", room_name, participant_identity, publication_sid)

    def _on_credentials_updated(self, *, token: str, url: str) -> None:
        self._act("credentials", token, url)

    def _on_stream_info_cleared(self) -> None:
        self._act("info cleared")

    def _on_credentials_cleared(self) -> None:
        self._act("credentials cleared")

    def _close(self) -> None:
        try:
            self._act("close")
        finally:
            self.over = True


class Collected:
    """A sink that keeps its frames' numbers, and fails where it is told to."""

    def __init__(self, *, fail_at: int | None = None, error: BaseException | None = None) -> None:
        self.numbers: list[int] = []
        self.ends: list[str] = []
        self.fail_at = fail_at
        self.error = error or OSError("disk full")

    def write(self, frame: Frame) -> None:
        if self.fail_at == len(self.numbers):
            raise self.error
        self.numbers.append(number_of(frame))

    def finish(self) -> None:
        self.ends.append("finish")

    def abort(self) -> None:
        self.ends.append("abort")


class EndlessError(AssertionError):
    """The simulation does not come to rest."""


class Limit:
    """Ends a simulation that would go on for ever."""

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps
        self.last: list[str] = []

    def __call__(self, step: TraceLine) -> None:
        self.left -= 1
        if self.left < 40:
            self.last.append(str(step))
        if self.left <= 0:
            raise EndlessError("no rest after so many steps; the last ones:\n" + "\n".join(self.last))


def simulated(seed: int, *, steps: int = STEPS) -> SimulatedRuntime:
    """Return a runtime that refuses to run for ever."""
    return SimulatedRuntime(seed, trace=Limit(steps))


def play(
    seed: int | None,
    story: Callable[[Session], Awaitable[T]],
    *,
    pace: Pace = Pace.FAST,
    lawful: bool = True,
    steps: int = STEPS,
    **values: Any,
) -> tuple[T, SessionReport]:
    """Run a story in a session: simulated under a seed, or with None on real threads. The laws must hold at its end."""

    async def run() -> tuple[T, SessionReport]:
        runtime = None if seed is None else simulated(seed, steps=steps)
        session = await Session(runtime=runtime, pace=pace, **values).__aenter__()
        try:
            result = await story(session)
        except EndlessError:
            raise  # it would not come to rest in a close either
        except BaseException:
            await session.close()
            raise
        return result, await session.close()

    result, report = asyncio.run(run())
    if lawful:
        broken = [verdict for verdict in report.verdicts if not verdict.held]
        assert not broken, broken
    return result, report


def run(story: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of its own."""
    return asyncio.run(story)


async def elapse(session: Session, delay_ns: int) -> None:
    """Let ``delay_ns`` of the runtime's time go by."""
    runtime = session.record().runtime
    over: Future[None] = Future(runtime, "a while")
    runtime.call_later(delay_ns, lambda: over.try_set(None) and None)
    await over


async def until(session: Session, condition: Callable[[], bool]) -> None:
    """Wait until something holds, looking every millisecond."""
    while not condition():
        await elapse(session, MS)


async def numbers(stream: Stream, limit: int | None = None) -> list[int]:
    """Iterate a stream; return its frames' numbers."""
    found: list[int] = []
    if limit == 0:
        return found
    async for each in stream:
        found.append(number_of(each))
        if len(found) == limit:
            break
    return found


def kinds(report: SessionReport, *wanted: EventKind, subject: str = "") -> Iterator[EventKind]:
    """Return the kinds of the report's events: of those ``wanted``, about ``subject``."""
    return (e.kind for e in report.events if e.kind in wanted and e.subject.startswith(subject))


def count(report: SessionReport, kind: EventKind) -> int:
    """Count the events of one kind."""
    return sum(event.kind is kind for event in report.events)


def held(report: SessionReport) -> Iterable[int]:
    """Return the numbers of the laws that held."""
    return {verdict.law for verdict in report.verdicts if verdict.held}
