"""Remembers how much audio a session had read when each of its events happened."""

import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Final

from greenroom.actors import Session, SessionClosed, SessionEvent

MOST_EVENTS: Final = 20_000
"""As many as a session's own journal keeps."""


class MediaTimes:
    """An observer of a session's events. Events come on actors' threads, in their order."""

    def __init__(self) -> None:
        self._seen: deque[tuple[SessionEvent, int]] = deque(maxlen=MOST_EVENTS)
        self._last_ns = 0

    def note(self, session: Session, event: SessionEvent) -> None:
        """Take in an event, as it happens."""
        with contextlib.suppress(SessionClosed):  # media time stands while a session is being closed
            self._last_ns = session.media_now_ns
        self._seen.append((event, self._last_ns))

    def of(self, events: Sequence[SessionEvent]) -> tuple[int, ...]:
        """Return the media time of each event, never falling; one that was not seen has that of the one before it."""
        seen = {id(event): media_ns for event, media_ns in self._seen}
        times: list[int] = []
        for event in events:
            before = times[-1] if times else 0
            times.append(max(before, seen.get(id(event), 0)))
        return tuple(times)
