"""Small things turned into text for people."""

from collections.abc import Mapping
from typing import Final

from greenroom.actors.processors import Reason
from greenroom.actors.snapshots import EventKind, SessionEvent

SECOND_NS: Final = 1_000_000_000
MILLISECOND_NS: Final = 1_000_000
NOTHING: Final = "–"  # noqa: RUF001 - a dash is what tables show for nothing


def milliseconds(ns: int) -> str:
    """Return the digits that matter.

    >>> milliseconds(40_000), milliseconds(1_234_000), milliseconds(35_000_000)
    ('0.04', '1.2', '35')
    """
    value = ns / MILLISECOND_NS
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"  # noqa: PLR2004 - one, two, three digits


def seconds(ns: int) -> str:
    """Return seconds to the millisecond, as a person reads a stopwatch.

    >>> seconds(12_345_678_900)
    '12.346'
    """
    return f"{ns / SECOND_NS:.3f}"


def clock(ns: int) -> str:
    """Return minutes and seconds.

    >>> clock(65_000_000_000), clock(-1)
    ('01:05', '00:00')
    """
    minutes, rest = divmod(max(0, ns) // SECOND_NS, 60)
    return f"{minutes:02d}:{rest:02d}"


def count(number: int, noun: str) -> str:
    """Return a number of things.

    >>> count(1, "room"), count(3, "room")
    ('1 room', '3 rooms')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def tally(reasons: Mapping[Reason, int]) -> str:
    """Return counts by reason, the biggest first, or a dash if there are none.

    >>> tally({Reason.FAULT: 1, Reason.LATE: 3, Reason.WARMING: 0})
    'late 3, fault 1'
    """
    found = sorted(
        ((n, str(reason)) for reason, n in reasons.items() if n), key=lambda pair: (-pair[0], pair[1])
    )
    return ", ".join(f"{reason} {n}" for n, reason in found) or NOTHING


def decibels(value: float) -> str:
    """Return decibels with a sign, because more and less are what matters.

    >>> decibels(7.26)
    '+7.3 dB'
    """
    return f"{value:+.1f} dB".replace("-", "−")  # noqa: RUF001 - a minus sign is as wide as the plus sign


def details(facts: Mapping[str, str | int | float]) -> str:
    """Return an event's facts; what is measured in nanoseconds is said in milliseconds.

    >>> details({"reason": "late", "count": 3, "waited_ns": 2_500_000, "error": "no way"})
    "reason=late count=3 waited=2.5ms error='no way'"
    """
    return " ".join(_fact(name, value) for name, value in facts.items())


def subject(path: str) -> str:
    """Return a subject's path without the kinds that each place already says.

    >>> subject("room:lobby/track:guest-1/microphone/stream:1")
    'lobby / guest-1/microphone / 1'
    """
    shown = path
    for kind in ("room", "track", "stream", "processor"):
        shown = shown.replace(f"/{kind}:", " / ").removeprefix(f"{kind}:")
    return shown


def sentence(event: SessionEvent) -> tuple[EventKind, str, str]:
    """Return an event's three columns: what, to whom, and the facts."""
    return event.kind, subject(event.subject), details(event.details)


def _fact(name: str, value: str | float) -> str:
    if name.endswith("_ns") and isinstance(value, int):
        return f"{name.removesuffix('_ns')}={milliseconds(value)}ms"
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return f"{name}={text!r}" if " " in text else f"{name}={text}"
