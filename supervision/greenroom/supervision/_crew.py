"""A crew: a few real threads that take turns with many actors, and as many more as are in code that blocks.

Laws:
    1. One member is run by one thread at a time, and its tasks in the order in which they were submitted.
    2. While tasks block, another thread takes what comes, unless each member has a thread already: if none is idle for
       `GROW_NS`, there is one more. At once would be too soon: where all is quick, a thread that is being started, and
       so holds up who starts it, would make the next one seem to be needed.
    3. What is submitted while a thread is awake wakes at most one more: forty frames that arrive together cost two
       wake-ups, not forty.
    4. Whoever takes a member out of its thread's place in ``_running`` owns it: that thread, or who gives it up.

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

    __slots__ = ("_crew", "backlog", "free", "name", "put")

    def __init__(self, crew: "Crew", name: str, put: Callable[..., None]) -> None:
        self._crew = crew
        self.name = name
        self.backlog: deque[Task] = deque()
        self.free = [None]
        self.put = put

    def submit(self, task: Task) -> None:
        """Have ``task`` run after those that were submitted before."""
        self.backlog.append(task)
        self.put(self)

    def submitting(self, tasks: Iterable[Task]) -> Iterator[None]:
        """Submit what is drawn from ``tasks``, as the result is drawn from."""
        return map(self.put, repeat(self), map(self.backlog.append, tasks))

    def close(self) -> None:
        """Leave the crew after what was submitted so far."""
        self.submit(_Leaving(self._crew, self))

    def replace(self) -> None:
        """Give up the thread that runs a task of this member, if one does."""
        self._crew.replace(self)

    def release(self) -> None:
        """Let others run what is left: whoever has claimed it by taking what is in ``free``."""
        self.free.append(None)
        if self.backlog:  # who came meanwhile has found it claimed, and gone
            self.put(self)


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


class _Word:
    """What a thread may draw from the queue instead of a member."""

    __slots__ = ()


_CALL: Final = _Word()
"""Wakes a thread, to look after all that is there."""
_END: Final = _Word()
"""Ends the thread that draws it, if it is not needed."""


def _run_here(member: Member, *_: Any) -> None:
    """Stand in for the queue of a closed crew."""
    while True:
        try:
            task = member.backlog.popleft()
        except IndexError:
            return
        run_now(task)


class Crew(Threads):
    """The threads, and the members that they run."""

    def __init__(self, runtime: Owner) -> None:
        super().__init__("crew", runtime)
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.members: dict[Member, None] = {}
        self._running: dict[int, list[Member]] = {}
        """For each thread a place for the member that it runs; who takes it out of there owns it."""
        self._idle: list[int] = []
        """As many as wait for something."""
        self._called = False
        """Whether a thread was called that has not come yet."""
        self._growth: Timer | None = None
        self._asked_ns = 0
        """When that timer was asked for. It comes a `GROW_NS` later, so until then nobody need ask again."""
        self._grower = _Growing(self)
        self._plenty_ns = 0
        """Since when each thread that was woken has left more than `SPARE` idle; 0 if the last one has not."""
        self._short = False
        """Whether there are fewer threads than members."""
        self._put: Callable[..., None] = self._queue.put

    def enrol(self, name: str) -> Member:
        """Return the executor of one more member. A thread that is given up in its code is called by its ``name``."""
        with self._lock:
            member = Member(self, name, self._put)
            self.members[member] = None
            self._count()
            if self._short and len(self._threads) <= SPARE:
                self.add_thread()
        if self._short and not self._idle:
            self._ask_for_more()
        return member

    def left(self, member: Member) -> None:
        """Go on without a member."""
        with self._lock:
            self.members.pop(member, None)
            self._count()
            if len(self._threads) > len(self.members):
                self._queue.put(_END)
            if self._growth is not None and not self._short:
                self._asked_ns = 0  # first: who asks next sets another timer
                self._growth.cancel()
                self._growth = None

    def _work(self) -> None:  # noqa: C901, PLR0912, PLR0915 - written out: calls are what it costs more than a bare queue
        me = threading.get_ident()
        zombies, idle = self._runtime.zombies, self._idle
        waiting, get, get_nowait = self._queue.qsize, self._queue.get, self._queue.get_nowait
        running: list[Member] = []
        self._running[me] = running
        while True:
            if waiting():
                try:
                    found = get_nowait()
                except queue.Empty:
                    continue
            else:
                idle.append(me)
                found = get()
                idle.pop()
                self._called = False  # who was woken looks after all that is there
                if len(idle) > SPARE:
                    self._retire()
                else:
                    self._plenty_ns = 0
            try:
                found.free.pop()
            except IndexError:
                continue
            except AttributeError:
                if found is _CALL:
                    self._called = False
                elif self._may_end(me):
                    return
                continue
            if not idle:
                if self._short:
                    self._ask_for_more()
            elif waiting() and not self._called:
                self._called = True
                self._queue.put(_CALL)
            try:
                task = found.backlog.popleft()
            except IndexError:
                found.release()
                continue
            running.append(found)
            try:
                task.run()
            except BaseException as error:  # noqa: BLE001 - a bug of the machine must not cost the crew a thread
                log_bug("runtime.task_failed", error)
            if zombies and me in zombies:
                self._was_replaced(me)
            try:
                running.pop()
            except IndexError:
                self._was_replaced(me)
                return
            found.free.append(None)
            if found.backlog:  # who came meanwhile has found it claimed, and gone
                self._queue.put(found)
            found = task = None  # nothing is kept by a thread that waits

    def _retire(self) -> None:
        """Have one thread end if there have been too many for a while."""
        now_ns = time.monotonic_ns()
        if not self._plenty_ns:
            self._plenty_ns = now_ns
        elif now_ns - self._plenty_ns >= SPARE_NS:
            self._plenty_ns = now_ns
            self._queue.put(_END)

    def _ask_for_more(self) -> None:
        """Have one thread more soon, if none is idle then. Whoever does may be held up after any step of this."""
        now_ns = time.monotonic_ns()
        if now_ns - self._asked_ns >= GROW_NS:
            self._asked_ns = now_ns
            self._growth = self._runtime.call_later(GROW_NS, self._grow_soon)

    def _grow_soon(self) -> None:
        """The time is over; on the timer thread, which starts no thread itself."""
        self._runtime.executor(Dispatcher.POOL, "").submit(self._grower)

    def grow(self) -> None:
        """Add a thread if none is idle."""
        with self._lock:
            if self._short and not self._idle:
                self.add_thread()

    def _note(self, thread: threading.Thread) -> None:
        super()._note(thread)
        self._count()

    def _count(self) -> None:
        """Note whether there may be more threads. Under the lock."""
        self._short = len(self._threads) < len(self.members) and not self._closed

    def _may_end(self, me: int) -> bool:
        with self._lock:
            may = self._closed or bool(self._idle) or len(self._threads) > len(self.members)
            if may:
                self._threads.pop(me, None)
                del self._running[me]
                self._count()
        return may

    def _give_up(self, ident: int, thread: threading.Thread) -> None:
        try:
            member = self._running[ident].pop()
        except IndexError:  # its task has returned meanwhile
            return
        self._runtime.zombies[ident] = thread
        del self._threads[ident], self._running[ident]
        self._replaced.add(ident)
        self._name_after(thread, member)
        self._count()
        if self._short and not self._idle:
            self.add_thread()
        member.release()

    def _name_after(self, thread: threading.Thread, member: Member) -> None:
        thread.name = thread.name.replace(self._name, member.name, 1)

    def replace(self, member: Member) -> None:
        """Give up the thread that runs a task of ``member``, if one does."""
        with self._lock:
            for ident, running in self._running.copy().items():
                if running == [member]:
                    self._give_up(ident, self._threads[ident])

    def close(self) -> None:
        """Have the threads end after what was submitted so far."""
        with self._lock:
            self._closed = True
            self._count()
            for ident, thread in self._threads.items():
                self._queue.put(_END)
                for member in self._running.get(ident, ()):
                    self._name_after(thread, member)  # it is in foreign code, perhaps for ever

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
