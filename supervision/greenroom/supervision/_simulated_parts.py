"""What actors run on under simulation: executors whose tasks the scheduler picks, and a mutex that never waits."""

import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from greenroom.supervision._mailbox import Mailbox
from greenroom.supervision._threads import current_task
from greenroom.supervision.runtime import Task

if TYPE_CHECKING:
    from greenroom.supervision.simulated import SimulatedRuntime


@contextmanager
def outside_of_tasks() -> Generator[None, None, None]:
    """Be in no task and on no event loop for a while: for what runs on top of a task that lingers."""
    asyncio = cast("Any", sys.modules.get("asyncio"))  # who has no tasks need not load it
    loop: Any = None if asyncio is None else asyncio._get_running_loop()
    task = current_task.set(None)
    try:
        if asyncio is not None:
            asyncio._set_running_loop(None)
        yield
    finally:
        current_task.reset(task)
        if asyncio is not None:
            asyncio._set_running_loop(loop)


class Shared:
    """An executor whose tasks run in any order."""

    def __init__(self, runtime: "SimulatedRuntime") -> None:
        self._ready = runtime.ready

    def submit(self, task: Task) -> None:
        self._ready.append(task)

    def submitting(self, tasks: Iterable[Task]) -> Iterator[None]:
        return map(self.submit, tasks)

    def close(self) -> None:
        """Nothing: shared."""

    def replace(self) -> None:
        """Nothing: shared."""


class Pinned:
    """An executor whose tasks run one after the other. It is itself the task that runs the first of them.

    ``running`` is the number of the step that is in a task of it: one that lingers or hangs, seen from other steps.
    """

    def __init__(self, runtime: "SimulatedRuntime", name: str) -> None:
        self._runtime = runtime
        self._queue: deque[Task] = deque()
        self._owner: Mailbox | None = None
        self._closing = False
        self.running = 0
        self.name = name

    @property
    def path(self) -> str:
        """The path of the actor whose thread it is, once that has run on it."""
        return self.name if self._owner is None else self._owner.path

    def submit(self, task: Task) -> None:
        if self._owner is None and isinstance(task, Mailbox):
            self._owner = task
        self._queue.append(task)
        if len(self._queue) == 1 and not self.running:
            self._runtime.ready.append(self)

    def submitting(self, tasks: Iterable[Task]) -> Iterator[None]:
        return map(self.submit, tasks)

    def head(self) -> Task:
        return self._queue[0]

    def run(self) -> None:
        task = self._queue.popleft()
        me = self.running = self._runtime.thread_id()
        try:
            task.run()
        finally:
            if self.running == me and not self._runtime.hangs(me):
                self._go_on()

    def abandon(self, ident: int) -> None:
        """Go on without step ``ident``, if that is the one which runs."""
        if self.running == ident:
            self._go_on()

    def _go_on(self) -> None:
        self.running = 0
        if self._queue:
            self._runtime.ready.append(self)
        self._end_if_done()

    def replace(self) -> None:
        ident = self.running
        if ident:
            self._runtime.zombies.setdefault(ident, self.name)
            self._runtime.abandon(ident)

    def close(self) -> None:
        self._closing = True
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._closing and not self._queue and not self.running:
            self._runtime.pinned.pop(self, None)


class Lock:
    """A mutex that says so instead of waiting: in one thread nobody else would ever release it.

    Two waits are no mistake: for a lock that one has taken oneself, for others to release (a bell), and for one that
    a step took which hangs. Both go on when somebody releases it, or hang.
    """

    __slots__ = ("_holder", "_runtime")

    def __init__(self, runtime: "SimulatedRuntime") -> None:
        self._runtime = runtime
        self._holder: int | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: ARG002 - as a mutex
        runtime = self._runtime
        if self._holder is None:
            self._holder = runtime.thread_id()
            return True
        if not blocking:
            return False
        me = runtime.thread_id()
        if not me or (self._holder != me and not runtime.hangs(self._holder)):
            raise runtime.blocking("acquire() of a lock that is held")
        runtime.wait_in_step(self._is_free)
        self._holder = me
        return True

    def _is_free(self) -> bool:
        return self._holder is None

    def release(self) -> None:
        if self._holder is None:
            raise RuntimeError("release of a lock that is not held")
        if not (self._holder and self._runtime.unwinds(self._holder)):
            self._holder = None

    def locked(self) -> bool:
        return self._holder is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
