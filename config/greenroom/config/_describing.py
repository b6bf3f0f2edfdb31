"""What a deployment would start, as a tree that people read before they start it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import assert_never

from greenroom.config._deployment import Deployment, default_live_output, default_output, token_place
from greenroom.config._events import (
    AnyEvent,
    CloseStream,
    Fault,
    Hold,
    Join,
    Leave,
    Move,
    OpenStream,
    Reconnect,
    Refresh,
    Release,
)
from greenroom.config._live_schema import LiveRoomSection
from greenroom.config._schema import ProcessorSection, RoomSection, TrackSection
from greenroom.config._timeline import in_order


@dataclass(slots=True)
class _Node:
    """A line and what is under it."""

    text: str
    children: list["_Node"] = field(default_factory=list["_Node"])

    def lines(self, first: str = "", rest: str = "") -> Iterator[str]:
        yield first + self.text
        for child in self.children:
            last = child is self.children[-1]
            yield from child.lines(rest + ("`- " if last else "|- "), rest + ("   " if last else "|  "))


def describe(deployment: Deployment) -> str:
    """Return the supervision tree that would start, and the script, as plain text without secrets."""
    session = deployment.file.session
    root = _Node(f"session:{session.name}  {session.rate_hz} Hz, frames of {session.frame_ms} ms")
    root.children = [
        _Node("processors", [_processor(deployment, name) for name in deployment.file.processors]),
        _Node("rooms", [_room(deployment, name, room) for name, room in deployment.file.rooms.items()]),
    ]
    lines = list(root.lines())
    if deployment.file.events:
        lines += ["", "script"]
        lines += [f"{e.at_s:8.2f} s  {_happening(e)}" for _, e in in_order(deployment.file.events)]
    return "\n".join(lines) + "\n"


def _processor(deployment: Deployment, name: str) -> _Node:
    section = deployment.file.processors[name]
    uses = Counter(step for _, track in deployment.tracks() for step in deployment.steps(track.pipeline))[
        name
    ]
    if any(name in deployment.steps(room.pipeline) for _, room in deployment.live()):
        how_many = "one for all streams" if section.shared else "one for each stream that comes"
        return _Node(f"{name}  {_what(section)}: {how_many}", [_Node("worker")])
    if not uses:
        return _Node(f"{name}  {_what(section)}: used by no stream at the start")
    plural = "" if uses == 1 else "s"
    how_many = f"one for {uses} stream{plural}" if section.shared else f"{uses}, one per stream"
    return _Node(f"{name}  {_what(section)}: {how_many}", [_Node("worker")])


def _what(section: ProcessorSection) -> str:
    options = [f"{key}={value!r}" for key, value in section.options.items()]
    options += [f"{key}=${variable}" for key, variable in section.options_env.items()]
    given = f"({', '.join(options)})" if options else ""
    return f"{section.use}{given}, {section.placement}, {section.on_fault} on fault"


def _room(deployment: Deployment, name: str, room: RoomSection | LiveRoomSection) -> _Node:
    if isinstance(room, LiveRoomSection):
        return _live(deployment, name, room)
    place = token_place(room)
    reached = ", ".join(part for part in (room.url, f"token from {place}" if place else "") if part)
    tracks = [_track(deployment, name, track) for track in room.tracks]
    return _Node(f"room:{name}" + (f"  {reached}" if reached else ""), tracks)


def _live(deployment: Deployment, name: str, room: LiveRoomSection) -> _Node:
    reached = f"{room.room or name} at ${room.url_env} as {room.identity}, key from ${room.key_env} and ${room.secret_env}"
    whose = ", ".join(room.participants) if room.participants else "everybody"
    steps = " > ".join(deployment.steps(room.pipeline))
    goes = "a track in the room" if room.output == "track" else default_live_output(name, "PARTICIPANT")
    taken = f"{whose}: {', '.join(room.sources)}"
    return _Node(
        f"room:{name}  {reached}", [_Node(f"tracks of {taken}", [_Node(f"stream  {steps} > {goes}")])]
    )


def _track(deployment: Deployment, room: str, track: TrackSection) -> _Node:
    joins = f", from {track.join_s:g} s" if track.join_s else ""
    steps = " > ".join(deployment.steps(track.pipeline))
    output = track.output or default_output(room, track)
    text = f"track:{track.participant}/{track.source}  {track.sid}{joins}"
    return _Node(text, [_Node(f"stream:1  {track.input} > {steps} > {output}")])


def _happening(event: AnyEvent) -> str:  # noqa: C901, PLR0911 - one case per kind of event
    match event:
        case Join():
            return f"{event.participant} comes back to {event.room}"
        case Leave():
            return f"{event.participant} leaves {event.room}"
        case Refresh():
            return f"{event.room} gets a new token"
        case Reconnect():
            return f"{event.room} reconnects, all its tracks with new sids"
        case Move():
            return f"track {event.track} moves to {event.to}"
        case Fault():
            where = f" on {event.track}" if event.track else ""
            times = f", {event.times} times" if event.times > 1 else ""
            return f"fault: {event.processor}{where}: {event.kind}{times}"
        case Hold():
            return f"lease {event.lease} on {event.processor} is taken"
        case Release():
            return f"lease {event.lease} is given back"
        case OpenStream():
            return f"stream {event.stream} opens on {event.track}"
        case CloseStream():
            return f"stream {event.stream} on {event.track} closes"
        case _:
            assert_never(event)
