"""The start of a member of a group in the step of its supervisor, which lends it the thread: no turn of its own, and no signal.

It is for groups that are replaced on the runtime's own threads, by supervisors that nobody else hears the signals of. Anybody else
starts in a turn of his own, and in a simulation everybody does.

Laws:
    - one thread at a time runs a cell, and what a child's own code does is the child's: it has the child's epoch, its start
      budget, its crash, and what hangs in it is given up without the supervisor;
    - a supervisor lends its thread in the last line of its step, when all that it has decided is done. Who gives up the child
      therefore takes the supervisor off the thread, and it goes on elsewhere, as it does if the child
      only takes its time (`LOOK_NS`);
    - whether that is so is decided under the child's lock while the thread is in the child's hands, and asked under the
      same lock when the thread comes back: then it does nothing more for the supervisor.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from greenroom.supervision._cell import Cell
from greenroom.supervision._place import DOWN, RUNNING, STARTING
from greenroom.supervision._restart import Normal
from greenroom.supervision._superseded import SupersededError
from greenroom.supervision._threads import current
from greenroom.supervision.signals import IGNORE, START_LATER, child_started
from greenroom.supervision.snapshot import FlightKind

if TYPE_CHECKING:
    from greenroom.supervision._incarnation import Incarnation

LOOK_NS: Final = 10_000_000
"""A start that is seen twice at this distance has the thread for itself."""
_STARTED: Final = FlightKind.STARTED


class Loan:
    """The thread of a supervisor, while children are started on it. Used by that thread, but for `_look` and `call_back`."""

    __slots__ = ("_called_back", "_host", "_over", "_seen", "_thread", "_timer", "to")

    def __init__(self, host: Cell) -> None:
        self._host = host
        self._thread = host.system.runtime.thread_id()
        self._called_back = False
        """Whether who has it keeps it; written under the lock of that child."""
        self._over = False
        """Whether the supervisor is on this thread no more; written under its own lock."""
        self._seen: Incarnation | None = None
        self.to: tuple[Cell, Incarnation] | None = None
        """Who has it."""
        host.system.loans[self._thread] = self
        self._timer: Any = host.system.runtime.look_later(LOOK_NS, self._look)

    def close(self) -> None:
        """Lend it no more."""
        self.to = None
        self._timer.cancel()
        self._host.system.loans.pop(self._thread, None)

    def call_back(self) -> None:
        """Have the supervisor go on on another thread; who has this one was given up, or has it for itself."""
        host = self._host
        with host.lock:
            over, self._over = self._over, True
            if over or host.thread != self._thread:
                return
            host.epoch += 1
            host.thread = 0
        host.executor.submit(host)

    def _look(self) -> None:
        """See whether somebody is at it for long. On the timer's thread."""
        to = self.to
        if to is None or self._over:
            return
        cell, life = to
        if life is self._seen:
            with cell.lock:
                here = cell.life is life and cell.thread == self._thread
                self._called_back = here
            if here:
                self.call_back()
                return
        self._seen = life
        self._timer = self._host.system.runtime.look_later(LOOK_NS, self._look)

    def start(self, cell: Cell) -> bool:
        """Start ``cell``, a child of the supervisor's; true if it has started, and its parent is not told.

        Else it has been asked to start, or its parent is told what has become of that.

        Raises:
            SupersededError: the supervisor has been taken off this thread.
        """
        host = self._host
        begun = self._begin(cell)
        if begun is None:
            cell.start()
            return False
        try:
            return self._run(cell, *begun)
        except SupersededError:
            if cell.given_up:
                cell.release_given_up(self._thread)
            raise
        except BaseException as bug:  # noqa: BLE001 - ours, as in `Cell.run`: the actor must not be left half-way
            cell.system.crashed(cell, bug)
            if self._thread in (cell.given_up or ()):
                cell.release_given_up(self._thread)
            else:
                cell.fence("its machine failed")
            raise SupersededError from None
        finally:
            current.cell = host

    def _begin(self, cell: Cell) -> "tuple[Incarnation, int] | None":
        """Take a cell that rests into this thread's hands; return its next incarnation, and its epoch as it was then.

        None if it is not as simple as that.
        """
        simple = type(cell) is Cell and cell.executor is self._host.executor
        if not (simple and not cell.system.observers and cell.idle.acquire(False)):
            return None
        begun, again = None, False
        with cell.lock:
            rests = cell.state == DOWN and not (cell.terminated or cell.control or cell.user or cell.retry)
            if rests:
                begun = cell.renew(), cell.epoch
                self.to = cell, cell.life
                cell.enter_start(cell.life)
                cell.thread = self._thread
            else:
                again = cell.give_free()
        if again:
            cell.executor.submit(cell)
        return begun

    def _run(self, cell: Cell, life: "Incarnation", epoch: int) -> bool:
        current.cell = cell
        extra: Any = START_LATER
        try:
            extra = cell.make_actor(life)
        except BaseException as error:  # noqa: BLE001 - every error is this actor's crash, nobody else's
            cell.crash(error, life, epoch)
        if extra is IGNORE:
            cell.begin_end(Normal(), life, epoch, ignored=True)
        with cell.lock:
            if cell.epoch != epoch:
                raise SupersededError
            up = cell.state == STARTING and extra is not START_LATER
            if up:
                cell.state = RUNNING
                life.started_ns = cell.system.runtime.now_ns()
                if life.start_timer is not None:
                    life.cancel_start_timer()
                if cell.record is not None:
                    cell.note(_STARTED, "", life.number)
            cell.thread = 0
            mine = not self._called_back
            again = mine and cell.give_free()
        if again:
            cell.executor.submit(cell)
        if mine:
            return up
        if up:
            cell.tell_parent(child_started(cell.ref, life.number, extra))
        cell.executor.submit(cell)
        raise SupersededError


def start_together(host: Cell, cell: Cell, most: int, following: Callable[[Cell], Cell | None]) -> None:
    """Start members of a group, in the last line of the step of their supervisor.

    Args:
        host: the supervisor's.
        cell: the first.
        most: so many; the next one is asked to start, and the supervisor hears what others have to say meanwhile.
        following: told who has started, and returns whose turn it is, or None if there is nobody, or something else to do.

    Raises:
        SupersededError: the supervisor has been taken off this thread.
        ActorFenced: the supervisor was given up.
    """
    if not host.is_undisturbed():
        cell.start()
        return
    loan = Loan(host)
    try:
        while most and not host.control:
            most -= 1
            if not loan.start(cell):
                return
            if host.zombies:
                host.refuse_zombies()
            after = following(cell)
            if after is None:
                return
            cell = after
    finally:
        loan.close()
    cell.start()
