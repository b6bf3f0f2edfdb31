"""Names for actors, system-wide: who is called what, and forgotten in the step in which the actor dies.

Laws:
    - a name means one actor at a time, and goes with the place, not with an incarnation: it stays over restarts;
    - a name is found as long as its actor's ref is alive, and is free before anybody is told that it is not;
    - looking a name up takes no lock; a death costs what the dead one's own names cost, whatever else is registered.
"""

from typing import Any, Final

from greenroom.supervision import _checks
from greenroom.supervision._place import Place
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._threads import new_recursive_lock
from greenroom.supervision.errors import ActorDead, AlreadyRegistered, BadSpec
from greenroom.supervision.spec import LONGEST_ID


class Names:
    """The names of one system."""

    def __init__(self) -> None:
        # The innermost lock: it is taken under a cell's, and nothing else is taken under it. Re-entrant, because a
        # finalizer may end an actor while this thread holds it.
        self._lock = new_recursive_lock()
        self._holders: Final[dict[str, Place]] = {}

    def was_forked(self) -> None:
        """Hear, in a process that was forked, that whoever held the lock is not there."""
        self._lock = new_recursive_lock()

    def find(self, name: str) -> Any:
        """Return the ref of who is called ``name``, or None."""
        holder = self._holders.get(name)
        return None if holder is None or holder.terminated else holder.ref

    def all(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        with self._lock:
            return tuple(sorted(self._holders))

    def claim(self, name: str, holder: Place) -> None:
        """Call ``holder`` so; no change if it is called so already.

        Raises:
            AlreadyRegistered: somebody else is.
            ActorDead: it is gone.
        """
        with holder.lock:
            if holder.terminated:
                raise ActorDead(holder.path)
            with self._lock:
                there = self._holders.setdefault(name, holder)
                if there is holder:
                    holder.names = {**(holder.names or {}), name: None}
                    return
        raise AlreadyRegistered(name, there.path)

    def release(self, name: str) -> bool:
        """Free a name; False if nobody is called so."""
        while (holder := self._holders.get(name)) is not None:
            holder.refuse_zombies()
            with holder.lock, self._lock:
                if self._holders.get(name) is holder:
                    del self._holders[name]
                    (holder.names or {}).pop(name, None)
                    return True
        return False

    def forget(self, holder: Place) -> None:
        """Free all names of who is about to be gone; under its lock."""
        names, holder.names = holder.names, None
        with self._lock:
            for name in names or ():
                del self._holders[name]


class Named:
    """What a system has, so that its actors are found by their names."""

    names: Names

    def register(self, name: str, ref: ActorRef[Any]) -> None:
        """Let ``ref`` be found by ``name`` until it is gone for good; restarts do not matter.

        An actor may have several names. Registering again what is registered so already changes nothing.

        Raises:
            BadSpec: the name is no printable text of 1 to `spec.LONGEST_ID` characters, or ``ref`` is not the ref of
                an actor of this system.
            AlreadyRegistered: another actor has the name.
            ActorDead: the actor is gone.
        """
        holder = checked_holder(self, ref)
        holder.refuse_zombies()
        self.names.claim(checked_name("name", name), holder)

    def unregister(self, name: str) -> bool:
        """Free a name; False if nobody had it.

        Raises:
            BadSpec: it is no text.
        """
        return self.names.release(_text(name))

    def whereis(self, name: str) -> ActorRef[Any] | None:
        """Return who has that name, or None. Costs one look into a dictionary, and takes no lock.

        Raises:
            BadSpec: it is no text.
        """
        found: ActorRef[Any] | None = self.names.find(_text(name))
        return found

    def registered(self) -> tuple[str, ...]:
        """Return all names that somebody has, sorted."""
        return self.names.all()


def _text(name: object) -> str:
    """Return what can be asked for: any text, as nobody is called by one that cannot be registered."""
    if not isinstance(name, str):
        raise BadSpec("name", name, "a text")
    return name


def checked_name(field: str, name: object) -> str:
    """Return a name that can be registered.

    Raises:
        BadSpec: it is no printable text, or too long.
    """
    return _checks.text(field, name, most=LONGEST_ID)


def checked_holder(system: object, ref: object) -> Place:
    """Return the place of a ref that can be registered with ``system``.

    Raises:
        BadSpec: it is no ref, or that of another system's actor.
    """
    given: object = ref
    if not isinstance(ref, ActorRef) or ref._cell.system is not system:
        raise BadSpec("ref", given, "the ref of an actor of this system")
    return ref._cell
