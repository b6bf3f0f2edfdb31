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

    def __init__(self) -> None:
        self._lock = new_recursive_lock()
        self._done = False
        self._at_it: tuple[int, Future[None]] | None = None

    def once(self, function: Callable[[], None], patience_ns: int | None, hurry: Callable[[], None]) -> None:
        """Call ``function``, or wait for who is at it; call ``hurry`` if that takes longer than ``patience_ns``."""
        me = thread_id()
        mine: Future[None] = Future()
        while True:
            with self._lock:
                other = self._at_it
                if self._done or (other is not None and other[0] == me):
                    return
                if other is None:
                    self._at_it = (me, mine)
            if other is None:
                self._do(function, mine)
                return
            try:
                other[1].get(timeout=None if patience_ns is None else patience_ns / 1e9)
            except AskTimeout:
                patience_ns = None
                hurry()

    def _do(self, function: Callable[[], None], mine: Future[None]) -> None:
        try:
            function()
        except Exception:
            self._done = True
            raise
        else:
            self._done = True
        finally:
            with self._lock:
                self._at_it = None
            mine.try_set()
