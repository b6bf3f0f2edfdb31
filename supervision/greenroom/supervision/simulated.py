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

import itertools
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, TypeVar

from greenroom.supervision import _checks
from greenroom.supervision._blocking import PATIENCE_NS
from greenroom.supervision._dice import Dice
from greenroom.supervision._future import Future
from greenroom.supervision._given import checked_call, checked_seed
from greenroom.supervision._simulated_parts import Lock, Pinned, Shared
from greenroom.supervision._stepping import STEPS, Stepping
from greenroom.supervision._steps import Ready, Step, TraceLine
from greenroom.supervision._superseded import Hang
from greenroom.supervision._threads import Stack, task_frames, task_stacks
from greenroom.supervision.errors import BadSpec, Deadlock, Restless
from greenroom.supervision.faults import FaultInjector
from greenroom.supervision.runtime import Dispatcher, Executor
from greenroom.supervision.schedules import RandomScheduler, Scheduler

__all__ = ["STEPS", "Hang", "Ready", "SimulatedRuntime", "Step", "TraceLine"]

T = TypeVar("T")
MOST_STEPS: Final = 10**15
"""No run is longer."""


class SimulatedRuntime(Stepping):
    """Runs actors in one thread, in virtual time, in an order that the scheduler decides.

    Nothing runs by itself: `step`, `run_until_idle`, `advance`, or whoever waits for an answer, runs it.

    Args:
        seed: decides the dice, and the order where no scheduler is given.
        scheduler: decides the order; a `RandomScheduler` of that seed by default.
        trace: is told of each step before it is taken.
        limit: a run of more steps than that, 1 to `MOST_STEPS`, is `Restless`.
        draws: what the dice roll, in place of what the seed says; ``random.drawn`` of another run.
        faults: what goes wrong on purpose.
        coverage: whether to note in ``visited`` what has been met.

    Raises:
        BadSpec: one of these is wrong.

    Attributes:
        choices: what the scheduler chose wherever there was a choice: `schedules.Replay` repeats it.
        on_step: called after each step; what it raises ends the run there, and it is not called again. This is
            where laws are checked.
        steps: how many were taken.
        failed_at: how many choices there were when `on_step` raised; None if it has not.
        blocked: what would have blocked its thread, each where it was called.
        patience_ns: a step that takes more real time than this is taken to be endless, and fails.
        visited: how often each (actor's class, its state, message) has been met, where that is noted.
    """

    throughput: Final = 1
    own: Final[frozenset[int]] = frozenset()
    """The threads that no signal's handler runs on: none."""
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
        self.seed = checked_seed(seed)
        super().__init__(_checked_scheduler(seed, scheduler))
        # Apart, so that who rolls dice does not change the order.
        self.random = Dice(f"dice {seed}", None if draws is None else _checked_draws(draws))
        if trace is not None:
            checked_call("trace", trace)
        self.trace = trace
        self.limit = _checks.integer("limit", limit, least=1, most=MOST_STEPS)
        self.faults = None if faults is None else _checks.instance("faults", faults, FaultInjector)
        self.visited = {} if _checks.boolean("coverage", coverage) else None
        self.patience_ns = PATIENCE_NS
        self.pinned: dict[Pinned, None] = {}
        self._ids = itertools.count(1)
        self._shared = Shared(self)
        self._loop: Any = None

    # -- the runtime's interface --------------------------------------------------------------------------

    def undisturbed(self, function: Callable[[], T]) -> T:
        """Call it: a run of a simulation that is interrupted is over."""
        return function()

    def executor(self, dispatcher: Dispatcher, name: str) -> Executor:
        """Return what runs tasks: in any order, or for `Dispatcher.ELASTIC` and `PINNED` one after the other."""
        if dispatcher not in {Dispatcher.ELASTIC, Dispatcher.PINNED}:
            return self._shared
        pinned = Pinned(self, name)
        self.pinned[pinned] = None
        return pinned

    def loop(self) -> Any:
        """Return the event loop of the simulation; made when first needed."""
        from greenroom.supervision._simulated_loop import SimulatedLoop  # noqa: PLC0415 - it needs asyncio

        self._loop = self._loop or SimulatedLoop(self)
        return self._loop

    def next_id(self) -> int:
        """Return 1, 2, 3 ..."""
        return next(self._ids)

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
        from greenroom.supervision._asyncio import alternate, arrival, running  # noqa: PLC0415 - who awaits needs it

        if self._loop is not None and running() is self._loop:
            return (yield from arrival(future))
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
        hung = {path: stack for ident, (path, stack) in self._hung.items() if ident in self.zombies}
        return hung | task_stacks(self.zombies)

    def zombie_frames(self) -> dict[int, tuple[str, Stack]]:
        """Return for each step that was given up the actor's path, and where it hangs: outermost call first."""
        return task_frames(self.zombies) | {
            ident: (path, self._frames[ident])
            for ident, (path, _) in self._hung.items()
            if ident in self.zombies
        }

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to do before time goes on: what is on its way has arrived."""
        return not self.ready and not (self._timers and self._timers[0][0] <= self._now_ns)

    def live_timers(self) -> int:
        """Return how many timers are still due."""
        return sum(handle.callback is not None for _, _, handle in self._timers)

    def live_pinned(self) -> int:
        """Return how many pinned executors there are."""
        return len(self.pinned)

    def let_go(self) -> None:
        """Take it that whatever the event loop still has never ends, as it waits behind a step that hangs."""
        if self._loop is not None:
            self._loop.let_go()

    def close(self) -> None:
        """Run what is left over, but no timers."""
        if self._loop is not None:
            self._loop.finish()
        for _ in range(STEPS):
            if not self.step(self._now_ns):
                break
        self._timers.clear()

    # -- running it -----------------------------------------------------------------------------------------

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
        """Run whatever happens within ``delay_ns``, and leave time there; return the number of steps.

        Raises:
            BadSpec: ``delay_ns`` is no integer from 0: time does not go back.
        """
        until_ns = self._now_ns + _checks.integer("delay_ns", delay_ns, least=0, most=10**18)
        for count in range(STEPS):
            if not self.step(until_ns):
                self._now_ns = until_ns
                return count
        raise Restless(STEPS)


def _checked_scheduler(seed: int, scheduler: Scheduler | None) -> Scheduler:
    if scheduler is None:
        return RandomScheduler(seed)
    if isinstance(scheduler, type) or not callable(getattr(scheduler, "choose", None)):
        raise BadSpec(
            "scheduler", scheduler, "an instance of what chooses: RandomScheduler(seed), Replay(choices) ..."
        )
    return scheduler


def _checked_draws(draws: Sequence[int]) -> tuple[int, ...]:
    given: object = draws
    if isinstance(given, Sequence) and all(type(each) is int and each >= 0 for each in draws):
        return tuple(draws)
    raise BadSpec("draws", draws, "a sequence of integers from 0 on: what another run's dice have drawn")
