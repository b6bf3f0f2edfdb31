"""The laws of a session, written once: the verdicts of a run are the same for demo, tests and simulator.

`check` judges the record of a session that is over. `EventLaws` judges what is told while it runs, and is what `check`
asks about events. In a simulation the rest looks at the actors and lanes themselves: `at_rest` when nothing is on its way,
`at_instant` whenever time has gone on, `at_event` when something was told, `at_frame` when a processor is called.
"""

from collections.abc import Callable, Iterable
from typing import Final

from greenroom.actors._eventlaws import NUMBER, EventLaws
from greenroom.actors._framelaws import Calls, at_event, at_frame, at_instant
from greenroom.actors._restlaws import at_rest, expected_context
from greenroom.actors.report import SessionReport, Verdict
from greenroom.actors.snapshots import ProcessorSnapshot, ProcessorState, StreamSnapshot

__all__ = [
    "LAWS",
    "Calls",
    "EventLaws",
    "at_event",
    "at_frame",
    "at_instant",
    "at_rest",
    "check",
    "expected_context",
]

Findings = Iterable[str]
LEASES: Final = NUMBER["leases"]
RESTARTS: Final = NUMBER["restarts"]


def check(report: SessionReport) -> tuple[Verdict, ...]:
    """Return the verdict on each law, in order."""
    return tuple(
        _verdict(number, title, evidence, list(find(report))) for number, title, evidence, find in LAWS
    )


def _verdict(number: int, title: str, evidence: str, findings: list[str]) -> Verdict:
    shown = "; ".join(findings[:3]) + (f"; and {len(findings) - 3} more" if len(findings) > 3 else "")  # noqa: PLR2004
    return Verdict(law=number, title=title, held=not findings, detail=shown or evidence)


def _processors(report: SessionReport) -> tuple[ProcessorSnapshot, ...]:
    return (*report.snapshot.processors, *report.snapshot.past_processors)


def _streams(report: SessionReport) -> tuple[StreamSnapshot, ...]:
    live = (s for room in report.snapshot.rooms for track in room.tracks for s in track.streams)
    return (*live, *report.snapshot.past_streams)


def _closed_once(report: SessionReport) -> Findings:
    for processor in _processors(report):
        if processor.opened != processor.closed:
            yield f"{processor.name} was opened {processor.opened} times and closed {processor.closed} times"


def _leases_balance(report: SessionReport) -> Findings:
    for processor in _processors(report):
        if processor.leases:
            yield f"{processor.name} has {processor.leases} leases and nobody to hold them"
        elif processor.leases_granted != processor.leases_ended:
            yield f"{processor.name} granted {processor.leases_granted} leases, {processor.leases_ended} ended"
    if not report.events_forgotten:
        laws, found = _judged(report)
        yield from (text for law, text in found if law == LEASES)
        yield from laws.never_ended()


def _judged(report: SessionReport) -> tuple[EventLaws, list[tuple[int, str]]]:
    laws = EventLaws(report.intensities.get)
    return laws, [finding for event in report.events for finding in laws.judge(event)]


def _context_right(report: SessionReport) -> Findings:
    for processor in report.snapshot.processors:
        if processor.state is ProcessorState.READY and processor.context != processor.wanted:
            yield f"{processor.name} was told {processor.context!r}, and should know {processor.wanted!r}"
    for processor in report.snapshot.past_processors:
        if processor.context:
            yield f"{processor.name} is gone and was never told that {processor.context} is"


def _frames_balance(report: SessionReport) -> Findings:
    for stream in _streams(report):
        accounted = stream.frames_out + sum(stream.dropped.values()) + stream.in_flight
        if stream.frames_in != accounted:
            yield f"{stream.name}: {stream.frames_in} in, {accounted} accounted for"
        elif stream.ended and stream.in_flight:
            yield f"{stream.name}: ended with {stream.in_flight} frames inside"
    for stream in report.snapshot.past_streams:
        if not stream.ended:
            yield f"{stream.name}: is gone and has not ended"


def _asks_answered(report: SessionReport) -> Findings:
    if report.asked != report.answered:
        yield f"{report.asked} asked, {report.answered} answered"


def _restarts_within_budget(report: SessionReport) -> Findings:
    return (text for law, text in _judged(report)[1] if law == RESTARTS)


def _nothing_left(report: SessionReport) -> Findings:
    left = report.leftovers
    yield from (f"actor {path}" for path in left.actors)
    yield from (f"thread {name}, stuck in foreign code" for name in left.zombies)
    yield from left.processors
    if left.timers:
        yield f"{left.timers} timers"
    if left.threads:
        yield f"{left.threads} threads"


def _no_secret_shown(report: SessionReport) -> Findings:
    if report.secrets_shown:
        yield f"{len(report.secrets_shown)} tokens appear in events, snapshots or errors"


LAWS: Final[tuple[tuple[int, str, str, Callable[[SessionReport], Findings]], ...]] = (
    (1, "each processor is closed once, after its last call", "every one opened was closed", _closed_once),
    (2, "every lease has a live holder", "every lease that was granted has ended", _leases_balance),
    (
        3,
        "at rest a processor knows what it should, or nothing",
        "no context was left behind",
        _context_right,
    ),
    (4, "frames in = frames out + dropped by reason", "all streams balance", _frames_balance),
    (5, "every ask is answered", "all were", _asks_answered),
    (6, "restarts stay within their budget, or escalate", "all did", _restarts_within_budget),
    (7, "nothing is left after the end", "no actor, thread, timer or processor", _nothing_left),
    (8, "no token is shown", "none in events, snapshots, errors", _no_secret_shown),
)
