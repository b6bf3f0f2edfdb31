"""Real time and real threads: the one module that touches `time`, `threading` and `random`."""

import _thread
import contextlib
import heapq
import itertools
import queue
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from greenroom.supervision._log import get_logger
from greenroom.supervision.runtime import Dispatcher, Executor, Task, Timer

POOL_THREADS: Final = 2
"""Threads for actors that never block; more would only fight over the interpreter's lock."""
BLOCKING_THREADS: Final = 4
"""Threads for foreign code that may block for a while."""
JOIN_S: Final = 2.0
"""How long `ThreadRuntime.close` waits for each thread; one that is stuck in foreign code is left behind."""
THREAD_THROUGHPUT: Final = 64
"""How many messages an actor handles before it lets the next one have the thread."""


class _Current(threading.local):
    """What this thread is doing: the cell whose handler it runs, if any."""

    cell: Any = None


current: Final = _Current()
new_lock = _thread.allocate_lock
new_recursive_lock = threading.RLock
thread_id = _thread.get_ident


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


class _Stop:
    """Makes one thread of a pool end."""

    def run(self) -> None:
        raise AssertionError


_STOP: Final = _Stop()


class _Pool:
    """A queue of tasks and the threads that run them.

    A thread whose task hangs is first marked in the runtime's ``zombies``, by whoever gives it up and while its
    task surely runs, then replaced by `abandon`. Whenever its task returns, it finds the mark: it ends if it has
    been replaced, and goes on if it has not been yet, in which case `abandon` finds no mark and does nothing.
    """

    def __init__(self, name: str, threads: int, runtime: "ThreadRuntime") -> None:
        self._queue: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._runtime = runtime
        self._name = name
        self._serial = itertools.count(1)
        self._threads: dict[int, threading.Thread] = {}
        self._lock = new_recursive_lock()
        self._replaced: set[int] = set()
        self._closed = False
        self.submit: Callable[[Task], None] = self._queue.put
        for _ in range(threads):
            self._add_thread()

    def _add_thread(self) -> None:
        thread = threading.Thread(
            target=self._loop, name=f"greenroom-{self._name}-{next(self._serial)}", daemon=True
        )
        with self._lock:  # the new thread waits for it, so that it is known before it does anything
            thread.start()
            self._threads[cast("int", thread.ident)] = thread

    def _loop(self) -> None:
        get = self._queue.get
        me = thread_id()
        zombies = self._runtime.zombies
        with self._lock:
            pass
        while True:
            task = get()
            if zombies and me in zombies and self._was_replaced(me):
                self._queue.put(task)  # it was replaced while it waited for a task, which `replace` cannot see
                return
            if task is _STOP:
                break
            try:
                task.run()
            except BaseException as error:  # noqa: BLE001 - a bug of the machine must not cost the pool a thread
                log_bug("runtime.task_failed", error)
            del task
            if zombies and me in zombies and self._was_replaced(me):
                return
        with self._lock:
            self._threads.pop(me, None)
            last = not self._threads
            if self._replaced:  # they may wait for a task as well
                self._queue.put(_STOP)
        if last:
            self._runtime.ended(self)

    def _was_replaced(self, me: int) -> bool:
        with self._lock:
            self._runtime.zombies.pop(me, None)
            replaced = me in self._replaced
            self._replaced.discard(me)
        if replaced:
            get_logger().info("runtime.zombie_returned", left=len(self._runtime.zombies))
        return replaced

    def abandon(self, ident: int) -> bool:
        """Replace thread ``ident``; False if it is not one of this pool's."""
        with self._lock:
            thread = self._threads.get(ident)
            if thread is None:
                return False
            if ident in self._runtime.zombies:  # else its task has returned meanwhile
                self._runtime.zombies[ident] = thread
                del self._threads[ident]
                self._replaced.add(ident)
                if not self._closed:
                    self._add_thread()
        return True

    def replace(self) -> None:
        """Give up all threads of this pool, which hang, and go on with others."""
        with self._lock:
            for thread in self.threads():
                ident = cast("int", thread.ident)
                self._runtime.zombies[ident] = thread
                self.abandon(ident)

    def threads(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._threads.values())

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for _ in self._threads:
                self._queue.put(_STOP)

    def drain(self) -> None:
        """Run what is left over, in the calling thread: nobody's last message is lost."""
        self.submit = _run_now
        while True:
            try:
                task = self._queue.get_nowait()
            except queue.Empty:
                return
            if task is not _STOP:
                _run_now(task)


class _Shared:
    """A pool as actors see it: closing it is not theirs to do."""

    __slots__ = ("submit",)

    def __init__(self, pool: _Pool) -> None:
        self.submit: Callable[[Task], None] = pool.submit

    def close(self) -> None:
        """Nothing: the runtime closes its pools."""

    def replace(self) -> None:
        """Nothing: a fence replaces the one thread that hangs."""


class _Handle:
    """A timer that can be cancelled."""

    __slots__ = ("_owner", "callback")

    def __init__(self, owner: "_Clock", callback: Callable[[], None]) -> None:
        self._owner = owner
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self._owner.cancelled()


class _Clock:
    """One thread for all timers. Cancelled ones are thrown away in bulk, so that cancelling is cheap."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, _Handle]] = []
        # Due time and serial number come first, so that no Python code runs while the heap is being changed.
        self._condition = threading.Condition()  # re-entrant, for finalizers
        self._serial = itertools.count()
        self._dead = 0
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="greenroom-timer", daemon=True)
        self._thread.start()

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> _Handle:
        handle = _Handle(self, callback)
        entry = (time.monotonic_ns() + max(0, delay_ns), next(self._serial), handle)
        with self._condition:
            heapq.heappush(self._heap, entry)
            if self._heap[0] is entry:
                self._condition.notify()
        return handle

    def cancelled(self) -> None:
        self._dead += 1  # an estimate is enough: a lost count delays a clean-up
        if self._dead > 64 and self._dead * 2 > len(self._heap):  # noqa: PLR2004 - small heaps are not worth it
            with self._condition:
                self._heap = [entry for entry in self._heap if entry[2].callback is not None]
                heapq.heapify(self._heap)
                self._dead = 0

    def _loop(self) -> None:
        while True:
            callback = self._next()
            if callback is None:
                return
            try:
                callback()
            except BaseException as error:  # noqa: BLE001 - a bug of the machine must not stop all timers
                log_bug("runtime.timer_failed", error)
            del callback

    def _next(self) -> Callable[[], None] | None:
        with self._condition:
            while not self._closed:
                if not self._heap:
                    self._condition.wait()
                    continue
                due_ns, _, handle = self._heap[0]
                wait_ns = due_ns - time.monotonic_ns()
                if wait_ns > 0 and handle.callback is not None:
                    self._condition.wait(min(wait_ns / 1e9, threading.TIMEOUT_MAX))
                    continue
                heapq.heappop(self._heap)
                callback, handle.callback = handle.callback, None
                if callback is not None:
                    return callback
            return None

    def live(self) -> int:
        with self._condition:
            return sum(entry[2].callback is not None for entry in self._heap)

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)


class ThreadRuntime:
    """Runs actors on real threads, in real time.

    Args:
        pool_threads: threads shared by actors that never block.
        blocking_threads: threads shared by actors whose code may block for a while.
        seed: for the dice (back-off jitter); None takes it from the operating system.
    """

    throughput: Final = THREAD_THROUGHPUT
    simulated: Final = False
    thread_id = staticmethod(thread_id)
    now_ns = staticmethod(time.monotonic_ns)
    lock = staticmethod(new_lock)

    def __init__(
        self,
        *,
        pool_threads: int = POOL_THREADS,
        blocking_threads: int = BLOCKING_THREADS,
        seed: int | None = None,
    ) -> None:
        self.zombies: dict[int, Any] = {}
        self.random = random.Random(seed)  # noqa: S311 - jitter is no secret
        self._ids = itertools.count(1)
        self._clock = _Clock()
        self._lock = new_lock()
        self._pinned: dict[_Pool, None] = {}
        self._pools = {
            Dispatcher.POOL: _Pool("pool", pool_threads, self),
            Dispatcher.BLOCKING: _Pool("blocking", blocking_threads, self),
        }
        self._shared = {kind: _Shared(pool) for kind, pool in self._pools.items()}
        self._closed = False

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` on the timer thread after ``delay_ns``; it may only enqueue and return."""
        return self._clock.call_later(delay_ns, callback)

    def executor(self, dispatcher: Dispatcher, name: str) -> Executor:
        """Return a shared executor, or a thread of one's own for `Dispatcher.PINNED`."""
        if dispatcher is not Dispatcher.PINNED:
            return self._shared[dispatcher]
        pool = _Pool(name, 1, self)
        with self._lock:
            self._pinned[pool] = None
        return cast("Executor", pool)

    def next_id(self) -> int:
        """Return 1, 2, 3 ..."""
        return next(self._ids)

    def wait(self, future: Waitable, timeout_ns: int | None) -> bool:
        """Block the calling thread until ``future`` is done; return whether it is."""
        return wait_on_thread(future, None if timeout_ns is None else timeout_ns / 1e9)

    def abandon(self, ident: int) -> None:
        """Replace thread ``ident``, whose task hangs and which its caller has marked in ``zombies``."""
        if not any(pool.abandon(ident) for pool in self._all_pools()):
            mark = self.zombies.get(ident)
            if not isinstance(
                mark, threading.Thread
            ):  # not one of ours: a closing thread that runs what is left
                self.zombies.pop(ident, None)

    def ended(self, pool: _Pool) -> None:
        """A pool's last thread has ended in order."""
        with self._lock:
            self._pinned.pop(pool, None)

    def _all_pools(self) -> list[_Pool]:
        with self._lock:
            return [*self._pools.values(), *self._pinned]

    def zombie_stacks(self) -> dict[str, str]:
        """Return the stack of each thread that was given up, by thread name."""
        frames = sys._current_frames()
        return {
            thread.name: "".join(traceback.format_stack(frames[ident]))
            for ident, thread in list(self.zombies.items())
            if ident in frames and isinstance(thread, threading.Thread)
        }

    def live_timers(self) -> int:
        """Return how many timers are still due."""
        return self._clock.live()

    def live_pinned(self) -> int:
        """Return how many pinned threads there are."""
        with self._lock:
            return len(self._pinned)

    def close(self) -> None:
        """End all threads, then run what is left in their queues. A zombie is left behind (daemon)."""
        if self._closed:
            return
        self._closed = True
        pools = self._all_pools()
        threads = [thread for pool in pools for thread in pool.threads()]
        for pool in pools:
            pool.close()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(JOIN_S)
        self._clock.close()
        for shared in self._shared.values():
            shared.submit = _run_now
        for pool in pools:
            pool.drain()


def _run_now(task: Task) -> None:
    """Stand in for a closed executor: a late message is turned into a dead letter by its sender's thread."""
    try:
        task.run()
    except BaseException as error:  # noqa: BLE001 - as on a thread of the pool
        log_bug("runtime.task_failed", error)


def log_bug(event: str, error: BaseException) -> None:
    """Log what should not have happened; the host's log handlers may fail themselves."""
    with contextlib.suppress(Exception):
        get_logger().error(event, traceback="".join(traceback.format_exception(error)))
