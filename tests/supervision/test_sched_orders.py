"""Schedulers: each finds a planted race, all orders of a small program are counted, what was chosen can be replayed."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from itertools import pairwise
from math import comb, factorial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.supervision import Actor, ActorRef, ActorSystem, Dispatcher
from greenroom.supervision.errors import Restless
from greenroom.supervision.exploring import (
    delay_schedules,
    explore,
    pct_schedules,
    random_schedules,
    replay,
    same_kind,
    shrink,
    shrink_draws,
)
from greenroom.supervision.schedules import (
    DelayScheduler,
    DfsScheduler,
    NotRepeatable,
    PctScheduler,
    RandomScheduler,
    Replay,
    Scheduler,
)
from greenroom.supervision.simulated import Ready, SimulatedRuntime, TraceLine


class Account(Actor):
    """Keeps a number."""

    def __init__(self) -> None:
        self.balance = 0

    def on_receive(self, message: Any) -> Any:
        if message is not None:
            self.balance = message
        return self.balance


class Clerk(Actor):
    """Reads the number, and writes one more: not in one step, which is the planted race."""

    def __init__(self, account: ActorRef[Account], busy: int = 0) -> None:
        self.account = account
        self.busy = busy

    def on_receive(self, message: Any) -> None:
        if message == "count":
            self.when(self.account.ask(None, block=False), self.write)
        elif message:
            self.actor_ref.tell(message - 1)

    def write(self, answer: Any) -> None:
        self.account.tell(answer.outcome() + 1)


def lost_update(clerks: int = 3, noise: int = 4) -> Callable[[SimulatedRuntime], None]:
    """Return a program whose clerks lose an update in some orders, among actors that only make noise."""

    def program(runtime: SimulatedRuntime) -> None:
        with ActorSystem(runtime) as system:
            account = system.start(Account)
            refs = [system.start(Clerk, account) for _ in range(clerks)]
            for _ in range(noise):
                system.start(Clerk, account).tell(3)
            for ref in refs:
                runtime.call_later(10, partial(ref.tell, "count"))
                runtime.call_later(10, partial(refs[0].tell, 1))
            runtime.advance(1_000)
            assert account.ask(None) == clerks, "an update is lost"

    return program


def seldom(runtime: SimulatedRuntime) -> None:
    """Fail in few orders: a message must be overtaken by all three that follow from another."""
    told: list[str] = []

    class Late(Actor):
        def on_receive(self, message: Any) -> None:
            told.append(message)

    class Chain(Actor):
        def on_receive(self, message: Any) -> None:
            if message:
                self.actor_ref.tell(message - 1)
            else:
                told.append("chain")

    with ActorSystem(runtime) as system:
        late, chain = system.start(Late), system.start(Chain)
        late.tell("late")
        chain.tell(2)
        runtime.run_until_idle()
        assert told != ["chain", "late"], "overtaken"


SEARCHES: dict[str, Callable[[], Iterable[Scheduler]]] = {
    "random": lambda: random_schedules(2_000),
    "pct": lambda: pct_schedules(2_000, steps=100),
    "delay": lambda: delay_schedules(2_000, steps=100),
    "dfs": lambda: DfsScheduler(limit=20_000),
}


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("program", ["lost update", "overtaken"])
def test_each_scheduler_finds_a_planted_race(search: str, program: str) -> None:
    """And the run replays from its choices, the same way, in the same number of steps."""
    played = {"lost update": _at_once, "overtaken": seldom}[program]
    found = explore(played, SEARCHES[search]())
    assert len(found.failures) == 1, found
    failure = found.failures[0]
    assert isinstance(failure.error, AssertionError)
    assert failure.run == found.runs
    again = replay(played, failure.choices)
    assert again is not None
    assert str(again.error) == str(failure.error)
    assert (again.steps, again.choices) == (failure.steps, failure.choices)


def _at_once(runtime: SimulatedRuntime) -> None:
    with ActorSystem(runtime) as system:
        account = system.start(Account)
        refs = [system.start(Clerk, account) for _ in range(2)]
        for ref in refs:
            ref.tell("count")
        runtime.run_until_idle()
        assert account.ask(None) == 2, "an update is lost"


def test_priorities_find_in_few_runs_what_random_orders_hardly_ever_meet() -> None:
    """One message that twenty steps of another must overtake: one order in a million, one of two priorities."""

    def program(runtime: SimulatedRuntime) -> None:
        told: list[str] = []
        late = Noting("late", told)
        runtime.executor(Dispatcher.POOL, "pool").submit(late)
        chain = Chained(20, told, runtime)
        runtime.executor(Dispatcher.POOL, "pool").submit(chain)
        runtime.run_until_idle()
        assert told != ["chain", "late"], "overtaken"

    assert explore(program, pct_schedules(20)).failures
    assert not explore(program, random_schedules(500)).failures


class Noting:
    """A task that notes its name."""

    def __init__(self, name: str, order: list[str]) -> None:
        self.name = name
        self.order = order

    def run(self) -> None:
        self.order.append(self.name)


class Chained:
    """A task that takes so many steps, and then notes that it is done."""

    def __init__(self, steps: int, order: list[str], runtime: SimulatedRuntime, name: str = "chain") -> None:
        self.left = steps
        self.order = order
        self.name = name
        self.executor = runtime.executor(Dispatcher.POOL, "pool")

    def run(self) -> None:
        self.left -= 1
        if self.left > 0:
            self.executor.submit(self)
        else:
            self.order.append(self.name)


@pytest.mark.parametrize(("tasks", "steps"), [(1, 5), (2, 1), (2, 3), (3, 2), (4, 1), (2, 5)])
def test_all_orders_of_independent_tasks_are_tried_once(tasks: int, steps: int) -> None:
    """So many as there are ways to merge them: (n k)! / (k!)^n, each another."""
    seen: list[tuple[int, ...]] = []
    orders = DfsScheduler()
    for scheduler in orders:
        runtime = SimulatedRuntime(scheduler=scheduler)
        order: list[int] = []

        class Part:
            def __init__(self, number: int, runtime: SimulatedRuntime, order: list[int]) -> None:
                self.number = number
                self.left = steps
                self.executor = runtime.executor(Dispatcher.POOL, "pool")
                self.order = order
                self.executor.submit(self)

            def run(self) -> None:
                self.order.append(self.number)
                self.left -= 1
                if self.left:
                    self.executor.submit(self)

        for number in range(tasks):
            Part(number, runtime, order)
        runtime.run_until_idle()
        seen.append(tuple(order))
    assert orders.exhausted
    assert orders.schedules == len(seen) == len(set(seen))
    assert len(seen) == factorial(tasks * steps) // factorial(steps) ** tasks


def test_a_limit_ends_the_enumeration_before_it_is_exhausted() -> None:
    """And it says so."""
    orders = DfsScheduler(limit=3)
    assert explore(seldom, orders, stop_at_first=False).runs == 3
    assert (orders.schedules, orders.exhausted) == (3, False)


def test_where_there_is_no_choice_nobody_is_asked() -> None:
    """One actor alone: one schedule, and no choices."""
    orders = DfsScheduler()

    def program(runtime: SimulatedRuntime) -> None:
        with ActorSystem(runtime) as system:
            ref = system.start(Account)
            for number in range(5):
                ref.tell(number)
            assert ref.ask(None) == 4
        assert runtime.choices == []

    assert not explore(program, orders).failures
    assert (orders.schedules, orders.exhausted) == (1, True)


def test_a_program_that_is_not_the_same_twice_is_found_out() -> None:
    """Enumerating its orders would mean nothing."""
    made: list[int] = []

    def program(runtime: SimulatedRuntime) -> None:
        made.append(1)
        for _ in range(len(made) + 1):
            runtime.executor(Dispatcher.POOL, "pool").submit(Noting("a", []))
        runtime.run_until_idle()

    (failure,) = explore(program, DfsScheduler()).failures
    assert isinstance(failure.error, NotRepeatable)
    assert (failure.error.choice, failure.error.before, failure.error.now) == (0, 2, 3)
    assert "not the same twice: choice 0 was among 2 steps, and is among 3 now" in str(failure.error)


def order_under(scheduler: Scheduler, tasks: int = 6) -> str:
    """Return in which order tasks, which are ready at once, run."""
    runtime = SimulatedRuntime(scheduler=scheduler)
    order: list[str] = []
    for name in "abcdefghijkl"[:tasks]:
        runtime.executor(Dispatcher.POOL, "pool").submit(Noting(name, order))
    runtime.run_until_idle()
    return "".join(order)


def test_a_replay_past_its_end_takes_what_has_been_ready_longest() -> None:
    """Also where the choice is not there any more."""
    assert order_under(Replay([])) == "abcdef"
    assert order_under(Replay([2])) == "cabdef"
    assert order_under(Replay([99, 1])) == "acbdef"
    assert order_under(Replay([-1, 1])) == "acbdef"


def test_the_number_of_delays_is_bounded() -> None:
    """No delay leaves the fixed order; one puts a task behind those that are ready with it."""
    assert order_under(DelayScheduler(1, bound=0)) == "abcdef"
    orders = {order_under(DelayScheduler(seed, bound=1, steps=5)) for seed in range(100)}
    assert orders == {"bcdefa", "acdefb", "abdefc", "abcefd", "abcdfe"}
    assert len({order_under(DelayScheduler(seed, bound=3, steps=5)) for seed in range(100)}) > 8


def test_the_delays_fall_among_the_expected_steps() -> None:
    """With many expected, a short run has none."""
    orders = [order_under(DelayScheduler(seed, bound=1, steps=100_000)) for seed in range(50)]
    assert orders == ["abcdef"] * 50


def test_without_changes_an_actor_keeps_its_priority() -> None:
    """Two that take many steps each do not interleave; with changes they do."""

    def switches(changes: int) -> set[int]:
        found: set[int] = set()
        for seed in range(60):
            runtime = SimulatedRuntime(scheduler=PctScheduler(seed, changes=changes, steps=10))
            order: list[str] = []

            class Part:
                def __init__(self, name: str, runtime: SimulatedRuntime, order: list[str]) -> None:
                    self.name, self.left, self.order = name, 6, order
                    self.executor = runtime.executor(Dispatcher.POOL, "pool")
                    self.executor.submit(self)

                def run(self) -> None:
                    self.order.append(self.name)
                    self.left -= 1
                    if self.left:
                        self.executor.submit(self)

            for name in "ab":
                Part(name, runtime, order)
            runtime.run_until_idle()
            found.add(sum(one != other for one, other in pairwise(order)))
        return found

    assert switches(0) == {1}
    assert switches(1) == {1, 2}
    assert max(switches(3)) >= 3


class Watching:
    """A scheduler that keeps what it was shown, and takes the last."""

    def __init__(self) -> None:
        self.shown: list[list[tuple[str, str, str]]] = []

    def choose(self, ready: Ready) -> int:
        self.shown.append([(step.kind, step.path, step.what) for step in ready])
        assert len(ready[1:]) == len(ready) - 1
        return len(ready) - 1


def test_a_step_says_what_it_is_of_and_what_comes_next() -> None:
    """Actors by path and message, lanes by their thread's actor, timers by whose they are."""
    runtime = SimulatedRuntime(scheduler=(scheduler := Watching()))
    with ActorSystem(runtime) as system:
        one, started = system.launch(Account, name="one")
        started.get()
        two, started = system.launch(Clerk, (one,), name="two", dispatcher=Dispatcher.PINNED)
        started.get()
        runtime.call_later(0, seldom_called)
        two._cell.executor.submit(Noting("lane", []))
        two.tell("count")
        one.ask(3, block=False)
        runtime.run_until_idle()
    assert scheduler.shown[0] == [
        ("lane", "two", "Noting"),
        ("actor", "one", "ask 3"),
        ("timer", "timer", "timer seldom_called"),
    ]


def seldom_called() -> None:
    """Do nothing."""


def test_a_timer_of_an_actor_is_described_by_its_path() -> None:
    """So that a trace says whose time is over."""
    lines: list[TraceLine] = []

    class Sleepy(Actor):
        def on_start(self) -> None:
            self.after(7, self.wake)

        def wake(self) -> None:
            self.end()

    runtime = SimulatedRuntime(trace=lines.append)
    with ActorSystem(runtime) as system:
        system.launch(Sleepy, name="sleepy")
        runtime.run_until_idle()
    shown = [(line.kind, line.path, line.what.replace(Sleepy.__qualname__, "S")) for line in lines]
    assert shown == [
        ("actor", "sleepy", "begin"),
        ("timer", "sleepy", "timer S.wake"),
        ("actor", "sleepy", "continue S.wake"),
        ("actor", "sleepy", "stop Normal"),
    ]
    assert str(lines[1]).split() == ["2", "0.000000", "sleepy", "<-", "timer", lines[1].what.split()[1]]


def test_a_scheduler_that_chooses_what_is_not_there_is_told() -> None:
    """By its name."""

    class Wrong:
        def choose(self, ready: Ready) -> int:
            return len(ready)

    with pytest.raises(IndexError, match="Wrong chose 6 of 6 steps"):
        order_under(Wrong())


def test_a_due_timer_competes_with_what_is_ready() -> None:
    """It is the scheduler's to say which goes first."""
    seen: set[str] = set()
    for seed in range(20):
        runtime = SimulatedRuntime(seed)
        order: list[str] = []
        runtime.call_later(0, lambda order=order: order.append("timer"))  # type: ignore[misc]
        runtime.executor(Dispatcher.POOL, "pool").submit(Noting("task", order))
        runtime.run_until_idle()
        seen.add(" ".join(order))
    assert seen == {"timer task", "task timer"}


def test_a_run_past_its_limit_is_restless() -> None:
    """Whoever runs it."""
    runtime = SimulatedRuntime(limit=50)
    system = ActorSystem(runtime)
    system.start(Clerk, None).tell(60)
    with pytest.raises(Restless):
        runtime.run_until_idle()
    assert runtime.steps == 50
    runtime.limit = 10_000
    system.close()


def test_the_hook_after_each_step_ends_the_run_where_it_raises() -> None:
    """Once: the rest, which tidies up, is not judged. The choices of a failure are those up to then."""
    counted: list[int] = []

    def program(runtime: SimulatedRuntime) -> None:
        def law() -> None:
            counted.append(runtime.steps)
            assert runtime.steps < 9, "a law"

        runtime.on_step = law
        with ActorSystem(runtime) as system:
            refs = [system.start(Clerk, None) for _ in range(4)]
            for ref in refs:
                ref.tell(5)
            runtime.run_until_idle()

    (failure,) = explore(program, random_schedules(10)).failures
    assert str(failure.error).startswith("a law")
    assert counted == list(range(1, 10))
    assert 0 < len(failure.choices) <= 9
    again = replay(program, failure.choices)
    assert again is not None
    assert again.choices == failure.choices


def test_all_failures_are_found_where_that_is_asked_for() -> None:
    """And steps are summed over all runs."""
    found = explore(_at_once, random_schedules(40), stop_at_first=False)
    assert found.runs == 40
    assert 1 < len(found.failures) < 40
    assert found.steps > 40 * 5
    first = explore(_at_once, random_schedules(40))
    assert first.failures[0].run == found.failures[0].run == first.runs


def test_first_says_from_which_seed_schedules_are_counted() -> None:
    """So that a sweep can be cut into parts."""
    for schedules in (random_schedules, pct_schedules, delay_schedules):
        whole = [repr(each) for each in schedules(10)]
        parts = [repr(each) for each in (*schedules(4), *schedules(6, first=4))]
        assert whole == parts


@pytest.mark.parametrize("seed", range(5))
def test_a_schedule_is_shrunk_to_one_that_fails_in_the_same_way(seed: int) -> None:
    """It is shorter, and plain: two choices or three differ from the fixed order."""

    def crowded(runtime: SimulatedRuntime) -> None:
        with ActorSystem(runtime) as system:
            account = system.start(Account)
            refs = [system.start(Clerk, account) for _ in range(2)]
            for _ in range(5):
                system.start(Clerk, account).tell(5)
            refs[0].tell("count")
            runtime.call_later(5, partial(refs[1].tell, "count"))
            for _ in range(5):
                runtime.call_later(5, lambda: runtime.spend(0))
                runtime.call_later(4, partial(refs[0].tell, 3))
            runtime.run_until_idle()
            refs[0].tell("count")
            refs[1].tell("count")
            runtime.run_until_idle()
            assert account.ask(None) == 4, "an update is lost"

    failure = explore(crowded, random_schedules(200, first=1_000 * seed)).failures[0]
    shrunk = shrink(crowded, failure.choices)
    assert len(shrunk) <= len(failure.choices)
    assert sum(map(bool, shrunk)) <= 3 < sum(map(bool, failure.choices))
    again = replay(crowded, shrunk)
    assert again is not None
    assert str(again.error) == str(failure.error)


def test_shrinking_keeps_to_the_kind_of_failure_and_to_its_runs() -> None:
    """What fails in another way is not taken; the number of runs is bounded; what does not fail is refused."""
    counted: list[int] = []

    def program(runtime: SimulatedRuntime) -> None:
        counted.append(1)
        order = _letters(runtime)
        if order.startswith("fe"):
            raise ValueError(order)
        if order.startswith("f"):
            raise KeyError(order)

    choices = [5, 4, 3, 2, 1]
    assert shrink(program, choices) == [5, 4]
    assert shrink(program, choices, lambda error: isinstance(error, LookupError | ValueError)) == [5]
    assert shrink(program, [5, 0, 1], same_kind(KeyError())) == [5]
    counted.clear()
    assert shrink(program, choices, runs=0) == choices
    assert len(counted) == 1
    shrink(program, choices, runs=3)
    assert len(counted) == 1 + 1 + 3
    with pytest.raises(ValueError, match="does not fail so"):
        shrink(program, [])
    with pytest.raises(ValueError, match="does not fail so"):
        shrink(program, choices, same_kind(KeyError()))


def _letters(runtime: SimulatedRuntime) -> str:
    order: list[str] = []
    for name in "abcdef":
        runtime.executor(Dispatcher.POOL, "pool").submit(Noting(name, order))
    runtime.run_until_idle()
    return "".join(order)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    wanted=st.dictionaries(st.integers(0, 4), st.integers(1, 1), max_size=3),
    choices=st.lists(st.integers(0, 5), min_size=5, max_size=12),
)
def test_shrinking_finds_what_alone_matters(wanted: dict[int, int], choices: list[int]) -> None:
    """A failure that needs certain choices to differ is shrunk to these, each of them 1."""

    def program(runtime: SimulatedRuntime) -> None:
        _letters(runtime)
        chosen = dict(enumerate(runtime.choices))
        if all(chosen[at] for at in wanted):
            raise ValueError

    scheduler = [
        max(least, choices[at] % (6 - at)) for at, least in ((at, wanted.get(at, 0)) for at in range(5))
    ]
    shrunk = shrink(program, [*scheduler, *choices[5:]])
    assert shrunk == [wanted.get(at, 0) for at in range(max(wanted, default=-1) + 1)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_every_run_is_repeated_by_its_choices(seed: int) -> None:
    """The trace is the same, line by line, whoever chose first."""
    for scheduler in (RandomScheduler(seed), PctScheduler(seed, steps=30), DelayScheduler(seed, steps=30)):
        traces: list[list[TraceLine]] = []
        choices: list[int] = []
        for each in (scheduler, None):
            trace: list[TraceLine] = []
            runtime = SimulatedRuntime(seed, scheduler=each or Replay(choices), trace=trace.append)
            with suppress(AssertionError):
                lost_update()(runtime)
            choices = runtime.choices
            traces.append(trace)
        assert traces[0] == traces[1]


def test_what_the_dice_rolled_can_be_rolled_again_and_shrunk() -> None:
    """Recorded draws take the place of the seed; past their end the dice roll zeros."""
    rolled: list[Any] = []

    def program(runtime: SimulatedRuntime) -> None:
        dice = runtime.random
        values = [dice.randrange(100) for _ in range(4)]
        rolled.append((values, dice.random(), dice.choice("abc")))
        if values[2] > 10:
            raise ValueError

    failure = explore(program, random_schedules(20), seed=7).failures[0]
    assert replay(program, (), seed=8, draws=failure.draws)
    assert rolled[-1] == rolled[-2]
    assert shrink_draws(program, failure.choices, failure.draws, seed=7) == [0, 0, 11]
    assert not replay(program, (), draws=[])
    assert rolled[-1] == ([0, 0, 0, 0], 0.0, "a")
    with pytest.raises(ValueError, match="does not fail so"):
        shrink_draws(program, (), [])


def test_the_orders_of_two_chains_are_counted_by_a_formula() -> None:
    """Also those of real actors: two that send themselves so many messages meet in C(2n, n) ways."""
    orders = DfsScheduler()

    def program(runtime: SimulatedRuntime) -> None:
        system = ActorSystem(runtime)
        refs = [system.launch(Clerk, (None,), name=name)[0] for name in "ab"]
        for ref in refs:
            ref.tell(2)
        runtime.run_until_idle()
        tidy = runtime.scheduler
        runtime.scheduler = Replay(())
        system.close()
        runtime.scheduler = tidy

    assert not explore(program, orders).failures
    # Each actor takes four steps: its start, and three messages.
    assert (orders.schedules, orders.exhausted) == (comb(8, 4), True)
