"""Further rules of the contract, from Elixir's DynamicSupervisor, Pekko and Membrane; on threads and in simulation."""

from contextlib import nullcontext
from typing import Any

import pytest
from tests.supervision.supkit import LISTED, MS, Flaky, Tree, act, fail, flags, wait_until, worker

from greenroom.supervision import (
    ActorSystem,
    Backoff,
    ChildSpec,
    ChildType,
    Crashed,
    Down,
    Future,
    MailboxFull,
    MailboxSpec,
    MaxChildren,
    Overflow,
    Restart,
    RestartChild,
    Shutdown,
    StartChild,
    StopChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
)
from greenroom.supervision.events import ChildRestarting, IntensityExceeded
from greenroom.supervision.probes import Probe

SLOW = Backoff(initial_ns=10_000 * MS, max_ns=10_000 * MS, immediate_first=False)
QUICK = Backoff(initial_ns=MS, max_ns=64 * MS, jitter=0, healthy_ns=1000 * MS, immediate_first=False)


# -- Elixir ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", LISTED)
def test_the_limit_counts_children_that_are_restarting(system: ActorSystem, strategy: Strategy) -> None:
    """The child that would exceed the limit gets max_children, and nothing of it is kept."""
    tree = Tree(system, flags(strategy, max_children=2), [worker("a", backoff=SLOW), worker("b")])
    tree.end("a")
    wait_until(system, lambda: tree.states()["a"] == "restarting")
    with pytest.raises(MaxChildren):
        tree.add(worker("c"))
    assert "c" not in tree.states()
    tree.ask(StopChild(child="b"))
    if strategy is Strategy.DYNAMIC:
        assert tree.add(worker("c")).is_running()


def test_shared_arguments_come_first(system: ActorSystem) -> None:
    """Arguments that all children of a dynamic supervisor share come before their own, at restarts too."""
    heard: list[Any] = []

    class Heard(Probe):
        def __init__(self, *args: Any) -> None:
            super().__init__()
            heard.append(args)

    tree = Tree(system, flags(Strategy.DYNAMIC, shared_args=("shared",)))
    tree.add(ChildSpec(id="a", start=Heard, args=("own",)))
    tree.end("a")
    tree.until(a=2)
    assert heard == [("shared", "own")] * 2


# -- Pekko -----------------------------------------------------------------------------------------------------------


def test_messages_for_a_child_in_backoff_are_kept(system: ActorSystem) -> None:
    """A failure while the child is being restarted with back-off keeps what waits for it; it is handled in order."""
    start, heard = Flaky(), list[Any]()
    spec = ChildSpec(id="a", start=Probe, args=(heard,), kwargs={"on_start": start}, backoff=QUICK)
    tree = Tree(system, children=[spec])
    ref = tree.child("a")
    start.failures = 3
    ref.tell(fail)
    for number in range(5):
        ref.tell(number)
    asked = ref.ask("asked", block=False)
    tree.until(a=5)
    assert asked.get(timeout=5) == "asked"
    assert heard == [0, 1, 2, 3, 4, "asked"]


def delays(tree: Tree) -> list[int]:
    """Return what the supervisor waited before each restart, in ms."""
    return [event.delay_ns // MS for event in tree.seen.of(ChildRestarting)]


def test_backoff_grows_and_is_reset_by_health_alone(simulated: ActorSystem) -> None:
    """Each wait is twice the one before; a start alone forgets nothing, a healthy time does."""
    tree = Tree(simulated, children=[worker("a", backoff=QUICK)])
    for number in range(2, 6):
        tree.end("a")
        tree.until(a=number)
    assert delays(tree) == [1, 2, 4, 8]
    simulated.runtime.advance(1000 * MS)
    tree.end("a")
    tree.until(a=6)
    assert delays(tree) == [1, 2, 4, 8, 1]


def test_backoff_never_blocks_the_supervisor(simulated: ActorSystem) -> None:
    """While one child waits, others are started, stopped and restarted at the same instant."""
    tree = Tree(simulated, children=[worker("a", backoff=SLOW), worker("b")])
    tree.end("a")
    tree.until(a="restarting", b=1)
    tree.end("b")
    tree.until(a="restarting", b=2)
    tree.ask(StopChild(child="b"))
    tree.ask(StartChild(spec=worker("c")))
    tree.ask(RestartChild(child="b"))
    assert simulated.runtime.now_ns() == 0
    tree.until(a=2, b=3, c=1)
    assert 8_000 * MS < simulated.runtime.now_ns() <= 10_000 * MS


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_a_group_waits_for_the_backoff_with_all_of_it_down(
    simulated: ActorSystem, strategy: Strategy
) -> None:
    """The others are stopped at once, and started after the wait of the one that ended; a stop of that one ends it."""
    tree = Tree(simulated, flags(strategy), [worker("a", backoff=SLOW), worker("b")])
    tree.end("a")
    tree.until(a="restarting", b="stopped")
    tree.until(a=2, b=2)
    tree.end("a")
    tree.until(a="restarting", b="stopped")
    tree.ask(StopChild(child="a"))
    simulated.runtime.advance(100_000 * MS)
    assert tree.states() == {"a": "stopped", "b": "stopped"}
    assert simulated.runtime.live_timers() == 0


def test_a_supervisor_that_stops_while_children_restart_leaves_nothing(simulated: ActorSystem) -> None:
    """Neither timers nor children, whatever they were waiting for."""
    tree = Tree(simulated, children=[worker("a", backoff=SLOW), worker("b", backoff=SLOW), worker("c")])
    tree.end("a")
    tree.end("b")
    tree.until(a="restarting", b="restarting", c=1)
    tree.stop()
    assert simulated.runtime.now_ns() == 0
    assert simulated.runtime.live_timers() == 0
    assert simulated.roots() == ()


def test_a_nested_supervisor_does_not_reset_the_outer_one(system: ActorSystem) -> None:
    """The restarts that an inner supervisor was allowed do not count outside, and its new life forgives nothing there."""
    inner = ChildSpec(
        id="inner", start=Supervisor, args=(flags(intensity=1), [worker("leaf")]), type=ChildType.SUPERVISOR
    )
    tree = Tree(system, flags(intensity=2), [inner])

    def crash_leaf() -> None:
        cell = next(iter(tree.child("inner")._cell.children or ()))
        before = cell.incarnation
        cell.ref.tell(fail)
        wait_until(
            system, lambda: not cell.ref.is_alive() or (cell.incarnation > before and cell.ref.is_running())
        )

    for life in (2, 3):
        crash_leaf()
        crash_leaf()
        tree.until(inner=life)
    crash_leaf()
    crash_leaf()
    tree.gone()
    assert [event.path for event in tree.seen.of(IntensityExceeded)] == ["top/inner"] * 3 + ["top"]


def watching(system: ActorSystem) -> tuple[Any, list[Any]]:
    """Start somebody who watches."""
    heard: list[Any] = []
    return system.start(Probe, heard), heard


def test_a_death_is_told_once_whether_the_watch_came_first_or_not(system: ActorSystem) -> None:
    """The notice is delivered in both orders, exactly once for each watch."""
    tree = Tree(system, flags(Strategy.DYNAMIC), [worker("a")])
    ref = tree.child("a")
    watcher, heard = watching(system)
    first = act(watcher, lambda actor: actor.monitor(ref))
    tree.ask(StopChild(child="a"))
    second = act(watcher, lambda actor: actor.monitor(ref))
    wait_until(system, lambda: len(heard) == 2, lambda: heard)
    act(watcher, lambda actor: None)
    assert {down.monitor for down in heard} == {first, second}
    assert all(isinstance(down, Down) and down.cause == Shutdown() for down in heard)


def test_a_death_is_never_told_after_unwatch(system: ActorSystem) -> None:
    """Not even if the notice was queued already."""
    tree = Tree(system, flags(Strategy.DYNAMIC), [worker("a")])
    ref = tree.child("a")
    watcher, heard = watching(system)
    monitor = act(watcher, lambda actor: actor.monitor(ref))
    gate: Future[None] = Future(system.runtime)

    def demonitor(_: Future[None], actor: Probe) -> None:
        actor.demonitor(monitor)

    def wait_for_the_death(actor: Probe) -> None:
        actor.when(gate, demonitor, actor)

    act(watcher, wait_for_the_death)
    gate.try_set(None)  # the continuation is queued before the notice, and handled before it
    tree.ask(StopChild(child="a"))
    act(watcher, lambda actor: None)
    assert heard == []


@pytest.mark.parametrize("overflow", [Overflow.FAIL, Overflow.DROP_OLDEST, Overflow.DROP_NEWEST])
def test_a_full_mailbox_never_evicts_a_death_notice(system: ActorSystem, overflow: Overflow) -> None:
    """Notices take the control lane, past any bound; no message that comes later pushes them out."""
    tree = Tree(system, flags(Strategy.DYNAMIC), [worker("a", restart=Restart.TEMPORARY)])
    ref = tree.child("a")
    heard: list[Any] = []
    small = MailboxSpec(capacity=1, overflow=overflow)
    watcher, started = system.launch(Probe, (heard,), name="watcher", mailbox=small)
    started.get(timeout=5)

    def fill(actor: Probe) -> None:
        actor.monitor(ref)
        actor.actor_ref.tell("filler")
        ref._cell.fence("on purpose")
        for _ in range(3):
            with pytest.raises(MailboxFull) if overflow is Overflow.FAIL else nullcontext():
                actor.actor_ref.tell("filler")

    act(watcher, fill)
    wait_until(system, lambda: len(heard) == 2, lambda: heard)
    assert [each for each in heard if not isinstance(each, Down)] == ["filler"]


# -- Membrane --------------------------------------------------------------------------------------------------------


class Guard(Supervisor):
    """Owns what the members of a crash group use, and belongs to none of them."""

    def __init__(self, log: list[str], specs: tuple[ChildSpec, ...]) -> None:
        super().__init__(SupervisorFlags(strategy=Strategy.ONE_FOR_ALL, intensity=0), specs)
        self._log = log

    def on_stop(self) -> None:
        """Release what the group used."""
        self._log.append("released")


def test_a_crash_group_ends_together_and_its_guard_releases(system: ActorSystem) -> None:
    """one_for_all that allows no restart: one crash ends all; what they used is released after the last of them."""
    log: list[str] = []
    members = tuple(worker(n, on_stop=lambda actor: log.append(actor.path.rsplit("/")[-1])) for n in "abc")
    group = ChildSpec(id="group", start=Guard, args=(log, members), type=ChildType.SUPERVISOR)
    tree = Tree(system, flags(intensity=0), [worker("other")])
    tree.ask(StartChild(spec=group))
    refs = [cell.ref for cell in tree.child("group")._cell.children or ()]
    refs[1].tell(fail)
    tree.gone()
    assert log == ["c", "a", "released"]
    assert not any(ref.is_alive() for ref in refs)
    assert isinstance(tree.cause("group/b"), Crashed)
