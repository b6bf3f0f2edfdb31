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


def tracks_of(participant: rtc.Participant, *, local: bool) -> Iterator[tuple[rtc.Track, Where]]:
    """Yield the audio tracks that a participant has here at present."""
    for publication in list(participant.track_publications.values()):
        track = publication.track
        if track is not None and is_audio(track) and publication.sid and participant.identity:
            yield (
                track,
                Where(
                    identity=participant.identity,
                    source=source_name(publication.source),
                    sid=publication.sid,
                    local=local,
                ),
            )


def tracks_in(room: rtc.Room) -> dict[rtc.Track, Where]:
    """Return the audio tracks of a room; none if it is not connected."""
    if not room.isconnected():
        return {}
    found: dict[rtc.Track, Where] = {}
    local = local_of(room)
    if local is not None:
        found.update(tracks_of(local, local=True))
    for participant in list(room.remote_participants.values()):
        found.update(tracks_of(participant, local=False))
    return found


def identities_in(room: rtc.Room) -> set[str]:
    """Return who is in a room."""
    if not room.isconnected():
        return set()
    local = local_of(room)
    there = set(room.remote_participants)
    return there if local is None else there | {local.identity}


def credentials_of(room: rtc.Room) -> Credentials | None:
    """Return what a room's processors may use."""
    token = token_of(room)
    return Credentials(token=token, url=url_of(room)) if token else None
