"""The cell of one actor: how an incarnation starts, the loop that runs it, and what becomes of each message."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final, cast

from pykka.messages import (
    ProxyCall,
    _ActorStop,  # pyright: ignore[reportPrivateUsage]
)

from greenroom.supervision import _checks
from greenroom.supervision._cycles import defer
from greenroom.supervision._ending import Ending
from greenroom.supervision._future import Future
from greenroom.supervision._incarnation import Incarnation, OwnTimer
from greenroom.supervision._leftover import keep_for_retry, report_poison
from greenroom.supervision._mailbox import Ask, is_stop
from greenroom.supervision._place import NEW, RUNNING, STARTING
from greenroom.supervision._restart import Normal
from greenroom.supervision._superseded import SupersededError
from greenroom.supervision._threads import current
from greenroom.supervision.errors import ActorCrashed, ActorStopped
from greenroom.supervision.events import ActorStarted
from greenroom.supervision.signals import IGNORE, START_LATER, Down, child_started
from greenroom.supervision.snapshot import FlightKind
from greenroom.supervision.spec import OnCrash

_STARTED: Final = FlightKind.STARTED


class Cell(Ending):
    """One actor's place in the tree, and the loop that runs it."""

    __slots__ = ()

    is_task: ClassVar[bool] = False
    """Whether an asyncio task stands behind it."""

    # -- the loop ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Handle items until there are none, or it is another actor's turn."""
        runtime = self.system.runtime
        me = runtime.thread_id()
        outer, current.cell = current.cell, self
        try:
            again = self._turn(me, runtime.throughput)
        except SupersededError:
            if self.given_up:
                self.release_given_up(me)
            return
        except BaseException as bug:  # ours; the actor must not be left half-way
            if runtime.simulated:
                raise
            self.system.crashed(self, bug)
            if me in (self.given_up or ()):  # then it is not this thread that runs the present incarnation
                self.release_given_up(me)
            else:
                self.fence("its machine failed")
            return
        finally:
            current.cell = outer
        if again:
            self.turned(runtime.throughput)
            self.executor.submit(self)

    def _turn(self, me: int, budget: int) -> bool:  # noqa: C901, PLR0912 - the hot path, in one piece
        """Handle up to ``budget`` items; return whether there are more."""
        acquire, release = self.lock.acquire, self.lock.release  # `with` would take twice as long
        epoch = -1
        while True:
            acquire()
            try:
                if self.epoch != epoch:
                    if epoch >= 0:
                        raise SupersededError
                    epoch, self.thread = self.epoch, me
                life = self.life
                life.asking = None
                if not budget:
                    more = not self._rests(me)
                    self.thread = 0
                    return more
                if self.control:
                    handler, life, item = self.control.popleft()
                elif self.state == RUNNING and self.user:
                    handler, item = None, self.user.popleft()
                    if type(item) is Ask:
                        life.asking = item
                    if self.waiting:
                        self.release_waiting()
                elif self._rests(me):
                    return False
                else:
                    continue
            finally:
                release()
            budget -= 1
            if handler is not None:
                handler(self, life, item, epoch)
            elif type(item) is Ask:
                self._answer(item, life, epoch)
            else:
                self._receive(item, life, epoch)

    def _rests(self, me: int) -> bool:
        """Give the mailbox free, unless something has come in meanwhile; under the lock."""
        self.thread = 0
        # As `give_free`, without its call.
        if (
            not self.children and not self.control
        ):  # nothing is called until the next line: a finalizer might put
            self.control = None
        self.idle.release()
        if (self.control or (self.state == RUNNING and self.user)) and self.idle.acquire(False):
            self.thread = me
            return False
        return True

    # -- messages ------------------------------------------------------------------------------------------

    def _receive(self, message: Any, life: Incarnation, epoch: int) -> None:
        if type(message) is _ActorStop:
            self.note(FlightKind.STOP_REQUESTED)
            self.begin_end(Normal(), life, epoch)
            return
        try:
            life.actor.handle(message)
        except BaseException as error:  # noqa: BLE001 - every error is this actor's crash, nobody else's
            if not self._is_declared(error, message, life):
                self._crash_over(message, error, life, epoch)

    def _answer(self, ask: Ask, life: Incarnation, epoch: int) -> None:
        message = ask.message
        if type(message) is _ActorStop:
            with self.lock:
                if self.epoch != epoch:
                    raise SupersededError
                life.note_stop(ask)
            self.note(FlightKind.STOP_REQUESTED)
            self.begin_end(Normal(), life, epoch)
            return
        try:
            result = life.actor.handle(message)
        except SupersededError:
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            if not self._is_declared(error, message, life):
                self._crash_over(ask, error, life, epoch)
            elif ask.reply is not None:
                ask.reply.try_fail(error)
            return
        if ask.reply is not None:
            ask.reply.try_set(result)

    def _crash_over(self, item: Any, error: BaseException, life: Incarnation, epoch: int) -> None:
        """End because of what a message raised; the message is answered for, or kept for one more try."""
        if isinstance(error, SupersededError):
            raise error
        reply = item.reply if type(item) is Ask else None
        taken_over = type(item) is Ask and reply is None  # then it is answered at the end
        if self.policy.on_crash is OnCrash.RETRY_ONCE and life.retrying is None and not taken_over:
            keep_for_retry(self, item, error, life, epoch)
        else:
            if life.retrying is not None:
                report_poison(self, life, error, epoch)
            if reply is not None:
                reply.try_fail(ActorCrashed(self.path, life.number, error))
        self.crash(error, life, epoch)

    def _retry(self, life: Incarnation, detail: None, epoch: int) -> None:  # noqa: ARG002 - as all control items
        """Try the message over which the last incarnation crashed once more."""
        with self.lock:
            if self.epoch != epoch:
                raise SupersededError
            again = self.retry
            if again is None or life is not self.life or self.state != RUNNING:
                return
            self.retry, life.retrying = None, again
            item = again.item
            if type(item) is Ask:
                life.asking = item
        if type(item) is Ask:
            self._answer(item, life, epoch)
        else:
            self._receive(item, life, epoch)
        with self.lock:
            if self.epoch != epoch:
                raise SupersededError
            life.retrying = None

    def _is_declared(self, error: BaseException, message: Any, life: Incarnation) -> bool:
        """Whether the message, or the method that was called, lists the error as an answer."""
        try:
            declared: Any = message
            if isinstance(message, ProxyCall):
                declared = life.actor
                for name in message.attr_path:
                    declared = getattr(declared, name, None)
            errors = getattr(declared, "errors", ())
            return isinstance(errors, tuple) and isinstance(error, Exception) and isinstance(error, errors)
        except SupersededError:
            raise
        except BaseException:  # noqa: BLE001 - who cannot say what it declares declares nothing
            return False

    def dead_letter(self, item: Any, why: str) -> None:
        """Answer an ask that nobody will handle; count and report any other message."""
        if type(item) is Ask:
            reply = cast("Future[Any]", item.reply)
            if is_stop(item):
                reply.try_set(None)
            else:
                reply.try_fail(ActorStopped(self.path))
        elif not is_stop(item):
            self.system.dead_letter(self, item, why)

    def take_over_answer(self, life: Incarnation, until: Future[Any] | None) -> Future[Any]:
        """Hand the answer to the present ask to its handler; it waits for ``until``, if there is such a one.

        Raises:
            AskCycle: ``until`` waits for this answer; it stays where it was.
        """
        with self.lock:
            if self.zombies:
                self.refuse_zombies()
            ask = life.asking
            reply = None if ask is None else ask.reply
            if ask is None or reply is None:
                life.asking = None
                return Future(self.system.runtime, self.path)
            if until is None:
                reply.taken_over(self.ref)
            else:
                defer(reply, self, until)
            life.asking = ask.reply = None
            life.keep_open(reply)
            return reply

    # -- starting ------------------------------------------------------------------------------------------

    def begin(self, life: Incarnation, detail: None, epoch: int) -> None:  # noqa: ARG002 - as all control items
        """Construct the actor and run its ``on_start``."""
        with self.lock:
            if life is not self.life or self.state != NEW or self.epoch != epoch:
                return
            self.enter_start(life)
        try:
            extra = self.make_actor(life)
        except BaseException as error:  # noqa: BLE001 - as above
            self.crash(error, life, epoch)
            return
        if extra is IGNORE:
            self.begin_end(Normal(), life, epoch, ignored=True)
        elif extra is not START_LATER:
            self.acknowledge(extra, life, epoch)

    def enter_start(self, life: Incarnation) -> None:
        """Go to ``starting``, with the budget for that; under the lock."""
        self.state = STARTING
        if self.start_ns is not None:
            overrun = partial(self.overrun, life, self.start_ns, None)
            life.start_timer = self.system.runtime.call_later(self.start_ns, overrun)

    def make_actor(self, life: Incarnation) -> Any:
        """Construct the actor, by its registered name if it has one, and return what its ``on_start`` returns."""
        if self.register is not None:
            self.system.names.claim(self.register, self)
        life.actor = actor = object.__new__(self.actor_class)
        actor._cell = self
        actor._life = life
        actor.__init__(*self.args, **self.kwargs)
        return actor.on_start()

    def acknowledge(self, extra: Any, life: Incarnation, epoch: int | None = None) -> None:
        """Say that it has started; the first time counts.

        Raises:
            ActorFenced: the calling thread has been given up; where the machine calls, by ``epoch``, it unwinds.
        """
        with self.lock:
            if epoch is None:
                if self.zombies:
                    self.refuse_zombies()
            elif epoch != self.epoch:
                raise SupersededError
            if life is not self.life or self.state != STARTING:
                return
            self.state = RUNNING
            life.started_ns = self.system.runtime.now_ns()
            if life.start_timer is not None:
                life.cancel_start_timer()
            if self.retry is not None:
                self.control_lane().append((Cell._retry, life, None))
        if self.record is not None:
            self.note(_STARTED, "", life.number)
        if self.system.observers:
            self.system.emit(ActorStarted(path=self.path, incarnation=life.number))
        self.tell_parent(child_started(self.ref, life.number, extra))

    # -- what an incarnation set going ------------------------------------------------------------------------

    def hear_down(self, life: Incarnation, down: Down, epoch: int) -> None:
        """Deliver a monitor's notice, unless it was taken back, or its incarnation is over."""
        if life is not self.life or self.state not in (STARTING, RUNNING):
            return
        if life.monitors is not None and life.monitors.pop(down.monitor, None) is not None:
            self.foreign(life, epoch, life.actor.handle, down)

    def put_continuation(
        self, life: Incarnation, function: Callable[..., object], args: tuple[Any, ...]
    ) -> None:
        """Have ``function(*args)`` run by this incarnation, if it lives then."""
        self.put_control((Cell._continue, life, (function, args)))

    def _continue(
        self, life: Incarnation, detail: tuple[Callable[..., object], tuple[Any, ...]], epoch: int
    ) -> None:
        if life is self.life and self.state in (STARTING, RUNNING):
            function, args = detail
            self.foreign(life, epoch, function, *args)

    def after(
        self, life: Incarnation, delay_ns: int, function: Callable[..., object], args: tuple[Any, ...]
    ) -> OwnTimer:
        """Call ``function(*args)`` in this incarnation after ``delay_ns``, if it lives then.

        Raises:
            BadSpec: ``delay_ns`` is no integer.
        """
        if type(delay_ns) is not int:
            _checks.instance("delay_ns", delay_ns, int)
        if life.timers is None:
            life.timers = {}
        timer = OwnTimer(self, life, function, args)
        life.timers[timer] = None
        timer.handle = self.system.runtime.call_later(delay_ns, timer.due)
        if life.cause is not None:  # it is ending, or was given up meanwhile: timers are cancelled already
            timer.cancel()
        return timer
