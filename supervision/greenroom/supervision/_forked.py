"""A system in a process that was forked: nothing waits there for the threads that it has not, nor for a lock of theirs."""

from typing import Any

from greenroom.supervision._once import Once
from greenroom.supervision._threads import new_recursive_lock


def renew(system: Any) -> None:
    """Take it that the system is closed, and give free what another thread held at the moment of the fork."""
    system._lock = new_recursive_lock()
    system.names.was_forked()
    system._closed, system._closing = True, Once(done=True)
    cells = list(system._roots)
    for cell in cells:
        cells.extend(cell.children or ())
        if cell.lock.acquire(False):
            cell.lock.release()
        else:
            cell.lock = new_recursive_lock()
