"""The flight recorder: what happened to whom, and what that costs those to whom nothing did."""

from typing import Any

import pytest
from tests.supervision.supkit import MS, PATIENCE_S, Tree, fail, flags, hanging, wait_until, worker

from greenroom.supervision import ActorSystem, Backoff, BadSpec, MailboxSpec, Overflow, StopChild
from greenroom.supervision._flight import GRAVES
from greenroom.supervision.probes import Probe
from greenroom.supervision.simulated import SimulatedRuntime
from greenroom.supervision.snapshot import FlightEntry, FlightKind


def entries(system: ActorSystem, path: str) -> tuple[FlightEntry, ...]:
    """Return what is recorded of one actor that is there."""
    found = system.snapshot().find(path)
    assert found is not None
    return found.recorder


def kinds(found: tuple[FlightEntry, ...]) -> list[tuple[int, str, str]]:
    """Return incarnation, kind and detail of each."""
    return [(each.incarnation, str(each.kind), each.detail) for each in found]


def test_what_happened_is_kept_across_incarnations(system: ActorSystem) -> None:
    """From the first start on, in order, by the types of errors."""
    tree = Tree(system, flags(), [worker("child")])
    tree.end("child")
    tree.until(child=2)
    assert kinds(entries(system, "top/child")) == [
        (1, "started", ""),
        (1, "crashed", "RuntimeError"),
        (1, "ended", "Crashed"),
        (2, "restarting", ""),
        (2, "started", ""),
    ]


def test_a_wait_for_a_restart_is_recorded_with_its_length(simulated: ActorSystem) -> None:
    """So one sees how long it was away, by the runtime's clock."""
    backoff = Backoff(initial_ns=100 * MS, jitter=0, immediate_first=False)
    tree = Tree(simulated, flags(), [worker("child", backoff=backoff)])
    tree.end("child")
    tree.until(child=2)
    found = entries(simulated, "top/child")
    assert (1, "restarting", "after 100 ms") in kinds(found)
    times = {each.kind: each.at_ns for each in found}
    assert times[FlightKind.STARTED] - times[FlightKind.ENDED] == 100 * MS


def test_a_stop_and_a_fence_are_recorded_with_the_reason(system: ActorSystem) -> None:
    """Who was asked to stop and did not, and what became of it."""
    with hanging(system) as how:
        tree = Tree(system, flags(), [worker("stuck", shutdown_ns=50 * MS, **how)])
        tree.ask(StopChild(child="stuck"))
        assert kinds(entries(system, "top/stuck")) == [
            (1, "started", ""),
            (1, "stop requested", ""),
            (1, "fenced", "did not stop within its 50 ms"),
            (1, "ended", "Fenced"),
        ]


@pytest.mark.parametrize("asked", [True, False])
def test_a_stop_by_message_is_recorded(asked: bool, system: ActorSystem) -> None:
    """Whether its sender waits for it or not."""
    tree = Tree(system, flags(), [worker("child")])
    if asked:
        tree.child("child").stop(timeout=PATIENCE_S)
    else:
        tree.child("child").tell(Probe.stop)
    tree.until(child=2)
    assert kinds(entries(system, "top/child"))[:3] == [
        (1, "started", ""),
        (1, "stop requested", ""),
        (1, "ended", "Normal"),
    ]


def test_a_flood_is_counted_not_listed(system: ActorSystem) -> None:
    """A thousand dead letters are one line, and hide nothing of what was before."""
    tree = Tree(
        system, flags(), [worker("child", mailbox=MailboxSpec(capacity=1, overflow=Overflow.DROP_OLDEST))]
    )
    ref = tree.child("child")
    tree.end("child")
    tree.until(child=2)
    tree.ask(StopChild(child="child"))
    for _ in range(1001):
        ref.tell("more")
    found = entries(system, "top/child")
    assert (1, "crashed", "RuntimeError") in kinds(found)
    letters = [each for each in found if each.kind is FlightKind.DEAD_LETTER]
    assert [each.count for each in letters] == [1000]
    assert (2, "dead letter", "str: dropped by the mailbox's overflow policy") in kinds(found)
    assert (2, "overflow", "drop_oldest") in kinds(found)


def test_only_the_last_events_are_kept() -> None:
    """As many as the system was told to keep."""
    with ActorSystem(SimulatedRuntime(), recorder=3) as system:
        tree = Tree(system, flags(), [worker("child")])
        for incarnation in (2, 3, 4):
            tree.end("child")
            tree.until(child=incarnation)
        assert kinds(entries(system, "top/child")) == [
            (3, "ended", "Crashed"),
            (4, "restarting", ""),
            (4, "started", ""),
        ]


def test_a_recorder_that_is_off_keeps_nothing_but_the_last_failure() -> None:
    """Neither of the living nor of the dead."""
    with ActorSystem(SimulatedRuntime(), recorder=0) as system:
        tree = Tree(system, flags(), [worker("child")])
        tree.end("child")
        tree.until(child=2)
        assert entries(system, "top/child") == ()
        shown = system.snapshot().find("top/child")
        assert shown is not None
        assert shown.last_failure is not None
        tree.stop()
        assert system.snapshot().dead == ()


def test_an_actor_to_which_nothing_happened_has_no_record(system: ActorSystem) -> None:
    """Its start is a number; messages leave no trace unless that was asked for."""
    tree = Tree(system, flags(), [worker("child")])
    tree.child("child").ask("hello", timeout=PATIENCE_S)
    assert tree.child("child")._cell.record is None
    assert entries(system, "top/child") == ()


def test_the_dead_are_remembered_for_a_while(system: ActorSystem) -> None:
    """Their record goes with them to the graves, the last ones of which are kept."""
    ref = system.start(Probe)
    path = ref.path
    ref.stop(timeout=PATIENCE_S)
    (dead,) = system.snapshot().dead
    assert (dead.path, dead.incarnation, dead.last_failure) == (path, 1, None)
    assert [str(each.kind) for each in dead.recorder] == ["started", "stop requested", "ended"]
    assert "gone: " + path in system.snapshot().describe(recorder=True)


def test_those_who_failed_are_not_pushed_out_by_those_who_did_not(simulated: ActorSystem) -> None:
    """Both are bounded; who crashed is what one looks for."""
    bad = simulated.start(Probe)
    bad.tell(fail)
    wait_until(simulated, lambda: not bad.is_alive())
    for _ in range(2 * GRAVES):
        simulated.start(Probe).stop()
    dead = simulated.snapshot().dead
    assert len(dead) == GRAVES + 1
    assert dead[0].path == bad.path
    assert dead[0].last_failure is not None
    for _ in range(2 * GRAVES):
        other = simulated.start(Probe)
        other.tell(fail)
        wait_until(simulated, lambda one=other: not one.is_alive())
    assert len(simulated.snapshot().dead) == 2 * GRAVES


@pytest.mark.parametrize(
    ("field", "value"), [("recorder", -1), ("recorder", 10_001), ("recorder", True), ("record_messages", 1)]
)
def test_what_the_recorder_cannot_be_is_refused(field: str, value: Any) -> None:
    """By name and value, before any thread is started."""
    with pytest.raises(BadSpec, match=f"ActorSystem.{field}"):
        ActorSystem(**{field: value})


def test_who_stops_at_once_as_told_leaves_no_record(system: ActorSystem) -> None:
    """An ordered end of thousands costs nothing here, and pushes nobody out of the graves."""
    tree = Tree(system, flags(), [worker("a"), worker("b")])
    tree.end("b")
    tree.until(a=1, b=2)
    tree.stop()
    assert {dead.path for dead in system.snapshot().dead} <= {"top", "top/a", "top/b"}
    assert "top/b" in {dead.path for dead in system.snapshot().dead}
    assert [str(entry.kind) for dead in system.snapshot().dead for entry in dead.recorder][-1] == "ended"
