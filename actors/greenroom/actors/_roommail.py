"""What a room is asked and told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from greenroom.actors._desired import TrackState
from greenroom.actors.context import Credentials
from greenroom.actors.errors import DuplicateName, NotThere, RoomClosed
from greenroom.supervision import ActorRef, StartFailed

GRACE_NS: Final = 15_000_000_000
"""How long a reconnecting room keeps the processors of tracks that have not come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddTrack:
    """A participant publishes; answered with the track's ref when it has started."""

    state: TrackState
    errors: ClassVar = (DuplicateName, RoomClosed, StartFailed)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTrack:
    """A track leaves; answered when it is gone, with its streams. One that is not there is no error."""

    key: str
    discard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """The room's token was refreshed; None: it has none any more."""

    credentials: Credentials | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnecting:
    """The room has lost its connection: keep its tracks' processors until it is back, at most for ``grace_ns``."""

    grace_ns: int = GRACE_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnected:
    """The room is back: tracks of ``sids`` (old to new) were published again. Answered when all tracks know."""

    sids: Mapping[str, str]
    credentials: Credentials | None
    errors: ClassVar = (NotThere, DuplicateName)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveTrack:
    """Hand a track over to another room, with its streams and processors, without losing a frame."""

    key: str
    to: ActorRef[Any]
    sid: str
    errors: ClassVar = (NotThere, DuplicateName, RoomClosed, StartFailed)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeTrack:
    """Take over a track from another room, if nobody else has; its leases are held by this one already."""

    state: TrackState
    sid: str
    errors: ClassVar = (DuplicateName, RoomClosed, StartFailed)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRoom:
    """End all tracks in order, then yourself."""

    discard: bool = False
