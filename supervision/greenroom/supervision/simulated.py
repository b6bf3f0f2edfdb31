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
# ruff: noqa: S311  dice for schedules are no secret

import heapq
import itertools
import random  # noqa: TID251 - the simulation's dice are made here
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, NoReturn, cast

from greenroom.supervision._future import Future
from greenroom.supervision._incarnation import SupersededError
from greenroom.supervision._mailbox import Ask, Mailbox
from greenroom.supervision._simulated_parts import Lock, Pinned, Shared
from greenroom.supervision._threads import current
from greenroom.supervision.errors import BlockingInHandler, Deadlock, Restless
from greenroom.supervision.runtime import Dispatcher, Executor, Task, Timer

STEPS: Final = 10_000_000
"""After so many steps a run that was to come to rest is taken to be one that never will."""


class _HungError(SupersededError):
    """Unwinds a step whose thread never comes back."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run.

    Attributes:
        number: from 1.
        at_ns: virtual time.
        where: the actor's path, or what kind of thing ran.
        what: the message or signal that was handled, by the name of its type.
    """

    number: int
    at_ns: int
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.number:6} {self.at_ns / 1e9:12.6f} {self.where} <- {self.what}"


class _Handle:
    """A timer of the simulation."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class SimulatedRuntime:
    """Runs actors in one thread, in virtual time, in an order that the seed decides.

    Nothing runs by itself: `step`, `run_until_idle`, `advance`, or whoever waits for an answer, runs it.

    Args:
        seed: decides the order and the dice.
        trace: is told of each step before it is taken.
    """

    throughput: Final = 1
    simulated: Final = True

    def __init__(self, seed: int = 0, *, trace: Callable[[Step], None] | None = None) -> None:
        self.seed = seed
        self.random = random.Random(f"dice {seed}")  # apart, so that who rolls dice does not change the order
        self.trace = trace
        self.steps = 0
        self.ready: list[Task] = []
        self.pinned: dict[Pinned, None] = {}
        self.zombies: dict[int, Any] = {}
        self._choose = random.Random(f"order {seed}").random
        self._now_ns = 0
        self._timers: list[tuple[int, int, _Handle]] = []
        self._serial = itertools.count()
        self._ids = itertools.count(1)
        self._shared = Shared(self)
        self._hung: dict[int, tuple[str, str]] = {}
        self._stepping = False

    # -- the runtime's interface --------------------------------------------------------------------------

    def now_ns(self) -> int:
        """Return virtual time."""
        return self._now_ns

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` once virtual time has come to that."""
        handle = _Handle(callback)
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
        return self.steps if self._stepping else 0

    def lock(self) -> Any:
        """Return a mutex that refuses to wait."""
        return Lock()

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
        """
        self._refuse_in_step("a step")
        timers = self._timers
        while timers and timers[0][2].callback is None:
            heapq.heappop(timers)
        due_ns = timers[0][0] if timers else None
        timer_now = due_ns is not None and due_ns <= self._now_ns
        choices = len(self.ready) + timer_now
        if choices:
            index = int(self._choose() * choices)
            if index < len(self.ready):
                self._run(index)
            else:
                self._fire()
            return True
        if due_ns is None or (until_ns is not None and due_ns > until_ns):
            return False
        self._now_ns = due_ns
        self._fire()
        return True

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

    def hang(self) -> NoReturn:
        """Make the present step one that never comes back: what a handler calls instead of hanging."""
        assert self._stepping, "only what runs in a step can hang"
        cell = current.cell
        where = f"step {self.steps}" if cell is None else cell.path
        self._hung[self.steps] = (where, "".join(traceback.format_stack()))
        raise _HungError

    def stuck_now(self) -> int:
        """Return the present step's number if it hangs, else 0."""
        return self.steps if self.steps in self._hung and self.steps not in self.zombies else 0

    # -- one step ---------------------------------------------------------------------------------------------

    def _run(self, index: int) -> None:
        ready = self.ready
        task = ready[index]
        ready[index] = ready[-1]
        ready.pop()
        self._begin(task.head() if isinstance(task, Pinned) else task)
        try:
            task.run()
        except _HungError:
            return
        finally:
            self._stepping = False

    def _fire(self) -> None:
        _, _, handle = heapq.heappop(self._timers)
        callback, handle.callback = handle.callback, None
        assert callback is not None
        self._begin(None)
        try:
            callback()
        finally:
            self._stepping = False

    def _begin(self, task: Task | None) -> None:
        self.steps += 1
        self._stepping = True
        if self.trace is not None:
            where, what = ("timer", "due") if task is None else _describe(task)
            self.trace(Step(self.steps, self._now_ns, where, what))

    def _refuse_in_step(self, what: str) -> None:
        if self._stepping:
            cell = current.cell
            raise BlockingInHandler("the simulation" if cell is None else cell.path, what)

    def _who_hangs(self) -> tuple[str, ...]:
        return tuple(path for path, _ in self._hung.values())


def _describe(task: Task) -> tuple[str, str]:
    if not isinstance(task, Mailbox):
        return "task", type(task).__name__
    if task.control:
        handler, _, detail = task.control[0]
        name = handler.__name__.strip("_")
        return task.path, name if detail is None else f"{name} {_name(detail)}"
    if task.user:
        return task.path, _name(task.user[0])
    return task.path, "nothing"


def _name(item: Any) -> str:
    """Name a message so that it is the same in every run: no addresses, and no more than its type where it has any."""
    if type(item) is Ask:
        return f"ask {_name(item.message)}"
    if isinstance(item, str | int):
        return repr(item)
    if type(item) is tuple and item:
        return _name(item[0])
    return str(getattr(cast("object", item), "__qualname__", type(cast("object", item)).__name__))
