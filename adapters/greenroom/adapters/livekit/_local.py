"""Local tracks: in no room, in one, or in several at a time; their streams go on through all of it.

What a processor is told is the newest publication that there is. When that one ends, the one before takes over; when none is
left, what was told is cleared.
"""

import weakref
from dataclasses import dataclass
from typing import Any, Final

from greenroom.actors import Credentials, StreamInfo
from greenroom.adapters.livekit._line import Line
from greenroom.adapters.livekit._sdk import rtc
from greenroom.adapters.livekit._seats import new_lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One publication of a local track."""

    info: StreamInfo
    number: int
    credentials: Credentials | None


class LocalTrack:
    """The publications of a local track, by attachment, and the lines that read it. Any thread."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._published: dict[Any, Published] = {}
        self._lines: set[Line] = set()

    def publish(self, where: Any, published: Published) -> None:
        """It is in a room: newly, or with something that has changed."""
        with self._lock:
            self._published[where] = published
            self._tell(self._lines)

    def unpublish(self, where: Any, *, closed: bool) -> None:
        """It has left a room; if that was closed, and it is in no other, its streams end."""
        with self._lock:
            if self._published.pop(where, None) is None:
                return
            self._tell(self._lines)
            ending = list(self._lines) if closed and not self._published else []
        for line in ending:
            line.end()

    def rooms(self) -> list[Any]:
        """Return where it is published."""
        with self._lock:
            return list(self._published)

    def join(self, line: Line) -> None:
        """Have a line told, from now on."""
        with self._lock:
            self._lines.add(line)
            self._tell({line})

    def part(self, line: Line) -> None:
        """A line is over."""
        with self._lock:
            self._lines.discard(line)

    def _tell(self, lines: set[Line]) -> None:
        newest = max(self._published.values(), key=lambda each: each.number, default=None)
        for line in lines:
            if newest is None:
                line.seat.point(None, 0, None)
            else:
                line.seat.point(newest.info, newest.number, newest.credentials)


_known: Final[weakref.WeakKeyDictionary[rtc.Track, LocalTrack]] = weakref.WeakKeyDictionary()
_lock: Final = new_lock()


def local_track(track: rtc.Track) -> LocalTrack:
    """Return what is known of a local track."""
    with _lock:
        known = _known.get(track)
        if known is None:
            known = _known[track] = LocalTrack()
        return known
