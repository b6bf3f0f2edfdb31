"""One thread, virtual time and a seeded order: the same actors, and a run that can be repeated exactly.

Laws:
    - the same seed gives the same run, on every machine: nothing in here depends on addresses, hashes or real time;
    - a step handles one message of one actor, one task, or one timer. Which one is next is drawn from all that could
      be next on real threads;
    - time stands still while there is something to do, and then jumps to the next timer;
    - nothing blocks: what would is refused where it is called, and what nobody can complete is a `Deadlock` that
      names what is stuck.

>>> runtime = SimulatedRuntime(seed=7)
>>> _ = runtime.call_later(3_000_000_000, lambda: print("three seconds later"))
>>> runtime.run_until_idle()
three seconds later
1
>>> runtime.now_ns()
3000000000
"""

import heapq
import itertools
import sys
import traceback
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, NoReturn

from greenroom.supervision._dice import Dice
from greenroom.supervision._future import Future
from greenroom.supervision._incarnation import SupersededError
from greenroom.supervision._simulated_parts import Lock, Pinned, Shared
from greenroom.supervision._steps import Handle, Ready, Step, TraceLine, described, note_visit
from greenroom.supervision._threads import Stack, current, where_is
from greenroom.supervision.errors import BlockingInHandler, Deadlock, Restless
from greenroom.supervision.faults import FaultInjector
from greenroom.supervision.runtime import Dispatcher, Executor, Task, Timer
from greenroom.supervision.schedules import RandomScheduler, Scheduler

__all__ = ["STEPS", "Hang", "Ready", "SimulatedRuntime", "Step", "TraceLine"]

STEPS: Final = 10_000_000
"""After so many steps a run that was to come to rest is taken to be one that never will."""
DEPTH: Final = 12
"""So many steps may linger at a time; what the next one does takes its time without others."""


class Hang(SupersededError):  # noqa: N818 - it is no error: it is how a step that never comes back leaves the stack
    """Unwinds a step that never comes back. Who calls foreign code lets it pass, and releases nothing for it."""


class SimulatedRuntime:
    """Runs actors in one thread, in virtual time, in an order that the scheduler decides.

    Nothing runs by itself: `step`, `run_until_idle`, `advance`, or whoever waits for an answer, runs it.

    Args:
        seed: decides the dice, and the order where no scheduler is given.
        scheduler: decides the order; a `RandomScheduler` of that seed by default.
        trace: is told of each step before it is taken.
        limit: a run of more steps than that is `Restless`.
        draws: what the dice roll, in place of what the seed says; ``random.drawn`` of another run.
        faults: what goes wrong on purpose.
        coverage: whether to note in ``visited`` what has been met.

    Attributes:
        choices: what the scheduler chose wherever there was a choice: `schedules.Replay` repeats it.
        on_step: called after each step; what it raises ends the run there, and it is not called again. This is
            where laws are checked.
        steps: how many were taken.
        failed_at: how many choices there were when `on_step` raised; None if it has not.
        blocked: what would have blocked its thread, each where it was called.
        visited: how often each (actor's class, its state, message) has been met, where that is noted.
    """

    throughput: Final = 1
    simulated: Final = True

    def __init__(
        self,
        seed: int = 0,
        *,
        scheduler: Scheduler | None = None,
        trace: Callable[[TraceLine], None] | None = None,
        limit: int = STEPS,
        draws: Sequence[int] | None = None,
        faults: FaultInjector | None = None,
        coverage: bool = False,
    ) -> None:
        self.seed = seed
        self.random = Dice(f"dice {seed}", draws)  # apart, so that who rolls dice does not change the order
        self.scheduler: Scheduler = RandomScheduler(seed) if scheduler is None else scheduler
        self.trace = trace
        self.limit = limit
        self.faults = faults
        self.visited: dict[tuple[str, str, str], int] | None = {} if coverage else None
        self.after_step: Callable[[], object] | None = None
        self.choices: list[int] = []
        self.on_step: Callable[[], object] | None = None
        self.failed_at: int | None = None
        self.blocked: list[BlockingInHandler] = []
        self.steps = 0
        self.ready: list[Task] = []
        self.pinned: dict[Pinned, None] = {}
        self.zombies: dict[int, Any] = {}
        self._options = Ready(self.ready)
        self._now_ns = 0
        self._timers: list[tuple[int, int, Handle]] = []
        self._serial = itertools.count()
        self._ids = itertools.count(1)
        self._shared = Shared(self)
        self._hung: dict[int, tuple[str, str]] = {}
        self._frames: dict[int, Stack] = {}
        self._me = 0
        self._depth = 0
        self._failure: BaseException | None = None

    # -- the runtime's interface --------------------------------------------------------------------------

    def now_ns(self) -> int:
        """Return virtual time."""
        return self._now_ns

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` once virtual time has come to that."""
        handle = Handle(callback)
        heapq.heappush(self._timers, (self._now_ns + max(0, delay_ns), next(self._serial), handle))
        return handle

    def executor(self, dispatcher: Dispatcher, name: str) -> Executor:
        """Return what runs tasks: in any order, or for `Dispatcher.PINNED` one after the other."""
        if dispatcher is not Dispatcher.PINNED:
            return self._shared
        pinned = Pinned(self, name)
        self.pinned[pinned] = None
        return pinned

    def next_id(self) -> int:
        """Return 1, 2, 3 ..."""
        return next(self._ids)

    def thread_id(self) -> int:
        """Return the number of the present step, as if each step had a thread of its own; 0 between steps."""
        return self._me

    def lock(self) -> Any:
        """Return a mutex that refuses to wait."""
        return Lock(self)

    def wait(self, future: Future[Any], timeout_ns: int | None) -> bool:
        """Run until ``future`` is complete, for ``timeout_ns`` of virtual time; return whether it is.

        Raises:
            BlockingInHandler: called in a step.
            Deadlock: it never will be, and no timeout was given.
        """
        self._refuse_in_step("a wait")
        until_ns = None if timeout_ns is None else self._now_ns + max(0, timeout_ns)
        for _ in range(STEPS):
            if future.done():
                return True
            if not self.step(until_ns):
                if until_ns is None:
                    raise Deadlock(future.asked, self._who_hangs())
                self._now_ns = max(self._now_ns, until_ns)
                return False
        raise Restless(STEPS)

    def drive(self, future: Future[Any]) -> Generator[Any, Any, None]:
        """Run until ``future`` is complete, in turns with the event loop's other coroutines.

        Raises:
            Deadlock: it never will be.
        """
        from greenroom.supervision._asyncio import alternate  # noqa: PLC0415 - only who awaits needs it

        self._refuse_in_step("an await")
        if not (yield from alternate(self.step, future.done)):
            raise Deadlock(future.asked, self._who_hangs())

    def abandon(self, ident: int) -> None:
        """Take it that the step ``ident`` never comes back; what waited behind it goes on."""
        path, _ = self._hung.get(ident, ("", ""))
        if path:
            self.zombies[ident] = path
        for pinned in list(self.pinned):
            pinned.abandon(ident)

    stuck: tuple[str, ...] = ()
    """No thread can be stuck here: there is only one."""

    def zombie_stacks(self) -> dict[str, str]:
        """Return where each step that was given up hangs, by the actor's path."""
        return {path: stack for ident, (path, stack) in self._hung.items() if ident in self.zombies}

    def zombie_frames(self) -> dict[int, tuple[str, Stack]]:
        """Return for each step that was given up the actor's path, and where it hangs: outermost call first."""
        return {
            ident: (path, self._frames[ident])
            for ident, (path, _) in self._hung.items()
            if ident in self.zombies
        }

    def live_timers(self) -> int:
        """Return how many timers are still due."""
        return sum(handle.callback is not None for _, _, handle in self._timers)

    def live_pinned(self) -> int:
        """Return how many pinned executors there are."""
        return len(self.pinned)

    def close(self) -> None:
        """Run what is left over, but no timers."""
        for _ in range(STEPS):
            if not self.step(self._now_ns):
                break
        self._timers.clear()

    # -- running it -----------------------------------------------------------------------------------------

    def step(self, until_ns: int | None = None) -> bool:
        """Take one step; False if there is nothing to do, or not before ``until_ns``.

        Raises:
            BlockingInHandler: called in a step.
            Restless: it is one more than the limit.
        """
        self._refuse_in_step("a step")
        return self._next(until_ns)

    def run_until_idle(self, limit: int = STEPS) -> int:
        """Run until there is nothing to do, letting time jump; return the number of steps.

        Raises:
            Restless: it has not come to rest after ``limit`` steps.
        """
        for count in range(limit):
            if not self.step():
                return count
        raise Restless(limit)

    def advance(self, delay_ns: int) -> int:
        """Run whatever happens within ``delay_ns``, and leave time there; return the number of steps."""
        until_ns = self._now_ns + delay_ns
        for count in range(STEPS):
            if not self.step(until_ns):
                self._now_ns = until_ns
                return count
        raise Restless(STEPS)

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
        if self._depth == DEPTH:
            self._now_ns = until_ns
            return
        me, cell = self._me, current.cell
        self._me, current.cell = 0, None
        self._depth += 1
        try:
            while self._next(until_ns):
                pass
        except BaseException as error:  # noqa: BLE001 - it is the run's: code that lingers could catch it
            self._failure = error
            raise Hang from None
        finally:
            self._depth -= 1
            self._me, current.cell = me, cell
        self._now_ns = max(self._now_ns, until_ns)

    def hang(self) -> NoReturn:
        """Make the present step one that never comes back: what a handler calls instead of hanging."""
        assert self._me, "only what runs in a step can hang"
        cell = current.cell
        where = f"step {self._me}" if cell is None else cell.path
        self._frames[self._me] = where_is(sys._getframe(1))
        self._hung[self._me] = (where, "".join(traceback.format_stack()))
        raise Hang

    def hangs(self, ident: int) -> bool:
        """Whether step ``ident`` is one that never comes back."""
        return ident in self._hung

    def unwinds(self, ident: int) -> bool:
        """Whether step ``ident`` hangs, and leaves the stack at this moment: it gives nothing back on its way."""
        return ident == self._me and ident in self._hung

    # -- one step ---------------------------------------------------------------------------------------------

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
        if not 0 <= index < len(options):
            raise IndexError(f"{type(self.scheduler).__name__} chose {index} of {len(options)} steps")
        self.choices.append(index)
        return index

    def _take(self, due: "Task | Handle") -> None:
        me = self._me = self.steps = self.steps + 1
        if self.trace is not None:
            self.trace(TraceLine(me, self._now_ns, *described(due)))
        if self.visited is not None:
            note_visit(self.visited, due)
        try:
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
        from greenroom.supervision._striking import before  # noqa: PLC0415 - only runs with faults need it

        task = before(self, injector, due)
        if task is None:
            self.steps += 1
            return
        after, self.after_step = self.after_step, None
        self._take(task)
        if after is not None:
            after()

    def _check(self) -> None:
        check, self.on_step = self.on_step, None
        assert check is not None
        try:
            check()
        except BaseException:
            self.failed_at = len(self.choices)
            raise
        self.on_step = check

    def _refuse_in_step(self, what: str) -> None:
        if self._me:
            raise self.blocking(what)

    def blocking(self, what: str) -> BlockingInHandler:
        """Note that the present step would have blocked; return what to raise there."""
        cell = current.cell
        error = BlockingInHandler("the simulation" if cell is None else cell.path, what)
        self.blocked.append(error)
        return error

    def _who_hangs(self) -> tuple[str, ...]:
        return tuple(path for path, _ in self._hung.values())
