"""The rules of a supervisor against a second, naive model, and under any order of events."""

from collections import deque
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from greenroom.supervision._backoff import Backoff
from greenroom.supervision._decisions import (
    CancelStart,
    ChildStatus,
    Decisions,
    Forget,
    GiveUp,
    ShutDown,
    Start,
    StartAfter,
    Stop,
)
from greenroom.supervision._family import Family
from greenroom.supervision._restart import Cause, Crashed, Normal, Restart, Shutdown
from greenroom.supervision.errors import SupervisionError
from greenroom.supervision.spec import AutoShutdown, ChildSpec, Strategy, SupervisorFlags

CRASHED = Crashed(ValueError("on purpose"))
CAUSES: tuple[Cause, ...] = (CRASHED, CRASHED, Normal(), Shutdown("by itself"))
IDS = "abcde"


def nothing() -> None:
    """What children of pure rules start."""


def spec_of(
    number: int, restart: Restart, flags: SupervisorFlags, backoff: Backoff | None = None
) -> ChildSpec:
    """Return a spec by number: five ids, the first five insignificant."""
    significant = (
        number >= len(IDS)
        and restart is not Restart.PERMANENT
        and flags.auto_shutdown is not AutoShutdown.NEVER
    )
    return ChildSpec(
        id=IDS[number % len(IDS)], start=nothing, restart=restart, significant=significant, backoff=backoff
    )


class Row:
    """A child of the naive model."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.up = False


class Naive:
    """OTP's supervisor, written down as OTP does it: one thing after the other, waiting for each."""

    def __init__(self, flags: SupervisorFlags, outcomes: deque[str]) -> None:
        self.flags = flags
        self.outcomes = outcomes
        self.rows: list[Row] = []
        self.times: list[int] = []
        self.trace: list[tuple[str, str]] = []
        self.over = False

    def row(self, name: str) -> Row:
        found = next((row for row in self.rows if row.spec.id == name), None)
        if found is None:
            raise LookupError("ChildNotFound")
        return found

    def do_start(self, row: Row) -> str:
        self.trace.append(("start", row.spec.id))
        outcome = self.outcomes.popleft() if self.outcomes else "ok"
        row.up = outcome == "ok"
        return outcome

    def do_stop(self, row: Row) -> None:
        if row.up:
            self.trace.append(("stop", row.spec.id))
            self.down(row)

    def down(self, row: Row) -> None:
        row.up = False
        if row.spec.restart is Restart.TEMPORARY or self.flags.strategy is Strategy.DYNAMIC:
            self.forget(row)

    def forget(self, row: Row) -> None:
        self.rows.remove(row)
        self.trace.append(("forget", row.spec.id))

    def add(self, spec: ChildSpec) -> None:
        for row in self.rows:
            if row.spec.id == spec.id:
                raise LookupError("AlreadyStarted" if row.up else "AlreadyPresent")
        if len(self.rows) == self.flags.max_children:
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
        self.do_stop(self.row(name))

    def restart(self, name: str) -> None:
        self.do_start(self.stopped(name))

    def delete(self, name: str) -> None:
        self.forget(self.stopped(name))

    def stopped(self, name: str) -> Row:
        if self.flags.strategy is Strategy.DYNAMIC:
            raise LookupError("NotForDynamic")
        row = self.row(name)
        if row.up:
            raise LookupError("ChildRunning")
        return row

    def ended(self, name: str, cause: Cause, now_ns: int) -> None:
        row = self.row(name)
        row.up = False
        wanted = isinstance(cause, Normal | Shutdown)
        if row.spec.restart is Restart.PERMANENT or (row.spec.restart is Restart.TRANSIENT and not wanted):
            self.replace(row, now_ns)
            return
        self.down(row)
        mode = self.flags.auto_shutdown
        others = any(other.up and other.spec.significant for other in self.rows)
        if row.spec.significant and (
            mode is AutoShutdown.ANY_SIGNIFICANT or (mode is AutoShutdown.ALL_SIGNIFICANT and not others)
        ):
            self.trace.append(("shut down", name))
            self.over = True

    def replace(self, row: Row, now_ns: int) -> None:
        failing: Row | None = row
        while failing is not None:
            self.times = [at for at in self.times if at >= now_ns - self.flags.period_ns] + [now_ns]
            if len(self.times) > self.flags.intensity:
                self.trace.append(("give up", failing.spec.id))
                self.over = True
                return
            failing = self.attempt(failing)

    def attempt(self, failing: Row) -> Row | None:
        match self.flags.strategy:
            case Strategy.ONE_FOR_ALL:
                members = list(self.rows)
            case Strategy.REST_FOR_ONE:
                members = self.rows[self.rows.index(failing) :]
            case _:
                members = [failing]
        for row in reversed(members):
            self.do_stop(row)
        for row in members:
            if row in self.rows:
                outcome = self.do_start(row)
                if outcome == "fail":
                    return row
                if outcome == "ignore":
                    self.down(row)
        return None


class Prompt:
    """A family whose children do at once what they are told."""

    def __init__(self, flags: SupervisorFlags, outcomes: deque[str]) -> None:
        self.family = Family("family", flags)
        self.outcomes = outcomes
        self.trace: list[tuple[str, str]] = []
        self.over = False

    def perform(self, decisions: Decisions, now_ns: int) -> None:
        todo = deque(decisions)
        while todo:
            match todo.popleft():
                case Start(child=child):
                    self.trace.append(("start", child))
                    outcome = self.outcomes.popleft() if self.outcomes else "ok"
                    if outcome == "ok":
                        todo.extend(self.family.started(child, now_ns))
                    elif outcome == "fail":
                        todo.extend(self.family.failed(child, now_ns, 0.5))
                    else:
                        todo.extend(self.family.ignored(child))
                case Stop(child=child):
                    self.trace.append(("stop", child))
                    todo.extend(self.family.ended(child, Shutdown(), now_ns, 0.5))
                case Forget(child=child):
                    self.trace.append(("forget", child))
                case GiveUp(child=child):
                    self.trace.append(("give up", child))
                    self.over = True
                case ShutDown(child=child):
                    self.trace.append(("shut down", child))
                    self.over = True
                case other:
                    raise AssertionError(other)


FLAGS = st.builds(
    SupervisorFlags,
    strategy=st.sampled_from(Strategy),
    intensity=st.integers(0, 4),
    period_ns=st.integers(1, 20),
    auto_shutdown=st.sampled_from(AutoShutdown),
    max_children=st.integers(1, 5),
)
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "end", "end", "end", "stop", "restart", "delete", "time"]),
        st.integers(0, 9),
        st.sampled_from(Restart),
        st.sampled_from(CAUSES),
    ),
    max_size=40,
)
OUTCOMES = st.lists(st.sampled_from(["ok", "ok", "ok", "ok", "fail", "ignore"]), max_size=40)


def one_step(real: Prompt, naive: Naive, operation: Any, now_ns: int) -> None:
    """Do the same to both, and compare what they say."""
    kind, number, restart, cause = operation
    name = IDS[number % len(IDS)]
    said: list[str] = []
    decisions: Decisions = ()
    try:
        match kind:
            case "add":
                decisions = real.family.add(spec_of(number, restart, real.family.flags))
            case "end":
                if real.family.get(name).status is ChildStatus.RUNNING:
                    decisions = real.family.ended(name, cause, now_ns, 0.5)
            case _:
                decisions = getattr(real.family, kind)(name)
        real.perform(decisions, now_ns)
    except SupervisionError as error:
        said.append(type(error).__name__)
    try:
        match kind:
            case "add":
                naive.add(spec_of(number, restart, naive.flags))
            case "end":
                if naive.row(name).up:
                    naive.ended(name, cause, now_ns)
            case _:
                getattr(naive, kind)(name)
    except LookupError as error:
        said.append(str(error))
    assert said in ([], said[:1] * 2)


@settings(max_examples=400, deadline=None)
@given(FLAGS, OPERATIONS, OUTCOMES)
def test_the_rules_decide_what_otp_decides(
    flags: SupervisorFlags, operations: list[Any], outcomes: list[str]
) -> None:
    """Any sequence of starts, ends, failures, stops, restarts, deletes and time steps gives the same decisions."""
    real, naive = Prompt(flags, deque(outcomes)), Naive(flags, deque(outcomes))
    now_ns = 0
    for operation in operations:
        if operation[0] == "time":
            now_ns += operation[1]
            continue
        one_step(real, naive, operation, now_ns)
        assert real.trace == naive.trace
        assert real.over == naive.over
        if real.over:
            return
        assert [(child.id, child.status is ChildStatus.RUNNING) for child in real.family] == [
            (row.spec.id, row.up) for row in naive.rows
        ]
        assert real.family.is_settled


class Chaos:
    """A family whose children do what they are told when they like, or end when they like."""

    def __init__(self, flags: SupervisorFlags, backoff: Backoff | None) -> None:
        self.family = Family("family", flags)
        self.backoff = backoff
        self.now_ns = 0
        self.state: dict[str, str] = {}
        self.timers: dict[str, int] = {}
        self.stopping: set[str] = set()
        self.may_be_down: set[str] = set()
        self.restarts: list[int] = []
        self.over = False

    def perform(self, decisions: Decisions) -> None:
        for decision in decisions:
            child = decision.child
            assert not self.over
            match decision:
                case Start():
                    assert self.state.get(child, "down") == "down", "two incarnations at once"
                    assert child not in self.timers
                    self.state[child] = "starting"
                    self.stopping.discard(child)
                case StartAfter(delay_ns=delay_ns):
                    assert child not in self.timers
                    assert self.state[child] == "down"
                    assert delay_ns > 0
                    self.timers[child] = self.now_ns + delay_ns
                case CancelStart():
                    del self.timers[child]
                case Stop():
                    assert self.state[child] in ("starting", "up")
                    assert child not in self.stopping, "asked twice"
                    self.stopping.add(child)
                case Forget():
                    assert self.state.pop(child, "down") == "down"
                    assert child not in self.timers
                case GiveUp() | ShutDown():
                    self.over = True

    def admin(self, kind: str, number: int, restart: Restart) -> None:
        name = IDS[number % len(IDS)]
        try:
            if kind == "add":
                self.perform(self.family.add(spec_of(number, restart, self.family.flags, self.backoff)))
                self.may_be_down.discard(name)
            elif kind == "update":
                order = sorted(IDS[: number % 5], reverse=number % 2 == 0)
                specs = [
                    spec_of(IDS.index(each) + number // 5 * 5, restart, self.family.flags) for each in order
                ]
                known = {child.id for child in self.family}
                self.family.update(None, specs)
                self.may_be_down |= {child.id for child in self.family} - known
                self.may_be_down |= set(order)
            else:
                before = {child.id for child in self.family if child.status is ChildStatus.RESTARTING}
                decisions = getattr(self.family, kind)(name)
                if kind == "stop":  # of one whose start is under way it ends the attempt for the others too
                    after = {child.id for child in self.family if child.status is ChildStatus.STOPPED}
                    self.may_be_down |= {name} | (before & after)
                self.perform(decisions)
        except SupervisionError:
            pass

    def happens(self, kind: str, number: int, cause: Cause) -> None:
        name = IDS[number % len(IDS)]
        state = self.state.get(name, "down")
        family = self.family
        if kind == "time":
            self.now_ns += number
        elif kind == "due" and name in self.timers:
            self.now_ns = max(self.now_ns, self.timers.pop(name))
            self.perform(family.due(name))
        elif kind == "started" and state == "starting":
            self.state[name] = "up"
            self.perform(family.started(name, self.now_ns))
        elif kind == "failed" and state == "starting":
            self.state[name] = "down"
            if family.get(name).status is not ChildStatus.RESTARTING:
                self.may_be_down.add(name)
            self.perform(family.failed(name, self.now_ns, 0.3))
        elif kind == "ignored" and state == "starting":
            self.state[name] = "down"
            self.may_be_down.add(name)
            self.perform(family.ignored(name))
        elif kind == "end" and state == "up":
            self.state[name] = "down"
            if family.get(name).spec.restart is not Restart.PERMANENT:
                self.may_be_down.add(name)
            self.perform(family.ended(name, cause, self.now_ns, 0.7))

    def settle(self) -> None:
        """Have everybody do what was asked for."""
        for _ in range(200):
            for number, name in enumerate(IDS):
                self.happens("started", number, CRASHED)
                if name in self.stopping and self.state.get(name) == "up" and not self.over:
                    self.happens("end", number, Shutdown())
                if not self.over:
                    self.happens("due", number, CRASHED)
                if self.over:
                    return


HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "add",
                "add",
                "started",
                "started",
                "started",
                "end",
                "end",
                "due",
                "failed",
                "ignored",
                "stop",
                "restart",
                "delete",
                "update",
                "time",
            ]
        ),
        st.integers(0, 9),
        st.sampled_from(Restart),
        st.sampled_from(CAUSES),
    ),
    max_size=80,
)
PERMANENT = Restart.PERMANENT


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(Strategy),
    st.sampled_from(AutoShutdown),
    st.sampled_from([None, Backoff(initial_ns=3, max_ns=9, healthy_ns=5), Backoff(immediate_first=False)]),
    HAPPENINGS,
)
@example(  # an admin stop of the child whose restart is under way
    Strategy.DYNAMIC,
    AutoShutdown.NEVER,
    None,
    [
        ("add", 0, PERMANENT, CRASHED),
        ("started", 0, PERMANENT, CRASHED),
        ("end", 0, PERMANENT, CRASHED),
        ("stop", 0, PERMANENT, CRASHED),
    ],
)
def test_any_order_of_events_keeps_the_laws(
    strategy: Strategy, mode: AutoShutdown, backoff: Backoff | None, happenings: list[Any]
) -> None:
    """Never two incarnations, no stop or timer twice, nothing forgotten that lives, and in the end all is at rest."""
    chaos = Chaos(SupervisorFlags(strategy=strategy, intensity=9, auto_shutdown=mode), backoff)
    for kind, number, restart, cause in happenings:
        if kind in ("add", "stop", "restart", "delete", "update"):
            chaos.admin(kind, number, restart)
        else:
            chaos.happens(kind, number, cause)
        if chaos.over:
            return
    chaos.settle()
    if chaos.over:
        return
    assert chaos.family.is_settled
    for child in chaos.family:
        up = chaos.state.get(child.id, "down") == "up"
        assert child.status is (ChildStatus.RUNNING if up else ChildStatus.STOPPED), child.id
        assert up or child.id in chaos.may_be_down, f"{child.id} was lost"
