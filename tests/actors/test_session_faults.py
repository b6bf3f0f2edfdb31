"""What a processor may do wrong, and what follows: replaced, degraded, tried again, fenced; and the audio goes on."""

import asyncio
import itertools
import threading
from typing import Any

import numpy as np
import pytest
from tests.actors.sessionkit import (
    BLOCK,
    CREDENTIALS,
    MS,
    RATE,
    SECOND,
    Collected,
    Counting,
    Journal,
    count,
    elapse,
    numbers,
    play,
    sim,
    until,
)

from greenroom.actors import (
    EventKind,
    Frame,
    OnFault,
    Pace,
    Placement,
    ProcessorState,
    Reason,
    Session,
    Stream,
)

PLACEMENTS = pytest.mark.parametrize("placement", list(Placement))
FAULTS: dict[str, Any] = {
    "raises": RuntimeError("as planned"),
    "exits": SystemExit(1),
    "returns None": None,
    "returns nonsense": "nonsense",
    "returns another length": Frame(np.zeros((BLOCK + 80, 1), np.int16), RATE, 0),
}


def at(instance: int, what: str, number: int, fault: Any) -> Any:
    """Return a plan with one fault."""

    def plan(*here: Any) -> Any:
        if here != (instance, what, number):
            return None
        if isinstance(fault, BaseException):
            raise fault
        return [fault]

    return plan


async def stream_of(session: Session, *pipeline: Any, frames: int = 100) -> Stream:
    """Open a stream of a counting source."""
    room = await session.open_room("lobby", credentials=CREDENTIALS)
    track = await room.add_track("TR_1", participant="g", source=Counting(frames))
    return await track.open_stream(list(pipeline))


@PLACEMENTS
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("seed", range(4))
def test_a_fault_costs_one_frame_and_one_instance(seed: int, fault: Any, placement: Placement) -> None:
    """The frame comes out unprocessed, counted; the instance is closed; the next one takes over where it was."""
    journal = Journal()
    journal.plan = at(1, "frame", 10, fault)

    async def story(session: Session) -> Stream:
        stream = await stream_of(session, journal.spec(placement=placement))
        assert await numbers(stream) == list(range(100))
        return stream

    stream, report = play(seed, story)
    assert stream.snapshot().bypassed == {Reason.FAULT: 1}
    assert journal.closed() == [1, 2]
    raised = isinstance(fault, BaseException)
    assert journal.frames[1] + journal.frames[2] == [n for n in range(100) if n != 9 or not raised]
    assert count(report, EventKind.PROCESSOR_RECOVERED) == 1


@PLACEMENTS
@pytest.mark.parametrize(
    "what", ["info", "credentials", "info cleared", "credentials cleared", "close", "build"]
)
@pytest.mark.parametrize("seed", range(4))
def test_a_crash_in_any_callback_loses_no_frame(seed: int, what: str, placement: Placement) -> None:
    """Whichever callback raises: what was built is closed once, all frames come out, in order, and the session ends well."""
    journal = Journal()
    journal.plan = at(1, what, 1, RuntimeError(f"{what} as planned"))

    async def story(session: Session) -> list[int]:
        return await numbers(await stream_of(session, journal.spec(placement=placement)))

    found, _ = play(seed, story)
    assert found == list(range(100))
    # The instance whose building failed was never there to be closed.
    assert journal.closed() == [n for n in range(1, journal.built + 1) if (what, n) != ("build", 1)]


@sim
@pytest.mark.parametrize("policy", list(OnFault))
def test_the_policy_says_what_comes_out(seed: int, policy: OnFault) -> None:
    """A fault's frame is passed by, silenced or dropped, as ``on_fault`` says."""
    journal = Journal()
    journal.plan = at(1, "frame", 10, None)

    async def story(session: Session) -> tuple[list[Frame], Stream]:
        stream = await stream_of(session, journal.spec(on_fault=policy))
        return [each async for each in stream], stream

    (frames, stream), _ = play(seed, story)
    marked = {each.timestamp_ns // (10 * MS): int(each.samples[0, 0]) for each in frames}
    assert marked[8] == 9
    assert marked.get(9) == {OnFault.BYPASS: 9, OnFault.SILENCE: 0, OnFault.DROP: None}[policy]
    assert stream.snapshot().dropped == ({Reason.FAULT: 1} if policy is OnFault.DROP else {})


@sim
def test_past_its_budget_a_processor_is_degraded_and_tried_again(seed: int) -> None:
    """Restarts up to ``intensity``; then frames bypass it; each half-open try waits twice as long; then it is well again."""
    journal = Journal()
    built: list[int] = []
    healthy = threading.Event()

    async def story(session: Session) -> None:
        runtime = session.record().runtime

        def plan(_instance: int, what: str, _number: int) -> None:
            if what == "build":
                built.append(runtime.now_ns())
                if not healthy.is_set():
                    raise RuntimeError("cannot be built")

        journal.plan = plan
        stream = await stream_of(
            session,
            journal.spec(intensity=2, period_ns=10 * SECOND, backoff_ns=1, backoff_max_ns=1, retry_ns=SECOND),
            frames=10**6,
        )
        await until(session, lambda: len(built) >= 7)
        assert session.snapshot().processors[0].state is ProcessorState.DEGRADED
        healthy.set()
        await until(session, lambda: session.snapshot().processors[0].state is ProcessorState.READY)
        assert stream.snapshot().bypassed[Reason.DEGRADED] > 100
        await stream.aclose()

    _, report = play(seed, story, pace=Pace.REALTIME, steps=1_000_000)
    gaps = [round((b - a) / SECOND) for a, b in itertools.pairwise(built)]
    assert gaps[:2] == [0, 0]
    assert gaps[2:] == [1, 2, 4, 8, 8]
    assert count(report, EventKind.PROCESSOR_RESTARTED) == 2
    assert count(report, EventKind.PROCESSOR_RETRIED) == 5
    assert count(report, EventKind.PROCESSOR_RECOVERED) == 1 or journal.built == 7


@sim
def test_an_instance_cannot_be_built_again(seed: int) -> None:
    """One that was given as an instance degrades for good at its first fault; its frames pass by."""
    journal = Journal()
    journal.plan = at(1, "frame", 10, RuntimeError("as planned"))

    async def story(session: Session) -> Stream:
        room = await session.open_room("lobby")
        track = await room.add_track("TR_1", participant="g", source=Counting(100))
        stream = await track.open_stream([journal.factory()])
        assert await numbers(stream) == list(range(100))
        return stream

    stream, report = play(seed, story)
    assert stream.snapshot().bypassed == {Reason.FAULT: 1, Reason.DEGRADED: 90}
    assert (journal.built, journal.closed()) == (1, [1])
    assert count(report, EventKind.PROCESSOR_RETRIED) == 0


@sim
@pytest.mark.parametrize("wrong", ["raises", "nonsense"])
def test_a_factory_may_fail_twice_and_then_work(seed: int, wrong: str) -> None:
    """A factory that raises, or returns what is no processor, is asked again; in FAST pace the frames wait for it."""
    journal = Journal()
    asked: list[int] = []

    def factory() -> Any:
        asked.append(1)
        if len(asked) < 3:
            if wrong == "raises":
                raise RuntimeError("not yet")
            return object()
        return journal.factory()

    async def story(session: Session) -> list[int]:
        return await numbers(await stream_of(session, factory))

    found, report = play(seed, story)
    assert found == journal.frames[1] == list(range(100))
    failed = [event.details["error"] for event in report.events if event.kind is EventKind.PROCESSOR_FAILED]
    assert len(failed) == 2
    assert ("which has no _process" in str(failed[0])) == (wrong == "nonsense")


@sim
def test_one_that_is_not_enabled_lets_frames_by(seed: int) -> None:
    """``enabled = False`` passes frames by, counted; ``enabled`` that raises is a fault."""
    journal = Journal()

    class Off(type(journal.factory())):  # type: ignore[misc]
        enabled = False

    class Broken(type(journal.factory())):  # type: ignore[misc]
        @property
        def enabled(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
            raise RuntimeError("as planned")

    async def story(session: Session) -> tuple[Any, Any]:
        room = await session.open_room("lobby")
        snapshots: list[Any] = []
        for sid, kind in (("TR_1", Off), ("TR_2", Broken)):
            track = await room.add_track(sid, participant=sid, source=Counting(40))
            stream = await track.open_stream([lambda kind=kind: kind(journal)])
            assert await numbers(stream) == list(range(40))
            snapshots.append(stream.snapshot().bypassed)
        return snapshots[0], snapshots[1]

    (off, broken), _ = play(seed, story)
    assert off == {Reason.DISABLED: 40}
    assert broken[Reason.FAULT] >= 1


def test_a_call_that_hangs_is_fenced_and_the_stream_goes_on() -> None:
    """On real threads: the frame is late, a new instance takes over, and the old one is closed when it comes back."""
    journal, gate = Journal(), threading.Event()

    def plan(instance: int, what: str, number: int) -> None:
        if (instance, what, number) == (1, "frame", 5):
            gate.wait(30)

    journal.plan = plan

    async def story(session: Session) -> Stream:
        stream = await stream_of(session, journal.spec(hang_ns=50 * MS, deadline_ns=50 * MS))
        found = await numbers(stream)
        assert found == list(range(100))
        assert journal.closed() in ([], [2])
        gate.set()
        return stream

    stream, report = play(None, story)
    assert stream.snapshot().bypassed[Reason.LATE] == 1
    assert sorted(journal.closed()) == [1, 2]
    assert count(report, EventKind.PROCESSOR_HUNG) == 1


@pytest.mark.parametrize("what", ["build", "info", "frame", "close"])
def test_nothing_that_hangs_stops_the_loop_or_the_end(what: str) -> None:
    """A factory, callback, frame or close that hangs: other coroutines run on, the close ends, and the report says so."""
    journal, gate = Journal(), threading.Event()
    ticks = 0

    def plan(_instance: int, here: str, _number: int) -> None:
        if here == what:
            gate.wait(30)

    journal.plan = plan

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async def run() -> tuple[Any, int, int]:
        ticking = asyncio.ensure_future(tick())
        session = await Session(shutdown_ns=300 * MS).__aenter__()
        spec = journal.spec(build_ns=SECOND, close_ns=SECOND, hang_ns=SECOND)
        stream = await stream_of(session, spec, frames=20)
        await elapse(session, 100 * MS)
        before, _ = ticks, stream
        report = await session.close()
        after = ticks
        ticking.cancel()
        return report, before, after

    report, before, after = asyncio.run(run())
    gate.set()
    assert before > 100
    assert after - before > 100
    broken = {verdict.law for verdict in report.verdicts if not verdict.held}
    assert broken <= {1, 2, 3, 4, 7}
    assert 7 in broken
    for thread in threading.enumerate():
        if thread.name.startswith("greenroom-"):
            thread.join(10)


@sim
def test_fast_pace_loses_nothing_whatever_fails(seed: int) -> None:
    """FAST: nothing is late, nothing overflows, nothing is dropped, though the processor crashes every ten frames."""
    journal = Journal()

    def plan(_instance: int, what: str, number: int) -> None:
        if what == "frame" and number == 10:
            raise RuntimeError("as planned")

    journal.plan = plan

    async def story(session: Session) -> Stream:
        stream = await stream_of(session, journal.spec(intensity=1_000, capacity_frames=3))
        assert await numbers(stream) == list(range(100))
        return stream

    snapshot = play(seed, story)[0].snapshot()
    assert not snapshot.dropped
    assert snapshot.bypassed == {Reason.FAULT: 10}


def test_real_time_counts_what_nobody_reads() -> None:
    """A consumer that does not read loses the oldest frames, counted as overflow, and no more than those."""

    async def story(session: Session) -> None:
        stream = await stream_of(session, frames=1_500)
        await elapse(session, 20 * SECOND)
        assert stream.snapshot().dropped == {Reason.OVERFLOW: 500}
        assert await numbers(stream) == list(range(500, 1_500))

    play(0, story, pace=Pace.REALTIME)


@sim
def test_a_failing_processor_leaves_the_others_alone(seed: int) -> None:
    """Another stream's processor never hears of the crashes next door."""
    bad, good = Journal(), Journal()

    def plan(_instance: int, what: str, _number: int) -> None:
        if what == "frame":
            raise RuntimeError("as planned")

    bad.plan = plan

    async def story(session: Session) -> None:
        room = await session.open_room("lobby")
        sinks = [Collected(), Collected()]
        for sid, journal, sink in (("TR_1", bad, sinks[0]), ("TR_2", good, sinks[1])):
            track = await room.add_track(sid, participant=sid, source=Counting(100))
            await (await track.open_stream([journal.spec(sid)], sink=sink)).ended()
        assert sinks[0].numbers == sinks[1].numbers == list(range(100))

    play(seed, story)
    assert good.names() == ["info", "frame", "info cleared", "close"]
