"""Who asks, and would wait, runs the handler of an actor that rests, where nobody loses by that.

Its own thread is then inside, and no fence can take it out. So of the actors of `Dispatcher.POOL` that is done for an ask
without a timeout only; on the main thread, where signals strike, for one that was quick the last time, and while Ctrl-C can
be held back (`_held_signals`). `Dispatcher.CALLER` allows all of it.

Laws:
    - at most one thread runs a cell: who asks takes ``idle`` first, as whoever submits it does, and gives it free or
      submits the cell in the end, however this is left;
    - the one who asks runs the handler of this message and nothing else. If anything waits, or the actor is not
      running, the pool does it all, in the order as ever; a crash and the end that follows are the pool's as well;
    - who was given up in the handler stays marked, and is refused, until it comes back; then it is as it was before;
    - the handler finds what it finds on the pool: no context variables of the asker's, no error that is being handled there, and
      most of the stack that Python allows;
    - an incarnation has proven itself quick to the main thread by its last answer to it, whoever has run the handler; none
      has before its first, and one that comes while the ask is under way is not run for what the last one has proven;
    - a ``KeyboardInterrupt`` may come between any two steps of a main thread. Before the handler it leaves the cell to
      the pool; in the handler it is the actor's crash too; after it the incarnation is given up. To take ``idle``, or to let go of it, and to note that
      is one call made of C alone, which no signal's handler can come between.
"""

import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from functools import partial
from itertools import compress
from operator import call
from typing import Any, Final, Generic, Literal, TypeVar, overload

import pykka
from pykka.messages import (
    _ActorStop,  # pyright: ignore[reportPrivateUsage]
)

from greenroom.supervision._cell import Cell
from greenroom.supervision._future import Future
from greenroom.supervision._given import checked_timeout
from greenroom.supervision._held_signals import HeldInterrupt, can_be_held
from greenroom.supervision._incarnation import Incarnation
from greenroom.supervision._mailbox import Ask
from greenroom.supervision._place import RUNNING
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._superseded import SupersededError
from greenroom.supervision._threads import current, is_main_thread
from greenroom.supervision.errors import ActorFenced
from greenroom.supervision.runtime import Dispatcher

DEEPEST: Final = 250
"""So many calls may an asker be in: the handler has three quarters of what Python allows, and does not crash for the asker's sake."""
QUICK_NS: Final = 2_000_000
"""An actor of the pool that was not slower than this may hold the main thread the next time."""
A = TypeVar("A", bound=pykka.Actor)


class CallerRef(ActorRef[A], Generic[A]):
    """A reference to an actor whose handlers may run on the thread of whoever asks."""

    __slots__ = ()

    @overload  # type: ignore[override]
    def ask(self, message: Any, *, block: Literal[False], timeout: float | None = None) -> Future[Any]: ...
    @overload
    def ask(self, message: Any, *, block: Literal[True] = True, timeout: float | None = None) -> Any: ...
    @overload
    def ask(self, message: Any, *, block: bool, timeout: float | None = None) -> Any: ...
    def ask(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, message: Any, *, block: bool = True, timeout: float | None = None
    ) -> Any | Future[Any]:
        """Send ``message`` and get the answer, as `ActorRef.ask`; nothing interrupts a handler that runs here."""
        if timeout is not None:
            checked_timeout(timeout)
        cell = self._cell
        if block and current.cell is None and type(message) is not _ActorStop:
            runtime = cell.system.runtime
            me = runtime.thread_id()
            here = cell.dispatcher is Dispatcher.CALLER
            if timeout is None and not here:
                if is_main_thread(me):
                    return self._ask_on_main(message, me)
                here = True
            if here and not cell.idle.locked() and me not in runtime.own and not _is_busy():
                future: Future[Any] = Future(runtime, cell)
                if _Turn(cell, cell.life, me).run(Ask(message, future)):
                    return future.get(timeout=timeout)
        return super().ask(message, block=block, timeout=timeout)

    def _ask_on_main(self, message: Any, me: int) -> Any:
        """Ask an actor of the pool, from the main thread: it runs the handler of one that was quick the last time."""
        cell = self._cell
        runtime = cell.system.runtime
        life, began_ns = cell.life, runtime.now_ns()
        quick, life.quick = life.quick, False  # until the answer is there
        if quick and not cell.idle.locked() and can_be_held() and not _is_busy():
            future: Future[Any] = Future(runtime, cell)
            with HeldInterrupt() as held:
                handled = _Turn(cell, life, me).run(Ask(message, future))
            if held.noted:
                raise KeyboardInterrupt
            answer = future.get() if handled else super().ask(message)
        else:
            answer = super().ask(message)
        life.quick = runtime.now_ns() - began_ns <= QUICK_NS
        return answer


def _is_busy() -> bool:
    """Whether this thread is in something that a handler should not find itself in."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return True  # whoever asks there and waits does wrong, and is told so elsewhere
    if sys.exc_info()[1] is not None:
        return True  # else the handler's errors would carry the asker's
    try:
        sys._getframe(DEEPEST)
    except ValueError:
        return False
    return True


class _Turn:
    """One message of one cell, handled by a thread that is no actor's."""

    __slots__ = ("_cell", "_entered", "_epoch", "_held", "_life", "_me")

    def __init__(self, cell: Cell, life: Incarnation, me: int) -> None:
        self._cell = cell
        self._life = life
        self._me = me
        self._held: list[bool] = []
        """One entry while the cell is in this thread's hands."""
        self._entered = False

    def run(self, ask: Ask) -> bool:
        """Handle ``ask``, and complete its future unless the handler has taken that over; False if it is not to be."""
        try:
            deque(map(self._held.append, compress((True,), map(self._cell.idle.acquire, (False,)))), 0)
            if not self._held or not self._enter(ask):
                return False
            try:
                error = self._handle(ask)
            finally:
                self._cell.system.runtime.guests.discard(self._me)
                current.cell = None
        except BaseException:  # the main thread's interrupt, in here and not in the handler
            self._recover()
            raise
        if isinstance(error, KeyboardInterrupt):
            raise error
        return True

    def _enter(self, ask: Ask) -> bool:
        cell, life = self._cell, self._life
        with cell.lock:
            self._epoch = cell.epoch
            if life is not cell.life or cell.state != RUNNING or cell.control or cell.user:
                self._give_free()
                return False
            life.asking = ask
            cell.thread = self._me
            self._entered = True
        current.cell = cell  # first: a finalizer that asks is refused from here on, and takes no mark away
        cell.system.runtime.guests.add(self._me)
        return True

    def _handle(self, ask: Ask) -> BaseException | None:
        cell, life = self._cell, self._life
        result, failed = None, None
        try:
            result = Context().run(life.actor.handle, ask.message)
        except BaseException as error:  # noqa: BLE001 - every error is this actor's crash, nobody else's
            failed = error
        declared = failed is not None and cell._is_declared(failed, ask.message, life)
        if not self._leave(ask, None if declared else failed):
            cell.release_given_up(self._me)
            cell.system.runtime.guest_returned(self._me)
        elif ask.reply is None:  # taken over
            pass
        elif failed is None:
            ask.reply.try_set(result)
        elif declared:
            ask.reply.try_fail(failed)
        return failed

    def _leave(self, ask: Ask, crash: BaseException | None) -> bool:
        """Give the cell free, or over to the pool if there is more to do; False if it was fenced meanwhile."""
        cell, life = self._cell, self._life
        with cell.lock:
            if cell.epoch != self._epoch:
                self._held.clear()
                return False
            cell.thread = 0
            if crash is None:
                life.asking = None
            else:  # until the pool comes to it a fence would answer the ask
                cell.control_lane().appendleft((_hear_crash, life, (ask, crash)))
            self._give_free()
        return True

    def _give_free(self) -> None:
        """Let go of the cell; under its lock."""
        cell = self._cell
        if not cell.children and not cell.control:  # as `Place.give_free`
            cell.control = None
        self._let_go(cell.idle.release)
        if cell.control or cell.user:
            cell.wake()

    def _let_go(self, give: Callable[[], object]) -> None:
        """Give the cell to somebody else, and note that."""
        deque(map(call, (self._held.clear, give)), 0)

    def _recover(self) -> None:
        """Be interrupted: leave no lock, no mark and no cell behind that nobody runs."""
        cell = self._cell
        with suppress(RuntimeError):  # nothing of the cell's is on this thread's stack any more
            while True:
                cell.lock.release()
        with cell.lock:
            if self._entered and cell.epoch != self._epoch:
                self._held.clear()  # a fence has taken it
            inside = cell.thread == self._me
        if self._held and self._entered:
            cell.fence("whoever asked it was interrupted", self._life)
        if self._held and not inside:  # else the fence has submitted it
            self._let_go(partial(cell.executor.submit, cell))
        cell.release_given_up(self._me)
        cell.wake()
        current.cell = None
        cell.system.runtime.guest_returned(self._me)


def _hear_crash(cell: Cell, life: Incarnation, detail: tuple[Ask, BaseException], epoch: int) -> None:
    """Crash over a message that whoever asked has handled: a control item."""
    ask, error = detail
    with cell.lock:
        alive = cell.epoch == epoch and life is cell.life and cell.state == RUNNING
        if alive:
            life.asking = ask
    if alive:
        cell._crash_over(ask, error, life, epoch)
        return
    if ask.reply is not None:
        ask.reply.try_fail(ActorFenced(cell.path, life.number))
    if cell.epoch != epoch:
        raise SupersededError
