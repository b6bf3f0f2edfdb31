"""The session of those who never made one: one for each event loop, made with its first stream, closed soon after the last.

It lives in a task of its loop. So ``asyncio.run``, which cancels what is left at its end, closes it in order.
"""

import asyncio
import weakref
from collections.abc import Callable
from typing import Final, Protocol

from greenroom.actors import Session, SessionClosed
from greenroom.adapters.livekit._seats import Hall

IDLE_S: Final = 5.0
"""How long a session without streams waits for the next one."""


class Lobby(Protocol):
    """Where the session of a stream or room comes from.

    Attributes:
        local: where streams on local tracks sit: those are in no room, or in several.
    """

    local: Hall

    @property
    def alive(self) -> bool:
        """Whether there is a session, or can be one."""
        ...

    async def session(self) -> Session:
        """Return it, entered.

        Raises:
            SessionClosed: it is closed, or was not entered.
        """
        ...

    def arrive(self) -> None:
        """A stream uses it. Any thread."""
        ...

    def leave(self) -> None:
        """That stream is over. Any thread."""
        ...

    def later(self, what: Callable[[], object]) -> None:
        """Have ``what()`` called on a thread of the session's; without one nothing is left to be done.

        For the garbage collector, which may be in the middle of anything: no lock is taken.
        """
        ...


class Given:
    """A session that somebody else opens and closes."""

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self.local = Hall(self, "local")

    @property
    def alive(self) -> bool:
        """Whether the session is open."""
        try:
            self._open()
        except SessionClosed:
            return False
        return True

    def _open(self) -> Session:
        session = self._session()
        if session is None:
            raise SessionClosed("the session is gone")
        session.alive()
        return session

    async def session(self) -> Session:
        """Return it."""
        return self._open()

    def arrive(self) -> None:
        """Nothing to do: it is not ours."""

    def leave(self) -> None:
        """Nothing to do: it is not ours."""

    def later(self, what: Callable[[], object]) -> None:
        """Have it called by the session's pool."""
        session = self._session()
        if session is not None:
            session.record().later(what)


class Default:
    """The session of one loop, there as long as streams use it, and `IDLE_S` longer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self.local = Hall(self, "local")
        self._streams = 0
        self._started: asyncio.Future[Session] | None = None
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._idle: asyncio.TimerHandle | None = None

    @property
    def alive(self) -> bool:
        """Whether its loop can still have a session."""
        loop = self._loop()
        return loop is not None and not loop.is_closed()

    async def session(self) -> Session:
        """Return the session, started if need be; on its loop."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop():
            raise SessionClosed("this default session belongs to another event loop; give a session")
        if self._task is None or self._started is None or self._task.done():
            self._started = loop.create_future()
            self._task = loop.create_task(self._live(self._started), name="greenroom default session")
        return await asyncio.shield(self._started)

    async def _live(self, started: "asyncio.Future[Session]") -> None:
        try:
            async with Session("default") as session:
                self._session = session
                started.set_result(session)
                self._watch()
                await loop_end()
        finally:
            if not started.done():
                started.cancel()
            if self._task is None or self._task is asyncio.current_task():
                self._session = None

    def arrive(self) -> None:
        """A stream uses it."""
        self._streams += 1

    def leave(self) -> None:
        """That stream is over; the last one starts the clock."""
        self._streams -= 1
        loop = self._loop()
        if not self._streams and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._watch)

    def later(self, what: Callable[[], object]) -> None:
        """Have it called by the session's pool."""
        if self._session is not None:
            self._session.record().later(what)

    def _watch(self) -> None:
        loop = self._loop()
        if self._idle is not None:
            self._idle.cancel()
        if not self._streams and loop is not None:
            self._idle = loop.call_later(IDLE_S, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if not self._streams:
            self._end()

    def _end(self) -> None:
        """Have the session closed; whoever asks from now on gets another one."""
        task, self._task, self._started = self._task, None, None
        if task is not None:
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            task.cancel()

    async def close(self) -> None:
        """Close the session, if it is there; the next stream makes another one. On its loop."""
        if self._idle is not None:
            self._idle.cancel()
        self._end()
        if self._ending:
            await asyncio.wait(self._ending)


async def loop_end() -> None:
    """Wait until the task is cancelled."""
    await asyncio.get_running_loop().create_future()


_given: Final[weakref.WeakKeyDictionary[Session, Given]] = weakref.WeakKeyDictionary()
_defaults: Final[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Default]] = weakref.WeakKeyDictionary()


def given(session: Session) -> Given:
    """Return the lobby of a session.

    Raises:
        SessionClosed: it is closed, or was not entered.
        TypeError: it is no session.
    """
    if not isinstance(session, Session):
        raise TypeError(f"session is a {type(session).__name__}; it must be a Session")
    session.alive()
    return _given.get(session) or _given.setdefault(session, Given(session))


def default_of(loop: asyncio.AbstractEventLoop) -> Default:
    """Return the default session's keeper of ``loop``."""
    default = _defaults.get(loop)
    if default is None:
        default = _defaults[loop] = Default(loop)
    return default


async def default_session() -> Session:
    """Return the running loop's default session: the one of streams that were given none."""
    return await default_of(asyncio.get_running_loop()).session()


async def close_default_session() -> None:
    """Close the running loop's default session now, with its streams, instead of some seconds after its last one."""
    await default_of(asyncio.get_running_loop()).close()
