"""What a room has said of its token, and who has left meanwhile, until the actors are told: in that order.

Actors are told of a token behind the room's other handlers. A loop that was busy hears several events in one turn by then:
each token is told all the same, and none of them to who left before it.
"""

from collections import deque
from collections.abc import Iterator

from greenroom.actors import Credentials
from greenroom.adapters.livekit._seats import Seat


class News:
    """What is still to be told. Any thread."""

    def __init__(self) -> None:
        self._said: deque[Credentials | Seat | None] = deque()

    def refreshed(self, credentials: Credentials | None) -> None:
        """The room has these now."""
        self._said.append(credentials)

    def left(self, seat: Seat) -> None:
        """The track of this seat has left; the seat is still to be given up."""
        self._said.append(seat)

    def due(self) -> Iterator[Credentials | None]:
        """Yield the credentials, oldest first. Who left before those has been told by then that it is in no room."""
        left: list[Seat] = []
        for _ in range(len(self._said)):
            each = self._said.popleft()
            if isinstance(each, Seat):
                left.append(each)
                continue
            while left:
                left.pop().point(None, 0)
            yield each
        self._said.extend(seat for seat in left if seat.taken)
