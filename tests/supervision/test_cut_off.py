"""A fence that comes after its thread has taken something from the control lane, and before it has done anything about it.

There is no place in the code at which a test could wait for that, so the handler is replaced by one that is given up first,
and goes on when others have had all the time they want.
"""

import asyncio
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from tests.supervision.supkit import PATIENCE_S, Tree, end, flags, worker

from greenroom.supervision import (
    ActorRef,
    ActorSystem,
    Backoff,
    ChildSpec,
    ChildType,
    Dispatcher,
    Restart,
    Strategy,
    Supervisor,
    UpdateSupervisor,
)
from greenroom.supervision._cell import Cell
from greenroom.supervision._place import DOWN
from greenroom.supervision._task_cell import TaskCell
from greenroom.supervision.probes import Probe
from greenroom.supervision.signals import ChildEnded
from greenroom.supervision.simulated import SimulatedRuntime

LATER_NS = 1_000_000
LONG_NS = 3600 * 1_000_000_000


class CutOff:
    """Gives whoever hears of a child's end up at that moment, once: as it begins to, or as it goes on with its own end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, runtime: SimulatedRuntime, where: str) -> None:
        self.count = 0
        hear, advance = Cell.hear_child, Cell._advance_end

        def at_once(cell: Any) -> None:
            if not self.count:
                self.count += 1
                cell.fence("cut off")
                runtime.linger(LATER_NS)

        def hears(cell: Any, life: Any, signal: Any, epoch: int) -> None:
            if isinstance(signal, ChildEnded) and where == "hear_child":
                at_once(cell)
            hear(cell, life, signal, epoch)

        def advances(cell: Any, life: Any, epoch: int) -> None:
            if cell.children and life.to_stop and where == "_advance_end":
                at_once(cell)
            advance(cell, life, epoch)

        monkeypatch.setattr(Cell, "hear_child", hears)
        monkeypatch.setattr(Cell, "_advance_end", advances)


def parent(system: ActorSystem, children: int, **fields: Any) -> ActorRef[Any]:
    """Start a parent whose end may take for ever."""

    def start(actor: Probe) -> None:
        for number in range(children):
            actor.spawn(Probe, name=f"child-{number}", shutdown_ns=None)

    ref, started = system.launch(Probe, (), {"on_start": start}, name="parent", shutdown_ns=None, **fields)
    started.get()
    return ref


@pytest.mark.parametrize("where", ["hear_child", "_advance_end"])
@pytest.mark.parametrize("stopping", [False, True], ids=["runs", "stops"])
@pytest.mark.parametrize("dispatcher", [Dispatcher.POOL, Dispatcher.PINNED])
@pytest.mark.parametrize("children", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_who_is_cut_off_as_it_hears_of_a_childs_end_waits_for_no_dead_child(
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    children: int,
    dispatcher: Dispatcher,
    stopping: bool,
    where: str,
) -> None:
    """Whether it runs or stops: whoever ends it in its place hears of that child too, and asks each of the others to stop."""
    runtime = SimulatedRuntime(seed)
    cut = CutOff(monkeypatch, runtime, where)
    with ActorSystem(runtime) as system:
        ref = parent(system, children, dispatcher=dispatcher)
        runtime.run_until_idle()
        if not stopping:
            next(iter(ref._cell.children or ())).fence("its own fault")
            runtime.run_until_idle()
        system.request_stop(ref)
        runtime.advance(LONG_NS)
        assert cut.count or (not stopping and children == 1), "there is none left to be stopped"
        assert not ref.is_alive()
        assert system.paths() == []


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ONE, Strategy.DYNAMIC])
def test_who_is_started_by_a_zombie_as_its_parent_ends_is_stopped_too(
    monkeypatch: pytest.MonkeyPatch, strategy: Strategy
) -> None:
    """The thread was asked whether it has been given up just before it was, and starts a child that its parent has found down."""
    runtime = SimulatedRuntime()
    ask_to_stop, late = Cell.request_stop, [True]

    def stops(cell: Any, cause: Any) -> bool:
        coming = ask_to_stop(cell, cause)
        if cell.name == "a" and not coming and late.pop():
            cell.start()
        return coming

    with ActorSystem(runtime) as system:
        tree = Tree(system, flags(strategy), [])
        waits = Backoff(initial_ns=2 * LONG_NS, max_ns=2 * LONG_NS, immediate_first=False)
        first = tree.add(worker("a", backoff=waits))
        tree.add(worker("b"))
        end(first)
        runtime.advance(LATER_NS)
        assert first._cell.state == DOWN
        tree.ref._cell.shutdown_ns = None
        monkeypatch.setattr(Cell, "request_stop", stops)
        system.request_stop(tree.ref)
        runtime.advance(LONG_NS)
        assert late == []
        assert not tree.ref.is_alive()
        assert system.paths() == []


def test_a_supervisor_that_was_given_up_in_an_update_does_not_bring_its_children_back(
    real: ActorSystem,
) -> None:
    """The next incarnation has its own; whoever supplied the specs has hung, and comes back late."""
    gate, there, left = Event(), Event(), Event()

    def hangs() -> Iterator[ChildSpec]:
        there.set()
        gate.wait(PATIENCE_S)
        yield worker("b")
        yield worker("a")

    class Noted(Supervisor):
        """Says when its thread has come back."""

        def on_given_up(self) -> None:
            left.set()

    children = [worker("a"), worker("b")]
    inner = ChildSpec(id="inner", start=Noted, args=(flags(), children), type=ChildType.SUPERVISOR)
    tree = Tree(real, flags(), [inner])
    ref = tree.child("inner")
    ref.ask(UpdateSupervisor(children=hangs()), block=False)
    assert there.wait(PATIENCE_S)
    ref._cell.fence("it hangs")
    tree.until(inner=2)
    gate.set()
    assert left.wait(PATIENCE_S)
    assert real.paths() == ["top", "top/inner", "top/inner/a", "top/inner/b"]


def test_a_stop_that_is_cut_off_as_a_task_hears_of_it_is_carried_out_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has asked for it is answered when the next incarnation has ended by it, not whenever that ends."""
    runtime = SimulatedRuntime()
    hear, cut = TaskCell.hear_stop, [False]

    def hears(cell: Any, life: Any, item: Any, epoch: int) -> None:
        if not cut[0]:
            cut[0] = True
            cell.fence("cut off")
            runtime.linger(LATER_NS)
        hear(cell, life, item, epoch)

    monkeypatch.setattr(TaskCell, "hear_stop", hears)

    async def waits() -> None:
        await asyncio.Event().wait()

    with ActorSystem(runtime) as system:
        tree = Tree(system, flags(), [ChildSpec(id="a", start=waits, restart=Restart.TRANSIENT)])
        stopped = tree.child("a").stop(block=False)
        runtime.advance(LONG_NS)
        assert cut[0]
        assert stopped.done()
        assert tree.states() == {"a": "stopped"}
