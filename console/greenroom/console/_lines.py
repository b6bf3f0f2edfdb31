"""Events as lines, for when there is no terminal to draw on."""

from rich.text import Text

from greenroom.actors.snapshots import SessionEvent
from greenroom.console._tones import EVENT_TONES, MARKS, TERMINAL_STYLES
from greenroom.console._words import seconds, sentence


def event_columns(event: SessionEvent, started_ns: int) -> tuple[Text, Text, Text, Text, Text]:
    """An event's columns: when, mark, what, to whom, facts."""
    tone = EVENT_TONES[event.kind]
    what, whom, facts = sentence(event)
    return (
        Text(f"{seconds(max(0, event.at_ns - started_ns)):>8}", style="dim"),
        Text(MARKS[tone], style=TERMINAL_STYLES[tone]),
        Text(what, style=TERMINAL_STYLES[tone]),
        Text(whom),
        Text(facts, style="dim"),
    )


def event_line(event: SessionEvent, started_ns: int) -> Text:
    """One event as one line, in columns that stay aligned from line to line."""
    when, mark, what, whom, facts = event_columns(event, started_ns)
    what.pad_right(max(0, 22 - len(what)))
    return Text(" ").join((when, mark, what, whom, facts))
