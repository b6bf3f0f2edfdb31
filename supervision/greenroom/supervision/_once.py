"""Something that is to be done once, whoever asks for it and however many at a time."""

from collections.abc import Callable

from greenroom.supervision._future import Future
from greenroom.supervision._threads import new_recursive_lock, thread_id
from greenroom.supervision.errors import AskTimeout


class Once:
    """Does one thing once.

    Laws:
        - one thread does it; the others wait until it is done;
        - one that raises `Exception` has done it; one that was interrupted has not: the next one does it again, or one
          of those that wait;
        - the thread that is at it may ask for it again, and does not wait for itself.
    """

    def __init__(self, *, done: bool = False) -> None:
        self._lock = new_recursive_lock()
        self._done = done
        self._at_it: tuple[int, Future[None]] | None = None

    def once(self, function: Callable[[], None], patience_ns: int | None, hurry: Callable[[], None]) -> None:
        """Call ``function``, or wait for who is at it; call ``hurry`` if that takes longer than ``patience_ns``."""
        mine = (thread_id(), Future[None]())
        try:
            while (other := self._begun(mine)) is not None:
                try:
                    other.get(timeout=None if patience_ns is None else patience_ns / 1e9)
                except AskTimeout:
                    patience_ns = None
                    hurry()
            if self._at_it is mine:
                self._do(function)
        finally:
            if self._at_it is mine:
                try:
                    mine[1].try_set()
                finally:
                    self._at_it = None

    def _begun(self, mine: tuple[int, Future[None]]) -> Future[None] | None:
        """Return what to wait for; None if it is done, or the caller is at it: since now, or already."""
        with self._lock:
            other = self._at_it
            if other is None and not self._done:
                self._at_it = mine
            return other[1] if other is not None and other[0] != mine[0] and not self._done else None

    def _do(self, function: Callable[[], None]) -> None:
        try:
            function()
        except Exception:
            self._done = True
            raise
        self._done = True
