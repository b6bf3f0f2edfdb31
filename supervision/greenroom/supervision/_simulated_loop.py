"""An event loop in virtual time: each callback is a step of the simulation, and the order is asyncio's own.

Laws:
    - callbacks run one after the other in the order in which they were handed in, as on a real loop; what actors do
      comes in between, as the scheduler chooses;
    - time is the simulation's: `asyncio.sleep` takes no real time at all;
    - the same seed gives the same run: tasks and futures are ordered in sets by number and not by address;
    - there is no selector, no thread and no signal: what needs one is refused.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any, NoReturn, TypeVarTuple

from greenroom.supervision.errors import BlockingInHandler
from greenroom.supervision.runtime import Dispatcher, Timer

if TYPE_CHECKING:
    from greenroom.supervision.simulated import SimulatedRuntime


Ts = TypeVarTuple("Ts")


class _Future(asyncio.Future[Any]):
    """A future that sets order by number: who waits for several goes through a set of them."""

    def __init__(self, *, loop: "SimulatedLoop") -> None:
        super().__init__(loop=loop)
        self._number = loop.next_number()

    def __hash__(self) -> int:
        return self._number


class _Task(asyncio.Task[Any]):
    """A task that sets order by number: a task group cancels what is in a set."""

    def __init__(self, coro: Coroutine[Any, Any, Any], *, loop: "SimulatedLoop", **kwargs: Any) -> None:
        self._number = loop.next_number()
        kwargs["name"] = kwargs.get("name") or f"task-{self._number}"  # asyncio counts over the whole process
        super().__init__(coro, loop=loop, **kwargs)

    def __hash__(self) -> int:
        return self._number


class _Timer(asyncio.TimerHandle):
    """A callback that is due at a time."""

    timer: Timer

    def cancel(self) -> None:
        super().cancel()
        self.timer.cancel()


class _Turn:
    """One callback, as the executor runs it."""

    __slots__ = ("_handle", "_loop")

    def __init__(self, loop: "SimulatedLoop", handle: asyncio.Handle) -> None:
        self._loop = loop
        self._handle = handle

    def describe(self) -> tuple[str, str]:
        """Say for the trace whose callback it is, the same in every run."""
        callback: Any = self._handle._callback  # type: ignore[attr-defined]  # there is no public name
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, asyncio.Task):
            return owner.get_name(), "step"  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return "loop", str(getattr(callback, "__qualname__", "callback")).rsplit(".", 1)[-1].strip("_")

    def run(self) -> None:
        """Run it, as the loop that is running; an outer loop may be waiting for this very step."""
        if self._handle.cancelled():
            return
        outer = asyncio._get_running_loop()
        waiting = None if outer is None else asyncio.current_task(outer)
        if outer is not None and waiting is not None:
            asyncio.tasks._leave_task(outer, waiting)
        asyncio._set_running_loop(self._loop)
        try:
            self._handle._run()
        finally:
            asyncio._set_running_loop(outer)
            if outer is not None and waiting is not None:
                asyncio.tasks._enter_task(outer, waiting)


class SimulatedLoop(asyncio.BaseEventLoop):
    """The loop that tasks run on under simulation."""

    def __init__(self, runtime: "SimulatedRuntime") -> None:
        super().__init__()
        self._runtime = runtime
        self._executor = runtime.executor(Dispatcher.PINNED, "event loop")
        self._numbers = itertools.count(1)
        self.set_task_factory(_Task_of)

    def next_number(self) -> int:
        """Return 1, 2, 3 ..."""
        return next(self._numbers)

    def time(self) -> float:
        """Return virtual time, in seconds."""
        return self._runtime.now_ns() / 1e9

    def create_future(self) -> "asyncio.Future[Any]":
        """Make a future."""
        return _Future(loop=self)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call ``callback(*args)`` after those that were handed in before."""
        handle = asyncio.Handle(callback, args, self, context)
        self._executor.submit(_Turn(self, handle))
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Do as `call_soon`: there is one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call ``callback(*args)`` after ``delay`` seconds of virtual time."""
        return self._call_in(round(delay * 1e9), callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call ``callback(*args)`` at a virtual time."""
        return self._call_in(round(when * 1e9) - self._runtime.now_ns(), callback, args, context)

    def _call_in(
        self, delay_ns: int, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> asyncio.TimerHandle:
        due_ns = self._runtime.now_ns() + max(0, delay_ns)
        handle = _Timer(due_ns / 1e9, callback, args, self, context)
        turn = _Turn(self, handle)
        handle.timer = self._runtime.call_later(max(0, delay_ns), lambda: self._executor.submit(turn))
        return handle

    def run_in_executor(  # pyright: ignore[reportIncompatibleMethodOverride] - it never returns
        self,
        executor: Any,  # noqa: ARG002 - as in every loop
        func: Callable[[*Ts], object],  # noqa: ARG002
        *args: *Ts,  # noqa: ARG002
    ) -> NoReturn:
        """Refuse: there are no threads.

        Raises:
            BlockingInHandler: always.
        """
        raise BlockingInHandler("the simulation", "run_in_executor() or to_thread()")

    def finish(self) -> None:
        """Cancel what is left on the loop, in the order in which it came; the simulation runs it a last time."""
        for task in sorted(asyncio.all_tasks(self), key=hash):
            task.cancel()
        self._executor.close()  # after what that has set going

    def let_go(self) -> None:
        """Have asyncio not complain of tasks that are thrown away with the simulation, though they wait."""
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # there is no public name

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing: the simulation throws cancelled timers away."""

    def __del__(self) -> None:
        """Nothing: it holds no file and no socket that could leak."""


def _Task_of(loop: Any, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:  # noqa: N802 - it stands for the class
    return _Task(coro, loop=loop, **kwargs)
