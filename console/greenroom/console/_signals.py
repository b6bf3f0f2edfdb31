"""Ctrl-C and SIGTERM: the first one asks to stop, the second one does not ask."""

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Final, Self

from greenroom.console.cli import STOPPED_AT_ONCE

STDERR: Final = 2
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """While entered, the first signal calls ``on_first``; the next one ends the process, whatever it is doing.

    Python's own handlers are used rather than an event loop's, so that the second one works even if the loop hangs.
    ``on_first`` runs on the main thread between any two of its instructions: it may only set something.
    Can be entered on the main thread only.

    Attributes:
        seen: whether a signal came.
    """

    def __init__(
        self, on_first: Callable[[], None], *, before_exit: Callable[[], None] = lambda: None
    ) -> None:
        self._on_first = on_first
        self._before_exit = before_exit
        self._previous: dict[
            signal.Signals, signal.Handlers | Callable[[int, FrameType | None], object] | int | None
        ] = {}
        self.seen = False

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self.seen:
            self.seen = True
            self._on_first()
            return
        try:
            self._before_exit()
            # Not sys.stderr: the signal may have come in the middle of a write to it, which cannot be entered twice.
            os.write(STDERR, b"greenroom: stopped at once\n")
        finally:
            # Threads that run foreign code may never end, and an ordinary exit would wait for them.
            os._exit(STOPPED_AT_ONCE)
