"""Once per kind, with a count: what is said at once, what later, and that nothing is left untold."""

import itertools
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.supervision import Actor, ActorSystem, ChildSpec, Supervisor, SupervisorFlags
from greenroom.supervision._repeats import MOST_KINDS, PAUSE_NS, Repeats
from greenroom.supervision.simulated import SimulatedRuntime


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, PAUSE_NS)), max_size=40))
def test_every_report_is_told_once_and_the_first_at_once(steps: list[tuple[str, int]]) -> None:
    """The counts of each kind add up to its reports; no two lines of a kind are closer than the pause."""
    repeats: Repeats[str] = Repeats()
    now_ns = 0
    said: dict[str, list[tuple[int, int]]] = {"a": [], "b": []}
    for kind, pause_ns in steps:
        now_ns += pause_ns
        count = repeats.count(kind, now_ns)
        if count:
            said[kind].append((now_ns, count))
    left = repeats.left()
    for kind, lines in said.items():
        reports = sum(each == kind for each, _ in steps)
        assert sum(count for _, count in lines) + left.get(kind, 0) == reports
        assert all(after - before >= PAUSE_NS for (before, _), (after, _) in itertools.pairwise(lines))
        assert not lines or lines[0][1] == 1
    assert repeats.left() == {}


def test_so_many_kinds_and_no_more_are_remembered() -> None:
    """Kinds that were told make room first; what was never told is kept as long as there is room."""
    repeats: Repeats[int] = Repeats()
    for _ in range(2):
        repeats.count(-1, 0)
    for kind in range(10 * MOST_KINDS):
        assert repeats.count(kind, 0) == 1
    assert len(repeats._kinds) == MOST_KINDS
    assert repeats.left() == {-1: 1}
    for kind in range(2 * MOST_KINDS):
        repeats.count(kind, 0)
        repeats.count(kind, 0)
    assert len(repeats.left()) == MOST_KINDS


class Looper(Actor):
    """Crashes whatever it is told."""

    def on_receive(self, message: Any) -> None:
        raise (ValueError if message else KeyError)(message)


def test_a_crash_loop_writes_a_line_a_second_with_the_count(caplog: pytest.LogCaptureFixture) -> None:
    """The first of a kind is logged at once; the rest are counted, and what is left is logged at the close."""
    caplog.set_level(logging.WARNING, "greenroom")
    runtime = SimulatedRuntime(1)
    with ActorSystem(runtime) as system:
        flags = SupervisorFlags(intensity=100)
        supervisor = system.start(Supervisor, flags, [ChildSpec(id="loops", start=Looper)])
        child = supervisor._cell.actor.children()[0].ref

        def crash(message: int, times: int) -> None:
            for _ in range(times):
                child.tell(message)
                runtime.run_until_idle()

        crash(1, 5)
        crash(0, 1)
        runtime.advance(PAUSE_NS)
        crash(1, 4)
    said = [record.getMessage() for record in caplog.records if "actor.crashed" in record.getMessage()]
    assert [(line.split("error=")[1]) for line in said] == [
        "'ValueError' count=1",
        "'KeyError' count=1",
        "'ValueError' count=5",
        "'ValueError' count=3",
    ]
    assert all("/loops'" in line for line in said)
