"""The cell of one actor: the loop that runs it, what becomes of each message, and its timers."""

from collections.abc import Callable
from typing import Any, cast

from pykka.messages import (
    ProxyCall,
    _ActorStop,  # pyright: ignore[reportPrivateUsage]
)

from greenroom.supervision._future import Future
from greenroom.supervision._life import RUNNING, STARTING, Life, SupersededError
from greenroom.supervision._mailbox import Ask
from greenroom.supervision._restart import Normal
from greenroom.supervision._threads import current, thread_id
from greenroom.supervision.errors import ActorCrashed, ActorStopped
from greenroom.supervision.signals import Down


class Cell(Life):
    """One actor's place in the tree, and the loop that runs it."""

    __slots__ = ()

    def run(self) -> None:
        """Handle items until there are none, or it is another actor's turn."""
        with self.lock:
            epoch = self.epoch
            self.thread = thread_id()
            current.actor = self.actor
        current.cell = self
        budget = self.system.runtime.throughput
        try:
            while True:
                with self.lock:
                    if self.epoch != epoch:
                        raise SupersededError
                    if not budget:
                        self.thread = 0
                        break
                    budget -= 1
                    if self.control:
                        handler, detail = self.control.popleft()
                    elif self.state == RUNNING and self.user:
                        handler, detail = None, self.user.popleft()
                        if self.waiting:
                            self.release_waiting()
                    else:
                        self.scheduled = False
                        self.thread = 0
                        self.control = None
                        return
                if handler is None:
                    self._receive(detail, epoch)
                else:
                    handler(self, detail, epoch)
        except SupersededError:
            self.give_up(current.actor)
            return
        finally:
            current.cell = current.actor = None
        self.executor.submit(self)

    def _receive(self, item: Any, epoch: int) -> None:
        actor = self.actor
        if type(item) is not Ask:
            if isinstance(item, _ActorStop):
                self.begin_end(Normal(), epoch)
                return
            try:
                actor.handle(item)
            except BaseException as error:  # noqa: BLE001 - every error is this actor's crash, nobody else's
                self._failed(error, item, None, epoch)
            return
        message, reply = item.message, item.reply
        if isinstance(message, _ActorStop):
            self._note_stop_reply(reply)
            self.begin_end(Normal(), epoch)
            return
        self.asking = reply
        try:
            result = actor.handle(message)
        except BaseException as error:  # noqa: BLE001 - as above
            self._failed(error, message, reply, epoch)
            return
        if self.asking is reply:
            self.asking = None
            reply.try_set(result)

    def _failed(self, error: BaseException, message: Any, reply: Future[Any] | None, epoch: int) -> None:
        """Answer with a declared error, or crash."""
        self.asking = None
        if isinstance(error, Exception) and isinstance(error, self._declared(message)):
            if reply is not None:
                reply.try_fail(error)
            return
        if reply is not None:
            reply.try_fail(ActorCrashed(self.path, self.incarnation, error))
        self.crash(error, epoch)

    def _declared(self, message: Any) -> tuple[type[Exception], ...]:
        if isinstance(message, ProxyCall):
            callee: Any = self.actor
            for name in message.attr_path:
                callee = getattr(callee, name, None)
            return cast("tuple[type[Exception], ...]", getattr(callee, "errors", ()))
        declared = getattr(message, "errors", ())
        return cast("tuple[type[Exception], ...]", declared) if isinstance(declared, tuple) else ()

    def on_notice(self, detail: tuple[int, int, Down], epoch: int) -> None:
        """Deliver a monitor's notice, unless it was taken back, or its incarnation is over."""
        incarnation, key, down = detail
        if incarnation != self.incarnation or self.state not in (STARTING, RUNNING):
            return
        if self.monitors is not None and self.monitors.pop(key, None) is not None:
            self._receive(down, epoch)

    def own_monitors(self) -> "dict[int, Cell]":
        """Return whom this incarnation monitors, by monitor."""
        if self.monitors is None:
            self.monitors = {}
        return self.monitors

    def drop_monitors(self) -> None:
        """Take all monitors of this incarnation back."""
        monitors, self.monitors = self.monitors, None
        for key, target in (monitors or {}).items():
            target.unwatch(key)

    def on_continue(self, detail: tuple[int, Callable[..., None], tuple[Any, ...]], epoch: int) -> None:
        """Run a continuation of the same incarnation: an answer, a timer."""
        incarnation, function, args = detail
        if incarnation == self.incarnation and self.state in (STARTING, RUNNING):
            self.foreign(epoch, function, *args)

    def dead_letter(self, item: Any, why: str) -> None:
        """Answer an ask that nobody will handle; count and report any other message."""
        if type(item) is Ask:
            if isinstance(item.message, _ActorStop):
                item.reply.try_set(None)
            else:
                item.reply.try_fail(ActorStopped(self.path))
        elif not isinstance(item, _ActorStop):
            self.system.dead_letter(self, item, why)

    def keep_open(self, reply: Future[Any]) -> None:
        """Remember an ask that will be answered later, so that its asker hears of our end at the latest."""
        if self.open_replies is None:
            self.open_replies = set()
        replies = self.open_replies
        replies.add(reply)
        reply.add_done_callback(replies.discard)

    def after(self, delay_ns: int, function: Callable[..., None], args: tuple[Any, ...]) -> "OwnTimer":
        """Call ``function(*args)`` in this actor after ``delay_ns``, if this incarnation lives then."""
        if self.timers is None:
            self.timers = set()
        timer = OwnTimer(self, function, args)
        self.timers.add(timer)
        timer.handle = self.system.runtime.call_later(delay_ns, timer.due)
        return timer

    def drop_timers_and_monitors(self) -> None:
        """Cancel all timers of this incarnation, and take its monitors back."""
        self.drop_monitors()
        timers, self.timers = self.timers, None
        for timer in tuple(timers or ()):
            timer.cancel()

    def when(self, future: Future[Any], function: Callable[..., None], args: tuple[Any, ...]) -> None:
        """Call ``function(future, *args)`` in this actor once ``future`` is complete, if it lives then."""
        incarnation = self.incarnation
        future.add_done_callback(
            lambda done: self.put_control((Cell.on_continue, (incarnation, function, (done, *args))))
        )


class OwnTimer:
    """A timer of one incarnation of one actor. Cancelled is cancelled, even if it was due already."""

    __slots__ = ("_args", "_cell", "_function", "_incarnation", "handle")

    def __init__(self, cell: Cell, function: Callable[..., None], args: tuple[Any, ...]) -> None:
        self._cell = cell
        self._function: Callable[..., None] | None = function
        self._args = args
        self._incarnation = cell.incarnation
        self.handle: Any = None

    def due(self) -> None:
        """Called by the runtime's timer: only enqueue."""
        self._cell.put_control((Cell.on_continue, (self._incarnation, self._fire, ())))

    def _fire(self) -> None:
        function, self._function = self._function, None
        if self._cell.timers is not None:
            self._cell.timers.discard(self)
        if function is not None:
            function(*self._args)

    def cancel(self) -> None:
        """Do not call it any more."""
        self._function = None
        self.handle.cancel()
        if self._cell.timers is not None:
            self._cell.timers.discard(self)
