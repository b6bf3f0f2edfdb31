"""Ctrl-C waits while the main thread runs a handler of the pool's: the actor stays whole, and the ask is interrupted after it.

Laws:
    - this is done where no signal but SIGINT has a handler in Python, and SIGINT only Python's own: what else a signal's
      handler may do (end the process, close the system) cannot be held back;
    - the first SIGINT is noted, and the ask raises for it when the handler has returned. The second is raised where it
      comes, and so is the first after `PATIENCE_S`, also in what waits in C: who hangs is not immune;
    - before anything is raised here Python's own handler is back. So it is after each turn, unless the actor has set one of
      its own meanwhile; and no SIGINT that was sent here comes later than that;
    - a signal's handler comes in the middle of anything, so it takes no lock: to look whether the turn goes on, and to send
      SIGINT then, is one call made of C alone.
"""

import signal
from collections import deque
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import compress
from operator import call
from typing import Any, Final, Self

from greenroom.supervision._threads import call_late, current, thread_id

PATIENCE_S: Final = 0.2
"""So long a handler goes on after the first SIGINT; by then it has taken a hundred times what it took before."""
_signal: Any = import_module("_signal")
"""What `signal` is made of, without the enums: those would take ten times as long as the rest of an ask."""
_get: Final[Callable[[int], Any]] = _signal.getsignal
_set: Final[Callable[[int, Any], Any]] = _signal.signal
_raises: Final[Any] = _signal.default_int_handler
_SIGINT: Final = int(signal.SIGINT)
_OTHERS: Final = tuple(int(each) for each in signal.valid_signals() if each != signal.SIGINT)


def can_be_held() -> bool:
    """Whether of all signals' handlers none would come into the main thread's way that `HeldInterrupt` does not hold."""
    usual = _get(_SIGINT)
    return (usual is _raises or type(usual) is int) and not any(map(callable, map(_get, _OTHERS)))


class HeldInterrupt:
    """Holds SIGINT back on this thread, the main one, as a context manager; is its handler meanwhile."""

    __slots__ = ("_under_way", "noted")

    def __init__(self) -> None:
        self.noted = False
        """Whether there was one."""
        self._under_way = [True]
        """Empty when the turn is over."""

    def __enter__(self) -> Self:
        current.held = True
        if _get(_SIGINT) is _raises:
            try:
                _set(_SIGINT, self)
            except ValueError:  # handlers of signals run on another thread than `threading` has it
                return self
        return self

    def __exit__(self, *_: object) -> None:
        self._under_way.clear()
        self._put_back()
        current.held = False

    def _put_back(self) -> None:
        if _get(_SIGINT) is self:
            _set(_SIGINT, _raises)

    def __call__(self, number: int, _frame: object) -> None:
        """Be the handler of SIGINT.

        Raises:
            KeyboardInterrupt: it is the second one, or nobody could remind of the first.
        """
        first, self.noted = not self.noted, True
        if first and self._will_remind(_sender(number)):
            return
        self._put_back()
        raise KeyboardInterrupt

    def _will_remind(self, send: Callable[[], object]) -> bool:
        def remind() -> None:
            if _get(_SIGINT) is self:  # else the actor has set a handler of its own
                deque(map(call, compress((send,), self._under_way)), 0)

        try:
            call_late(PATIENCE_S, remind)
        except RuntimeError:  # there can be no more threads
            return False
        return True


def _sender(number: int) -> Callable[[], object]:
    """Return what sends a signal to this thread, and wakes it from a wait in C."""
    kill: Callable[[int, int], object] | None = getattr(signal, "pthread_kill", None)
    if kill is None:
        return partial(import_module("_thread").interrupt_main, number)
    return partial(kill, thread_id(), number)
