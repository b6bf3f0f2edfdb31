"""OTP's supervisor_SUITE: administration in every state. Names as there; on threads and in simulated orders."""

import itertools
from typing import Any

import pytest
from tests.supervision.supkit import LISTED, MS, Flaky, Tree, fail, flags, normal, wait_until, worker

from greenroom.supervision import (
    ActorDead,
    ActorSystem,
    AlreadyPresent,
    AlreadyStarted,
    AutoShutdown,
    Backoff,
    BadSpec,
    ChildError,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildSpec,
    ChildType,
    CountChildren,
    DeleteChild,
    Dispatcher,
    GetChildSpec,
    NotForDynamic,
    Restart,
    RestartChild,
    Shutdown,
    ShutdownBudget,
    StartChild,
    StopChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
    UpdateSupervisor,
    WhichChildren,
)
from greenroom.supervision.probes import Probe

SUPERVISOR = ChildType.SUPERVISOR
SLOW = Backoff(initial_ns=10_000 * MS, max_ns=10_000 * MS, immediate_first=False)
"""A wait so long that a test can ask what it likes meanwhile."""


def test_child_adm(system: ActorSystem) -> None:
    """Start, stop, restart and delete of running, stopped and unknown children: OTP's answer in each case."""
    tree = Tree(system)
    ref = tree.add(worker("a"))
    with pytest.raises(AlreadyStarted) as started:
        tree.add(worker("a"))
    assert started.value.ref == ref
    with pytest.raises(ChildNotFound):
        tree.ask(StopChild(child="b"))
    assert tree.ask(StopChild(child="a")) is None
    assert tree.counts() == (1, 0, 0, 1)
    assert tree.ask(StopChild(child="a")) is None
    with pytest.raises(AlreadyPresent):
        tree.add(worker("a"))
    restarted = tree.ask(RestartChild(child="a"))
    assert (restarted.ref, restarted.ref.incarnation) == (ref, 2)
    for running in (RestartChild(child="a"), DeleteChild(child="a")):
        with pytest.raises(ChildRunning):
            tree.ask(running)
    for unknown in (RestartChild(child="b"), DeleteChild(child="b")):
        with pytest.raises(ChildNotFound):
            tree.ask(unknown)
    tree.ask(StopChild(child="a"))
    assert tree.ask(DeleteChild(child="a")) is None
    assert tree.counts() == (0, 0, 0, 0)
    tree.stop()
    everything = (
        StartChild(spec=worker("a")),
        StopChild(child="a"),
        RestartChild(child="a"),
        DeleteChild(child="a"),
        WhichChildren(),
        CountChildren(),
        GetChildSpec(child="a"),
        UpdateSupervisor(flags=flags()),
    )
    for message in everything:
        with pytest.raises(ActorDead):
            tree.ask(message)


def test_child_adm_simple(system: ActorSystem) -> None:
    """Dynamic: stop by ref; twice is ok; a stranger is not found and lives on; restart and delete do not apply."""
    tree = Tree(system, flags(Strategy.DYNAMIC))
    first, second = tree.add(worker("a")), tree.add(worker("b"))
    tree.ask(StopChild(child=first))
    tree.ask(StopChild(child=first))
    assert tree.states() == {"b": 1}
    other = Tree(system, flags(Strategy.DYNAMIC), name="other")
    stranger = other.add(worker("b"))
    with pytest.raises(ChildNotFound):
        tree.ask(StopChild(child=stranger))
    assert stranger.is_running()
    for message in (RestartChild(child="b"), DeleteChild(child="b")):
        with pytest.raises(NotForDynamic):
            tree.ask(message)
    assert second.is_running()
    with pytest.raises(AlreadyStarted):
        tree.add(worker("b"))


def test_extra_return(system: ActorSystem) -> None:
    """What a child's start returns beyond the ref is passed through by `StartChild` and `RestartChild`."""
    tree = Tree(system)
    spec = worker("a", on_start=lambda actor: {"number": actor.incarnation})
    assert tree.ask(StartChild(spec=spec)).extra == {"number": 1}
    tree.ask(StopChild(child="a"))
    assert tree.ask(RestartChild(child="a")).extra == {"number": 2}


WRONG: list[dict[str, Any]] = [
    {"id": 7},
    {"id": ""},
    {"start": "supervisor_1"},
    {"start": dict},
    {"args": [1]},
    {"kwargs": [1]},
    {"restart": "prrmanent"},
    {"shutdown_ns": -100},
    {"shutdown_ns": 0},
    {"shutdown_ns": "brutal_kil"},
    {"type": "wrker"},
    {"significant": "maybe"},
    {"significant": True},
    {"restart": Restart.TRANSIENT, "significant": True},
    {"backoff": 1},
    {"dispatcher": "pool"},
    {"mailbox": 100},
    {"start_ns": 0},
    {"kwargs": {1: 2}},
    {"liveness": 1},
    {"record_messages": 1},
    {"register": ""},
    {"loop": 1},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_child_specs(real: ActorSystem, wrong: dict[str, Any]) -> None:
    """Each field with each wrong value is refused by name, duplicates and bad combinations too; nothing starts."""
    tree = Tree(real, children=[worker("first")])
    field = list(wrong)[-1]
    fields: dict[str, Any] = {"id": "a", "start": Probe, **wrong}
    with pytest.raises(BadSpec, match=rf"ChildSpec\.{field}"):
        tree.add(ChildSpec(**fields))
    assert tree.states() == {"first": 1}
    with pytest.raises(AlreadyStarted):
        tree.add(worker("first"))


def test_child_specs_map(real: ActorSystem) -> None:
    """Every right combination of all fields is accepted; an unknown field is refused (OTP ignores it)."""
    with pytest.raises(TypeError, match="modules"):
        ChildSpec(id="a", start=Probe, modules=())  # type: ignore[call-arg]
    tree = Tree(real, flags(Strategy.DYNAMIC, auto_shutdown=AutoShutdown.ALL_SIGNIFICANT))
    combinations = itertools.product(
        Restart, [MS, ShutdownBudget.BRUTAL, ShutdownBudget.INFINITE], ChildType, [True, False], Dispatcher
    )
    count = 0
    for restart, budget, kind, significant, dispatcher in combinations:
        if significant and restart is Restart.PERMANENT:
            continue
        count += 1
        tree.add(
            worker(
                f"w{count}",
                restart=restart,
                shutdown_ns=budget,
                type=kind,
                significant=significant,
                dispatcher=dispatcher,
            )
        )
    assert tree.counts() == (count, count, count // 2, count // 2)


def test_sup_flags(real: ActorSystem) -> None:
    """Wrong strategy, endless intensity, period 0 or endless, unknown auto_shutdown or key: refused by name."""
    wrong: list[dict[str, Any]] = [
        {"strategy": "none_for_one"},
        {"intensity": float("inf")},
        {"intensity": -1},
        {"period_ns": 0},
        {"period_ns": float("inf")},
        {"auto_shutdown": "any"},
        {"max_children": 0},
        {"shared_args": 1},
        {"subtree": 1},
    ]
    for each in wrong:
        with pytest.raises(BadSpec, match=rf"SupervisorFlags\.{next(iter(each))}"):
            SupervisorFlags(**each)
    with pytest.raises(TypeError, match="hibernate"):
        SupervisorFlags(hibernate=1)  # type: ignore[call-arg]
    assert Tree(real, SupervisorFlags()).counts() == (0, 0, 0, 0)


def test_multiple_restarts(system: ActorSystem) -> None:
    """Many restarts that keep below the intensity never escalate."""
    given = SupervisorFlags(intensity=1, period_ns=MS)
    if not system.runtime.simulated:
        given = SupervisorFlags(intensity=20, period_ns=1)
    tree = Tree(system, given, [worker("a")])
    for number in range(2, 20):
        tree.end("a")
        tree.until(a=number)
        if system.runtime.simulated:
            system.runtime.advance(MS + 1)
    assert tree.children()["a"].restarts == 18


def test_child_unlink(system: ActorSystem) -> None:
    """A child cannot cut its tie to its supervisor; one that loses everything it has still cannot hang its stop."""
    tree = Tree(system)

    def cut(actor: Probe) -> None:
        actor._cell.watches = None
        if actor._life.monitors:
            actor._life.monitors.clear()

    tree.add(worker("naughty")).tell(cut)
    tree.ask(StopChild(child="naughty"))
    assert tree.states() == {"naughty": "stopped"}


def below(tree: Tree, *names: str) -> dict[str, int]:
    """Return the incarnations of the children of a child."""
    infos = tree.child(names[0]).ask(WhichChildren(), timeout=5)
    return {info.spec.id: info.ref.incarnation for info in infos}


def supervisor(name: str, *children: ChildSpec, intensity: int = 4, **fields: Any) -> ChildSpec:
    """Return the spec of a supervisor."""
    return ChildSpec(
        id=name, start=Supervisor, args=(flags(intensity=intensity), children), type=SUPERVISOR, **fields
    )


def test_tree(system: ActorSystem) -> None:
    """A subtree's crash restarts it alone; past the intensity it goes up; a stop takes all."""
    tree = Tree(
        system,
        flags(Strategy.ONE_FOR_ALL, intensity=4),
        [
            supervisor("s1", worker("c1"), worker("c2")),
            supervisor("s2", intensity=1),
            supervisor("s3", restart=Restart.TRANSIENT),
        ],
    )
    tree.ask(StopChild(child="s3"))
    assert tree.counts() == (3, 2, 3, 0)
    second = tree.child("s2")
    leaf = second.ask(StartChild(spec=worker("c3")), timeout=5).ref
    leaf.tell(fail)
    wait_until(system, lambda: below(tree, "s2") == {"c3": 2} and leaf.is_running())
    assert below(tree, "s1") == {"c1": 1, "c2": 1}
    leaf.tell(fail)
    tree.until(s1=2, s2=2, s3=2)
    assert below(tree, "s2") == {}, "what was added to it is not started anew"
    assert below(tree, "s1") == {"c1": 1, "c2": 1}, "new children, as after any start"
    assert not leaf.is_alive()
    tree.stop()
    assert system.roots() == ()
    assert tree.history()[-6:] == ["-s3", "-s2", "-c2", "-c1", "-s1", "-top"]


def counts(system: ActorSystem, kind: ChildType) -> None:
    """Add and stop many children of one type."""
    tree = Tree(system, flags(Strategy.DYNAMIC))
    for number in range(20):
        tree.add(worker(f"a{number}", type=kind, restart=Restart.TEMPORARY))
    twenty = (20, 0) if kind is SUPERVISOR else (0, 20)
    assert tree.counts() == tree.counts() == (20, 20, *twenty)
    for number in range(20):
        tree.end(f"a{number}", "killed")
    tree.until()
    assert tree.counts() == (0, 0, 0, 0)


def test_count_children(system: ActorSystem) -> None:
    """Counts for workers as children; here each child brings its own spec, so specs counts them too (Elixir's way)."""
    counts(system, ChildType.WORKER)


def test_count_children_supervisor(system: ActorSystem) -> None:
    """Counts for supervisors as children."""
    counts(system, SUPERVISOR)


def test_count_restarting_children(system: ActorSystem) -> None:
    """A child whose restart is retried is not active but counts: two of three, active is 1, workers 3."""
    start = Flaky()
    tree = Tree(system, flags(Strategy.DYNAMIC, intensity=50))
    for name in "abc":
        tree.add(worker(name, on_start=start, backoff=SLOW))
    tree.end("a")
    tree.end("b")
    tree.until(a="restarting", b="restarting", c=1)
    assert tree.counts() == (3, 1, 0, 3)
    tree.ask(StopChild(child="a"))
    assert tree.counts() == (2, 1, 0, 2)
    tree.ask(StopChild(child="c"))
    assert tree.counts() == (1, 0, 0, 1)


class Mine(Supervisor):
    """A supervisor that somebody defined."""


def test_get_callback_module(system: ActorSystem) -> None:
    """A running supervisor says what defines it: here its class."""
    assert Tree(system, supervisor=Mine).ref.actor_class is Mine


def kept_in(tree: Tree) -> int:
    """Return how many children a supervisor, and its place in the tree, know anything of."""
    keeper = tree.ref._cell.actor._keeper
    timers = tree.ref._cell.life.timers or ()
    return len(keeper._cells) + len(keeper.family) + len(tree.ref._cell.children or ()) + len(timers)


def test_do_not_save_start_parameters_for_temporary_children(system: ActorSystem) -> None:
    """Memory does not grow with dead temporary children, whatever the strategy and the end."""
    for strategy in LISTED:
        tree = Tree(system, flags(strategy), [worker("stays")], name=f"{strategy}")
        before = kept_in(tree)
        for number, how in enumerate(["normal", "abnormal", "killed"] * 2):
            tree.add(worker(f"t{number}", restart=Restart.TEMPORARY, args=(None,)))
            tree.end(f"t{number}", how)
            tree.until(stays=1)
        wait_until(system, lambda before=before, tree=tree: kept_in(tree) == before)
        tree.stop()


def test_do_not_save_child_specs_for_temporary_children(system: ActorSystem) -> None:
    """Nor are their specs kept, after a stop or a crash; those of permanent and transient ones are."""
    for strategy in (Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE):
        tree = Tree(system, flags(strategy), name=f"{strategy}")
        for how in ("admin", "normal", "abnormal", "killed"):
            tree.add(worker("t", restart=Restart.TEMPORARY))
            tree.ask(StopChild(child="t")) if how == "admin" else tree.end("t", how)
            tree.until()
        for restart in (Restart.PERMANENT, Restart.TRANSIENT):
            tree.add(worker(restart, restart=restart))
            tree.ask(StopChild(child=restart))
        with pytest.raises(AlreadyPresent):
            tree.add(worker("transient"))
        tree.until(permanent="stopped", transient="stopped")
        tree.stop()


def test_temporary_bystander(system: ActorSystem) -> None:
    """A temporary child stopped because of a sibling is neither restarted nor kept, and the supervisor lives."""
    for strategy in (Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE):
        specs = [worker("a"), worker("t", restart=Restart.TEMPORARY), worker("z", restart=Restart.TRANSIENT)]
        tree = Tree(system, flags(strategy), specs, name=f"{strategy}")
        tree.end("a")
        tree.until(a=2, z=2)
        assert tree.counts() == (2, 2, 0, 2)


def test_simple_global_supervisor(system: ActorSystem) -> None:
    """Children with registered names: the next incarnation has the name, when the last is over; then it is free."""
    inside: list[int] = []
    most: list[int] = []

    def enter(actor: Probe) -> None:
        inside.append(actor.incarnation)
        most.append(len(inside))
        assert system.whereis("global") == actor.actor_ref

    spec = worker(
        "named", register="global", on_start=enter, on_stop=lambda actor: inside.remove(actor.incarnation)
    )
    tree = Tree(system, flags(Strategy.DYNAMIC), [spec])
    ref = tree.child("named")
    for number in range(2, 6):
        ref.tell(normal)
        tree.until(named=number)
    assert tree.child("named") == ref
    assert most == [1] * 5
    tree.ask(StopChild(child=ref))
    assert system.whereis("global") is None
    again = tree.add(spec)
    assert system.whereis("global") == again != ref


def test_each_question_to_a_supervisor_that_ends_is_answered(system: ActorSystem) -> None:
    """Whoever asks a supervisor that is stopping, or asked it before, hears something."""
    tree = Tree(system, children=[worker("a"), worker("b", backoff=SLOW, on_start=Flaky())])
    tree.end("b")
    tree.until(a=1, b="restarting")
    asked = [
        tree.ref.ask(message, block=False)
        for message in (
            StartChild(spec=worker("c")),
            StopChild(child="a"),
            StopChild(child="a"),
            RestartChild(child="a"),
            StopChild(child="b"),
        )
    ]
    system.request_stop(tree.ref)
    tree.gone()
    wait_until(system, lambda: all(each.done() for each in asked))
    assert all(isinstance(each.error(), ActorDead | ChildError | None) for each in asked)


def test_a_child_in_backoff_is_restarting(system: ActorSystem) -> None:
    """While a child waits: start is already present, restart and delete are restarting, stop ends the wait."""
    tree = Tree(system, children=[worker("a", backoff=SLOW)])
    tree.end("a")
    tree.until(a="restarting")
    with pytest.raises(AlreadyPresent):
        tree.add(worker("a"))
    for message in (RestartChild(child="a"), DeleteChild(child="a")):
        with pytest.raises(ChildRestarting):
            tree.ask(message)
    tree.ask(StopChild(child="a"))
    assert tree.states() == {"a": "stopped"}
    assert system.runtime.live_timers() == 0
    tree.ask(DeleteChild(child="a"))
    tree.stop()
    assert tree.cause() == Shutdown()
