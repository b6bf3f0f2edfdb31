"""The clock of real time: one thread for all timers."""

import heapq
import itertools
import threading  # noqa: TID251 - of the modules that own real time and threads
import time  # noqa: TID251 - as above
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from greenroom.supervision._log import log_bug

_NEVER_NS: Final = 1 << 62
_now_ns: Final = time.monotonic_ns
JOIN_S: Final = 2.0
"""How long `Clock.close` waits for its thread."""


SLACK: Final = 500
"""So many cancelled timers may lie about before they are thrown away: each clean-up wakes the thread."""


class Handle(list[Any]):
    """A timer: when it is due, its serial number, what is to be called (None once it is cancelled), its clock, and whether it counts.

    A list, because those are made and compared in C, and no Python code may run while the heap is being changed. No two
    have the same serial number, so nothing behind that is ever compared.
    """

    __slots__ = ()

    def to_count(self) -> Callable[[], None]:
        """Return what makes it count from now on: C alone, which no signal's handler can come into."""
        return partial(self.__setitem__, 4, True)

    def cancel(self) -> None:
        if self[2] is not None:
            self[2] = None
            self[3].cancelled()


class Clock:
    """One thread for all timers. Setting and cancelling one is cheap, because most never fire: they are budgets.

    Laws:
        - who sets a timer appends it to ``_new``, without a lock; whoever holds the lock moves those to the heap;
        - the thread first says until when it will sleep (``_until_ns``) and then looks at ``_new`` once more; who sets
          a timer first appends and then looks at ``_until_ns``. So one of them sees the other, and none is late;
        - the heap is changed by the thread, or by who counts the timers, and by nobody else: a finalizer that the
          garbage collector runs in the middle of that may set and cancel timers;
        - cancelled ones are thrown away in bulk, so there are never many more entries than timers;
        - a cancelled one that would be the next is kept until it would have been due: the thread sleeps until then
          anyway, and who sets the next budget of that length, or a longer one, need not wake it.
    """

    def __init__(self) -> None:
        self._heap: list[Handle] = []
        self._new: deque[Handle] = deque()
        self._until_ns = _NEVER_NS
        self._condition = threading.Condition()  # re-entrant, for finalizers
        self._serial = itertools.count()
        self._dead = 0
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="greenroom-timer", daemon=True)
        self._thread.start()

    def look_later(self, delay_ns: int, callback: Callable[[], None]) -> Handle:
        """As `call_later`, and `live` does not count it."""
        return self.call_later(delay_ns, callback, counts=False)

    def call_later(self, delay_ns: int, callback: Callable[[], None], *, counts: bool = True) -> Handle:
        if type(delay_ns) is not int or delay_ns > _NEVER_NS:
            delay_ns = min(int(delay_ns), _NEVER_NS)  # a NaN would be in nobody's order
        due_ns = _now_ns() + delay_ns
        handle = Handle((due_ns, next(self._serial), callback, self, counts))
        self._new.append(handle)
        if due_ns < self._until_ns:
            with self._condition:
                self._condition.notify()
        return handle

    def was_forked(self) -> None:
        """Hear, in a process that was forked, that its thread is not there, nor whoever held the lock."""
        self._condition = threading.Condition()

    def cancelled(self) -> None:
        self._dead += 1  # an estimate is enough: a lost count delays a clean-up
        if self._dead > SLACK and self._until_ns and self._many_dead():
            with self._condition:
                self._until_ns = 0  # so that this is done once
                self._condition.notify()

    def _many_dead(self) -> bool:
        return self._dead > SLACK and self._dead * 2 > len(self._heap) + len(self._new)

    def _throw_away(self) -> None:
        """Forget the cancelled ones; under the lock, and never by a finalizer: it changes the heap in steps."""
        self._heap = [entry for entry in self._heap if entry[2] is not None]
        heapq.heapify(self._heap)
        self._dead = 0

    def _take_in(self) -> None:
        """Move the new timers to the heap, but those cancelled already; under the lock."""
        new, heap = self._new, self._heap
        while new:
            entry = new.popleft()
            if entry[2] is not None or not heap or entry < heap[0]:
                heapq.heappush(heap, entry)

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
                self._take_in()
                if self._many_dead():
                    self._throw_away()
                if not self._heap:
                    self._sleep_until(_NEVER_NS)
                    continue
                due_ns = self._heap[0][0]
                if due_ns > time.monotonic_ns():
                    self._sleep_until(due_ns)
                    continue
                handle = heapq.heappop(self._heap)
                callback: Callable[[], None] | None = handle[2]
                handle[2] = None
                if callback is not None:
                    return callback
                self._throw_away()  # else each of those that were set with it would wake this thread
            return None

    def _sleep_until(self, due_ns: int) -> None:
        self._until_ns = due_ns
        if not self._new:  # see the laws
            wait_ns = due_ns - time.monotonic_ns()
            self._condition.wait(min(max(0, wait_ns) / 1e9, threading.TIMEOUT_MAX))
        self._until_ns = 0

    def live(self) -> int:
        with self._condition:
            self._take_in()
            self._throw_away()
            return sum(entry[4] for entry in self._heap)

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)
