"""Every law can fail: a report that breaks it, made by hand, is found out; and the others still hold."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from greenroom.actors import (
    EventKind,
    Latency,
    OnFault,
    Placement,
    ProcessorSnapshot,
    ProcessorState,
    Reason,
    SessionEvent,
    SessionReport,
    SessionSnapshot,
    StreamSnapshot,
)
from greenroom.actors.laws import LAWS, check
from greenroom.actors.report import Leftovers

PROCESSOR = ProcessorSnapshot(
    name="p#1",
    spec="p",
    state=ProcessorState.CLOSED,
    placement=Placement.THREAD,
    on_fault=OnFault.BYPASS,
    opened=2,
    closed=2,
    restarts=1,
    leases=0,
    leases_granted=3,
    leases_ended=3,
    faults={},
    context="",
    last_failure="",
)
STREAM = StreamSnapshot(
    name="room:lobby/track:g/microphone/stream:1",
    pipeline=("p#1",),
    frames_in=10,
    frames_out=7,
    in_flight=0,
    bypassed={},
    dropped={Reason.LATE: 3},
    latency=Latency(count=7, p50_ns=1, p99_ns=1, max_ns=1),
    ended=True,
)
SNAPSHOT = SessionSnapshot(
    name="session",
    now_ns=0,
    rooms=(),
    processors=(),
    past_processors=(PROCESSOR,),
    past_streams=(STREAM,),
    zombies=(),
)


def event(kind: EventKind, at_ns: int = 0, **details: int) -> SessionEvent:
    """Return an event of the processor."""
    return SessionEvent(at_ns=at_ns, kind=kind, subject="processor:p#1", details=details)


REPORT = SessionReport(
    snapshot=SNAPSHOT,
    events=(event(EventKind.LEASE_GRANTED, lease=1), event(EventKind.LEASE_ENDED, lease=1)),
    leftovers=Leftovers(),
    asked=4,
    answered=4,
    dead_letters=0,
    secrets_shown=(),
    intensities={"p#1": (2, 1_000)},
)


def report(
    *, past: Mapping[str, Any] | None = None, live: Mapping[str, Any] | None = None, **stream: Any
) -> SessionReport:
    """Return the good report with other facts about its processor or its stream."""
    processors = () if live is None else (replace(PROCESSOR, **live),)
    snapshot = replace(
        SNAPSHOT,
        processors=processors,
        past_processors=(replace(PROCESSOR, **(past or {})),),
        past_streams=(replace(STREAM, **stream),),
    )
    return replace(REPORT, snapshot=snapshot)


def restarts(*at_ns: int) -> SessionReport:
    """Return a report with restarts at these instants."""
    return replace(REPORT, events=tuple(event(EventKind.PROCESSOR_RESTARTED, at) for at in at_ns))


def broken(given: SessionReport) -> list[int]:
    """Return the numbers of the laws that do not hold."""
    return [verdict.law for verdict in check(given) if not verdict.held]


def test_a_good_report_breaks_no_law() -> None:
    """There are eight laws, in order, and all of them hold for a report in which nothing is wrong."""
    verdicts = check(REPORT)
    assert [verdict.law for verdict in verdicts] == [law[0] for law in LAWS] == list(range(1, 9))
    assert all(verdict.held and verdict.detail and verdict.title for verdict in verdicts)


BROKEN = {
    "closed too rarely": (1, report(past={"closed": 1})),
    "closed too often": (1, report(past={"closed": 3})),
    "closed too rarely, live": (1, report(live={"closed": 1})),
    "leases left": (2, report(past={"leases": 1})),
    "leases never ended": (2, report(past={"leases_ended": 2})),
    "a lease without an end": (2, replace(REPORT, events=REPORT.events[:1])),
    "a lease with two ends": (2, replace(REPORT, events=(*REPORT.events, REPORT.events[1]))),
    "context left behind": (3, report(past={"context": "lobby/g/TR_1"})),
    "context not told": (3, report(live={"state": ProcessorState.READY, "wanted": "lobby/g/TR_1"})),
    "a frame lost": (4, report(frames_out=6)),
    "a frame doubled": (4, report(frames_out=8)),
    "ended with frames inside": (4, report(frames_out=6, in_flight=1)),
    "gone without an end": (4, report(ended=False)),
    "an ask without an answer": (5, replace(REPORT, answered=3)),
    "an answer too many": (5, replace(REPORT, answered=5)),
    "restarts past the budget": (6, restarts(0, 400, 800)),
    "an actor left": (7, replace(REPORT, leftovers=Leftovers(actors=("session/rooms",)))),
    "a zombie left": (7, replace(REPORT, leftovers=Leftovers(zombies=("worker-1",)))),
    "timers left": (7, replace(REPORT, leftovers=Leftovers(timers=1))),
    "threads left": (7, replace(REPORT, leftovers=Leftovers(threads=1))),
    "processors left": (7, replace(REPORT, leftovers=Leftovers(processors=("p#1",)))),
    "a token shown": (8, replace(REPORT, secrets_shown=("***",))),
}


@pytest.mark.parametrize(("law", "given"), BROKEN.values(), ids=BROKEN)
def test_a_broken_law_is_found(law: int, given: SessionReport) -> None:
    """What breaks one law breaks that one and no other, and the verdict says where."""
    assert broken(given) == [law]
    verdict = check(given)[law - 1]
    assert verdict.detail != check(REPORT)[law - 1].detail


def test_restarts_count_within_their_window_only() -> None:
    """Restarts further apart than the period, or with a degradation between them, are within the budget."""
    assert broken(restarts(0, 400, 1_401)) == []
    between = (
        event(EventKind.PROCESSOR_RESTARTED, 0),
        event(EventKind.PROCESSOR_RESTARTED, 1),
        event(EventKind.PROCESSOR_DEGRADED, 2),
        event(EventKind.PROCESSOR_RESTARTED, 3),
    )
    assert broken(replace(REPORT, events=between)) == []


def test_a_journal_that_has_forgotten_proves_nothing() -> None:
    """Where the oldest events are forgotten, an end without its grant is no finding; the counts still are."""
    forgotten = replace(REPORT, events=REPORT.events[1:], events_forgotten=1)
    assert broken(forgotten) == []


def test_a_long_list_of_findings_is_cut() -> None:
    """Three findings are told, and how many more there are."""
    many = replace(REPORT, leftovers=Leftovers(actors=("a", "b", "c", "d", "e")))
    assert check(many)[6].detail == "actor a; actor b; actor c; and 2 more"
