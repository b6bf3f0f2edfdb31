"""What becomes of a runtime in a process that is forked: its threads are not there, so nothing may be waited for."""

import os
from typing import Any, Final, NoReturn
from weakref import WeakSet

from greenroom.supervision.errors import RuntimeClosed

_runtimes: Final[WeakSet[Any]] = WeakSet()


class RuntimeForked(RuntimeClosed):
    """The actors' threads are in the process from which this one was forked; here is nobody who could answer."""

    def __init__(self) -> None:
        hint = "make an ActorSystem of its own there"
        RuntimeError.__init__(self, f"a forked process has none of the threads that run these actors; {hint}")


class Everybody(set[int]):
    """Says of every thread that it is one of them."""

    def __contains__(self, _: object) -> bool:
        return True


def refuse(*_: object) -> NoReturn:
    """Stand in for what needs those threads."""
    raise RuntimeForked


def remember(runtime: Any) -> None:
    """Have ``runtime.was_forked()`` called in each process that is forked from this one."""
    _runtimes.add(runtime)


def _in_child() -> None:
    for runtime in list(_runtimes):
        runtime.was_forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
