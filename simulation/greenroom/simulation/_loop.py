"""An event loop without a clock of its own: it never waits, and whoever sleeps on it sleeps in virtual time.

The coroutines of a simulation take turns with its steps. asyncio's own loop asks the operating system before each turn
whether anything has come in, which costs as much as a step; and it would really wait where a simulation jumps.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# What asyncio's own base class keeps in private is typed by nobody.

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

from greenroom.simulation.errors import SimulationError
from greenroom.supervision.simulated import SimulatedRuntime


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
        now = self.time()
        while scheduled and scheduled[0]._when <= now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

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


def _nothing_broken() -> BaseException | None:
    return None


def _judged_elsewhere(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
    """Say nothing of a task whose error nobody has asked for: what matters was found by the court, and is raised there."""
