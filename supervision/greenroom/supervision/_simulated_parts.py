"""What actors run on under simulation: executors whose tasks the scheduler picks, and a mutex that never waits."""

from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING

from greenroom.supervision._threads import current
from greenroom.supervision.errors import BlockingInHandler
from greenroom.supervision.runtime import Task

if TYPE_CHECKING:
    from greenroom.supervision.simulated import SimulatedRuntime


class Shared:
    """An executor whose tasks run in any order."""

    def __init__(self, runtime: "SimulatedRuntime") -> None:
        self._ready = runtime.ready

    def submit(self, task: Task) -> None:
        self._ready.append(task)

    def close(self) -> None:
        """Nothing: shared."""

    def replace(self) -> None:
        """Nothing: shared."""


class Pinned:
    """An executor whose tasks run one after the other. It is itself the task that runs the first of them."""

    def __init__(self, runtime: "SimulatedRuntime", name: str) -> None:
        self._runtime = runtime
        self._queue: deque[Task] = deque()
        self._stuck = 0
        self._closing = False
        self.name = name

    def submit(self, task: Task) -> None:
        self._queue.append(task)
        if len(self._queue) == 1 and not self._stuck:
            self._runtime.ready.append(self)

    def head(self) -> Task:
        return self._queue[0]

    def run(self) -> None:
        task = self._queue[0]
        try:
            task.run()
        finally:
            self._queue.popleft()
            self._stuck = self._runtime.stuck_now()
            if self._queue and not self._stuck:
                self._runtime.ready.append(self)
            self._end_if_done()

    def abandon(self, ident: int) -> None:
        if self._stuck == ident:
            self._stuck = 0
            if self._queue:
                self._runtime.ready.append(self)
            self._end_if_done()

    def replace(self) -> None:
        if self._stuck:
            ident = self._stuck
            self._runtime.zombies.setdefault(ident, self.name)
            self._runtime.abandon(ident)

    def close(self) -> None:
        self._closing = True
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._closing and not self._queue and not self._stuck:
            self._runtime.pinned.pop(self, None)


class Lock:
    """A mutex that says so instead of waiting: in one thread nobody else would ever release it."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: ARG002 - as a mutex
        if self._held and blocking:
            cell = current.cell
            raise BlockingInHandler(
                "the simulation" if cell is None else cell.path, "acquire() of a lock that is held"
            )
        taken = not self._held
        self._held = True
        return taken

    def release(self) -> None:
        if not self._held:
            raise RuntimeError("release of a lock that is not held")
        self._held = False

    def locked(self) -> bool:
        return self._held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
