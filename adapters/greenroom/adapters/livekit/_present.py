"""One track that is in a room at present, and who reads it."""

import itertools
from typing import Final

from greenroom.actors import StreamInfo
from greenroom.adapters.livekit._facts import Where
from greenroom.adapters.livekit._line import Line

_numbers: Final = itertools.count(1)


class Present:
    """A track in its room.

    Attributes:
        where: whose, and by which publication.
        number: higher for each publication; 0: it was published again, and that has not been looked at.
        lines: what reads it.
    """

    __slots__ = ("lines", "number", "where")

    def __init__(self, where: Where) -> None:
        self.lines: set[Line] = set()
        self.again(where)

    def again(self, where: Where) -> None:
        """Be published, for the first time or once more."""
        self.where = where
        self.number = next(_numbers)

    def info(self, room_name: str) -> StreamInfo:
        """Return what processors are told of it in a room of that name."""
        where = self.where
        return StreamInfo(room_name=room_name, participant_identity=where.identity, publication_sid=where.sid)
