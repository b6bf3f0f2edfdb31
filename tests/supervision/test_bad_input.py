"""What is not in a spec is checked as well: names, budgets, ids, times, numbers of threads."""

import math
from typing import Any

import pytest
from tests.supervision.supkit import MS, PATIENCE_S, Tree, act, flags, worker

from greenroom.supervision import (
    Actor,
    ActorCrashed,
    ActorSystem,
    BadSpec,
    ChildSpec,
    DeleteChild,
    GetChildSpec,
    RestartChild,
    ShutdownBudget,
    StartChild,
    StopChild,
    Supervisor,
    SupervisorFlags,
    UpdateSupervisor,
)
from greenroom.supervision._threads import ThreadRuntime
from greenroom.supervision.probes import Probe
from greenroom.supervision.schedules import RandomScheduler
from greenroom.supervision.simulated import SimulatedRuntime

WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"name": 5}, "name is 5; it must be a printable text of 1 to 200 characters"),
    ({"name": ""}, "name is ''; it must be a printable text"),
    ({"name": " "}, "name is ' '; it must be a printable text"),
    ({"name": "a\nb"}, "name is 'a\\nb'; it must be a printable text"),
    ({"name": "x" * 201}, "it must be a printable text of 1 to 200 characters"),
    ({"shutdown_ns": -1}, "shutdown_ns is -1; it must be an integer from 0 to"),
    ({"shutdown_ns": math.nan}, "shutdown_ns is nan; it must be"),
    ({"shutdown_ns": True}, "shutdown_ns is True; it must be"),
    ({"shutdown_ns": ShutdownBudget.BRUTAL}, "or None to wait for ever"),
    ({"start_ns": 0}, "start_ns is 0; it must be an integer from 1 to"),
    ({"start_ns": 1e9}, "start_ns is 1000000000.0; it must be"),
    ({"mailbox": None}, "mailbox is None; it must be a MailboxSpec"),
    ({"dispatcher": "pool"}, "dispatcher is 'pool'; it must be one of Dispatcher.POOL"),
    ({"register": ""}, "register is ''; it must be a printable text"),
    ({"liveness": 5}, "liveness is 5; it must be a Liveness"),
    ({"record_messages": 1}, "record_messages is 1; it must be True or False"),
)


@pytest.mark.parametrize(("given", "error"), WRONG)
def test_an_actor_without_a_spec_is_checked_too(
    virtual: ActorSystem, given: dict[str, Any], error: str
) -> None:
    """`launch` and `spawn` refuse by name and value, and nothing has started."""
    arguments: dict[str, Any] = {"name": "x", **given}
    if given.keys() != {"record_messages"}:
        with pytest.raises(BadSpec) as refused:
            virtual.launch(Probe, **arguments)
        assert error in str(refused.value)
    parent = virtual.start(Probe)
    with pytest.raises(ActorCrashed) as crashed:
        act(parent, lambda actor: actor.spawn(Probe, **arguments))
    assert error in str(crashed.value.cause)
    assert virtual.paths() == []


def test_a_class_may_be_called_as_it_likes(virtual: ActorSystem) -> None:
    """Its actor's name is the beginning of that, with a number; a name that is given may be as long as an id, with slashes."""
    long: Any = type("X" * 500, (Probe,), {})
    one, two = virtual.start(long).name, virtual.start(long).name
    assert one != two
    assert one.startswith("X" * 100)
    for name in ("x" * 200, "a/b"):
        ref, started = virtual.launch(Probe, name=name)
        started.get(timeout=PATIENCE_S)
        assert ref.name == name


@pytest.mark.parametrize("start", [int, 5, lambda: None, "Probe"])
def test_what_cannot_be_run_is_refused_before_it_starts(virtual: ActorSystem, start: Any) -> None:
    """Neither an actor class nor a coroutine function."""
    with pytest.raises(BadSpec, match=r"a subclass of greenroom.supervision.Actor, or a coroutine function"):
        virtual.launch(start, name="x")


class Named(Actor):
    """Calls its arguments as the machine calls its own."""

    def __init__(self, **given: Any) -> None:
        self.given = given

    def on_receive(self, message: Any) -> Any:
        """Say what it was given."""
        return sorted(self.given)


def test_a_childs_own_arguments_may_have_any_name(either: ActorSystem) -> None:
    """Those that `spawn` has for itself too: the supervisor lives, and the child gets them."""
    kwargs: dict[str, Any] = dict.fromkeys(
        ("name", "mailbox", "dispatcher", "register", "args", "parent", "actor_class"), 1
    )
    tree = Tree(either, flags(), [ChildSpec(id="a", start=Named, kwargs=kwargs)])
    assert act(tree.child("a"), lambda _: None) == sorted(kwargs)
    tree.end("a", "killed")
    tree.until(a=2)
    assert act(tree.child("a"), lambda _: None) == sorted(kwargs)


NO_ID: tuple[Any, ...] = ([], {}, None, 5, b"a", object())


@pytest.mark.parametrize("message", [StopChild, RestartChild, DeleteChild, GetChildSpec])
def test_what_is_no_id_is_refused_and_harms_no_supervisor(virtual: ActorSystem, message: Any) -> None:
    """The asker is told, by value; the supervisor and its children do not notice."""
    tree = Tree(virtual, flags(), [worker("a")])
    for wrong in NO_ID:
        with pytest.raises(BadSpec, match="it must be the id of a child"):
            tree.ask(message(child=wrong))
    assert tree.states() == {"a": 1}
    assert tree.ref.incarnation == 1


def _failing() -> Any:
    yield worker("b")
    raise OSError("the file is gone")


@pytest.mark.parametrize("children", [5, worker("b"), _failing, "ab", {1: 2}, [None]])
def test_what_gives_no_specs_is_refused_and_harms_no_supervisor(virtual: ActorSystem, children: Any) -> None:
    """In an update too; nothing has changed."""
    tree = Tree(virtual, flags(), [worker("a")])
    with pytest.raises(BadSpec, match=r"^children "):
        tree.ask(UpdateSupervisor(children=children() if children is _failing else children))
    assert tree.states() == {"a": 1}
    tree.add(worker("c"))
    assert tree.states() == {"a": 1, "c": 1}


@pytest.mark.parametrize("wrong", [5, "flags", {"intensity": 3}])
def test_flags_that_are_none_are_refused(virtual: ActorSystem, wrong: Any) -> None:
    """At the start and in an update."""
    tree = Tree(virtual, flags(), [worker("a")])
    with pytest.raises(BadSpec, match=r"flags is .*; it must be a SupervisorFlags"):
        tree.ask(UpdateSupervisor(flags=wrong))
    with pytest.raises(BadSpec, match=r"StartChild.spec is"):
        tree.ask(StartChild(spec=wrong))
    _, started = virtual.launch(Supervisor, (wrong,), name="bad")
    with pytest.raises(Exception, match="failed to start with BadSpec"):
        started.get(timeout=PATIENCE_S)


@pytest.mark.parametrize("delay", [math.nan, math.inf, 0.5, None, "1"])
def test_a_delay_is_an_integer(either: ActorSystem, delay: Any) -> None:
    """Or its actor crashes over it; nobody else's timers come late because of it."""
    ref = either.start(Probe)
    with pytest.raises(ActorCrashed) as crashed:
        act(ref, lambda actor: actor.after(delay, list))
    assert "delay_ns is" in str(crashed.value.cause)
    other = either.start(Probe)
    answer = act(other, lambda actor: actor.after(10**400, list) and None)
    assert answer is None


def test_a_time_without_end_is_no_timeout(either: ActorSystem) -> None:
    """As None."""
    assert either.start(Probe).ask("x", timeout=math.inf) == "x"


@pytest.mark.parametrize("kind", ["pool_threads", "blocking_threads"])
@pytest.mark.parametrize("count", [0, -1, True, 1.5, "2", 1001])
def test_a_runtime_has_threads(kind: str, count: Any) -> None:
    """With none of a kind its actors would wait for ever."""
    with pytest.raises(BadSpec, match=f"{kind} is .*; it must be an integer from 1 to 1000"):
        ThreadRuntime(**{kind: count})


@pytest.mark.parametrize("seed", ["7", 1.5, math.nan, True, b"7", [], {}, object(), 2**64 + 1, -(2**64) - 1])
def test_a_seed_is_an_integer(seed: Any) -> None:
    """Others would not give the same run again, or be refused somewhere below."""
    for make in (ThreadRuntime, SimulatedRuntime):
        with pytest.raises(BadSpec, match=r"seed is .*; it must be an integer from"):
            make(seed=seed)


@pytest.mark.parametrize("seed", [0, -1, 2**64, -(2**64)])
def test_each_integer_is_a_seed_of_its_own(seed: int) -> None:
    """It decides what the dice roll."""

    def rolled(of: int) -> tuple[list[float], list[float]]:
        real, simulated = ThreadRuntime(seed=of), SimulatedRuntime(of)
        real.close()
        return [real.random.random() for _ in range(4)], [simulated.random.random() for _ in range(4)]

    one, again, other = rolled(seed), rolled(seed), rolled(7)
    assert one == again
    assert one[0] != other[0]
    assert one[1] != other[1]


NO_SIMULATION: tuple[tuple[dict[str, Any], str], ...] = (
    ({"seed": None}, "seed is None; it must be an integer from"),
    *(
        ({"limit": limit}, f"limit is {limit!r}; it must be an integer from 1 to")
        for limit in (0, -1, None, 1.5, math.inf, True, 10**16)
    ),
    ({"scheduler": 5}, "scheduler is 5; it must be an instance of what chooses"),
    ({"scheduler": RandomScheduler}, "it must be an instance of what chooses"),
    ({"trace": "yes"}, "trace is 'yes'; it must be something that can be called"),
    *(
        ({"draws": draws}, "it must be a sequence of integers from 0 on")
        for draws in (5, "12", [1.5], [-1], [True], {1: 2}, {1, 2})
    ),
    ({"faults": []}, "faults is []; it must be a FaultInjector"),
    ({"coverage": 1}, "coverage is 1; it must be True or False"),
)


@pytest.mark.parametrize(("given", "error"), NO_SIMULATION, ids=repr)
def test_a_simulation_is_checked_before_it_begins(given: dict[str, Any], error: str) -> None:
    """A wrong limit would never be met, a wrong scheduler not asked before there is a choice."""
    with pytest.raises(BadSpec) as refused:
        SimulatedRuntime(**given)
    assert error in str(refused.value)


def test_the_flags_given_to_a_supervisor_are_its_own(virtual: ActorSystem) -> None:
    """A list of children that is changed after it was given changes nothing."""
    children = [worker("a")]
    tree = Tree(virtual, SupervisorFlags(period_ns=MS), children)
    kwargs = {"on_start": None}
    spec = ChildSpec(id="b", start=Probe, kwargs=kwargs)
    tree.add(spec)
    children.append(worker("z"))
    kwargs["unknown"] = None
    tree.end("b", "killed")
    tree.until(a=1, b=2)
