"""What a room of LiveKit's says at this moment: which audio tracks are in it, whose, under which name, with which token.

Everything is read from the room itself, whatever event was the reason to look: so one that is lost, doubled or
late changes nothing in the end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from greenroom.actors import Credentials
from greenroom.adapters.livekit._sdk import local_of, rtc, token_of, url_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Whose a track is in a room, and by which publication."""

    identity: str
    source: str
    sid: str
    local: bool

    @property
    def subject(self) -> tuple[str, str]:
        """What is the same across publications: participant and source."""
        return (self.identity, self.source)


def source_name(source: Any) -> str:
    """Return a source as people say it.

    >>> source_name(rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO)
    'screenshare_audio'
    """
    return str(rtc.TrackSource.Name(source)).removeprefix("SOURCE_").lower()


def is_audio(track: object) -> bool:
    """Whether it is a track, and an audio one."""
    return isinstance(track, rtc.Track) and track.kind == rtc.TrackKind.KIND_AUDIO


def people_in(room: rtc.Room, identity: str | None = None) -> Iterator[tuple[rtc.Participant, bool]]:
    """Yield who is in a room, or the one of that identity, and whether it is the local one; nobody if not connected."""
    if not room.isconnected():
        return
    local = local_of(room)
    if local is not None and identity in (None, local.identity):
        yield local, True
    if identity is not None:
        remote = room.remote_participants.get(identity)
        if remote is not None:
            yield remote, False
        return
    for participant in list(room.remote_participants.values()):
        yield participant, False


def publications_in(
    room: rtc.Room, identity: str | None = None
) -> Iterator[tuple[rtc.Track, rtc.TrackPublication, rtc.Participant, bool]]:
    """Yield the tracks of a room, or of one participant in it, that are there at present, of whatever kind."""
    for participant, local in people_in(room, identity):
        for publication in list(participant.track_publications.values()):
            track = publication.track
            if track is not None:
                yield track, publication, participant, local


def where_of(
    track: rtc.Track, publication: rtc.TrackPublication, participant: rtc.Participant, *, local: bool
) -> Where | None:
    """Return whose a track is, and by which publication; None if it is no audio, or not all of that is known."""
    if not (is_audio(track) and publication.sid and participant.identity):
        return None
    return Where(
        identity=participant.identity,
        source=source_name(publication.source),
        sid=publication.sid,
        local=local,
    )


def find(room: rtc.Room, track: rtc.Track) -> Where | None:
    """Return whose a track is in a room at present, or None."""
    for participant, local in people_in(room):
        publication = participant.track_publications.get(track.sid)
        if publication is not None and publication.track is track:
            return where_of(track, publication, participant, local=local)
    return None


def is_in(room: rtc.Room, identity: str) -> bool:
    """Whether somebody is in a room."""
    local = local_of(room)
    there = identity in room.remote_participants or (local is not None and local.identity == identity)
    return there and room.isconnected()


def credentials_of(room: rtc.Room) -> Credentials | None:
    """Return what a room's processors may use."""
    token = token_of(room)
    return Credentials(token=token, url=url_of(room)) if token else None
