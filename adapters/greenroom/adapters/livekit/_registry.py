"""Which room is attached to which session: one each, in the whole process."""

import weakref
from typing import Final

from greenroom.actors import Session
from greenroom.adapters.livekit._attachment import Attachment
from greenroom.adapters.livekit._errors import AlreadyAttached
from greenroom.adapters.livekit._lobby import Default, Lobby, given
from greenroom.adapters.livekit._sdk import local_of, room_of, rtc
from greenroom.adapters.livekit._seats import new_lock

_attached: Final[weakref.WeakKeyDictionary[rtc.Room, Attachment]] = weakref.WeakKeyDictionary()
_lock: Final = new_lock()


def attach(session: Session, room: rtc.Room) -> Attachment:
    """Let a session know a room of LiveKit's, before or after it is connected. Again for the same two: the same.

    The room is not held: who forgets it, leaves it.

    Raises:
        SessionClosed: the session is closed, or was not entered.
        AlreadyAttached: another session knows it, and has streams in it.
        TypeError: it is no room of LiveKit's, or no session.
    """
    lobby = given(session)
    if not isinstance(room, rtc.Room):
        raise TypeError(f"room is a {type(room).__name__}; it must be an rtc.Room")
    attachment = attached(room, lobby, known=False)
    if attachment.lobby is not lobby:
        raise AlreadyAttached(
            f"room {attachment.name!r} is attached to another session; detach it there first"
        )
    return attachment


def attached(room: rtc.Room, lobby: Lobby, *, known: bool) -> Attachment:
    """Return a room's attachment, a new one if there is none; ``known``: any will do.

    One of a loop's default session without streams gives way to one that was asked for by name; so does one whose
    session is closed.
    """
    with _lock:
        there = _attached.get(room)
        if there is not None and not there.closed:
            if known or there.lobby is lobby:
                return there
            if there.lobby.alive and (there.lines() or not isinstance(there.lobby, Default)):
                return there
            there.let_go()
        attachment = _attached[room] = Attachment(lobby, room)
        return attachment


def attachment_of(room: rtc.Room) -> Attachment | None:
    """Return a room's attachment, or None."""
    with _lock:
        there = _attached.get(room)
    return None if there is None or there.closed else there


def room_with(participant: rtc.Participant) -> rtc.Room | None:
    """Return the room that a participant is in: an attached one, or the one of a track of theirs; or None."""
    with _lock:
        rooms = list(_attached)
    publications = list(participant.track_publications.values())
    tracks = [publication.track for publication in publications]
    rooms += [room for track in tracks if track is not None and (room := room_of(track)) is not None]
    for room in rooms:
        found = room.remote_participants.get(participant.identity)
        if room.isconnected() and participant in (found, local_of(room)):
            return room
    return None
