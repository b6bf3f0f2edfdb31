"""The mailbox: two lanes, one lock, and the decision when a thread is needed.

Laws:
    - what was accepted is handled, answered, or counted as a dead letter: a put and the end of the mailbox
      exclude each other by the lock;
    - the control lane is unbounded, comes first, and nothing in it is ever evicted;
    - the user lane is bounded; past the bound the policy decides: fail, block, drop oldest, drop newest;
    - a mailbox is handed to its executor once, and again only after it ran dry (``scheduled``).
"""

from collections import deque
from typing import Any, Final

from greenroom.supervision._future import Future
from greenroom.supervision._threads import current, new_lock, thread_id
from greenroom.supervision.errors import ActorFenced, BlockingInHandler, MailboxFull
from greenroom.supervision.runtime import Executor
from greenroom.supervision.spec import MailboxSpec, Overflow

DROPPED: Final = "dropped by the mailbox's overflow policy"


class Ask:
    """A message whose sender waits for an answer."""

    __slots__ = ("message", "reply")

    def __init__(self, message: Any, reply: Future[Any]) -> None:
        self.message = message
        self.reply = reply


class Mailbox:
    """Both lanes of one actor. `Cell` adds the life."""

    __slots__ = (
        "control",
        "epoch",
        "executor",
        "lock",
        "policy",
        "scheduled",
        "system",
        "terminated",
        "thread",
        "user",
        "waiting",
    )

    system: Any
    executor: Executor

    def __init__(self, policy: MailboxSpec) -> None:
        self.lock = new_lock()
        self.policy = policy
        self.user: deque[Any] | None = None
        self.control: deque[Any] | None = None
        self.waiting: deque[Any] | None = None
        self.scheduled = False
        self.terminated = False
        self.epoch = 0
        self.thread = 0

    def run(self) -> None:
        """Handle what is due; `Cell` knows how."""
        raise NotImplementedError

    def dead_letter(self, item: Any, why: str) -> None:
        """Account for a message that nobody will handle."""
        raise NotImplementedError

    def put(self, item: Any) -> bool:  # noqa: C901 - one decision under one lock
        """Put a user message in; False if the actor is gone.

        Raises:
            MailboxFull: it is full, and its policy is to fail.
            BlockingInHandler: it is full, its policy is to block, and the sender must not block its thread.
            ActorFenced: the sender has been given up, and its messages are refused.
        """
        self._refuse_zombies()
        while True:
            evicted = gate = None
            with self.lock:
                if self.terminated:
                    return False
                if self.user is None:
                    self.user = deque()
                if len(self.user) >= self.policy.capacity:
                    evicted, gate = self._overflow(item)
                if gate is None:
                    if evicted is not item:
                        self.user.append(item)
                    if self.scheduled:
                        wake = False
                    else:
                        wake = self.scheduled = True
            if gate is None:
                break
            gate.acquire()
        if wake:
            self.executor.submit(self)
        if evicted is not None:
            self.dead_letter(evicted, DROPPED)
        return True

    def _overflow(self, item: Any) -> tuple[Any, Any]:
        """Decide for a full lane, under the lock: what is evicted, and what to wait for."""
        assert self.user is not None
        match self.policy.overflow:
            case Overflow.DROP_OLDEST:
                return self.user.popleft(), None
            case Overflow.DROP_NEWEST:
                return item, None
            case Overflow.FAIL:
                raise MailboxFull(self.path, self.policy.capacity)
            case Overflow.BLOCK:
                cell = current.cell
                if cell is not None and not cell.may_block:
                    raise BlockingInHandler(cell.path, f"tell to {self.path!r}, whose full mailbox blocks")
                gate = new_lock()
                gate.acquire()
                if self.waiting is None:
                    self.waiting = deque()
                self.waiting.append(gate)
                return None, gate

    def put_control(self, item: Any) -> bool:
        """Put a control item in; False if the actor is gone. Never blocks, never fails."""
        with self.lock:
            if self.terminated:
                return False
            if self.control is None:
                self.control = deque()
            self.control.append(item)
            if self.scheduled:
                return True
            self.scheduled = True
        self.executor.submit(self)
        return True

    def _refuse_zombies(self) -> None:
        zombies = self.system.runtime.zombies
        if zombies and thread_id() in zombies:
            raise ActorFenced("the sender")

    def release_waiting(self, *, everybody: bool = False) -> None:
        """Let one blocked sender try again (or all, at the end); under the lock."""
        while self.waiting:
            self.waiting.popleft().release()
            if not everybody:
                return

    def depth(self) -> int:
        """How many user messages wait."""
        return len(self.user or ())

    @property
    def path(self) -> str:
        """Where the actor stands in its tree."""
        raise NotImplementedError
