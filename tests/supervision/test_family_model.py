"""The rules of a supervisor against a second, naive model, and under any order of events."""

from collections import deque
from dataclasses import replace
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.supervision.naive import Naive
from tests.supervision.supkit import LISTED

from greenroom.supervision._backoff import Backoff
from greenroom.supervision._decisions import (
    CancelStart,
    ChildStatus,
    Decisions,
    Forget,
    GiveUp,
    OverBudget,
    ShutDown,
    Start,
    StartAfter,
    Stop,
)
from greenroom.supervision._family import Family
from greenroom.supervision._restart import Cause, Crashed, Fenced, Normal, Restart, Shutdown
from greenroom.supervision._sharing import Refusal, SharedBudget, spend
from greenroom.supervision.errors import SupervisionError
from greenroom.supervision.spec import AutoShutdown, ChildSpec, Strategy, SubtreeBudget, SupervisorFlags

CRASHED = Crashed(ValueError("on purpose"))
CAUSES: tuple[Cause, ...] = (CRASHED, CRASHED, Normal(), Shutdown("by itself"))
IDS = "abcde"
FEW = "abcc"


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


class Prompt:
    """A family whose children do at once what they are told."""

    def __init__(self, flags: SupervisorFlags, outer: SubtreeBudget, outcomes: deque[str]) -> None:
        self.outer = SharedBudget("outer", outer)
        self.family = Family("family", flags, self.spend)
        self.outcomes = outcomes
        self.timers: dict[str, int] = {}
        self.trace: list[tuple[Any, ...]] = []
        self.over = False
        self.now_ns = 0
        self.dice = 0.5

    def spend(self, now_ns: int) -> Refusal | None:
        own = self.family.shared
        return spend([self.outer] if own is None else [own, self.outer], now_ns)

    def perform(self, decisions: Decisions) -> None:
        todo = deque(decisions)
        while todo:
            match todo.popleft():
                case Start(child=child):
                    self.trace.append(("start", child))
                    outcome = self.outcomes.popleft() if self.outcomes else "ok"
                    if outcome == "ok":
                        todo.extend(self.family.started(child, self.now_ns))
                    elif outcome == "fail":
                        todo.extend(self.family.failed(child, self.now_ns, self.dice))
                    else:
                        todo.extend(self.family.ignored(child))
                case Stop(child=child):
                    self.trace.append(("stop", child))
                    todo.extend(self.family.ended(child, Shutdown(), self.now_ns, self.dice))
                case Forget(child=child):
                    self.trace.append(("forget", child))
                case StartAfter(child=child, delay_ns=delay_ns):
                    self.trace.append(("after", child, delay_ns))
                    self.timers[child] = self.now_ns + delay_ns
                case CancelStart(child=child):
                    self.trace.append(("cancel", child))
                    del self.timers[child]
                case other:
                    self.give_up(other)

    def give_up(self, decision: Any) -> None:
        match decision:
            case GiveUp(child=child):
                self.trace.append(("give up", child))
            case OverBudget(child=child, owner=owner):
                self.trace.append(("over budget", child, owner))
            case ShutDown(child=child):
                self.trace.append(("shut down", child))
            case other:
                raise AssertionError(other)
        self.over = True


LIMITS = st.sampled_from([99, 99, 9, 4, 3, 2, 1, 0])
BUDGETS = st.builds(SubtreeBudget, intensity=LIMITS, period_ns=st.integers(1, 20))
FIELDS: dict[str, Any] = {
    "strategy": st.sampled_from(LISTED),
    "intensity": LIMITS,
    "period_ns": st.integers(1, 20),
    "auto_shutdown": st.sampled_from(AutoShutdown),
    "max_children": st.sampled_from([5, 5, 3, 1]),
    "subtree": st.none() | BUDGETS,
}
FLAGS = st.builds(SupervisorFlags, **FIELDS)
CHANGES = st.one_of([st.fixed_dictionaries({name: field}) for name, field in FIELDS.items()])
"""Of one field: few updates of all fields at once would be accepted."""
BACKOFFS = st.sampled_from(
    [
        None,
        None,
        Backoff(initial_ns=3, max_ns=20, factor=2, jitter=0, healthy_ns=6),
        Backoff(initial_ns=4, max_ns=9, factor=3, jitter=0.5, healthy_ns=4, immediate_first=False),
    ]
)


def any_spec(name: str, restart: Restart, significant: bool, backoff: Backoff | None) -> ChildSpec:
    """Return a spec that can be made: a permanent child is never significant."""
    significant = significant and restart is not Restart.PERMANENT
    return ChildSpec(id=name, start=nothing, restart=restart, significant=significant, backoff=backoff)


SPECS = st.builds(
    any_spec,
    st.sampled_from(FEW),
    st.sampled_from([*Restart, Restart.PERMANENT]),
    st.booleans(),
    BACKOFFS,
)
NAMES = st.sampled_from(FEW)
MANY = st.sampled_from(IDS)
OPERATION = st.one_of(
    st.tuples(st.just("add"), SPECS),
    st.tuples(st.just("add"), SPECS),
    *[st.tuples(st.just("end"), NAMES, st.sampled_from(CAUSES))] * 6,
    st.tuples(st.sampled_from(["stop", "restart", "delete"]), NAMES),
    st.tuples(st.just("update"), st.none() | CHANGES, st.none() | st.lists(SPECS, max_size=3)),
    st.tuples(st.just("time"), st.integers(0, 12)),
    st.tuples(st.just("elsewhere")),
)
ROOMY: dict[str, Any] = {"intensity": st.just(99), "max_children": st.just(5), "subtree": st.none()}
"""What a theme is not about never ends its program early."""
GROUPS = st.sampled_from([Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
NO_LIMIT = st.just(SubtreeBudget(intensity=99))
TIGHT = st.builds(SubtreeBudget, intensity=st.integers(1, 4), period_ns=st.integers(10, 60))
Program: TypeAlias = tuple[SupervisorFlags, SubtreeBudget, list[ChildSpec], list[Any]]


def permanent(backoff: Backoff | None) -> list[ChildSpec]:
    """Return the children with which a program begins."""
    return [ChildSpec(id=name, start=nothing, backoff=backoff) for name in "abc"]


WAITS = st.sampled_from([None, Backoff(initial_ns=9, max_ns=20, jitter=0, immediate_first=False)])


def listed(restart: st.SearchStrategy[Restart]) -> Any:
    """Return children with which a program begins, two of three of which may be significant."""
    return st.tuples(
        *[st.builds(any_spec, st.just(name), restart, st.just(name != "a"), WAITS) for name in "abc"]
    ).map(list)


BEGIN = BACKOFFS.map(permanent)


def crashes(names: str = "abc") -> st.SearchStrategy[Any]:
    """Return the crash of a child that is there from the beginning."""
    return st.tuples(st.just("end"), st.sampled_from(names), st.just(CRASHED))


def updates(**fields: Any) -> st.SearchStrategy[Any]:
    """Return an update of these fields of the flags."""
    return st.tuples(st.just("update"), st.fixed_dictionaries({}, optional=fields), st.none())


def respecs(restart: st.SearchStrategy[Restart], backoff: st.SearchStrategy[Backoff | None]) -> Any:
    """Return an update of one child."""
    specs = st.builds(any_spec, NAMES, restart, st.booleans(), backoff)
    return st.tuples(st.just("update"), st.none(), st.tuples(specs).map(list))


def times(most_ns: int) -> Any:
    """Return a step of time."""
    return st.tuples(st.just("time"), st.integers(0, most_ns))


def theme(
    fields: dict[str, Any],
    *steps: Any,
    outer: st.SearchStrategy[SubtreeBudget] = NO_LIMIT,
    begin: Any = BEGIN,
    most: int = 60,
) -> st.SearchStrategy[Program]:
    """Return programs that are about one thing, of few kinds of steps."""
    flags = st.builds(SupervisorFlags, **FIELDS | ROOMY | fields)
    return st.tuples(flags, outer, begin, st.lists(st.one_of(*steps), min_size=12, max_size=most))


STOPS = st.tuples(st.sampled_from(["stop", "restart", "restart", "delete"]), NAMES)
THEMES: dict[str, st.SearchStrategy[Program]] = {
    "anything": st.tuples(FLAGS, BUDGETS, BEGIN, st.lists(OPERATION, min_size=12, max_size=50)),
    "the window": theme(
        {"intensity": st.integers(2, 6), "auto_shutdown": st.just(AutoShutdown.NEVER)},
        crashes(),
        crashes("a"),
        times(9),
        updates(intensity=st.integers(0, 6)),
        updates(period_ns=st.integers(1, 40)),
    ),
    "the subtree's budgets": theme(
        {"subtree": st.none() | BUDGETS | TIGHT, "auto_shutdown": st.just(AutoShutdown.NEVER)},
        crashes(),
        crashes(),
        times(9),
        st.tuples(st.just("elsewhere")),
        updates(subtree=st.none() | TIGHT | TIGHT),
        outer=BUDGETS,
    ),
    "back-off": theme(
        {"auto_shutdown": st.just(AutoShutdown.NEVER)},
        crashes(),
        crashes("a"),
        times(7),
        respecs(st.just(Restart.PERMANENT), BACKOFFS),
    ),
    "groups that wait": theme(
        {"strategy": GROUPS, "auto_shutdown": st.just(AutoShutdown.NEVER)},
        crashes(),
        crashes("a"),
        times(3),
        STOPS,
        updates(strategy=GROUPS),
        respecs(st.sampled_from(Restart), BACKOFFS),
    ),
    "starts by hand": theme(
        {"auto_shutdown": st.just(AutoShutdown.NEVER)},
        STOPS,
        STOPS,
        times(3),
        crashes(),
        respecs(st.sampled_from([*Restart, Restart.TEMPORARY]), BACKOFFS),
    ),
    "significant children": theme(
        {
            "strategy": st.sampled_from([*LISTED, Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ONE]),
            "auto_shutdown": st.sampled_from([*AutoShutdown, AutoShutdown.ALL_SIGNIFICANT]),
        },
        st.tuples(st.just("add"), SPECS),
        respecs(st.sampled_from([Restart.TRANSIENT, Restart.TRANSIENT, Restart.TEMPORARY]), BACKOFFS),
        st.tuples(st.just("end"), NAMES, st.sampled_from([*CAUSES, Fenced("cut off")])),
        crashes(),
        times(3),
        STOPS,
        begin=listed(st.sampled_from([Restart.TRANSIENT, Restart.TRANSIENT, Restart.TEMPORARY])),
    ),
    "few places": theme(
        {"max_children": st.sampled_from([3, 3, 4, 2]), "auto_shutdown": st.just(AutoShutdown.NEVER)},
        st.tuples(
            st.just("add"), st.builds(any_spec, MANY, st.sampled_from(Restart), st.just(False), BACKOFFS)
        ),
        st.tuples(
            st.just("update"),
            st.none(),
            st.lists(
                st.builds(any_spec, MANY, st.sampled_from(Restart), st.just(False), BACKOFFS), max_size=5
            ),
        ),
        st.tuples(st.just("end"), MANY, st.sampled_from(CAUSES)),
        st.tuples(st.sampled_from(["stop", "restart", "delete"]), MANY),
        most=40,
    ),
}
OUTCOMES = st.lists(st.sampled_from(["ok"] * 8 + ["fail", "fail", "ignore"]), max_size=40)
DICE = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75]), min_size=1, max_size=7)


def changed(flags: SupervisorFlags, changes: dict[str, Any] | None) -> SupervisorFlags | None:
    """Return flags with some fields changed."""
    return None if changes is None else replace(flags, **changes)


def real_step(real: Prompt, operation: Any) -> str:
    """Have the rules decide, and return the name of the error, if any."""
    kind, *details = operation
    family = real.family
    try:
        match kind:
            case "update":
                family.update(changed(family.flags, details[0]), details[1])
            case "elsewhere":
                spend([real.outer], real.now_ns)
            case "end":
                name, cause = details
                if family.get(name).status is ChildStatus.RUNNING:
                    real.perform(family.ended(name, cause, real.now_ns, real.dice))
            case "due":
                del real.timers[details[0]]
                real.perform(family.due(details[0]))
            case _:
                real.perform(getattr(family, kind)(*details))
    except SupervisionError as error:
        return type(error).__name__
    return ""


def naive_step(naive: Naive, operation: Any) -> str:
    """Have the naive model do the same."""
    kind, *details = operation
    try:
        if kind == "update":
            naive.update(changed(naive.flags, details[0]), details[1])
        elif kind != "end" or naive.row(details[0]).up:
            getattr(naive, {"end": "ended"}.get(kind, kind))(*details)
    except LookupError as error:
        return str(error)
    return ""


def both(real: Prompt, naive: Naive, operation: Any) -> None:
    """Do the same to both, and compare what they say, what they do, and what is left."""
    assert real_step(real, operation) == naive_step(naive, operation)
    assert real.trace == naive.trace
    assert real.over == naive.over
    if real.over:
        return
    assert [(child.id, child.status is ChildStatus.RUNNING) for child in real.family] == [
        (row.spec.id, row.up) for row in naive.rows
    ]
    assert real.timers == {row.spec.id: row.due_ns for row in naive.rows if row.due_ns is not None}
    assert real.family.is_settled is (naive.waiting is None)


def pass_time(real: Prompt, naive: Naive, delay_ns: int) -> None:
    """Let time pass; what is due meanwhile happens in its order."""
    until_ns = real.now_ns + delay_ns
    while real.timers and not real.over:
        name = min(real.timers, key=lambda each: (real.timers[each], each))
        if real.timers[name] > until_ns:
            break
        real.now_ns = naive.now_ns = real.timers[name]
        both(real, naive, ("due", name))
    real.now_ns = naive.now_ns = until_ns


def run_both(program: Program, outcomes: list[str], dice: list[float]) -> Prompt:
    """Run a program through the rules and through the naive model, step by step; return what the rules came to."""
    flags, outer, children, operations = program
    real, naive = Prompt(flags, outer, deque(outcomes)), Naive(flags, outer, deque(outcomes))
    flags_allow = flags.auto_shutdown is not AutoShutdown.NEVER
    begin: list[Any] = [
        ("add", spec if flags_allow else replace(spec, significant=False)) for spec in children
    ]
    for number, operation in enumerate(begin + operations):
        real.dice = naive.dice = dice[number % len(dice)]
        if operation[0] == "time":
            pass_time(real, naive, operation[1])
        else:
            both(real, naive, operation)
        if real.over:
            break
    return real


@pytest.mark.parametrize("about", THEMES)
@settings(max_examples=120, deadline=None)
@given(st.data(), OUTCOMES, DICE)
def test_the_rules_decide_what_otp_decides(
    about: str, data: st.DataObject, outcomes: list[str], dice: list[float]
) -> None:
    """Any starts, ends, failures, admin calls, updates, back-offs, budgets and time steps: the same decisions."""
    run_both(data.draw(THEMES[about]), outcomes, dice)


def waiting(names: str) -> list[ChildSpec]:
    """Return permanent children, each of whose restarts waits for 7 ns."""
    backoff = Backoff(initial_ns=7, max_ns=7, jitter=0, immediate_first=False)
    return [ChildSpec(id=name, start=nothing, backoff=backoff) for name in names]


@pytest.mark.parametrize(
    ("outcomes", "steps"),
    [
        pytest.param(
            ["ok", "ok", "ok", "fail"],
            [("end", "b", CRASHED), ("update", None, waiting("cb")), ("time", 14)],
            id="it fails again, in another order",
        ),
        pytest.param(
            [],
            [("end", "b", CRASHED), ("update", None, waiting("cab")), ("end", "a", CRASHED), ("time", 7)],
            id="one that was before it crashes, in another order",
        ),
        pytest.param(
            [],
            [
                ("end", "a", CRASHED),
                *(step for name in "bc" for step in (("restart", name), ("end", name, CRASHED))),
                ("time", 7),
            ],
            id="those started by hand meanwhile crash",
        ),
        pytest.param(
            [],
            [
                ("end", "c", CRASHED),
                *(step for name in "de" for step in (("add", waiting(name)[0]), ("end", name, CRASHED))),
                ("time", 7),
            ],
            id="those added meanwhile crash",
        ),
    ],
)
def test_whoever_was_stopped_for_a_rest_that_waits_is_up_again_in_the_end(
    outcomes: list[str], steps: list[Any]
) -> None:
    """Random programs meet these seldom; the rules, or the naive model, once left children down for ever."""
    flags = SupervisorFlags(strategy=Strategy.REST_FOR_ONE, intensity=99)
    real = run_both((flags, SubtreeBudget(intensity=99), waiting("abc"), steps), outcomes, [0.5])
    assert [child.id for child in real.family if child.status is not ChildStatus.RUNNING] == []
    assert real.timers == {}


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
                case GiveUp() | OverBudget() | ShutDown():
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
    st.sampled_from(LISTED),
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
