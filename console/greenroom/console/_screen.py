"""What a person sees while a session runs: the live view in a terminal, lines anywhere else."""

from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from rich.console import Console
from rich.live import Live

from greenroom.actors.snapshots import SessionEvent, SessionSnapshot
from greenroom.console._lines import event_line
from greenroom.console._view import SessionView

RATE_SNAPSHOTS: Final = 8
"""Over how many refreshes frame rates are averaged: about a second."""

KEPT_EVENTS: Final = 100


class Screen(Protocol):
    """Shows a session; used on one thread."""

    def show(self, snapshot: SessionSnapshot, news: Sequence[SessionEvent], status: str) -> None:
        """Show how things are now, and what happened since the last call."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was; may be called twice."""
        ...


class LiveScreen:
    """Draws the live view over and over in a terminal, and wipes it away at the end."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._snapshots: deque[SessionSnapshot] = deque(maxlen=RATE_SNAPSHOTS)
        self._events: deque[SessionEvent] = deque(maxlen=KEPT_EVENTS)
        self._started_ns: int | None = None

    def show(self, snapshot: SessionSnapshot, news: Sequence[SessionEvent], status: str) -> None:
        """Draw the view anew."""
        if self._started_ns is None:
            self._started_ns = min([snapshot.now_ns, *(event.at_ns for event in news)])
            self._live.start()
        earlier = self._snapshots[0] if self._snapshots else None
        self._snapshots.append(snapshot)
        self._events.extend(news)
        view = SessionView(
            snapshot=snapshot,
            earlier=earlier,
            events=tuple(self._events),
            status=status,
            started_ns=self._started_ns,
        )
        self._live.update(view, refresh=True)

    def close(self) -> None:
        """Wipe the view away, so that the end table stands in its place."""
        self._live.stop()


class LineScreen:
    """Prints a line per event."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started_ns: int | None = None

    def show(self, snapshot: SessionSnapshot, news: Sequence[SessionEvent], status: str) -> None:  # noqa: ARG002 - part of Screen
        """Print what happened."""
        for event in news:
            if self._started_ns is None:
                self._started_ns = event.at_ns
            self._console.print(event_line(event, self._started_ns), soft_wrap=True, highlight=False)

    def close(self) -> None:
        """Nothing to wipe away."""


class DarkScreen:
    """Shows nothing: the log says it all."""

    def show(self, snapshot: SessionSnapshot, news: Sequence[SessionEvent], status: str) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Nothing to wipe away."""


def choose_screen(console: Console, *, view: bool, log_json: bool) -> Screen:
    """Return the screen that fits: a view needs a terminal, and lines between JSON log lines would break them."""
    if view and console.is_terminal and not console.is_dumb_terminal:
        return LiveScreen(console)
    return DarkScreen() if log_json else LineScreen(console)
