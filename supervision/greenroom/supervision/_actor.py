"""Actors: Pykka's, sharing threads, with an acknowledged start, children, monitors and timers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar

import pykka
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr

from greenroom.supervision import _checks
from greenroom.supervision._budgets import SHUTDOWN_NS
from greenroom.supervision._cell import Cell
from greenroom.supervision._future import Future
from greenroom.supervision._given import LONGEST_NS, checked_call, checked_cause
from greenroom.supervision._incarnation import Incarnation, OwnTimer
from greenroom.supervision._links import link, unlink
from greenroom.supervision._liveness import Liveness
from greenroom.supervision._making import START_NS, TaskFunction, spawned
from greenroom.supervision._ref import ActorRef, checked_cell, checked_child
from greenroom.supervision._restart import SHUTDOWN, Cause
from greenroom.supervision.runtime import Dispatcher, Executor, Runtime
from greenroom.supervision.signals import ChildSignal, ChildStarted, Down
from greenroom.supervision.snapshot import ActorKind, ChildFacts
from greenroom.supervision.spec import DEFAULT_MAILBOX, MailboxSpec

if TYPE_CHECKING:
    from greenroom.supervision._system import ActorSystem

A = TypeVar("A", bound="Actor")
T = TypeVar("T")
_PROXIED: Final = frozenset((ProxyCall, ProxyGetAttr, ProxySetAttr))


class Actor(pykka.Actor):
    """An actor. Override `on_start`, `on_receive`, `on_stop`, `on_failure` and `on_child` as needed.

    All of them run one at a time, on whichever thread the dispatcher provides. On the shared pool they must
    not block: `ask` with ``block=False`` and `when` continue in a message instead of waiting.

    An error from a handler ends the incarnation, whether the message was told or asked, unless the message's
    class lists the error in ``errors``: then it is the answer.
    """

    _cell: Cell
    _life: Incarnation

    _cell_class: ClassVar[type[Cell]] = Cell
    dispatcher: ClassVar[Dispatcher] = Dispatcher.POOL
    """Which threads run actors of this class, where their spec does not say."""
    actor_kind: ClassVar[ActorKind] = ActorKind.WORKER
    """What a snapshot calls it."""
    degraded: bool = False
    """Whether it does less than it should: an actor says so of itself, and snapshots show it."""

    trap_exits: ClassVar[bool] = False
    """Whether the end of a linked actor comes as an `Exit` message, instead of ending this one too."""

    @classmethod
    def start(  # pyright: ignore[reportIncompatibleMethodOverride] - a narrower ref
        cls, *args: Any, **kwargs: Any
    ) -> ActorRef[Self]:
        """Start one without a supervisor, in the default system, and wait until it has started.

        Raises:
            StartFailed: its constructor or ``on_start`` raised.
        """
        from greenroom.supervision._default import default_system  # noqa: PLC0415 - the system knows actors

        return default_system().start(cls, *args, **kwargs)

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        """Create the actor; runs on its own thread, before ``on_start``."""

    @staticmethod
    def _create_actor_inbox() -> Any:
        raise NotImplementedError("the mailbox belongs to the cell, which outlives the actor")

    @staticmethod
    def _create_future() -> Future[Any]:
        return Future()

    def _start_actor_loop(self) -> None:
        raise NotImplementedError("actors are started by their system or their parent")

    # -- Pykka's attributes --------------------------------------------------------------------------------

    @property
    def actor_ref(self) -> ActorRef[Self]:  # pyright: ignore[reportIncompatibleMethodOverride] - as above
        """This actor's ref: what to hand to others, never ``self``."""
        ref: ActorRef[Self] = self._cell.ref
        return ref

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """This actor's path, as a URN."""
        return self.actor_ref.actor_urn

    @property
    def actor_inbox(self) -> Any:  # type: ignore[override]
        """This actor's mailbox."""
        return self._cell

    @property
    def actor_stopped(self) -> Any:  # type: ignore[override]
        """Something with ``is_set()``."""
        return self.actor_ref.actor_stopped

    def stop(self) -> None:
        """End normally after the messages that are there now."""
        self._cell.ref.stop(block=False)

    # -- hooks ---------------------------------------------------------------------------------------------

    def on_start(self) -> Any:
        """Set up. What it returns is told to the starter; `IGNORE` and `START_LATER` have a meaning."""

    def on_given_up(self) -> None:
        """Release what this incarnation held, after it was fenced.

        Runs once, in place of ``on_stop``: on the thread that hung, when it comes back after all, or at once
        if no thread was in the actor's code. Whatever is sent from here is refused.
        """

    def on_child(self, signal: ChildSignal) -> None:
        """Hear how a child fares. This one lets go of children that are over; supervisors do more."""
        if not isinstance(signal, ChildStarted):
            self.forget(signal.child)

    def handle(self, message: Any) -> Any:
        """Dispatch one message: Pykka's own, or `on_receive`."""
        if type(message) in _PROXIED:
            return self._handle_receive(message)
        return self.on_receive(message)

    def child_facts(self, child: str, now_ns: int) -> ChildFacts | None:  # noqa: ARG002 - for those who restart
        """Say for a snapshot what this parent knows about a child's restarts; None where it restarts nobody.

        Called by any thread while this actor runs: it may only read, and never wait.
        """
        return None

    # -- services; only for the actor itself, while it handles something --------------------------------------

    @property
    def runtime(self) -> Runtime:
        """Time, dice and ids."""
        runtime: Runtime = self._cell.system.runtime
        return runtime

    @property
    def system(self) -> "ActorSystem":
        """What it lives in: there it finds others by name."""
        system: ActorSystem = self._cell.system
        return system

    @property
    def incarnation(self) -> int:
        """Which incarnation this is, from 1."""
        return self._life.number

    @property
    def path(self) -> str:
        """Where it stands in its tree."""
        return self._cell.path

    @property
    def executor(self) -> Executor:
        """What runs this actor: tasks submitted to a pinned one share its thread."""
        executor: Executor = self._cell.executor
        return executor

    @property
    def given_up(self) -> bool:
        """Whether this incarnation was fenced, or is over."""
        return self._life.fenced or self._life.actor is not self

    @property
    def starting(self) -> bool:
        """Whether it has not acknowledged its start yet."""
        return self._cell.is_starting(self._life)

    def end(self, cause: Cause | None = None) -> None:
        """End after this handler, before further messages: normally, or with ``cause``.

        Raises:
            BadSpec: ``cause`` is none that an actor can end by.
        """
        self._own().put_end(self._life, checked_cause(cause))

    def acknowledge(self, extra: Any = None) -> None:
        """Say that this actor, whose ``on_start`` returned `START_LATER`, has started."""
        self._cell.acknowledge(extra, self._life)

    def spawn(
        self,
        actor_class: type[A] | TaskFunction,
        *args: Any,
        name: str,
        dispatcher: Dispatcher | None = None,
        mailbox: MailboxSpec = DEFAULT_MAILBOX,
        shutdown_ns: int | None = SHUTDOWN_NS,
        start_ns: int | None = START_NS,
        register: str | None = None,
        liveness: Liveness | None = None,
        record_messages: bool = False,
        **kwargs: Any,
    ) -> ActorRef[A]:
        """Start a child, without waiting: `on_child` hears how it went.

        A child never outlives its parent: it is stopped, and waited for, before the parent is over.

        Args:
            actor_class: what to run: an actor, or a coroutine function as an asyncio task.
            args: for its constructor, at each start.
            name: among the siblings.
            dispatcher: where to run; None takes the class's.
            mailbox: bound and overflow policy.
            shutdown_ns: how long an ordered stop may take before it is fenced; 0 fences at once, None waits.
            start_ns: how long its start may take before it is fenced; None waits.
            register: a name to find it by, system-wide; its start fails with `AlreadyRegistered` if another has it.
            liveness: how long a handler or a message may take; None watches nothing.
            record_messages: whether the flight recorder notes the types of its messages.
            kwargs: for its constructor.

        Raises:
            BadSpec: one of these is wrong.
            ActorEnding: this actor is ending, and could not see a child through.
        """
        ref: ActorRef[A] = spawned(
            self._own(),
            name,
            actor_class,
            args,
            kwargs,
            dispatcher=dispatcher,
            mailbox=mailbox,
            shutdown_ns=shutdown_ns,
            start_ns=start_ns,
            register=register,
            liveness=liveness,
            record_messages=record_messages,
        )
        return ref

    def respawn(self, child: ActorRef[Any]) -> None:
        """Start the next incarnation of a child that has ended and was not forgotten.

        Raises:
            BadSpec: ``child`` is no child of this actor.
        """
        checked_child(self._own(), child).start()

    def forget(self, child: ActorRef[Any]) -> None:
        """Let go of a child that has ended: its ref is dead from now on, its name free.

        Raises:
            BadSpec: ``child`` is no child of this actor.
        """
        cell = self._own()
        cell.forget(checked_child(cell, child))

    def stop_later(self, child: ActorRef[Any], cause: Cause | None = None) -> None:
        """Ask a child to stop within its budget; `on_child` hears of its end.

        Raises:
            BadSpec: ``child`` is no child of this actor, or ``cause`` none that an actor can end by.
        """
        checked_child(self._own(), child).request_stop(SHUTDOWN if cause is None else checked_cause(cause))

    def fence_child(self, child: ActorRef[Any], reason: str, *, stuck: bool = False) -> None:
        """Give a child up at once; `on_child` hears of its end.

        Args:
            child: who.
            reason: why; for the log.
            stuck: its pinned thread hangs in a task that the actor did not run itself (a lane), so the thread
                is replaced too.

        Raises:
            BadSpec: ``child`` is no child of this actor, or ``reason`` no text.
        """
        cell = checked_child(self._own(), child)
        _checks.instance("reason", reason, str)
        if stuck:
            cell.system.replace_thread_of(cell)
        cell.fence(reason)

    def monitor(self, ref: ActorRef[Any], *, incarnation: int | None = None) -> int:
        """Be told by a `Down` message when ``ref`` is gone for good, or when one incarnation of it is over.

        Exactly one notice for each call; at once if it is over already; none after `demonitor`, nor to an actor that ends.

        Raises:
            BadSpec: ``ref`` is no ref, or ``incarnation`` no integer from 1.
        """
        cell, life, target = self._own(), self._life, checked_cell("ref", ref)
        if incarnation is not None:
            _checks.integer("incarnation", incarnation, least=1, most=LONGEST_NS)
        key: int = cell.system.runtime.next_id()
        monitors = life.monitors
        if monitors is None:
            monitors = life.monitors = {}
        monitors[key] = target

        def fired(which: int, cause: Any) -> None:
            down = Down(ref=ref, incarnation=which, cause=cause, monitor=key)
            cell.put_control((Cell.hear_down, life, down))

        target.watch(key, fired, incarnation)
        if life.cause is not None:  # it is ending, or was given up meanwhile: monitors are dropped already
            target.unwatch(key)
        return key

    def demonitor(self, monitor: int) -> None:
        """Take a monitor back; harmless if it has fired.

        Raises:
            BadSpec: ``monitor`` is nothing that `monitor` returns.
        """
        _checks.integer("monitor", monitor, least=0, most=LONGEST_NS)
        target = (self._life.monitors or {}).pop(monitor, None)
        if target is not None:
            target.unwatch(monitor)

    def link(self, ref: ActorRef[Any]) -> None:
        """Share the fate of ``ref``'s present incarnation, and it this one's, until one of both ends or unlinks.

        When one ends otherwise than normally the other ends too, with a cause of the same class; who has
        `trap_exits` gets an `Exit` message instead, for any end. If ``ref`` is over already, this actor hears of
        that at once. To link twice, or with oneself, changes nothing.

        Raises:
            ActorEnding: this actor is ending.
            BadSpec: ``ref`` is no ref.
        """
        link(self._own(), self._life, checked_cell("ref", ref))

    def unlink(self, ref: ActorRef[Any]) -> None:
        """Take links with ``ref`` back, in both directions; nothing comes of them any more, even if it was queued."""
        unlink(self._own(), self._life, checked_cell("ref", ref))

    def after(self, delay_ns: int, function: Callable[..., object], *args: Any) -> OwnTimer:
        """Call ``function(*args)`` as a message of this actor after ``delay_ns``; `cancel()` takes it back.

        A timer belongs to the incarnation: it ends when that begins to end, and the next one never hears of it.

        Raises:
            BadSpec: ``delay_ns`` is no integer, or ``function`` cannot be called.
        """
        checked_call("function", function)
        return self._own().after(self._life, delay_ns, function, args)

    def when(self, future: Future[T], function: Callable[..., object], *args: Any) -> None:
        """Call ``function(future, *args)`` as a message of this actor once ``future`` is complete.

        Raises:
            BadSpec: ``future`` is none of ours, or ``function`` cannot be called.
        """
        _checks.instance("future", future, Future)
        checked_call("function", function)
        cell, life = self._own(), self._life
        future.add_done_callback(lambda done: cell.put_continuation(life, function, (done, *args)))

    def defer_reply(self, *, until: Future[Any] | None = None) -> Future[Any]:
        """Take the present ask's answer into one's own hands: complete the future that this returns.

        Should this incarnation end first, the asker is told so. In a message that was told, the future goes
        nowhere.

        Args:
            until: an answer without which this one will not be given. Whoever says so is refused where that would be a
                circle, instead of waiting for ever.

        Raises:
            AskCycle: ``until`` waits, directly or not, for the answer that was to be taken over; which this handler
                has still to give.
            BadSpec: ``until`` is no future.
        """
        if until is not None:
            _checks.instance("until", until, Future)
        return self._cell.take_over_answer(self._life, until)

    def _own(self) -> Cell:
        cell = self._cell
        if cell.zombies:
            cell.refuse_zombies()
        return cell

    def __str__(self) -> str:
        return f"{type(self).__name__} ({self.path})"
