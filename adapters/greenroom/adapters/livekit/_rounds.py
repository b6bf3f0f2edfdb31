"""At a refresh, one handler for all tracks that greenroom reads, where the SDK has one for each.

The SDK looks at the signature of each handler before it calls it: 13 ms of a loop for a thousand tracks, to find that none
of them has a stream that wants to be told, as greenroom tells its own. So tracks that it reads are not called any more,
and what else reads one of them is told from here, when the others are.

Laws:
    1. Whoever reads a track the SDK's own way is told of each refresh: perhaps twice if the track was taken meanwhile,
       never not at all.
    2. What is not taken is as the SDK has it; and so is everything once it was given back, or has left: a local track
       may be published in the same room again, and the SDK then believes that it calls it already.
"""

import asyncio
from collections.abc import Sized
from weakref import ref

from greenroom.adapters.livekit._sdk import (
    call_at_refresh,
    room_of,
    rtc,
    spare_at_refresh,
    streams_of,
    tell_refresh,
)
from greenroom.adapters.livekit._seats import new_lock
from greenroom.supervision import get_logger


class Rounds:
    """The tracks of one room that the SDK does not call. Any thread."""

    def __init__(self, room: rtc.Room) -> None:
        self._room = ref(room)
        self._lock = new_lock()
        self._taken: dict[rtc.Track, Sized] = {}
        """Each with those of its streams that the SDK tells something."""
        self._over = False

    def take(self, track: rtc.Track) -> None:
        """Call a track from here from now on. Idempotent."""
        room = self._room()
        with self._lock:
            if room is not None and not self._over and room_of(track) is room:
                self._taken[track] = streams_of(track)  # first: who goes round now finds it here or there
                spare_at_refresh(room, track)

    def leave(self, track: rtc.Track) -> None:
        """A track has left the room: the SDK may have it back. Idempotent."""
        with self._lock:
            if not self._over and self._taken.pop(track, None) is not None:
                self._return(track)

    def tell(self) -> None:
        """The room has a new token: tell who reads one of them the SDK's own way."""
        room = self._room()
        with self._lock:
            read = [track for track, streams in self._taken.items() if streams]
        for track in read:
            if room_of(track) is room:
                try:
                    tell_refresh(track)
                except Exception as error:  # noqa: BLE001 - foreign code, which must not harm who comes after it
                    get_logger().error("livekit.processor_failed", error=type(error).__name__)

    def give_back(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the SDK call all of them that are still there, and take no more. Idempotent.

        A refresh that goes round on the room's loop at this moment does not see who is called again: it finds them still.
        """
        with self._lock:
            self._over = True
            for track in self._taken:
                self._return(track)
        try:
            loop.call_soon_threadsafe(self._taken.clear)
        except RuntimeError:
            self._taken.clear()  # the loop is closed: nothing goes round

    def _return(self, track: rtc.Track) -> None:
        room = self._room()
        if room is not None and room_of(track) is room:
            call_at_refresh(room, track)
