"""What becomes of runtimes and systems in a process that is forked: no thread is there, so nothing may be waited for."""

import os
from typing import Any, Final, NoReturn
from weakref import WeakSet

from greenroom.supervision.errors import RuntimeClosed

_remembered: Final[WeakSet[Any]] = WeakSet()


class RuntimeForked(RuntimeClosed):
    """The actors' threads are in the process from which this one was forked; here is nobody who could answer."""

    def __init__(self) -> None:
        hint = "make an ActorSystem of its own there"
        RuntimeError.__init__(self, f"a forked process has none of the threads that run these actors; {hint}")


def refuse(*_: object) -> NoReturn:
    """Stand in for what needs those threads."""
    raise RuntimeForked


def remember(each: Any) -> None:
    """Have ``each.was_forked()`` called in each process that is forked from this one, as long as it lives."""
    _remembered.add(each)


def _in_child() -> None:
    for each in list(_remembered):
        each.was_forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
