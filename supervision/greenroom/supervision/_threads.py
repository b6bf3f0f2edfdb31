"""Real time and real threads: the one module that touches `time`, `threading` and `random`."""

import _thread
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
    actor: Any = None


current: Final = _Current()
new_lock = _thread.allocate_lock
thread_id = _thread.get_ident


class Waitable(Protocol):
    """What a thread can wait for: a future."""

    def add_done_callback(self, callback: Callable[[Any], None], /) -> None: ...

    def done(self) -> bool: ...


def wait_on_thread(future: Waitable, timeout_s: float | None) -> bool:
    """Block this thread until ``future`` is done; return whether it is."""
    gate = new_lock()
    gate.acquire()
    future.add_done_callback(lambda _: gate.release())
    return gate.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s))


class _Stop:
    """Makes one thread of a pool end."""

    def run(self) -> None:
        raise AssertionError


_STOP: Final = _Stop()


class _Pool:
    """A queue of tasks and the threads that run them.

    A thread that is abandoned (its task hangs) is replaced at once; should its task ever return, it sees
    that it is no longer in ``_threads`` and ends.
    """

    def __init__(self, name: str, threads: int, runtime: "ThreadRuntime") -> None:
        self._queue: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._runtime = runtime
        self._name = name
        self._serial = itertools.count(1)
        self._threads: dict[int, threading.Thread] = {}
        self._lock = new_lock()
        self.submit: Callable[[Task], None] = self._queue.put
        for _ in range(threads):
            self._add_thread()

    def _add_thread(self) -> None:
        thread = threading.Thread(
            target=self._loop, name=f"greenroom-{self._name}-{next(self._serial)}", daemon=True
        )
        thread.start()
        assert thread.ident is not None
        with self._lock:
            self._threads[thread.ident] = thread

    def _loop(self) -> None:
        get = self._queue.get
        me = thread_id()
        zombies = self._runtime.zombies
        while True:
            task = get()
            if task is _STOP:
                break
            try:
                task.run()
            except BaseException:  # noqa: BLE001 - a bug of the machine must not cost the pool a thread
                get_logger().error("runtime.task_failed", traceback=traceback.format_exc())
            del task
            if zombies and me in zombies:
                zombies.pop(me, None)
                self._runtime.freed(me)
                return
        with self._lock:
            self._threads.pop(me, None)
        self._runtime.ended(self, me)

    def abandon(self, ident: int) -> bool:
        """Replace thread ``ident``; False if it is not one of this pool's."""
        with self._lock:
            thread = self._threads.pop(ident, None)
        if thread is None:
            return False
        self._runtime.zombies[ident] = thread
        self._add_thread()
        return True

    def replace(self) -> None:
        """Give up all threads of this pool, which hang, and go on with others."""
        for thread in self.threads():
            assert thread.ident is not None
            self.abandon(thread.ident)

    def threads(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._threads.values())

    def close(self) -> None:
        for _ in self.threads():
            self._queue.put(_STOP)

    def drain(self) -> None:
        """Run what is left over, in the calling thread: nobody's last message is lost."""
        while True:
            try:
                task = self._queue.get_nowait()
            except queue.Empty:
                return
            if task is not _STOP:
                task.run()


class _Shared:
    """A pool as actors see it: closing it is not theirs to do."""

    __slots__ = ("submit",)

    def __init__(self, pool: _Pool) -> None:
        self.submit = pool.submit

    def close(self) -> None:
        """Nothing: the runtime closes its pools."""

    def replace(self) -> None:
        """Nothing: a fence replaces the one thread that hangs."""


class _Handle:
    """A timer's entry; ordered by due time, then by serial number."""

    __slots__ = ("_owner", "callback", "due_ns", "serial")

    def __init__(self, owner: "_Clock", due_ns: int, serial: int, callback: Callable[[], None]) -> None:
        self._owner = owner
        self.due_ns = due_ns
        self.serial = serial
        self.callback: Callable[[], None] | None = callback

    def __lt__(self, other: "_Handle") -> bool:
        return (self.due_ns, self.serial) < (other.due_ns, other.serial)

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self._owner.cancelled()


class _Clock:
    """One thread for all timers. Cancelled ones are thrown away in bulk, so that cancelling is cheap."""

    def __init__(self) -> None:
        self._heap: list[_Handle] = []
        self._condition = threading.Condition(threading.Lock())
        self._serial = itertools.count()
        self._dead = 0
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="greenroom-timer", daemon=True)
        self._thread.start()

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> _Handle:
        handle = _Handle(self, time.monotonic_ns() + max(0, delay_ns), next(self._serial), callback)
        with self._condition:
            first = self._heap[0] if self._heap else None
            heapq.heappush(self._heap, handle)
            if first is None or handle.due_ns < first.due_ns:
                self._condition.notify()
        return handle

    def cancelled(self) -> None:
        self._dead += 1  # an estimate is enough: a lost count delays a clean-up
        if self._dead > 64 and self._dead * 2 > len(self._heap):  # noqa: PLR2004 - small heaps are not worth it
            with self._condition:
                self._heap = [handle for handle in self._heap if handle.callback is not None]
                heapq.heapify(self._heap)
                self._dead = 0

    def _loop(self) -> None:
        while True:
            callback = self._next()
            if callback is None:
                return
            try:
                callback()
            except BaseException:  # noqa: BLE001 - a bug of the machine must not stop all timers
                get_logger().error("runtime.timer_failed", traceback=traceback.format_exc())

    def _next(self) -> Callable[[], None] | None:
        with self._condition:
            while not self._closed:
                if not self._heap:
                    self._condition.wait()
                    continue
                wait_ns = self._heap[0].due_ns - time.monotonic_ns()
                if wait_ns > 0:
                    self._condition.wait(wait_ns / 1e9)
                    continue
                handle = heapq.heappop(self._heap)
                callback, handle.callback = handle.callback, None
                if callback is not None:
                    return callback
            return None

    def live(self) -> int:
        with self._condition:
            return sum(handle.callback is not None for handle in self._heap)

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

    def __init__(
        self,
        *,
        pool_threads: int = POOL_THREADS,
        blocking_threads: int = BLOCKING_THREADS,
        seed: int | None = None,
    ) -> None:
        self.zombies: dict[int, threading.Thread] = {}
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

    def now_ns(self) -> int:
        """Return monotonic time."""
        return time.monotonic_ns()

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

    def lock(self) -> Any:
        """Return a mutex."""
        return new_lock()

    def wait(self, future: Waitable, timeout_ns: int | None) -> bool:
        """Block the calling thread until ``future`` is done; return whether it is."""
        return wait_on_thread(future, None if timeout_ns is None else timeout_ns / 1e9)

    def abandon(self, ident: int) -> None:
        """Replace thread ``ident``, whose task hangs; whatever it still sends is refused."""
        pools = [*self._pools.values(), *self._pinned]
        if not any(pool.abandon(ident) for pool in pools):
            get_logger().debug("runtime.thread_already_gone")

    def freed(self, _ident: int) -> None:
        """A zombie's task has returned after all, and its thread has ended."""
        get_logger().info("runtime.zombie_returned", left=len(self.zombies))

    def ended(self, pool: _Pool, _ident: int) -> None:
        """A pool's thread ended in order."""
        with self._lock:
            self._pinned.pop(pool, None)

    def zombie_stacks(self) -> dict[str, str]:
        """Return the stack of each thread that was given up, by thread name."""
        frames = sys._current_frames()
        return {
            thread.name: "".join(traceback.format_stack(frames[ident]))
            for ident, thread in list(self.zombies.items())
            if ident in frames
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
        pools = [*self._pools.values(), *self._pinned]
        mine = threading.current_thread()
        for pool in pools:
            threads = pool.threads()
            pool.close()
            for thread in threads:
                if thread is not mine:
                    thread.join(JOIN_S)
        self._clock.close()
        for pool in pools:
            pool.submit = _run_now
            pool.drain()
        for shared in self._shared.values():
            shared.submit = _run_now


def _run_now(task: Task) -> None:
    """Stand in for a closed executor: a late message is turned into a dead letter by its sender's thread."""
    task.run()
