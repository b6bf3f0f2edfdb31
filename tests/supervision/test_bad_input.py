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

WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"name": 5}, "name is 5; it must be a text that is not empty"),
    ({"name": ""}, "name is ''; it must be a text that is not empty"),
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
        with pytest.raises(BadSpec, match=r"^.*" + error.split(";", maxsplit=1)[0]) as refused:
            virtual.launch(Probe, **arguments)
        assert error in str(refused.value)
    parent = virtual.start(Probe)
    with pytest.raises(ActorCrashed) as crashed:
        act(parent, lambda actor: actor.spawn(Probe, **arguments))
    assert error in str(crashed.value.cause)
    assert virtual.paths() == []


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
