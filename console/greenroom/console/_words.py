"""Small things turned into text for people."""

from collections.abc import Mapping
from typing import Final

from greenroom.actors.processors import Reason
from greenroom.actors.snapshots import EventKind, SessionEvent

SECOND_NS: Final = 1_000_000_000
MILLISECOND_NS: Final = 1_000_000
NOTHING: Final = "–"  # noqa: RUF001 - a dash is what tables show for nothing


def milliseconds(ns: int) -> str:
    """Three digits that matter: ``0.04``, ``1.2``, ``35``."""
    value = ns / MILLISECOND_NS
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"  # noqa: PLR2004 - one, two, three digits


def seconds(ns: int) -> str:
    """To the millisecond, as a person reads a stopwatch: ``12.345``."""
    return f"{ns / SECOND_NS:.3f}"


def clock(ns: int) -> str:
    """Minutes and seconds: ``01:05``."""
    minutes, rest = divmod(max(0, ns) // SECOND_NS, 60)
    return f"{minutes:02d}:{rest:02d}"


def count(number: int, noun: str) -> str:
    """``1 room``, ``3 rooms``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def tally(reasons: Mapping[Reason, int]) -> str:
    """Counts by reason, the biggest first: ``late 3, fault 1``; a dash if there are none."""
    found = sorted(
        ((n, str(reason)) for reason, n in reasons.items() if n), key=lambda pair: (-pair[0], pair[1])
    )
    return ", ".join(f"{reason} {n}" for n, reason in found) or NOTHING


def decibels(value: float) -> str:
    """With a sign, because more and less are what matters: ``+7.3 dB``."""
    return f"{value:+.1f} dB".replace("-", "−")  # noqa: RUF001 - a minus sign is as wide as the plus sign


def details(facts: Mapping[str, str | int | float]) -> str:
    """``reason=late count=3``; what is measured in nanoseconds is said in milliseconds."""
    return " ".join(_fact(name, value) for name, value in facts.items())


def subject(path: str) -> str:
    """A subject's path without the kinds that its place already says: ``lobby / guest-1/microphone / 1``."""
    shown = path
    for kind in ("room", "track", "stream", "processor"):
        shown = shown.replace(f"/{kind}:", " / ").removeprefix(f"{kind}:")
    return shown


def sentence(event: SessionEvent) -> tuple[EventKind, str, str]:
    """An event's three columns: what, to whom, and the facts."""
    return event.kind, subject(event.subject), details(event.details)


def _fact(name: str, value: str | float) -> str:
    if name.endswith("_ns") and isinstance(value, int):
        return f"{name.removesuffix('_ns')}={milliseconds(value)}ms"
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return f"{name}={text!r}" if " " in text else f"{name}={text}"
