"""A second model of a supervisor's rules, written as OTP does it: one thing after the other, waiting for each.

It knows what `Family` knows (strategies, restart types, intensity, back-off, significant children, subtree budgets,
admin calls, live updates, time), and nothing of how `Family` does it: no groups, no phases, no attempts; lists instead
of windows; fractions instead of floats.
"""

from collections import deque
from fractions import Fraction
from typing import Any

from greenroom.supervision import (
    AutoShutdown,
    Cause,
    ChildSpec,
    Normal,
    Restart,
    Shutdown,
    Strategy,
    SubtreeBudget,
    SupervisorFlags,
)


class Row:
    """A child: whether it runs, when its back-off is over, how that went so far, and what it was promised."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.up = False
        self.due_ns: int | None = None
        self.failures = 0
        self.began_ns: int | None = None
        self.promised = False
        """Whether a group that is not done will start it."""

    def respec(self, spec: ChildSpec) -> None:
        if (spec.backoff is None) is not (self.spec.backoff is None):
            self.failures, self.began_ns = 0, None  # a back-off that is new knows nothing yet
        self.spec = spec

    def over(self, now_ns: int) -> None:
        self.up = False
        backoff, began_ns, self.began_ns = self.spec.backoff, self.began_ns, None
        if backoff is not None and began_ns is not None and now_ns - began_ns >= backoff.healthy_ns:
            self.failures = 0

    def delay_ns(self, dice: float) -> int:
        backoff = self.spec.backoff
        if backoff is None:
            return 0
        exponent = self.failures - backoff.immediate_first
        self.failures += 1
        if exponent < 0:
            return 0
        grown: int = backoff.initial_ns * int(backoff.factor) ** exponent
        wait = min(backoff.max_ns, grown)
        return min(backoff.max_ns, round(wait * (1 + Fraction(backoff.jitter) * (2 * Fraction(dice) - 1))))


class Shared:
    """A budget of a subtree."""

    def __init__(self, owner: str, spec: SubtreeBudget) -> None:
        self.owner, self.spec = owner, spec
        self.times: list[int] = []
        self.exceeded = False

    def full(self, now_ns: int) -> bool:
        counted = [at for at in self.times if at >= now_ns - self.spec.period_ns]
        return self.exceeded or len(counted) >= self.spec.intensity

    def take(self, now_ns: int) -> None:
        self.times = [at for at in self.times if at >= now_ns - self.spec.period_ns] + [now_ns]


class Naive:
    """The supervisor."""

    def __init__(self, flags: SupervisorFlags, outer: SubtreeBudget, outcomes: deque[str]) -> None:
        self.flags = flags
        self.outcomes = outcomes
        self.rows: list[Row] = []
        self.times: list[int] = []
        self.outer = Shared("outer", outer)
        self.own = None if flags.subtree is None else Shared("family", flags.subtree)
        self.waiting: tuple[Row, list[Row]] | None = None
        """A group that waits for the back-off of one of it."""
        self.strategy = flags.strategy
        """Of the attempt that is under way: an update holds from the next one on."""
        self.trace: list[tuple[Any, ...]] = []
        self.over = False
        self.now_ns = 0
        self.dice = 0.5

    def row(self, name: str) -> Row:
        found = next((row for row in self.rows if row.spec.id == name), None)
        if found is None:
            raise LookupError("ChildNotFound")
        return found

    # -- one child ------------------------------------------------------------------------------------------------

    def do_start(self, row: Row) -> str:
        self.trace.append(("start", row.spec.id))
        outcome = self.outcomes.popleft() if self.outcomes else "ok"
        row.up = outcome == "ok"
        if row.up and row.spec.backoff is not None:
            row.began_ns = self.now_ns
        return outcome

    def do_stop(self, row: Row) -> None:
        if row.up:
            self.trace.append(("stop", row.spec.id))
            row.over(self.now_ns)
            self.down(row)

    def cancel(self, row: Row) -> None:
        if row.due_ns is not None:
            self.trace.append(("cancel", row.spec.id))
            row.due_ns = None

    def down(self, row: Row) -> None:
        row.up = False
        if row.spec.restart is Restart.TEMPORARY or self.flags.strategy is Strategy.DYNAMIC:
            self.forget(row)

    def forget(self, row: Row) -> None:
        self.rows.remove(row)
        self.trace.append(("forget", row.spec.id))

    # -- what people ask ------------------------------------------------------------------------------------------

    def add(self, spec: ChildSpec) -> None:
        if spec.significant and self.flags.auto_shutdown is AutoShutdown.NEVER:
            raise LookupError("BadSpec")
        for row in self.rows:
            if row.spec.id == spec.id:
                raise LookupError("AlreadyStarted" if row.up else "AlreadyPresent")
        if len(self.rows) >= self.flags.max_children:
            raise LookupError("MaxChildren")
        row = Row(spec)
        self.rows.append(row)
        match self.do_start(row):
            case "fail":
                self.forget(row)
            case "ignore":
                self.down(row)
            case _:
                pass

    def stop(self, name: str) -> None:
        row = self.row(name)
        if row.due_ns is None:
            if row.up:
                self.do_stop(row)
            else:
                self.down(row)
            return
        self.cancel(row)
        if self.is_waiting_for(row):
            self.waiting = None
            for other in self.rows:
                other.promised = False
        self.down(row)

    def restart(self, name: str) -> None:
        self.do_start(self.stopped(name))  # one that fails or ignores is kept as it was, a temporary one too

    def delete(self, name: str) -> None:
        self.forget(self.stopped(name))

    def stopped(self, name: str) -> Row:
        if self.flags.strategy is Strategy.DYNAMIC:
            raise LookupError("NotForDynamic")
        row = self.row(name)
        if row.due_ns is not None:
            raise LookupError("ChildRestarting")
        if row.up:
            raise LookupError("ChildRunning")
        return row

    def update(self, given: SupervisorFlags | None, specs: list[ChildSpec] | None) -> None:
        flags, listed = given or self.flags, specs or []
        ids, known = [spec.id for spec in listed], [row.spec.id for row in self.rows]
        new = [name for name in ids if name not in known]
        dynamic = flags.strategy is Strategy.DYNAMIC
        never = flags.auto_shutdown is AutoShutdown.NEVER
        if (
            dynamic is not (self.flags.strategy is Strategy.DYNAMIC)
            or len(set(ids)) < len(ids)
            or len(ids) > flags.max_children
            or (never and any(spec.significant for spec in listed))
            or (new and (dynamic or len(known) + len(new) > flags.max_children))
        ):
            raise LookupError("BadSpec")
        self.flags = flags
        if flags.subtree is None:
            self.own = None
        elif self.own is None:
            self.own = Shared("family", flags.subtree)
        else:
            self.own.spec = flags.subtree
        for spec in listed:
            if spec.id in known:
                self.row(spec.id).respec(spec)
            else:
                self.rows.append(Row(spec))
        if not dynamic:
            first = [self.row(name) for name in ids]
            self.rows = first + [row for row in self.rows if row not in first]

    # -- what happens ---------------------------------------------------------------------------------------------

    def ended(self, name: str, cause: Cause) -> None:
        row = self.row(name)
        row.over(self.now_ns)
        wanted = isinstance(cause, Normal | Shutdown)
        if row.spec.restart is Restart.PERMANENT or (row.spec.restart is Restart.TRANSIENT and not wanted):
            self.replace(row)
            return
        self.down(row)
        mode = self.flags.auto_shutdown
        others = any((other.up or other.due_ns is not None) and other.spec.significant for other in self.rows)
        if row.spec.significant and (
            mode is AutoShutdown.ANY_SIGNIFICANT or (mode is AutoShutdown.ALL_SIGNIFICANT and not others)
        ):
            self.trace.append(("shut down", name))
            self.over = True

    def due(self, name: str) -> None:
        row = self.row(name)
        row.due_ns = None
        if self.waiting is None or self.waiting[0] is not row:
            self.replace_from(self.start_all([row]))
            return
        members = [member for member in self.waiting[1] if member in self.rows]
        members = self.without_temporary(members, row)
        for member in reversed(members):
            self.do_stop(member)
        self.replace_from(self.start_all(members))
        if row.due_ns is None and self.is_waiting_for(row):
            self.waiting = None

    def elsewhere(self) -> None:
        """A supervisor beside this one makes a restart, or is not allowed to."""
        if self.outer.full(self.now_ns):
            self.outer.exceeded = True
        else:
            self.outer.take(self.now_ns)

    def is_waiting_for(self, row: Row) -> bool:
        return self.waiting is not None and self.waiting[0] is row

    # -- restarts ---------------------------------------------------------------------------------------------------

    def replace_from(self, failing: Row | None) -> None:
        if failing is not None:
            self.replace(failing)

    def replace(self, row: Row) -> None:
        failing: Row | None = row
        if self.waiting is None:
            self.strategy = self.flags.strategy
        while failing is not None:
            if not self.allowed(failing):
                self.over = True
                return
            delay_ns = failing.delay_ns(self.dice)
            members = self.members(failing)
            for member in members:
                self.cancel(member)
            members = self.without_temporary(members, failing)
            for member in reversed(members):
                self.do_stop(member)
            if delay_ns:
                failing.due_ns = self.now_ns + delay_ns
                self.trace.append(("after", failing.spec.id, delay_ns))
                if self.strategy in (Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE):
                    self.waiting = (failing, members)
                    for member in members:
                        member.promised = True
                return
            failing = self.start_all(members)
        self.waiting = None

    def without_temporary(self, members: list[Row], failing: Row) -> list[Row]:
        """Those that are down go: an update has made them temporary, or known."""
        for row in members:
            if row is not failing and not row.up and row.spec.restart is Restart.TEMPORARY:
                self.forget(row)
        return [row for row in members if row in self.rows]

    def allowed(self, row: Row) -> bool:
        name, now_ns = row.spec.id, self.now_ns
        self.times = [at for at in self.times if at >= now_ns - self.flags.period_ns] + [now_ns]
        if len(self.times) > self.flags.intensity:
            self.trace.append(("give up", name))
            return False
        budgets = [self.outer] if self.own is None else [self.own, self.outer]
        full = [budget for budget in budgets if budget.full(now_ns)]
        if full:
            self.trace.append(("over budget", name, full[-1].owner))
            return False
        for budget in budgets:
            budget.take(now_ns)
        return True

    def members(self, failing: Row) -> list[Row]:
        match self.strategy:
            case Strategy.ONE_FOR_ALL:
                return list(self.rows)
            case Strategy.REST_FOR_ONE:
                down = [row for row in self.rows if row is failing or row.due_ns is not None or row.promised]
                return self.rows[self.rows.index(down[0]) :]
            case _:
                return [failing]

    def start_all(self, members: list[Row]) -> Row | None:
        """Start those that are down, in order; return the one that failed."""
        for row in members:
            row.promised = False
            if row in self.rows and not row.up:
                outcome = self.do_start(row)
                if outcome == "fail":
                    return row
                if outcome == "ignore":
                    self.down(row)
        return None
