"""simple_one_for_one as OTP has it: one spec, and its instances. Its cases literally; on threads and in simulated orders."""

import gc
import weakref
from typing import Any

import pytest
from tests.supervision.supkit import MS, Flaky, Tree, fail, flags, hanging, wait_until, worker

from greenroom.supervision import (
    IGNORE,
    ActorRef,
    ActorSystem,
    AutoShutdown,
    Backoff,
    BadSpec,
    ChildNotFound,
    ChildSpec,
    ChildType,
    Crashed,
    DeleteChild,
    Dispatcher,
    Fenced,
    MaxChildren,
    NotForDynamic,
    Restart,
    RestartChild,
    Shutdown,
    StartChild,
    StartedChild,
    StartFailed,
    StopChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
    UpdateSupervisor,
)
from greenroom.supervision import GetChildSpec as Get
from greenroom.supervision.events import IntensityExceeded
from greenroom.supervision.probes import Probe

SIMPLE = Strategy.SIMPLE_ONE_FOR_ONE


class Heard(Probe):
    """Says with what it was made."""

    def __init__(self, heard: list[Any], *args: Any) -> None:
        super().__init__()
        heard.append(args)


def simple(system: ActorSystem, template: ChildSpec | None = None, **fields: Any) -> Tree:
    """Start a supervisor of one spec."""
    return Tree(system, flags(SIMPLE, **fields), [worker("w") if template is None else template])


def start(tree: Tree, *args: Any) -> ActorRef[Any]:
    """Start one more instance."""
    ref: ActorRef[Any] = tree.ask(StartChild(args=args)).ref
    return ref


# -- start -----------------------------------------------------------------------------------------------------------


def test_the_one_spec_is_not_started_but_its_instances_are(system: ActorSystem) -> None:
    """No child at first; each start makes an instance with a name of its own, and no name comes twice."""
    tree = simple(system)
    assert tree.counts() == (1, 0, 0, 0)
    assert tree.states() == {}
    first = start(tree)
    assert (first.name, start(tree).name) == ("w#1", "w#2")
    tree.ask(StopChild(child=first))
    assert start(tree).name == "w#3"
    assert tree.states() == {"w#2": 1, "w#3": 1}


def test_arguments_of_an_instance_come_behind_those_of_the_spec(system: ActorSystem) -> None:
    """As in OTP, at restarts too."""
    heard: list[Any] = []
    tree = simple(system, ChildSpec(id="w", start=Heard, args=(heard, "spec")))
    start(tree, 1)
    start(tree, 2, 3)
    tree.end("w#1")
    tree.until(**{"w#1": 2, "w#2": 1})
    assert heard == [("spec", 1), ("spec", 2, 3), ("spec", 1)]


def second_ignores(actor: Probe) -> Any:
    """Decide not to run, as the second instance."""
    return IGNORE if actor.path.endswith("#2") else None


@pytest.mark.parametrize("restart", [Restart.TEMPORARY, Restart.PERMANENT])
def test_an_instance_that_ignores_is_not_kept(system: ActorSystem, restart: Restart) -> None:
    """OTP's sup_start_ignore_temporary_ and _permanent_child_start_child_simple: (1,1,0,1), and it stops cleanly."""
    tree = simple(system, worker("w", restart=restart, on_start=second_ignores))
    start(tree)
    assert tree.ask(StartChild()) == StartedChild(ref=None)
    assert tree.counts() == (1, 1, 0, 1)
    tree.stop()
    assert tree.cause() == Shutdown()


def test_an_instance_that_fails_to_start_is_not_kept(system: ActorSystem) -> None:
    """OTP's sup_start_child_returns_error_simple: the error reaches the caller."""
    tree = simple(system, worker("w", on_start=Flaky(1)))
    with pytest.raises(StartFailed) as failed:
        start(tree)
    assert isinstance(failed.value.__cause__, OSError)
    assert tree.counts() == (1, 0, 0, 0)
    start(tree)
    assert tree.counts() == (1, 1, 0, 1)


def test_the_spec_can_be_read_back(system: ActorSystem) -> None:
    """OTP's sup_start_map_simple: by its id, and an instance's by name or ref, with its arguments; else not found."""
    template = worker("w")
    tree = simple(system, template)
    ref = start(tree)
    assert tree.ask(Get(child="w")) == template
    instance = tree.ask(Get(child=ref))
    assert instance == tree.ask(Get(child="w#1"))
    assert (instance.id, instance.shutdown_ns, instance.type) == ("w#1", 5_000_000_000, ChildType.WORKER)
    for unknown in ("w#2", "v"):
        with pytest.raises(ChildNotFound):
            tree.ask(Get(child=unknown))


# -- administration ----------------------------------------------------------------------------------------------------


def test_child_adm_simple_literally(system: ActorSystem) -> None:
    """Stop by ref; twice is ok; a stranger is not found and lives on; restart and delete are not applicable."""
    tree = simple(system)
    assert tree.counts() == (1, 0, 0, 0)
    one, two = start(tree), start(tree)
    assert tree.counts() == (1, 2, 0, 2)
    assert tree.ask(StopChild(child=one)) is None
    assert tree.ask(StopChild(child=one)) is None
    assert tree.counts() == (1, 1, 0, 1)
    stranger = Tree(system, flags(Strategy.DYNAMIC), [worker("w#2")], name="other").child("w#2")
    for nobody in (stranger, "w"):
        with pytest.raises(ChildNotFound):
            tree.ask(StopChild(child=nobody))
    assert stranger.is_running()
    for child in ("w", "w#2"):
        for message in (RestartChild(child=child), DeleteChild(child=child)):
            with pytest.raises(NotForDynamic):
                tree.ask(message)
    assert two.is_running()
    tree.ask(StopChild(child="w#2"))
    assert tree.counts() == (1, 0, 0, 0)


@pytest.mark.parametrize("kind", ChildType)
def test_count_children_literally(system: ActorSystem, kind: ChildType) -> None:
    """OTP's count_children and count_children_supervisor: specs is 1 however many instances there are."""
    tree = simple(system, worker("w", type=kind, restart=Restart.TEMPORARY))
    for _ in range(20):
        start(tree)
    assert tree.counts() == (1, 20, *((20, 0) if kind is ChildType.SUPERVISOR else (0, 20)))
    for number in range(1, 21):
        tree.end(f"w#{number}", "killed")
    tree.until()
    assert tree.counts() == (1, 0, 0, 0)


def test_count_restarting_children_literally(system: ActorSystem) -> None:
    """Two of three whose restarts are retried: (1,1,0,3); each that is stopped then no longer counts."""
    slow = Backoff(initial_ns=10_000 * MS, max_ns=10_000 * MS, immediate_first=False)
    tree = simple(system, worker("w", backoff=slow))
    refs = [start(tree) for _ in range(3)]
    tree.end("w#1")
    tree.end("w#2")
    wanted: dict[str, int | str] = {"w#1": "restarting", "w#2": "restarting", "w#3": 1}
    tree.until(**wanted)
    assert tree.counts() == (1, 1, 0, 3)
    for ref, left in zip(refs, [(1, 1, 0, 2), (1, 1, 0, 1), (1, 0, 0, 0)], strict=True):
        tree.ask(StopChild(child=ref))
        assert tree.counts() == left


def test_a_start_says_what_it_is_for(system: ActorSystem) -> None:
    """A spec under simple_one_for_one, and arguments or nothing elsewhere, are refused by name; no value is shown."""
    tree, other = simple(system), Tree(system, flags(Strategy.DYNAMIC), name="other")
    with pytest.raises(BadSpec, match=r"StartChild\.spec .* instances of 'w'"):
        tree.add(worker("a"))
    with pytest.raises(BadSpec, match=r"StartChild\.spec is None; it must be a ChildSpec"):
        other.ask(StartChild())
    for args in (("secret",), ["secret"]):
        with pytest.raises(BadSpec, match=r"StartChild\.args") as refused:
            other.ask(StartChild(spec=worker("a"), args=args))  # type: ignore[arg-type]
        assert "secret" not in str(refused.value)
    with pytest.raises(BadSpec, match=r"StartChild\.args is .*list.*a tuple"):
        tree.ask(StartChild(args=["secret"]))  # type: ignore[arg-type]
    assert "secret" not in repr(StartChild(args=("secret",)))
    assert tree.counts() == (1, 0, 0, 0)
    assert other.counts() == (0, 0, 0, 0)


REFUSED: list[tuple[list[ChildSpec], dict[str, Any], str]] = [
    ([], {}, "children is 0; it must be exactly one spec"),
    ([worker("a"), worker("b")], {}, "children is 2; it must be exactly one spec"),
    ([worker("a", register="name")], {}, r"ChildSpec\.register"),
    ([worker("a" * 181)], {}, r"ChildSpec\.id"),
    ([ChildSpec(id="a", start=dict)], {}, r"ChildSpec\.start"),
    ([worker("a", restart=Restart.TRANSIENT, significant=True)], {}, "as auto_shutdown is never"),
    ([worker("a")], {"shared_args": (1,)}, r"SupervisorFlags\.strategy"),
]


@pytest.mark.parametrize(("children", "fields", "text"), REFUSED)
def test_a_wrong_spec_is_refused_before_anything_starts(
    real: ActorSystem, children: list[ChildSpec], fields: dict[str, Any], text: str
) -> None:
    """Any number but one, a name that all instances would share, an id without room for a number, and the usual."""
    with pytest.raises((BadSpec, StartFailed)) as refused:
        Tree(real, flags(SIMPLE, **fields), children)
    error = refused.value.__cause__ or refused.value
    with pytest.raises(BadSpec, match=text):
        raise error


def test_the_limit_counts_instances(system: ActorSystem) -> None:
    """The spec itself is no child."""
    tree = simple(system, max_children=1)
    start(tree)
    with pytest.raises(MaxChildren):
        start(tree)


# -- ends ----------------------------------------------------------------------------------------------------------------


def test_instances_are_replaced_alone_and_escalate_together(system: ActorSystem) -> None:
    """OTP's simple_one_for_one and _escalation: others are untouched; past the intensity all stop, then itself."""
    tree = simple(system, intensity=1)
    for _ in range(3):
        start(tree)
    tree.end("w#2")
    tree.until(**{"w#1": 1, "w#2": 2, "w#3": 1})
    tree.end("w#2")
    tree.gone()
    assert [event.child for event in tree.seen.of(IntensityExceeded)] == ["w#2"]
    assert tree.cause("w#1") == tree.cause("w#3") == Shutdown()
    assert tree.history()[-1] == "-top"


def test_each_instance_has_the_budget_of_the_spec(system: ActorSystem) -> None:
    """OTP's simple_one_for_one_shutdown and sup_stop_timeout_dynamic: side by side."""
    with hanging(system) as hang:
        tree = simple(system, worker("w", shutdown_ns=30 * MS, **hang))
        for _ in range(3):
            start(tree)
        tree.stop()
    assert {tree.cause(f"w#{number}") for number in (1, 2, 3)} == {Fenced("did not stop within its 30 ms")}
    if system.runtime.simulated:
        assert system.runtime.now_ns() == 30 * MS


def test_arguments_go_with_a_temporary_instance(system: ActorSystem) -> None:
    """OTP's simple_one_for_one_corruption and do_not_save_start_parameters: after the first death as well."""

    class Load:
        pass

    heard: list[Any] = []
    tree = simple(system, ChildSpec(id="w", start=Heard, args=(heard,), restart=Restart.TEMPORARY))
    loads: list[weakref.ref[Load]] = []
    for number in range(1, 4):
        load = Load()
        loads.append(weakref.ref(load))
        start(tree, load)
        heard.clear()
        del load
        tree.end(f"w#{number}")
        tree.until()
    tree.seen.events.clear()
    tree.counts()  # what the last handler still held is let go
    gc.collect()
    assert [load() for load in loads] == [None] * 3


@pytest.mark.parametrize("mode", [AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT])
def test_significant_simple_literally(system: ActorSystem, mode: AutoShutdown) -> None:
    """Any: the first instance that ends triggers; all: the last; one that crashes and is restarted does not."""
    template = worker("w", restart=Restart.TRANSIENT, significant=True)
    tree = simple(system, template, auto_shutdown=mode)
    start(tree)
    start(tree)
    tree.end("w#1", "abnormal")
    tree.until(**{"w#1": 2, "w#2": 1})
    tree.end("w#1", "normal")
    if mode is AutoShutdown.ALL_SIGNIFICANT:
        tree.until(**{"w#2": 1})
        tree.end("w#2", "shutdown")
    tree.gone()
    last = "w#2" if mode is AutoShutdown.ALL_SIGNIFICANT else "w#1"
    assert tree.cause() == Shutdown(f"significant child {last!r} has ended")


# -- live updates --------------------------------------------------------------------------------------------------------


def test_code_change_simple_literally(system: ActorSystem) -> None:
    """An update takes exactly one spec; it is read back at once; instances keep their incarnation; None is ignore."""
    tree = simple(system)
    ref = start(tree)
    new = worker("w", shutdown_ns=7 * MS, restart=Restart.TRANSIENT)
    tree.ask(UpdateSupervisor(flags=flags(SIMPLE, intensity=5), children=(new,)))
    assert tree.ask(Get(child="w")) == new
    assert tree.ask(Get(child=ref)).shutdown_ns == 7 * MS
    assert tree.states() == {"w#1": 1}
    tree.ask(UpdateSupervisor())
    wrong: list[tuple[Any, Any]] = [
        (None, []),
        (None, [worker("w"), worker("v")]),
        (None, [worker("w", register="name")]),
        (None, [worker("w", dispatcher=Dispatcher.PINNED)]),
        (None, [ChildSpec(id="w", start=dict)]),
        (None, ["no spec"]),
        (flags(), [worker("w")]),
        (flags(Strategy.DYNAMIC), None),
        (flags(intensity=1), None),
    ]
    for given, children in wrong:
        with pytest.raises(BadSpec):
            tree.ask(UpdateSupervisor(flags=given, children=children))
        assert tree.ask(Get(child="w")) == new
    tree.end("w#1", "normal")
    tree.until()
    assert start(tree).name == "w#2"


def test_code_change_simple_map_literally(system: ActorSystem) -> None:
    """A changed start holds for new instances and for restarts; each keeps its own arguments and its name."""
    heard: list[Any] = []
    tree = simple(system, ChildSpec(id="w", start=Heard, args=(heard, "old", "older")))
    start(tree, 1)
    tree.ask(UpdateSupervisor(children=[ChildSpec(id="v", start=Heard, args=(heard, "new"))]))
    tree.end("w#1")
    tree.until(**{"w#1": 2})
    assert start(tree, 2).name == "v#2"
    assert heard == [("old", "older", 1), ("new", 1), ("new", 2)]
    with pytest.raises(ChildNotFound):
        tree.ask(Get(child="w"))


def test_another_supervisor_does_not_become_one(system: ActorSystem) -> None:
    """Nor does it stop being one: the strategy is for its whole life."""
    for strategy in (Strategy.ONE_FOR_ONE, Strategy.DYNAMIC):
        tree = Tree(system, flags(strategy), [worker("a")], name=f"{strategy}")
        with pytest.raises(BadSpec, match=r"SupervisorFlags\.strategy"):
            tree.ask(UpdateSupervisor(flags=flags(SIMPLE), children=[worker("a")]))
        assert tree.states() == {"a": 1}


class Pool(Supervisor):
    """A supervisor that starts its own instances."""

    def __init__(self) -> None:
        super().__init__(SupervisorFlags(strategy=SIMPLE), [worker("w")])

    def on_receive(self, message: Any) -> Any:
        """Start as many as somebody says."""
        if isinstance(message, int):
            for _ in range(message):
                self.start_child()
            return None
        return super().on_receive(message)


def test_a_subclass_starts_instances_itself(system: ActorSystem) -> None:
    """By `start_child`, with arguments or none."""
    ref, started = system.launch(Pool, name="pool", shutdown_ns=None)
    started.get(timeout=5)
    ref.ask(3, timeout=5)
    wait_until(system, lambda: len(ref._cell.children or ()) == 3)
    assert sorted(cell.name for cell in ref._cell.children or ()) == ["w#1", "w#2", "w#3"]


def test_a_crash_is_reported_with_the_instance(system: ActorSystem) -> None:
    """Events and causes name the instance, so that a log can tell them apart."""
    tree = simple(system)
    start(tree).tell(fail)
    tree.until(**{"w#1": 2})
    assert isinstance(tree.cause("w#1"), Crashed)
