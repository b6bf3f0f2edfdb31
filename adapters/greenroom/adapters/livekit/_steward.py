"""The steward: one thread with an event loop, for code that has none of its own, or must not wait for it.

Supervised processors are called from any thread, with or without a loop. What has to be awaited for them (a session, a
track, a stream) is awaited here. The thread starts with the first piece of work and ends with `Steward.close`. It
belongs to one process: a forked child gets a steward of its own.
"""

import asyncio
import atexit
import contextlib
import os
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from greenroom.adapters.livekit._lobby import close_default_session
from greenroom.supervision import AskTimeout, Dispatcher, Future, ThreadRuntime

TASKS_S: Final = 2.0
"""How long what was begun may take at the end, before the session is closed over it."""
CLOSE_S: Final = 5.8
"""How long all of the end may take, but for two seconds in which threads are waited for: a job has ten in all."""

Work = Callable[[], Coroutine[Any, Any, Any]]


class Steward:
    """Runs coroutines on a loop of its own. All methods: any thread; `do` also in a finalizer, so it takes no lock."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._runtime = ThreadRuntime()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: deque[tuple[Work, Future[Any]]] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over: asyncio.Event | None = None
        self._closed = False
        self._gone: Future[None] = Future()
        self._runtime.executor(Dispatcher.PINNED, "livekit").submit(self)

    def run(self) -> None:
        """Live: what the thread does."""
        try:
            asyncio.run(self._live())
        finally:
            self._gone.try_set(None)
            self._refuse()

    async def _live(self) -> None:
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._begin()  # what came before there was a loop
        await self._over.wait()
        self._begin()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=TASKS_S)
        await close_default_session()

    def do(self, work: Work) -> Future[Any]:
        """Run ``work()`` on the loop; never waits for it, and never raises: that is the future's."""
        done: Future[Any] = Future()
        self._work.append((work, done))
        self._nudge(self._begin)
        return done

    def _nudge(self, what: Callable[[], None]) -> None:
        """Have the loop look; one that is not there yet looks when it is, and when it is not any more nobody does."""
        loop = self._loop
        try:
            if loop is not None:
                loop.call_soon_threadsafe(what)
        except RuntimeError:
            self._refuse()
        if self._gone.done():
            self._refuse()

    def _begin(self) -> None:
        """Begin what has been asked for. On the loop."""
        while self._work:
            work, done = self._work.popleft()
            task: asyncio.Task[Any] = asyncio.ensure_future(work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(partial(_settle, done))
        if self._closed and self._over is not None:
            self._over.set()

    def _refuse(self) -> None:
        while self._work:
            with contextlib.suppress(IndexError):
                self._work.popleft()[1].try_fail(RuntimeError("the steward is closed"))

    def close(self) -> None:
        """Finish what was begun, close the default session, end the thread. Blocks, two seconds more than `CLOSE_S` at most; idempotent."""
        self._closed = True
        self._nudge(self._begin)
        with contextlib.suppress(AskTimeout):
            self._gone.get(timeout=CLOSE_S)
        self._runtime.close()


def _settle(done: Future[Any], task: "asyncio.Task[Any]") -> None:
    if task.cancelled():
        done.try_fail(RuntimeError("the steward was closed meanwhile"))
        return
    error = task.exception()
    if error is None:
        done.try_set(task.result())
    else:
        done.try_fail(error)


_lock = ThreadRuntime.lock()
_stewards: Final[list[Steward]] = []


def steward() -> Steward:
    """Return this process's steward. Any thread."""
    with _lock:
        if not _stewards or _stewards[-1].pid != os.getpid():
            # One that was inherited has no thread in here; its loop and its locks are never touched.
            _stewards[:] = [Steward()]
        return _stewards[-1]


def close_steward() -> None:
    """Close what this process's steward looks after, and its thread; the next use starts another one. Blocks."""
    with _lock:
        mine = [each for each in _stewards if each.pid == os.getpid()]
        _stewards.clear()
    for each in mine:
        each.close()


def _forked() -> None:
    """Forget what this process has inherited: the thread is not in here, and its locks may be held for ever."""
    global _lock  # noqa: PLW0603 - a lock cannot be made whole again
    _lock = ThreadRuntime.lock()
    _stewards.clear()


atexit.register(close_steward)
os.register_at_fork(after_in_child=_forked)
