"""References: Pykka's, but stable across restarts, bounded, and never left without an answer."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Generic, Literal, TypeVar, overload

import pykka
from pykka.messages import (
    _ActorStop,  # pyright: ignore[reportPrivateUsage]
)

from greenroom.supervision._cell import Cell
from greenroom.supervision._cycles import Waiting
from greenroom.supervision._future import WAIT, Future, would_block
from greenroom.supervision._given import checked_call, checked_timeout
from greenroom.supervision._mailbox import Ask
from greenroom.supervision._place import RUNNING, STATE_NAMES
from greenroom.supervision._restart import Cause
from greenroom.supervision._threads import current
from greenroom.supervision.errors import ActorDead, BadSpec, SupervisionError

A = TypeVar("A", bound=pykka.Actor)


class _Stopped:
    """What Pykka reads as ``actor_stopped``: set once the actor is gone and has released what it held."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def is_set(self) -> bool:
        return self._cell.terminated


class ActorRef(pykka.ActorRef[A], Generic[A]):
    """A reference to an actor. It stays valid, with its mailbox and monitors, when the actor is restarted."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def path(self) -> str:
        """Where the actor stands in its tree: ``session/rooms/room:lobby``."""
        return self._cell.path

    @property
    def name(self) -> str:
        """The actor's name among its siblings."""
        return self._cell.name

    @property
    def incarnation(self) -> int:
        """How many times it has been started."""
        return self._cell.incarnation

    @property
    def actor_class(self) -> type[A]:  # type: ignore[override]
        """The class of the actor."""
        return self._cell.actor_class

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """The actor's path, as a URN."""
        return f"urn:greenroom:{self._cell.path}"

    @property
    def actor_inbox(self) -> Any:  # type: ignore[override]
        """The actor's mailbox."""
        return self._cell

    @property
    def actor_stopped(self) -> Any:  # type: ignore[override]
        """Something with ``is_set()``: whether the actor is gone for good."""
        return _Stopped(self._cell)

    @property
    def _actor_weakref(self) -> Callable[[], A | None]:  # type: ignore[override]
        return lambda: self._cell.actor

    def is_alive(self) -> bool:
        """Whether the actor is there, or will be again: false only once it is gone and has released everything."""
        return not self._cell.terminated

    def is_running(self) -> bool:
        """Whether an incarnation has started and is not ending."""
        return self._cell.state == RUNNING

    @property
    def state_name(self) -> str:
        """What the present incarnation is doing: new, starting, running, stopping, ended; down if there is none."""
        return STATE_NAMES[self._cell.state]

    def watch(self, callback: Callable[[int, Cause], None]) -> None:
        """Call ``callback(incarnation, cause)`` once, on any thread, when the actor is gone for good.

        For code that is no actor; actors use `Actor.monitor`. The callback may only enqueue.

        Raises:
            BadSpec: it cannot be called.
        """
        checked_call("callback", callback)
        self._cell.watch(self._cell.system.runtime.next_id(), callback, None)

    def tell(self, message: Any) -> None:
        """Send ``message``, without waiting.

        Raises:
            ActorDead: the actor is gone.
            MailboxFull: its mailbox is full, and its policy is to fail.
        """
        if not self._cell.put(message):
            raise ActorDead(self._cell.path)

    def send(self, message: Any) -> bool:
        """Send ``message``; where it cannot be delivered it becomes a dead letter. Never raises.

        This is what actors use between themselves: that a peer has just ended is news, not an error.

        Returns:
            Whether the mailbox took it.
        """
        try:
            if self._cell.put(message):
                return True
            why = "the actor is gone"
        except SupervisionError as error:
            why = str(error)
        self._cell.dead_letter(message, why)
        return False

    # Pykka's overloads say "an answer or a future" where ``block`` is left out; these say which.
    @overload  # type: ignore[override]
    def ask(self, message: Any, *, block: Literal[False], timeout: float | None = None) -> Future[Any]: ...
    @overload
    def ask(self, message: Any, *, block: Literal[True] = True, timeout: float | None = None) -> Any: ...
    @overload
    def ask(self, message: Any, *, block: bool, timeout: float | None = None) -> Any: ...
    def ask(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, message: Any, *, block: bool = True, timeout: float | None = None
    ) -> Any | Future[Any]:
        """Send ``message`` and get the answer, or with ``block=False`` a future that can be awaited.

        Args:
            message: what to send. Errors listed in its ``errors`` attribute are answers; any other error is a
                crash of the actor, and the asker gets `ActorCrashed`.
            block: whether to wait here; refused in handlers that share their thread.
            timeout: seconds to wait for the answer, and before that for room in a full mailbox that blocks.

        Raises:
            ActorDead: it is gone, or ended before it came to the message (`ActorStopped`, `ActorFenced`).
            ActorCrashed: it crashed over this message.
            AskTimeout: no answer came in time.
            AskCycle: the one who asks is an actor for which, directly or not, the other one waits.
            BadSpec: ``timeout`` is no time; nothing was sent.
        """
        if timeout is not None:
            checked_timeout(timeout)
        cell = self._cell
        future: Future[Any] = Future(cell.system.runtime, cell)
        if block and current.cell is not None:
            return self._ask_in_handler(message, future, timeout)
        try:
            if not cell.put(Ask(message, future), timeout):
                future.try_fail(ActorDead(cell.path))
        except SupervisionError as error:
            future.try_fail(error)
        return future.get(timeout=timeout) if block else future

    def _ask_in_handler(self, message: Any, future: Future[Any], timeout: float | None) -> Any:
        """Ask and wait, as an actor: it waits from before the message is sent, so what closes a circle is not sent."""
        here = current.cell
        if not (here.may_block or self._cell.terminated):
            raise would_block(here, WAIT)
        with Waiting(here, future) if here.may_block else nullcontext():
            try:
                if not self._cell.put(Ask(message, future), timeout):
                    future.try_fail(ActorDead(self._cell.path))
            except SupervisionError as error:
                future.try_fail(error)
            return future.get(timeout=timeout)

    @overload  # type: ignore[override]
    def stop(self, *, block: Literal[True] = True, timeout: float | None = None) -> bool: ...
    @overload
    def stop(self, *, block: Literal[False], timeout: float | None = None) -> Future[bool]: ...
    @overload
    def stop(self, *, block: bool, timeout: float | None = None) -> bool | Future[bool]: ...
    def stop(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *, block: bool = True, timeout: float | None = None
    ) -> bool | Future[bool]:
        """Have the actor stop after the messages that it has now; true once it has, false if it was gone.

        A supervised actor ends normally by this: whether it is restarted is up to its restart type.

        Raises:
            AskTimeout: it has not within ``timeout`` seconds.
            AskCycle: the one who waits is an actor for which, directly or not, this one waits; or this one itself.
            BadSpec: ``timeout`` is no time; nothing was asked for.
        """
        if timeout is not None:
            checked_timeout(timeout)
        cell = self._cell
        done: Future[bool] = Future(cell.system.runtime, cell)
        asked: Future[Any] = Future(cell.system.runtime, cell)
        asked.add_done_callback(lambda _: done.try_set(True))
        here = current.cell if block else None
        with Waiting(here, done) if here is not None and here.may_block else nullcontext():
            try:
                if not cell.put(Ask(_ActorStop(), asked)):
                    done.try_set(False)
                if cell.resting:
                    cell.answer_waiting_stops()
            except SupervisionError as error:
                done.try_fail(error)
            return done.get(timeout=timeout) if block else done

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActorRef) and self._cell is other._cell

    def __hash__(self) -> int:
        return id(self._cell)

    def __str__(self) -> str:
        return f"{self.actor_class.__name__} ({self.path})"

    def __repr__(self) -> str:
        return f"<ActorRef {self.path}#{self.incarnation}>"


def checked_cell(field: str, ref: object) -> Cell:
    """Return the cell of a ref; refuse what is none with `BadSpec`."""
    if not isinstance(ref, ActorRef):
        raise BadSpec(field, ref, "the ref of an actor")
    return ref._cell


def checked_child(parent: Cell, ref: object) -> Cell:
    """Return the cell of a child of ``parent``; refuse any other with `BadSpec`."""
    child = checked_cell("child", ref)
    if child.parent is not parent:
        raise BadSpec("child", ref, f"the ref of a child of {parent.path!r}")
    return child
