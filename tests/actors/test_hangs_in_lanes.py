"""Foreign code that hangs or lingers in the simulation does so as it would on a thread: found, given up, replaced, closed."""

from typing import Any

import pytest
from tests.actors.sessionkit import (
    MS,
    RATE,
    SECOND,
    Collected,
    Counting,
    Journal,
    count,
    frame,
    numbers,
    play,
    sim,
)

from greenroom.actors import (
    EventKind,
    Frame,
    Pace,
    Placement,
    ProcessorSpec,
    Reason,
    Session,
    SessionReport,
    Stream,
)


def broken(report: SessionReport) -> set[int]:
    """Return the numbers of the laws that did not hold."""
    return {verdict.law for verdict in report.verdicts if not verdict.held}


async def stream_of(session: Session, spec: ProcessorSpec) -> Stream:
    """Open a stream of a hundred frames through one processor."""
    room = await session.open_room("lobby")
    track = await room.add_track("TR_1", participant="guest", source=Counting(100))
    return await track.open_stream([spec])


def through(seed: int, hang: bool, lasting_ns: int = 0) -> tuple[Journal, Stream, SessionReport]:
    """Have the first instance hang over its fifth frame, or stay in it for so long."""
    journal = Journal()

    async def story(session: Session) -> Stream:
        runtime = session.record().runtime

        def plan(instance: int, what: str, number: int) -> None:
            if (instance, what, number) == (1, "frame", 5):
                runtime.hang() if hang else runtime.linger(lasting_ns)
                journal.calls.append((1, "returned", ()))

        journal.plan = plan
        stream = await stream_of(session, journal.spec(hang_ns=50 * MS, deadline_ns=200 * MS))
        assert await numbers(stream) == list(range(100))
        return stream

    stream, report = play(seed, story, pace=Pace.REALTIME, lawful=False)
    return journal, stream, report


@sim
def test_a_call_that_never_returns_is_given_up_and_the_stream_goes_on(seed: int) -> None:
    """Its frame is late; it is no fault. It is never closed, for it never comes back, and the report says so."""
    journal, stream, report = through(seed, hang=True)
    assert stream.snapshot().bypassed[Reason.LATE] == 1
    assert count(report, EventKind.PROCESSOR_HUNG) == 1
    assert Reason.FAULT not in stream.snapshot().bypassed
    assert journal.closed() == [2]
    assert broken(report) == {1, 3, 7}
    assert report.leftovers.zombies == ("session/processors/p#1/worker",)


@sim
def test_a_call_that_returns_too_late_closes_its_processor_itself(seed: int) -> None:
    """The stream goes on without it meanwhile; what it returns is thrown away; each instance is closed once."""
    journal, stream, report = through(seed, hang=False, lasting_ns=300 * MS)
    assert stream.snapshot().bypassed[Reason.LATE] == 1
    assert count(report, EventKind.PROCESSOR_HUNG) == 1
    assert sorted(journal.closed()) == [1, 2]
    assert journal.after_close == []
    assert journal.calls.index((1, "returned", ())) < journal.calls.index((1, "close", ()))
    assert broken(report) == set()


@sim
def test_a_call_that_is_slow_is_no_hang(seed: int) -> None:
    """Nothing is late, and nothing is given up."""
    journal, stream, report = through(seed, hang=False, lasting_ns=40 * MS)
    assert count(report, EventKind.PROCESSOR_HUNG) == 0
    assert journal.closed() == [1]
    assert journal.built == 1
    assert stream.snapshot().frames_out == 100
    assert broken(report) == set()


@sim
def test_a_processor_is_not_closed_under_a_call_that_lasts(seed: int) -> None:
    """The lease is given back, and the session closed, while a call is under way: it is waited for."""
    journal = Journal()

    async def story(session: Session) -> None:
        runtime = session.record().runtime

        def plan(_instance: int, what: str, number: int) -> None:
            if what == "frame" and number == 3:
                runtime.linger(30 * MS)
                journal.calls.append((1, "returned", ()))

        journal.plan = plan
        stream = await stream_of(session, journal.spec(hang_ns=SECOND))
        await numbers(stream, 1)
        await stream.aclose()

    _, report = play(seed, story, pace=Pace.REALTIME)
    assert broken(report) == set()
    names = [what for _, what, _ in journal.calls]
    assert names.count("close") == 1
    assert names[-1] == "close"


@sim
@pytest.mark.parametrize("placement", list(Placement))
@pytest.mark.parametrize("what", ["build", "info", "frame", "close"])
def test_nothing_that_hangs_stops_the_end(what: str, placement: Placement, seed: int) -> None:
    """A factory, callback, frame or close that never returns: the close ends, and the report owns up to it."""
    journal = Journal()

    async def story(session: Session) -> None:
        runtime = session.record().runtime

        def plan(_instance: int, here: str, number: int) -> None:
            if here == what and (here != "frame" or number == 5):
                runtime.hang()

        journal.plan = plan
        spec = journal.spec(placement=placement, build_ns=SECOND, close_ns=SECOND, hang_ns=SECOND)
        await stream_of(session, spec)

    _, report = play(seed, story, pace=Pace.REALTIME, lawful=False, shutdown_ns=300 * MS)
    assert broken(report) <= {1, 2, 3, 4, 7}
    assert 7 in broken(report) or (what, journal.closed()) == ("frame", [1])


class StuckSource(Counting):
    """A source whose ``open`` or ``read`` never returns."""

    def __init__(self, where: str) -> None:
        super().__init__(20)
        self.where = where
        self.hang: Any = None

    def open(self) -> Any:
        if self.where == "open":
            self.hang()
        return self

    rate_hz = RATE
    channels = 1

    def read(self) -> Any:
        if self.where == "read":
            self.hang()
        self.opened += 1
        return frame(self.opened) if self.opened < 20 else None

    def close(self) -> None:
        """Nothing."""


class StuckSink(Collected):
    """A sink whose ``write`` never returns."""

    hang: Any = None

    def write(self, frame: Frame) -> None:
        self.hang()


@pytest.mark.parametrize("where", ["open", "read", "write"])
def test_a_source_or_a_sink_that_hangs_has_not_failed(where: str) -> None:
    """Its stream stands still, and ends with the session; nothing is told that did not happen."""
    source = StuckSource(where)
    sink = StuckSink()

    async def story(session: Session) -> None:
        source.hang = sink.hang = session.record().runtime.hang
        room = await session.open_room("lobby")
        track = await room.add_track("TR_1", participant="guest", source=source)
        await track.open_stream([], sink=sink)

    _, report = play(1, story, lawful=False, shutdown_ns=300 * MS)
    assert count(report, EventKind.STREAM_FAILED) == 0
    assert sink.numbers == []
