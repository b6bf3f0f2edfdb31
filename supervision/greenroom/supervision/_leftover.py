"""What an incarnation leaves to the next one: the messages that wait, and the one that crashed it.

Laws:
    - what waits is dealt with as `OnRestart` says once for each restart: in the step before the next incarnation is
      made, so that whatever came until then, while the actor was down too, is treated alike;
    - a request to stop is no message: it is kept, whatever the policy;
    - a message is tried at most twice (`OnCrash.RETRY_ONCE`), and the second time before any other message. It waits
      outside of the user lane, so no bound and no policy of that lane touches it;
    - each of them is handled, answered, counted as dropped, or a dead letter: exactly one of these.
"""

from typing import TYPE_CHECKING, Any, Final

from greenroom.supervision._incarnation import Incarnation, Retry
from greenroom.supervision._mailbox import Ask, is_stop
from greenroom.supervision._superseded import SupersededError
from greenroom.supervision.errors import ActorCrashed
from greenroom.supervision.events import PoisonMessage
from greenroom.supervision.spec import OnRestart

if TYPE_CHECKING:
    from greenroom.supervision._ending import Ending
    from greenroom.supervision._place import Place

LEFT_BEHIND: Final = "it waited when the actor was restarted, and the mailbox's restart policy gives it up"
NOT_RETRIED: Final = "it crashed the actor, which was not restarted"
POISON: Final = "it crashed the actor, and its next incarnation too"


def sweep(place: "Place") -> None:
    """Deal with what waits for an actor that is about to be restarted, as its mailbox's policy says."""
    with place.lock:
        policy = place.policy.on_restart
        lane = place.user
        if policy is OnRestart.KEEP or not lane or place.terminated:
            return
        waiting = [lane.popleft() for _ in range(len(lane))]
        left = [item for item in waiting if not is_stop(item)]
        lane.extendleft(item for item in reversed(waiting) if is_stop(item))
        for _ in left:
            place.release_waiting()
    told = 0
    for item in left:
        asked = type(item) is Ask
        told += not asked
        if asked or policy is OnRestart.DEAD_LETTERS:
            place.dead_letter(item, LEFT_BEHIND)
    if left and policy is OnRestart.DROP:
        place.system.dropped_messages(place, told=told, asked=len(left) - told)


def keep_for_retry(cell: "Ending", item: Any, error: BaseException, life: Incarnation, epoch: int) -> None:
    """Keep a message that crashed ``life`` for the next incarnation. An ask stays unanswered meanwhile.

    Raises:
        SupersededError: the incarnation was given up, and what it asks for is answered.
    """
    with cell.lock:
        if cell.epoch != epoch:
            raise SupersededError
        life.asking = None
        cell.retry = Retry(item, life.number, error)


def report_poison(cell: "Ending", life: Incarnation, error: BaseException, epoch: int) -> None:
    """Give up the message that ``life`` was trying for the second time. If it was asked, its asker is told elsewhere.

    Raises:
        SupersededError: the incarnation was given up, and whoever did that reports it.
    """
    with cell.lock:
        if cell.epoch != epoch:
            raise SupersededError
        again, life.retrying = life.retrying, None
    if again is None:
        return
    item = again.item
    asked = type(item) is Ask
    if cell.system.observers:
        kind = type(item.message if asked else item).__name__
        cell.system.emit(
            PoisonMessage(path=cell.path, incarnation=life.number, message=kind, error=type(error).__name__)
        )
    if not asked:
        cell.dead_letter(item, POISON)


def bury_retry(place: "Place", again: Retry) -> None:
    """Account for a message that would have been tried again, had there been another incarnation."""
    if type(again.item) is not Ask:
        place.dead_letter(again.item, NOT_RETRIED)
    elif again.item.reply is not None:
        again.item.reply.try_fail(ActorCrashed(place.path, again.incarnation, again.error))
