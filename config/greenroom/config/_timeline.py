"""The script of events, played on paper: each must find what it speaks of, at its time.

The rules, as a pure walk through time:

- a track is there from its ``join_s`` until its participant leaves, and again from a ``join`` event on;
- it is in the room that it was last moved to; sids are unique within a room at every moment;
- streams and leases that the script opens are closed at most once, and only while they are open;
- events at the same time happen in the order of the file, after the tracks that join then.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from greenroom.actors.processors import Placement
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
from greenroom.config._references import unknown_steps
from greenroom.config._refusals import Finding
from greenroom.config._schema import DeploymentFile, TrackSection
from greenroom.config.errors import shown, unknown

Problems = Iterator[tuple[str, str]]
"""The key of the event that is wrong (may be empty), and what is wrong."""


@dataclass(slots=True, kw_only=True)
class _Player:
    """A track on the stage."""

    track: TrackSection
    home: str
    room: str = ""
    sid: str = ""
    has_been_there: bool = False
    streams: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def there(self) -> bool:
        return bool(self.room)

    def enter(self) -> None:
        self.room, self.sid, self.has_been_there = self.home, self.track.sid, True

    def leave(self) -> None:
        self.room = ""
        self.streams.clear()


def in_order(events: tuple[AnyEvent, ...]) -> list[tuple[int, AnyEvent]]:
    """Return the events by time, each with its place in the file."""
    return sorted(enumerate(events), key=lambda pair: pair[1].at_s)


def findings(file: DeploymentFile) -> Iterator[Finding]:
    """Yield what the script gets wrong. Names of sections are expected to be right."""
    stage = _Stage(file)
    for index, event in in_order(file.events):
        stage.advance(event.at_s)
        for key, text in stage.play(event):
            path = ("events", index, key) if key else ("events", index)
            yield path, f"at {event.at_s:g} s: {text}"
    length_s = file.session.length_s
    if length_s is None:
        return
    for index, event in enumerate(file.events):
        if event.at_s > length_s:
            yield ("events", index, "at_s"), f"is after the end of the session, length_s = {length_s:g}"


class _Stage:
    """Who is there, at one moment."""

    def __init__(self, file: DeploymentFile) -> None:
        self._file = file
        self._rooms = file.scripted
        self._players: Mapping[str, _Player] = {
            track.sid: _Player(track=track, home=room)
            for room, section in file.rooms.items()
            for track in section.tracks
        }
        self._leases: set[str] = set()

    def advance(self, now_s: float) -> None:
        """Let the tracks enter that have joined by now."""
        for player in self._players.values():
            if player.track.join_s <= now_s and not player.has_been_there:
                player.enter()

    def play(self, event: AnyEvent) -> Problems:  # noqa: C901, PLR0911 - one case per kind of event
        """Yield what hinders the event; carry out what can be."""
        match event:
            case Join():
                return self._join(event)
            case Leave():
                return self._leave(event)
            case Refresh():
                return self._refresh(event)
            case Reconnect():
                return self._reconnect(event)
            case Move():
                return self._move(event)
            case Fault():
                return self._fault(event)
            case Hold():
                return self._hold(event)
            case Release():
                return self._release(event)
            case OpenStream():
                return self._open_stream(event)
            case CloseStream():
                return self._close_stream(event)
            case _:
                assert_never(event)

    def _no_room(self, name: str) -> str:
        if name in self._file.rooms:
            return f"room {shown(name)} is on a LiveKit server: what happens there comes from the server, not from a script"
        return unknown("room", name, self._rooms)

    def _join(self, event: Join) -> Problems:
        if event.room not in self._rooms:
            yield "room", self._no_room(event.room)
            return
        theirs = {a.track.participant for a in self._players.values() if a.home == event.room}
        if event.participant not in theirs:
            yield (
                "participant",
                unknown(f"participant of room {shown(event.room)}", event.participant, theirs),
            )
            return
        for player in self._of(event.participant, home=event.room):
            if player.there:
                yield "participant", f"{event.participant} is there already; a 'leave' must come first"
            elif not player.has_been_there:
                yield (
                    "participant",
                    (
                        f"{event.participant} comes first at join_s = {player.track.join_s:g}; change that instead, "
                        "'join' is for coming back"
                    ),
                )
            else:
                player.enter()

    def _leave(self, event: Leave) -> Problems:
        if event.room not in self._rooms:
            yield "room", self._no_room(event.room)
            return
        present = [a for a in self._in(event.room) if a.track.participant == event.participant]
        if not present:
            names = {a.track.participant for a in self._in(event.room)}
            yield (
                "participant",
                unknown(f"participant in room {shown(event.room)} then", event.participant, names),
            )
        for player in present:
            player.leave()

    def _refresh(self, event: Refresh) -> Problems:
        yield from self._token(event)

    def _reconnect(self, event: Reconnect) -> Problems:
        yield from self._token(event, needed=False)
        present = {a.track.sid: a for a in self._in(event.room)}
        for name, sid in event.sids.items():
            if name not in present:
                yield "sids", unknown(f"track in room {shown(event.room)} then", name, present)
            else:
                present[name].sid = sid
        sids = [a.sid for a in present.values()]
        for sid in sorted({s for s in sids if sids.count(s) > 1}):
            yield "sids", f"sid {shown(sid)} would be there twice"

    def _token(self, event: Refresh | Reconnect, *, needed: bool = True) -> Problems:
        room = self._rooms.get(event.room)
        new = bool(event.token_env or event.token_file)
        if event.token_env and event.token_file:
            yield "", "give token_env or token_file, not both"
        if room is None:
            yield "room", self._no_room(event.room)
        elif needed and not room.has_token and not new:
            yield (
                "",
                f"room {shown(event.room)} has no token; give it one, or say token_env or token_file here",
            )

    def _move(self, event: Move) -> Problems:
        player, hindrance = self._present(event.track)
        if event.to not in self._rooms:
            yield "to", self._no_room(event.to)
        elif player is None:
            yield "track", hindrance
        elif player.room == event.to:
            yield "to", f"track {shown(event.track)} is in room {shown(event.to)} already"
        else:
            sid = event.sid or player.sid
            if any(a.sid == sid for a in self._in(event.to)):
                yield "sid", f"sid {shown(sid)} is taken in room {shown(event.to)}; give the track another"
            if any(
                a.track.participant == player.track.participant and a.track.source == player.track.source
                for a in self._in(event.to)
            ):
                yield "to", f"room {shown(event.to)} has that participant's {player.track.source} already"
            player.room, player.sid = event.to, sid

    def _fault(self, event: Fault) -> Problems:
        section = self._file.processors.get(event.processor)
        if section is None:
            yield "processor", unknown("processor", event.processor, self._file.processors)
            return
        if event.kind == "hang" and section.placement is Placement.INLINE:
            yield (
                "kind",
                f"processor {shown(event.processor)} is inline, where a hang stops the room; use placement = 'thread'",
            )
        if event.track is None:
            return
        player, hindrance = self._present(event.track)
        if player is None:
            yield "track", hindrance
        elif section.shared:
            yield (
                "track",
                f"processor {shown(event.processor)} is shared by all its streams; take 'track' out",
            )
        elif not any(event.processor in steps for steps in self._steps(player)):
            yield (
                "track",
                f"track {shown(event.track)} does not go through processor {shown(event.processor)} then",
            )

    def _hold(self, event: Hold) -> Problems:
        if event.processor not in self._file.processors:
            yield "processor", unknown("processor", event.processor, self._file.processors)
        if event.lease in self._leases:
            yield "lease", f"lease {shown(event.lease)} is held already; give this one another name"
        self._leases.add(event.lease)

    def _release(self, event: Release) -> Problems:
        if event.lease not in self._leases:
            yield "lease", unknown("lease held then", event.lease, self._leases)
        self._leases.discard(event.lease)

    def _open_stream(self, event: OpenStream) -> Problems:
        yield from (
            (str(path[0]), text) for path, text in unknown_steps(self._file, event.pipeline, ("pipeline",))
        )
        player, hindrance = self._present(event.track)
        if player is None:
            yield "track", hindrance
            return
        if event.stream in player.streams:
            yield "stream", f"stream {shown(event.stream)} is open already; give this one another name"
        player.streams[event.stream] = self._resolved(event.pipeline)

    def _close_stream(self, event: CloseStream) -> Problems:
        player, hindrance = self._present(event.track)
        if player is None:
            yield "track", hindrance
        elif event.stream not in player.streams:
            yield "stream", unknown("stream open then", event.stream, player.streams)
        else:
            del player.streams[event.stream]

    def _present(self, sid: str) -> tuple[_Player | None, str]:
        """Return the track if it is there, or else what to say."""
        player = self._players.get(sid)
        if player is None:
            return None, unknown("track", sid, self._players)
        if player.there:
            return player, ""
        if player.has_been_there:
            return None, f"track {shown(sid)} is not there then; its participant has left"
        return None, f"track {shown(sid)} is not there yet; it joins at join_s = {player.track.join_s:g}"

    def _steps(self, player: _Player) -> Iterator[tuple[str, ...]]:
        yield self._resolved(player.track.pipeline)
        yield from player.streams.values()

    def _resolved(self, pipeline: str | tuple[str, ...]) -> tuple[str, ...]:
        return self._file.pipelines.get(pipeline, ()) if isinstance(pipeline, str) else pipeline

    def _in(self, room: str) -> list[_Player]:
        return [a for a in self._players.values() if a.room == room]

    def _of(self, participant: str, *, home: str) -> list[_Player]:
        return [a for a in self._players.values() if a.home == home and a.track.participant == participant]
