"""Where streams sit in a session: a *hall* is a room of the session for one of LiveKit's, a *seat* a track in it.

Both are opened when they are needed, whoever needs them first, on whatever loop. A seat remembers what it should be told
until it is open, so events of the room may come at any time.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from greenroom.actors import (
    Credentials,
    DuplicateName,
    Room,
    RoomClosed,
    Session,
    SessionClosed,
    SessionError,
    StreamInfo,
    Track,
)
from greenroom.supervision import Future, SupervisionError, ThreadRuntime

if TYPE_CHECKING:
    from greenroom.adapters.livekit._lobby import Lobby

NAME_CHARACTERS: Final = 200
UNTOUCHED: Final = object()
new_lock: Final = ThreadRuntime.lock


def printable(name: str) -> str:
    """Return a name that can stand in a path: LiveKit's may have any character.

    >>> printable("user/1"), printable("")
    ('user%2F1', '-')
    """
    plain = "".join(c if c.isprintable() and c not in "/%" else quote(c, safe="") for c in name)
    return plain[:NAME_CHARACTERS].strip() or "-"


def unused(name: str, taken: Callable[[str], bool]) -> str:
    """Return ``name``, with a number if it is taken."""
    number, found = 1, name
    while taken(found):
        number += 1
        found = f"{name}~{number}"
    return found


class Hall:
    """A room of a session, opened with its first seat, and anew after it was closed."""

    def __init__(self, lobby: "Lobby", name: str) -> None:
        self.lobby = lobby
        self.name = name
        self._lock = new_lock()
        self._room: Room | None = None
        self._opening: Future[Room] | None = None
        self._credentials: Credentials | None = None
        self._taken: set[str] = set()

    @property
    def room(self) -> Room | None:
        """The room of the session, if it is open."""
        return self._room

    async def open(self) -> Room:
        """Return the room, opened by whoever comes first; should that one give up, by the next."""
        while True:
            with self._lock:
                if self._room is not None:
                    return self._room
                mine = self._opening is None
                if self._opening is None:
                    self._opening = Future[Room]()
                opening = self._opening
            if not mine:
                await _settled(opening)
                continue
            try:
                await self._open()
            finally:
                with self._lock:
                    self._opening = None
                opening.try_set(None)

    async def _open(self) -> None:
        session = await self.lobby.session()
        credentials = self._credentials
        room = await _open_room(session, self.name, credentials)
        with self._lock:
            self._room = room
            changed = self._credentials is not credentials
        if changed:
            self.renew(self._credentials)

    def renew(self, credentials: Credentials | None) -> None:
        """Use these from now on: one message, however many streams there are. Any thread."""
        with self._lock:
            self._credentials = credentials
            room = self._room
        if room is not None:
            try:
                room.renew(credentials)
            except SessionError:
                self._lost(room)

    async def seat(self, participant: str, source_name: str) -> Track:
        """Open a track in it, under a name that is free."""
        with self._lock:
            name = unused(participant, lambda each: f"{each}/{source_name}" in self._taken)
            key = f"{name}/{source_name}"
            self._taken.add(key)
        try:
            while True:
                room, fresh = self._room, self._room is None
                try:
                    room = room or await self.open()
                    return await room.open_track(name, source_name=source_name)
                except (SessionClosed, RoomClosed):
                    if room is not None:
                        self._lost(room)
                    if (
                        fresh
                    ):  # or else the room was from a session that is closed: there may be another by now
                        raise
        except BaseException:
            self._taken.discard(key)
            raise

    async def unseat(self, track: Track) -> None:
        """Close a track that `seat` has opened."""
        try:
            await track.remove()
        except SessionError:
            pass  # it went with its room or its session
        finally:
            self.free(track)

    def free(self, track: Track) -> None:
        """Let the name of a track be taken again."""
        self._taken.discard(track.key)

    def _lost(self, room: Room) -> None:
        with self._lock:
            if self._room is room:
                self._room = None

    async def close(self) -> None:
        """Close the room, and all seats with it; the next seat opens another one."""
        with self._lock:
            room, self._room = self._room, None
            self._taken.clear()
        if room is not None:
            await room.close()


async def _open_room(session: Session, name: str, credentials: Credentials | None) -> Room:
    """Open a room under a name that is free: LiveKit's may be joined twice in one process."""
    while True:
        try:
            free = unused(name, session.record().rooms.__contains__)
            return await session.open_room(free, credentials=credentials)
        except DuplicateName:
            continue  # another thread has just taken it


async def _settled(future: Future[Any]) -> None:
    """Wait until somebody else has tried."""
    await future


class Seat:
    """A track of a hall, opened once; what it was told before is told to it then.

    `point` is for any thread, but in one order: the last one counts.
    """

    def __init__(self, hall: Hall, participant: str, source_name: str) -> None:
        self._hall = hall
        self._participant = printable(participant)
        self._source_name = source_name
        self._lock = new_lock()
        self._track: Track | None = None
        self._wanted: tuple[StreamInfo | None, int, Any] = (None, 0, UNTOUCHED)
        self._last: Any = UNTOUCHED
        """The credentials that are told before the end, once that has come."""

    async def open(self) -> Track:
        """Open the track, and tell it what is wanted."""
        track = await self._hall.seat(self._participant, self._source_name)
        with self._lock:
            self._track = track
            self._tell(track)
        return track

    @property
    def taken(self) -> bool:
        """Whether the track is open."""
        return self._track is not None

    def point(
        self,
        info: StreamInfo | None,
        number: int,
        credentials: Any = UNTOUCHED,
        *,
        at_once: Any = UNTOUCHED,
    ) -> None:
        """Say whose audio it is, and by which publication.

        Args:
            info: whose; None: nobody's.
            number: the publication's.
            credentials: if they are not the hall's.
            at_once: the hall's, which it is only being told: so that no older ones come with ``info``.
        """
        with self._lock:
            self._wanted = (info, number, credentials)
            if self._track is not None:
                self._tell(self._track, at_once)

    def last(self, info: StreamInfo, number: int, credentials: Credentials | None) -> None:
        """Say what the processors are told before the track's end: its room may be telling others first. Any thread."""
        with self._lock:
            self._wanted, self._last = (info, number, UNTOUCHED), credentials

    async def settled(self) -> None:
        """Tell them that, and return when it is on its way: ahead of whatever the streams are told now."""
        with self._lock:
            track, last = self._track, self._last
        if track is not None and last is not UNTOUCHED:
            self._tell(track, last)
            with suppress(SessionError, SupervisionError):  # it has left already
                await track.settled()

    def _tell(self, track: Track, at_once: Any = UNTOUCHED) -> None:
        info, number, credentials = self._wanted
        credentials = at_once if credentials is UNTOUCHED else credentials
        try:
            if credentials is UNTOUCHED:
                track.point(info, publication=number)
            else:
                track.point(info, publication=number, credentials=credentials)
        except SessionError:
            return  # it has left already

    def drop(self) -> None:
        """Close the track without waiting. Any thread."""
        with self._lock:
            track, self._track = self._track, None
        if track is not None:
            track.drop()
            self._hall.free(track)

    async def leave(self) -> None:
        """Close the track. Idempotent."""
        with self._lock:
            track, self._track = self._track, None
        if track is not None:
            await self._hall.unseat(track)
