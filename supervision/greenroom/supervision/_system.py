"""A system: one runtime, the roots that run on it, its observers, and an orderly end of all of it."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar, overload

from greenroom.supervision import _checks
from greenroom.supervision._actor import Actor
from greenroom.supervision._budgets import SHUTDOWN_NS
from greenroom.supervision._cell import Cell
from greenroom.supervision._facts import runs_at
from greenroom.supervision._flight import DEFAULT_ENTRIES, MOST_ENTRIES, Graves
from greenroom.supervision._forked import renew
from greenroom.supervision._forking import remember
from greenroom.supervision._future import Future, would_block
from greenroom.supervision._given import checked_call, checked_keywords, checked_timeout_ns
from greenroom.supervision._liveness import Liveness
from greenroom.supervision._log import get_logger, log_bug, outline
from greenroom.supervision._loop_choice import ClosedByAwait, LoopChoice
from greenroom.supervision._making import START_NS, TaskFunction, make_cell
from greenroom.supervision._names import Named, Names
from greenroom.supervision._once import Once
from greenroom.supervision._ref import ActorRef, checked_cell
from greenroom.supervision._repeats import Repeats
from greenroom.supervision._restart import Cause, Shutdown
from greenroom.supervision._snapshot import take
from greenroom.supervision._superseded import SupersededError
from greenroom.supervision._threads import ThreadRuntime, current, new_lock, new_recursive_lock
from greenroom.supervision.errors import (
    ActorStopped,
    AskTimeout,
    BadSpec,
    BlockingInHandler,
    RuntimeClosed,
    StartFailed,
)
from greenroom.supervision.events import DeadLetter, MessagesDropped, SystemEvent
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.signals import ChildFailed, ChildIgnored, ChildSignal, ChildStarted
from greenroom.supervision.snapshot import FlightKind, TreeSnapshot
from greenroom.supervision.spec import DEFAULT_MAILBOX, LONGEST_TEMPLATE_ID, MailboxSpec

A = TypeVar("A", bound=Actor)
GIVE_UP_NS: Final = 1_000_000_000
"""How long `ActorSystem.close` waits, past its timeout, for what it has fenced."""


class ActorSystem(ClosedByAwait, Named):
    """Everything that lives and dies together.

    Args:
        runtime: a `ThreadRuntime` of its own by default; pass a `SimulatedRuntime` for virtual time. A runtime
            that was passed in is closed by whoever made it.
        recorder: how many of the last things that happened to an actor are kept for each, 0 to `MOST_ENTRIES`; 0
            keeps none, of dead actors neither.
        record_messages: whether the names of messages' types are among them, for all actors (a task takes its letters
            itself). It costs each message something; a spec can ask for it for one child.
        loop: the event loop that runs asyncio tasks, where their spec names no other; by default one of the
            runtime's own, on a thread of its own, made when first needed. Who passes a loop closes it, after this.

    Raises:
        BadSpec: ``runtime``, ``recorder``, ``record_messages`` or ``loop`` is wrong.
    """

    def __init__(
        self,
        runtime: Any = None,
        *,
        recorder: int = DEFAULT_ENTRIES,
        record_messages: bool = False,
        loop: Any = None,
    ) -> None:
        if runtime is not None and (isinstance(runtime, type) or not hasattr(runtime, "simulated")):
            raise BadSpec("ActorSystem.runtime", runtime, "a ThreadRuntime or a SimulatedRuntime")
        self.recorder = _checks.integer("ActorSystem.recorder", recorder, least=0, most=MOST_ENTRIES)
        self.record_messages = _checks.boolean("ActorSystem.record_messages", record_messages)
        self.loops = LoopChoice(loop, simulated=runtime is not None and runtime.simulated)
        self.graves = Graves()
        self.hung: dict[int, tuple[str, int]] = {}
        """Path and incarnation of those in whose code a thread that was given up may still hang, by thread."""
        self.loans: dict[int, Any] = {}
        """Whose step lends its thread to the starts of children, by thread."""
        self._owns_runtime = runtime is None
        self.runtime: Any = ThreadRuntime() if runtime is None else runtime
        self.observers: tuple[Callable[[SystemEvent], None], ...] = ()
        self.dead_letters = 0
        self.dropped = 0
        self.names = Names()
        self._roots: dict[Cell, Future[Any]] = {}
        # Re-entrant, because a finalizer may start an actor, or lose a message, while this thread holds it.
        self._lock = new_recursive_lock()
        self.budgets = new_lock()
        """Held for a moment by who counts a restart in budgets that a subtree shares."""
        self._closed = False
        self._closing = Once()
        self._attached: dict[Callable[[], None], None] = {}
        self._crashes: Repeats[tuple[str, str]] = Repeats()
        remember(self)

    def was_forked(self) -> None:
        """Hear that this is another process now, which has none of the threads: the machine calls this."""
        renew(self)

    @overload
    def start(self, actor_class: type[A], *args: Any, **kwargs: Any) -> ActorRef[A]: ...
    @overload
    def start(self, actor_class: TaskFunction, *args: Any, **kwargs: Any) -> ActorRef[Any]: ...
    def start(self, actor_class: Any, *args: Any, **kwargs: Any) -> ActorRef[Any]:
        """Start an actor, or a coroutine function as a task, without a supervisor; wait until it has started.

        Raises:
            StartFailed: its constructor or ``on_start`` raised; nothing of it is left.
            RuntimeClosed: this system was closed.
            BlockingInHandler: called by an actor that must not block; `Actor.spawn` is for that, or `launch`.
            BlockingOnLoop: called on an event loop of its tasks; `launch` there, and await what it returns.
        """
        self.loops.refuse_here("start() of its system", "launch() it, and await the future that this returns")
        here = current.cell
        if here is not None and not here.may_block:  # before it is started, which nobody would then know of
            raise would_block(here, "start() of an actor, whose start it would wait for")
        kind = str(getattr(actor_class, "__name__", "task"))[
            :LONGEST_TEMPLATE_ID
        ]  # there is room for a number
        name = f"{kind}-{self.runtime.next_id()}"
        ref, started = self.launch(actor_class, args, kwargs, name=name)
        started.get()
        return ref

    def launch(
        self,
        actor_class: type[A] | TaskFunction,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        *,
        name: str,
        dispatcher: Dispatcher | None = None,
        mailbox: MailboxSpec = DEFAULT_MAILBOX,
        shutdown_ns: int | None = SHUTDOWN_NS,
        start_ns: int | None = START_NS,
        register: str | None = None,
        liveness: Liveness | None = None,
    ) -> tuple[ActorRef[A], Future[Any]]:
        """Start an actor without a supervisor; the future is completed once it has started or failed to.

        Raises:
            BadSpec: one of these is wrong.
            RuntimeClosed: this system was closed.
        """
        cell = make_cell(
            self,
            None,
            name,
            actor_class,
            args,
            {} if kwargs is None else checked_keywords(kwargs),
            dispatcher=dispatcher,
            mailbox=mailbox,
            shutdown_ns=shutdown_ns,
            start_ns=start_ns,
            register=register,
            liveness=liveness,
        )
        started: Future[Any] = Future(self.runtime, name)
        with self._lock:
            if not self._closed:
                self._roots[cell] = started
                try:
                    cell.start()  # in here, so that `stop` never meets one that was not asked to start yet
                except (
                    BaseException
                ):  # a signal's handler came in between; where a thread has it, it has started
                    if not cell.idle.locked():
                        del self._roots[cell]
                        cell.terminate()
                    raise
                return cell.ref, started
        cell.terminate()
        raise RuntimeClosed

    def listed_roots(self) -> tuple[Cell, ...]:
        """Return the cells that have no parent, oldest first, without waiting for anybody."""
        return tuple(self._roots.copy())

    def roots(self) -> tuple[Cell, ...]:
        """Return the cells that have no parent, oldest first."""
        with self._lock:
            return tuple(self._roots)

    def root_signal(self, cell: Cell, signal: ChildSignal) -> None:
        """Hear how a root fares: the machine calls this."""
        with self._lock:
            started = self._roots.get(cell)
        if isinstance(signal, ChildStarted):
            if started is not None:
                started.try_set(signal.extra)
            return
        with self._lock:
            self._roots.pop(cell, None)
        cell.terminate()
        if started is not None:
            if isinstance(signal, ChildFailed):
                started.try_fail(StartFailed(cell.name, signal.error))
            elif isinstance(signal, ChildIgnored):
                started.try_set(None)
            else:
                started.try_fail(ActorStopped(cell.path))

    def observe(self, observer: Callable[[SystemEvent], None]) -> Callable[[], None]:
        """Call ``observer`` with every event, on the thread where it happens: be quick. Returns its undoing.

        Raises:
            BadSpec: it cannot be called.
        """
        checked_call("observer", observer)
        with self._lock:
            self.observers = (*self.observers, observer)

        def forget() -> None:
            with self._lock:
                self.observers = tuple(each for each in self.observers if each is not observer)

        return forget

    def emit(self, event: SystemEvent) -> None:
        """Tell the observers; one that raises is logged and harms nobody."""
        for observer in self.observers:
            try:
                observer(event)
            except SupersededError:
                raise
            except BaseException as error:  # noqa: BLE001 - an observer is a guest
                log_bug("observer.failed", error, event_kind=type(event).__name__)

    def dead_letter(self, cell: Cell, item: Any, why: str) -> None:
        """Count a message that nobody will handle."""
        message = type(item).__name__
        with self._lock:
            self.dead_letters += 1
            cell.dead_letters += 1
        cell.note(FlightKind.DEAD_LETTER, f"{message}: {why}")
        if self.observers:
            self.emit(DeadLetter(path=cell.path, message=message, why=why))

    def replace_thread_of(self, cell: Cell) -> None:
        """Give the thread of a pinned actor up, which hangs in what somebody else had it run."""
        before = frozenset(self.runtime.zombies)
        for thread in self.hung.copy():
            if thread not in before:  # it has returned
                self.hung.pop(thread, None)
        cell.executor.replace()
        for thread in self.runtime.zombies.copy():
            if thread not in before:
                self.hung.setdefault(thread, (cell.path, cell.incarnation))

    def remember(self, cell: Cell) -> None:
        """Keep the record of an actor that is gone, among those of the last ones."""
        if self.recorder and cell.record is not None:
            self.graves.add(self.runtime.now_ns(), cell.path, runs_at(cell), cell.incarnation, cell.record)

    def snapshot(self) -> TreeSnapshot:
        """Return what the tree looks like now: every actor, without asking any of them. Any thread; never blocks."""
        return take(self)

    def dropped_messages(self, cell: Any, *, told: int, asked: int) -> None:
        """Count messages that a restart dropped."""
        with self._lock:
            self.dropped += told + asked
        if self.observers:
            self.emit(MessagesDropped(path=cell.path, incarnation=cell.incarnation, told=told, asked=asked))

    def crashed(self, cell: Cell, error: BaseException) -> None:
        """Log a crash where it happened: the first of a kind at once, then one line a second with their count."""
        kind = type(error).__name__
        with self._lock:
            count = self._crashes.count((cell.path, kind), self.runtime.now_ns())
        if not count:
            return
        with suppress(Exception):  # the host's log handlers are guests as well
            log = get_logger(actor=cell.path, incarnation=cell.incarnation)
            log.warning("actor.crashed", error=kind, count=count)
            log.debug("actor.crash_frames", error=kind, frames=outline(error))

    def stop(self, timeout_ns: int | None = None) -> bool:
        """Stop all roots, newest first, each within its shutdown budget; true when none is left.

        Raises:
            AskTimeout: some are still there after ``timeout_ns``.
            BadSpec: ``timeout_ns`` is no time.
        """
        checked_timeout_ns(timeout_ns)
        # A list, because finding the last key of a dictionary whose end was deleted takes longer and longer.
        now_ns = self.runtime.now_ns
        until_ns = None if timeout_ns is None else now_ns() + timeout_ns
        while left := self.roots():
            for cell in reversed(left):
                if cell in self._roots:
                    self._stop_root(cell, None if until_ns is None else max(0, until_ns - now_ns()) / 1e9)
        return True

    def _stop_root(self, cell: Cell, timeout_s: float | None) -> None:
        gone: Future[None] = Future(self.runtime, cell.path)
        cell.watch(self.runtime.next_id(), partial(_note, gone), None)
        cell.request_stop(Shutdown())  # where it has ended already, the signal of that is on its way
        gone.get(timeout=timeout_s)

    def request_stop(self, ref: ActorRef[Any]) -> None:
        """Ask an actor without a parent to stop within its shutdown budget; returns at once."""
        checked_cell("ref", ref).request_stop(Shutdown())

    def paths(self) -> list[str]:
        """Return the paths of all actors that there are, parents first."""
        with self._lock:
            found = list(self._roots)
        for cell in found:
            found.extend(list(cell.children or ()))
        return [cell.path for cell in found]

    def attach(self, closer: Callable[[], None]) -> Callable[[], None]:
        """Have ``closer`` called when this is closed, after all actors are gone. Returns its undoing.

        Raises:
            RuntimeClosed: this system was closed.
            BadSpec: it cannot be called.
        """
        checked_call("closer", closer)
        with self._lock:
            if self._closed:
                raise RuntimeClosed
            self._attached[closer] = None
        return lambda: self._attached.pop(closer, None) and None

    def close(self, timeout_ns: int | None = None) -> None:
        """Stop all roots and end the threads. Idempotent; any number of threads may: each returns when it is done.

        One that is interrupted (Ctrl-C) can be called again, and goes on. Called by itself, through an observer or a
        closer that it calls, it returns at once.

        Args:
            timeout_ns: what is still there after that is fenced; None waits as long as the budgets are.

        Raises:
            BlockingInHandler: called by one of its own actors.
            BlockingOnLoop: called on an event loop of its tasks; await `aclose` there.
            BadSpec: ``timeout_ns`` is no time; nothing was closed.
        """
        checked_timeout_ns(timeout_ns)
        here = current.cell
        if here is not None and here.system is self:
            raise BlockingInHandler(here.path, "close() of its own system")
        self.loops.refuse_here("close() of its system", "say `async with`, or `await system.aclose()`")
        with self._lock:
            self._closed = True
        self._closing.once(partial(self._close, timeout_ns), timeout_ns, self._give_up)

    def _close(self, timeout_ns: int | None) -> None:
        try:
            self.stop(timeout_ns)
        except AskTimeout:
            self._give_up()
        for (path, kind), count in self._crashes.left().items():
            with suppress(Exception):
                get_logger(actor=path).warning("actor.crashed", error=kind, count=count)
        failed: list[Exception] = []
        while self._attached:
            closer = next(iter(self._attached))
            try:
                closer()
            except Exception as error:  # noqa: BLE001 - the others, and the threads, are to be closed all the same
                failed.append(error)
            self._attached.pop(closer, None)  # not before: one that is interrupted is called again
        self.loops.let_go(self.runtime)
        if self._owns_runtime:
            self.runtime.close()
        if failed:
            raise failed[0]

    def _give_up(self) -> None:
        """Fence all that is left, the deepest first, and wait for what the machine then does by itself."""
        found = list(self.roots())
        for cell in found:
            found.extend(list(cell.children or ()))
        self.runtime.undisturbed(lambda: [cell.fence("the system was closed") for cell in reversed(found)])
        with suppress(AskTimeout):
            self.stop(GIVE_UP_NS)


def _note(gone: Future[None], _incarnation: int, _cause: Cause) -> None:
    gone.try_set(None)
