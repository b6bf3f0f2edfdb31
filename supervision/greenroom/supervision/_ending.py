"""How an incarnation ends: stopped, crashed, or fenced.

Laws:
    - at most one thread runs a cell. Who runs it holds the ``epoch`` it began with, and each step of the
      machine compares epochs under ``lock``. A fence raises the epoch and marks the thread, in one step: the
      thread that hangs in foreign code is refused when it comes back, however late;
    - a request aims at an incarnation. One that comes late does not hit the next;
    - an incarnation ends in this order: its timers are cancelled, its monitors dropped, its children stopped in
      reverse order, its ``on_stop`` run, its open asks answered, its watchers and links told, then its parent;
    - however its end begins, it has the shutdown budget for it, and past that is fenced with all below it; who has a
      brutal one and ends by itself has the default for that;
    - the next incarnation starts only when the parent says so, thus only after all of that.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final

from greenroom.supervision._at_rest import stop_at_rest
from greenroom.supervision._budgets import Budgeted
from greenroom.supervision._incarnation import Incarnation
from greenroom.supervision._leftover import report_poison
from greenroom.supervision._links import tell_links
from greenroom.supervision._mailbox import is_stop
from greenroom.supervision._place import (
    DOWN,
    ENDED,
    POOLED,
    RUNNING,
    STARTING,
    STOPPING,
    answer_stops,
)
from greenroom.supervision._restart import (
    SHUTDOWN,
    Cause,
    Crashed,
    FailedToStart,
    Fenced,
    Normal,
    Shutdown,
    is_abnormal,
)
from greenroom.supervision._superseded import SupersededError
from greenroom.supervision.errors import ActorCrashed, ActorFenced, ActorStopped
from greenroom.supervision.events import (
    ActorCrashedEvent,
    ActorEnded,
    ActorFencedEvent,
    ReportContext,
    SupervisorReport,
)
from greenroom.supervision.signals import (
    ChildEnded,
    ChildFailed,
    ChildIgnored,
    ChildSignal,
    ChildStarted,
    child_ended,
)
from greenroom.supervision.snapshot import ActorKind, FlightKind

WITH_PARENT: Final = "its parent was given up"
WAVE: Final = 256
"""So many children that stop together are asked in one step; then those that have ended are heard, and others have the thread."""
_ENDED: Final = FlightKind.ENDED


class Ending(Budgeted):
    """A place whose incarnations end in order."""

    __slots__ = ("epoch", "given_up", "thread")

    is_watched: ClassVar[bool] = False
    """Whether a watch goes with each incarnation, and ends with it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.epoch = 0
        self.thread = 0
        self.given_up: dict[int, tuple[Incarnation, Any]] | None = None

    # -- asked for -----------------------------------------------------------------------------------------

    def request_stop(self, cause: Cause) -> bool:
        """Ask for an orderly end within the shutdown budget.

        A budget of 0 fences at once; None waits for ever.

        Returns:
            Whether its end is still to come, and the parent to hear of it.
        """
        if self.shutdown_ns == 0 and self.fence("brutal shutdown"):
            return True
        if self.dispatcher in POOLED and self.is_undisturbed() and self.idle.acquire(False):
            return stop_at_rest(self, cause)
        with self.lock:
            if self.terminated or self.state == DOWN:
                return False
            if self.state == ENDED:
                return True
            self.note(FlightKind.STOP_REQUESTED)
            self.begin_stop(self.life, (Ending._stop, self.life, cause))
        self.wake()
        return True

    def fence(self, reason: str, life: Incarnation | None = None, *, if_starting: bool = False) -> bool:
        """Give the present incarnation up, wherever its thread is. Any thread may call it, without a lock of a cell.

        Args:
            reason: why.
            life: which incarnation; None takes the present one.
            if_starting: only if it has not started yet.

        Returns:
            False if there is no such incarnation to give up.
        """
        found: bool = self.system.runtime.undisturbed(partial(self.give_up, reason, life, if_starting))
        return found

    def give_up(self, reason: str, life: Incarnation | None, if_starting: bool) -> bool:
        """Do what `fence` says, on a thread that nothing interrupts: else it could be half done."""
        with self.lock:
            now = self.life
            if self.state in (DOWN, ENDED) or life not in (None, now):
                return False
            if if_starting and self.state > STARTING:
                return False
            self.epoch += 1
            thread, self.thread = self.thread, 0
            again, now.fenced = now.fenced, True
            if thread:
                self.zombies.setdefault(thread, self.name)
                if self.given_up is None:
                    self.given_up = {}
                self.given_up[thread] = (now, now.actor)
                self.system.hung[thread] = (self.path, now.number)
            # A second fence finds no thread inside, because the first has taken it: it may still be there.
            if not (thread or again or now.cleaned):
                now.to_release = now.actor
            asking = now.asking
            if asking is not None and is_stop(asking):
                now.note_stop(asking)
            now.asking, asking = None, now.asking
            self.control_lane().appendleft((Ending._fenced, now, reason))
            loan = self.system.loans.get(thread)  # not there any more once the thread is out of our hands
        if thread:
            self.system.runtime.abandon(thread)
            self.executor.submit(self)  # in the place of the thread that was given up
            if loan is not None:
                loan.call_back()
        else:
            self.wake()
        if asking is not None and asking.reply is not None:
            asking.reply.try_fail(ActorFenced(self.path, now.number))
        return True

    # -- begun -----------------------------------------------------------------------------------------------

    def put_end(self, life: Incarnation, cause: Cause) -> None:
        """Have the actor, whose handler runs, end next."""
        with self.lock:
            if self.zombies:
                self.refuse_zombies()
            self.control_lane().appendleft((Ending._stop, life, cause))
        self.wake()

    def _stop(self, life: Incarnation, cause: Cause, epoch: int) -> None:
        if life is self.life:
            self.begin_end(cause, life, epoch)

    def _fenced(self, life: Incarnation, reason: str, epoch: int) -> None:
        if life is not self.life or self.state in (DOWN, ENDED):
            return
        self.note(FlightKind.FENCED, reason, life.number)
        if self.system.observers:
            self.system.emit(ActorFencedEvent(path=self.path, incarnation=life.number, reason=reason))
        failure = ActorFenced(self.path, life.number)
        failure.add_note(reason)
        report_poison(self, life, failure, epoch)
        again = self.state == STOPPING or reason is WITH_PARENT
        never_ran = self.state <= STARTING or isinstance(life.cause, FailedToStart)
        self._enter_end(life, epoch, FailedToStart(failure) if never_ran else Fenced(reason))
        life.cleaned = True
        life.fail_deferred(failure)
        actor, life.to_release = life.to_release, None
        self._release(life, actor)
        if again:
            for child in list(self.children or ()):
                child.fence(WITH_PARENT)
        self._advance_end(life, epoch)

    def release_given_up(self, thread: int) -> None:
        """Let the actor in whose code a fence cut this thread off release what it holds."""
        life, actor = (self.given_up or {}).pop(thread, (None, None))
        self.system.hung.pop(thread, None)
        if life is not None:
            self._release(life, actor or life.to_release or life.actor)

    def _release(self, life: Incarnation, actor: Any) -> None:
        with self.lock:
            if actor is None or life.released:
                return
            life.released = True
        try:
            actor.on_given_up()
        except SupersededError:
            raise
        except BaseException as error:  # noqa: BLE001 - every error is this actor's crash, nobody else's
            self.system.crashed(self, error)

    def begin_end(self, cause: Cause, life: Incarnation, epoch: int, *, ignored: bool = False) -> None:
        """Begin an orderly end. Of one that was ignored nothing is to be cleaned up but its children."""
        if self.state >= STOPPING:
            return
        if self.state < RUNNING and not ignored:
            error = cause.exception if isinstance(cause, Crashed) else ActorStopped(self.path)
            cause = FailedToStart(error)
        self._enter_end(life, epoch, cause)
        life.ignored = ignored
        life.cleaned = life.cleaned or ignored or life.actor is None
        self._advance_end(life, epoch)

    def crash(self, error: BaseException, life: Incarnation, epoch: int) -> None:
        """End this incarnation because of ``error``; ``on_failure`` runs first."""
        if isinstance(error, SupersededError):
            raise error
        if self.epoch != epoch:
            raise SupersededError
        starting = self.state <= STARTING
        ending = self.state >= STOPPING  # on_stop raised
        if not ending:
            self._enter_end(life, epoch, FailedToStart(error) if starting else Crashed(error))
            life.cleaned = True
        self.system.crashed(self, error)
        kind = type(error).__name__  # its text may hold a secret
        self.note(FlightKind.CRASHED, kind, life.number)
        if ending:
            return
        if self.system.observers:
            self.system.emit(ActorCrashedEvent(path=self.path, incarnation=life.number, error=kind))
        if life.actor is not None:
            try:
                life.actor.on_failure(type(error), error, error.__traceback__)
            except SupersededError:
                raise
            except BaseException as second:  # noqa: BLE001 - as above
                self.system.crashed(self, second)
        self._advance_end(life, epoch)

    def foreign(self, life: Incarnation, epoch: int, function: Callable[..., Any], *args: Any) -> None:
        """Run the actor's code outside of a message; an error is its crash."""
        try:
            function(*args)
        except BaseException as error:  # noqa: BLE001 - as above
            self.crash(error, life, epoch)

    def _enter_end(self, life: Incarnation, epoch: int, cause: Cause) -> None:
        """Go to ``stopping`` in one step, unless this thread has been superseded."""
        with self.lock:
            if self.epoch != epoch:
                raise SupersededError
            self.state = STOPPING
            life.cause = cause
            self.arm_stop_timer(life)
            # A list: finding the last key of a dictionary whose end was deleted takes longer and longer.
            life.to_stop = list(self.children) if self.children else None
            if life.start_timer is not None:
                life.cancel_start_timer()
        if life.monitors or life.timers:
            life.drop_timers_and_monitors()

    # -- gone through ------------------------------------------------------------------------------------------

    def hear_child(self, life: Any, signal: ChildSignal, epoch: int) -> None:  # noqa: ARG002 - as all control items
        """Hear how a child fares; while stopping, go on with the end."""
        child = signal.child._cell
        if child not in (self.children or ()):
            return
        started = isinstance(signal, ChildStarted)
        if not started and child.state == ENDED:  # only its parent does anything to who has ended: no lock
            child.state = DOWN
        if self.epoch != epoch:  # whoever runs this now may have looked at the child before that
            self.put_control((type(self).hear_child, None, signal))
            raise SupersededError
        if self.state != STOPPING:
            try:
                self.life.actor.on_child(signal)
            except BaseException as error:  # noqa: BLE001 - as in `foreign`, without its call
                self.crash(error, self.life, epoch)
        elif not started:
            if self.system.observers and isinstance(signal, ChildEnded) and is_abnormal(signal.cause):
                self._report(signal)
            self.forget(child)
            if not (self.together and self.children):
                self._advance_end(self.life, epoch)

    def _report(self, ended: ChildEnded) -> None:
        """Tell of a child that did not stop as it was told: a supervisor that is stopping hears of it no more."""
        if self.actor_class.actor_kind is ActorKind.SUPERVISOR:
            context, name = ReportContext.SHUTDOWN_ERROR, ended.child._cell.name
            self.system.emit(
                SupervisorReport(
                    path=self.path,
                    context=context,
                    child=name,
                    incarnation=ended.incarnation,
                    reason=ended.cause,
                )
            )

    def _advance_end(self, life: Incarnation, epoch: int) -> None:
        """Stop the next child; when there is none left, finish."""
        left, room = life.to_stop, WAVE
        if self.epoch != epoch:  # else it could be the list of the thread that runs this now
            raise SupersededError
        while left:
            if self.together and not room:
                self.put_control((Ending._go_on, life, None))
                return
            room -= 1
            child = left[-1]
            there = child in (self.children or ())
            asked = there and child.request_stop(SHUTDOWN)
            if asked and not self.together:
                return
            if there and not asked and child.state not in (DOWN, ENDED):
                continue  # a thread that was given up has started it just now: look again
            left.pop()
            if child.state == DOWN:
                self.forget(child)
        if self.children:
            return
        if not life.cleaned:
            life.cleaned = True
            self.foreign(life, epoch, life.actor.on_stop)
        self._finish_end(life, epoch)

    def _go_on(self, life: Incarnation, detail: None, epoch: int) -> None:  # noqa: ARG002 - as all control items
        if life is self.life and self.state == STOPPING and life.to_stop:
            self._advance_end(life, epoch)

    def _finish_end(self, life: Incarnation, epoch: int) -> None:
        with self.lock:
            if self.epoch != epoch:
                raise SupersededError
            self.state = ENDED
            life.actor = None
            watches = self.watches_of(life.number) if self.watches else ()
            life.cancel_stop_timer()
        cause = life.cause or Normal()
        if is_abnormal(cause):
            self.note_failure(_kind_of(cause), life.number)
        if self.record is not None or type(cause) is not Shutdown:  # else it stopped as it was told, at once
            self.note(_ENDED, type(cause).__name__, life.number)
        if life.deferred is not None:
            life.fail_deferred(self._answer_at_end(cause, life))
        for watch in watches:
            watch.tell(life.number, cause)
        if life.links is not None:
            tell_links(self, life, cause)
        if self.system.observers:
            self.system.emit(ActorEnded(path=self.path, incarnation=life.number, cause=cause))
        self.tell_parent(self._signal(cause, life))
        if life.stops:
            answer_stops(life)

    def _signal(self, cause: Cause, life: Incarnation) -> ChildSignal:
        if isinstance(cause, FailedToStart):
            return ChildFailed(child=self.ref, incarnation=life.number, error=cause.exception)
        if life.ignored:
            return ChildIgnored(child=self.ref, incarnation=life.number)
        return child_ended(self.ref, life.number, cause)

    def _answer_at_end(self, cause: Cause, life: Incarnation) -> BaseException:
        match cause:
            case Crashed(exception=error) | FailedToStart(exception=error):
                return ActorCrashed(self.path, life.number, error)
            case Fenced():
                return ActorFenced(self.path, life.number)
            case Normal() | Shutdown():
                return ActorStopped(self.path)


def _kind_of(cause: Cause) -> str:
    """Name what a failure was: the type of an error, never its text."""
    error = getattr(cause, "exception", None)
    return type(cause if error is None else error).__name__
