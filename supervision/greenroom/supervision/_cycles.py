"""Who waits for whom: actors that would block on each other in a circle are refused instead of hanging.

Laws:
    - an actor's thread that waits for an answer waits for the actor that owes it: because the message is in that
      actor's mailbox, or is what it handles now. An answer that was taken over (`Actor.defer_reply`) is owed by nobody in
      particular: anyone may hold it. So it is no part of a circle, unless who took it over has said for which other
      answer it waits. Then it waits for that one, though no thread does;
    - a sender that waits for room waits for the actor whose mailbox it is;
    - a wait is entered, and looked at for a circle, in one step under one lock. So of those that close a circle at the
      same instant the last one sees all others, and is refused: nobody hangs;
    - a wait belongs to an incarnation: that of a thread that was given up is no reason to refuse anybody;
    - only who blocks in a handler, or says what an answer waits for, pays for this.
"""

from typing import TYPE_CHECKING, Any, Final

from greenroom.supervision._forking import remember
from greenroom.supervision._threads import new_recursive_lock
from greenroom.supervision.errors import AskCycle

if TYPE_CHECKING:
    from greenroom.supervision._future import Future
    from greenroom.supervision._incarnation import Incarnation
    from greenroom.supervision._place import Place


class _Book:
    """Who waits for what: one for all systems, because actors of one may ask those of another."""

    def __init__(self) -> None:
        self.lock = new_recursive_lock()  # for finalizers
        self.waits: dict[Incarnation, Future[Any]] = {}

    def was_forked(self) -> None:
        """Hear, in a process that was forked, that nobody waits there, and nobody holds the lock."""
        self.lock, self.waits = new_recursive_lock(), {}


_book: Final = _Book()
remember(_book)


class Deferred:
    """Who has taken an answer over that will not be given before another one is there."""

    __slots__ = ("by", "until")

    def __init__(self, by: "Place", until: "Future[Any]") -> None:
        self.by = by
        self.until = until

    @property
    def path(self) -> str:
        """Whose answer it was to be."""
        return self.by.path


def defer(reply: "Future[Any]", by: "Place", until: "Future[Any]") -> None:
    """Note that the actor ``by`` has taken ``reply`` over, and will not give it before ``until`` is complete.

    Raises:
        AskCycle: ``until`` waits for ``reply``, directly or not. Nothing has changed then.
    """
    with _book.lock:
        circle = _circle(by, until, reply)
        if circle:
            raise AskCycle(circle)
        reply.taken_over(Deferred(by, until))


class Waiting:
    """Says, while it is entered, that the handler of ``cell`` that runs on this thread waits for ``future``.

    Raises:
        AskCycle: on entering: that would close a circle. Nothing waits then.
    """

    __slots__ = ("_before", "_cell", "_future", "_life")

    def __init__(self, cell: "Place", future: "Future[Any]") -> None:
        self._cell = cell
        self._future = future
        self._life: Incarnation | None = None
        self._before: Future[Any] | None = None

    def __enter__(self) -> None:
        cell = self._cell
        life = cell.life
        if cell.zombies and cell.system.runtime.thread_id() in cell.zombies:
            return  # not the present incarnation's thread, or not for long
        with _book.lock:
            circle = _circle(cell, self._future)
            if circle:
                raise AskCycle(circle)
            self._life, self._before = life, _book.waits.get(life)
            _book.waits[life] = self._future

    def __exit__(self, *_: object) -> None:
        if self._life is None:
            return
        with _book.lock:
            if self._before is None:
                del _book.waits[self._life]
            else:
                _book.waits[self._life] = self._before


def _circle(cell: "Place", future: "Future[Any]", closing: "Future[Any] | None" = None) -> tuple[str, ...]:
    """Follow who waits for whom from ``cell``; return the paths of all in the circle, or nothing.

    Args:
        cell: who is about to wait: its thread, or with ``closing`` nothing but that answer of its.
        future: what it is about to wait for.
        closing: an answer that is about to wait for ``future``.
    """
    chain: list[Place] = [cell]
    seen: set[int] = set()
    while not future.done() and id(future) not in seen:
        seen.add(id(future))
        if future is closing:
            return (*(each.path for each in chain), cell.path)
        deferred = future.deferred
        if deferred is not None:
            chain.append(deferred.by)
            future = deferred.until
            continue
        asked: Place | None = future.owed_by
        if asked is None:
            return ()
        if asked is cell and closing is None:
            return (*(each.path for each in chain), cell.path)
        further = _book.waits.get(asked.life)
        if further is None or asked.life.fenced:
            return ()
        chain.append(asked)
        future = further
    return ()


def waits() -> int:
    """Return how many handlers wait now."""
    return len(_book.waits)
