"""Faults on purpose: each kind does what it says, where it says, as often as it says, and can be repeated exactly."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from collections.abc import Callable
from typing import Any

import pytest
from tests.supervision.supkit import MS, Tree, worker

from greenroom.supervision import Actor, ActorRef, ActorSystem, BadSpec, Dispatcher, Down
from greenroom.supervision.errors import ActorCrashed, ActorFenced, StartFailed
from greenroom.supervision.faults import Fault, FaultInjector, FaultKind, InjectedFault, Place
from greenroom.supervision.probes import Probe
from greenroom.supervision.schedules import Replay
from greenroom.supervision.simulated import SimulatedRuntime, TraceLine


class Add:
    """A message."""


class Diary(Actor):
    """Writes down what it does."""

    def __init__(self, diary: list[str]) -> None:
        self.diary = diary
        diary.append("new")

    def on_start(self) -> None:
        self.diary.append("start")

    def on_receive(self, message: Any) -> str:
        if isinstance(message, Add):
            self.diary.append("add")
        elif callable(message):
            message(self)
        return "done"

    def on_stop(self) -> None:
        self.diary.append("stop")

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self.diary.append("failure")

    def on_given_up(self) -> None:
        self.diary.append("given up")

    def later(self, _: Any) -> None:
        self.diary.append("later")


def fault(kind: FaultKind, what: str = "*", nth: int | None = 1, path: str = "*", **fields: Any) -> Fault:
    """Return a fault at a place."""
    return Fault(kind=kind, at=Place(path=path, what=what, nth=nth), **fields)


def world(*faults: Fault, seed: int = 0, **fields: Any) -> tuple[ActorSystem, SimulatedRuntime]:
    """Return a system with these faults."""
    runtime = SimulatedRuntime(seed, faults=FaultInjector(faults, seed=seed), **fields)
    return ActorSystem(runtime), runtime


def launched(system: ActorSystem, name: str = "diary") -> tuple[ActorRef[Diary], list[str]]:
    """Start one; return it and its diary."""
    diary: list[str] = []
    ref, started = system.launch(Diary, (diary,), name=name, shutdown_ns=5 * MS, start_ns=5 * MS)
    started.get()
    return ref, diary


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.RAISE_BEFORE, ["new", "start", "add", "failure"]),
        (FaultKind.RAISE_AFTER, ["new", "start", "add", "add", "failure"]),
    ],
)
def test_a_handler_raises_before_or_after_its_effects(kind: FaultKind, expected: list[str]) -> None:
    """At the second message of that name, and no other; it is a crash as any other."""
    system, runtime = world(fault(kind, "Add", nth=2))
    with system:
        ref, diary = launched(system)
        assert ref.ask(Add()) == "done"
        with pytest.raises(ActorCrashed) as caught:
            ref.ask(Add())
        assert isinstance(caught.value.cause, InjectedFault)
        assert diary == expected
        assert runtime.faults is not None
        (struck,) = runtime.faults.struck
        assert (struck.path, struck.what, struck.nth, struck.at_ns) == ("diary", "Add", 2, 0)


def test_a_handler_hangs() -> None:
    """It is fenced when its stop is over its budget."""
    system, runtime = world(fault(FaultKind.HANG, "Add"))
    with system:
        ref, diary = launched(system)
        asked = ref.ask(Add(), block=False)
        runtime.run_until_idle()
        assert not asked.done()
        system.stop()
        assert isinstance(asked.error(), ActorFenced)
    assert diary == ["new", "start"]


def test_a_handler_is_slow_while_others_go_on() -> None:
    """Virtual time passes before it does anything."""
    system, runtime = world(fault(FaultKind.SLOW, "Add", path="slow", delay_ns=70))
    with system:
        slow, diary = launched(system, "slow")
        other, others = launched(system, "other")
        asked = slow.ask(Add(), block=False)
        runtime.call_later(50, lambda: other.tell(Add()))
        runtime.call_later(60, lambda: others.append(f"at 60: {asked.done()}"))
        assert asked.get() == "done"
        assert runtime.now_ns() == 70
    assert others[:4] == ["new", "start", "add", "at 60: False"]
    assert diary[:3] == ["new", "start", "add"]


@pytest.mark.parametrize(
    ("kind", "expected", "handled"),
    [
        (FaultKind.KILL_BEFORE, ["new", "start", "given up", "new", "start", "add"], 1),
        (FaultKind.KILL_AFTER, ["new", "start", "add", "given up", "new", "start"], 1),
    ],
)
def test_an_actor_is_killed_between_two_steps(kind: FaultKind, expected: list[str], handled: int) -> None:
    """Its supervisor replaces it; a message that it had not begun is handled by the next incarnation, none twice."""
    system, runtime = world(fault(kind, "Add", path="top/*"))
    diary: list[str] = []
    with system:
        child = system.launch(_Keeper, (diary,), name="top")[0]
        runtime.run_until_idle()
        child.tell("add")
        runtime.run_until_idle()
        assert diary == expected
        assert diary.count("add") == handled


class _Keeper(Actor):
    """Starts a child again whenever it is over."""

    def __init__(self, diary: list[str]) -> None:
        self.diary = diary
        self.child: Any = None

    def on_start(self) -> None:
        self.child = self.spawn(Diary, self.diary, name="child")

    def on_receive(self, message: Any) -> None:
        self.child.tell(Add())

    def on_child(self, signal: Any) -> None:
        if type(signal).__name__ == "ChildEnded":
            self.respawn(signal.child)


HOOKS: list[tuple[FaultKind, list[str]]] = [
    (FaultKind.RAISE_BEFORE, ["new"]),
    (FaultKind.RAISE_AFTER, ["new", "start"]),
]


@pytest.mark.parametrize(("kind", "begun"), HOOKS)
def test_a_start_raises(kind: FaultKind, begun: list[str]) -> None:
    """Before or after ``on_start`` has done its work; whoever waits for the start is told."""
    system, _ = world(fault(kind, "on_start"))
    with system:
        diary: list[str] = []
        _, started = system.launch(Diary, (diary,), name="diary")
        with pytest.raises(StartFailed) as caught:
            started.get()
        assert isinstance(caught.value.cause, InjectedFault)
        assert diary == [*begun, "failure"]


def test_a_start_that_never_returns_is_fenced() -> None:
    """After its budget."""
    system, runtime = world(fault(FaultKind.HANG, "on_start"))
    with system:
        diary: list[str] = []
        _, started = system.launch(Diary, (diary,), name="diary", start_ns=5 * MS)
        with pytest.raises(StartFailed):
            started.get()
        assert (diary, runtime.now_ns()) == (["new"], 5 * MS)


@pytest.mark.parametrize(
    ("kind", "expected", "took_ns"),
    [
        (FaultKind.RAISE_BEFORE, ["new", "start"], 0),
        (FaultKind.RAISE_AFTER, ["new", "start", "stop"], 0),
        (FaultKind.HANG, ["new", "start"], 5 * MS),
    ],
)
def test_a_stop_raises_or_hangs(kind: FaultKind, expected: list[str], took_ns: int) -> None:
    """The end goes on, at the latest after its budget."""
    system, runtime = world(fault(kind, "on_stop"))
    with system:
        _, diary = launched(system)
        system.stop()
        assert (diary, runtime.now_ns()) == (expected, took_ns)


def test_a_supervisor_crashes_over_a_childs_end() -> None:
    """``on_child`` is a handler like any other."""
    system, _ = world(fault(FaultKind.RAISE_BEFORE, "on_child", nth=3, path="top"))
    with system:
        tree = Tree(system, children=[worker("a"), worker("b")])
        tree.end("a")
        tree.gone()


def test_what_goes_on_after_a_wait_is_a_handler_too() -> None:
    """By the name of the function."""
    system, runtime = world(fault(FaultKind.RAISE_BEFORE, "Diary.later", nth=2))
    with system:
        ref, diary = launched(system)
        for _ in range(2):
            ref.tell(lambda actor: actor.after(5, actor.later, None))
        runtime.run_until_idle()
        assert diary.count("later") == 1
        assert diary[-1] == "failure"


def test_a_message_is_late() -> None:
    """What is behind it at that actor too; order is kept, and others go on."""
    system, runtime = world(fault(FaultKind.DELAY, "Add", path="late", delay_ns=40))
    lines: list[TraceLine] = []
    runtime.trace = lines.append
    with system:
        late, diary = launched(system, "late")
        late.tell(Add())
        behind = late.ask("behind", block=False)
        other, _ = launched(system, "other")
        assert other.ask(Add()) == "done"
        assert runtime.now_ns() == 0
        assert not behind.done()
        behind.get()
        assert runtime.now_ns() == 40
        assert diary == ["new", "start", "add"]


def test_a_notice_has_the_name_of_its_type() -> None:
    """So that a fault can aim at monitors."""
    system, runtime = world(fault(FaultKind.RAISE_BEFORE, "Down", nth=None))
    with system:
        ref, diary = launched(system)
        other, _ = launched(system, "other")
        ref.tell(lambda actor: actor.monitor(other))
        runtime.run_until_idle()
        other.stop(block=False)
        runtime.run_until_idle()
        assert diary == ["new", "start", "failure"]
        assert Down.__name__ == "Down"


def told(seed: int, per_million: int, count: int = 200) -> list[int]:
    """Return which of many messages were struck by a fault of that chance."""
    struck: list[int] = []
    system, runtime = world(
        fault(FaultKind.SLOW, "Add", None, per_million=per_million, delay_ns=1), seed=seed
    )
    with system:
        ref, _ = launched(system)
        for _ in range(count):
            ref.ask(Add())
        assert runtime.faults is not None
        struck.extend(each.nth for each in runtime.faults.struck)
    return struck


def test_a_chance_strikes_about_as_often_as_it_says() -> None:
    """From never to always; which ones depends on the seed."""
    assert told(1, 0) == []
    assert told(1, 1_000_000) == list(range(1, 201))
    counts = [len(told(seed, 100_000)) for seed in range(10)]
    assert 100 < sum(counts) < 300
    assert told(3, 100_000) == told(3, 100_000) != told(4, 100_000)


def test_where_a_chance_strikes_does_not_depend_on_the_order() -> None:
    """Other schedules, and messages to others, leave it where it was: so a schedule can be shrunk under it."""

    def struck(schedule: int, others: int) -> set[tuple[str, int]]:
        system, runtime = world(fault(FaultKind.SLOW, "Add", None, per_million=300_000, delay_ns=1))
        runtime.scheduler = SimulatedRuntime(schedule).scheduler
        with system:
            refs = [launched(system, f"d{at}")[0] for at in range(3 + others)]
            for _ in range(20):
                for ref in refs:
                    ref.tell(Add())
            runtime.run_until_idle()
            assert runtime.faults is not None
            return {
                (each.path, each.nth) for each in runtime.faults.struck if each.path in ("d0", "d1", "d2")
            }

    assert struck(1, 0) == struck(2, 0) == struck(3, 4) != set()


def test_the_number_of_times_is_bounded() -> None:
    """In one run."""
    system, runtime = world(fault(FaultKind.SLOW, "Add", None, delay_ns=1, times=3))
    with system:
        ref, _ = launched(system)
        for _ in range(10):
            ref.ask(Add())
        assert runtime.now_ns() == 3


def test_faults_can_be_ended_so_that_all_must_come_to_rest() -> None:
    """First with faults, then without."""
    system, runtime = world(fault(FaultKind.SLOW, "Add", None, delay_ns=1))
    with system:
        ref, _ = launched(system)
        ref.ask(Add())
        assert runtime.faults is not None
        runtime.faults.active = False
        ref.ask(Add())
        assert runtime.now_ns() == 1
        assert runtime.faults.met["handler", "Diary", "Add"] == 2


def test_what_has_struck_can_be_given_to_another_run_exactly() -> None:
    """The same faults without a chance, at exact places, under the same choices: the same trace."""

    def play(faults: tuple[Fault, ...], scheduler: Any) -> tuple[list[str], SimulatedRuntime]:
        lines: list[str] = []
        runtime = SimulatedRuntime(
            5,
            faults=FaultInjector(faults, seed=5),
            scheduler=scheduler,
            trace=lambda line: lines.append(str(line)),
        )
        system = ActorSystem(runtime)
        with system:
            tree = Tree(system, children=[worker(name, shutdown_ns=5 * MS) for name in ("a[1]", "b", "c")])
            for _ in range(30):
                for child in tree.children().values():
                    if child.ref is not None:
                        child.ref.send("hello")
            runtime.advance(50 * MS)
            assert runtime.faults is not None
            runtime.faults.active = False
        return lines, runtime

    chances = tuple(
        fault(
            kind, "*", None, path="top/*", per_million=20_000, delay_ns=MS if kind is FaultKind.DELAY else 0
        )
        for kind in (FaultKind.KILL_BEFORE, FaultKind.RAISE_AFTER, FaultKind.DELAY, FaultKind.KILL_AFTER)
    )
    lines, runtime = play(chances, None)
    assert runtime.faults is not None
    kinds = {each.fault.kind for each in runtime.faults.struck}
    assert len(kinds) >= 3
    again, other = play(runtime.faults.exact(), Replay(runtime.choices))
    assert again == lines
    assert other.choices == runtime.choices


def test_a_lane_can_be_late() -> None:
    """A task on an actor's thread, by its type's name and that actor's path."""

    class Turn:
        def __init__(self) -> None:
            self.at_ns = -1

        def run(self) -> None:
            self.at_ns = runtime.now_ns()

    system, runtime = world(fault(FaultKind.DELAY, "Turn", path="thread", delay_ns=9))
    with system:
        ref, started = system.launch(Probe, name="thread", dispatcher=Dispatcher.PINNED)
        started.get()
        turn = Turn()
        ref._cell.executor.submit(turn)
        runtime.run_until_idle()
        assert turn.at_ns == 9


def test_without_faults_an_actor_is_what_it_is() -> None:
    """And with faults for others too: only whom they concern gets another class, under the same name."""
    system, _ = world(fault(FaultKind.HANG, path="other"))
    with system:
        ref, _ = launched(system)
        assert type(ref._cell.actor) is Diary
    system, _ = world(fault(FaultKind.HANG, "nothing"))
    with system:
        ref, _ = launched(system)
        struck = type(ref._cell.actor)
        assert struck is not Diary
        assert isinstance(ref._cell.actor, Diary)
        assert (struck.__name__, struck.__qualname__, struck.__module__) == (
            Diary.__name__, Diary.__qualname__, Diary.__module__,
        )  # fmt: skip


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: Place(path=""), "Place.path"),
    (lambda: Place(what=3), "Place.what"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda: Place(nth=0), "Place.nth"),
    (lambda: Fault(kind="hang"), "Fault.kind"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda: Fault(kind=FaultKind.HANG, at="*"), "Fault.at"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda: Fault(kind=FaultKind.HANG, per_million=1_000_001), "Fault.per_million"),
    (lambda: Fault(kind=FaultKind.HANG, delay_ns=1), "Fault.delay_ns"),
    (lambda: Fault(kind=FaultKind.SLOW), "Fault.delay_ns"),
    (lambda: Fault(kind=FaultKind.DELAY, delay_ns=-1), "Fault.delay_ns"),
    (lambda: Fault(kind=FaultKind.HANG, times=0), "Fault.times"),
]


@pytest.mark.parametrize(("make", "field"), WRONG)
def test_wrong_values_are_refused_by_name(make: Callable[[], Any], field: str) -> None:
    """Before anything starts."""
    with pytest.raises(BadSpec) as caught:
        make()
    assert caught.value.field == field


def test_coverage_is_noted_where_that_is_asked_for() -> None:
    """How often each class was met in each state by each message."""
    runtime = SimulatedRuntime(coverage=True)
    with ActorSystem(runtime) as system:
        ref, _ = launched(system)
        ref.ask(Add())
        ref.ask(Add())
    assert runtime.visited == {
        ("Diary", "new", "on_start"): 1,
        ("Diary", "running", "Add"): 2,
        ("Diary", "running", "stop"): 1,
    }
    assert SimulatedRuntime().visited is None
