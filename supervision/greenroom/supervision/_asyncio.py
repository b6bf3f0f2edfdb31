"""The asyncio edge: how a coroutine waits for an answer that an actor's thread will bring.

Laws:
    - nothing here blocks the loop;
    - answers that arrive in a burst wake a loop once, not once each;
    - a coroutine that is cancelled while it waits leaves no callback behind;
    - an answer that arrives after its loop was closed is kept in its future, and nobody is woken.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from greenroom.supervision._future import Future
from greenroom.supervision._threads import new_lock

T = TypeVar("T")


class _Bell:
    """Wakes one loop for all answers that have arrived since it last looked."""

    __slots__ = ("_arrived", "_rung")

    def __init__(self) -> None:
        self._arrived: deque[asyncio.Future[None]] = deque()
        self._rung = new_lock()

    def ring(self, loop: asyncio.AbstractEventLoop, waiter: "asyncio.Future[None]") -> None:
        """Have ``waiter`` completed on its loop; any thread may call it, and a finalizer too: no lock is waited for."""
        self._arrived.append(waiter)
        if self._rung.acquire(False):
            try:
                loop.call_soon_threadsafe(self._answer)
            except RuntimeError:  # the loop is closed: nobody waits any more
                self._arrived.clear()
                self._rung.release()

    def _answer(self) -> None:
        self._rung.release()  # first, so that who arrives from now on rings again
        arrived = self._arrived
        while arrived:
            waiter = arrived.popleft()
            if not waiter.done():
                waiter.set_result(None)


_bells: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Bell]] = WeakKeyDictionary()


def arrival(future: Future[Any]) -> Generator[Any, Any, None]:
    """Wait until ``future`` is complete, as part of an ``__await__``."""
    loop = asyncio.get_running_loop()
    bell = _bells.get(loop)
    if bell is None:  # only the loop's own thread comes here, so there is one bell for each loop
        bell = _bells[loop] = _Bell()
    waiter: asyncio.Future[None] = loop.create_future()

    def arrived(_: object) -> None:
        bell.ring(loop, waiter)

    future.add_done_callback(arrived)
    try:
        yield from waiter.__await__()
    finally:
        future.remove_done_callback(arrived)


def compute(function: Callable[[], T]) -> Generator[Any, Any, T]:
    """Run a function that may wait on one of the loop's own threads, as part of an ``__await__``."""
    return asyncio.get_running_loop().run_in_executor(None, function).__await__()


def running() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread, if one does."""
    return asyncio._get_running_loop()


POLLS: Final = 2_000
"""How often an idle simulated runtime looks whether another coroutine has given it work before it calls it a deadlock."""


def alternate(step: Callable[[], bool], done: Callable[[], bool]) -> Generator[Any, Any, bool]:
    """Run ``step`` and the loop's other coroutines in turns; return whether ``done()`` came true.

    A loop that was made for simulations takes these turns itself (``take_turns``), in the same order, without waking
    the coroutine for each.

    Args:
        step: does one thing and returns True, or returns False when there is nothing to do.
        done: whether it has what it waits for.
    """
    idle = 0
    turns: Callable[..., Generator[Any, Any, int]]
    turns = getattr(running(), "take_turns", _take_turns)
    while not done():
        taken = yield from turns(step, done)
        if done():
            break
        idle = 1 if taken else idle + 1
        alone = len(asyncio.all_tasks()) == 1
        if alone or idle > POLLS:
            return done()
        yield from asyncio.sleep(0.001).__await__()
    return True


def _take_turns(step: Callable[[], bool], done: Callable[[], bool]) -> Generator[Any, Any, int]:
    """Run ``step`` and the loop's other coroutines in turns until ``done()``, or there is nothing to do; return how many."""
    taken = 0
    while True:
        yield  # the loop runs whatever else is ready
        if done() or not step():
            return taken
        taken += 1
        if done():
            return taken
