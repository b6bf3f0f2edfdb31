"""Answers that are on their way: Pykka's futures, set once, awaitable without blocking the event loop."""

import sys
from collections.abc import Callable, Generator
from math import inf
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, cast

import pykka

from greenroom.supervision._cycles import Deferred, Waiting
from greenroom.supervision._given import checked_call, checked_timeout
from greenroom.supervision._log import log_bug
from greenroom.supervision._superseded import SupersededError
from greenroom.supervision._task_errors import BlockingOnLoop
from greenroom.supervision._threads import current, current_task, new_lock, wait_on_thread
from greenroom.supervision.errors import AskTimeout, BadSpec, BlockingInHandler

T = TypeVar("T")
_UNSET: Final = object()


WAIT: Final = "get() of an answer that is not there yet"
"""What is refused where nobody may wait."""


def would_block(cell: Any, what: str) -> BlockingInHandler:
    """Return what to raise where an actor would block a thread that it must not; a simulation keeps it for its verdict."""
    runtime = cell.system.runtime
    error: BlockingInHandler = (
        runtime.blocking(what) if runtime.simulated else BlockingInHandler(cell.path, what)
    )
    return error


class Future(pykka.Future[T], Generic[T]):
    """An answer. Set once; later sets are refused by returning False (`try_set`) or raising (`set`).

    Laws:
        - set-or-fail happens once; every callback runs once, in the thread that completed the future,
          or at once in the caller's if it is complete already; one that raises is logged and harms nobody;
        - nothing in here blocks but `get`, and `get` refuses to block a shared thread of the pool;
        - who gives up waiting leaves nothing behind.
    """

    __slots__ = ("_asked", "_callbacks", "_error", "_once", "_runtime", "_value")

    _get_hook: Any = None
    _get_hook_result: Any = _UNSET

    def __init__(self, runtime: Any = None, asked: Any = "") -> None:
        self._once = new_lock()
        self._callbacks: list[Callable[[Future[T]], object]] = []
        self._value: Any = _UNSET
        self._error: BaseException | None = None
        self._runtime = runtime
        self._asked = asked

    @property
    def asked(self) -> str:
        """Whose answer it is: an actor's path."""
        asked: str = self._asked if isinstance(self._asked, str) else self._asked.path
        return asked

    @property
    def owed_by(self) -> Any:
        """The cell that must go on for the answer to come, or None if somebody else may give it."""
        return self._asked if hasattr(self._asked, "life") else None

    @property
    def deferred(self) -> Deferred | None:
        """Who has taken it over and waits for another answer first, if somebody has said so."""
        return self._asked if isinstance(self._asked, Deferred) else None

    def taken_over(self, by: Any) -> None:
        """Note that the answer of ``by``, a ref, may come from anyone from now on; or, of a `Deferred`, after another one."""
        self._asked = by

    def done(self) -> bool:
        """Whether the answer is there."""
        return self._value is not _UNSET

    def try_set(self, value: T | None = None) -> bool:
        """Complete with ``value``; False if it was complete already."""
        if not self._once.acquire(False):
            return False
        self._value = value
        if self._callbacks:
            self._drain()
        return True

    def try_fail(self, error: BaseException) -> bool:
        """Complete with an error; False if it was complete already.

        Raises:
            BadSpec: it is none that could be raised to who waits.
        """
        if not isinstance(error, BaseException):
            raise BadSpec("error", error, "an exception, an instance of one")
        if not self._once.acquire(False):
            return False
        self._error = error
        self._value = None
        if self._callbacks:
            self._drain()
        return True

    def set(self, value: T | None = None) -> None:
        """Complete with ``value``.

        Raises:
            RuntimeError: it was complete already (Pykka raises ``queue.Full``).
        """
        if self._get_hook is not None or not self.try_set(value):
            raise RuntimeError("this future already has an answer")

    def set_exception(self, exc_info: Any = None) -> None:
        """Complete with an error, given as ``sys.exc_info()`` gives it; by default with that which is being handled.

        Raises:
            BadSpec: it is none of these.
            RuntimeError: this was complete already.
        """
        info: Any = sys.exc_info() if exc_info is None else exc_info
        if not _is_handled(info):
            raise BadSpec(
                "exc_info", exc_info, "what sys.exc_info() returns where an exception is being handled"
            )
        error: BaseException = info[0]() if info[1] is None else info[1]
        if self._get_hook is not None or not self.try_fail(error.with_traceback(info[2])):
            raise RuntimeError("this future already has an answer")

    def add_done_callback(self, callback: "Callable[[Future[T]], object]") -> None:
        """Call ``callback(self)`` once it is complete; at once if it is.

        Raises:
            BadSpec: it cannot be called.
        """
        if not callable(callback):
            checked_call("callback", callback)
        self._callbacks.append(callback)
        if self._value is not _UNSET:
            self._drain()

    def remove_done_callback(self, callback: "Callable[[Future[T]], object]") -> None:
        """Take a callback back; harmless if it has been called."""
        try:
            self._callbacks.remove(callback)
        except ValueError:
            return

    def _drain(self) -> None:
        # Two threads may be in here: each pop hands one callback to one of them.
        callbacks = self._callbacks
        while callbacks:
            try:
                callback = callbacks.pop(0)
            except IndexError:
                return
            try:
                callback(self)
            except SupersededError:
                raise
            except BaseException as error:  # who completes an answer does not suffer for who waits for it
                if isinstance(error, KeyboardInterrupt) and current.cell is None:
                    raise  # Ctrl-C on the main thread is nobody's callback's
                log_bug("future.callback_failed", error, asked=self.asked)

    def outcome(self) -> T:
        """Return the answer, or raise its error; it must be complete."""
        assert self._value is not _UNSET, "not complete yet"
        if self._error is not None:
            raise self._error
        return cast("T", self._value)

    def error(self) -> BaseException | None:
        """Return the error it was completed with, if any."""
        return self._error

    def get(self, *, timeout: float | None = None) -> T:
        """Wait for the answer, on a thread that may wait.

        Args:
            timeout: seconds; None waits for ever.

        Raises:
            AskTimeout: no answer within ``timeout`` (also a ``pykka.Timeout``).
            BlockingInHandler: called in an actor that shares its thread and must not block it.
            AskCycle: called in an actor for which, directly or not, the one waits that is to answer.
            BadSpec: ``timeout`` is no time.
        """
        if self._get_hook is not None:
            if self._get_hook_result is _UNSET:
                self._get_hook_result = self._get_hook(timeout)
            return cast("T", self._get_hook_result)
        if self._value is _UNSET:
            self._wait(timeout)
        return self.outcome()

    def _wait(self, timeout: float | None) -> None:
        if timeout is not None:
            checked_timeout(timeout)
        cell = current.cell
        if cell is None:
            self._arrive(timeout)
        elif not cell.may_block:
            raise would_block(cell, WAIT)
        else:
            with Waiting(cell, self):
                self._arrive(timeout)

    def _arrive(self, timeout: float | None) -> None:
        task = current_task.get()
        if task is not None and task.is_on_loop():
            raise BlockingOnLoop(task.path, WAIT, "await it: ref.ask(..., block=False)")
        if timeout == inf:
            timeout = None
        timeout_ns = None if timeout is None else int(timeout * 1e9)
        if self._runtime is None:
            arrived = wait_on_thread(self, timeout)
        else:
            arrived = self._runtime.wait(self, timeout_ns)
        if not arrived:
            raise AskTimeout(self.asked, timeout_ns or 0)

    def set_get_hook(self, func: Any) -> None:
        """Have ``get`` call ``func(timeout)`` for the value: what ``map``, ``filter`` and ``join`` are made of.

        Raises:
            BadSpec: it cannot be called.
            RuntimeError: this is complete already.
        """
        checked_call("func", func)
        if self._value is not _UNSET:
            raise RuntimeError("this future already has an answer")
        self._get_hook = func

    def __await__(self) -> Generator[Any, Any, T]:
        """Wait for the answer in an event loop, which goes on meanwhile."""
        if self._get_hook is not None or self._value is _UNSET:
            # Who awaits has asyncio; who does not need not load it.
            from greenroom.supervision import _asyncio  # noqa: PLC0415

            if self._get_hook is not None:
                return (yield from _asyncio.compute(self.get))
            if self._runtime is not None and self._runtime.simulated:
                yield from self._runtime.drive(self)
            else:
                yield from _asyncio.arrival(self)
        return self.outcome()

    def __repr__(self) -> str:
        if self._value is _UNSET:
            return "<Future pending>"
        return f"<Future failed {type(self._error).__name__}>" if self._error else "<Future done>"


def _is_handled(info: Any) -> bool:
    """Whether this is what ``sys.exc_info()`` returns of an exception; which may still have to be made of its class."""
    match info:
        case (_, BaseException(), TracebackType() | None):
            return True
        case (type() as kind, None, TracebackType() | None):
            return issubclass(kind, BaseException)
        case _:
            return False
