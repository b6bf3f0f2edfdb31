"""OTP's supervisor_SUITE: restart strategies. Names as there; on real threads and in a dozen simulated orders."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from tests.supervision.supkit import LISTED, MS, Flaky, Tree, fail, flags, hanging, worker

from greenroom.supervision import (
    ActorSystem,
    ChildSpec,
    ChildType,
    Fenced,
    Restart,
    Shutdown,
    StartChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
)
from greenroom.supervision.events import IntensityExceeded

TOGETHER = (Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE)


def three(system: ActorSystem, given: SupervisorFlags, **starts: Any) -> Tree:
    """Start a, b and c; ``starts`` are their ``on_start``."""
    return Tree(system, given, [worker(n, on_start=starts.get(n)) for n in "abc"])


def since(tree: Tree, act: Callable[[], Any], **wanted: int | str) -> list[str]:
    """Return who ended and started because of something, until the children are as wanted."""
    before = len(tree.history())
    act()
    tree.until(**wanted)
    return tree.history()[before:]


def test_one_for_one(system: ActorSystem) -> None:
    """Only the one that ended is replaced; ids and order are unchanged."""
    tree = three(system, flags())
    assert since(tree, lambda: tree.end("b"), a=1, b=2, c=1) == ["-b", "+b"]


def escalates(system: ActorSystem, strategy: Strategy, crash: str, broken: str) -> Tree:
    """Have a child's restart fail until the intensity is passed."""
    start = Flaky()
    tree = three(system, flags(strategy, intensity=4), **{broken: start})
    start.failures = 99
    tree.end(crash)
    tree.gone()
    assert start.tried <= 1 + 4
    assert [event.intensity for event in tree.seen.of(IntensityExceeded)] == [4]
    cause = tree.cause()
    assert isinstance(cause, Shutdown)
    assert cause.detail.startswith("restart intensity exceeded")
    return tree


def test_one_for_one_escalation(system: ActorSystem) -> None:
    """Its restart fails until the intensity is passed: the siblings are stopped, the supervisor ends with shutdown."""
    tree = escalates(system, Strategy.ONE_FOR_ONE, "b", "b")
    assert tree.cause("a") == tree.cause("c") == Shutdown()
    assert tree.history()[-3:] == ["-c", "-a", "-top"]


def test_one_for_all(system: ActorSystem) -> None:
    """All others are stopped, in reverse, and all are started anew, in order."""
    tree = three(system, flags(Strategy.ONE_FOR_ALL))
    happened = since(tree, lambda: tree.end("b"), a=2, b=2, c=2)
    assert happened == ["-b", "-c", "-a", "+a", "+b", "+c"]


def test_one_for_all_escalation(system: ActorSystem) -> None:
    """As one_for_one_escalation when that cannot succeed."""
    tree = escalates(system, Strategy.ONE_FOR_ALL, "a", "c")
    assert tree.cause("a") == tree.cause("b") == Shutdown()


def test_one_for_all_other_child_fails_restart(system: ActorSystem) -> None:
    """Another child fails during the group's restart: those restarted are stopped again, the group is tried again."""
    start = Flaky()
    tree = three(system, flags(Strategy.ONE_FOR_ALL, intensity=2), c=start)
    start.failures = 1
    happened = since(tree, lambda: tree.end("a"), a=3, b=3, c=3)
    assert happened == ["-a", "-c", "-b", "+a", "+b", "-c", "-b", "-a", "+a", "+b", "+c"]


def test_rest_for_one(system: ActorSystem) -> None:
    """The one that ended and those started after it are replaced; those before keep their incarnation."""
    tree = three(system, flags(Strategy.REST_FOR_ONE))
    assert since(tree, lambda: tree.end("b"), a=1, b=2, c=2) == ["-b", "-c", "+b", "+c"]
    assert since(tree, lambda: tree.end("c"), a=1, b=2, c=3) == ["-c", "+c"]


def test_rest_for_one_escalation(system: ActorSystem) -> None:
    """As one_for_one_escalation when that cannot succeed."""
    tree = escalates(system, Strategy.REST_FOR_ONE, "b", "c")
    assert tree.cause("a") == tree.cause("b") == Shutdown()


def test_rest_for_one_other_child_fails_restart(system: ActorSystem) -> None:
    """The same for the rest of the one that failed: who was started before it keeps its new incarnation."""
    start = Flaky()
    tree = three(system, flags(Strategy.REST_FOR_ONE, intensity=2), b=start)
    start.failures = 1
    happened = since(tree, lambda: tree.end("a"), a=2, b=3, c=2)
    assert happened == ["-a", "-c", "-b", "+a", "-b", "+b", "+c"]


@pytest.mark.parametrize("strategy", TOGETHER)
def test_each_attempt_of_a_group_counts_once(system: ActorSystem, strategy: Strategy) -> None:
    """A group of three is one restart; an attempt that failed is another."""
    start = Flaky()
    tree = three(system, flags(strategy, intensity=3), a=start)
    start.failures = 2
    tree.end("a")
    tree.until(a=4, b=2, c=2)
    tree.end("a")
    tree.gone()


def test_simple_one_for_one(system: ActorSystem) -> None:
    """Dynamic: the one that ended is replaced, others are untouched."""
    tree = three(system, flags(Strategy.DYNAMIC))
    assert since(tree, lambda: tree.end("b"), a=1, b=2, c=1) == ["-b", "+b"]


def test_simple_one_for_one_shutdown(system: ActorSystem) -> None:
    """Dynamic: each child is given its spec's budget when the supervisor stops."""
    with hanging(system) as hang:
        tree = Tree(system, flags(Strategy.DYNAMIC))
        for number in (20, 30, 40):
            tree.add(worker(f"w{number}", shutdown_ns=number * MS, **hang))
        tree.stop()
    for number in (20, 30, 40):
        assert tree.cause(f"w{number}") == Fenced(f"did not stop within its {number} ms")
    if system.runtime.simulated:
        assert system.runtime.now_ns() == 40 * MS


def test_simple_one_for_one_extra(system: ActorSystem) -> None:
    """Dynamic: what start returned beyond the ref is passed to the caller, and not needed for the restart."""
    tree = Tree(system, flags(Strategy.DYNAMIC))
    started = tree.ask(
        StartChild(spec=worker("a", on_start=lambda actor: ["extra"] if actor.incarnation == 1 else None))
    )
    assert started.extra == ["extra"]
    tree.end("a")
    tree.until(a=2)


def test_simple_one_for_one_escalation(system: ActorSystem) -> None:
    """Dynamic: past the intensity all children are stopped, then itself."""
    tree = escalates(system, Strategy.DYNAMIC, "b", "b")
    assert tree.cause("a") == tree.cause("c") == Shutdown()
    assert tree.history()[-1] == "-top"


class Load:
    """A start argument whose end can be seen."""

    def note(self, _: Any) -> None:
        """Be needed for the start."""


def test_simple_one_for_one_corruption(system: ActorSystem) -> None:
    """Start arguments of temporary children are dropped with them, after the first death as well."""
    tree = Tree(system, flags(Strategy.DYNAMIC))
    loads: list[weakref.ref[Load]] = []
    for number in range(3):
        load = Load()
        loads.append(weakref.ref(load))
        spec = worker(f"t{number}", restart=Restart.TEMPORARY, on_start=load.note)
        tree.add(spec)
        del load, spec
        tree.end(f"t{number}")
        tree.until()
    tree.seen.events.clear()
    tree.counts()  # what the last handler still held is let go
    gc.collect()
    assert [load() for load in loads] == [None] * 3


@pytest.mark.parametrize("strategy", LISTED)
def test_multi_level_escalation(system: ActorSystem, strategy: Strategy) -> None:
    """A child that cannot live ends its supervisor, that one its own, and each level counts for itself."""
    leaf = worker("leaf", on_start=lambda actor: actor.after(0, fail))
    inner = ChildSpec(
        id="inner", start=Supervisor, type=ChildType.SUPERVISOR, args=(flags(strategy, intensity=2), [leaf])
    )
    tree = Tree(system, flags(strategy, intensity=1), [inner])
    tree.gone()
    exceeded = [event.path for event in tree.seen.of(IntensityExceeded)]
    assert exceeded == ["top/inner", "top/inner", "top"]
