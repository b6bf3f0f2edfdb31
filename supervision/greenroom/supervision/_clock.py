"""The clock of real time: one thread for all timers."""

import heapq
import itertools
import threading  # noqa: TID251 - of the modules that own real time and threads
import time  # noqa: TID251 - as above
from collections.abc import Callable
from typing import Final

from greenroom.supervision._log import log_bug

JOIN_S: Final = 2.0
"""How long `Clock.close` waits for its thread."""


class Handle:
    """A timer that can be cancelled."""

    __slots__ = ("_owner", "callback")

    def __init__(self, owner: "Clock", callback: Callable[[], None]) -> None:
        self._owner = owner
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self._owner.cancelled()


class Clock:
    """One thread for all timers. Cancelled ones are thrown away in bulk, so that cancelling is cheap."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Handle]] = []
        # Due time and serial number come first, so that no Python code runs while the heap is being changed.
        self._condition = threading.Condition()  # re-entrant, for finalizers
        self._serial = itertools.count()
        self._dead = 0
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="greenroom-timer", daemon=True)
        self._thread.start()

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Handle:
        handle = Handle(self, callback)
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
