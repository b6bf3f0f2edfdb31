"""A crew: a few real threads that take turns with many actors, and as many more as are in code that blocks.

One thread is *on duty*, and alone waits for what is submitted; the others stand by until they are called. So what comes
while that one runs wakes nobody: with all of them waiting, each such submission would wake one more, which would find
nothing left to do, or fight for the interpreter's lock.

Laws:
    1. One member is run by one thread at a time, and its tasks in the order in which they were submitted.
    2. While tasks block, another thread takes what comes, unless each member has a thread already: if none is free for
       `GROW_NS`, there is one more. At once would be too soon: where all is quick, a thread that is being started, and
       so holds up who starts it, would make the next one seem to be needed.
    3. Who was on duty and runs what it found calls one that stands by: before it runs a member that is not known to be
       quick, when there has been more than it could do for `RUN_NS`, and when it ends. Who was called looks after all
       that is there, and goes on duty if nobody is. So what is quick wakes one thread, however much of it arrives; and
       what is slow holds up nobody.
    4. One that was quick and is not is found by a watch: it looks every `WATCH_NS` while anything is done, or nobody is on
       duty, and if something waits then, one that stands by is called. To be timed costs something, so who is quick
       and comes alone is not.
    5. Whoever takes a member out of its thread's place in ``_running`` owns it: that thread, or who gives it up.

To submit is to put a task into the member's backlog, and then the member into the crew's queue: both are calls of C, so
that `submitting` lets no signal's handler come between. A member may stand in the queue more often than it has tasks.
"""

import queue
import threading  # noqa: TID251 - of the modules that own real threads
import time  # noqa: TID251 - as above
from collections.abc import Callable
from typing import Any, Final

from greenroom.supervision import _forking
from greenroom.supervision._log import log_bug
from greenroom.supervision._member import PROOF, Member, run_here
from greenroom.supervision._pool import Owner, Threads
from greenroom.supervision.runtime import Dispatcher, Timer

_now_ns: Final = time.monotonic_ns
WATCH_NS: Final = 20_000_000
LOOKS: Final = 50
"""The watch ends when it has seen nothing so often: to set it anew wakes the timer thread, just when there is something to do."""
GROW_NS: Final = 1_000_000
RUN_NS: Final = 2_000_000
SLOW_NS: Final = 5_000_000
"""What took as long was not quick. It is more than a thread waits for the interpreter's lock, as a rule: that is no fault of the task's."""
SPARE: Final = 1
SPARE_NS: Final = 1_000_000_000
"""One thread ends when whoever was woken for so long has left more than `SPARE` standing by."""


class _Growing:
    """Adds a thread, where it holds up no timer."""

    __slots__ = ("run",)

    def __init__(self, crew: "Crew") -> None:
        self.run = crew.grow


class _Word:
    """What a thread may draw instead of something to do."""

    __slots__ = ()


_CALL: Final = _Word()
"""Has one that stands by look what there is to do."""
_END: Final = _Word()
"""Ends the thread that draws it, if it is not needed."""


class Crew(Threads):
    """The threads, and the members that they run."""

    def __init__(self, runtime: Owner) -> None:
        super().__init__("crew", runtime)
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._duty: list[None] = [None]
        """Empty while somebody waits for what is submitted."""
        self._standby: list[int] = []
        """As many as stand by."""
        self._calls: queue.SimpleQueue[_Word] = queue.SimpleQueue()
        """What those wait for."""
        self._called = False
        """Whether one was called that has not come yet."""
        self._active = False
        """Whether a thread on duty was woken since the watch looked last. Where it is true, the watch is set."""
        self._off: list[None] = [None]
        """Empty while the watch is set: whoever takes what is in there sets it."""
        self._quiet = 0
        """How often the watch has looked since anything was done."""
        self.members: dict[Member, None] = {}
        self._running: dict[int, list[Member]] = {}
        """For each thread a place for the member that it runs; who takes it out of there owns it."""
        self._suspects: set[Member] = set()
        """Those that were being run when the watch looked last."""
        self._growth: Timer | None = None
        self._asked_ns = 0
        """When that timer was asked for. It comes a `GROW_NS` later, so until then nobody need ask again."""
        self._grower = _Growing(self)
        self._plenty_ns = 0
        """Since when whoever was woken has left more than `SPARE` standing by; 0 if the last one has not."""
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
        if self._short and not self._is_any_free():
            self._ask_for_more(_now_ns())
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
        zombies, duty = self._runtime.zombies, self._duty
        waiting, get, get_nowait, clock = self._queue.qsize, self._queue.get, self._queue.get_nowait, _now_ns
        running = self._running.setdefault(me, [])
        began_ns = timed_ns = 0
        while True:
            if timed_ns and waiting():  # who was not timed has found nothing else
                try:
                    found = get_nowait()
                except queue.Empty:
                    continue
            else:
                began_ns = 0
                try:
                    duty.pop()
                except IndexError:
                    if self._stand_by(me) is _END and self._may_end(me):
                        return
                    continue
                found = get()
                duty.append(None)
                if not self._active:
                    self._set_watch()
            try:
                found.free.pop()
            except IndexError:
                continue  # somebody has claimed it, who looks at its backlog again
            except AttributeError:  # it is a word
                if self._may_end(me):
                    return
                continue
            timed_ns = clock() if found.doubt or waiting() else 0
            if timed_ns:
                began_ns = began_ns or timed_ns
                if duty:  # nobody waits for what comes
                    self._ask_for_help(found, timed_ns, began_ns)
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
            if timed_ns:
                found.note(quick=clock() - timed_ns < SLOW_NS)
            found.free.append(None)
            if found.backlog:  # who came meanwhile has found it claimed, and gone
                self._queue.put(found)
            found = task = None  # nothing is kept by a thread that waits

    def _ask_for_help(self, found: Member, at_ns: int, began_ns: int) -> None:
        """Call somebody, if this member or all that there is should not be waited for; or have one thread more soon."""
        if not self._standby:
            if self._short:
                self._ask_for_more(at_ns)
        elif not self._called and (found.doubt or at_ns - began_ns >= RUN_NS):
            self._call()

    def _is_any_free(self) -> bool:
        return not self._duty or bool(self._standby)

    def _stand_by(self, me: int) -> _Word:
        """Wait until called; return the word."""
        self._standby.append(me)
        word = self._calls.get()
        self._standby.pop()
        self._called = False  # who comes looks after all that is there
        return word

    def _call(self) -> None:
        """Call one that stands by."""
        self._called = True
        self._calls.put(_CALL)

    def _set_watch(self) -> None:
        """Have somebody look whether what comes is done."""
        self._active = True
        if len(self._standby) > SPARE:
            self._retire()
        else:
            self._plenty_ns = 0
        try:
            self._off.pop()
        except IndexError:
            return
        self._runtime.look_later(WATCH_NS, self._look)

    def _look(self) -> None:
        """See to what waits; on the timer thread."""
        self._quiet = 0 if self._active else self._quiet + 1
        self._active = False
        running = {member for place in list(self._running.values()) for member in place[:1]}
        for member in running & self._suspects:
            member.doubt = PROOF
        self._suspects = running
        waiting = self._queue.qsize()
        if waiting and self._standby:
            self._call()
        elif waiting and self._short:
            self._grow_soon()
        if waiting or self._quiet < LOOKS or (self._duty and self.members and (self._standby or self._short)):
            if not self._closed:
                self._runtime.look_later(WATCH_NS, self._look)
            return
        self._off.append(None)
        if self._active:  # somebody has come, and found the watch set
            self._set_watch()

    def _retire(self) -> None:
        """Have one thread end if there have been too many for a while."""
        at_ns = _now_ns()
        if not self._plenty_ns:
            self._plenty_ns = at_ns
        elif at_ns - self._plenty_ns >= SPARE_NS:
            self._plenty_ns = at_ns
            self._calls.put(_END)

    def _ask_for_more(self, at_ns: int) -> None:
        """Have one thread more soon, if none is free then. Whoever does may be held up after any step of this."""
        if at_ns - self._asked_ns >= GROW_NS:
            self._asked_ns = at_ns
            self._growth = self._runtime.call_later(GROW_NS, self._grow_soon)

    def _grow_soon(self) -> None:
        """The time is over; on the timer thread, which starts no thread itself."""
        self._runtime.executor(Dispatcher.POOL, "").submit(self._grower)

    def grow(self) -> None:
        """Add a thread if none is free."""
        with self._lock:
            if self._short and not self._is_any_free():
                self.add_thread()

    def _note(self, thread: threading.Thread) -> None:
        super()._note(thread)
        self._count()

    def _count(self) -> None:
        """Note whether there may be more threads. Under the lock."""
        self._short = len(self._threads) < len(self.members) and not self._closed

    def _may_end(self, me: int) -> bool:
        with self._lock:
            may = self._closed or self._is_any_free() or len(self._threads) > len(self.members)
            if may:
                self._threads.pop(me, None)
                del self._running[me]
                self._count()
                if self._duty and self._standby:
                    self._call()
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
        if self._standby:
            self._call()
        elif self._short and not self._is_any_free():
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
                self._calls.put(_CALL)
                for member in self._running.get(ident, ()):
                    self._name_after(thread, member)  # it is in foreign code, perhaps for ever

    def drain(self) -> None:
        """Run what is left over, in the calling thread: nobody's last message is lost."""
        with self._lock:
            self._put = run_here
            members = list(self.members)
        for member in members:
            member.put = run_here
            run_here(member)
        for _ in self.threads():  # one that hangs finds its end when it comes back
            self._queue.put(_END)

    def was_forked(self) -> None:
        """Refuse all that is submitted."""
        self._lock = threading.RLock()
        self._closed = True
        self._put = _forking.refuse
        for member in self.members:
            member.put = _forking.refuse
