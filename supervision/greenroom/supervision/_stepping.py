"""How a simulation takes one step: chosen, taken, looked at; what a step may do to time; and what it may not.

A step is in itself atomic, but for one that lingers: others are taken while it does, on top of it.
"""

import heapq
import itertools
import sys
import traceback
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, NoReturn

from greenroom.supervision._blocking import in_step, place, watchdog
from greenroom.supervision._simulated_parts import Pinned, outside_of_tasks
from greenroom.supervision._steps import Handle, Ready, TraceLine, described, note_visit
from greenroom.supervision._superseded import Hang
from greenroom.supervision._threads import Stack, current, thread_id, where_is
from greenroom.supervision.errors import BlockingInHandler, Restless
from greenroom.supervision.faults import FaultInjector
from greenroom.supervision.runtime import Task, Timer
from greenroom.supervision.schedules import Scheduler

STEPS: Final = 10_000_000
"""After so many steps a run that was to come to rest is taken to be one that never will."""
WAIT_NS: Final = 60_000_000_000
"""Who waits for a lock for longer than this, in virtual time, never gets it."""
DEPTH: Final = 12
"""So many steps may linger at a time; what the next one does takes its time without others."""


def _never() -> bool:
    return False


class Stepping:
    """What of the simulated runtime takes steps."""

    faults: FaultInjector | None
    limit: int
    patience_ns: int
    trace: Callable[[TraceLine], None] | None
    visited: dict[tuple[str, str, str], int] | None

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.on_step: Callable[[], object] | None = None
        self.after_step: Callable[[], object] | None = None
        self.choices: list[int] = []
        self.failed_at: int | None = None
        self.blocked: list[BlockingInHandler] = []
        self.steps = 0
        self.ready: list[Task] = []
        self.zombies: dict[int, Any] = {}
        self._options = Ready(self.ready)
        self._now_ns = 0
        self._timers: list[tuple[int, int, Handle]] = []
        self._serial = itertools.count()
        self._hung: dict[int, tuple[str, str]] = {}
        self._frames: dict[int, Stack] = {}
        self._me = 0
        self._due: Task | Handle | None = None
        self._depth = 0
        self._failure: BaseException | None = None
        self._before: Callable[[Stepping, FaultInjector, Task], Task | None] | None = None
        self._weak: weakref.ref[Stepping] = weakref.ref(self)

    def now_ns(self) -> int:
        """Return virtual time."""
        return self._now_ns

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` once virtual time has come to that."""
        handle = Handle(callback)
        heapq.heappush(self._timers, (self._now_ns + max(0, delay_ns), next(self._serial), handle))
        return handle

    def thread_id(self) -> int:
        """Return the number of the present step, as if each step had a thread of its own; 0 between steps."""
        return self._me

    def step(self, until_ns: int | None = None) -> bool:
        """Take one step; False if there is nothing to do, or not before ``until_ns``.

        Raises:
            BlockingInHandler: called in a step.
            Restless: it is one more than the limit.
        """
        self._refuse_in_step("a step")
        return self._next(until_ns)

    def spend(self, delay_ns: int) -> None:
        """Make the present step one that took ``delay_ns``: what a slow handler calls instead of sleeping."""
        self._now_ns += delay_ns

    def linger(self, delay_ns: int) -> None:
        """Be in the present step for ``delay_ns``, while others go on: what a call that takes long does.

        Others run meanwhile, on top of this step's stack: so of two that linger the one that began later comes back
        first. Should this one be given up in the meantime, it comes back all the same, and finds that.
        """
        assert self._me, "only what runs in a step can linger"
        until_ns = self._now_ns + delay_ns
        if self._depth < DEPTH:
            self._others(until_ns, _never)
        self._now_ns = max(self._now_ns, until_ns)

    def wait_in_step(self, free: Callable[[], bool]) -> None:
        """Wait in the present step, while others go on, until ``free()``; hang, if that does not come soon."""
        if self._depth < DEPTH:
            self._others(self._now_ns + WAIT_NS, free)
        if not free():
            self.hang()

    def _others(self, until_ns: int, done: Callable[[], bool]) -> None:
        me, due, cell = self._me, self._due, current.cell
        self._me, current.cell = 0, None
        self._depth += 1
        try:
            with outside_of_tasks():
                while not done() and self._next(until_ns):
                    pass
        except BaseException as error:  # noqa: BLE001 - it is the run's: the code that lingers could catch it
            self._failure = error
            raise Hang from None
        finally:
            self._depth -= 1
            self._me, self._due, current.cell = me, due, cell

    def hang(self) -> NoReturn:
        """Make the present step one that never comes back: what a handler calls instead of hanging."""
        assert self._me, "only what runs in a step can hang"
        cell = current.cell
        where = self._due.path if isinstance(self._due, Pinned) else f"step {self._me}"
        where = where if cell is None else cell.path
        self._frames[self._me] = where_is(sys._getframe(1))
        self._hung[self._me] = (where, "".join(traceback.format_stack()))
        raise Hang

    def hangs(self, ident: int) -> bool:
        """Whether step ``ident`` is one that never comes back."""
        return ident in self._hung

    def unwinds(self, ident: int) -> bool:
        """Whether step ``ident`` hangs, and leaves the stack at this moment: it gives nothing back on its way."""
        return ident == self._me and ident in self._hung

    def _next(self, until_ns: int | None) -> bool:
        timers = self._timers
        while timers and timers[0][2].callback is None:
            heapq.heappop(timers)
        ready = self.ready
        count = len(ready)
        if timers and timers[0][0] <= self._now_ns:
            index = self._choose(Ready([*ready, timers[0][2]])) if count else 0
        elif count:
            index = self._choose(self._options) if count > 1 else 0
        elif not timers or (until_ns is not None and timers[0][0] > until_ns):
            return False
        else:
            self._now_ns = timers[0][0]
            index = 0
        if self.steps >= self.limit:
            raise Restless(self.limit)
        due = ready.pop(index) if index < count else heapq.heappop(timers)[2]
        if self.faults is None or isinstance(due, Handle):
            self._take(due)
        else:
            self._strike(self.faults, due)
        if self.on_step is not None:
            self._check()
        return True

    def _choose(self, options: Ready) -> int:
        index = self.scheduler.choose(options)
        count = len(options.keys)
        if not 0 <= index < count:
            raise IndexError(f"{type(self.scheduler).__name__} chose {index} of {count} steps")
        self.choices.append(index)
        return index

    def _take(self, due: "Task | Handle") -> None:
        if not watchdog.awake:
            watchdog.wake()
        in_step[thread_id()] = self._weak
        self._due = due
        me = self._me = self.steps = self.steps + 1
        try:
            if self.trace is not None:
                self.trace(TraceLine(me, self._now_ns, *described(due)))
            if self.visited is not None:
                note_visit(self.visited, due)
            if isinstance(due, Handle):
                callback, due.callback = due.callback, None
                assert callback is not None
                callback()
            else:
                due.run()
        except Hang:
            pass
        finally:
            self._me = 0
        if self.zombies and me not in self._hung:
            self.zombies.pop(me, None)  # it was given up, and has come back
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _strike(self, injector: FaultInjector, due: Task) -> None:
        if self._before is None:
            from greenroom.supervision._striking import before  # noqa: PLC0415 - only runs with faults need it

            self._before = before
        task = self._before(self, injector, due)
        if task is None:
            self.steps += 1
            return
        after, self.after_step = self.after_step, None
        self._take(task)
        if after is not None:
            after()

    def _check(self) -> None:
        assert self.on_step is not None
        try:
            self.on_step()
        except BaseException:
            self.failed_at = len(self.choices)
            self.on_step = None
            raise

    def _refuse_in_step(self, what: str) -> None:
        if self._me:
            raise self.blocking(what)

    def blocking(
        self, what: str, *, in_library: bool = False, frame: FrameType | None = None
    ) -> BlockingInHandler:
        """Note that the present step would have blocked; return what to raise there.

        Args:
            what: what was called.
            in_library: whether the function of the standard library that it was called through says it better.
            frame: where; None takes the caller.
        """
        cell = current.cell
        where, called = place(sys._getframe(1) if frame is None else frame)
        what = f"{called if in_library and called else what}()" if in_library else what
        lane = self._due.path if isinstance(self._due, Pinned) else "the simulation"
        error = BlockingInHandler(lane if cell is None else cell.path, what, where)
        self.blocked.append(error)
        return error

    def _who_hangs(self) -> tuple[str, ...]:
        return tuple(path for path, _ in self._hung.values())
