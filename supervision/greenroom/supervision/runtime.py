"""The seam to time, threads, dice and ids: everything that is not a pure function of messages.

No module of greenroom but `_threads` touches the clock, a thread, a random number or an id by itself. That is what
lets the same actors run on real threads (`ThreadRuntime`) and under a seeded scheduler in virtual time
(`SimulatedRuntime`).
"""

import random
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Dispatcher(StrEnum):
    """Which threads run an actor."""

    POOL = "pool"
    """A few threads shared by all; for handlers that never block."""
    BLOCKING = "blocking"
    """A few more threads, shared, for foreign code that may block for a while: builds, files."""
    ELASTIC = "elastic"
    """A few threads shared by all such actors, and as many more as are in code that blocks: for foreign code that is
    quick as a rule, and may block or hang. One message at a time for each actor; not always on the same thread."""
    PINNED = "pinned"
    """A thread of its own, and always that: for foreign code that runs all the time, or is bound to its thread."""
    CALLER = "caller"
    """The pool, for handlers that neither block nor hang: whoever asks and would wait may always run the handler.

    Of an actor on the pool that rests (running, nothing in its mailbox), a thread that is no actor's and asks without a
    timeout runs that one handler itself, and so waits for no other thread; the main thread where the actor was quick the
    last time and Ctrl-C can be held back meanwhile. Here each thread does so, with a timeout too. The price is that

    - the ask's timeout does not interrupt the handler, nor does a fence: it revokes the incarnation, and the asker gets
      `ActorFenced` when the handler comes back;
    - handlers see the thread-locals of whoever asks;
    - what a signal's handler raises, as Ctrl-C does, strikes in the actor's handler: a ``KeyboardInterrupt`` there
      crashes the actor, and is raised to the asker too.

    Never by who runs an event loop, handles an error or is many calls deep, nor on the threads of the runtime, under a
    liveness budget, with recorded messages, or in a simulation.
    """


class Task(Protocol):
    """Something that can be run once per submission; never by two threads at a time of its own accord."""

    def run(self) -> None:
        """Do what is due. An exception from here is a bug of the machine, is logged, and harms nobody else."""
        ...


class Executor(Protocol):
    """Runs tasks in the order in which they were submitted (`ELASTIC`, `PINNED`) or on the next free thread."""

    def submit(self, task: Task) -> None:
        """Have ``task.run()`` called soon, on another thread. Never blocks; any thread may call it."""
        ...

    def submitting(self, tasks: Iterable[Task]) -> Iterator[None]:
        """Submit what is drawn from ``tasks``, as the result is drawn from; no signal's handler comes in between.

        The tasks of real threads are drawn and submitted in calls of C alone.
        """
        ...

    def close(self) -> None:
        """Let the thread end after what was submitted so far. A shared executor ignores it."""
        ...

    def replace(self) -> None:
        """Give up the thread that hangs in a task, and go on with another one. A shared executor ignores it."""
        ...


class Timer(Protocol):
    """A callback that will be called once, unless cancelled first."""

    def cancel(self) -> None:
        """Do not call it any more; harmless when it has been called."""
        ...


class Runtime(Protocol):
    """Time, threads, dice and ids."""

    @property
    def random(self) -> random.Random:
        """The dice. Simulated: seeded."""
        ...

    def now_ns(self) -> int:
        """Return monotonic time in nanoseconds. Simulated: virtual time."""
        ...

    @property
    def call_later(self) -> Callable[[int, Callable[[], None]], Timer]:
        """Call the second argument after the first, in ns, on the timer thread: it may only enqueue and return."""
        ...

    def undisturbed(self, function: Callable[[], T]) -> T:
        """Return ``function()``, called where no signal's handler (Ctrl-C) can come between its steps."""
        ...

    def executor(self, dispatcher: Dispatcher, name: str) -> Executor:
        """Return a shared executor, or a new one for `Dispatcher.ELASTIC` and `PINNED`; ``name`` names its thread."""
        ...

    def loop(self) -> Any:
        """Return the event loop of this runtime's own, for asyncio tasks; made when first needed."""
        ...

    @property
    def thread_id(self) -> Callable[[], int]:
        """Return a number that this thread has and no other that is alive. Simulated: one for each step."""
        ...

    def next_id(self) -> int:
        """Return 1, 2, 3 ...: unique within this runtime."""
        ...

    def lock(self) -> Any:
        """Return a mutex: a context manager with ``acquire(blocking=True)`` and ``release()``."""
        ...
