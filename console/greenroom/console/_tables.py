"""The tables at the end of a run, and the verdict."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from greenroom.actors import Verdict
from greenroom.actors.snapshots import ProcessorSnapshot
from greenroom.console._facts import RunFacts, StreamFacts
from greenroom.console._tones import MARKS, STATE_TONES, TERMINAL_STYLES, Tone
from greenroom.console._view import WIDE
from greenroom.console._words import NOTHING, count, decibels, milliseconds, seconds, tally

WIDEST_NAME: Final = 44
NARROWEST_FINDING: Final = 20


class EndReport:
    """What a person reads when a run is over; draws itself for the width there is."""

    def __init__(self, facts: RunFacts) -> None:
        self._facts = facts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the tables; called by rich."""
        facts = self._facts
        wide = options.max_width >= WIDE
        yield Text()
        yield streams_table(facts.streams, wide=wide)
        yield Text()
        yield processors_table(facts.processors, wide=wide)
        yield Text()
        yield verdicts_table(facts.verdicts, wide=wide)
        for leftover in facts.leftovers:
            yield Text(f"left over: {leftover}", style=TERMINAL_STYLES[Tone.BAD])
        for fault in facts.unplayed:
            yield Text(
                f"a fault of the script did not happen, nothing called its processor any more: {fault}",
                style=TERMINAL_STYLES[Tone.CARE],
            )
        for failure in facts.failures:
            yield Text(f"failed: {failure}", style=TERMINAL_STYLES[Tone.BAD])
        yield summary(facts)


def streams_table(streams: Sequence[StreamFacts], *, wide: bool) -> Table:
    """Per track: frames in, out, dropped and bypassed by reason, latency, noise reduction."""
    labels = [_stream_label(stream, streams) for stream in streams]
    table = _table("track", labels, wide=wide)
    table.add_column("in", justify="right", no_wrap=True)
    table.add_column("out", justify="right", no_wrap=True)
    table.add_column("dropped", overflow="fold", min_width=8, ratio=1)
    table.add_column("bypassed", overflow="fold", min_width=10, ratio=2)
    for title in ("p50 ms", "p99 ms", "max ms") if wide else ("p50", "p99 ms"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("noise" if not wide else "noise reduction", justify="right", no_wrap=True)
    for label, stream in zip(labels, streams, strict=True):
        latency = stream.latency
        times = (latency.p50_ns, latency.p99_ns, latency.max_ns) if wide else (latency.p50_ns, latency.p99_ns)
        table.add_row(
            label,
            str(stream.frames_in),
            str(stream.frames_out),
            Text(
                tally(stream.dropped),
                style=TERMINAL_STYLES[Tone.BAD] if any(stream.dropped.values()) else "dim",
            ),
            Text(
                tally(stream.bypassed),
                style=TERMINAL_STYLES[Tone.CARE] if any(stream.bypassed.values()) else "dim",
            ),
            *(milliseconds(ns) if latency.count else NOTHING for ns in times),
            _noise(stream, wide=wide),
        )
    return table


def processors_table(processors: Sequence[ProcessorSnapshot], *, wide: bool) -> Table:
    """Per processor: opened, closed, restarts, leases, and what went wrong."""
    table = _table("processor", [processor.name for processor in processors], wide=wide)
    table.add_column("state", no_wrap=True)
    for title in ("opened", "closed", "restarts", "leases"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("faults", overflow="fold", min_width=12, ratio=1)
    if wide:
        table.add_column("last failure", overflow="ellipsis", no_wrap=True, ratio=2)
    for processor in processors:
        tone = STATE_TONES[processor.state]
        balanced = processor.opened == processor.closed
        row: list[str | Text] = [
            processor.name,
            Text(f"{MARKS[tone]} {processor.state}", style=TERMINAL_STYLES[tone]),
            str(processor.opened),
            Text(str(processor.closed), style="" if balanced else TERMINAL_STYLES[Tone.BAD]),
            Text(str(processor.restarts), style=TERMINAL_STYLES[Tone.CARE] if processor.restarts else "dim"),
            str(processor.leases_granted),
            tally(processor.faults),
        ]
        table.add_row(*row, *([Text(processor.last_failure or NOTHING, style="dim")] if wide else []))
    return table


def verdicts_table(verdicts: Sequence[Verdict], *, wide: bool) -> Table:
    """Per law: whether it held, and what was found; where there is little room, only of those that did not hold."""
    titles = [f"{verdict.law}. {verdict.title}" for verdict in verdicts]
    table = _table("law", titles, wide=wide)
    table.add_column("held", no_wrap=True)
    told = wide or not all(verdict.held for verdict in verdicts)
    if told:
        table.add_column("found", overflow="fold", min_width=NARROWEST_FINDING, ratio=1)
    for title, verdict in zip(titles, verdicts, strict=True):
        tone = Tone.GOOD if verdict.held else Tone.BAD
        word = "yes" if verdict.held else "NO"
        found = (verdict.detail or NOTHING) if wide or not verdict.held else ""
        cells = [Text(found, style="dim" if verdict.held else "")] if told else []
        table.add_row(title, Text(f"{MARKS[tone]} {word}", style=TERMINAL_STYLES[tone]), *cells)
    return table


def summary(facts: RunFacts) -> Text:
    """The last line: what came of it all, in one sentence."""
    frames_in = sum(stream.frames_in for stream in facts.streams)
    lost = sum(stream.frames_lost for stream in facts.streams)
    broken = [verdict for verdict in facts.verdicts if not verdict.held]
    restarts = sum(processor.restarts for processor in facts.processors)
    end = (
        (f"{count(len(broken), 'law')} did not hold", TERMINAL_STYLES[Tone.BAD])
        if broken
        else ("all laws held", TERMINAL_STYLES[Tone.GOOD])
    )
    return Text.assemble(
        f"{seconds(facts.ended_ns - facts.started_ns)} s, {count(len(facts.streams), 'stream')}, "
        f"{count(frames_in, 'frame')}, {lost} lost, "
        f"{count(restarts, 'restart')}: ",
        end,
    )


def _table(first: str, names: Sequence[str], *, wide: bool) -> Table:
    """Return an empty table whose first column keeps its names whole, as far as they are not very long."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False, expand=True)
    longest = max((len(name) for name in names), default=0)
    table.add_column(
        first, overflow="fold", min_width=min(longest, WIDEST_NAME if wide else WIDEST_NAME // 2)
    )
    return table


def _stream_label(stream: StreamFacts, streams: Sequence[StreamFacts]) -> str:
    siblings = [s for s in streams if (s.room, s.track) == (stream.room, stream.track)]
    return stream.label if len(siblings) == 1 else f"{stream.label} / {stream.stream}"


def _noise(stream: StreamFacts, *, wide: bool) -> Text:
    if stream.noise is None:
        return Text(NOTHING, style="dim")
    style = TERMINAL_STYLES[Tone.GOOD] if stream.noise.reduction_db >= 1 else ""
    shown = Text(decibels(stream.noise.reduction_db), style=style)
    return shown.append(f" {stream.noise.method}", style="dim") if wide else shown
