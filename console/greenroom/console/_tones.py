"""How events and states are shown: one table for the live view, the plain lines and the page."""

from enum import StrEnum
from typing import Final

from greenroom.actors.snapshots import EventKind, ProcessorState


class Tone(StrEnum):
    """What an event means to a person who watches."""

    PLAIN = "plain"
    """Somebody came or went, as they do."""
    GOOD = "good"
    """Something works (again)."""
    CARE = "care"
    """Something is being dealt with."""
    BAD = "bad"
    """Something failed."""


EVENT_TONES: Final[dict[EventKind, Tone]] = {
    EventKind.ROOM_OPENED: Tone.PLAIN,
    EventKind.ROOM_CLOSED: Tone.PLAIN,
    EventKind.ROOM_RECONNECTING: Tone.CARE,
    EventKind.ROOM_RECONNECTED: Tone.GOOD,
    EventKind.CREDENTIALS_REFRESHED: Tone.PLAIN,
    EventKind.TRACK_ADDED: Tone.PLAIN,
    EventKind.TRACK_REMOVED: Tone.PLAIN,
    EventKind.TRACK_MOVED: Tone.PLAIN,
    EventKind.TRACK_REPUBLISHED: Tone.PLAIN,
    EventKind.STREAM_OPENED: Tone.PLAIN,
    EventKind.STREAM_ENDED: Tone.PLAIN,
    EventKind.STREAM_FAILED: Tone.BAD,
    EventKind.LEASE_GRANTED: Tone.PLAIN,
    EventKind.LEASE_ENDED: Tone.PLAIN,
    EventKind.PROCESSOR_OPENED: Tone.PLAIN,
    EventKind.PROCESSOR_READY: Tone.GOOD,
    EventKind.PROCESSOR_FAILED: Tone.BAD,
    EventKind.PROCESSOR_HUNG: Tone.BAD,
    EventKind.PROCESSOR_RESTARTED: Tone.CARE,
    EventKind.PROCESSOR_DEGRADED: Tone.BAD,
    EventKind.PROCESSOR_RETRIED: Tone.CARE,
    EventKind.PROCESSOR_RECOVERED: Tone.GOOD,
    EventKind.PROCESSOR_CLOSED: Tone.PLAIN,
    EventKind.CONTEXT_APPLIED: Tone.PLAIN,
    EventKind.CONTEXT_CLEARED: Tone.PLAIN,
    EventKind.ACTOR_CRASHED: Tone.BAD,
    EventKind.ACTOR_FENCED: Tone.CARE,
}

STATE_TONES: Final[dict[ProcessorState, Tone]] = {
    ProcessorState.BUILDING: Tone.CARE,
    ProcessorState.READY: Tone.GOOD,
    ProcessorState.RESTARTING: Tone.CARE,
    ProcessorState.DEGRADED: Tone.BAD,
    ProcessorState.CLOSING: Tone.PLAIN,
    ProcessorState.CLOSED: Tone.PLAIN,
}

TERMINAL_STYLES: Final[dict[Tone, str]] = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.CARE: "yellow",
    Tone.BAD: "bold red",
}
"""Colours that every terminal theme has, so that they can be read on light and dark."""

MARKS: Final[dict[Tone, str]] = {Tone.PLAIN: "·", Tone.GOOD: "✓", Tone.CARE: "↻", Tone.BAD: "✗"}
"""Shown beside the colour, for those who do not see it."""
