"""Which event loop runs a system's asyncio tasks, and on which loops nobody may wait for them."""

from types import TracebackType
from typing import Any, Self

from greenroom.supervision import _checks
from greenroom.supervision._task_errors import BlockingOnLoop
from greenroom.supervision._threads import current_task
from greenroom.supervision.errors import BadSpec

SIMULATED_HAS_ITS_OWN = "None: the simulation has a loop of its own, in virtual time"


class LoopChoice:
    """The event loops of one system.

    Args:
        loop: the one that runs tasks whose spec names no other; None for the runtime's own.
        simulated: whether the runtime is, and has no use for other people's loops.

    Raises:
        BadSpec: it is no open event loop, or there is no use for it.
    """

    def __init__(self, loop: Any, *, simulated: bool) -> None:
        if loop is not None:
            _checks.event_loop("ActorSystem.loop", loop)
            if simulated:
                raise BadSpec("ActorSystem.loop", "a loop", SIMULATED_HAS_ITS_OWN)
        self._loop = loop
        self._used: dict[Any, None] = {} if loop is None else {loop: None}

    def of(self, wanted: Any, runtime: Any) -> Any:
        """Return the loop for a task whose spec names ``wanted``. Any thread.

        Raises:
            BadSpec: it names one, and the runtime is simulated.
        """
        if wanted is not None and runtime.simulated:
            raise BadSpec("ChildSpec.loop", "a loop", SIMULATED_HAS_ITS_OWN)
        loop = wanted or self._loop
        if loop is None:
            return runtime.loop()
        self._used = {**self._used, loop: None}
        return loop

    def let_go(self, runtime: Any) -> None:
        """Take it that nobody runs a simulation's loop any further; other loops are their owners' business."""
        if runtime.simulated:
            runtime.let_go()

    def refuse_here(self, what: str, instead: str) -> None:
        """Refuse to wait on an event loop whose tasks may be what is waited for.

        Raises:
            BlockingOnLoop: this thread runs one.
        """
        task = current_task.get()
        if task is not None and task.is_on_loop():
            raise BlockingOnLoop(task.path, what, instead)
        if self._used:
            from greenroom.supervision._asyncio import running  # noqa: PLC0415 - who has a loop has asyncio

            if running() in self._used:
                raise BlockingOnLoop("the system's user", what, instead)


class ClosedByAwait:
    """What a system has to be used as a context, also by coroutines, which must not block their event loop."""

    runtime: Any

    def close(self, timeout_ns: int | None = None) -> None:
        """Stop all roots and end the threads; `ActorSystem` knows how."""
        raise NotImplementedError

    async def aclose(self, timeout_ns: int | None = None) -> None:
        """Close it without blocking the event loop, on which its tasks may have to end. Idempotent."""
        if self.runtime.simulated:
            self.close(timeout_ns)
            return
        from asyncio import to_thread  # noqa: PLC0415 - who awaits this has it

        await to_thread(self.close, timeout_ns)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
