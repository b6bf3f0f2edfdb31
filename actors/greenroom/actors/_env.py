"""What the actors of one session share beside messages: clock, journal, and the records that people look at."""

import logging
import os
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from greenroom.actors._books import ProcessorBook
from greenroom.actors._desired import Granted, PastStream, RoomState, StreamState
from greenroom.actors._pacer import Pacer
from greenroom.actors.context import MASK, Credentials
from greenroom.actors.processors import ProcessorSpec
from greenroom.actors.snapshots import EventKind, SessionEvent
from greenroom.supervision import ActorRef, Dispatcher, SupervisionError, get_logger, is_heard

get_logger()  # imports structlog now: 80 ms that the first session's event loop must not wait for

V = TypeVar("V")
JOURNAL_EVENTS: Final = 20_000
SHARED_WORDS: Final = 1_000
"""Of so many subjects and details the journal keeps one copy, and then begins anew."""
TEXT_CHARACTERS: Final = 300
"""How much of a foreign error's text is kept."""
SERIALS: Final = 10_000
"""Of how many processor names the last number is remembered."""
TOKEN_CHARACTERS: Final = 6
"""A shorter token is like any other word: it can be kept from view as a `Token`, but not be told in a text."""
TOKENS: Final = 2_000
"""How many tokens, the newest ones, are kept out of every text."""
PAST_RECORDS: Final = 5_000
"""How many processors and streams that are gone are remembered."""

_LOUD: Final = frozenset(
    {
        EventKind.PROCESSOR_FAILED,
        EventKind.PROCESSOR_HUNG,
        EventKind.PROCESSOR_DEGRADED,
        EventKind.STREAM_FAILED,
        EventKind.ACTOR_CRASHED,
        EventKind.ACTOR_FENCED,
    }
)


class Env:
    """One per session. Written by its actors, read by anyone; every field is safe to read from any thread."""

    def __init__(
        self,
        name: str,
        *,
        runtime: Any,
        fast: bool,
        frame_ns: int,
        resolve: Callable[[str], ProcessorSpec] | None,
    ) -> None:
        self.name = name
        self.pid = os.getpid()
        self.runtime = runtime
        self.fast = fast
        self.pacer = Pacer(runtime, fast=fast, frame_ns=frame_ns)
        self.frame_ns = frame_ns
        self.resolve = resolve
        self.specs: dict[str, ProcessorSpec] = {}
        self.rooms: dict[str, RoomState] = {}
        self.processors: dict[str, ProcessorBook] = {}
        self.leaving: dict[ProcessorBook, None] = {}
        self.holds: dict[Granted, None] = {}
        self.holder: ActorRef[Any] | None = None
        self.past_processors: deque[ProcessorBook] = deque()
        self.past_streams: deque[PastStream] = deque()
        self.journal: deque[SessionEvent] = deque(maxlen=JOURNAL_EVENTS)
        self.emitted = 0
        self._words: dict[Hashable, Any] = {}
        self.observers: tuple[Callable[[SessionEvent], None], ...] = ()
        self.tokens: OrderedDict[str, None] = OrderedDict()
        self.asked = 0
        self.answered = 0
        self.closing = False
        self.on_processor: Callable[[], None] = _nothing
        self._serials: OrderedDict[str, int] = OrderedDict()
        self._lock = runtime.lock()
        self._log = get_logger(session=name)

    def emit(self, kind: EventKind, subject: str, **details: str | float) -> None:
        """Note that something happened: in the journal, in the log, to the observers. Any thread."""
        event = SessionEvent(
            at_ns=self.runtime.now_ns(),
            kind=kind,
            subject=self._shared(subject, subject),
            details=self._shared((*details.items(), *map(type, details.values())), details),
        )
        self.journal.append(event)
        self.emitted += 1
        loud = kind in _LOUD
        if is_heard(logging.WARNING if loud else logging.INFO):
            say = self._log.warning if loud else self._log.info
            say(kind.value, **_bound(subject), **details)
        for observer in self.observers:
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - an observer is a guest
                self._log.error("observer.failed", kind=kind.value, error=type(error).__name__)

    def _shared(self, key: Hashable, value: V) -> V:
        """Return what was there for ``key`` before, or ``value``: what happens to one thing is told in few words."""
        if len(self._words) > SHARED_WORDS:
            self._words.clear()
        found: V = self._words.setdefault(key, value)
        return found

    def remember_processor(self, book: ProcessorBook) -> None:
        """Keep the record of one that is gone; forget the oldest, unless something of it is still open."""
        self.past_processors.append(book)
        if len(self.past_processors) > PAST_RECORDS:
            oldest = self.past_processors.popleft()
            if not oldest.settled and len(self.past_processors) < 2 * PAST_RECORDS:
                self.past_processors.append(oldest)

    def forget_lanes(self, book: ProcessorBook) -> None:
        """Nothing is left in the lanes of a processor that is gone."""
        self.leaving.pop(book, None)
        book.left = True
        book.seal()

    def remember_stream(self, stream: StreamState, path: str) -> None:
        """Keep the record of one that is gone; forget the oldest, unless frames of it are still inside."""
        self.past_streams.append(stream.past(path))
        if len(self.past_streams) > PAST_RECORDS:
            oldest = self.past_streams.popleft()
            if not oldest.balanced and len(self.past_streams) < 2 * PAST_RECORDS:
                self.past_streams.append(oldest)

    def know(self, credentials: Credentials | None) -> Credentials | None:
        """Remember a token, so that it can be kept out of every text; return the credentials."""
        if credentials is not None and len(credentials.token.reveal()) >= TOKEN_CHARACTERS:
            self.tokens[credentials.token.reveal()] = None
            if len(self.tokens) > TOKENS:
                self.tokens.popitem(last=False)
        return credentials

    def told(self, error: BaseException) -> str:
        """Return an error as text without any token: foreign code may have put one in."""
        text = f"{type(error).__name__}: {error}"
        for token in self.tokens.copy():
            text = text.replace(token, MASK)
        return text[:TEXT_CHARACTERS]

    def serial(self, name: str) -> int:
        """Return 1, 2, 3 ... for the processors of one name. The directory calls it."""
        number = self._serials[name] = self._serials.pop(name, 0) + 1
        if len(self._serials) > SERIALS:
            self._serials.popitem(last=False)
        return number

    def note_answer(self, _: object) -> None:
        """Count an answer to an ask of the session's door; any thread."""
        with self._lock:
            self.answered += 1

    def later(self, what: Callable[[], object]) -> None:
        """Have ``what()`` called on a thread of the pool; in a forked process, which has none, nobody does.

        For the garbage collector: it may run on a thread that is just inside anything, so no lock is taken here.
        """
        with suppress(SupervisionError):
            self.runtime.executor(Dispatcher.POOL, "later").submit(_Errand(what))

    def observe(self, observer: Callable[[SessionEvent], None]) -> Callable[[], None]:
        """Call ``observer`` with every event from now on; returns its undoing."""
        with self._lock:
            self.observers = (*self.observers, observer)

        def forget() -> None:
            with self._lock:
                self.observers = tuple(each for each in self.observers if each is not observer)

        return forget


@dataclass(frozen=True, slots=True)
class _Errand:
    """Something for a thread of the pool to do."""

    what: Callable[[], object]

    def run(self) -> None:
        """Do it."""
        self.what()


def _nothing() -> None:
    """Stand in until the session's watch is there."""


def _bound(subject: str) -> dict[str, str]:
    """Return a subject's parts as the log's keys: ``room``, ``track``, ``stream``, ``processor``.

    >>> _bound("room:lobby/track:guest-1/microphone/stream:1")
    {'room': 'lobby', 'track': 'guest-1/microphone', 'stream': '1'}
    """
    parts: dict[str, str] = {}
    last = ""
    for piece in subject.split("/"):
        kind, colon, name = piece.partition(":")
        if colon:
            last = kind
            parts[kind] = name
        elif last:
            parts[last] += f"/{piece}"
    return parts
