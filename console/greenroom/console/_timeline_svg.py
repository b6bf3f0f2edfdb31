"""Draws the lanes of a run as an inline SVG; colours come from the page's style sheet."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from greenroom.console._timeline import Lane, Mark, Span
from greenroom.console._tones import Tone
from greenroom.console._words import SECOND_NS, count, seconds

WIDTH: Final = 1080
GUTTER: Final = 216
TOP: Final = 26
LANE: Final = 24
GAP: Final = 10
LABEL_CHARACTERS: Final = 28
MOST_TICKS: Final = 12
DEEPEST_LEASES: Final = 4

_STEPS_NS: Final = tuple(
    round(step * SECOND_NS) for step in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 3600)
)


def timeline_svg(lanes: Sequence[Lane], duration_ns: int) -> str:
    """Return the picture; every bar and mark says in a title what it is."""
    duration = max(1, duration_ns)
    tops = list(_tops(lanes))
    height = (tops[-1] + LANE if tops else TOP) + 8
    parts = [
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="tl-title tl-desc">',
        '<title id="tl-title">Time line of the session</title>',
        '<desc id="tl-desc">One lane per room, track and processor. The table of events below says the same.</desc>',
        *_ticks(duration, height),
        *(part for lane, top in zip(lanes, tops, strict=True) for part in _lane(lane, top, duration)),
        "</svg>",
    ]
    return "".join(parts)


def tick_ns(duration_ns: int) -> int:
    """Return a round distance between ticks that gives at most a dozen."""
    return next((step for step in _STEPS_NS if duration_ns / step <= MOST_TICKS), _STEPS_NS[-1])


def _tops(lanes: Sequence[Lane]) -> Iterator[int]:
    top, before = TOP, ""
    for lane in lanes:
        if before and (
            lane.kind == "room" or lane.kind != before == "processor" or (lane.kind == "processor" != before)
        ):
            top += GAP
        yield top
        top, before = top + LANE, lane.kind


def _x(at_ns: int, duration_ns: int) -> float:
    return round(GUTTER + at_ns / duration_ns * (WIDTH - GUTTER - 12), 1)


def _ticks(duration_ns: int, height: int) -> Iterator[str]:
    step = tick_ns(duration_ns)
    for at in range(0, duration_ns + 1, step):
        x = _x(at, duration_ns)
        label = f"{at / SECOND_NS:g} s"
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{height}"/>'
        yield f'<text class="tick" x="{x}" y="{TOP - 12}" text-anchor="middle">{label}</text>'


def _lane(lane: Lane, top: int, duration_ns: int) -> Iterator[str]:
    indent = 14 if lane.kind == "track" else 0
    shown = lane.name if len(lane.name) <= LABEL_CHARACTERS else f"{lane.name[: LABEL_CHARACTERS - 1]}…"
    yield f'<g class="lane lane-{lane.kind}"><text class="name" x="{indent}" y="{top + 15}">{escape(shown)}'
    yield f"<title>{escape(f'{lane.kind} {lane.name}')}</title></text>"
    yield f'<line class="base" x1="{GUTTER}" x2="{WIDTH - 12}" y1="{top + 11}" y2="{top + 11}"/>'
    for span in lane.spans:
        yield _bar(span, top, duration_ns, f"{lane.name}: {span.state}")
    for span in lane.leases:
        yield _leases(span, top, duration_ns, lane.name)
    for mark in sorted(lane.marks, key=lambda m: list(Tone).index(m.tone)):
        yield _mark(mark, top, duration_ns, lane.name)
    yield "</g>"


def _bar(span: Span, top: int, duration_ns: int, title: str) -> str:
    x, end = _x(span.start_ns, duration_ns), _x(span.end_ns, duration_ns)
    told = f"{title}, {seconds(span.start_ns)} to {seconds(span.end_ns)} s"
    return (
        f'<rect class="bar s-{escape(span.state)}" x="{x}" y="{top + 5}" width="{max(1.5, end - x):.1f}" height="12" rx="3">'
        f"<title>{escape(told)}</title></rect>"
    )


def _leases(span: Span, top: int, duration_ns: int, name: str) -> str:
    x, end = _x(span.start_ns, duration_ns), _x(span.end_ns, duration_ns)
    held = int(span.state)
    thick = 1.5 * min(held, DEEPEST_LEASES)
    told = f"{name}: {count(held, 'lease')}, {seconds(span.start_ns)} to {seconds(span.end_ns)} s"
    return (
        f'<rect class="leases" x="{x}" y="{top + 17.5}" width="{max(1.0, end - x):.1f}" height="{thick}">'
        f"<title>{escape(told)}</title></rect>"
    )


def _mark(mark: Mark, top: int, duration_ns: int, name: str) -> str:
    x, y = _x(mark.at_ns, duration_ns), top + 11
    told = f"{seconds(mark.at_ns)} s  {mark.kind}\n{name}" + (f"\n{mark.text}" if mark.text else "")
    return (
        f'<g class="mark t-{mark.tone}" data-kind="{mark.kind}" transform="translate({x} {y})">{_SHAPES[mark.tone]}'
        f"<title>{escape(told)}</title></g>"
    )


# Shapes differ as well as colours, for those who do not see colours.
_SHAPES: Final[dict[Tone, str]] = {
    Tone.PLAIN: '<circle r="2.6"/>',
    Tone.GOOD: '<circle r="4"/>',
    Tone.CARE: '<path d="M0-5.2 5.2 0 0 5.2-5.2 0Z"/>',
    Tone.BAD: '<path d="M-4.4-6.2 0-1.8 4.4-6.2 6.2-4.4 1.8 0 6.2 4.4 4.4 6.2 0 1.8-4.4 6.2-6.2 4.4-1.8 0-6.2-4.4Z"/>',
}


def legend_mark(tone: Tone) -> str:
    """Return a mark on its own, for a legend."""
    return f'<svg class="key" viewBox="-8 -8 16 16" aria-hidden="true"><g class="mark t-{tone}">{_SHAPES[tone]}</g></svg>'
