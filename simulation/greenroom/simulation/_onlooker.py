"""The onlooker: looks at a simulated session when its laws can be judged, and tells the court what it finds."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from greenroom.actors import Credentials, EventKind, ProcessorState, SessionEvent
from greenroom.actors.laws import Calls, at_event, at_frame, at_instant, at_rest, expected_context
from greenroom.simulation._witness import Witness

if TYPE_CHECKING:
    from greenroom.simulation._stage import Stage

CONTEXT: Final = 3
EVEN_NS: Final = 10_000_000
"""Time that goes on by more than this at once went by within a step: nobody could look meanwhile."""
_CREDENTIALS: Final = frozenset(
    {EventKind.ROOM_OPENED, EventKind.CREDENTIALS_REFRESHED, EventKind.ROOM_RECONNECTED}
)
"""When a room may have other credentials than before."""


class Onlooker:
    """Looks at one stage.

    Attributes:
        seen_ns: when it looked last.
    """

    def __init__(self, stage: "Stage") -> None:
        self._stage = stage
        self._graces: dict[str, int] = {}
        self._tokens: dict[str, set[str]] = {}
        self._used: dict[str, dict[Credentials | None, int]] = {}
        self._asked = 0
        self.seen_ns = 0
        self._even_ns = 0
        self._calls: Calls = {}

    def kept_too_long(self) -> list[str]:
        """Return the rooms that keep processors for tracks which have not come back in time."""
        now_ns = self._stage.runtime.now_ns()
        rooms = self._stage.session.record().rooms.copy().values()
        late = [room for room in rooms if self._graces.get(room.name, 0) + EVEN_NS < now_ns]
        actors = [room.actor._cell.actor for room in late if room.actor and room.actor.is_running()]
        return [
            f"room {actor._state.name} keeps processors for ever"
            for actor in actors
            if any(actor._held.values())
        ]

    def at_rest(self) -> None:
        """Look at everything, while nothing is on its way."""
        if self._stage.over:
            return
        self._stage.court.look_at_rest(
            at_rest(self._stage.session.record(), transferred=self._stage.transferred, busy=self.busy)
        )
        for detail in self._told_wrong():
            self._stage.court.find(CONTEXT, detail)

    def at_event(self, event: SessionEvent) -> None:
        """Something was told: look at what it is about."""
        env = self._stage.session.record()
        name = event.subject.removeprefix("room:")
        if event.kind is EventKind.ROOM_RECONNECTING:
            self._graces[name] = event.at_ns + int(event.details["grace_ms"]) * 1_000_000
        elif event.kind in _CREDENTIALS:
            credentials = None if name not in env.rooms else env.rooms[name].credentials
            if credentials is not None:
                self._tokens.setdefault(name, set()).add(credentials.token.reveal())
        for number, detail in at_event(env, event):
            self._stage.court.find(number, detail)

    def at_instant(self, now_ns: int) -> None:
        """Time has gone on: look at what is on its way. Who takes time by itself holds the watch up."""
        if now_ns - self.seen_ns > EVEN_NS:
            self._even_ns = now_ns
        self.seen_ns = now_ns
        for number, detail in at_instant(
            self._stage.session.record(), now_ns, watched_ns=now_ns - self._even_ns, calls=self._calls
        ):
            self._stage.court.find(number, detail)

    def at_frame(self, witness: Witness) -> None:
        """A processor is being called: look at whose frame it is."""
        book = witness.book
        if book is None:
            books = self._stage.session.record().processors.values()
            book = witness.book = next((book for book in books if id(witness) in book._instances), None)
        for number, detail in () if book is None else at_frame(book):
            self._stage.court.find(number, detail)

    @contextmanager
    def using(self, room: str, credentials: Credentials | None) -> Generator[None]:
        """Have a room use other credentials; when that is answered, it does, or newer ones: none that it had before."""
        self._asked += 1
        used = self._used.setdefault(room, {})
        number = self._asked
        used.pop(credentials, None)  # asked for again, it is old no more
        before = used.copy()
        yield
        used[credentials] = number
        state = self._stage.session.record().rooms.get(room)
        if state is None or state.closing or state.credentials == credentials:
            return
        if state.credentials in before and used.get(state.credentials) == before[state.credentials]:
            self._stage.court.find(CONTEXT, f"room {room} was refreshed, and has the credentials from before")

    def is_foreign(self, token: str, room: str) -> bool:
        """Whether a token is another room's, and never was this one's."""
        own = self._tokens.get(room, ())
        return token not in own and any(token in tokens for tokens in self._tokens.values())

    def busy(self, name: str) -> bool:
        """Whether a call of a processor is under way."""
        book = self._stage.session.record().processors.get(name)
        return book is not None and any(witness.busy for witness in _witnesses_of(book))

    def _told_wrong(self) -> Iterator[str]:
        """Yield what processors were told themselves, where it is not what they should know: secrets too."""
        env = self._stage.session.record()
        rooms = [
            room.actor._cell.actor for room in env.rooms.values() if room.actor and room.actor.is_running()
        ]
        if any(room._moves for room in rooms):
            return
        for book in env.processors.values():
            actor = None if book.actor is None or not book.actor.is_running() else book.actor._cell.actor
            if actor is None or book.state is not ProcessorState.READY or self.busy(book.name):
                continue
            installed = book._installed
            witness = None if installed is None else installed.processor
            if not isinstance(witness, Witness) or witness.closed:
                continue
            context = expected_context(env, book.name, actor._ledger.leases())
            if context is None:
                continue
            info, credentials = context.stream_info, context.credentials
            wanted = info and (info.room_name, info.participant_identity, info.publication_sid)
            secret = credentials and info and (credentials.token.reveal(), credentials.url)
            if witness.told.info != wanted:
                yield f"{book.name} knows {witness.told.info}, and should know {wanted}"
            elif witness.told.credentials != secret:
                yield f"{book.name} knows other credentials than those of {wanted}"


def _witnesses_of(book: Any) -> Iterator[Witness]:
    for instance in book._instances.copy().values():
        if isinstance(instance.processor, Witness):
            yield instance.processor
