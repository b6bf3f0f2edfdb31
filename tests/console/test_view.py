"""The live view: a snapshot in, a picture out that fits the terminal."""

from dataclasses import replace

import pytest
from rich.console import Console, RenderableType
from tests.console.samples import (
    SECOND,
    sample_event,
    sample_events,
    sample_processor,
    sample_snapshot,
)

from greenroom.actors.snapshots import EventKind, ProcessorState, SessionSnapshot
from greenroom.console._lines import event_line
from greenroom.console._tones import EVENT_TONES, MARKS, STATE_TONES, TERMINAL_STYLES, Tone
from greenroom.console._view import SessionView, frame_rates, most_telling


def drawn(what: RenderableType, width: int = 80, height: int = 24) -> list[str]:
    """What a terminal of that size shows, line by line."""
    console = Console(width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(what)
    return capture.get().splitlines()


def line_with(text: str, lines: list[str]) -> str:
    """The one line that holds ``text``."""
    (found,) = [line for line in lines if text in line]
    return found


def view(*, earlier: SessionSnapshot | None = None, status: str = "realtime") -> SessionView:
    """The sample session's view."""
    return SessionView(
        snapshot=sample_snapshot(), earlier=earlier, events=sample_events(), status=status, started_ns=0
    )


@pytest.mark.parametrize("width", [80, 120])
def test_rooms_tracks_streams_and_processors_are_shown(width: int) -> None:
    """Who is where, how many frames went in and out, and how each processor is, at both common widths."""
    lines = drawn(view(), width)
    assert "realtime" in lines[0]
    assert "2 rooms" in lines[0]
    assert "00:12" in lines[0]
    assert line_with("  ben/microphone", lines).split()[-7:] == ["1200", "1197", "3", "18", "–", "0.42", "12"]  # noqa: RUF001
    assert line_with("↻ restarting", lines).split()[:7] == ["voice#1", "↻", "restarting", "1", "2", "3", "2"]
    assert "degraded 40" in line_with("highpass#1 ", [line for line in lines if "✗ degraded" in line])


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
@pytest.mark.parametrize("height", [10, 24, 50])
def test_the_view_never_exceeds_the_terminal(width: int, height: int) -> None:
    """However small the terminal is, no line is broken and the top is not scrolled away."""
    lines = drawn(view(), width, height)
    assert max(len(line) for line in lines) <= width
    assert len(lines) <= max(height, 12)


def test_a_wide_terminal_shows_pipelines_and_failures() -> None:
    """Where there is room, one also sees what a stream goes through and why a processor failed."""
    assert "denoise#1 > voice#1 > level#2" in line_with("  ben/microphone", drawn(view(), 140))
    assert "lost its mind" in line_with("↻ restarting", drawn(view(), 140))
    assert not any("lost its mind" in line for line in drawn(view(), 80))


def test_the_frame_rate_comes_from_two_snapshots() -> None:
    """100 frames more after one second are 100 frames a second."""
    earlier, now = sample_snapshot(seconds=11, frames=1_100), sample_snapshot()
    rates = frame_rates(earlier, now)
    assert rates["lobby", "anna/microphone", "1"] == pytest.approx(100)
    assert line_with("  anna/microphone", drawn(view(earlier=earlier))).split()[-3] == "100"


def test_no_time_between_snapshots_is_no_rate() -> None:
    """The first snapshot, and one from the same instant, tell no rate instead of dividing by zero."""
    now = sample_snapshot()
    assert frame_rates(None, now) == {}
    assert frame_rates(now, now) == {}


def test_the_newest_events_fill_what_is_left() -> None:
    """A tall terminal shows more events, a short one none; the newest stands at the bottom."""
    assert drawn(view(), height=50)[-2].split()[2] == "room.closed"
    assert sum("stream.opened" in line for line in drawn(view(), height=50)) == 1
    assert not any("room.closed" in line for line in drawn(view(), height=12))


def test_what_does_not_fit_is_counted() -> None:
    """With more tracks and processors than lines, the rest is said to be there."""
    snapshot = sample_snapshot()
    many = replace(
        snapshot,
        rooms=snapshot.rooms * 20,
        processors=tuple(sample_processor(f"p#{n}") for n in range(40)),
    )
    lines = drawn(SessionView(snapshot=many), height=24)
    assert len(lines) <= 24
    assert any("more rows" in line for line in lines)
    assert any("more" in line and "rows" not in line for line in lines)


def test_troubled_processors_are_shown_first() -> None:
    """When there is room for few, those that fail are among them."""
    calm = [sample_processor(f"calm#{n}") for n in range(10)]
    troubled = sample_processor("bad#1", ProcessorState.DEGRADED)
    assert troubled in most_telling([*calm, troubled], 3)
    assert most_telling([*calm, troubled], 20) == [*calm, troubled]


def test_an_empty_session_has_a_view() -> None:
    """Before the first room and after the last one there is something to see too."""
    empty = replace(sample_snapshot(), rooms=(), processors=())
    assert any("nobody here" in line for line in drawn(SessionView(snapshot=empty)))


def test_zombies_are_not_hidden() -> None:
    """A thread that had to be left behind is in the headline."""
    assert "1 zombie" in drawn(SessionView(snapshot=replace(sample_snapshot(), zombies=("worker",))), 120)[0]


def test_an_event_is_one_line_of_columns() -> None:
    """Time into the run, what, to whom, facts; a hint of colour by how bad it is."""
    event = sample_event(
        EventKind.PROCESSOR_FAILED, "processor:denoise#1", 3.5, error="no", took_ns=2_500_000
    )
    text = event_line(event, SECOND)
    assert text.plain.split() == ["2.500", "✗", "processor.failed", "denoise#1", "error=no", "took=2.5ms"]
    assert any("red" in str(span.style) for span in text.spans)


def test_every_event_and_state_has_a_tone() -> None:
    """A kind of event that is added without deciding how it looks fails here."""
    assert set(EVENT_TONES) == set(EventKind)
    assert set(STATE_TONES) == set(ProcessorState)
    assert set(MARKS) == set(TERMINAL_STYLES) == set(Tone)
