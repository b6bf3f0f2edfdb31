"""The cell of an asyncio task. The task runs on its event loop; its cell runs on the pool, as every actor's does.

So a loop that is blocked, or closed, stops nobody but its own tasks: their budgets run out, they are fenced, and
their supervisor goes on. Between the two sides there are only messages: ``call_soon_threadsafe`` one way, the
control lane the other.

Laws:
    - the mailbox belongs to the cell: bounded, kept over restarts. The task takes letters out of it when it likes;
    - an ordered stop cancels the task once, and it is over when the task is; a fence cancels it too, and does not wait;
    - a task that ended by itself before the cancellation reached it keeps its own cause;
    - a stop that is queued (``ref.stop()``) comes after the letters before it if the task reads letters, else at once.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

from greenroom.supervision._cell import Cell
from greenroom.supervision._incarnation import Incarnation
from greenroom.supervision._mailbox import Ask, is_stop
from greenroom.supervision._place import DOWN, ENDED, RUNNING, STARTING, STOPPING
from greenroom.supervision._restart import Crashed, FailedToStart, Normal, Shutdown
from greenroom.supervision._superseded import SupersededError
from greenroom.supervision._task_errors import LoopClosed
from greenroom.supervision.errors import ActorEnding
from greenroom.supervision.signals import IGNORE


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended.

    Attributes:
        result: what it returned; a `Shutdown` is its cause, `IGNORE` in its first step means that it does not run.
        error: what it raised; a cancellation included.
        asked: whether it had been cancelled by its cell.
    """

    result: Any
    error: BaseException | None
    asked: bool

    @property
    def cause(self) -> Normal | Shutdown:
        """What it is to have ended by, where it did not raise."""
        return self.result if isinstance(self.result, Shutdown) else Normal()

    @property
    def was_cancelled(self) -> bool:
        """Whether it let a cancellation end it."""
        return isinstance(self.error, asyncio.CancelledError)


class TaskCell(Cell):
    """One task's place in the tree."""

    __slots__ = ()

    is_task: ClassVar[bool] = True

    # -- the loop: signals only; letters are taken by the task ------------------------------------------------

    def _turn(self, me: int, budget: int) -> bool:
        with self.lock:
            epoch, self.thread = self.epoch, me
        while True:
            with self.lock:
                if self.epoch != epoch:
                    raise SupersededError
                life = self.life
                if not self.control:
                    self._attend(life)
                if not self.control:
                    if self._rests(me):
                        return False
                    continue
                if not budget:
                    self.thread = 0
                    return True
                handler, life, item = self.control.popleft()
            budget -= 1
            handler(self, life, item, epoch)

    def _rests(self, me: int) -> bool:
        self.thread = 0
        if self.give_free():
            self.thread = me
            return False
        return True

    def give_free(self) -> bool:
        """Let go of the mailbox, as every cell does; letters alone are no reason to hold it again."""
        if not self.control:
            self.control = None
        self.idle.release()
        return bool(self.control or self._is_awaited()) and self.idle.acquire(False)

    def _is_awaited(self) -> bool:
        """Whether there are letters and the task waits for one, or a stop is next; under the lock."""
        if self.state != RUNNING or not self.user:
            return False
        context = self._context()
        return is_stop(self.user[0]) or (context is not None and context.waits)

    def _context(self) -> Any:
        """Return the task's side of the present incarnation, if it has come so far."""
        return getattr(self.life.actor, "context", None)

    def _attend(self, life: Incarnation) -> None:
        """Have the task look into its mailbox, or hear of the stop that is next there; under the lock."""
        if not self._is_awaited() or not self.user:
            return
        if is_stop(self.user[0]):
            self.control_lane().append((TaskCell.hear_stop, life, self.user.popleft()))
            if self.waiting:
                self.release_waiting()
        else:
            life.actor.context.ring()

    def put(self, item: Any, timeout: float | None = None) -> bool:
        """Put a letter in, as into any mailbox; a stop does not wait for letters that nobody reads."""
        if is_stop(item):
            context = self._context()
            if context is None or not context.reads:
                return self.put_control((TaskCell.hear_stop, self.life, item))
        return super().put(item, timeout)

    def take(self, life: Incarnation) -> Any:
        """Take the next item out of the mailbox for ``life``'s task; None if there is none.

        Raises:
            ActorEnding: that incarnation is ending, or over.
            ActorFenced: it has been given up.
        """
        with self.lock:
            if self.zombies:
                self.refuse_zombies()
            if life is not self.life or self.state not in (STARTING, RUNNING):
                raise ActorEnding(self.path, "receive letters")
            if self.state != RUNNING or not self.user or is_stop(self.user[0]):
                return None
            item = self.user.popleft()
            if self.waiting:
                self.release_waiting()
            if type(item) is Ask and item.reply is not None:
                life.keep_open(item.reply)
            return item

    # -- what the task's side tells -----------------------------------------------------------------------------

    def hear_started(self, life: Incarnation, extra: Any, epoch: int) -> None:
        """The task has started."""
        self.acknowledge(extra, life, epoch)

    def hear_stop(self, life: Incarnation, item: Any, epoch: int) -> None:
        """Somebody has asked for an end after the letters that were there."""
        with self.lock:
            life = self.life
            if self.terminated:
                self.dead_letter(item, "")
                return
            late = self.epoch != epoch
            waits = not late and self.state != RUNNING
            if waits:  # it comes back as soon as a task has started
                self._open().appendleft(item)
            elif type(item) is Ask and not late:
                life.note_stop(item)
        if late:  # this thread was given up when it had taken it from the lane; whoever runs this now is to hear of it
            if not self.put_control((TaskCell.hear_stop, life, item)):
                self.dead_letter(item, "")
            raise SupersededError
        if waits:
            self.answer_waiting_stops()
        else:
            self.begin_end(Normal(), life, epoch)

    def hear_over(self, life: Incarnation, outcome: Outcome, epoch: int) -> None:
        """The task is over; if nobody has asked for that, its incarnation ends by it."""
        if life is not self.life or self.state in (DOWN, ENDED):
            return
        life.actor.over = True
        if self.state == STOPPING:
            self._note_own_end(life, outcome)
            self._advance_end(life, epoch)
        elif outcome.error is not None:
            self.crash(outcome.error, life, epoch)
        elif self.state == STARTING and outcome.result is IGNORE:
            self.begin_end(Normal(), life, epoch, ignored=True)
        else:
            if not life.actor.context.is_starting_later:
                self.acknowledge(None, life, epoch)
            self.begin_end(outcome.cause, life, epoch)

    def _note_own_end(self, life: Incarnation, outcome: Outcome) -> None:
        if outcome.asked:
            if outcome.error is not None and not outcome.was_cancelled:
                self.system.crashed(self, outcome.error)  # while it cleaned up; as an ``on_stop`` that raises
        elif not life.fenced and not isinstance(life.cause, FailedToStart):
            life.cause = outcome.cause if outcome.error is None else Crashed(outcome.error)

    def hear_lost(self, life: Incarnation, detail: None, epoch: int) -> None:  # noqa: ARG002 - as all control items
        """The task's loop was found closed: the task cannot run any more, so it is over."""
        if life is self.life and self.state not in (DOWN, ENDED):
            error = LoopClosed(self.path)
            self.hear_over(life, Outcome(None, error, asked=False), epoch)

    # -- ends -----------------------------------------------------------------------------------------------------

    def give_up(self, reason: str, life: Incarnation | None, if_starting: bool) -> bool:
        """Do so, and have its task refused from the same moment on."""
        with self.lock:
            context = self._context()
            if not super().give_up(reason, life, if_starting):
                return False
            context = context or self._context()  # its task may have come into being, and begun, in between
            if context is not None:
                context.give_up()
        return True

    def _advance_end(self, life: Incarnation, epoch: int) -> None:
        actor = life.actor
        if actor is None or actor.over or life.fenced or life.ignored:
            super()._advance_end(life, epoch)
        else:
            actor.context.cancel()
