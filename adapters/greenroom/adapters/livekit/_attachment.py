"""A room of LiveKit's in a session: its events become messages, its tracks' streams are told of them, and end with them.

Handlers look at the room as it is, note what has changed, and send messages; they never wait and never raise. A sweeper
looks every `SWEEP_S`, so that what an event did not say is found out all the same.

Laws:
    1. The room is held weakly: one that its owner forgets is collected, and its tracks are left.
    2. What has left is deaf before the handler returns (`Line.cut`).
    3. A track is its object: one that comes again under the same sid is another one.
"""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from greenroom.actors import Credentials, Room
from greenroom.adapters.livekit._ears import Ears
from greenroom.adapters.livekit._errors import NotInRoom
from greenroom.adapters.livekit._facts import Where, credentials_of, find, is_in, publications_in, where_of
from greenroom.adapters.livekit._line import Line
from greenroom.adapters.livekit._lobby import Lobby
from greenroom.adapters.livekit._local import Published, local_track
from greenroom.adapters.livekit._news import News
from greenroom.adapters.livekit._parking import Niche, Parking
from greenroom.adapters.livekit._present import Present
from greenroom.adapters.livekit._rounds import Rounds
from greenroom.adapters.livekit._sdk import local_of, loop_of, rtc
from greenroom.adapters.livekit._seats import Hall, new_lock, printable

SWEEP_S: Final = 1.0


class Attachment:
    """A room of LiveKit's that a session knows. Made by `attach` and `connect`."""

    def __init__(self, lobby: Lobby, room: rtc.Room) -> None:
        self.lobby = lobby
        self._room = weakref.ref(room)
        self._loop = loop_of(room)
        self._lock = new_lock()
        self._heard: dict[rtc.Track, Present] = {}
        self._following: dict[tuple[str, str], set[Line]] = {}
        self._absent: dict[str, float] = {}
        self._name = ""
        self._credentials: Credentials | None = None
        self._news = News()
        self._hall = Hall(lobby, printable(room.name))
        self._parking = Parking(self._loop)
        self._closed = False
        self._rounds = Rounds(room)
        self._ears = Ears(room, self._handles())
        self._forgotten = weakref.finalize(room, self._lost)
        self._forgotten.atexit = False
        self.look()
        self._on_loop(self._sweep)

    # -- events ---------------------------------------------------------------------------------------------

    def _handles(self) -> dict[str, Callable[..., None]]:
        def of_participant(*values: Any) -> None:
            self._look(values[-1].identity)

        def of_local(*_: Any) -> None:
            self._look_at_local()

        def of_all(*_: Any) -> None:
            self._look()

        return {
            "track_subscribed": of_participant,
            "track_unsubscribed": of_participant,
            "track_unpublished": of_participant,
            "participant_connected": of_participant,
            "participant_disconnected": of_participant,
            "local_track_published": of_local,
            "local_track_unpublished": of_local,
            "local_track_republished": self._republished,
            "token_refreshed": self._refreshed,
            "moved": self._look_at_room,
            "room_updated": of_all,
            "connection_state_changed": of_all,
            "reconnecting": self._reconnecting,
            "reconnected": self._reconnected,
            "disconnected": of_all,
        }

    def _reconnecting(self) -> None:
        self._parking.prolong()
        self._look()

    def _reconnected(self) -> None:
        self._parking.shorten()
        self._look()

    def _refreshed(self) -> None:
        """Pass the token on, to actors behind the other handlers: the actors' threads would be in their way."""
        self._rounds.tell()
        if (room := self._room()) is not None:
            self._news.refreshed(credentials_of(room))
        self._on_loop(self._ears.guarded("token_refreshed", self._look_at_room))

    def _republished(self, publication: rtc.LocalTrackPublication, previous_sid: str) -> None:
        """The SDK has published a local track again; under the same sid, nothing else shows that it is another time."""
        track = publication.track
        with self._lock:
            heard = None if track is None else self._heard.get(track)
            if heard is not None and publication.sid == previous_sid:
                heard.number = 0
        self._look()

    def _sweep(self) -> None:
        """Look, and look again later, as long as there is a room."""
        if self._closed or self._room() is None:
            return
        self.look()
        sweep = weakref.WeakMethod(self._sweep)
        self._loop.call_later(SWEEP_S, _call, sweep)

    # -- looking --------------------------------------------------------------------------------------------

    def _look(self, identity: str | None = None) -> None:
        """See what the room is now, or what of one participant is in it, and do what follows from it."""
        room = self._room()
        if room is None or self._closed:
            return
        self._look_at_room()
        live: set[rtc.Track] = set()
        for track, publication, participant, local in publications_in(room, identity):
            heard = self._heard.get(track)
            if heard is None or not heard.number or heard.where.sid != publication.sid:
                where = where_of(track, publication, participant, local=local)
                if where is None:
                    continue
                self._meet(track, where)
            live.add(track)
        with self._lock:
            gone = [
                (track, heard)
                for track, heard in self._heard.items()
                if track not in live and identity in (None, heard.where.identity)
            ]
            for track, _heard in gone:
                del self._heard[track]
        connected = room.isconnected()
        for track, heard in gone:
            self._leave(track, heard, closed=not connected)
        self._look_for_absent(room, connected=connected)
        if not connected:
            self._over()

    def _look_at_local(self) -> None:
        room = self._room()
        if room is not None and (local := local_of(room)) is not None:
            self._look(local.identity)

    def _look_at_room(self) -> None:
        """See what token and name the room has now."""
        room = self._room()
        if room is not None and not self._closed:
            for credentials in self._news.due():
                self._renew(credentials)
            self._renew(credentials_of(room))
            self._rename(room)

    def _renew(self, credentials: Credentials | None) -> None:
        if credentials == self._credentials:
            return
        self._credentials = credentials
        self._hall.renew(credentials)
        for track, heard in self._local():
            local_track(track).publish(self, self._published(heard))

    def _local(self) -> list[tuple[rtc.Track, Present]]:
        with self._lock:
            return [(track, heard) for track, heard in self._heard.items() if heard.where.local]

    def _rename(self, room: rtc.Room) -> None:
        if room.name == self._name:
            return
        self._name = room.name
        self._hall.name = printable(room.name)
        for track, heard in list(self._heard.items()):
            self._point(track, heard, at_once=self._credentials)

    def _meet(self, track: rtc.Track, where: Where) -> None:
        """A track is here: newly, again, or as before."""
        with self._lock:
            heard = self._heard.get(track)
            known = heard is not None
            if heard is None:
                heard = self._heard[track] = Present(where)
            elif heard.where == where and heard.number:
                return
            else:
                heard.again(where)
            followers = set[Line]() if known else self._following.get(where.subject, set[Line]()).copy()
            if followers:
                self._take_along(followers, heard)
        if followers:
            self._rounds.take(track)
        self._point(track, heard)
        for line in followers:
            line.hear_soon(track)

    def _take_along(self, followers: set[Line], to: Present) -> None:
        """Have lines that follow read another track from now on. Under the lock."""
        for heard in self._heard.values():
            heard.lines -= followers
        to.lines |= followers

    def _point(self, track: rtc.Track, heard: Present, **how: Credentials | None) -> None:
        if heard.where.local:
            local_track(track).publish(self, self._published(heard))
        for line in list(heard.lines):
            line.seat.point(heard.info(self._name), heard.number, **how)

    def _published(self, heard: Present) -> Published:
        return Published(info=heard.info(self._name), number=heard.number, credentials=self._credentials)

    def _leave(self, track: rtc.Track, heard: Present, *, closed: bool) -> None:
        """A track has gone: its streams end now, with nothing further; those that follow wait for the next one."""
        self._rounds.leave(track)
        if heard.where.local:
            local_track(track).unpublish(self, closed=closed)
        for line in list(heard.lines):
            if line.follows:
                line.deafen()
                line.seat.point(None, 0)
                self._hear_newest(line, heard.where.subject)
            elif closed:
                line.end()
            else:
                line.seat.last(heard.info(self._name), heard.number, self._credentials)
                line.cut(park=True)
                self._news.left(line.seat)

    def _hear_newest(self, line: Line, subject: tuple[str, str]) -> None:
        """Have a line that follows read what there is of its subject, if anything is."""
        with self._lock:
            there = [(t, heard) for t, heard in self._heard.items() if heard.where.subject == subject]
            if not there or line not in self._following.get(subject, ()):
                return
            track, heard = max(there, key=lambda each: each[1].number)
            self._take_along({line}, heard)
        self._rounds.take(track)
        line.seat.point(heard.info(self._name), heard.number)
        line.hear_soon(track)

    def _look_for_absent(self, room: rtc.Room, *, connected: bool) -> None:
        """End what follows a participant who has been gone for long enough not to come back."""
        now_s = self._loop.time()
        for identity, source in list(self._following):
            if is_in(room, identity):
                self._absent.pop(identity, None)
                continue
            first = identity not in self._absent
            since_s = self._absent.setdefault(identity, now_s)
            if not connected or now_s - since_s >= self._parking.for_s:
                with self._lock:
                    lines = self._following.pop((identity, source), set())
                for line in lines:
                    line.end()
            elif first:
                self._loop.call_later(self._parking.for_s, self.look)

    def _over(self) -> None:
        """The room is disconnected: nothing comes back, unless it is connected anew."""
        self._parking.clear()
        self._absent.clear()

    def look(self) -> None:
        """See what the room is now. On its loop."""
        self._ears.guarded("look", self._look)()

    # -- lines ----------------------------------------------------------------------------------------------

    @property
    def hall(self) -> Hall:
        """Where its remote tracks' streams sit."""
        return self._hall

    def where(self, track: rtc.Track) -> Where | None:
        """Return whose a track is in the room at present, or None. Any thread."""
        heard = self._heard.get(track)
        if heard is not None:
            return heard.where
        room = self._room()
        return None if room is None else find(room, track)

    def niche(self, where: Where) -> Niche:
        """Return where the processors of a track's streams are kept."""
        return Niche(self._parking, where.subject)

    def join(self, line: Line, track: rtc.Track, where: Where) -> None:
        """Have a line told of a remote track, and ended with it. Any thread.

        Raises:
            NotInRoom: the track has just left.
        """
        self._meet(track, where)
        with self._lock:
            heard = self._heard.get(track)
            if heard is None:
                raise NotInRoom("the track has left its room")
            heard.lines.add(line)
        self._rounds.take(track)
        line.on_over = partial(self._part, heard)
        line.seat.point(heard.info(self._name), heard.number)

    def _part(self, heard: Present, line: Line) -> None:
        with self._lock:
            heard.lines.discard(line)

    def follow(self, line: Line, subject: tuple[str, str]) -> None:
        """Have a line read whatever a participant publishes of one source, from now on. Any thread."""
        line.follows = True
        line.on_over = partial(self._unfollow, subject)
        with self._lock:
            self._following.setdefault(subject, set()).add(line)
        self._hear_newest(line, subject)

    def _unfollow(self, subject: tuple[str, str], line: Line) -> None:
        with self._lock:
            for heard in self._heard.values():
                heard.lines.discard(line)
            following = self._following.get(subject, set[Line]())
            following.discard(line)
            if not following:
                self._following.pop(subject, None)

    # -- its own end ----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The room's name, once it is known."""
        return self._name

    @property
    def room(self) -> Room | None:
        """The room of the session in which streams sit, once there is one."""
        return self._hall.room

    @property
    def closed(self) -> bool:
        """Whether it was detached, or its room is gone."""
        return self._closed

    def lines(self) -> set[Line]:
        """Return the lines that it tells."""
        with self._lock:
            found = {line for heard in self._heard.values() for line in heard.lines}
            return found.union(*self._following.values())

    def _leave_all(self) -> None:
        self._closed = True
        with self._lock:
            heard, self._heard = self._heard, {}
            following, self._following = self._following, {}
        for track, each in heard.items():
            self._leave(track, each, closed=True)
        for line in {line for lines in following.values() for line in lines}:
            line.end()
        self._over()

    def _lost(self) -> None:
        """The room was collected: on any thread, in the middle of anything, so no lock is taken here."""
        try:
            self._loop.call_soon_threadsafe(self._leave_all)
        except RuntimeError:  # the loop is closed: nobody will come
            self.lobby.later(self._leave_all)

    def let_go(self) -> None:
        """Listen to the room no further, and end its streams, without waiting for them."""
        room = self._room()
        self._rounds.give_back(self._loop)
        if room is not None:
            self._ears.close(room)
        self._forgotten.detach()
        self._leave_all()

    async def detach(self) -> None:
        """Leave the room: end its streams in order, and listen to it no further. Idempotent."""
        self.let_go()
        await self._hall.close()

    def _on_loop(self, what: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:
            self._leave_all()  # the loop is closed: nobody will come

    def __repr__(self) -> str:
        return f"<Attachment of {self._name or 'a room'}>"


def _call(method: "weakref.WeakMethod[Callable[[], None]]") -> None:
    target = method()
    if target is not None:
        target()
