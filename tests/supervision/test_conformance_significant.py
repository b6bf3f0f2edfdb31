"""OTP's supervisor_SUITE: significant children and auto-shutdown. Names as there; on threads and in simulated orders."""

from dataclasses import replace
from typing import Any

import pytest
from tests.supervision.supkit import MS, Tree, flags, normal, worker

from greenroom.supervision import (
    START_LATER,
    ActorSystem,
    AutoShutdown,
    Backoff,
    BadSpec,
    ChildSpec,
    ChildType,
    Restart,
    RestartChild,
    Shutdown,
    StartChild,
    StopChild,
    Strategy,
    Supervisor,
    UpdateSupervisor,
)
from greenroom.supervision.probes import Probe

NEVER, ANY, ALL = AutoShutdown.NEVER, AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT
TEMPORARY, TRANSIENT = Restart.TEMPORARY, Restart.TRANSIENT


def significant(name: str, restart: Restart = TEMPORARY) -> ChildSpec:
    """Return the spec of a significant child."""
    return worker(name, restart=restart, significant=True)


def family(
    system: ActorSystem, mode: AutoShutdown, *specs: ChildSpec, strategy: Strategy = Strategy.ONE_FOR_ONE
) -> Tree:
    """Start a bystander and the children."""
    return Tree(
        system,
        flags(strategy, auto_shutdown=mode),
        [worker("by"), *specs],
        name=f"top {system.runtime.next_id()}",
    )


def was_shut_down(tree: Tree, because: str) -> None:
    """Wait for an auto-shutdown; the bystander is stopped as usual."""
    tree.gone()
    assert tree.cause() == Shutdown(f"significant child {because!r} has ended")
    assert tree.cause("by") == Shutdown()


def never_shuts_down(system: ActorSystem, restart: Restart, mode: AutoShutdown) -> None:
    """Have a child that is not significant end in every way."""
    for how in ("admin", "killed", "abnormal", "normal"):
        tree = family(system, mode, worker("a", restart=restart))
        if how == "admin":
            tree.ask(StopChild(child="a"))
        else:
            tree.end("a", how)
        if restart is TRANSIENT and how in ("killed", "abnormal"):
            tree.until(by=1, a=2)
        elif restart is TRANSIENT:
            tree.until(by=1, a="stopped")
        else:
            tree.until(by=1)
        tree.stop()


@pytest.mark.parametrize("mode", AutoShutdown)
def test_nonsignificant_temporary(system: ActorSystem, mode: AutoShutdown) -> None:
    """No end of a temporary child that is not significant shuts its supervisor down, in any mode."""
    never_shuts_down(system, TEMPORARY, mode)


@pytest.mark.parametrize("mode", AutoShutdown)
def test_nonsignificant_transient(system: ActorSystem, mode: AutoShutdown) -> None:
    """The same for a transient one; killed and crashed it is restarted."""
    never_shuts_down(system, TRANSIENT, mode)


def test_significant_temporary(system: ActorSystem) -> None:
    """Any: an admin stop does not trigger; killed, abnormal and normal do. All: only the last significant one does."""
    for how in ("killed", "abnormal", "normal"):
        tree = family(system, ANY, significant("a"), significant("b"))
        tree.ask(StopChild(child="b"))
        tree.until(by=1, a=1)
        tree.end("a", how)
        was_shut_down(tree, "a")
        tree = family(system, ALL, significant("a"), significant("b"), significant("c"))
        tree.end("a", how)
        tree.until(by=1, b=1, c=1)
        tree.ask(StopChild(child="c"))
        tree.end("b", how)
        was_shut_down(tree, "b")


def test_significant_transient(system: ActorSystem) -> None:
    """Any: stopped, killed and abnormal ones (restarted) do not trigger; a normal end does. All: the last one does."""
    for how in ("normal", "shutdown", "shutdown with a term"):
        tree = family(system, ANY, significant("a", TRANSIENT), significant("b", TRANSIENT))
        tree.ask(StopChild(child="b"))
        tree.end("a", "killed")
        tree.until(by=1, a=2, b="stopped")
        tree.end("a", "abnormal")
        tree.until(by=1, a=3, b="stopped")
        tree.end("a", how)
        was_shut_down(tree, "a")
        tree = family(system, ALL, significant("a", TRANSIENT), significant("b", TRANSIENT))
        tree.end("a", how)
        tree.until(by=1, a="stopped", b=1)
        tree.end("b", "abnormal")
        tree.until(by=1, a="stopped", b=2)
        tree.end("b", how)
        was_shut_down(tree, "b")


def test_significant_simple(system: ActorSystem) -> None:
    """Any and all work for a dynamic supervisor."""
    dynamic = Strategy.DYNAMIC
    tree = family(system, ANY, significant("a"), significant("b"), strategy=dynamic)
    tree.end("a")
    was_shut_down(tree, "a")
    tree = family(system, ALL, significant("a"), significant("b", TRANSIENT), strategy=dynamic)
    tree.end("a")
    tree.until(by=1, b=1)
    tree.end("b")
    tree.until(by=1, b=2)
    tree.end("b", "normal")
    was_shut_down(tree, "b")


@pytest.mark.parametrize("mode", [ANY, ALL])
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_significant_bystander(system: ActorSystem, mode: AutoShutdown, strategy: Strategy) -> None:
    """A significant child that is stopped because of a sibling does not trigger."""
    tree = family(system, mode, significant("a"), significant("b", TRANSIENT), strategy=strategy)
    tree.end("by")
    tree.until(by=2, b=2)
    tree.end("b", "normal")
    was_shut_down(tree, "b")


@pytest.mark.parametrize("mode", [ANY, ALL])
@pytest.mark.parametrize("is_significant", [True, False])
def test_significant_escalation(system: ActorSystem, mode: AutoShutdown, is_significant: bool) -> None:
    """An auto-shutdown of B triggers its supervisor A only if B is significant in A."""
    below = ChildSpec(
        id="B",
        start=Supervisor,
        args=(flags(auto_shutdown=ANY), [significant("leaf")]),
        type=ChildType.SUPERVISOR,
        restart=TRANSIENT,
        significant=is_significant,
    )
    tree = family(system, mode, below)
    leaf = next(cell for cell in tree.child("B")._cell.children or () if cell.name == "leaf")
    leaf.ref.tell(normal)
    if is_significant:
        was_shut_down(tree, "B")
    else:
        tree.until(by=1, B="stopped")


def upgrade(tree: Tree, mode: AutoShutdown, *specs: ChildSpec) -> None:
    """Change the mode of a running supervisor."""
    tree.ask(UpdateSupervisor(flags=flags(auto_shutdown=mode), children=specs))


def from_never(system: ActorSystem, mode: AutoShutdown) -> None:
    """Have a supervisor learn to shut down."""
    tree = family(system, NEVER)
    with pytest.raises(BadSpec, match="as auto_shutdown is never"):
        tree.add(significant("a"))
    assert tree.states() == {"by": 1}
    upgrade(tree, mode)
    tree.add(significant("a"))
    tree.end("a", "normal")
    was_shut_down(tree, "a")


def to_never(system: ActorSystem, mode: AutoShutdown) -> None:
    """Have a supervisor forget to shut down."""
    tree = family(system, mode, significant("a", TRANSIENT))
    upgrade(tree, NEVER)
    tree.until(by=1, a=1)
    tree.end("a", "normal")
    tree.until(by=1, a="stopped")
    with pytest.raises(BadSpec, match="as auto_shutdown is never"):
        tree.add(significant("b"))
    tree.ask(RestartChild(child="a"))
    tree.until(by=1, a=2)


def test_significant_upgrade_never_any(system: ActorSystem) -> None:
    """Mode never refuses a significant child; after a live update to any it is accepted and triggers."""
    from_never(system, ANY)


def test_significant_upgrade_never_all(system: ActorSystem) -> None:
    """The same with all."""
    from_never(system, ALL)


def test_significant_upgrade_any_never(system: ActorSystem) -> None:
    """After an update to never nothing triggers, new significant children are refused, a known one can be restarted."""
    to_never(system, ANY)


def test_significant_upgrade_all_never(system: ActorSystem) -> None:
    """The same with all."""
    to_never(system, ALL)


def test_significant_upgrade_any_all(system: ActorSystem) -> None:
    """The new mode holds from the next end on, for children that were there before."""
    tree = family(system, ANY, significant("a"), significant("b"))
    upgrade(tree, ALL)
    tree.end("a")
    tree.until(by=1, b=1)
    tree.end("b")
    was_shut_down(tree, "b")


def test_significant_upgrade_all_any(system: ActorSystem) -> None:
    """The same the other way round."""
    tree = family(system, ALL, significant("a"), significant("b"))
    upgrade(tree, ANY)
    tree.end("a")
    was_shut_down(tree, "a")


def test_significant_upgrade_child(system: ActorSystem) -> None:
    """A running child made significant triggers, one made ordinary does not; under never nothing has changed."""
    plain = worker("a", restart=TRANSIENT)
    tree = family(system, ANY, plain, significant("b", TRANSIENT))
    upgrade(tree, ANY, worker("by"), significant("a", TRANSIENT), worker("b", restart=TRANSIENT))
    tree.until(by=1, a=1, b=1)
    tree.end("b", "normal")
    tree.until(by=1, a=1, b="stopped")
    tree.end("a", "normal")
    was_shut_down(tree, "a")
    tree = family(system, NEVER, plain)
    with pytest.raises(BadSpec):
        upgrade(tree, NEVER, worker("a", restart=TEMPORARY), significant("by", TRANSIENT))
    assert [info.spec.restart for info in tree.children().values()] == [Restart.PERMANENT, TRANSIENT]


def test_a_refused_significant_child_is_not_kept(system: ActorSystem) -> None:
    """What a refused `StartChild` named is unknown, and can be started otherwise."""
    tree = family(system, NEVER)
    with pytest.raises(BadSpec):
        tree.ask(StartChild(spec=significant("a")))
    tree.add(worker("a"))
    tree.until(by=1, a=1)


def test_a_significant_child_that_is_being_restarted_is_not_over(system: ActorSystem) -> None:
    """All: one in back-off still counts as there, so the end of the other does not trigger."""
    slow = Backoff(initial_ns=10**13, max_ns=10**13, immediate_first=False)
    waits = worker("b", restart=TRANSIENT, significant=True, backoff=slow)
    tree = family(system, ALL, significant("a"), waits)
    tree.end("b")
    tree.until(by=1, a=1, b="restarting")
    tree.end("a")
    tree.until(by=1, b="restarting")


def early(actor: Probe) -> None:
    """End as soon as it has started."""
    actor.after(0, normal, actor)


def late(actor: Probe) -> Any:
    """Start a while later."""
    actor.after(5 * MS, actor.acknowledge)
    return START_LATER


@pytest.mark.parametrize("mode", [ANY, ALL])
@pytest.mark.parametrize("restart", [TEMPORARY, TRANSIENT])
def test_a_significant_child_that_ends_during_the_boot_ends_who_has_started(
    system: ActorSystem, mode: AutoShutdown, restart: Restart
) -> None:
    """As in OTP: its end is heard when all have started, so that starts, and then shuts down."""
    quick = worker("quick", restart=restart, significant=True, on_start=early)
    tree = Tree(system, flags(auto_shutdown=mode), [worker("by"), quick, worker("slow", on_start=late)])
    tree.gone()
    assert tree.cause() == Shutdown("significant child 'quick' has ended")
    assert tree.cause("slow") == Shutdown()
    assert tree.history().index("+slow") < tree.history().index("+top") < tree.history().index("-by")


def test_significant_children_that_are_still_to_be_started_count(system: ActorSystem) -> None:
    """Those of a boot that are started later hold up a shutdown that waits for all; not if they ended in the boot too."""
    quick = worker("quick", restart=TRANSIENT, significant=True, on_start=early)
    slow = worker("slow", restart=TRANSIENT, significant=True, on_start=late)
    tree = Tree(system, flags(auto_shutdown=ALL), [quick, slow])
    assert tree.states() == {"quick": "stopped", "slow": 1}
    tree.end("slow", "normal")
    tree.gone()
    assert tree.cause() == Shutdown("significant child 'slow' has ended")
    both = Tree(
        system,
        flags(auto_shutdown=ALL),
        [quick, replace(quick, id="too"), worker("by", on_start=late)],
        name="both",
    )
    both.gone()
    assert both.cause() in [Shutdown(f"significant child {last!r} has ended") for last in ("quick", "too")]
