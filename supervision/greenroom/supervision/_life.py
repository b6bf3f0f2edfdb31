"""The life of a cell: what is lasting about an actor. Its name, mailbox, children and monitors outlive incarnations.

Laws:
    - at most one thread runs a cell. Who runs it holds the ``epoch`` it began with, and each step of the
      machine compares epochs under ``lock``. A fence raises the epoch: the thread that hangs in foreign code
      is refused when it comes back, however late;
    - an incarnation ends in this order: its timers are cancelled, its children stopped in reverse order, its
      ``on_stop`` run, its open asks answered, its monitors told, then its parent;
    - the next incarnation starts only when the parent says so, thus only after all of that;
    - a terminated cell has answered every ask and counted every other message as a dead letter.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from greenroom.supervision._future import Future
from greenroom.supervision._mailbox import Mailbox
from greenroom.supervision._restart import Cause, Crashed, FailedToStart, Fenced, Normal, Shutdown
from greenroom.supervision._threads import current
from greenroom.supervision.errors import ActorCrashed, ActorFenced, ActorStopped
from greenroom.supervision.events import ActorCrashedEvent, ActorEnded, ActorFencedEvent, ActorStarted
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.signals import (
    IGNORE,
    START_LATER,
    ChildEnded,
    ChildFailed,
    ChildIgnored,
    ChildSignal,
    ChildStarted,
)
from greenroom.supervision.spec import MailboxSpec

NEW: Final = 0
STARTING: Final = 1
RUNNING: Final = 2
STOPPING: Final = 3
ENDED: Final = 4
STATE_NAMES: Final = ("new", "starting", "running", "stopping", "ended")


class SupersededError(BaseException):
    """Unwinds a thread whose cell was fenced while it was in foreign code. Never seen outside the machine."""


class Watch:
    """Somebody wants to be told once when a cell, or one incarnation of it, is over."""

    __slots__ = ("callback", "incarnation")

    def __init__(self, callback: Callable[[int, Cause], None], incarnation: int | None) -> None:
        self.callback = callback
        self.incarnation = incarnation


class Life(Mailbox):
    """One actor's place in the tree."""

    __slots__ = (
        "actor",
        "actor_class",
        "args",
        "asking",
        "cause",
        "children",
        "dispatcher",
        "incarnation",
        "kwargs",
        "last_failure",
        "monitors",
        "name",
        "open_replies",
        "parent",
        "ref",
        "shutdown_ns",
        "start_ns",
        "state",
        "stop_replies",
        "stop_timer",
        "stopped_own",
        "timers",
        "together",
        "watches",
    )

    def __init__(
        self,
        system: Any,
        parent: "Life | None",
        name: str,
        actor_class: type[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        dispatcher: Dispatcher,
        mailbox: MailboxSpec,
        shutdown_ns: int | None,
        start_ns: int | None,
    ) -> None:
        super().__init__(mailbox)
        self.system = system
        self.parent = parent
        self.name = name
        self.actor_class = actor_class
        self.args = args
        self.kwargs = kwargs
        self.dispatcher = dispatcher
        self.shutdown_ns = shutdown_ns
        self.start_ns = start_ns
        self.executor = system.runtime.executor(dispatcher, name)
        self.state = NEW
        self.incarnation = 0
        self.actor: Any = None
        self.ref: Any = None
        self.cause: Cause | None = None
        self.asking: Future[Any] | None = None
        self.children: dict[Life, None] | None = None
        self.open_replies: set[Future[Any]] | None = None
        self.stop_replies: list[Future[Any]] | None = None
        self.watches: dict[int, Watch] | None = None
        self.timers: set[Any] | None = None
        self.monitors: dict[int, Any] | None = None
        self.stop_timer: Any = None
        self.stopped_own = False
        self.together = False
        self.last_failure: BaseException | None = None

    @property
    def path(self) -> str:
        """Its name and those above it: ``session/rooms/room:lobby``."""
        return self.name if self.parent is None else f"{self.parent.path}/{self.name}"

    @property
    def may_block(self) -> bool:
        """Whether its handlers may block their thread."""
        return self.dispatcher is not Dispatcher.POOL and not self.system.runtime.simulated

    def start(self) -> None:
        """Start the next incarnation; only when there is none."""
        self.state = NEW
        self.put_control((Life._on_start, None))

    def request_stop(self, cause: Cause) -> bool:
        """Ask for an orderly end within the shutdown budget; False if there is nobody to end.

        A budget of 0 fences at once; None waits for ever.
        """
        if self.shutdown_ns == 0:
            return self.fence("brutal shutdown")
        with self.lock:
            if self.terminated or self.state == ENDED:
                return False
            arm = self.stop_timer is None and self.shutdown_ns is not None
        if arm:
            assert self.shutdown_ns is not None
            why = f"did not stop within its {self.shutdown_ns / 1e6:g} ms"
            self.stop_timer = self.system.runtime.call_later(self.shutdown_ns, partial(self.fence, why))
        return self.put_control((Life._on_stop, cause))

    def fence(self, reason: str) -> bool:
        """Give the present incarnation up, wherever its thread is. Any thread may call it.

        Returns:
            False if there is no incarnation to give up.
        """
        with self.lock:
            if self.terminated or self.state == ENDED:
                return False
            self.epoch += 1
            thread, self.thread = self.thread, 0
            asking, self.asking = self.asking, None
            idle = None if thread else self.actor
            queued = self.scheduled and not thread
            self.scheduled = True
            if self.control is None:
                self.control = deque()
            self.control.appendleft((Life._on_fenced, (reason, idle)))
        if thread:
            self.system.runtime.abandon(thread)
        if not queued:
            self.executor.submit(self)
        if asking is not None:
            asking.try_fail(ActorFenced(self.path, self.incarnation))
        return True

    def watch(self, key: int, callback: Callable[[int, Cause], None], incarnation: int | None) -> None:
        """Call ``callback(incarnation, cause)`` once: when the cell is over, or that incarnation of it."""
        with self.lock:
            over = self.terminated or (
                incarnation is not None
                and (
                    incarnation < self.incarnation
                    or (incarnation == self.incarnation and self.state == ENDED)
                )
            )
            if not over:
                if self.watches is None:
                    self.watches = {}
                self.watches[key] = Watch(callback, incarnation)
                return
        callback(self.incarnation if incarnation is None else incarnation, self.cause or Normal())

    def unwatch(self, key: int) -> None:
        """Forget a watch; harmless if it has fired."""
        with self.lock:
            if self.watches is not None:
                self.watches.pop(key, None)

    def enter(self, epoch: int, state: int) -> None:
        """Go to ``state``, unless this thread has been superseded."""
        with self.lock:
            if self.epoch != epoch:
                raise SupersededError
            self.state = state

    def foreign(self, epoch: int, function: Callable[..., Any], *args: Any) -> None:
        """Run the actor's code outside of a message; an error is its crash."""
        try:
            function(*args)
        except BaseException as error:  # noqa: BLE001 - as above
            self.crash(error, epoch)

    def _on_start(self, _detail: None, epoch: int) -> None:
        if self.state != NEW:
            return
        self.enter(epoch, STARTING)
        self.incarnation += 1
        self.cause = None
        self.stopped_own = False
        timer = None
        if self.start_ns is not None:
            why = f"did not start within its {self.start_ns / 1e6:g} ms"
            timer = self.system.runtime.call_later(
                self.start_ns, partial(self._start_expired, self.incarnation, why)
            )
        try:
            self.actor = actor = self.actor_class.__new__(self.actor_class)
            actor._cell = self
            current.actor = actor
            actor.__init__(*self.args, **self.kwargs)
            extra = actor.on_start()
        except BaseException as error:  # noqa: BLE001 - as above
            self.crash(error, epoch)
            return
        finally:
            if timer is not None:
                timer.cancel()
        if extra is IGNORE:
            self.begin_end(Normal(), epoch, ignored=True)
        elif extra is not START_LATER:
            self.acknowledge(extra, epoch)

    def _start_expired(self, incarnation: int, why: str) -> None:
        if self.incarnation == incarnation and self.state == STARTING:
            self.fence(why)

    def acknowledge(self, extra: Any, epoch: int) -> None:
        """Say that it has started."""
        self.enter(epoch, RUNNING)
        if self.system.observers:
            self.system.emit(ActorStarted(path=self.path, incarnation=self.incarnation))
        self._tell_parent(ChildStarted(child=self.ref, incarnation=self.incarnation, extra=extra))

    def _on_stop(self, cause: Cause, epoch: int) -> None:
        self.begin_end(cause, epoch)

    def give_up(self, actor: Any) -> None:
        """Let an actor that was fenced release what it holds, on the thread that last ran its code."""
        if actor is None:
            return
        try:
            actor.on_given_up()
        except BaseException as error:  # noqa: BLE001 - as above
            self.system.crashed(self, error)

    def _on_fenced(self, detail: tuple[str, Any], epoch: int) -> None:
        reason, idle = detail
        self.give_up(idle)
        if self.state == ENDED:
            return
        if self.system.observers:
            self.system.emit(ActorFencedEvent(path=self.path, incarnation=self.incarnation, reason=reason))
        again = self.state == STOPPING
        self.stopped_own = True
        failure = ActorFenced(self.path, self.incarnation)
        failure.add_note(reason)
        self.last_failure = failure
        starting = self.state <= STARTING
        self.enter(epoch, STOPPING)
        self.cause = FailedToStart(failure) if starting else Fenced(reason)
        if again:
            for child in list(self.children or ()):
                child.fence("its parent was given up")
        self.drop_timers_and_monitors()
        self.advance_end(epoch)

    def _on_child(self, signal: ChildSignal, epoch: int) -> None:
        child = cast("Life", signal.child._cell)
        if self.children is None or child not in self.children:
            return
        if self.state != STOPPING:
            self.foreign(epoch, self.actor.on_child, signal)
        elif not isinstance(signal, ChildStarted):
            self.forget(child)
            if not (self.together and self.children):
                self.advance_end(epoch)

    def crash(self, error: BaseException, epoch: int) -> None:
        """End this incarnation because of ``error``; ``on_failure`` runs first."""
        starting = self.state <= STARTING
        if self.state in (STOPPING, ENDED):  # on_stop raised, or a signal's handler while stopping
            self.system.crashed(self, error)
            return
        self.enter(epoch, STOPPING)
        self.last_failure = error
        self.system.crashed(self, error)
        if self.system.observers:
            self.system.emit(
                ActorCrashedEvent(
                    path=self.path, incarnation=self.incarnation, error=f"{type(error).__name__}: {error}"
                )
            )
        self.stopped_own = True
        self.cause = FailedToStart(error) if starting else Crashed(error)
        self.drop_timers_and_monitors()
        if self.actor is not None:
            try:
                self.actor.on_failure(type(error), error, error.__traceback__)
            except BaseException as second:  # noqa: BLE001 - as above
                self.system.crashed(self, second)
        self.advance_end(epoch)

    def begin_end(self, cause: Cause, epoch: int, *, ignored: bool = False) -> None:
        """Begin an orderly end."""
        if self.state >= STOPPING:
            return
        early = self.state < RUNNING and not ignored
        self.enter(epoch, STOPPING)
        self.cause = FailedToStart(ActorStopped(self.path)) if early else cause
        self.stopped_own = self.actor is None
        if ignored:
            self.cause = None
        self.drop_timers_and_monitors()
        self.advance_end(epoch)

    def advance_end(self, epoch: int) -> None:
        """Stop the next child; when there is none left, finish."""
        if self.together and self.children:
            for child in list(reversed(self.children)):
                if not child.request_stop(Shutdown()):
                    self.forget(child)
        while self.children and not self.together:
            child = next(reversed(self.children))
            if child.request_stop(Shutdown()):
                return
            self.forget(child)
        if self.children:
            return
        if not self.stopped_own:
            self.stopped_own = True
            self.foreign(epoch, self.actor.on_stop)
        self._finish_end(epoch)

    def _finish_end(self, epoch: int) -> None:
        with self.lock:
            if self.epoch != epoch:
                raise SupersededError
            self.state = ENDED
            self.actor = None
            timer, self.stop_timer = self.stop_timer, None
            stops, self.stop_replies = self.stop_replies, None
            open_replies, self.open_replies = self.open_replies, None
            told = [k for k, w in (self.watches or {}).items() if w.incarnation == self.incarnation]
            fire = [cast("dict[int, Watch]", self.watches).pop(key) for key in told]
        if timer is not None:
            timer.cancel()
        cause = self.cause
        for reply in tuple(open_replies or ()):
            reply.try_fail(self._answer_at_end(cause))
        for watch in fire:
            watch.callback(self.incarnation, cause or Normal())
        if self.system.observers:
            self.system.emit(
                ActorEnded(path=self.path, incarnation=self.incarnation, cause=cause or Normal())
            )
        self._tell_parent(self._signal(cause))
        for reply in stops or ():
            reply.try_set(None)

    def _signal(self, cause: Cause | None) -> ChildSignal:
        if cause is None:
            return ChildIgnored(child=self.ref, incarnation=self.incarnation)
        if isinstance(cause, FailedToStart):
            return ChildFailed(child=self.ref, incarnation=self.incarnation, error=cause.exception)
        return ChildEnded(child=self.ref, incarnation=self.incarnation, cause=cause)

    def _answer_at_end(self, cause: Cause | None) -> BaseException:
        match cause:
            case Crashed(exception=error) | FailedToStart(exception=error):
                return ActorCrashed(self.path, self.incarnation, error)
            case Fenced():
                return ActorFenced(self.path, self.incarnation)
            case _:
                return ActorStopped(self.path)

    def _tell_parent(self, signal: ChildSignal) -> None:
        if self.parent is None:
            self.system.root_signal(self, signal)
        elif not self.parent.put_control((Life._on_child, signal)) and not isinstance(signal, ChildStarted):
            self.terminate()

    def _note_stop_reply(self, reply: Future[Any]) -> None:
        if self.stop_replies is None:
            self.stop_replies = []
        self.stop_replies.append(reply)

    def forget(self, child: "Life") -> None:
        """Let go of a child that has ended: its ref is dead from now on."""
        if self.children is not None:
            self.children.pop(child, None)
        child.terminate()

    def terminate(self) -> None:
        """End for good: answer what still waits, tell who still watches, give the thread back."""
        with self.lock:
            if self.terminated:
                return
            self.terminated = True
            self.state = ENDED
            items, self.user = self.user, None
            watches, self.watches = self.watches, None
            timer, self.stop_timer = self.stop_timer, None
            stops, self.stop_replies = self.stop_replies, None
            if self.waiting:
                self.release_waiting(everybody=True)
        if timer is not None:
            timer.cancel()
        for item in items or ():
            self.dead_letter(item, "the actor ended before it was handled")
        for watch in (watches or {}).values():
            watch.callback(self.incarnation, self.cause or Normal())
        for reply in stops or ():
            reply.try_set(None)
        self.executor.close()

    def adopt(self, child: "Life") -> None:
        """Take ``child`` in and start it."""
        self._refuse_zombies()
        if self.children is None:
            self.children = {}
        self.children[child] = None
        child.start()

    def drop_timers_and_monitors(self) -> None:
        """Cancel all timers of this incarnation, and take its monitors back; `Cell` has them."""
        raise NotImplementedError
