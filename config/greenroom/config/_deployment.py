"""A deployment: its file, understood, and where its paths lead."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from greenroom.config._events import OpenStream
from greenroom.config._live_schema import LiveRoomSection
from greenroom.config._positions import Positions
from greenroom.config._schema import DeploymentFile, RoomSection, TrackSection
from greenroom.config.errors import KeyPath, Problem, dotted, unknown

SHIPPED: Final = "shipped:"
"""How a path begins that leads into the deployments that come with greenroom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment file that has been loaded: its keys, names and script are right.

    Attributes:
        origin: the file as it was asked for, for messages.
        folder: what relative paths in it are relative to.
        file: what it says.
        lines: where it says it.
    """

    origin: str
    folder: Path
    file: DeploymentFile
    lines: Positions

    @property
    def name(self) -> str:
        """The session's name."""
        return self.file.session.name

    def path(self, text: str) -> Path:
        """Return where a path of the file leads; it need not exist."""
        if text.startswith(SHIPPED):
            return shipped_folder() / text.removeprefix(SHIPPED)
        return self.folder / Path(text).expanduser()

    def steps(self, pipeline: str | tuple[str, ...]) -> tuple[str, ...]:
        """Return the processors of a pipeline, which is given by name or by its steps."""
        return self.file.pipelines[pipeline] if isinstance(pipeline, str) else pipeline

    def tracks(self) -> Iterator[tuple[str, TrackSection]]:
        """Yield each track with the room that it is published in first."""
        for room, section in self.file.rooms.items():
            for track in section.tracks:
                yield room, track

    def live(self) -> Iterator[tuple[str, LiveRoomSection]]:
        """Yield the rooms that are on a LiveKit server."""
        for room, section in self.file.rooms.items():
            if isinstance(section, LiveRoomSection):
                yield room, section

    def problem(self, path: KeyPath, text: str) -> Problem:
        """Return a problem with the key at ``path``."""
        return Problem(file=self.origin, line=self.lines.line(path), where=dotted(path), text=text)


def outputs_of(file: DeploymentFile) -> Iterator[tuple[KeyPath, str]]:
    """Yield the name of each output that the file asks for, and the key that asks."""
    owner: dict[str, tuple[str, TrackSection]] = {}
    for room, section in file.rooms.items():
        for index, track in enumerate(section.tracks):
            owner[track.sid] = (room, track)
            yield ("rooms", room, "tracks", index, "output"), track.output or default_output(room, track)
    for index, event in enumerate(file.events):
        if isinstance(event, OpenStream) and event.track in owner:
            yield (
                ("events", index, "output"),
                event.output or default_output(*owner[event.track], event.stream),
            )


def default_output(room: str, track: TrackSection, stream: str = "") -> str:
    """Return the name of an output that was given none.

    >>> anna = TrackSection(sid="TR_1", participant="anna k", input="a.wav", pipeline="clean")
    >>> default_output("lobby", anna), default_output("lobby", anna, "raw")
    ('lobby-anna_k.wav', 'lobby-anna_k-raw.wav')
    """
    parts = [room, track.participant, *([track.source] if track.source != "microphone" else []), stream]
    return re.sub(r"[^\w.-]+", "_", "-".join(part for part in parts if part)).lstrip(".") + ".wav"


def default_live_output(room: str, participant: str, source: str = "microphone") -> str:
    """Return the name of the file that a participant's processed audio is written to.

    >>> default_live_output("lobby", "guest 1", "screenshare_audio")
    'lobby-guest_1-screenshare_audio.wav'
    """
    parts = [room, participant, *([source] if source != "microphone" else [])]
    return re.sub(r"[^\w.-]+", "_", "-".join(parts)).lstrip(".") + ".wav"


def token_place(room: RoomSection) -> str:
    """Return where a room's token is, in words without the token."""
    if room.token_env:
        return f"${room.token_env}"
    return room.token_file or ""


def shipped_folder() -> Path:
    """Return the folder of the deployments that come with greenroom."""
    return Path(str(resources.files("greenroom.config") / "deployments"))


def shipped_names() -> tuple[str, ...]:
    """Return the names that `load` understands without a file."""
    return tuple(
        sorted(
            path.parent.name for path in shipped_folder().glob("*/*.toml") if path.stem == path.parent.name
        )
    )


def shipped_file(name: str) -> Path:
    """Return the file of a shipped deployment.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    if name not in shipped_names():
        raise FileNotFoundError(unknown("shipped deployment", name, shipped_names()))
    return shipped_folder() / name / f"{name}.toml"
