"""New credentials for a whole room: its tracks are told some at a time, so that the process has time for its audio.

What follows for each stream are several messages and a call on a thread of its own. All at once, a thousand of them
keep the interpreter from the event loop for longer than audio can wait; a small room is told at once all the same.
"""

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from greenroom.actors._desired import RoomState, TrackState
from greenroom.actors._track import UseCredentials
from greenroom.supervision import Future

if TYPE_CHECKING:
    from greenroom.actors._room import RoomActor

STREAMS_AT_ONCE: Final = 8
"""So many streams are told together; a track is told as a whole."""
PAUSE_NS: Final = 4_000_000
"""Then others have their turn for so long: of a thousand streams the last is told within a second."""


class Refreshing:
    """One refresh, as its room carries it out. A later one takes its place, and what is still to be answered."""

    def __init__(
        self, room: "RoomActor", state: RoomState, before: "Refreshing | None", reply: Future[Any]
    ) -> None:
        self._room = room
        self._state = state
        self._replies = [reply] if before is None else [*before.give_up(), reply]
        self._left: deque[TrackState] = deque(state.tracks.values())
        self._step()

    @property
    def under_way(self) -> bool:
        """Whether some tracks are still to be told."""
        return bool(self._left)

    def give_up(self) -> list[Future[Any]]:
        """Tell nobody further; return whom to answer."""
        self._left.clear()
        replies, self._replies = self._replies, []
        return replies

    def _step(self) -> None:
        told: list[Future[Any]] = []
        streams = 0
        while self._left and streams < STREAMS_AT_ONCE:
            track = self._left.popleft()
            ref = self._room.ref_of_track(track)
            if ref is not None:
                # What is newest now: a reconnect may have brought others meanwhile.
                use = UseCredentials(credentials=self._state.credentials)
                told.append(ref.ask(use, block=False))
                streams += max(len(track.streams), 1)
        self._room.gather(told, self._told)

    def _told(self) -> None:
        if self._left:
            self._room.after(PAUSE_NS, self._step)
            return
        for reply in self.give_up():
            reply.try_set(None)
