"""Watches one incarnation for what takes too long: a handler, or a message that waits.

Laws:
    - it has at most one timer, which is due no later than the earliest limit could be passed, looks, and is set again
      while there is something to watch; at rest there is none, and none is left when the incarnation begins to end;
    - whoever gets ``_armed`` sets the timer; nobody waits for it, so a message may be sent anywhere, as to any actor;
    - a limit is passed once in an episode: a handler's is over when it returns, a mailbox's when nothing in it is
      too old any more. What the timer comes too late for is found when the handler returns;
    - what follows is done by the thread that runs the actor, if the actor is not in its handler any more.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from greenroom.supervision._budgets import StopBudget
from greenroom.supervision._incarnation import Incarnation
from greenroom.supervision._liveness import Liveness, LivenessAction
from greenroom.supervision._log import get_logger
from greenroom.supervision._place import RUNNING
from greenroom.supervision._superseded import SupersededError
from greenroom.supervision._threads import new_lock
from greenroom.supervision.errors import Unresponsive
from greenroom.supervision.events import ActorUnresponsive, Unresponsiveness
from greenroom.supervision.snapshot import FlightKind, duration

if TYPE_CHECKING:
    from greenroom.supervision._watched import WatchedCell


class Vigil:
    """The watch over one incarnation, from its acknowledged start to the beginning of its end."""

    __slots__ = (
        "_armed",
        "_busy",
        "_cell",
        "_inbox_told",
        "_life",
        "_now_ns",
        "_over",
        "_rules",
        "_timer",
        "_told",
    )

    def __init__(self, cell: "WatchedCell", life: Incarnation, rules: Liveness) -> None:
        self._cell = cell
        self._life = life
        self._rules = rules
        self._now_ns: Callable[[], int] = cell.system.runtime.now_ns
        self._armed = new_lock()
        self._timer: Any = None
        self._busy: tuple[str, int] | None = None
        self._told: tuple[str, int] | None = None
        self._inbox_told = False
        self._over = False

    # -- the actor's thread ----------------------------------------------------------------------------------

    def begin(self, what: str) -> None:
        """Note that a handler begins."""
        self._busy = (what, self._now_ns())
        self.arm()

    def done(self, waited_since_ns: int | None, epoch: int) -> None:
        """Note that it has returned. What came to be too late is dealt with here and now.

        Args:
            waited_since_ns: when the message that was handled had come in; None if it had not to wait.
            epoch: as for everything that the thread of a cell does.
        """
        busy, self._busy = self._busy, None
        if busy is None or self._over:
            return
        what, began_ns = busy
        if waited_since_ns is not None:
            self._judge_inbox(what, waited_since_ns, began_ns, epoch)
        self._judge_handler(busy, self._now_ns(), epoch)
        if self._inbox_told and not self._over and not self._inbox_is_late():
            self._inbox_told = False
            self.arm()

    def close(self) -> None:
        """The incarnation begins to end."""
        self._over = True
        timer = self._timer
        if timer is not None:
            timer.cancel()

    # -- any thread --------------------------------------------------------------------------------------------

    def arm(self) -> None:
        """See to it that the timer is set, if there is something to watch."""
        if self._armed.acquire(False):
            self._set()

    def _set(self) -> None:
        """Set the timer, or give ``_armed`` free; by whoever has it."""
        while not self._over:
            now_ns = self._now_ns()
            due_ns = self._due_ns(now_ns)
            if due_ns is not None:
                delay_ns = max(0, due_ns - now_ns)
                self._timer = timer = self._cell.system.runtime.call_later(delay_ns, self._look)
                if self._over:  # it was closed meanwhile, and has not seen this one
                    timer.cancel()
                return
            self._timer = None
            self._armed.release()
            if self._due_ns(now_ns) is None or not self._armed.acquire(False):
                return

    def _due_ns(self, now_ns: int) -> int | None:
        rules, busy, due_ns = self._rules, self._busy, now_ns + self._rules.shortest_ns
        found = False
        if rules.handler_ns is not None and busy is not None and busy is not self._told:
            due_ns, found = min(due_ns, busy[1] + rules.handler_ns), True
        if rules.inbox_age_ns is not None and not self._inbox_told:
            oldest = self._cell.oldest_item()
            if oldest is not None:
                due_ns, found = min(due_ns, self._waits_since(oldest[1]) + rules.inbox_age_ns), True
        return due_ns if found else None

    def _look(self) -> None:
        """Called by the runtime's timer."""
        now_ns, busy = self._now_ns(), self._busy
        if busy is not None:
            self._judge_handler(busy, now_ns, None)
        oldest = self._cell.oldest_item()
        if oldest is not None:
            self._judge_inbox(self._cell.name_of(oldest[0]), oldest[1], now_ns, None)
        self._set()

    # -- judging -----------------------------------------------------------------------------------------------

    def _waits_since(self, at_ns: int) -> int:
        """Since when a message counts as waiting: no incarnation is blamed for what the last one left."""
        return max(at_ns, self._life.started_ns or 0)

    def _inbox_is_late(self) -> bool:
        oldest, limit_ns = self._cell.oldest_item(), self._rules.inbox_age_ns
        if oldest is None or limit_ns is None:
            return False
        return self._now_ns() - self._waits_since(oldest[1]) >= limit_ns

    def _judge_handler(self, busy: tuple[str, int], now_ns: int, epoch: int | None) -> None:
        limit_ns, for_ns = self._rules.handler_ns, now_ns - busy[1]
        if limit_ns is None or for_ns < limit_ns:
            return
        with self._cell.lock:
            if self._over or self._told is busy:
                return
            self._told = busy
        self._act(Unresponsiveness.HANDLER, busy[0], for_ns, limit_ns, epoch)

    def _judge_inbox(self, what: str, since_ns: int, now_ns: int, epoch: int | None) -> None:
        limit_ns, for_ns = self._rules.inbox_age_ns, now_ns - self._waits_since(since_ns)
        if limit_ns is None or for_ns < limit_ns:
            return
        with self._cell.lock:
            if self._over or self._inbox_told:
                return
            self._inbox_told = True
        self._act(Unresponsiveness.INBOX, what, for_ns, limit_ns, epoch)

    # -- acting ------------------------------------------------------------------------------------------------

    def _act(
        self, what: Unresponsiveness, message: str, for_ns: int, limit_ns: int, epoch: int | None
    ) -> None:
        """Say it, and do what is to be done: here, if this thread runs the actor (``epoch``), else from outside."""
        cell, life, action = self._cell, self._life, self._rules.action
        if action is not LivenessAction.WARN:
            self._over = True
        cell.note(FlightKind.UNRESPONSIVE, f"{what} {message} for {duration(for_ns)}", life.number)
        event = ActorUnresponsive(
            path=cell.path,
            incarnation=life.number,
            what=what,
            for_ns=for_ns,
            limit_ns=limit_ns,
            message=message,
            action=action,
        )
        with suppress(Exception):  # the host's log handlers are guests
            get_logger(actor=cell.path, incarnation=life.number).warning(
                "actor.unresponsive", what=str(what), of=message, for_ns=for_ns, action=str(action)
            )
        cell.system.emit(event)
        if action is LivenessAction.RESTART:
            self._restart(Unresponsive(cell.path, event.describe()), epoch)
        elif action is LivenessAction.FENCE:
            self._fence(event.describe(), epoch)

    def _restart(self, error: Unresponsive, epoch: int | None) -> None:
        cell, life = self._cell, self._life
        if epoch is not None:
            cell.crash(error, life, epoch)
            return
        budget_ns = cell.shutdown_ns
        if budget_ns == 0:
            cell.fence(error.why, life)
            return
        with cell.lock:
            if life is not cell.life or cell.state != RUNNING:
                return
            if life.stop_timer is None and budget_ns is not None:
                why = f"{error.why}, and it did not end within its {budget_ns / 1e6:g} ms"
                budget = StopBudget()
                expired = partial(cell.overdue, life, budget, why)
                budget.handle = cell.system.runtime.call_later(budget_ns, expired)
                life.stop_timer = budget
            cell.control_lane().appendleft((type(cell).end_late, life, error))
        cell.wake()

    def _fence(self, why: str, epoch: int | None) -> None:
        cell, life = self._cell, self._life
        if epoch is None:
            cell.fence(why, life)
            return
        with cell.lock:  # its handler has returned: there is no thread to be given up
            if cell.epoch != epoch:
                raise SupersededError
            life.fenced = True
        cell.end_fenced(life, why, epoch)
