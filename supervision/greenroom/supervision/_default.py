"""The system that `Actor.start` uses, as Pykka has one registry for all."""

from typing import Final

from greenroom.supervision._system import ActorSystem
from greenroom.supervision._threads import new_lock

_default: list[ActorSystem] = []
_default_lock: Final = new_lock()


def default_system() -> ActorSystem:
    """Return the system that `Actor.start` uses; made when first needed."""
    with _default_lock:
        if not _default:
            _default.append(ActorSystem())
        return _default[0]


def close_default_system() -> None:
    """Close the system that `Actor.start` uses, if there is one; the next start makes a new one."""
    with _default_lock:
        systems = _default.copy()
        _default.clear()
    for system in systems:
        system.close()
