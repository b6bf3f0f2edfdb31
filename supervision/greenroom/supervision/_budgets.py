"""How long a start and an end may take, and what becomes of who takes longer.

Laws:
    - the budget of an end begins once, whoever begins it, and counts from when the incarnation's record has it. Who sets
      a timer and is interrupted before that is noted (Ctrl-C) has left a timer that does nothing, and counts as none;
    - to note a budget, to ask for the end and to submit the actor is one step: who is interrupted has asked for an end
      that has a budget, or for nothing.
"""

from collections import deque
from functools import partial
from itertools import chain, compress
from operator import call
from typing import Any, Final

from greenroom.supervision._incarnation import Incarnation
from greenroom.supervision._place import Place

SHUTDOWN_NS: Final = 5_000_000_000
"""How long an end may take where nothing else is said."""


class StopBudget:
    """The budget of one end."""

    __slots__ = ("handle",)

    handle: Any

    def cancel(self) -> None:
        """Take it back."""
        self.handle.cancel()


class Budgeted(Place):
    """A place whose incarnations have a time for their start and their end."""

    __slots__ = ()

    def fence(self, reason: str, life: Incarnation | None = None, *, if_starting: bool = False) -> bool:
        """Give an incarnation up; `Ending` knows how."""
        raise NotImplementedError

    def arm_stop_timer(self, life: Incarnation) -> None:
        """Begin the shutdown budget, unless it has begun; under the lock, on a thread that nothing interrupts."""
        if life.stop_timer is None:
            life.stop_timer = self._timed(life)

    def _timed(self, life: Incarnation, *, counts: bool = True) -> StopBudget | None:
        """Return the shutdown budget of ``life``, which is over in time, but holds only once it is noted there.

        Args:
            life: whose.
            counts: whether it is one of the timers that are due before that.
        """
        # A brutal budget says how to be stopped, and nothing of how long an end of one's own may take.
        budget_ns = SHUTDOWN_NS if self.shutdown_ns == 0 and not life.fenced else self.shutdown_ns
        if not budget_ns:
            return None
        budget = StopBudget()
        overrun = partial(self.overrun, life, budget_ns, budget)
        runtime = self.system.runtime
        budget.handle = (runtime.call_later if counts else runtime.look_later)(budget_ns, overrun)
        return budget

    def begin_stop(self, life: Incarnation, item: Any) -> None:
        """Begin the shutdown budget, unless it has begun, and put ``item`` into the control lane; under the lock."""
        lane = self.control_lane()
        if self.is_undisturbed():
            self.arm_stop_timer(life)
            lane.append(item)
            return
        # This thread may be the main one, where a signal's handler may raise between any two calls that are not C's.
        steps = [partial(lane.append, item)]
        budget = self._timed(life, counts=False) if life.stop_timer is None else None
        if budget is not None:
            steps.append(partial(setattr, life, "stop_timer", budget))
            steps.append(budget.handle.to_count())
        now_ns = self.system.runtime.now_ns()
        if not (self.user or self.idle.locked()):
            self.since_ns, self.mark = now_ns, None
        taken = map(self.idle.acquire, (False,))
        deque(chain(map(call, steps), self.executor.submitting(compress((self,), taken))), 0)

    def overrun(self, life: Incarnation, budget_ns: int, budget: StopBudget | None) -> None:
        """Hear that ``life`` has not stopped within its budget; without one, that it has not started."""
        what = "start" if budget is None else "stop"
        why = f"did not {what} within its {budget_ns / 1e6:g} ms"
        if budget is None:
            self.fence(why, life, if_starting=True)
        else:
            self.overdue(life, budget, why)

    def overdue(self, life: Incarnation, budget: StopBudget, why: str) -> None:
        """Give ``life`` up, whose ``budget`` is over. The end that follows has its budget anew, for what is below."""
        with self.lock:
            if life.stop_timer is not budget:  # nobody has noted it, or it was over in time
                return
            life.stop_timer = None
        self.fence(why, life)
