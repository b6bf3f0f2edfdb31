"""A crew: a few real threads that take turns with many actors, and as many more as are in code that blocks.

Laws:
    1. One member is run by one thread at a time, and its tasks in the order in which they were submitted.
    2. While tasks block, another thread takes what comes, unless each member has a thread already: if none is idle for
       `GROW_NS`, there is one more. At once would be too soon: where all is quick, a thread that is being started, and
       so holds up who starts it, would make the next one seem to be needed.
    3. What is submitted while a thread is awake wakes at most one more: forty frames that arrive together cost two
       wake-ups, not forty.
    4. Whoever takes a member out of ``_running`` owns it: the thread that ran it, or who gives that thread up.

To submit is to put a task into the member's backlog, and then the member into the crew's queue: both are calls of C, so
that `submitting` lets no signal's handler come between. A member may stand in the queue more often than it has tasks.
"""

import queue
import threading  # noqa: TID251 - of the modules that own real threads
import time  # noqa: TID251 - as above
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, Final

from greenroom.supervision import _forking
from greenroom.supervision._log import log_bug
from greenroom.supervision._pool import Owner, Threads, run_now
from greenroom.supervision.runtime import Dispatcher, Task, Timer

GROW_NS: Final = 1_000_000
SPARE: Final = 1
SPARE_NS: Final = 1_000_000_000
"""One thread ends when each that was woken for so long has left more than `SPARE` idle."""


class Member:
    """The executor of one actor whose code any thread of the crew may run."""

    __slots__ = ("_backlog", "_crew", "_free", "name", "put")

    def __init__(self, crew: "Crew", name: str, put: Callable[..., None]) -> None:
        self._crew = crew
        self.name = name
        self._backlog: deque[Task] = deque()
        self._free = [None]
        self.put = put

    def submit(self, task: Task) -> None:
        """Have ``task`` run after those that were submitted before."""
        self._backlog.append(task)
        self.put(self)

    def submitting(self, tasks: Iterable[Task]) -> Iterator[None]:
        """Submit what is drawn from ``tasks``, as the result is drawn from."""
        return map(self.put, repeat(self), map(self._backlog.append, tasks))

    def close(self) -> None:
        """Leave the crew after what was submitted so far."""
        self.submit(_Leaving(self._crew, self))

    def replace(self) -> None:
        """Give up the thread that runs a task of this member, if one does."""
        self._crew.replace(self)

    # The crew's threads.

    def claim(self) -> bool:
        """Become the one who runs its tasks, if nobody is."""
        try:
            self._free.pop()
        except IndexError:
            return False
        return True

    def release(self) -> None:
        """Let others run what is left."""
        self._free.append(None)
        if self._backlog:  # who came meanwhile has found it claimed, and gone
            self.put(self)

    def take(self) -> Task | None:
        """Take the next task, if there is one."""
        try:
            return self._backlog.popleft()
        except IndexError:
            return None


class _Leaving:
    """A member's last task."""

    __slots__ = ("_crew", "_member")

    def __init__(self, crew: "Crew", member: Member) -> None:
        self._crew = crew
        self._member = member

    def run(self) -> None:
        self._crew.left(self._member)


class _Growing:
    """Adds a thread, where it holds up no timer."""

    __slots__ = ("run",)

    def __init__(self, crew: "Crew") -> None:
        self.run = crew.grow


class _End:
    """Ends the thread that draws it, if it is not needed."""


_END: Final = _End()


def _run_here(member: Member, *_: Any) -> None:
    """Stand in for the queue of a closed crew."""
    while (task := member.take()) is not None:
        run_now(task)


class Crew(Threads):
    """The threads, and the members that they run."""

    def __init__(self, runtime: Owner) -> None:
        super().__init__("crew", runtime)
        self._queue: queue.SimpleQueue[Member | _End | None] = queue.SimpleQueue()
        self.members: dict[Member, None] = {}
        self._running: dict[int, Member] = {}
        self._idle: dict[int, None] = {}
        self._called = False
        """Whether a thread was called that has not come yet."""
        self._growth: Timer | None = None
        self._grower = _Growing(self)
        self._scarce_ns = 0
        """When a thread was last woken that left no more than `SPARE` idle."""
        self._put: Callable[..., None] = self._queue.put

    def enrol(self, name: str) -> Member:
        """Return the executor of one more member. A thread that is given up in its code is called by its ``name``."""
        with self._lock:
            member = Member(self, name, self._put)
            self.members[member] = None
            if len(self._threads) < min(len(self.members), 2) and not self._closed:
                self._add_thread()
        self._see_to_the_rest()
        return member

    def left(self, member: Member) -> None:
        """Go on without a member."""
        with self._lock:
            self.members.pop(member, None)
            if len(self._threads) > len(self.members):
                self._queue.put(_END)
            if self._growth is not None and not self._may_grow():
                self._growth.cancel()
                self._growth = None

    def _work(self) -> None:
        me = threading.get_ident()
        running, zombies = self._running, self._runtime.zombies
        while (member := self._next(me)) is not None:
            task = member.take()
            if task is not None:
                running[me] = member
                try:
                    task.run()
                except BaseException as error:  # noqa: BLE001 - a bug of the machine must not cost the crew a thread
                    log_bug("runtime.task_failed", error)
                given_up = running.pop(me, None) is None
                if given_up or (zombies and me in zombies):
                    self._was_replaced(me)
                    if given_up:
                        return
            member.release()
            member = task = None  # nothing is kept by a thread that waits

    def _next(self, me: int) -> Member | None:
        """Return a member that this thread has claimed, or None if it is to end."""
        while True:
            try:
                found = self._queue.get_nowait()
            except queue.Empty:
                found = self._await(me)
            if isinstance(found, Member):
                if found.claim():
                    self._see_to_the_rest()
                    return found
            elif found is None:
                self._called = False
            elif self._may_end(me):
                return None
            found = None

    def _await(self, me: int) -> Member | _End | None:
        """Wait until there is something. Who returns from here looks after what else is there, so nobody need be called."""
        idle = self._idle
        idle[me] = None
        found = self._queue.get()
        del idle[me]
        self._called = False
        now_ns = time.monotonic_ns()
        if len(idle) <= SPARE:
            self._scarce_ns = now_ns
        elif now_ns - self._scarce_ns > SPARE_NS:
            self._scarce_ns = now_ns
            self._queue.put(_END)
        return found

    def _see_to_the_rest(self) -> None:
        """Call another thread if something waits; have one more soon if there is none to come for what may be next."""
        if not self._idle:
            if self._growth is None and self._may_grow():
                self._growth = self._runtime.call_later(GROW_NS, self._grow_soon)
        elif not self._called and self._queue.qsize():
            self._called = True
            self._queue.put(None)

    def _may_grow(self) -> bool:
        return len(self._threads) < len(self.members) and not self._closed

    def _grow_soon(self) -> None:
        """The time is over; on the timer thread, which starts no thread itself."""
        self._runtime.executor(Dispatcher.POOL, "").submit(self._grower)

    def grow(self) -> None:
        """Add a thread if none is idle."""
        with self._lock:
            self._growth = None
            if self._may_grow() and not self._idle:
                self._add_thread()

    def _may_end(self, me: int) -> bool:
        with self._lock:
            may = self._closed or bool(self._idle) or len(self._threads) > len(self.members)
            if may:
                self._threads.pop(me, None)
        return may

    def _give_up(self, ident: int, thread: threading.Thread) -> None:
        member = self._running.pop(ident, None)
        if member is None:  # its task has returned meanwhile
            return
        self._runtime.zombies[ident] = thread
        del self._threads[ident]
        self._replaced.add(ident)
        thread.name = thread.name.replace(self._name, member.name, 1)
        if not self._closed and not self._idle:
            self._add_thread()
        member.release()

    def replace(self, member: Member) -> None:
        """Give up the thread that runs a task of ``member``, if one does."""
        with self._lock:
            for ident, running in self._running.copy().items():
                if running is member and ident in self._threads:
                    self._give_up(ident, self._threads[ident])

    def close(self) -> None:
        """Have the threads end after what was submitted so far."""
        with self._lock:
            self._closed = True
            for _ in self._threads:
                self._queue.put(_END)

    def drain(self) -> None:
        """Run what is left over, in the calling thread: nobody's last message is lost."""
        with self._lock:
            self._put = _run_here
            members = list(self.members)
        for member in members:
            member.put = _run_here
            _run_here(member)
        for _ in self.threads():  # one that hangs finds its end when it comes back
            self._queue.put(_END)

    def was_forked(self) -> None:
        """Refuse all that is submitted."""
        self._lock = threading.RLock()
        self._closed = True
        self._put = _forking.refuse
        for member in self.members:
            member.put = _forking.refuse
