"""Events in, lanes out: who was there when, in which state, and what happened to it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from greenroom.actors.snapshots import EventKind, SessionEvent
from greenroom.console._subjects import parse_subject
from greenroom.console._tones import EVENT_TONES, Tone
from greenroom.console._words import details

GONE: Final = ""
"""The state after which a lane's bar ends."""

STATES: Final[dict[EventKind, str]] = {
    EventKind.ROOM_OPENED: "open",
    EventKind.ROOM_RECONNECTING: "reconnecting",
    EventKind.ROOM_RECONNECTED: "open",
    EventKind.ROOM_CLOSED: GONE,
    EventKind.TRACK_ADDED: "live",
    EventKind.TRACK_REPUBLISHED: "live",
    EventKind.TRACK_MOVED: "live",
    EventKind.TRACK_REMOVED: GONE,
    EventKind.PROCESSOR_OPENED: "building",
    EventKind.PROCESSOR_READY: "ready",
    EventKind.PROCESSOR_FAILED: "restarting",
    EventKind.PROCESSOR_HUNG: "restarting",
    EventKind.PROCESSOR_RESTARTED: "building",
    EventKind.PROCESSOR_DEGRADED: "degraded",
    EventKind.PROCESSOR_RETRIED: "building",
    EventKind.PROCESSOR_RECOVERED: "ready",
}
"""The state that a lane is in after an event; events that are not here leave it as it is.

``PROCESSOR_CLOSED`` is not here: it says that one instance is closed, which happens at every restart, and after a
hang long after its successor is ready. A processor is gone when it has neither leases nor open instances.
"""

_LEASE_STEPS: Final = {EventKind.LEASE_GRANTED: 1, EventKind.LEASE_ENDED: -1}
_INSTANCE_STEPS: Final = {EventKind.PROCESSOR_OPENED: 1, EventKind.PROCESSOR_CLOSED: -1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time in one state."""

    start_ns: int
    end_ns: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An event on a lane."""

    at_ns: int
    kind: EventKind
    tone: Tone
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One line of the picture. Times count from the start of the run.

    Attributes:
        kind: ``room``, ``track`` or ``processor``.
        leases: for processors: spans whose state is the number of leases.
    """

    kind: str
    name: str
    spans: tuple[Span, ...]
    marks: tuple[Mark, ...]
    leases: tuple[Span, ...]


@dataclass(slots=True)
class _Bar:
    """A row of spans that grows with the events."""

    spans: list[Span] = field(default_factory=list[Span])
    state: str = GONE
    since_ns: int = 0

    def become(self, state: str, at_ns: int) -> None:
        if state == self.state:
            return
        if self.state and at_ns > self.since_ns:
            self.spans.append(Span(start_ns=self.since_ns, end_ns=at_ns, state=self.state))
        self.state, self.since_ns = state, at_ns


@dataclass(slots=True)
class _Growing:
    """A lane that grows with the events."""

    kind: str
    name: str
    bar: _Bar = field(default_factory=_Bar)
    leases: _Bar = field(default_factory=_Bar)
    lease_count: int = 0
    instances: int = 0
    marks: list[Mark] = field(default_factory=list[Mark])

    def take(self, event: SessionEvent, at_ns: int) -> None:
        self.marks.append(
            Mark(at_ns=at_ns, kind=event.kind, tone=EVENT_TONES[event.kind], text=details(event.details))
        )
        state = STATES.get(event.kind)
        if state is not None:
            self.bar.become(state, at_ns)
        self.lease_count += _LEASE_STEPS.get(event.kind, 0)
        self.instances += _INSTANCE_STEPS.get(event.kind, 0)
        if event.kind in _LEASE_STEPS:
            self.leases.become(str(self.lease_count) if self.lease_count > 0 else GONE, at_ns)
        leaving = event.kind in {EventKind.LEASE_ENDED, EventKind.PROCESSOR_CLOSED}
        if leaving and self.lease_count <= 0 and self.instances <= 0:
            self.bar.become(GONE, at_ns)

    def finish(self, at_ns: int) -> Lane:
        self.bar.become(GONE, at_ns)
        self.leases.become(GONE, at_ns)
        return Lane(
            kind=self.kind,
            name=self.name,
            spans=tuple(self.bar.spans),
            marks=tuple(self.marks),
            leases=tuple(self.leases.spans),
        )


def lanes(events: Iterable[SessionEvent], started_ns: int, ended_ns: int) -> tuple[Lane, ...]:
    """Return the lanes: each room with its tracks below it, then the processors, each in order of appearance."""
    growing: dict[tuple[str, str], _Growing] = {}
    for event in events:
        at_ns = max(0, event.at_ns - started_ns)
        for key in _lanes_of(event):
            lane = growing.setdefault(key, _Growing(*_kind_and_name(key)))
            lane.take(event, at_ns)
        if event.kind is EventKind.TRACK_MOVED:
            _leave_other_rooms(growing, event, at_ns)
    rooms = dict.fromkeys(room for room, _ in growing if room)
    order = [(room, track) for room in rooms for track in _tracks_of(growing, room)]
    order += [key for key in growing if not key[0]]
    return tuple(growing[key].finish(max(0, ended_ns - started_ns)) for key in order)


def _lanes_of(event: SessionEvent) -> list[tuple[str, str]]:
    """Return the key of the lane that shows an event: ``(room, track)``, or ``("", processor)``."""
    subject = parse_subject(event.subject)
    if subject.processor:
        return [("", subject.processor)]
    return [(subject.room, subject.track)] if subject.room else []


def _kind_and_name(key: tuple[str, str]) -> tuple[str, str]:
    room, inner = key
    if not room:
        return "processor", inner
    return ("track", inner) if inner else ("room", room)


def _tracks_of(growing: Iterable[tuple[str, str]], room: str) -> list[str]:
    """Return the tracks of a room, and before them the room itself if it has a lane."""
    return sorted((track for r, track in growing if r == room), key=bool)


def _leave_other_rooms(growing: dict[tuple[str, str], _Growing], event: SessionEvent, at_ns: int) -> None:
    (now,) = _lanes_of(event)
    for (room, track), lane in growing.items():
        if track == now[1] and room and room != now[0]:
            lane.bar.become(GONE, at_ns)
