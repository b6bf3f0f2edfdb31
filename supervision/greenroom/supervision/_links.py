"""Links: two incarnations that share their fate. OTP's meaning, in both directions.

Laws:
    - a link joins two incarnations. Each of them keeps the other in its record; to link twice is to link once;
    - when one of them is over, its release done and its open asks answered, it tells each that it is linked with, once,
      whatever way it went. Who hears of it takes the link out of its own record first: without one there nothing
      comes. So neither a queued notice after `unlink`, nor a second one, nor one to the next incarnation is heard;
    - who does not trap exits ends too, unless the other's end was normal, by a cause of the same class; who traps gets
      an `Exit` message for any end;
    - notices go by the control lane: they come before user messages, also before such as the dead one sent earlier;
    - nobody holds two actors' locks at once. Who links writes its own record first: should it be given up in between,
      it tells the other, who knows of no link, and then may not write the other's record any more.
"""

from typing import TYPE_CHECKING, Any, Final

from greenroom.supervision._incarnation import Incarnation
from greenroom.supervision._place import DOWN, ENDED, RUNNING, STARTING
from greenroom.supervision._restart import Cause, Crashed, FailedToStart, Normal, Shutdown, is_abnormal
from greenroom.supervision._superseded import SupersededError
from greenroom.supervision.errors import ActorEnding, LinkEnded
from greenroom.supervision.signals import Exit

if TYPE_CHECKING:
    from greenroom.supervision._ending import Ending

BEFORE: Final = Shutdown("it was over before it was linked")


def link(cell: "Ending", life: Incarnation, other: "Ending") -> None:
    """Link ``life``, whose handler this is, with the other's present incarnation; if that is over, it hears so at once.

    Raises:
        ActorFenced: the calling thread has been given up.
        ActorEnding: ``life`` is ending.
    """
    if other is cell:
        return
    theirs = other.life
    with cell.lock:
        if cell.zombies:
            cell.refuse_zombies()
        if life is not cell.life or cell.state not in (STARTING, RUNNING):
            raise ActorEnding(cell.path)
        if life.links is None:
            life.links = {}
        life.links.setdefault(other, {})[theirs] = None
    with other.lock:
        if cell.zombies:
            cell.refuse_zombies()
        if other.life is theirs and not other.terminated and other.state not in (DOWN, ENDED):
            if theirs.links is None:
                theirs.links = {}
            theirs.links.setdefault(cell, {})[life] = None
            return
        cause = theirs.cause or BEFORE
    cell.put_control((hear_exit, life, (other, theirs, cause)))


def unlink(cell: "Ending", life: Incarnation, other: "Ending") -> None:
    """Take all links with the other's incarnations back; harmless if there is none."""
    with cell.lock:
        if cell.zombies:
            cell.refuse_zombies()
        taken = (life.links or {}).pop(other, None)
    if taken:
        with other.lock:
            for theirs in taken:
                _take(theirs, cell, life)


def tell_links(cell: "Ending", life: Incarnation, cause: Cause) -> None:
    """Tell all that ``life`` is linked with that it is over."""
    with cell.lock:
        links, life.links = life.links, None
    for other, lives in (links or {}).items():
        for theirs in lives:
            other.put_control((hear_exit, theirs, (cell, life, cause)))


def hear_exit(
    cell: "Ending", life: Incarnation, detail: tuple["Ending", Incarnation, Cause], epoch: int
) -> None:
    """Hear that one that ``life`` may be linked with is over."""
    other, theirs, cause = detail
    with cell.lock:
        if cell.epoch != epoch:
            raise SupersededError
        if life is not cell.life or cell.state not in (STARTING, RUNNING) or not _take(life, other, theirs):
            return
    if life.actor is not None and life.actor.trap_exits:
        notice = Exit(ref=other.ref, incarnation=theirs.number, cause=cause)
        cell.foreign(life, epoch, life.actor.handle, notice)
    elif not isinstance(cause, Normal):
        cell.begin_end(inherited(other.path, theirs.number, cause), life, epoch)


def inherited(path: str, incarnation: int, cause: Cause) -> Cause:
    """Return the cause by which one ends that was linked with ``path``: of the same class, and it says so."""
    if is_abnormal(cause):
        origin = cause.exception if isinstance(cause, Crashed | FailedToStart) else None
        return Crashed(LinkEnded(path, incarnation, origin))
    return Shutdown(f"{path!r}, which it was linked with, has shut down")


def _take(life: Incarnation, other: Any, theirs: Incarnation) -> bool:
    """Take a link out of a record; false if it is not there. Under its cell's lock."""
    lives = (life.links or {}).get(other)
    if lives is None or theirs not in lives:
        return False
    del lives[theirs]
    if not lives and life.links is not None:
        del life.links[other]
    return True
