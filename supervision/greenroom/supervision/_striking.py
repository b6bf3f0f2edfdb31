"""How the simulated runtime has faults strike: around a step, and in an actor's handlers.

An actor whose handlers may be struck gets a class of its own, made from its class, which asks the injector first. So
nothing of the machine and nothing of the actor knows of faults.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from greenroom.supervision._cell import Cell
from greenroom.supervision._mailbox import Mailbox
from greenroom.supervision._simulated_parts import Pinned
from greenroom.supervision._steps import name_of, place_of
from greenroom.supervision.faults import FaultInjector, FaultKind, InjectedFault
from greenroom.supervision.runtime import Task

if TYPE_CHECKING:
    from greenroom.supervision._stepping import Stepping


class _Nobody:
    """Whose the steps are that belong to no actor."""

    path: Final = "shared"


_NOBODY: Final = _Nobody()


def before(runtime: "Stepping", injector: FaultInjector, key: Task) -> "Task | None":
    """Have a fault strike before a step; return the step, or None if it comes later."""
    task: Any = key.head() if isinstance(key, Pinned) else key
    cell: Any = task if isinstance(task, Mailbox) else None
    whose: Any
    if cell is not None:
        _prepare(injector, cell)
        owner, whose, what = cell.actor_class.__name__, cell, place_of(cell)
    else:
        owner = what = type(task).__name__
        whose = key if isinstance(key, Pinned) else _NOBODY
    fault = injector.draw(owner, whose, what, handler=False, step=runtime.steps + 1, now_ns=runtime.now_ns())
    if fault is None:
        return key
    if fault.kind is FaultKind.DELAY:
        runtime.call_later(fault.delay_ns, partial(_come_late, runtime, key))
        return None
    if cell is not None and fault.kind is FaultKind.KILL_BEFORE:
        cell.fence("killed on purpose")
    elif cell is not None:
        runtime.after_step = partial(cell.fence, "killed on purpose")
    return key


def _come_late(runtime: "Stepping", key: Task) -> None:
    runtime.ready.append(key)


def _prepare(injector: FaultInjector, cell: Any) -> None:
    """Have an actor that is about to start, or a function of it that is about to run, ask the injector."""
    if not cell.control:
        return
    handler, life, detail = cell.control[0]
    if handler.__name__ == "begin":
        if not issubclass(cell.actor_class, _Struck) and injector.concerns(cell.path):
            cell.actor_class = _struck(cell.actor_class)
    elif handler is Cell._continue and issubclass(cell.actor_class, _Struck):  # pyright: ignore[reportPrivateUsage]
        function, args = detail
        if type(function) is not _Asking:
            cell.control[0] = (handler, life, (_Asking(cell, function), args))


class _Asking:
    """A function that goes on after a wait: asks the injector first. A trace names it as the function itself."""

    def __init__(self, cell: Any, function: Callable[..., object]) -> None:
        self._cell = cell
        self._function = function
        self.__self__ = getattr(function, "__self__", None)
        self.__qualname__ = getattr(function, "__qualname__", "partial")

    def __call__(self, *args: Any) -> object:
        return _around(self._cell, name_of(self._function), self._function, *args)


def _around(cell: Any, what: str, function: Callable[..., Any], *args: Any) -> Any:
    runtime = cell.system.runtime
    injector: FaultInjector | None = runtime.faults
    if injector is None:
        return function(*args)
    fault = injector.draw(
        cell.actor_class.__name__, cell, what, handler=True, step=runtime.steps, now_ns=runtime.now_ns()
    )
    if fault is None:
        return function(*args)
    match fault.kind:
        case FaultKind.HANG:
            runtime.hang()
        case FaultKind.SLOW:
            runtime.linger(fault.delay_ns)
            return function(*args)
        case FaultKind.RAISE_AFTER:
            function(*args)
        case _:
            pass
    raise InjectedFault(f"on purpose, {fault.kind.removeprefix('raise-')} {what}")


class _Struck:
    """What is put before an actor's class: each of its handlers asks the injector."""

    _cell: Any

    def handle(self, message: Any) -> Any:
        return _around(self._cell, name_of(message), super().handle, message)  # type: ignore[misc]

    def on_start(self) -> Any:
        return _around(self._cell, "on_start", super().on_start)  # type: ignore[misc]

    def on_stop(self) -> Any:
        return _around(self._cell, "on_stop", super().on_stop)  # type: ignore[misc]

    def on_child(self, signal: Any) -> Any:
        return _around(self._cell, "on_child", super().on_child, signal)  # type: ignore[misc]

    def on_failure(self, *info: Any) -> Any:
        return _around(self._cell, "on_failure", super().on_failure, *info)  # type: ignore[misc]


_made: dict[type[Any], type[Any]] = {}


def _struck(actor_class: type[Any]) -> type[Any]:
    """Return the class that stands for ``actor_class``, under its name."""
    made = _made.get(actor_class)
    if made is None:
        names = {"__module__": actor_class.__module__, "__qualname__": actor_class.__qualname__}
        made = _made[actor_class] = type(actor_class.__name__, (_Struck, actor_class), names)
    return made
