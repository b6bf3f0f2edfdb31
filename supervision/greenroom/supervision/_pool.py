"""Pools of real threads: a queue of tasks, the threads that run them, and their replacement when one hangs."""

import itertools
import queue
import threading  # noqa: TID251 - of the modules that own real threads
from collections.abc import Callable, Iterable, Iterator
from logging import INFO
from typing import Any, Final, Protocol, cast

from greenroom.supervision._log import log_bug, say
from greenroom.supervision.runtime import Dispatcher, Executor, Task, Timer


class Owner(Protocol):
    """The runtime, as a pool sees it."""

    zombies: dict[int, Any]
    own: set[int]

    @property
    def call_later(self) -> Callable[[int, Callable[[], None]], Timer]: ...

    @property
    def look_later(self) -> Callable[[int, Callable[[], None]], Timer]: ...

    def executor(self, dispatcher: Dispatcher, name: str) -> Executor: ...

    def ended(self, pool: Any, /) -> None: ...


class _Stop:
    """Makes one thread of a pool end."""

    def run(self) -> None:
        raise AssertionError


_STOP: Final = _Stop()


class Threads:
    """The threads of a pool, and their replacement.

    A thread whose task hangs is first marked in the runtime's ``zombies``, by whoever gives it up and while its
    task surely runs, then replaced by `abandon`. Whenever its task returns, it finds the mark: it ends if it has
    been replaced, and goes on if it has not been yet, in which case `abandon` finds no mark and does nothing.
    """

    def __init__(self, name: str, runtime: Owner) -> None:
        self._runtime = runtime
        self._name = name
        self._serial = itertools.count(1)
        self._threads: dict[int, threading.Thread] = {}
        self._lock = threading.RLock()
        self._replaced: set[int] = set()
        self._closed = False

    def add_thread(self) -> None:
        """Have one thread more."""
        thread = threading.Thread(
            target=self._loop, name=f"greenroom-{self._name}-{next(self._serial)}", daemon=True
        )
        with self._lock:  # the new thread waits for it, so that it is known before it does anything
            thread.start()
            self._note(thread)

    def _note(self, thread: threading.Thread) -> None:
        """Know a thread. Under the lock."""
        self._threads[cast("int", thread.ident)] = thread
        self._runtime.own.add(cast("int", thread.ident))

    def _loop(self) -> None:
        me = threading.get_ident()
        try:
            with self._lock:
                if me not in self._threads:  # a signal's handler has interrupted who started it
                    if self._closed:
                        return
                    self._note(threading.current_thread())
            self._work()
        finally:
            self._runtime.own.discard(me)

    def _work(self) -> None:
        """Run tasks until this thread is told to stop, or was replaced."""
        raise NotImplementedError

    def _was_replaced(self, me: int) -> bool:
        with self._lock:
            self._runtime.zombies.pop(me, None)
            replaced = me in self._replaced
            self._replaced.discard(me)
        if replaced:
            say(INFO, "runtime.zombie_returned", left=len(self._runtime.zombies))
        return replaced

    def abandon(self, ident: int) -> bool:
        """Replace thread ``ident``; False if it is not one of this pool's."""
        with self._lock:
            thread = self._threads.get(ident)
            if thread is None:
                return False
            if ident in self._runtime.zombies:  # else its task has returned meanwhile
                self._give_up(ident, thread)
        return True

    def _give_up(self, ident: int, thread: threading.Thread) -> None:
        """Go on without a thread that is marked. Under the lock."""
        self._runtime.zombies[ident] = thread
        del self._threads[ident]
        self._replaced.add(ident)
        if not self._closed:
            self.add_thread()

    def threads(self) -> list[threading.Thread]:
        """Return those that have not been given up."""
        with self._lock:
            return list(self._threads.values())


class Pool(Threads):
    """A queue of tasks and the threads that run them."""

    def __init__(self, name: str, threads: int, runtime: Owner) -> None:
        super().__init__(name, runtime)
        self._queue: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self.submit: Callable[[Task], None] = self._queue.put
        for _ in range(threads):
            self.add_thread()

    def submitting(self, tasks: Iterable[Task]) -> Iterator[None]:
        """Submit what is drawn from ``tasks``, as the result is drawn from."""
        return map(self.submit, tasks)

    def _work(self) -> None:
        get = self._queue.get
        me = threading.get_ident()
        zombies = self._runtime.zombies
        while True:
            task = get()
            if zombies and me in zombies and self._was_replaced(me):
                self._queue.put(
                    task
                )  # it was replaced while it waited for a task, which `replace` cannot see
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

    def replace(self) -> None:
        """Give up all threads of this pool, which hang, and go on with others."""
        with self._lock:
            for thread in self.threads():
                ident = cast("int", thread.ident)
                self._runtime.zombies[ident] = thread
                self.abandon(ident)

    def close(self) -> None:
        """Have the threads end after what was submitted so far."""
        with self._lock:
            self._closed = True
            for _ in self._threads:
                self._queue.put(_STOP)

    def drain(self) -> None:
        """Run what is left over, in the calling thread: nobody's last message is lost."""
        self.submit = run_now
        while True:
            try:
                task = self._queue.get_nowait()
            except queue.Empty:
                for _ in self.threads():  # one that hangs finds its end when it comes back
                    self._queue.put(_STOP)
                return
            if task is not _STOP:
                run_now(task)


class Shared:
    """A pool as actors see it: closing it is not theirs to do."""

    __slots__ = ("submit",)

    def __init__(self, pool: Pool) -> None:
        self.submit: Callable[[Task], None] = pool.submit

    def submitting(self, tasks: Iterable[Task]) -> Iterator[None]:
        """Submit what is drawn from ``tasks``, as the result is drawn from."""
        return map(self.submit, tasks)

    def close(self) -> None:
        """Nothing: the runtime closes its pools."""

    def replace(self) -> None:
        """Nothing: a fence replaces the one thread that hangs."""


def run_now(task: Task) -> None:
    """Stand in for a closed executor: a late message is turned into a dead letter by its sender's thread."""
    try:
        task.run()
    except BaseException as error:  # noqa: BLE001 - as on a thread of the pool
        log_bug("runtime.task_failed", error)
