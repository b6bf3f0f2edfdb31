"""The system that `Actor.start` uses, as Pykka has one registry for all."""

from typing import Final

from greenroom.supervision._forking import remember
from greenroom.supervision._system import ActorSystem
from greenroom.supervision._threads import new_lock


class _Default:
    """Keeps the one that there is."""

    def __init__(self) -> None:
        self.lock = new_lock()
        self.systems: list[ActorSystem] = []

    def was_forked(self) -> None:
        """Hear, in a process that was forked, that it needs one of its own."""
        self.lock, self.systems = new_lock(), []


_default: Final = _Default()
remember(_default)


def default_system() -> ActorSystem:
    """Return the system that `Actor.start` uses; made when first needed."""
    with _default.lock:
        if not _default.systems:
            _default.systems.append(ActorSystem())
        return _default.systems[0]


def close_default_system() -> None:
    """Close the system that `Actor.start` uses, if there is one; the next start makes a new one."""
    with _default.lock:
        systems = _default.systems.copy()
        _default.systems.clear()
    for system in systems:
        system.close()
