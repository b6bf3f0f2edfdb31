"""What a snapshot shows of a tree, whatever its actors are doing."""

import asyncio
import itertools
import threading
from dataclasses import replace
from typing import Any

import pytest
from tests.supervision.supkit import MS, PATIENCE_S, Tree, act, fail, flags, hanging, wait_until, worker

from greenroom.supervision import (
    START_LATER,
    Actor,
    ActorSystem,
    Backoff,
    ChildSpec,
    ChildType,
    Dispatcher,
    MailboxSpec,
    Overflow,
    StopChild,
    Strategy,
    SubtreeBudget,
    Supervisor,
    UpdateSupervisor,
)
from greenroom.supervision.probes import Probe
from greenroom.supervision.simulated import SimulatedRuntime
from greenroom.supervision.snapshot import ActorKind, ActorSnapshot, ActorState, TreeSnapshot


def seen(system: ActorSystem, path: str) -> ActorSnapshot:
    """Return what a snapshot shows of one actor."""
    found = system.snapshot().find(path)
    assert found is not None, path
    return found


def state(system: ActorSystem, path: str) -> ActorState:
    """Return its state."""
    return seen(system, path).state


def branch(name: str, *children: ChildSpec) -> ChildSpec:
    """Return the spec of a supervisor."""
    return ChildSpec(id=name, start=Supervisor, args=(flags(), children), type=ChildType.SUPERVISOR)


def test_parents_come_before_their_children_and_siblings_in_start_order(system: ActorSystem) -> None:
    """Read from top to bottom, a snapshot is the tree."""
    tree = Tree(system, flags(), [branch("left", worker("a"), worker("b/c")), worker("right")])
    rows = [(each.depth, each.name, each.kind) for each in system.snapshot().actors]
    assert rows == [
        (0, "top", ActorKind.SUPERVISOR),
        (1, "left", ActorKind.SUPERVISOR),
        (2, "a", ActorKind.WORKER),
        (2, "b/c", ActorKind.WORKER),
        (1, "right", ActorKind.WORKER),
    ]
    assert seen(system, "top/left/a").actor_class == "greenroom.supervision.probes.Probe"
    tree.stop()
    assert not system.snapshot().actors


def test_a_child_in_backoff_shows_how_long_it_still_waits(simulated: ActorSystem) -> None:
    """The delay left shrinks with time; then it runs again, in its next incarnation."""
    backoff = Backoff(initial_ns=100 * MS, jitter=0, immediate_first=False)
    tree = Tree(simulated, flags(intensity=5), [worker("child", backoff=backoff)])
    tree.end("child")
    tree.until(child="restarting")
    began = seen(simulated, "top/child")
    assert began.state is ActorState.BACKING_OFF
    assert began.backoff_left_ns is not None
    simulated.runtime.advance(30 * MS)
    assert seen(simulated, "top/child").backoff_left_ns == began.backoff_left_ns - 30 * MS
    assert began.backoff_left_ns == 100 * MS
    assert "child backing off #1, in 70ms" in simulated.snapshot().describe()
    simulated.runtime.run_until_idle()
    assert (state(simulated, "top/child"), seen(simulated, "top/child").incarnation) == (
        ActorState.RUNNING,
        2,
    )


def test_budgets_show_restarts_in_the_window_and_how_many_are_left(simulated: ActorSystem) -> None:
    """Each restart takes one away, for all siblings; after a period it is back."""
    tree = Tree(simulated, flags(intensity=3), [worker("a"), worker("b")])
    tree.end("a")
    tree.until(a=2, b=1)
    (budget,) = seen(simulated, "top/b").budgets
    assert (budget.owner, budget.restarts, budget.intensity, budget.left) == ("top", 1, 3, 2)
    assert seen(simulated, "top/b").restarts_in_window == 1
    simulated.runtime.advance(budget.period_ns + 1)
    assert seen(simulated, "top/b").budgets[0].left == 3
    assert seen(simulated, "top").budgets == ()


def test_a_start_that_is_not_acknowledged_is_starting(system: ActorSystem) -> None:
    """From the first step until the acknowledgement."""
    ref, started = system.launch(Probe, kwargs={"on_start": later}, name="late")
    wait_until(system, lambda: ref.state_name == "starting")
    assert state(system, "late") is ActorState.STARTING
    assert seen(system, "late").up_ns is None
    ref._cell.put_continuation(ref._cell.life, ref._cell.actor.acknowledge, ())
    started.get(timeout=PATIENCE_S)
    assert state(system, "late") is ActorState.RUNNING
    assert seen(system, "late").up_ns is not None


def test_a_stopped_child_is_stopped_and_one_never_started_too(system: ActorSystem) -> None:
    """A supervisor knows them, so a snapshot shows them."""
    tree = Tree(system, flags(), [worker("a"), worker("b")])
    tree.ask(StopChild(child="a"))
    tree.ask(UpdateSupervisor(children=(worker("a"), worker("b"), worker("new"))))
    rows = {each.path: (each.state, each.incarnation) for each in system.snapshot().actors}
    assert rows["top/a"] == (ActorState.STOPPED, 1)
    assert rows["top/new"] == (ActorState.STOPPED, 0)
    assert rows["top/b"] == (ActorState.RUNNING, 1)


def test_who_hangs_while_it_stops_is_stopping_then_fenced(system: ActorSystem) -> None:
    """A fence shows, and the thread that hangs is listed with its stack until it returns."""
    with hanging(system) as how:
        tree = Tree(system, flags(), [worker("stuck", shutdown_ns=50 * MS, **how)])
        answer = tree.ref.ask(StopChild(child="stuck"), block=False)
        wait_until(system, lambda: state(system, "top/stuck") is ActorState.STOPPING)
        answer.get(timeout=PATIENCE_S)
        found = system.snapshot()
        assert found.actors[1].state is ActorState.FENCED
        assert found.actors[1].zombies == 1
        (zombie,) = found.zombies
        assert (zombie.path, zombie.incarnation) == ("top/stuck", 1)
        assert any(frame.function.endswith("hang") for frame in zombie.stack), zombie.stack
        assert all(
            frame.line > 0 and frame.file.endswith((".py", "pytest"))
            for frame in zombie.stack
            if frame.file[0] != "<"
        )
        text = found.describe(stacks=True)
        assert "zombie: top/stuck #1" in text
        assert "in " in text.splitlines()[-1]
    if not system.runtime.simulated:
        wait_until(system, lambda: not system.snapshot().zombies)
        assert seen(system, "top/stuck").zombies == 0


def test_a_zombie_is_listed_when_its_actor_is_gone(simulated: ActorSystem) -> None:
    """What hangs does not go out of sight with the tree that it was in."""
    with hanging(simulated) as how:
        tree = Tree(simulated, flags(), [worker("stuck", shutdown_ns=50 * MS, **how)])
        tree.stop()
        assert [zombie.path for zombie in simulated.snapshot().zombies] == ["top/stuck"]


def later(_: Any) -> Any:
    """Acknowledge later."""
    return START_LATER


class Hanging(Supervisor):
    """A supervisor whose handler never returns."""

    def on_receive(self, message: Any) -> Any:
        """Hang, if asked to."""
        if isinstance(message, threading.Event):
            if self._cell.system.runtime.simulated:
                self._cell.system.runtime.hang()
            message.wait(PATIENCE_S)
            return None
        return super().on_receive(message)


@pytest.mark.parametrize("runtime", ["simulated", "threads"])
def test_a_supervisor_that_hangs_is_seen(runtime: str) -> None:
    """A snapshot asks nobody: it shows the tree below one that answers nothing."""
    gate = threading.Event()
    with ActorSystem(SimulatedRuntime(3) if runtime == "simulated" else None) as system:
        tree = Tree(system, flags(), [worker("a")], supervisor=Hanging)
        tree.ref.tell(gate)
        if runtime == "simulated":
            system.runtime.run_until_idle()
        else:
            wait_until(system, lambda: not tree.ref._cell.user)
        tree.ref.tell("waits")
        assert state(system, "top/a") is ActorState.RUNNING
        assert seen(system, "top/a").budgets[0].left == 10
        assert seen(system, "top").mailbox_depth == 1
        gate.set()
        if runtime == "simulated":
            tree.ref._cell.fence("the test is over")


class Tired(Actor):
    """Says of itself that it does less."""

    def on_receive(self, message: Any) -> Any:
        """Take over what it is told."""
        self.degraded = message


def test_an_actor_that_says_so_is_degraded(system: ActorSystem) -> None:
    """Until it says otherwise."""
    ref = system.start(Tired)
    for said, shown in ((True, ActorState.DEGRADED), (False, ActorState.RUNNING)):
        ref.ask(said, timeout=PATIENCE_S)
        assert state(system, ref.path) is shown


def test_the_last_failure_is_told_by_its_type_alone(system: ActorSystem) -> None:
    """Who, when and what: never the text."""

    def secret(_: Any) -> None:
        raise KeyError("sekrit")

    tree = Tree(system, flags(), [worker("child")])
    assert seen(system, "top/child").last_failure is None
    tree.child("child").tell(secret)
    tree.until(child=2)
    failure = seen(system, "top/child").last_failure
    assert failure is not None
    assert (failure.error, failure.incarnation) == ("KeyError", 1)
    found = system.snapshot()
    assert "sekrit" not in found.to_json()
    assert "sekrit" not in found.describe(recorder=True, stacks=True)


def test_dead_letters_are_counted_for_each_actor(system: ActorSystem) -> None:
    """What was dropped for it, and in the system as a whole."""
    mailbox = MailboxSpec(capacity=1, overflow=Overflow.DROP_NEWEST)
    tree = Tree(system, flags(), [worker("full", mailbox=mailbox), worker("other")])
    ref = tree.child("full")
    tree.ask(StopChild(child="full"))
    for number in range(4):
        ref.tell(number)
    assert (seen(system, "top/full").dead_letters, seen(system, "top/other").dead_letters) == (3, 0)
    assert system.snapshot().dead_letters == 3


def test_the_age_of_a_mailbox_counts_from_the_message_that_woke_it(simulated: ActorSystem) -> None:
    """The oldest message of one that does not run is as old as it is."""
    tree = Tree(simulated, flags(), [worker("child")])
    ref = tree.child("child")
    tree.ask(StopChild(child="child"))
    assert seen(simulated, "top/child").mailbox_age_ns is None
    simulated.runtime.advance(5 * MS)
    ref.tell("first")
    simulated.runtime.advance(7 * MS)
    ref.tell("second")
    simulated.runtime.advance(1 * MS)
    found = seen(simulated, "top/child")
    assert (found.mailbox_depth, found.mailbox_age_ns) == (2, 8 * MS)
    assert "mail 2 <=8.0ms" in simulated.snapshot().describe()


def test_the_age_of_a_mailbox_is_never_less_than_the_truth(simulated: ActorSystem) -> None:
    """A busy actor's bound moves on with it, and stays above the age of what waits."""
    runtime = simulated.runtime
    handled: list[int] = []

    class Slow(Actor):
        def on_receive(self, message: Any) -> None:
            runtime.spend(MS)
            handled.append(message)

    ref = simulated.start(Slow)
    sent: list[int] = []
    loosest = 0
    for burst in (3, 1, 0, 4, 0, 0, 2, 5, 0, 1) * 3:
        for _ in range(burst):
            sent.append(runtime.now_ns())
            ref.tell(len(sent) - 1)
        for _ in range(2):
            runtime.step()
            found = seen(simulated, ref.path)
            if found.mailbox_depth:
                assert found.mailbox_age_ns is not None
                truth = runtime.now_ns() - sent[len(handled)]
                assert found.mailbox_age_ns >= truth
                loosest = max(loosest, found.mailbox_age_ns - truth)
    assert loosest <= 25 * MS, "the bound does not move on"


def test_a_snapshot_comes_back_from_its_json(system: ActorSystem) -> None:
    """All of it, so that it can be shown elsewhere."""
    with hanging(system) as how:
        tree = Tree(system, flags(), [worker("stuck", shutdown_ns=50 * MS, **how), worker("a")])
        tree.end("a")
        tree.until(stuck=1, a=2)
        tree.ask(StopChild(child="stuck"))
        tree.child("a").tell("waits")
        found = system.snapshot()
        assert TreeSnapshot.from_json(found.to_json()) == found
        assert TreeSnapshot.from_json(found.to_json(indent=2)) == found
        tree.stop()
        assert TreeSnapshot.from_json(system.snapshot().to_json()).dead


def test_the_json_of_a_snapshot_has_a_schema_that_is_kept() -> None:
    """Fields are added, never renamed: who reads it elsewhere relies on these."""
    import json  # noqa: PLC0415 - here alone

    with ActorSystem(SimulatedRuntime()) as system:
        Tree(system, flags(), [worker("a")]).end("a")
        system.runtime.run_until_idle()
        read = json.loads(system.snapshot().to_json())
    assert read["schema"] == 1
    assert set(read) >= {"schema", "at_ns", "actors", "zombies", "dead", "dead_letters"}
    fields = "path name depth actor_class kind state incarnation up_ns budgets backoff_left_ns mailbox_depth"
    more = "mailbox_age_ns mailbox_age_exact last_failure dead_letters zombies recorder"
    assert set(read["actors"][1]) >= {*fields.split(), *more.split()}
    assert set(read["actors"][1]["budgets"][0]) >= {"owner", "restarts", "intensity", "period_ns", "left"}
    assert set(read["actors"][1]["recorder"][0]) >= {"at_ns", "incarnation", "kind", "detail", "count"}
    assert set(read["actors"][1]["last_failure"]) >= {"error", "incarnation", "at_ns"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "7",
        "{}",
        '{"schema": 2, "at_ns": 0, "actors": []}',
        '{"schema": 1, "at_ns": 0}',
        '{"schema": 1, "at_ns": 0, "actors": [{"path": 3}]}',
        '{"schema": 1, "at_ns": "now", "actors": []}',
    ],
)
def test_what_is_no_snapshot_is_refused(text: str) -> None:
    """With a ValueError, whatever it is."""
    with pytest.raises(ValueError, match=r"."):
        TreeSnapshot.from_json(text)


def test_what_a_newer_version_adds_is_left_out() -> None:
    """So an older reader keeps reading."""
    text = '{"schema": 1, "at_ns": 5, "actors": [], "mood": "good"}'
    assert TreeSnapshot.from_json(text) == TreeSnapshot(at_ns=5, actors=())


def test_a_snapshot_as_text_is_an_indented_tree(simulated: ActorSystem) -> None:
    """One line for each actor, and what is worth saying about it."""
    tree = Tree(simulated, flags(intensity=3), [branch("inner", worker("a")), worker("b")])
    tree.end("b")
    tree.until(inner=1, b=2)
    assert simulated.snapshot().describe().splitlines() == [
        "top [supervisor] running #1",
        "  inner [supervisor] running #1, restarts 1/3",
        "    a running #1",
        "  b running #2, restarts 1/3, last RuntimeError in #1",
    ]
    assert simulated.snapshot().counts() == {ActorState.RUNNING: 4}


def test_snapshots_can_be_taken_while_everything_changes(real: ActorSystem) -> None:
    """From another thread, as fast as it goes: none fails, and each reads as a tree."""
    tree = Tree(real, flags(Strategy.DYNAMIC, intensity=10_000))
    over, broken = threading.Event(), list[BaseException]()
    taken = 0

    def look() -> None:
        nonlocal taken
        try:
            while not over.is_set():
                depths = [each.depth for each in real.snapshot().actors]
                assert all(after <= before + 1 for before, after in itertools.pairwise(depths))
                taken += 1
        except BaseException as error:  # noqa: BLE001 - told by the test
            broken.append(error)

    looker = threading.Thread(target=look)
    looker.start()
    for number in range(60):
        ref = tree.add(worker(f"child-{number}", dispatcher=Dispatcher.POOL))
        ref.tell(fail)
        act(ref, lambda actor: actor.incarnation)
        if number % 2:
            tree.ask(StopChild(child=f"child-{number}"))
    over.set()
    looker.join(PATIENCE_S)
    assert not broken
    assert taken


def test_a_task_is_shown_by_its_function(system: ActorSystem) -> None:
    """Its kind says that it is one; whoever looks wants to know what it runs."""

    async def serve() -> None:
        await asyncio.get_running_loop().create_future()

    tree = Tree(system, flags(), [ChildSpec(id="a", start=serve)])
    tree.ask(UpdateSupervisor(children=(ChildSpec(id="a", start=serve), ChildSpec(id="b", start=serve))))
    for path in ("top/a", "top/b"):
        shown = seen(system, path)
        assert shown.kind is ActorKind.TASK
        assert shown.actor_class.endswith("test_snapshot.test_a_task_is_shown_by_its_function.<locals>.serve")
    tree.stop()


def test_the_budget_of_a_subtree_is_shown_beside_the_supervisors(simulated: ActorSystem) -> None:
    """The nearest first; what is left of each."""
    given = replace(flags(intensity=5), subtree=SubtreeBudget(intensity=2, period_ns=1000 * MS))
    tree = Tree(simulated, given, [worker("a")])
    tree.end("a")
    tree.until(a=2)
    budgets = seen(simulated, "top/a").budgets
    assert [(each.owner, each.subtree, each.restarts, each.left) for each in budgets] == [
        ("top", False, 1, 4),
        ("top", True, 1, 1),
    ]
    assert "restarts 1/5, restarts 1/2 of subtree" in simulated.snapshot().describe()


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL])
def test_who_is_on_its_way_back_is_restarting(strategy: Strategy, simulated: ActorSystem) -> None:
    """The one whose start goes on, and in a group those whose turn has not come."""
    slow: list[bool] = []

    def start(_: Any) -> Any:
        return START_LATER if slow else None

    tree = Tree(simulated, flags(strategy), [worker("a", on_start=start), worker("b")])
    first = tree.child("a")
    slow.append(True)
    first.tell(fail)
    wait_until(simulated, lambda: first.incarnation == 2 and first.state_name == "starting")
    simulated.runtime.advance(MS)
    assert state(simulated, "top/a") is ActorState.RESTARTING
    together = strategy is Strategy.ONE_FOR_ALL
    assert state(simulated, "top/b") is (ActorState.RESTARTING if together else ActorState.RUNNING)
    first._cell.put_continuation(first._cell.life, first._cell.actor.acknowledge, ())
    tree.until(a=2, b=2 if together else 1)
