"""The mailbox: two lanes, and the decision when a thread is needed.

Laws:
    - what was accepted is handled, answered, or counted as a dead letter: who puts looks at ``terminated`` before
      and after, and who ends it sets that first and buries what is there then;
    - the control lane is unbounded, comes first, and nothing in it is ever evicted;
    - the user lane is bounded; past the bound the policy decides: fail, block, drop oldest, drop newest.
      A stop is taken past the bound and is never evicted;
    - a mailbox is handed to its executor once, and again only after it ran dry: whoever gets ``idle`` submits it, in one
      step that no signal's handler can come between;
    - the way of a message that finds room waits for no lock, so that it may be sent anywhere: by a finalizer too
      that the garbage collector runs in the middle of this very module;
    - ``since_ns`` is never later than when the oldest message that waits came in: it is set only when a mailbox that
      was at rest is woken while nothing waits, and moved on by `turned`.
"""

from collections import deque
from itertools import compress
from typing import Any, Final

from pykka.messages import (
    _ActorStop,  # pyright: ignore[reportPrivateUsage]
)

from greenroom.supervision._future import Future, would_block
from greenroom.supervision._threads import current, current_task, new_lock, new_recursive_lock
from greenroom.supervision.errors import ActorFenced, MailboxFull
from greenroom.supervision.runtime import Executor
from greenroom.supervision.snapshot import FlightKind
from greenroom.supervision.spec import MailboxSpec, Overflow

DROPPED: Final = "dropped by the mailbox's overflow policy"
UNHANDLED: Final = "the actor ended before it was handled"
SLACK: Final = 64
"""So many messages below the bound the lock is taken, and the bound is exact: more than there are senders at once."""


_AT_ONCE: Final = (False,)
"""The argument of one ``acquire`` that does not wait."""


class Ask:
    """A message whose sender waits for an answer. Without ``reply`` its handler has taken the answer over."""

    __slots__ = ("message", "reply")

    def __init__(self, message: Any, reply: Future[Any]) -> None:
        self.message = message
        self.reply: Future[Any] | None = reply


def is_stop(item: Any) -> bool:
    """Whether an item is Pykka's request to stop after the messages that are there."""
    return type(item.message if type(item) is Ask else item) is _ActorStop


class Mailbox:
    """Both lanes of one actor."""

    __slots__ = (
        "control",
        "executor",
        "idle",
        "lock",
        "mark",
        "policy",
        "roomy",
        "since_ns",
        "system",
        "terminated",
        "user",
        "waiting",
        "zombies",
    )

    executor: Executor

    def __init__(self, system: Any, policy: MailboxSpec) -> None:
        # Re-entrant, because a finalizer may complete a future whose callback puts a control item in here.
        self.lock = new_recursive_lock()
        self.idle = new_lock()
        self.system = system
        self.zombies: dict[int, Any] = system.runtime.zombies
        self.policy = policy
        self.roomy = policy.capacity - SLACK
        self.user: deque[Any] | None = None
        self.control: deque[Any] | None = None
        self.waiting: deque[Future[None]] | None = None
        self.terminated = False
        self.since_ns = 0
        self.mark: tuple[int, int] | None = None
        """When a turn ended with messages left, and how many of those are left that were there then."""

    @property
    def path(self) -> str:
        """Where the actor stands in its tree."""
        raise NotImplementedError

    def run(self) -> None:
        """Handle what is due."""
        raise NotImplementedError

    def dead_letter(self, item: Any, why: str) -> None:
        """Account for a message that nobody will handle."""
        raise NotImplementedError

    def note(self, kind: FlightKind, detail: str = "", incarnation: int | None = None) -> None:
        """Have the flight recorder note that something has happened."""
        raise NotImplementedError

    def put(self, item: Any, timeout: float | None = None) -> bool:
        """Put a user message in; False if the actor is gone.

        Args:
            item: a message, or an `Ask`.
            timeout: seconds to wait for room, where the policy is to block.

        Raises:
            MailboxFull: it is full, and its policy is to fail.
            AskTimeout: no room within ``timeout``.
            BlockingInHandler: it is full, its policy is to block, and the sender must not block its thread.
            AskCycle: it is full, its policy is to block, and its actor waits for the sender, directly or not.
            ActorFenced: the sender has been given up, and its messages are refused.
        """
        if self.zombies:
            self.refuse_zombies()
        if self.terminated:
            return False
        user = self.user
        if user is None:
            user = self._open()
        if len(user) >= self.roomy:
            return self._squeeze(user, item, timeout)
        user.append(item)
        if not self.idle.locked():
            self._submit(1)
        if self.terminated:
            self.bury()
        return True

    def put_control(self, item: Any) -> bool:
        """Put a control item in; False if the actor is gone. Never waits for room, never fails."""
        with self.lock:  # between an `acquire` and its `try` a signal's handler could raise
            if self.terminated:
                return False
            lane = self.control
            (self.control_lane() if lane is None else lane).append(item)
        if not self.idle.locked():
            self._submit(0)
        return True

    def wake(self) -> None:
        """Have a thread look at the mailbox, unless one is about to."""
        if not self.idle.locked():
            self._submit(0)

    def _submit(self, own: int) -> None:
        """Hand the mailbox to its executor, unless that has been done.

        Whoever sends may be interrupted by a signal whose handler raises (Ctrl-C), between any two calls. So to get
        ``idle`` and to submit is one call there, made of C alone: else the mailbox could stay taken, and nobody run it.
        No signal's handler runs on the runtime's own threads, which have the short way.

        Args:
            own: how many of the messages that wait are the caller's.
        """
        runtime = self.system.runtime
        now_ns = runtime.now_ns()
        first = len(self.user or ()) == own
        if runtime.thread_id() in runtime.own:
            if self.idle.acquire(False):
                if first:
                    self.since_ns = now_ns
                    self.mark = None
                self.executor.submit(self)
            return
        taken = map(self.idle.acquire, _AT_ONCE)
        for _ in self.executor.submitting(compress((self,), taken)):
            if first:
                self.since_ns = now_ns
                self.mark = None

    def turned(self, handled: int) -> None:
        """Note that a turn of ``handled`` messages has ended with messages left: those that came first are gone."""
        at_ns, left = self.mark or (self.since_ns, 0)
        if left > handled:
            self.mark = (at_ns, left - handled)
        else:
            self.since_ns = at_ns
            self.mark = (self.system.runtime.now_ns(), len(self.user or ()))

    def oldest_ns(self) -> tuple[int, bool] | None:
        """Return since when the oldest user message has waited, and whether that is exact; None if there is none."""
        user = self.user
        return (self.since_ns, False) if user else None

    def control_lane(self) -> deque[Any]:
        """Return the control lane; it is there while there is something in it, or children are. Under the lock."""
        if self.control is None:
            lane: deque[Any] = deque()  # a finalizer may run in this call, and be first
            if self.control is None:
                self.control = lane
        return self.control

    def _open(self) -> deque[Any]:
        lane: deque[Any] = deque()
        with self.lock:
            if self.user is None:
                self.user = lane
            return self.user

    def _squeeze(self, user: deque[Any], item: Any, timeout: float | None) -> bool:
        """Put a message into a lane that is full, or nearly so."""
        evicted = None
        while True:
            gate = None
            with self.lock:
                if self.terminated:
                    return False
                if len(user) < self.policy.capacity or is_stop(item):
                    user.append(item)
                else:
                    evicted, gate = self._overflow(user, item)
            if gate is None:
                break
            self._wait_for_room(gate, timeout)
        self.wake()
        if evicted is not None:
            self.dead_letter(evicted, DROPPED)
        return True

    def _overflow(self, user: deque[Any], item: Any) -> tuple[Any, Future[None] | None]:
        """Decide for a full lane, under the lock: what is evicted, and what to wait for."""
        self.note(FlightKind.OVERFLOW, self.policy.overflow.value)
        match self.policy.overflow:
            case Overflow.DROP_OLDEST:
                if is_stop(user[0]):  # nothing behind a stop will be handled by this incarnation anyway
                    return item, None
                user.append(item)
                return user.popleft(), None
            case Overflow.DROP_NEWEST:
                return item, None
            case Overflow.FAIL:
                raise MailboxFull(self.path, self.policy.capacity)
            case Overflow.BLOCK:
                cell = current.cell
                if cell is not None and not cell.may_block:
                    raise would_block(cell, f"tell to {self.path!r}, whose full mailbox blocks")
                gate: Future[None] = Future(self.system.runtime, self)
                if self.waiting is None:
                    self.waiting = deque()
                self.waiting.append(gate)
                return None, gate

    def _wait_for_room(self, gate: Future[None], timeout: float | None) -> None:
        try:
            gate.get(timeout=timeout)
            if self.zombies:
                self.refuse_zombies()
        except BaseException:
            with self.lock:
                if self.waiting is not None and gate in self.waiting:
                    self.waiting.remove(gate)
                else:
                    self.release_waiting()  # it had been given the room: somebody else may have it
            raise

    def release_waiting(self, *, everybody: bool = False) -> None:
        """Let one blocked sender try again (or all, at the end); under the lock."""
        while self.waiting:
            self.waiting.popleft().try_set(None)
            if not everybody:
                return

    def refuse_zombies(self) -> None:
        """Raise `ActorFenced` in a thread, or in an asyncio task, that has been given up."""
        task = current_task.get()
        if task is not None and task.given_up:
            raise ActorFenced(task.path)
        if self.system.runtime.thread_id() in self.zombies:
            cell = current.cell
            raise ActorFenced("the sender" if cell is None else cell.path)

    def bury(self) -> None:
        """Make dead letters of what is left. Several threads may: each message is taken by one of them."""
        user = self.user
        while user:
            try:
                item = user.popleft()
            except IndexError:
                return
            self.dead_letter(item, UNHANDLED)

    def depth(self) -> int:
        """How many user messages wait."""
        return len(self.user or ())
