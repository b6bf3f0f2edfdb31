"""Real time and real threads: with `_pool` and `_clock`, all that touches `time`, `threading` and `random`."""

import _thread
import itertools
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar, cast

from greenroom.supervision import _checks, _forking
from greenroom.supervision._clock import Clock
from greenroom.supervision._collecting import full_collections
from greenroom.supervision._crew import Crew
from greenroom.supervision._given import checked_seed
from greenroom.supervision._pool import Pool, Shared, run_now
from greenroom.supervision.errors import RuntimeClosed
from greenroom.supervision.runtime import Dispatcher, Executor, Timer

if TYPE_CHECKING:
    import asyncio

    from greenroom.supervision._loops import OwnLoop

T = TypeVar("T")
POOL_THREADS: Final = 2
"""Threads for actors that never block; more would only fight over the interpreter's lock."""
BLOCKING_THREADS: Final = 4
"""Threads for foreign code that may block for a while."""
MOST_THREADS: Final = 1_000
"""More of a kind would never be meant."""
JOIN_S: Final = 2.0
"""How long `ThreadRuntime.close` waits for its threads; one that is stuck in foreign code is left behind."""
RETURN_S: Final = 0.2
"""How long it then waits for those that were given up: one that comes back just then is no zombie."""
THREAD_THROUGHPUT: Final = 64
"""How many messages an actor handles before it lets the next one have the thread."""


class _Current(threading.local):
    """What this thread is doing: the cell whose handler it runs, if any."""

    cell: Any = None
    held: bool = False
    """Whether it is the main thread, in a handler of the pool's: a signal's handler may come between any two steps."""


current: Final = _Current()
current_task: Final[ContextVar[Any]] = ContextVar("greenroom_task", default=None)
"""The supervised asyncio task that this code belongs to, if any: its own code, and whatever that has spawned."""
new_lock = _thread.allocate_lock
new_recursive_lock = threading.RLock
thread_id = _thread.get_ident


def is_main_thread(ident: int) -> bool:
    """Whether a thread is the one on which Python runs the handlers of signals."""
    return ident == threading.main_thread().ident


def call_late(delay_s: float, function: Callable[[], object]) -> None:
    """Call ``function`` once after so long, on a thread of its own. It takes no lock, so a signal's handler may ask for it.

    Raises:
        RuntimeError: there can be no more threads.
    """

    def wait_and_call() -> None:
        time.sleep(delay_s)
        function()

    _thread.start_new_thread(wait_and_call, ())


Stack: TypeAlias = tuple[tuple[str, int, str], ...]
"""File, line and function of each call that has not returned, outermost first."""


def where_is(frame: FrameType | None) -> Stack:
    """Return the stack that ``frame`` is the innermost call of; no text of any source, and no value."""
    found = [
        (each.f_code.co_filename, line, each.f_code.co_qualname) for each, line in traceback.walk_stack(frame)
    ]
    return tuple(reversed(found))


class Waitable(Protocol):
    """What a thread can wait for: a future."""

    def add_done_callback(self, callback: Callable[[Any], None], /) -> None: ...

    def remove_done_callback(self, callback: Callable[[Any], None], /) -> None: ...

    def done(self) -> bool: ...


def wait_on_thread(future: Waitable, timeout_s: float | None) -> bool:
    """Block this thread until ``future`` is done; return whether it is."""
    gate = new_lock()
    gate.acquire()

    def arrived(_: object) -> None:
        gate.release()

    future.add_done_callback(arrived)
    try:
        return gate.acquire(
            timeout=-1 if timeout_s is None else min(max(0.0, timeout_s), threading.TIMEOUT_MAX)
        )
    finally:
        future.remove_done_callback(arrived)


def task_stacks(zombies: dict[int, Any]) -> dict[str, str]:
    """Return where each asyncio task among the zombies is, by its path; their numbers are below zero."""
    return {zombie.path: zombie.stack() for number, zombie in list(zombies.items()) if number < 0}


def task_frames(zombies: dict[int, Any]) -> dict[int, tuple[str, Stack]]:
    """Return the same for snapshots: what it runs on, and the calls that it is in."""
    return {number: ("event loop", each.frames()) for number, each in list(zombies.items()) if number < 0}


class ThreadRuntime:
    """Runs actors on real threads, in real time.

    Args:
        pool_threads: threads shared by actors that never block.
        blocking_threads: threads shared by actors whose code may block for a while.
        seed: for the dice (back-off jitter), an integer; None takes it from the operating system.

    Raises:
        BadSpec: there would be no thread of a kind, or more than `MOST_THREADS`; or ``seed`` is none.
    """

    throughput: Final = THREAD_THROUGHPUT
    simulated: Final = False
    now_ns = staticmethod(time.monotonic_ns)
    lock = staticmethod(new_lock)

    def __init__(
        self,
        *,
        pool_threads: int = POOL_THREADS,
        blocking_threads: int = BLOCKING_THREADS,
        seed: int | None = None,
    ) -> None:
        _checks.integer("pool_threads", pool_threads, least=1, most=MOST_THREADS)
        _checks.integer("blocking_threads", blocking_threads, least=1, most=MOST_THREADS)
        if seed is not None:
            checked_seed(seed)
        self.zombies: dict[int, Any] = {}
        self.own: set[int] = set()
        """The threads of its pools."""
        self.guests: set[int] = set()
        """The other threads that run an actor's handler now, because they ask it."""
        self.random = random.Random(seed)  # noqa: S311 - jitter is no secret
        self._ids = itertools.count(1)
        self._clock = Clock()
        self.thread_id: Callable[[], int] = thread_id
        self.call_later: Callable[[int, Callable[[], None]], Timer] = self._clock.call_later
        """Call back on the timer thread after so many ns; what is called may only enqueue and return."""
        self.look_later: Callable[[int, Callable[[], None]], Timer] = self._clock.look_later
        """As `call_later`, for what looks after the threads: `live_timers` leaves it out."""
        # Re-entrant, because a finalizer may start a pinned actor while this thread holds it.
        self._lock = new_recursive_lock()
        self._pinned: dict[Pool, None] = {}
        self._pools = {
            Dispatcher.POOL: Pool("pool", pool_threads, self),
            Dispatcher.BLOCKING: Pool("blocking", blocking_threads, self),
        }
        self._shared = {kind: Shared(pool) for kind, pool in self._pools.items()}
        self._shared[Dispatcher.CALLER] = self._shared[Dispatcher.POOL]
        self._crew = Crew(self)
        self._own_loop: OwnLoop | None = None
        self._closed = False
        """Whether it is, or is being closed: then nothing new is made."""
        self._gone = False
        """Whether all of that is done: a close that was interrupted can be called again."""
        _forking.remember(self)
        full_collections.begin(self)
        self.stuck: tuple[str, ...] = ()
        """Names of the threads that were still in foreign code when the runtime was closed."""

    def undisturbed(self, function: Callable[[], T]) -> T:
        """Return ``function()``. The main thread, which alone runs the handlers of signals, has another one call it."""
        if not is_main_thread(thread_id()):
            return function()
        found: list[T] = []
        thread = threading.Thread(
            target=lambda: found.append(function()), name="greenroom-undisturbed", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # there can be no more threads: the interpreter ends
            return function()
        thread.join()
        return found[0]

    def executor(self, dispatcher: Dispatcher, name: str) -> Executor:
        """Return a shared executor; one of its own for `Dispatcher.ELASTIC`; with a thread for `Dispatcher.PINNED`."""
        if dispatcher is Dispatcher.ELASTIC:
            return self._crew.enrol(name)
        if dispatcher is not Dispatcher.PINNED:
            return cast("Executor", self._shared[dispatcher])
        pool = Pool(name, 0, self)
        with self._lock:
            self._pinned[pool] = None  # first, so that its thread is ended whatever interrupts this
        pool.add_thread()
        return cast("Executor", pool)

    def next_id(self) -> int:
        """Return 1, 2, 3 ..."""
        return next(self._ids)

    def loop(self) -> "asyncio.AbstractEventLoop":
        """Return the event loop of this runtime's own, on a thread of its own; made when first needed.

        Raises:
            RuntimeClosed: it is too late.
        """
        from greenroom.supervision._loops import OwnLoop  # noqa: PLC0415 - only who has tasks needs asyncio

        with self._lock:
            if self._closed:
                raise RuntimeClosed
            if self._own_loop is None:
                self._own_loop = OwnLoop(Pool("asyncio", 1, self))
            return self._own_loop.loop

    def wait(self, future: Waitable, timeout_ns: int | None) -> bool:
        """Block the calling thread until ``future`` is done; return whether it is."""
        return wait_on_thread(future, None if timeout_ns is None else timeout_ns / 1e9)

    def was_forked(self) -> None:
        """Hear, in a process that was forked, that there are no threads: who sends or waits is refused, not kept."""
        self._closed = self._gone = True
        self._lock = new_recursive_lock()
        self._clock.was_forked()
        current.cell = None  # should a handler have forked: what follows here is none
        self.zombies[0] = "forked"  # so that who sends looks for its own number, and is refused
        self.thread_id = _forking.refuse
        self.wait = _forking.refuse  # type: ignore[method-assign,assignment]
        for shared in self._shared.values():
            shared.submit = _forking.refuse
        for pinned in self._pinned:
            pinned.submit = _forking.refuse
        self._crew.was_forked()

    def abandon(self, ident: int) -> None:
        """Replace thread ``ident``, whose task hangs and which its caller has marked in ``zombies``."""
        if any(pool.abandon(ident) for pool in self._all_pools()):
            return
        with self._lock:
            if ident in self.guests:
                named = [each for each in threading.enumerate() if each.ident == ident]
                if named and ident in self.zombies:
                    self.zombies[ident] = named[0]
            elif not isinstance(self.zombies.get(ident), threading.Thread):
                # Not one of ours: a closing thread that runs what is left.
                self.zombies.pop(ident, None)

    def guest_returned(self, ident: int) -> None:
        """Hear that a thread which was given up in an actor's handler, and is not one of ours, has come back."""
        with self._lock:
            self.guests.discard(ident)
            self.zombies.pop(ident, None)

    def ended(self, pool: Pool) -> None:
        """A pool's last thread has ended in order."""
        with self._lock:
            self._pinned.pop(pool, None)

    def _all_pools(self) -> list[Pool | Crew]:
        with self._lock:
            looping = () if self._own_loop is None else (self._own_loop.pool,)
            return [*self._pools.values(), self._crew, *self._pinned, *looping]

    def zombie_stacks(self) -> dict[str, str]:
        """Return the stack of each thread that was given up, by its name, and of each task, by its path."""
        frames = sys._current_frames()
        return task_stacks(self.zombies) | {
            thread.name: "".join(traceback.format_stack(frames[ident]))
            for ident, thread in list(self.zombies.items())
            if ident in frames and isinstance(thread, threading.Thread)
        }

    def zombie_frames(self) -> dict[int, tuple[str, Stack]]:
        """Return the name of each thread that was given up, and where it is now: outermost call first."""
        frames = sys._current_frames()
        return task_frames(self.zombies) | {
            ident: (thread.name, where_is(frames[ident]))
            for ident, thread in list(self.zombies.items())
            if ident in frames and isinstance(thread, threading.Thread)
        }

    def live_timers(self) -> int:
        """Return how many timers are still due."""
        return self._clock.live()

    def live_pinned(self) -> int:
        """Return how many actors and others have a pinned thread, or an elastic executor."""
        with self._lock:
            return len(self._pinned) + len(self._crew.members)

    def close(self) -> None:
        """End all threads, then run what is left in their queues. A zombie is left behind (daemon)."""
        if self._gone:
            return
        with self._lock:
            self._closed = True
        if self._own_loop is not None:
            self._own_loop.close()
        pools = self._all_pools()
        threads = [thread for pool in pools for thread in pool.threads()]
        for pool in pools:
            pool.close()
        deadline_s = time.monotonic() + JOIN_S
        others = [thread for thread in threads if thread is not threading.current_thread()]
        for thread in others:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        self.stuck = tuple(thread.name for thread in others if thread.is_alive())
        self._await_returning()
        self._clock.close()
        for shared in self._shared.values():
            shared.submit = run_now
        for pool in pools:
            pool.drain()
        full_collections.end(self)
        self._gone = True

    def _await_returning(self) -> None:
        deadline_s = time.monotonic() + RETURN_S
        for thread in list(self.zombies.values()):
            if isinstance(thread, threading.Thread) and thread is not threading.current_thread():
                thread.join(max(0.0, deadline_s - time.monotonic()))
