"""Which screen a person gets, and what it does over time."""

import io

from rich.console import Console
from tests.console.samples import sample_events, sample_snapshot

from greenroom.console._screen import DarkScreen, LineScreen, LiveScreen, choose_screen


def console(*, terminal: bool) -> Console:
    """A terminal, or a pipe, that can be read afterwards."""
    return Console(
        file=io.StringIO(),
        force_terminal=terminal,
        width=100,
        height=30,
        _environ={"TERM": "xterm" if terminal else ""},
    )


def written(on: Console) -> str:
    """All that came out."""
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def test_a_terminal_gets_the_view_and_a_pipe_gets_lines() -> None:
    """The view is for eyes only; ``--no-view`` gives lines to a terminal too; JSON logs are left alone."""
    assert isinstance(choose_screen(console(terminal=True), view=True, log_json=False), LiveScreen)
    assert isinstance(choose_screen(console(terminal=True), view=False, log_json=False), LineScreen)
    assert isinstance(choose_screen(console(terminal=False), view=True, log_json=False), LineScreen)
    assert isinstance(choose_screen(console(terminal=False), view=True, log_json=True), DarkScreen)


def test_lines_are_printed_once_each() -> None:
    """Every event is one line, however wide it is, and none comes twice."""
    pipe = console(terminal=False)
    screen = LineScreen(pipe)
    events = sample_events()
    screen.show(sample_snapshot(), events[:5], "realtime")
    screen.show(sample_snapshot(), events[5:], "realtime")
    screen.close()
    lines = written(pipe).splitlines()
    assert len(lines) == len(events)
    assert "\x1b" not in written(pipe)
    assert "processor.failed" in lines[8]


def test_the_view_leaves_the_terminal_as_it_was() -> None:
    """It hides the cursor while it is drawn and shows it again, however often it is closed."""
    terminal = console(terminal=True)
    screen = LiveScreen(terminal)
    screen.show(sample_snapshot(seconds=11), sample_events(), "realtime")
    screen.show(sample_snapshot(), (), "stopping")
    screen.close()
    screen.close()
    said = written(terminal)
    assert "stopping" in said
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h") == 1


def test_a_view_that_was_never_shown_can_be_closed() -> None:
    """A run that fails before its first snapshot closes its screen too."""
    terminal = console(terminal=True)
    LiveScreen(terminal).close()
    assert written(terminal) == ""
