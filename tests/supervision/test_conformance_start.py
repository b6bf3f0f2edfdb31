"""OTP's supervisor_SUITE: start, and specs as data. Names as there; on real threads and in a dozen simulated orders."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.supervision.supkit import Flaky, Tree, flags, worker

from greenroom.supervision import (
    IGNORE,
    ActorSystem,
    BadSpec,
    ChildNotFound,
    ChildSpec,
    ChildType,
    Normal,
    Restart,
    RestartChild,
    Shutdown,
    ShutdownBudget,
    StartChild,
    StartedChild,
    StartFailed,
    StopChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
)
from greenroom.supervision import GetChildSpec as Get
from greenroom.supervision.events import ActorEnded
from greenroom.supervision.probes import Probe, Recorder


def ignore(_: Probe) -> Any:
    """Decide not to run."""
    return IGNORE


def test_sup_start_normal(system: ActorSystem) -> None:
    """A supervisor starts, and stops with the cause shutdown when its parent says so."""
    tree = Tree(system, children=[worker("a")])
    assert tree.counts() == (1, 1, 0, 1)
    tree.stop()
    assert tree.cause() == Shutdown()


def test_sup_start_ignore_init(system: ActorSystem) -> None:
    """A supervisor whose set-up says "ignore" is not started, which is no error; it ends normally."""

    class Ignoring(Supervisor):
        def on_start(self) -> Any:
            return IGNORE

    seen = Recorder(system)
    _, started = system.launch(Ignoring, name="ignoring")
    assert started.get(timeout=5) is None
    assert system.roots() == ()
    assert [event.cause for event in seen.of(ActorEnded)] == [Normal()]
    tree = Tree(system)
    assert tree.ask(StartChild(spec=ChildSpec(id="a", start=Ignoring))) == StartedChild(ref=None)


def test_sup_start_ignore_child(system: ActorSystem) -> None:
    """A child that ignores has no ref; its spec is kept; it counts as spec and worker, and not as active."""
    tree = Tree(system)
    assert tree.ask(StartChild(spec=worker("a"))).ref is not None
    assert tree.ask(StartChild(spec=worker("b", on_start=ignore))) == StartedChild(ref=None)
    assert tree.states() == {"a": 1, "b": "stopped"}
    assert tree.counts() == (2, 1, 0, 2)


def test_sup_start_ignore_temporary_child(system: ActorSystem) -> None:
    """The spec of a temporary child that ignores, given in the supervisor's own list, is not kept."""
    tree = Tree(system, children=[worker("a", restart=Restart.TEMPORARY, on_start=ignore), worker("b")])
    assert tree.states() == {"b": 1}
    assert tree.counts() == (1, 1, 0, 1)


def test_sup_start_ignore_temporary_child_start_child(system: ActorSystem) -> None:
    """Nor is that of one that was added by `StartChild`."""
    tree = Tree(system)
    tree.add(worker("a"))
    assert tree.add(worker("b", restart=Restart.TEMPORARY, on_start=ignore)) is None
    assert tree.counts() == (1, 1, 0, 1)


def test_sup_start_ignore_temporary_child_start_child_simple(system: ActorSystem) -> None:
    """The same under a dynamic supervisor."""
    tree = Tree(system, flags(Strategy.DYNAMIC))
    tree.add(worker("a", restart=Restart.TEMPORARY))
    assert tree.add(worker("b", restart=Restart.TEMPORARY, on_start=ignore)) is None
    assert tree.counts() == (1, 1, 0, 1)


def test_sup_start_ignore_permanent_child_start_child_simple(system: ActorSystem) -> None:
    """Under a dynamic supervisor a child that ignores is not kept even if permanent; it still stops cleanly."""
    tree = Tree(system, flags(Strategy.DYNAMIC))
    tree.add(worker("a"))
    assert tree.add(worker("b", on_start=ignore)) is None
    assert tree.counts() == (1, 1, 0, 1)
    tree.stop()
    assert tree.cause() == Shutdown()


class Nonsense(Supervisor):
    """Its set-up asks for what is no supervisor's flags."""

    def __init__(self) -> None:
        super().__init__("nonsense")  # type: ignore[arg-type]


class Raising(Supervisor):
    """Its set-up raises."""

    def __init__(self) -> None:
        raise OSError("no set-up")


def gone(system: ActorSystem, supervisor: type[Supervisor], cause: type[BaseException]) -> None:
    """Have a supervisor fail to start twice under one name; nothing is left of it."""
    for _ in range(2):
        _, started = system.launch(supervisor, name="broken")
        with pytest.raises(StartFailed) as failed:
            started.get(timeout=5)
        assert isinstance(failed.value.__cause__, cause)
        assert system.roots() == ()


def test_sup_start_error_return(system: ActorSystem) -> None:
    """Set-up that returns nonsense: the start fails with that reason, the supervisor is gone, its name is free."""
    gone(system, Nonsense, BadSpec)


def test_sup_start_fail(system: ActorSystem) -> None:
    """Set-up that raises: the same."""
    gone(system, Raising, OSError)


def fails_to_start(system: ActorSystem, strategy: Strategy) -> None:
    """Start a child that fails, and start it again."""
    tree = Tree(system, flags(strategy))
    start = Flaky(1)
    with pytest.raises(StartFailed) as failed:
        tree.add(worker("a", on_start=start))
    assert isinstance(failed.value.__cause__, OSError)
    assert tree.counts() == (0, 0, 0, 0)
    assert tree.add(worker("a", on_start=start)).incarnation == 1


def test_sup_start_child_returns_error(system: ActorSystem) -> None:
    """`StartChild` of a child that fails to start: the error reaches the caller, nothing is kept."""
    fails_to_start(system, Strategy.ONE_FOR_ONE)


def test_sup_start_child_returns_error_simple(system: ActorSystem) -> None:
    """The same under a dynamic supervisor."""
    fails_to_start(system, Strategy.DYNAMIC)


def test_sup_start_restart_child_returns_error(system: ActorSystem) -> None:
    """`RestartChild` that fails: the error reaches the caller, the child stays known and stopped."""
    start = Flaky()
    tree = Tree(system, children=[worker("a", on_start=start)])
    tree.ask(StopChild(child="a"))
    start.failures = 1
    with pytest.raises(StartFailed) as failed:
        tree.ask(RestartChild(child="a"))
    assert isinstance(failed.value.__cause__, OSError)
    assert tree.states() == {"a": "stopped"}
    tree.ask(RestartChild(child="a"))
    assert tree.counts() == (1, 1, 0, 1)


def test_a_child_that_ignored_once_is_kept_when_its_restart_fails(system: ActorSystem) -> None:
    """Only a first start that fails leaves nothing; one that was ignored is known (found by the naive model)."""

    def ignore_then_fail(actor: Probe) -> Any:
        if actor.incarnation == 1:
            return IGNORE
        raise OSError("does not start")

    tree = Tree(system)
    assert tree.add(worker("a", on_start=ignore_then_fail)) is None
    with pytest.raises(StartFailed):
        tree.ask(RestartChild(child="a"))
    assert tree.states() == {"a": "stopped"}


# -- specs as data ----------------------------------------------------------------------------------------------


def read_back(system: ActorSystem, strategy: Strategy) -> None:
    """Start children with the defaults and read their specs back."""
    tree = Tree(system, flags(strategy))
    spec = worker("a", args=([],))
    ref = tree.add(spec)
    assert tree.ask(Get(child="a")) == spec
    assert tree.ask(Get(child=ref)) == spec
    with pytest.raises(ChildNotFound):
        tree.ask(Get(child="b"))
    assert spec.restart is Restart.PERMANENT
    assert spec.shutdown_ns == 5_000_000_000
    assert spec.type is ChildType.WORKER
    assert not spec.significant
    above = ChildSpec(id="s", start=Supervisor, type=ChildType.SUPERVISOR)
    tree.add(above)
    assert tree.ask(Get(child="s")).shutdown_ns is ShutdownBudget.INFINITE


def test_sup_start_map(system: ActorSystem) -> None:
    """Defaults: permanent, 5,000 ms for a worker and infinite for a supervisor, type worker; all can be read back."""
    read_back(system, Strategy.ONE_FOR_ONE)


def test_sup_start_map_simple(system: ActorSystem) -> None:
    """The same under a dynamic supervisor, where each child brings its own spec (as in Elixir's)."""
    read_back(system, Strategy.DYNAMIC)


FAULTY: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: ChildSpec(start=Probe), TypeError, "id"),  # type: ignore[call-arg]
    (lambda: ChildSpec(id="a"), TypeError, "start"),  # type: ignore[call-arg]
    (lambda: ChildSpec(id="a", start=Probe, colour="red"), TypeError, "colour"),  # type: ignore[call-arg]
    (lambda: "not a spec", BadSpec, "children is 'not a spec'; it must be a ChildSpec"),
    (lambda: worker(""), BadSpec, "ChildSpec.id"),
    (lambda: ChildSpec(id="a", start=dict), BadSpec, "ChildSpec.start"),
    (lambda: worker("first"), BadSpec, "unique among its siblings"),
]


@pytest.mark.parametrize(("spec", "error", "text"), FAULTY)
def test_sup_start_map_faulty_specs(
    real: ActorSystem, spec: Callable[[], Any], error: type[Exception], text: str
) -> None:
    """What is missing, unknown or no spec is refused by its own reason before anything starts (OTP ignores unknown)."""
    seen = Recorder(real)

    class Faulty(Supervisor):
        def __init__(self) -> None:
            super().__init__(SupervisorFlags(), [worker("first"), spec()])

    _, started = real.launch(Faulty, name="faulty")
    with pytest.raises(StartFailed) as failed:
        started.get(timeout=5)
    assert isinstance(failed.value.__cause__, error)
    assert text in str(failed.value.__cause__)
    assert [event for event in seen.events if event.path != "faulty"] == []
