"""Reads the subject of an event or the path of a stream: ``room:lobby/track:guest-1/microphone/stream:1``."""

import re
from dataclasses import dataclass
from typing import Final

# A track's key holds a slash, so the kinds, not the slashes, tell where a part begins.
_PART: Final = re.compile(r"(?:^|/)(room|track|stream|processor):")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom an event is about; what its path does not name is empty."""

    room: str = ""
    track: str = ""
    stream: str = ""
    processor: str = ""


def parse_subject(path: str) -> Subject:
    """Take a path apart; one of another kind (``session``, an actor's name) is an empty subject."""
    pieces = _PART.split(path)
    found = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    return Subject(
        room=found.get("room", ""),
        track=found.get("track", ""),
        stream=found.get("stream", ""),
        processor=found.get("processor", ""),
    )
