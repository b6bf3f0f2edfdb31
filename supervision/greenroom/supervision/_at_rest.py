"""The stop of an actor whose mailbox the caller holds: at once and here, if no code of its own is to be run.

Laws:
    - it is for the machine's own threads. On the main one Ctrl-C could come in between, and leave it half stopped;
    - nothing of such an end can hang, so it needs no budget, and no thread but the caller's;
    - an end that nobody but the parent hears of is one step under the cell's lock: a fence comes before it or after. Any
      other goes through the steps of every end, under the same epoch, so that a fence that comes in between still wins.
"""

from typing import TYPE_CHECKING

from greenroom.supervision._incarnation import UNTIMED
from greenroom.supervision._place import DOWN, ENDED, RUNNING
from greenroom.supervision._restart import Cause, Shutdown
from greenroom.supervision._superseded import SupersededError
from greenroom.supervision.signals import child_ended
from greenroom.supervision.snapshot import FlightKind

if TYPE_CHECKING:
    from greenroom.supervision._ending import Ending


def stop_at_rest(cell: "Ending", cause: Cause) -> bool:
    """Stop ``cell``, whose ``idle`` the caller has; return whether its end is still to come, and the parent to hear of it."""
    with cell.lock:
        life, epoch, state = cell.life, cell.epoch, cell.state
        at_once = state == RUNNING and not cell.control and not cell.children and life.is_bare
        unseen = at_once and type(cause) is Shutdown and life.is_alone()
        if unseen and not (cell.watches or cell.system.observers):
            cell.state, life.cause, life.cleaned, life.actor = ENDED, cause, True, None
            cell.control = None
            cell.idle.release()
        else:
            unseen = False
            coming = state not in (DOWN, ENDED)
            if at_once:
                life.stop_timer = UNTIMED
            elif coming:
                cell.arm_stop_timer(life)
                cell.control_lane().append((type(cell)._stop, life, cause))
    if unseen:
        if cell.record is not None:
            cell.note(FlightKind.ENDED, "Shutdown", life.number)
        cell.tell_parent(child_ended(cell.ref, life.number, cause))
        return True
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
