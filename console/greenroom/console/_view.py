"""The live view: a snapshot in, something that rich can draw out. No clock, no state."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from greenroom.actors.snapshots import (
    ProcessorSnapshot,
    SessionEvent,
    SessionSnapshot,
    StreamSnapshot,
)
from greenroom.console._lines import event_columns
from greenroom.console._subjects import parse_subject
from greenroom.console._tones import MARKS, STATE_TONES, TERMINAL_STYLES, Tone
from greenroom.console._words import NOTHING, SECOND_NS, clock, count, milliseconds, tally

WIDE: Final = 110
"""From this width on there is room for pipelines and for why a processor failed."""

FIXED_LINES: Final = 7
"""Headline, two titles, two table heads, the line that the cursor stands in, and one that rich adds at the end."""

StreamKey = tuple[str, str, str]
"""Room, track, stream."""


def streams_of(snapshot: SessionSnapshot) -> Iterator[tuple[StreamKey, StreamSnapshot]]:
    """Every live stream with its place."""
    for room in snapshot.rooms:
        for track in room.tracks:
            for stream in track.streams:
                yield (room.name, track.key, stream.name), stream


def frame_rates(earlier: SessionSnapshot | None, now: SessionSnapshot) -> dict[StreamKey, float]:
    """Frames per second that came out of each stream between two snapshots; streams in both of them only."""
    if earlier is None or now.now_ns <= earlier.now_ns:
        return {}
    elapsed = (now.now_ns - earlier.now_ns) / SECOND_NS
    before = dict(streams_of(earlier))
    return {
        key: (stream.frames_out - before[key].frames_out) / elapsed
        for key, stream in streams_of(now)
        if key in before
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session at one moment, drawn for whatever width and height there is.

    Attributes:
        earlier: a snapshot from a moment before; the frame rates come from the difference.
        events: the latest last; as many are shown as there is room for.
        status: what the run is doing: ``realtime``, ``stopping`` ...
        started_ns: when the session started, on the clock of the snapshots.
    """

    snapshot: SessionSnapshot
    earlier: SessionSnapshot | None = None
    events: Sequence[SessionEvent] = ()
    status: str = ""
    started_ns: int = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what rich draws; called by rich."""
        wide = options.max_width >= WIDE
        height = options.height or console.height
        tracks = _track_rows(self.snapshot, frame_rates(self.earlier, self.snapshot), wide=wide)
        processors = self.snapshot.processors
        budget = max(4, height - FIXED_LINES)
        for_processors = min(len(processors), max(2, budget // 2, budget - len(tracks)))
        for_tracks = max(2, budget - for_processors)
        yield _headline(self.snapshot, self.status, self.started_ns)
        yield _title("rooms")
        yield _tracks_table(tracks, for_tracks, wide=wide)
        yield _title("processors")
        yield _processors_table(processors, for_processors, wide=wide)
        spare = budget - min(len(tracks), for_tracks) - for_processors - 1
        if self.events and spare > 0:
            yield _title("events")
            yield _events_table(self.events[-spare:], self.started_ns)
        # The terminal echoes ^C where the cursor stands; on a full line that would break the picture.
        yield Text()


def _title(text: str) -> RenderableType:
    return Rule(f"[b]{text}", align="left", style="dim")


def _headline(snapshot: SessionSnapshot, status: str, started_ns: int) -> RenderableType:
    tracks = sum(len(room.tracks) for room in snapshot.rooms)
    line = Table.grid(expand=True)
    line.add_column(no_wrap=True, overflow="ellipsis")
    line.add_column(justify="right", no_wrap=True)
    left = Text.assemble(("greenroom ", "bold green"), (snapshot.name, "bold"), f"  {status}")
    zombies = (f"  {count(len(snapshot.zombies), 'zombie')}", "bold red") if snapshot.zombies else ""
    right = Text.assemble(
        f"{count(len(snapshot.rooms), 'room')}  {count(tracks, 'track')}  ",
        count(len(snapshot.processors), "processor"),
        zombies,
        (f"  {clock(snapshot.now_ns - started_ns)}", "bold"),
    )
    line.add_row(left, right)
    return line


def _table() -> Table:
    return Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim", show_edge=False)


def _track_rows(
    snapshot: SessionSnapshot, rates: Mapping[StreamKey, float], *, wide: bool
) -> list[list[RenderableType]]:
    """One row per room and per stream, in the order in which they live."""
    rows: list[list[RenderableType]] = []
    for room in snapshot.rooms:
        rows.append([Text.assemble((room.name, "bold"), "" if room.tracks else ("  empty", "dim italic"))])
        for track in room.tracks:
            if not track.streams:
                rows.append([Text.assemble(f"  {track.key}", ("  no stream", "dim italic"))])
            for stream in track.streams:
                which = (
                    "" if len(track.streams) == 1 else f" {parse_subject(stream.name).stream or stream.name}"
                )
                label = f"  {track.key}{which}"
                rate = rates.get((room.name, track.key, stream.name))
                rows.append([label, *_stream_cells(stream, rate, wide=wide)])
    return rows


def _tracks_table(rows: Sequence[Sequence[RenderableType]], limit: int, *, wide: bool) -> RenderableType:
    if not rows:
        return Text("nobody here", style="dim italic")
    table = _table()
    table.add_column("track", no_wrap=True, overflow="ellipsis", ratio=3)
    if wide:
        table.add_column("pipeline", no_wrap=True, overflow="ellipsis", ratio=3)
    for title in ("in", "out", "dropped", "bypassed", "frames/s", "p50 ms", "p99 ms"):
        table.add_column(title, justify="right", no_wrap=True, min_width=6)
    shown = rows if len(rows) <= limit else rows[: limit - 1]
    for row in shown:
        table.add_row(*row)
    if len(shown) < len(rows):
        table.add_row(Text(f"and {count(len(rows) - len(shown), 'more row')}", style="dim italic"))
    return table


def _stream_cells(stream: StreamSnapshot, rate: float | None, *, wide: bool) -> list[RenderableType]:
    dropped, bypassed = sum(stream.dropped.values()), sum(stream.bypassed.values())
    known = stream.latency.count > 0
    pace = Text("ended", style="dim") if stream.ended else Text(NOTHING if rate is None else f"{rate:.0f}")
    cells: list[RenderableType] = [
        str(stream.frames_in),
        str(stream.frames_out),
        Text(str(dropped), style="bold red" if dropped else "dim"),
        Text(str(bypassed), style="yellow" if bypassed else "dim"),
        pace,
        milliseconds(stream.latency.p50_ns) if known else NOTHING,
        milliseconds(stream.latency.p99_ns) if known else NOTHING,
    ]
    return [Text(" > ".join(stream.pipeline) or NOTHING, style="dim"), *cells] if wide else cells


def _processors_table(processors: Sequence[ProcessorSnapshot], limit: int, *, wide: bool) -> RenderableType:
    if not processors:
        return Text("none", style="dim italic")
    table = _table()
    table.add_column("processor", no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column("state", no_wrap=True, min_width=12)
    for title in ("leases", "restarts", "opened", "closed"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("faults", no_wrap=True, overflow="ellipsis", ratio=2)
    if wide:
        table.add_column("last failure", no_wrap=True, overflow="ellipsis", ratio=3)
    shown = most_telling(processors, limit)
    for processor in shown:
        table.add_row(*_processor_cells(processor, wide=wide))
    if len(shown) < len(processors):
        table.add_row(Text(f"and {len(processors) - len(shown)} more", style="dim italic"))
    return table


def most_telling(processors: Sequence[ProcessorSnapshot], limit: int) -> list[ProcessorSnapshot]:
    """All, or if they do not fit those that have most to tell, in their own order, with a line left to say so."""
    if len(processors) <= limit:
        return list(processors)
    by_interest = sorted(
        processors,
        key=lambda p: (
            STATE_TONES[p.state] in {Tone.PLAIN, Tone.GOOD},
            -p.restarts,
            -sum(p.faults.values()),
            -p.leases,
        ),
    )
    kept = {p.name for p in by_interest[: limit - 1]}
    return [p for p in processors if p.name in kept]


def _processor_cells(processor: ProcessorSnapshot, *, wide: bool) -> list[RenderableType]:
    tone = STATE_TONES[processor.state]
    cells: list[RenderableType] = [
        processor.name,
        Text(f"{MARKS[tone]} {processor.state}", style=TERMINAL_STYLES[tone]),
        str(processor.leases),
        Text(str(processor.restarts), style="yellow" if processor.restarts else "dim"),
        str(processor.opened),
        str(processor.closed),
        tally(processor.faults),
    ]
    return [*cells, Text(processor.last_failure or NOTHING, style="dim")] if wide else cells


def _events_table(events: Sequence[SessionEvent], started_ns: int) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    for ratio in (None, None, None, 2, 3):
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
    for event in events:
        table.add_row(*event_columns(event, started_ns))
    return table
