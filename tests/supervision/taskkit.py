"""Children that are asyncio tasks and do what they are told, as `Probe` does: for tests that hold for both kinds."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.supervision.supkit import Hook

from greenroom.supervision import IGNORE, START_LATER, Cause, ChildSpec, Normal, Shutdown
from greenroom.supervision.tasks import Letter, TaskContext, current


class Stand:
    """What a hook of a `Probe` uses of its actor, for a task."""

    def __init__(self, me: TaskContext) -> None:
        self.me = me
        self.path = me.path
        self.incarnation = me.incarnation
        self.actor_ref = me.ref
        self.cause: Cause | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._alarm: asyncio.Future[Callable[..., Any]] = asyncio.get_running_loop().create_future()

    def end(self, cause: Cause | None = None) -> None:
        """Return next."""
        self.cause = cause or Normal()

    def acknowledge(self, extra: Any = None) -> None:
        """Say that it has started."""
        self.me.started(extra)

    def after(self, delay_ns: int, function: Callable[..., Any], *args: Any) -> None:
        """Do something in a while, as part of the task."""

        def due() -> None:
            if not self._alarm.done():
                self._alarm.set_result(lambda: function(*args))

        self._timers.append(asyncio.get_running_loop().call_later(delay_ns / 1e9, due))

    def forget_timers(self) -> None:
        """Clean up: what a task sets going on its loop is its own business."""
        for timer in self._timers:
            timer.cancel()

    async def next(self) -> Letter | None:
        """Wait for a letter, or do what is due."""
        letter = asyncio.ensure_future(self.me.receive())
        both: set[asyncio.Future[Any]] = {letter, self._alarm}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if self._alarm.done():
                alarm, self._alarm = self._alarm, asyncio.get_running_loop().create_future()
                alarm.result()()
                return None
            return letter.result()
        finally:
            letter.cancel()
            await asyncio.wait({letter})  # so that none is left that was never begun


async def stand_in(on_start: Hook | None = None, on_stop: Hook | None = None) -> Any:
    """Be a `Probe`, as a task."""
    probe: Any = Stand(current())
    began = None if on_start is None else on_start(probe)
    if began is IGNORE:
        return IGNORE
    if began is START_LATER:
        probe.me.start_later()
    else:
        probe.me.started(began)
    try:
        while probe.cause is None:
            letter = await probe.next()
            if letter is not None:
                letter.reply(letter.message(probe) if callable(letter.message) else letter.message)
    except asyncio.CancelledError:
        if on_stop is not None:
            on_stop(probe)
        raise
    finally:
        probe.forget_timers()
    if on_stop is not None:
        on_stop(probe)
    return probe.cause if isinstance(probe.cause, Shutdown) else None


def task_worker(
    name: str, *, on_start: Hook | None = None, on_stop: Hook | None = None, **fields: Any
) -> ChildSpec:
    """Return the spec of a task that does what it is told."""
    return ChildSpec(id=name, start=stand_in, kwargs={"on_start": on_start, "on_stop": on_stop}, **fields)
