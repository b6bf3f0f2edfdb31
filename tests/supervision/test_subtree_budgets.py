"""Restart budgets that a subtree shares: the rule against a naive list, and supervisors that hold to it."""
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.supervision.supkit import MS, Tree, fail, flags, wait_until, worker
from tests.supervision.taskkit import task_worker

from greenroom.supervision import (
    START_LATER,
    ActorSystem,
    BadSpec,
    ChildSpec,
    ChildType,
    Restart,
    Shutdown,
    StartFailed,
    StopChild,
    SubtreeBudget,
    Supervisor,
    SupervisorFlags,
    UpdateSupervisor,
    WhichChildren,
)
from greenroom.supervision._sharing import SharedBudget, spend
from greenroom.supervision.events import ActorEnded, BudgetExceeded, ChildRestarting, IntensityExceeded

HOUR_NS = 3600 * 1000 * MS


class Naive:
    """A budget as a list that keeps everything."""

    def __init__(self, intensity: int, period_ns: int) -> None:
        self.intensity, self.period_ns = intensity, period_ns
        self.times: list[int] = []
        self.over = False

    def full(self, now_ns: int) -> bool:
        return self.over or len([at for at in self.times if now_ns - at <= self.period_ns]) >= self.intensity


SPEC = st.tuples(st.integers(0, 4), st.integers(1, 12))
SPENDING = st.tuples(st.integers(-2, 5), st.sets(st.integers(0, 2)).map(sorted))
"""How much later than the last one (two threads may read the clock in the wrong order), and in which budgets."""
CHANGE = st.tuples(st.integers(0, 2), SPEC)
"""All periods are shorter than the pause after a change."""


@settings(max_examples=400, deadline=None)
@given(st.tuples(SPEC, SPEC, SPEC), st.lists(SPENDING | SPENDING | CHANGE, max_size=30))
def test_the_budgets_allow_what_naive_lists_allow(specs: Any, steps: list[Any]) -> None:
    """Any restarts, under any of three budgets, and live changes of them: the same are made, the same one is exceeded."""
    ours = [
        SharedBudget(str(number), SubtreeBudget(intensity=a, period_ns=b))
        for number, (a, b) in enumerate(specs)
    ]
    naive = [Naive(*spec) for spec in specs]
    clock_ns, latest_ns = 0, [0, 0, 0]
    first: Any
    second: Any
    for first, second in steps:
        if isinstance(second, tuple):
            ours[first].change(SubtreeBudget(intensity=second[0], period_ns=second[1]))
            naive[first].intensity, naive[first].period_ns = second
            clock_ns += 15  # what a shorter period has forgotten is not to be missed by a longer one: OTP forgets it too
            continue
        read_ns = clock_ns + first
        clock_ns = max(clock_ns, read_ns)
        for each in second:
            latest_ns[each] = max(latest_ns[each], read_ns)
        wanted = [each for each in second if naive[each].full(latest_ns[each])]
        refusal = spend([ours[each] for each in second], read_ns)
        if wanted:
            assert refusal is not None
            assert refusal.budget is ours[wanted[-1]]
            assert refusal.first is not naive[wanted[-1]].over
            naive[wanted[-1]].over = True
        else:
            assert refusal is None
            for each in second:
                naive[each].times.append(latest_ns[each])


@pytest.mark.parametrize(("later_ns", "fits"), [(99, False), (100, False), (101, True)])
def test_a_shared_restart_exactly_a_period_old_still_counts(later_ns: int, fits: bool) -> None:
    """As in a supervisor's own intensity; and two threads whose clocks were read in the wrong order do no harm."""
    budget = SharedBudget("top", SubtreeBudget(intensity=1, period_ns=100))
    assert spend([budget], 1_000) is None
    assert budget.view(900).left == 0
    assert budget.has_left(900) is False
    assert (spend([budget], 1_000 + later_ns) is None) is fits


# -- supervisors ------------------------------------------------------------------------------------------------------


def group(name: str, *children: ChildSpec, subtree: SubtreeBudget | None = None, **fields: Any) -> ChildSpec:
    """Return the spec of a supervisor that may restart as often as it likes."""
    given = flags(intensity=1000, subtree=subtree)
    return ChildSpec(id=name, start=Supervisor, args=(given, children), type=ChildType.SUPERVISOR, **fields)


def leaf(tree: Tree, *names: str) -> Any:
    """Return the ref of an actor somewhere below."""
    ref = tree.child(names[0])
    for name in names[1:]:
        ref = next(info.ref for info in ref.ask(WhichChildren(), timeout=20) if info.spec.id == name)
    return ref


def crash(tree: Tree, *names: str) -> None:
    """Crash an actor, and wait until it is there again."""
    ref = leaf(tree, *names)
    before = ref.incarnation
    ref.tell(fail)
    wait_until(tree.system, lambda: ref.incarnation > before and ref.is_running(), lambda: ref)


TWO = SubtreeBudget(intensity=2, period_ns=HOUR_NS)


@pytest.mark.parametrize("make", [worker, task_worker])
def test_restarts_at_any_depth_count_in_the_budget_of_the_subtree(system: ActorSystem, make: Any) -> None:
    """The third is not made: the declaring supervisor stops its subtree in reverse, ends with shutdown, and says whose."""
    tree = Tree(
        system,
        flags(intensity=1000, subtree=TWO),
        [make("own"), group("inner", make("a"), group("deep", make("b"))), make("last")],
    )
    crash(tree, "inner", "deep", "b")
    crash(tree, "own")
    before = len(tree.history())
    leaf(tree, "inner", "a").tell(fail)
    tree.gone()
    assert tree.history()[before:] == ["-a", "-last", "-b", "-deep", "-inner", "-own", "-top"]
    exceeded = tree.seen.of(BudgetExceeded)
    assert [(event.path, event.child, event.intensity) for event in exceeded] == [("top", "top/inner/a", 2)]
    assert tree.seen.of(IntensityExceeded) == []
    assert tree.cause() == Shutdown("restart budget of the subtree exceeded by 'top/inner/a'")


def test_the_parent_decides_what_follows_an_exceeded_budget(system: ActorSystem) -> None:
    """A permanent subtree is restarted, with a new budget; outside it nothing was counted but that one restart."""
    tree = Tree(system, flags(intensity=1), [group("inner", worker("a"), subtree=TWO), worker("by")])
    for _ in range(2):
        crash(tree, "inner", "a")
    leaf(tree, "inner", "a").tell(fail)
    tree.until(inner=2, by=1)
    for _ in range(2):
        crash(tree, "inner", "a")
    assert tree.ref.is_running()


def test_nested_budgets_all_hold(system: ActorSystem) -> None:
    """The inner one is exceeded first where it is smaller; the outer one by what several inner ones use together."""
    three = SubtreeBudget(intensity=3, period_ns=HOUR_NS)
    inner = [group(name, worker("a"), subtree=TWO, restart=Restart.TEMPORARY) for name in ("one", "two")]
    tree = Tree(system, flags(intensity=1000, subtree=three), inner)
    for _ in range(2):
        crash(tree, "one", "a")
    leaf(tree, "one", "a").tell(fail)
    tree.until(two=1)
    crash(tree, "two", "a")
    leaf(tree, "two", "a").tell(fail)
    tree.gone()
    assert [event.path for event in tree.seen.of(BudgetExceeded)] == ["top/one", "top"]


def test_two_supervisors_at_the_same_instant_never_both_take_the_last_restart(system: ActorSystem) -> None:
    """Whatever the order, as many restarts are made as the budget allows, and it is exceeded once."""
    names = [f"g{number}" for number in range(6)]
    tree = Tree(
        system,
        flags(intensity=1000, subtree=SubtreeBudget(intensity=4, period_ns=HOUR_NS)),
        [group(name, worker("a")) for name in names],
    )
    refs = [leaf(tree, name, "a") for name in names]
    for ref in refs:
        ref.tell(fail)
    tree.gone()
    assert len(tree.seen.of(ChildRestarting)) == 4
    assert len(tree.seen.of(BudgetExceeded)) == 1


def test_a_budget_is_updated_while_it_is_used(system: ActorSystem) -> None:
    """What was counted still counts; one that is taken away holds no more; a wrong one is refused and changes nothing."""
    tree = Tree(system, flags(intensity=1000, subtree=TWO), [group("inner", worker("a"))])
    for _ in range(2):
        crash(tree, "inner", "a")
    with pytest.raises(BadSpec, match=r"SupervisorFlags\.subtree"):
        SupervisorFlags(subtree=3)  # type: ignore[arg-type]
    with pytest.raises(BadSpec, match=r"SubtreeBudget\.intensity"):
        SubtreeBudget(intensity=-1)
    with pytest.raises(BadSpec, match=r"SubtreeBudget\.period_ns"):
        SubtreeBudget(intensity=1, period_ns=0)
    tree.ask(
        UpdateSupervisor(flags=flags(intensity=1000, subtree=SubtreeBudget(intensity=3, period_ns=HOUR_NS)))
    )
    crash(tree, "inner", "a")
    tree.ask(UpdateSupervisor(flags=flags(intensity=1000)))
    for _ in range(3):
        crash(tree, "inner", "a")
    tree.ask(
        UpdateSupervisor(flags=flags(intensity=1000, subtree=SubtreeBudget(intensity=0, period_ns=HOUR_NS)))
    )
    leaf(tree, "inner", "a").tell(fail)
    tree.gone()


def test_a_snapshot_says_what_is_left_of_each_budget(system: ActorSystem) -> None:
    """For each child: its supervisor's intensity, then the budgets of the subtrees it is in, the nearest first."""
    small = SubtreeBudget(intensity=5, period_ns=HOUR_NS)
    tree = Tree(system, flags(intensity=7, subtree=TWO), [group("inner", worker("a"), subtree=small)])
    crash(tree, "inner", "a")
    actors = {actor.path: actor for actor in system.snapshot().actors}
    assert [(each.owner, each.subtree, each.left) for each in actors["top/inner/a"].budgets] == [
        ("top/inner", False, 999),
        ("top/inner", True, 4),
        ("top", True, 1),
    ]
    assert [(each.owner, each.left) for each in actors["top/inner"].budgets] == [("top", 7), ("top", 1)]


def test_a_budget_that_is_exceeded_during_the_boot_fails_it(system: ActorSystem) -> None:
    """The starter hears whose restart was one too many, and nothing is left."""
    crashing = worker("a", on_start=lambda actor: actor.after(0, fail))
    never = worker("z", on_start=lambda _: START_LATER)
    with pytest.raises(StartFailed) as failed:
        Tree(system, flags(intensity=9, subtree=TWO), [group("inner", crashing), never])
    assert isinstance(failed.value.__cause__, StartFailed)
    assert failed.value.__cause__.child == "top/inner/a"
    assert system.roots() == ()


def test_stops_and_first_starts_do_not_count(system: ActorSystem) -> None:
    """Only restarts do: what is stopped, deleted or started by an admin call costs nothing."""
    tree = Tree(system, flags(subtree=SubtreeBudget(intensity=0)), [worker("a")])
    for number in range(3):
        tree.add(worker(f"b{number}"))
        tree.ask(StopChild(child=f"b{number}"))
    assert tree.ref.is_running()
    assert [event.path for event in tree.seen.of(ActorEnded)] == ["top/b0", "top/b1", "top/b2"]
