"""What the services of actors, refs and systems are given is checked, and refused by name and value before anything happens."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.supervision.supkit import PATIENCE_S, Tree, act, fail, flags, wait_until, worker

from greenroom.supervision import (
    ActorCrashed,
    ActorRef,
    ActorSystem,
    BadSpec,
    ChildSpec,
    Crashed,
    Dispatcher,
    FailedToStart,
    Future,
    Normal,
    RestartChild,
    Shutdown,
    StopChild,
    UpdateSupervisor,
)
from greenroom.supervision.probes import Probe
from greenroom.supervision.simulated import SimulatedRuntime
from greenroom.supervision.tasks import current
from greenroom.supervision.treeserver import serve_tree

TIMES = [math.nan, -math.inf, "1", True, 10**400, [], b"1"]
TIMES_NS = [math.nan, math.inf, 1.5, "1", True, -1, 10**400]
NO_REFS = [None, 5, "actor", Probe]
NO_CAUSES = [Normal, "normal", 5, ValueError("why"), Crashed("why"), FailedToStart(ValueError("why"))]  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def refused(in_handler: Callable[[Probe], Any], system: ActorSystem) -> BadSpec:
    """Have an actor do something wrong; it crashes over that alone."""
    with pytest.raises(ActorCrashed) as crashed:
        act(system.start(Probe), in_handler)
    cause = crashed.value.cause
    assert isinstance(cause, BadSpec)
    return cause


@pytest.mark.parametrize("timeout", TIMES, ids=repr)
@pytest.mark.parametrize("dispatcher", [Dispatcher.POOL, Dispatcher.CALLER, Dispatcher.PINNED])
def test_what_is_no_time_is_refused_before_anything_is_sent(
    either: ActorSystem, timeout: Any, dispatcher: Dispatcher
) -> None:
    """Else a message would be handled whose answer nobody could wait for, or an actor stop that nobody waits for."""
    heard: list[str] = []
    ref, _ = either.launch(Probe, name="x", dispatcher=dispatcher)
    with pytest.raises(BadSpec, match=r"timeout is .*; it must be a number"):
        ref.ask(lambda _: heard.append("asked"), timeout=timeout)
    with pytest.raises(BadSpec, match=r"timeout is .*; it must be a number"):
        ref.stop(timeout=timeout)
    with pytest.raises(BadSpec, match=r"timeout is .*; it must be a number"):
        Future[None]().get(timeout=timeout)
    assert ref.ask("still there", timeout=PATIENCE_S) == "still there"
    assert heard == []


@pytest.mark.parametrize("timeout_ns", TIMES_NS, ids=repr)
def test_a_system_is_not_closed_within_what_is_no_time(either: ActorSystem, timeout_ns: Any) -> None:
    """It is as open as before."""
    ref = either.start(Probe)
    for close in (either.close, either.stop):
        with pytest.raises(BadSpec, match=r"timeout_ns is .*; it must be an integer from 0 to"):
            close(timeout_ns)
    assert ref.is_running()
    assert either.start(Probe).is_running()


@pytest.mark.parametrize("call", ["observe", "attach"])
def test_what_cannot_be_called_is_refused_by_a_system(virtual: ActorSystem, call: str) -> None:
    """Not when it would be called: then nobody is there who could hear of that."""
    with pytest.raises(BadSpec, match="is 5; it must be something that can be called"):
        getattr(virtual, call)(5)
    with pytest.raises(BadSpec, match="callback is 5; it must be something that can be called"):
        virtual.start(Probe).watch(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("ref", NO_REFS, ids=repr)
@pytest.mark.parametrize("call", ["monitor", "link", "unlink", "respawn", "forget", "stop_later"])
def test_what_is_no_ref_is_refused(virtual: ActorSystem, ref: Any, call: str) -> None:
    """Each service of an actor that is given one names it."""
    error = refused(lambda actor: getattr(actor, call)(ref), virtual)
    assert (error.field, error.value) == ("ref" if "link" in call or call == "monitor" else "child", ref)
    with pytest.raises(BadSpec, match=r"ref is .*; it must be the ref of an actor"):
        virtual.request_stop(ref)


@pytest.mark.parametrize("call", ["respawn", "forget", "stop_later", "fence_child"])
def test_only_ones_own_children_are_started_stopped_and_forgotten(virtual: ActorSystem, call: str) -> None:
    """Else a child that its supervisor knows could be gone, and the supervisor would wait for it."""
    tree = Tree(virtual, flags(), [worker("a")])
    ref = tree.child("a")
    tree.ask(StopChild(child="a"))
    args = ("why",) if call == "fence_child" else ()
    error = refused(lambda actor: getattr(actor, call)(ref, *args), virtual)
    assert (error.field, error.value) == ("child", ref)
    assert ref.is_alive()
    tree.ask(RestartChild(child="a"))
    assert tree.states() == {"a": 2}


@pytest.mark.parametrize("incarnation", [0, -1, True, 1.0, math.nan, "1"], ids=repr)
def test_an_incarnation_is_an_integer_from_1(virtual: ActorSystem, incarnation: Any) -> None:
    """A monitor of any other would never be told."""
    ref = virtual.start(Probe)
    error = refused(lambda actor: actor.monitor(ref, incarnation=incarnation), virtual)
    assert error.field == "incarnation"


def test_what_is_to_be_called_later_can_be(virtual: ActorSystem) -> None:
    """By a timer, or with an answer; and an answer is a future."""
    number: Any = 5
    assert refused(lambda actor: actor.after(1, number), virtual).field == "function"
    assert refused(lambda actor: actor.when(Future[None](), number), virtual).field == "function"
    assert refused(lambda actor: actor.when(number, list), virtual).field == "future"


@pytest.mark.parametrize("cause", NO_CAUSES, ids=repr)
def test_what_is_no_cause_is_refused_and_nobody_waits_for_that_end(either: ActorSystem, cause: Any) -> None:
    """The machine does not know what follows from it. That it failed to start cannot be said by who has started."""
    tree = Tree(either, flags(), [worker("a")])
    ref = tree.child("a")
    with pytest.raises(ActorCrashed) as crashed:
        act(ref, lambda actor: actor.end(cause))
    assert isinstance(crashed.value.cause, BadSpec)
    assert crashed.value.cause.field == "cause"
    tree.until(a=2)
    error = refused(lambda actor: actor.stop_later(actor.spawn(Probe, name="below"), cause), either)
    assert (error.field, error.value) == ("cause", cause)


@pytest.mark.parametrize("cause", ["", 0, [], False], ids=repr)
def test_what_is_no_cause_but_counts_as_nothing_is_refused_too(virtual: ActorSystem, cause: Any) -> None:
    """By default a child is told to shut down; that is said by None, and not by what happens to be empty."""
    error = refused(lambda actor: actor.stop_later(actor.spawn(Probe, name="below"), cause), virtual)
    assert (error.field, error.value) == ("cause", cause)


@pytest.mark.parametrize("reason", [None, 5, [], b"why"], ids=repr)
def test_a_child_is_given_up_for_a_reason_that_is_a_text(either: ActorSystem, reason: Any) -> None:
    """It is logged and told as one; else the machine would fail in the middle of that."""
    parent = either.start(Probe)
    below: ActorRef[Any] = act(parent, lambda actor: actor.spawn(Probe, name="below"))
    assert act(below, lambda actor: actor.path) == f"{parent.path}/below"
    with pytest.raises(ActorCrashed) as crashed:
        act(parent, lambda actor: actor.fence_child(below, reason))
    assert isinstance(crashed.value.cause, BadSpec)
    assert (crashed.value.cause.field, crashed.value.cause.value) == ("reason", reason)
    wait_until(either, lambda: not below.is_alive())
    assert below._cell.life.cause == Shutdown()


@pytest.mark.parametrize("monitor", [None, "1", [], {}, -1, 1.5, True], ids=repr)
def test_what_is_no_monitor_is_not_taken_back(virtual: ActorSystem, monitor: Any) -> None:
    """A number that has fired is harmless, but what never was one is a mistake."""
    error = refused(lambda actor: actor.demonitor(monitor), virtual)
    assert error.field == "monitor"
    assert act(virtual.start(Probe), lambda actor: actor.demonitor(12345)) is None


@pytest.mark.parametrize("name", [None, 5, [], {}, object(), b"a"], ids=repr)
def test_a_name_that_is_looked_for_is_a_text(virtual: ActorSystem, name: Any) -> None:
    """Nobody else could have it. A text that nobody has, and that cannot be registered, is not found."""
    ref = virtual.start(Probe)
    for call in (virtual.whereis, virtual.unregister, lambda wrong: virtual.register(wrong, ref)):
        with pytest.raises(BadSpec, match=r"name is .*; it must be a .*text") as error:
            call(name)
        assert error.value.field == "name"
    assert virtual.whereis("") is None
    assert not virtual.unregister("x" * 1000)


@pytest.mark.parametrize("error", [None, "why", 5, ValueError, []], ids=repr)
def test_an_answer_fails_with_an_exception(either: ActorSystem, error: Any) -> None:
    """Whoever waits could not be told anything else. The answer is as open as before."""
    answer = Future[int]()
    with pytest.raises(BadSpec, match=r"error is .*; it must be an exception"):
        answer.try_fail(error)
    assert answer.try_set(5)

    async def fails() -> None:
        letter = await current().receive()
        letter.fail(error)

    with pytest.raises(ActorCrashed) as crashed:
        either.start(fails).ask("hello", timeout=PATIENCE_S)
    assert isinstance(crashed.value.cause, BadSpec)


@pytest.mark.parametrize(
    "info",
    [None, 5, "ab", [], (), (ValueError,), (None, None, None), (ValueError, None), [1, 2, 3]],
    ids=repr,
)
def test_an_answer_fails_with_what_is_being_handled(info: Any) -> None:
    """Or with what is given in the form of that."""
    answer = Future[int]()
    with pytest.raises(BadSpec, match=r"exc_info is .*; it must be what sys.exc_info\(\) returns"):
        answer.set_exception(info)
    assert not answer.done()
    try:
        fail()
    except RuntimeError:
        answer.set_exception()
    with pytest.raises(RuntimeError, match="on purpose"):
        answer.get()


@pytest.mark.parametrize("callback", [None, 5, "call"], ids=repr)
def test_what_is_called_with_an_answer_can_be_called(callback: Any) -> None:
    """Refused where it is given; it would be noticed by a line in the log only."""
    answer = Future[int]()
    for call in (answer.add_done_callback, answer.set_get_hook):
        with pytest.raises(BadSpec, match=r"is .*; it must be something that can be called"):
            call(callback)
    assert answer.try_set(5)
    assert answer.get() == 5


@pytest.mark.parametrize("cause", [None, Normal(), Shutdown("why"), Crashed(ValueError("why"))], ids=repr)
def test_an_actor_ends_by_the_cause_that_it_says(either: ActorSystem, cause: Any) -> None:
    """Normally by default."""
    ref = either.start(Probe)
    told: Future[Any] = Future(either.runtime)
    ref.watch(lambda _, why: told.set(why))
    act(ref, lambda actor: actor.end(cause))
    assert told.get(timeout=PATIENCE_S) == (cause or Normal())


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"args": "hunter2"}, "args", str),
        ({"args": ["hunter2"]}, "args", list),
        ({"kwargs": "hunter2"}, "kwargs", str),
        ({"kwargs": [("a", "hunter2")]}, "kwargs", list),
        ({"kwargs": {5: "hunter2"}}, "kwargs", [5]),
    ],
)
def test_arguments_of_a_launch_are_a_tuple_and_a_dictionary(
    virtual: ActorSystem, given: dict[str, Any], field: str, value: Any
) -> None:
    """What is refused is not printed: it may be a secret."""
    with pytest.raises(BadSpec) as error:
        virtual.launch(Probe, name="x", **given)
    assert (error.value.field, error.value.value) == (field, value)
    assert "hunter2" not in str(error.value)
    assert virtual.paths() == []


def endless() -> Iterator[ChildSpec]:
    """Give specs for ever."""
    return (worker(f"child-{number}") for number in itertools.count())


def test_specs_without_end_are_refused(virtual: ActorSystem) -> None:
    """A supervisor does not collect them until there is no memory left; nobody starts."""
    tree = Tree(virtual, flags(max_children=3), [worker("a")])
    with pytest.raises(BadSpec, match=r"children is 4; it must be at most 3"):
        tree.ask(UpdateSupervisor(children=endless()))
    assert tree.states() == {"a": 1}


@pytest.mark.parametrize("runtime", ["threads", 5, SimulatedRuntime], ids=repr)
def test_a_system_runs_on_a_runtime(runtime: Any) -> None:
    """An instance of one."""
    with pytest.raises(BadSpec, match=r"ActorSystem.runtime is .*; it must be a ThreadRuntime or"):
        ActorSystem(runtime)


@pytest.mark.parametrize("delay_ns", [-1, 0.5, math.nan, True, "1"], ids=repr)
def test_virtual_time_goes_on_by_whole_nanoseconds(delay_ns: Any) -> None:
    """And never back: nobody's timers and windows would hold any more."""
    runtime = SimulatedRuntime()
    before_ns = runtime.now_ns()
    with pytest.raises(BadSpec, match=r"delay_ns is .*; it must be an integer from 0"):
        runtime.advance(delay_ns)
    assert runtime.now_ns() == before_ns


@pytest.mark.parametrize("name", ["", 5, None, "x\0", "x" * 1001], ids=repr)
def test_a_tree_is_served_by_a_name_that_can_be_printed(real: ActorSystem, name: Any) -> None:
    """Else nobody could ask for it; and it is a system's."""
    with pytest.raises(BadSpec, match=r"name is .*; it must be a printable text"):
        serve_tree(real, name=name)
    nobody: Any = 5
    with pytest.raises(BadSpec, match="system is 5; it must be a ActorSystem"):
        serve_tree(nobody)
