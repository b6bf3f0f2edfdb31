"""``ref.stop()`` of who is being stopped, is stopped, or is down and comes back: nobody waits for what never comes."""

from typing import Any

import pytest
from tests.supervision.supkit import MS, PATIENCE_S, Tree, flags, wait_until, worker

from greenroom.supervision import (
    ActorRef,
    ActorSystem,
    Backoff,
    ChildSpec,
    Restart,
    RestartChild,
    StopChild,
    Strategy,
)
from greenroom.supervision.tasks import current


async def reader() -> None:
    """Read letters; crash over each."""
    async for letter in current().letters():
        raise RuntimeError(letter.message)


def spec(kind: str, **fields: Any) -> ChildSpec:
    """Return the spec of an actor, or of a task, that stays down when it has stopped."""
    if kind == "actor":
        return worker("a", restart=Restart.TRANSIENT, **fields)
    return ChildSpec(id="a", start=reader, restart=Restart.TRANSIENT, **fields)


KINDS = pytest.mark.parametrize("kind", ["actor", "task"])


def all_answered(system: ActorSystem, answers: list[Any]) -> None:
    """Wait until each is there."""
    wait_until(system, lambda: all(answer.done() for answer in answers), lambda: answers)


@KINDS
def test_several_who_stop_a_child_that_stays_known_are_all_answered(system: ActorSystem, kind: str) -> None:
    """The first stops it, and it stays down; the others have what they wanted."""
    tree = Tree(system, flags(), [spec(kind)])
    child = tree.child("a")
    all_answered(system, [child.stop(block=False) for _ in range(4)])
    assert tree.states() == {"a": "stopped"}
    assert child.stop(timeout=PATIENCE_S)
    assert child.is_alive()


@KINDS
def test_who_stops_a_stopped_child_does_not_wait_for_ever(system: ActorSystem, kind: str) -> None:
    """Neither before nor after it was started again and stopped; and the stop does not hit the next incarnation."""
    tree = Tree(system, flags(), [spec(kind)])
    child = tree.child("a")
    tree.ask(StopChild(child="a"))
    assert child.stop(timeout=PATIENCE_S)
    tree.ask(RestartChild(child="a"))
    tree.until(a=2)
    answer = child.stop(block=False)
    tree.ask(StopChild(child="a"))
    all_answered(system, [answer, child.stop(block=False)])
    tree.ask(RestartChild(child="a"))
    tree.until(a=3)


@KINDS
def test_what_waits_for_a_stopped_child_still_waits(system: ActorSystem, kind: str) -> None:
    """Only the stops are taken out from between the messages."""
    tree = Tree(system, flags(), [spec(kind)])
    child: ActorRef[Any] = tree.child("a")
    tree.ask(StopChild(child="a"))
    child.tell(1)
    assert child.stop(timeout=PATIENCE_S)
    child.tell(2)
    assert child.stop(timeout=PATIENCE_S)
    assert list(child._cell.user or ()) == [1, 2]


@KINDS
def test_a_stop_in_the_backoff_ends_the_next_incarnation(simulated: ActorSystem, kind: str) -> None:
    """It is not lost, and not answered before the child stays down."""
    wait = Backoff(initial_ns=50 * MS, immediate_first=False, jitter=0)
    tree = Tree(simulated, flags(), [spec(kind, backoff=wait)])
    child = tree.child("a")
    child._cell.fence("on purpose")
    tree.until(a="restarting")
    answer = child.stop(block=False)
    assert not answer.done()
    simulated.runtime.run_until_idle()
    assert answer.done()
    assert child.incarnation == 2
    assert tree.states() == {"a": "stopped"}


def test_a_stop_in_a_groups_backoff_ends_the_next_incarnation(simulated: ActorSystem) -> None:
    """Who is down because its group waits comes back, and is stopped then."""
    wait = Backoff(initial_ns=50 * MS, immediate_first=False, jitter=0)
    given = [worker("a", backoff=wait), worker("b", restart=Restart.TRANSIENT)]
    tree = Tree(simulated, flags(Strategy.ONE_FOR_ALL), given)
    other = tree.child("b")
    tree.end("a")
    wait_until(simulated, lambda: other.state_name == "down")
    answer = other.stop(block=False)
    simulated.runtime.run_until_idle()
    assert answer.done()
    assert other.incarnation == 2
    assert tree.states() == {"a": 2, "b": "stopped"}
