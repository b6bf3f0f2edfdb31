"""The stop of an actor whose mailbox the caller holds: at once and here, if no code of its own is to be run.

Laws:
    - it is for the machine's own threads. On the main one Ctrl-C could come in between, and leave it half stopped;
    - nothing of such an end can hang, so it needs no budget, and no thread but the caller's;
    - an end that nobody but the parent hears of is one step under the cell's lock: a fence comes before it or after. Any
      other goes through the steps of every end, under the same epoch, so that a fence that comes in between still wins.
"""

from typing import TYPE_CHECKING, Final

from greenroom.supervision._incarnation import UNTIMED
from greenroom.supervision._place import DOWN, ENDED, POOLED, RUNNING
from greenroom.supervision._restart import Cause, Shutdown
from greenroom.supervision._superseded import SupersededError
from greenroom.supervision.signals import child_ended
from greenroom.supervision.snapshot import FlightKind

if TYPE_CHECKING:
    from greenroom.supervision._ending import Ending

_ENDED: Final = FlightKind.ENDED


def stop_now(cell: "Ending", cause: Cause) -> bool:
    """Stop ``cell``, a child of whose handler this is; true if it is down, and its parent is told no more.

    Else it was asked to, as by `request_stop`.
    """
    ready = cell.shutdown_ns != 0 and cell.dispatcher in POOLED and cell.is_undisturbed()
    if not (ready and cell.idle.acquire(False)):
        cell.request_stop(cause)
        return False
    if _end_unseen(cell, cause, DOWN):
        return True
    stop_at_rest(cell, cause)
    return False


def stop_at_rest(cell: "Ending", cause: Cause) -> bool:
    """Stop ``cell``, whose ``idle`` the caller has; return whether its end is still to come, and the parent to hear of it."""
    if _end_unseen(cell, cause, ENDED):
        cell.tell_parent(child_ended(cell.ref, cell.life.number, cause))
        return True
    with cell.lock:
        life, epoch = cell.life, cell.epoch
        coming = cell.state not in (DOWN, ENDED)
        at_once = cell.state == RUNNING and not cell.control and not cell.children and life.is_bare
        if at_once:
            life.stop_timer = UNTIMED
        elif coming:
            cell.arm_stop_timer(life)
            cell.control_lane().append((type(cell)._stop, life, cause))
    if coming and not at_once:
        cell.note(FlightKind.STOP_REQUESTED)
    if at_once:
        try:
            cell.begin_end(cause, life, epoch)
        except SupersededError:
            life.stop_timer = None  # it was fenced meanwhile: that ends it, once it is given free
    with cell.lock:
        again = cell.give_free()
    if again:
        cell.executor.submit(cell)
    return coming


def _end_unseen(cell: "Ending", cause: Cause, state: int) -> bool:
    """End an actor of which nobody but the parent is told, and let go of its ``idle``; false if it is not such a one."""
    with cell.lock:
        if cell.state != RUNNING or cell.control or cell.children or cell.watches or cell.system.observers:
            return False
        life = cell.life
        if type(cause) is not Shutdown or life.monitors or life.timers or life.links or not life.is_bare:
            return False
        if cell.is_watched:  # its watch has to end with it
            return False
        cell.state, life.cause, life.cleaned, life.actor = state, cause, True, None
        cell.control = None
        cell.idle.release()
    if cell.record is not None:
        cell.note(_ENDED, "Shutdown", life.number)
    return True
