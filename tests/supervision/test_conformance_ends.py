"""OTP's supervisor_SUITE: stop, and ends by restart type. Names as there; on threads and in a dozen simulated orders."""

from typing import Any

import pytest
from tests.supervision.supkit import ENDS, MS, Flaky, Tree, flags, hanging, wait_until, worker

from greenroom.supervision import (
    ActorSystem,
    Cause,
    ChildSpec,
    Crashed,
    Dispatcher,
    Fenced,
    Normal,
    Restart,
    Shutdown,
    ShutdownBudget,
    StartChild,
    StartFailed,
    StopChild,
    Strategy,
    Supervisor,
)
from greenroom.supervision.events import (
    ActorEnded,
    ActorStarted,
    ChildRestarting,
    ReportContext,
    SupervisorReport,
)
from greenroom.supervision.probes import Recorder


def test_sup_stop_infinity(system: ActorSystem) -> None:
    """A budget without end is allowed for workers and supervisors; both are waited for and end with shutdown."""
    ended: list[str] = []
    tree = Tree(system)
    tree.add(worker("w", shutdown_ns=ShutdownBudget.INFINITE, on_stop=lambda actor: ended.append(actor.path)))
    tree.add(ChildSpec(id="s", start=Supervisor, shutdown_ns=ShutdownBudget.INFINITE))
    tree.stop()
    assert ended == ["top/w"]
    assert [tree.cause(path) for path in ("w", "s", "")] == [Shutdown()] * 3


def stops_past_the_budget(system: ActorSystem, strategy: Strategy) -> Tree:
    """Stop a supervisor two of whose children hang."""
    with hanging(system) as hang:
        tree = Tree(system, flags(strategy))
        tree.add(worker("first"))
        tree.add(worker("busy", shutdown_ns=30 * MS, **hang))
        tree.add(worker("busy too", shutdown_ns=40 * MS, **hang))
        tree.add(worker("last"))
        tree.stop()
    assert [tree.cause(name) for name in ("first", "last", "")] == [Shutdown()] * 3
    assert tree.cause("busy") == Fenced("did not stop within its 30 ms")
    reports = {event.child: (event.context, event.reason) for event in tree.seen.of(SupervisorReport)}
    assert reports == {
        "busy": (ReportContext.SHUTDOWN_ERROR, Fenced("did not stop within its 30 ms")),
        "busy too": (ReportContext.SHUTDOWN_ERROR, Fenced("did not stop within its 40 ms")),
    }
    return tree


def test_sup_stop_timeout(system: ActorSystem) -> None:
    """A child busy past its budget is fenced and reported so; its siblings end with shutdown."""
    tree = stops_past_the_budget(system, Strategy.ONE_FOR_ONE)
    if system.runtime.simulated:
        assert system.runtime.now_ns() == 70 * MS
    assert [event[1:] for event in tree.history() if event[0] == "-"] == [
        "last",
        "busy too",
        "busy",
        "first",
        "top",
    ]


def test_sup_stop_timeout_dynamic(system: ActorSystem) -> None:
    """The same for children of a dynamic supervisor, whose budgets run side by side."""
    stops_past_the_budget(system, Strategy.DYNAMIC)
    if system.runtime.simulated:
        assert system.runtime.now_ns() == 40 * MS


def stops_brutally(system: ActorSystem, strategy: Strategy) -> None:
    """Stop children and a supervisor whose budget is brutal."""
    told: list[str] = []
    tree = Tree(system, flags(strategy))
    spec = worker("a", shutdown_ns=ShutdownBudget.BRUTAL, on_stop=lambda actor: told.append(actor.path))
    tree.add(spec)
    tree.ask(StopChild(child="a"))
    assert tree.cause("a") == Fenced("brutal shutdown")
    tree.add(worker("b", shutdown_ns=ShutdownBudget.BRUTAL, on_stop=spec.kwargs["on_stop"]))
    tree.add(worker("c"))
    tree.stop()
    assert told == []
    assert [tree.cause(name) for name in ("b", "c", "")] == [
        Fenced("brutal shutdown"),
        Shutdown(),
        Shutdown(),
    ]


def test_sup_stop_brutal_kill(system: ActorSystem) -> None:
    """Brutal: no shutdown is asked for, fenced at once."""
    stops_brutally(system, Strategy.ONE_FOR_ONE)


def test_sup_stop_brutal_kill_dynamic(system: ActorSystem) -> None:
    """The same under a dynamic supervisor."""
    stops_brutally(system, Strategy.DYNAMIC)


CAUSES: dict[str, type[Cause]] = {
    "normal": Normal,
    "shutdown": Shutdown,
    "shutdown with a term": Shutdown,
    "abnormal": Crashed,
}


def races(system: ActorSystem, strategy: Strategy) -> None:
    """Stop a supervisor while its children end by themselves, in every way, when they hear of each other's ends."""
    tree = Tree(system, flags(strategy, intensity=0))
    ways = [(restart, how) for restart in Restart for how in CAUSES]
    refs = [tree.add(worker(f"{restart} {how}", restart=restart)) for restart, how in ways]
    ending = [*zip(refs, ways, strict=True)]

    def all_end(_: Any) -> None:
        for ref, (_, how) in ending:
            ref.send(ENDS[how])

    # The last child is the first to be stopped, and has the others end while their supervisor waits for it.
    tree.add(worker("last", on_stop=all_end))
    restarts = Recorder(system)
    tree.stop()
    assert restarts.of(ChildRestarting) == []
    assert restarts.of(ActorStarted) == []
    for _, (restart, how) in ending:
        cause = tree.cause(f"{restart} {how}")
        assert isinstance(cause, CAUSES[how] | Shutdown)
        if isinstance(cause, Shutdown) and cause.detail:
            assert how == "shutdown with a term"
    if system.runtime.simulated:
        system.runtime.run_until_idle()
    assert tree.cause() == Shutdown()


def test_sup_stop_race(system: ActorSystem) -> None:
    """Children that end by themselves while their supervisor stops are not restarted; each keeps its own cause."""
    races(system, Strategy.ONE_FOR_ONE)


@pytest.mark.parametrize("restart", Restart)
def test_who_ended_before_its_turn_to_stop_keeps_its_own_cause(system: ActorSystem, restart: Restart) -> None:
    """As sup_stop_race, without the race: each of the others has ended before its supervisor comes to it."""
    tree = Tree(system, flags(intensity=0))
    refs = [tree.add(worker(how, restart=restart)) for how in CAUSES]

    def all_end(_: Any) -> None:
        for ref, how in zip(refs, CAUSES, strict=True):
            ref.send(ENDS[how])
        if system.runtime.simulated:
            system.runtime.linger(MS)
        else:
            wait_until(system, lambda: not any(ref.is_running() for ref in refs))

    tree.add(worker("last", on_stop=all_end, dispatcher=Dispatcher.PINNED))
    tree.stop()
    causes = [tree.cause(how) for how in CAUSES]
    assert [type(cause) for cause in causes] == [*CAUSES.values()]
    assert {cause.detail for cause in causes if isinstance(cause, Shutdown)} == {"", "term"}
    assert tree.cause() == Shutdown()


def test_sup_stop_non_shutdown_exit_dynamic(system: ActorSystem) -> None:
    """The same for a dynamic supervisor: it does not wait for ever for one that ended otherwise."""
    races(system, Strategy.DYNAMIC)


# -- ends by restart type ------------------------------------------------------------------------------------------


def ends(system: ActorSystem, restart: Restart, *ways: str, again: bool) -> None:
    """Have a child end in several ways, and see whether it is replaced."""
    for how in ways:
        tree = Tree(system, children=[worker("a", restart=restart)], name=f"{restart} {how}")
        tree.end("a", how)
        if again:
            tree.until(a=2)
            assert tree.counts() == (1, 1, 0, 1)
        elif restart is Restart.TEMPORARY:
            tree.until()
            assert tree.counts() == (0, 0, 0, 0)
        else:
            tree.until(a="stopped")
            assert tree.counts() == (1, 0, 0, 1)
        tree.stop()


SHUTDOWNS = ("shutdown", "shutdown with a term")


def test_permanent_normal(system: ActorSystem) -> None:
    """A permanent child that ends normally is restarted: a new incarnation, (1,1,0,1)."""
    ends(system, Restart.PERMANENT, "normal", again=True)


def test_permanent_shutdown(system: ActorSystem) -> None:
    """So is one that ends with shutdown."""
    ends(system, Restart.PERMANENT, *SHUTDOWNS, again=True)


def test_permanent_abnormal(system: ActorSystem) -> None:
    """So is one that crashes or is fenced."""
    ends(system, Restart.PERMANENT, "abnormal", "killed", again=True)


def test_transient_normal(system: ActorSystem) -> None:
    """A transient child that ends normally is not restarted; its spec stays, stopped: (1,0,0,1)."""
    ends(system, Restart.TRANSIENT, "normal", again=False)


def test_transient_shutdown(system: ActorSystem) -> None:
    """Nor one that ends with shutdown, with or without a term."""
    ends(system, Restart.TRANSIENT, *SHUTDOWNS, again=False)


def test_transient_abnormal(system: ActorSystem) -> None:
    """One that crashes or is fenced is restarted."""
    ends(system, Restart.TRANSIENT, "abnormal", "killed", again=True)


def test_temporary_normal(system: ActorSystem) -> None:
    """A temporary child is never restarted, and its spec goes: (0,0,0,0)."""
    ends(system, Restart.TEMPORARY, "normal", again=False)


def test_temporary_shutdown(system: ActorSystem) -> None:
    """Nor when it ends with shutdown."""
    ends(system, Restart.TEMPORARY, *SHUTDOWNS, again=False)


def test_temporary_abnormal(system: ActorSystem) -> None:
    """Nor when it crashes or is fenced."""
    ends(system, Restart.TEMPORARY, "abnormal", "killed", again=False)


def test_faulty_application_shutdown(system: ActorSystem) -> None:
    """When the root fails to start, the caller gets the first cause with its traceback; what had started is stopped."""
    seen = Recorder(system)
    inner = [worker("ok"), worker("broken", on_start=Flaky(9)), worker("never")]
    children = [worker("before"), ChildSpec(id="inner", start=Supervisor, args=(flags(), inner))]
    _, started = system.launch(Supervisor, (flags(), children), name="root")
    with pytest.raises(StartFailed) as failed:
        started.get(timeout=5)
    first: Any = failed.value
    while first.__cause__ is not None:
        first = first.__cause__
    assert isinstance(first, OSError)
    frames: list[str] = []
    trace = first.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_qualname)
        trace = trace.tb_next
    assert frames[-1] == "Flaky.__call__"
    assert [event.path for event in seen.of(ActorStarted)] == ["root/before", "root/inner/ok"]
    assert [event.path for event in seen.of(ActorEnded)] == [
        "root/inner/broken",
        "root/inner/ok",
        "root/inner",
        "root/before",
        "root",
    ]
    assert system.roots() == ()


def test_a_child_that_cannot_be_started_is_refused_and_not_kept(system: ActorSystem) -> None:
    """What is no actor is refused before the family knows it, so that its name stays free."""
    tree = Tree(system)
    with pytest.raises(ValueError, match=r"ChildSpec\.start"):
        tree.ask(StartChild(spec=ChildSpec(id="a", start=dict)))
    assert tree.states() == {}
    tree.add(worker("a"))
