"""``report.html``: one file without any address in it, for people to look at."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from html import escape
from importlib import resources
from typing import Final

from greenroom.actors import Pace, Verdict
from greenroom.actors.snapshots import ProcessorSnapshot, SessionEvent
from greenroom.console._facts import RunFacts, StreamFacts
from greenroom.console._page_streams import colour_scale, figures, stream_card
from greenroom.console._timeline import lanes
from greenroom.console._timeline_svg import legend_mark, timeline_svg
from greenroom.console._tones import EVENT_TONES, MARKS, STATE_TONES, Tone
from greenroom.console._words import NOTHING, count, decibels, details, seconds, subject, tally

# Browsers then refuse to load anything from anywhere, should something ever slip into the page.
_POLICY: Final = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

MOST_PICTURED: Final = 24
"""How many streams have pictures and players, which are some 300 kB for 20 seconds."""

_STATE_LEGEND: Final = (
    ("s-open", "room open"),
    ("s-live", "track live"),
    ("s-ready", "processor ready"),
    ("s-building", "being built, rebuilt or reconnected"),
    ("s-degraded", "degraded: frames bypass it"),
    ("leases", "leases (thicker: more)"),
)
_TONE_LEGEND: Final = (
    (Tone.PLAIN, "came or went"),
    (Tone.GOOD, "works again"),
    (Tone.CARE, "dealt with"),
    (Tone.BAD, "failed"),
)


def report_html(facts: RunFacts) -> str:
    """Return the page. What comes from outside (names, errors) is escaped; it holds no secret because `facts` does not."""
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(facts.name)}: greenroom report</title>",
            f"<style>{_asset('page.css')}</style>",
            "</head>",
            "<body>",
            _header(facts),
            "<main>",
            _timeline(facts),
            _streams(facts),
            _processors(facts.processors),
            _laws(facts),
            _events(facts.events, facts.started_ns),
            "</main>",
            f"<footer>Made by greenroom {escape(facts.version)}. Everything on this page is inside this file.</footer>",
            f"<script>{_asset('page.js')}</script>",
            "</body>",
            "</html>",
            "",
        )
    )


def _asset(name: str) -> str:
    return resources.files("greenroom.console").joinpath(name).read_text("utf8")


def _header(facts: RunFacts) -> str:
    when = facts.created.replace("T", " ")
    ended = {"end": "played to the end", "signal": "stopped by a signal"}.get(
        facts.stopped_by, "stopped by --for"
    )
    return f"""<header class="top">
<div class="headline"><h1>{escape(facts.name)} <small>greenroom report</small></h1>
<button id="theme" type="button" hidden>Dark</button></div>
<p class="soft">{escape(when)}, {escape(facts.pace)}, {ended} after {seconds(facts.ended_ns - facts.started_ns)} s</p>
{_verdict(facts)}
<dl class="tiles">{"".join(_tile(name, value) for name, value in _tiles(facts))}</dl>
</header>"""


def _verdict(facts: RunFacts) -> str:
    broken = [verdict for verdict in facts.verdicts if not verdict.held]
    failed = "".join(f"<p>{escape(failure)}</p>" for failure in facts.failures)
    if failed:
        what = count(len(facts.failures), "stream")
        failed = f'<div class="verdict broken"><strong>✗ {what} failed</strong><div>{failed}</div></div>'
    lost = sum(stream.frames_lost for stream in facts.streams)
    told = (
        "No frame was lost without a reason."
        if not lost
        else f"{count(lost, 'frame')} lost without a reason."
    )
    if broken:
        names = "; ".join(escape(verdict.title) for verdict in broken)
        return f'{failed}<div class="verdict broken"><strong>✗ {count(len(broken), "law")} did not hold</strong><span>{names}</span></div>'
    held = f"✓ {'All ' if len(facts.verdicts) > 1 else ''}{count(len(facts.verdicts), 'law')} held"
    return f'{failed}<div class="verdict held"><strong>{held}</strong><span>{told}</span></div>'


def _tiles(facts: RunFacts) -> Iterable[tuple[str, str]]:
    streams = facts.streams
    yield "frames in", f"{sum(s.frames_in for s in streams):,}"
    yield "frames out", f"{sum(s.frames_out for s in streams):,}"
    yield "dropped", f"{sum(sum(s.dropped.values()) for s in streams):,}"
    yield "bypassed", f"{sum(sum(s.bypassed.values()) for s in streams):,}"
    yield "processors", str(len(facts.processors))
    yield "restarts", str(sum(p.restarts for p in facts.processors))
    measured = sorted(s.noise.reduction_db for s in streams if s.noise)
    if measured:
        yield "noise reduction", decibels(measured[len(measured) // 2])


def _tile(name: str, value: str) -> str:
    return f'<div class="tile"><dt>{name}</dt><dd>{value}</dd></div>'


def _timeline(facts: RunFacts) -> str:
    """Draw the run over its clock; one that did not wait for the clock, over its audio."""
    if facts.pace == Pace.FAST:
        end_ns = max(facts.media_ns, default=0)
        events = [replace(e, at_ns=at_ns) for e, at_ns in zip(facts.events, facts.media_ns, strict=True)]
        picture = timeline_svg(lanes(events, 0, end_ns), end_ns)
        axis = "Seconds of audio that had been read, because the run was faster than the clock."
    else:
        duration_ns = facts.ended_ns - facts.started_ns
        picture = timeline_svg(lanes(facts.events, facts.started_ns, facts.ended_ns), duration_ns)
        axis = "Seconds since the run began."
    states = "".join(f'<span><i class="{css}"></i>{text}</span>' for css, text in _STATE_LEGEND)
    tones = "".join(f"<span>{legend_mark(tone)}{text}</span>" for tone, text in _TONE_LEGEND)
    return f"""<section aria-labelledby="h-timeline"><h2 id="h-timeline">What the supervisors did</h2>
<p class="hint">{axis} Point at a bar or a mark to read what it is.</p>
<div class="card"><div class="scroll">{picture}</div><div class="legend">{states}</div><div class="legend">{tones}</div></div></section>"""


def _streams(facts: RunFacts) -> str:
    figure = figures()
    told = sorted(facts.streams, key=_interest)[:MOST_PICTURED]
    cards = "\n".join(
        stream_card(stream if stream in told else replace(stream, audio=None), figure)
        for stream in facts.streams
    )
    more = len(facts.streams) - len(told)
    left_out = f"Only the {MOST_PICTURED} with most to tell have pictures and sound here." if more else ""
    return f"""<section aria-labelledby="h-tracks"><h2 id="h-tracks">Tracks, before and after</h2>
<p class="hint">Spectrograms: time to the right, frequency upwards in kHz. Click on one to listen from there. {left_out} {colour_scale()}</p>
{cards or '<p class="soft">No stream was opened.</p>'}</section>"""


def _interest(stream: StreamFacts) -> tuple[int, float]:
    """Sort first what lost or bypassed most, then what got least better."""
    troubled = sum(stream.dropped.values()) + sum(stream.bypassed.values()) + stream.frames_lost
    return -troubled, stream.noise.reduction_db if stream.noise else float("inf")


def _processors(processors: Sequence[ProcessorSnapshot]) -> str:
    head = (
        "processor",
        "state",
        "opened",
        "closed",
        "restarts",
        "leases",
        "placement",
        "on fault",
        "faults",
        "last failure",
    )
    return f"""<section aria-labelledby="h-processors"><h2 id="h-processors">Processors</h2>
<div class="card scroll">{_table(head, (_processor(p) for p in processors), numbers={2, 3, 4, 5})}</div></section>"""


def _processor(processor: ProcessorSnapshot) -> str:
    tone = STATE_TONES[processor.state]
    closed = "n" if processor.opened == processor.closed else "n bad"
    return (
        f'<tr><th scope="row">{escape(processor.name)}</th>'
        f'<td><span class="chip {tone}">{MARKS[tone]} {processor.state}</span></td>'
        f'<td class="n">{processor.opened}</td><td class="{closed}">{processor.closed}</td>'
        f'<td class="n{" care" if processor.restarts else ""}">{processor.restarts}</td>'
        f'<td class="n">{processor.leases_granted}</td><td>{processor.placement}</td><td>{processor.on_fault}</td>'
        f'<td>{escape(tally(processor.faults))}</td><td class="mono">{escape(processor.last_failure or NOTHING)}</td></tr>'
    )


def _laws(facts: RunFacts) -> str:
    rows = (_law(verdict) for verdict in facts.verdicts)
    left = "".join(
        f'<p class="bad">Left over: <span class="mono">{escape(item)}</span></p>' for item in facts.leftovers
    )
    unplayed = "".join(
        f'<p class="care">A fault of the script did not happen: {escape(item)}</p>' for item in facts.unplayed
    )
    return f"""<section aria-labelledby="h-laws"><h2 id="h-laws">Laws</h2>
<div class="card scroll">{_table(("law", "held", "found"), rows)}{left}{unplayed}</div></section>"""


def _law(verdict: Verdict) -> str:
    chip = '<span class="chip good">✓ yes</span>' if verdict.held else '<span class="chip bad">✗ no</span>'
    title = f"{verdict.law}. {verdict.title}"
    return f'<tr><th scope="row">{escape(title)}</th><td>{chip}</td><td>{escape(verdict.detail or NOTHING)}</td></tr>'


def _events(events: Sequence[SessionEvent], started_ns: int) -> str:
    rows = (_event(event, started_ns) for event in events)
    return f"""<section aria-labelledby="h-events"><h2 id="h-events">Events</h2>
<div class="card"><details><summary>{count(len(events), "event")}, in order</summary>
<input id="search" type="search" placeholder="Show only…" aria-label="Show only events that contain" hidden>
<div class="scroll" id="events">{_table(("at", "event", "subject", "details"), rows, numbers={0})}</div></details></div></section>"""


def _event(event: SessionEvent, started_ns: int) -> str:
    tone = EVENT_TONES[event.kind]
    return (
        f'<tr><td class="n">{seconds(event.at_ns - started_ns)}</td><td class="{tone}">{MARKS[tone]} {event.kind}</td>'
        f'<td>{escape(subject(event.subject))}</td><td class="mono">{escape(details(event.details))}</td></tr>'
    )


def _table(head: Sequence[str], rows: Iterable[str], *, numbers: Iterable[int] = ()) -> str:
    right = set(numbers)
    cells = "".join(
        f'<th scope="col"{" class=n" if at in right else ""}>{name}</th>' for at, name in enumerate(head)
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
