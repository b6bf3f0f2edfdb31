"""An event loop without a clock of its own: it never waits, and whoever sleeps on it sleeps in virtual time.

The coroutines of a simulation take turns with its steps. asyncio's own loop asks the operating system before each turn
whether anything has come in, which costs as much as a step; and it would really wait where a simulation jumps.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# What asyncio's own base class keeps in private is typed by nobody.

import asyncio
import heapq
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any, TypeVarTuple

from greenroom.simulation.errors import SimulationError
from greenroom.supervision.simulated import SimulatedRuntime

Ts = TypeVarTuple("Ts")


class Stuck(SimulationError):  # noqa: N818 - it says what happened
    """Nobody can go on: every coroutine waits for something that will never come."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs coroutines and, whenever all of them wait, one step of the simulation.

    Args:
        runtime: what is run.

    Attributes:
        broken: says what ends the run, once there is something.
    """

    def __init__(self, runtime: SimulatedRuntime) -> None:
        super().__init__()
        self._runtime = runtime
        self.slow_callback_duration = 1e9
        self.closing = False
        self.broken: Callable[[], BaseException | None] = _nothing_broken
        self.set_exception_handler(_judged_elsewhere)

    def time(self) -> float:
        """Return virtual time, in seconds."""
        return self._runtime.now_ns() / 1e9

    def _run_once(self) -> None:
        broken = self.broken()
        if broken is not None:
            raise broken  # whichever coroutine was told of it: none goes on
        ready: Any = self._ready  # type: ignore[attr-defined]
        scheduled: Any = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not ready and not self._pass_time(scheduled):
            raise Stuck("the simulation cannot go on: everybody waits for something that will never come")
        while scheduled and scheduled[0]._when <= self.time():
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def is_quiet(self) -> bool:
        """Whether a round would do nothing else than to run whoever has its turn: nobody is ready or due, nothing ends the run."""
        if self._ready:  # type: ignore[attr-defined]
            return False
        scheduled: Any = self._scheduled  # type: ignore[attr-defined]
        return (not scheduled or scheduled[0]._when > self.time()) and self.broken() is None

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call ``callback(*args)`` after what is ready now."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def take_turns(self, step: Callable[[], bool], done: Callable[[], bool]) -> Generator[Any, Any, int]:
        """Run ``step`` and all that is ready in turns until ``done()``, or there is nothing to do; return how many.

        Whoever waits is woken in the very turn in which that is so, as if it had been woken for each.
        """
        turns = _Turns(self, step, done)
        self._ready.append(turns)  # type: ignore[attr-defined]
        return (yield from turns.over.__await__())

    def _pass_time(self, scheduled: Any) -> bool:
        """Nobody has anything to do: run the simulation, as far as the next who sleeps; return whether anything happened."""
        if self.closing or self._stopping:  # type: ignore[attr-defined]
            return True
        until_ns = round(scheduled[0]._when * 1e9) if scheduled else None
        if self._runtime.step(until_ns):
            return True
        if until_ns is None:
            return False
        self._runtime.advance(max(0, until_ns - self._runtime.now_ns()))
        return True

    def _process_events(self, event_list: object) -> None:
        """There are none: nothing outside is watched."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in the operating system: there is nobody to wake."""


class _Over(asyncio.Future[int]):
    """What a coroutine waits for that steps in turns: it hears of its cancellation when its turn comes."""

    given_up: tuple[Any, ...] | None = None

    def cancel(self, msg: Any | None = None) -> bool:
        """Note it."""
        self.given_up = (msg,)
        return True

    def give_up(self, msg: Any | None) -> None:
        """Be cancelled."""
        super().cancel(msg)


class _Turns:
    """The turns of one coroutine that waits for an answer: in the loop's queue like a handle, without one for each turn."""

    __slots__ = ("_done", "_loop", "_step", "_taken", "over")
    _cancelled = False

    def __init__(self, loop: SimulatedLoop, step: Callable[[], bool], done: Callable[[], bool]) -> None:
        self._loop = loop
        self._step = step
        self._done = done
        self._taken = 0
        self.over = _Over(loop=loop)

    def _run(self) -> None:
        """Take one turn."""
        over = self.over
        if over.given_up is not None:
            over.give_up(*over.given_up)
        elif self._done():
            over.set_result(self._taken)
        else:
            try:
                if self._goes_on():
                    self._loop._ready.append(self)  # type: ignore[attr-defined]
                    return
            except Exception as error:  # noqa: BLE001 - as if the coroutine had taken the step itself
                over.set_exception(error)
            else:
                over.set_result(self._taken)
        # Whoever waits was put at the end of the queue by this: its turn is now.
        self._loop._ready.pop()._run()  # type: ignore[attr-defined]

    def _goes_on(self) -> bool:
        """Take a step, and more while it is nobody else's turn; return whether another is to be taken."""
        step, done, over, quiet = self._step, self._done, self.over, self._loop.is_quiet
        while step():
            self._taken += 1
            if done():
                return False
            if over.given_up is not None or not quiet():
                return True
        return False


def _nothing_broken() -> BaseException | None:
    return None


def _judged_elsewhere(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
    """Say nothing of a task whose error nobody has asked for: what matters was found by the court, and is raised there."""
