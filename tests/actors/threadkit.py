"""Real threads for the tests of the frame path: a worker, and an ear that several threads may talk to."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import cast

from tests.actors.lanekit import number_of

from greenroom.actors.frames import Frame
from greenroom.actors.processors import Reason
from greenroom.supervision.runtime import Runtime, Task

PATIENCE_S = 20


class Threads:
    """As much of a runtime as a host needs."""

    now_ns = staticmethod(time.monotonic_ns)
    lock = staticmethod(threading.Lock)


RUNTIME = cast("Runtime", Threads())


class Worker:
    """An executor with a thread."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def submit(self, task: Task) -> None:
        self._tasks.put(task)

    def submitting(self, tasks: Iterable[Task]) -> Iterator[None]:
        return map(self.submit, tasks)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task.run()

    def replace(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._tasks.put(None)


class Ear:
    """A receiver and tally that checks that it is called by one thread at a time."""

    def __init__(self, awaited: int) -> None:
        self.numbers: list[int] = []
        self.drops: list[int] = []
        self.awaited = awaited
        self.complete = threading.Event()
        self._inside = threading.Lock()
        self.clashes = 0

    def push(self, frames: Sequence[Frame]) -> None:
        if not self._inside.acquire(blocking=False):
            self.clashes += 1
            return
        self.numbers += [number_of(given) for given in frames]
        self._inside.release()
        self._look()

    def send(self, frame: Frame) -> None:
        self.push((frame,))

    def bypassed(self, reason: Reason, count: int) -> None: ...

    def dropped(self, frame: Frame, reason: Reason) -> None:
        self.drops.append(number_of(frame))
        self._look()

    def _look(self) -> None:
        if len(self.numbers) + len(self.drops) >= self.awaited:
            self.complete.set()
