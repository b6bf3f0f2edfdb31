"""Registered names: found while their actor is alive, over restarts, and free before anybody hears of its death."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

from threading import Event, Thread
from typing import Any

import pytest
from tests.supervision.supkit import Tree, fail, wait_until, worker

from greenroom.supervision import (
    ActorDead,
    ActorFenced,
    ActorSystem,
    AlreadyRegistered,
    BadSpec,
    DeleteChild,
    Dispatcher,
    Restart,
    RestartChild,
    StartChild,
    StartFailed,
    StopChild,
    UpdateSupervisor,
)
from greenroom.supervision.probes import Probe
from greenroom.supervision.spec import LONGEST_ID


def test_a_registered_actor_is_found_by_its_name(system: ActorSystem) -> None:
    """By each of its names; others are not found."""
    ref, other = system.start(Probe), system.start(Probe)
    system.register("stage", ref)
    system.register("hall", ref)
    system.register("door", other)
    assert system.whereis("stage") == system.whereis("hall") == ref
    assert system.whereis("door") == other
    assert system.whereis("attic") is None
    assert system.registered() == ("door", "hall", "stage")
    assert ref.ask(lambda actor: actor.system.whereis("door"), timeout=5) == other


def test_a_name_means_one_actor(system: ActorSystem) -> None:
    """A second holder is refused with the name and the path of the first; the same one again changes nothing."""
    ref, other = system.start(Probe), system.start(Probe)
    system.register("stage", ref)
    system.register("stage", ref)
    with pytest.raises(AlreadyRegistered, match=r"'stage' is registered for actor 'Probe-\d+'") as caught:
        system.register("stage", other)
    assert (caught.value.name, caught.value.holder) == ("stage", ref.path)
    assert system.whereis("stage") == ref


def test_a_name_that_was_taken_back_is_free(system: ActorSystem) -> None:
    """It can be given to another; taking it back twice says so."""
    ref, other = system.start(Probe), system.start(Probe)
    system.register("stage", ref)
    system.register("hall", ref)
    assert system.unregister("stage") is True
    assert system.unregister("stage") is False
    assert system.whereis("stage") is None
    system.register("stage", other)
    ref.stop(timeout=5)
    assert system.registered() == ("stage",)
    assert system.whereis("stage") == other


def test_the_dead_are_forgotten_before_anybody_hears_of_their_end(system: ActorSystem) -> None:
    """Who is told of the end, by whichever way, finds the name free."""
    ref = system.start(Probe)
    system.register("stage", ref)
    found: list[Any] = []
    ref.watch(lambda _, __: found.append((ref.is_alive(), system.whereis("stage"), system.registered())))
    watcher = system.start(Probe)
    watcher.ask(lambda actor: actor.monitor(ref) and None, timeout=5)
    ref.stop(timeout=5)
    assert system.whereis("stage") is None
    wait_until(system, lambda: found)
    assert found == [(False, None, ())]
    system.register("stage", watcher)


def test_the_dead_cannot_be_registered(system: ActorSystem) -> None:
    """Else the name would never be free again."""
    ref = system.start(Probe)
    ref.stop(timeout=5)
    with pytest.raises(ActorDead):
        system.register("stage", ref)
    assert system.registered() == ()


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * (LONGEST_ID + 1), None, 7])
def test_an_invalid_name_is_refused(simulated: ActorSystem, name: Any) -> None:
    """By field and value, wherever a name is given."""
    ref = simulated.start(Probe)
    with pytest.raises(BadSpec, match="printable text") as caught:
        simulated.register(name, ref)
    assert (caught.value.field, caught.value.value) == ("name", name)
    if name is not None:
        with pytest.raises(BadSpec, match="register is"):
            simulated.launch(Probe, name="probe", register=name)
    assert simulated.registered() == ()


def test_only_refs_of_this_system_are_registered(simulated: ActorSystem) -> None:
    """Neither another system's, nor what is no ref."""
    with ActorSystem(simulated.runtime) as other:
        for wrong in (other.start(Probe), "stage", None):
            with pytest.raises(BadSpec, match="of this system"):
                simulated.register("stage", wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_child_is_registered_before_its_start_is_acknowledged(system: ActorSystem) -> None:
    """Its own ``on_start`` finds it, and so does who was told that it has started."""
    seen: list[Any] = []
    spec = worker("a", register="stage", on_start=lambda actor: seen.append(actor.system.whereis("stage")))
    tree = Tree(system, children=[spec])
    assert seen == [tree.child("a")]
    assert system.whereis("stage") == tree.child("a")


def test_a_registered_name_stays_over_restarts(system: ActorSystem) -> None:
    """Whether it crashes, or is stopped and started again; it is free once the child is deleted."""
    tree = Tree(system, children=[worker("a", register="stage")])
    ref = tree.child("a")
    tree.end("a")
    tree.until(a=2)
    assert system.whereis("stage") == ref
    tree.ask(StopChild(child="a"))
    assert system.whereis("stage") == ref
    tree.ask(RestartChild(child="a"))
    assert ref.incarnation == 3
    tree.ask(StopChild(child="a"))
    tree.ask(DeleteChild(child="a"))
    assert system.whereis("stage") is None


def test_a_child_whose_name_is_taken_does_not_start(system: ActorSystem) -> None:
    """The starter hears who has it; nothing is kept, and the holder does not notice."""
    tree = Tree(system, children=[worker("a", register="stage")])
    with pytest.raises(StartFailed) as caught:
        tree.ask(StartChild(spec=worker("b", register="stage")))
    assert isinstance(caught.value.cause, AlreadyRegistered)
    assert caught.value.cause.holder == "top/a"
    assert list(tree.children()) == ["a"]
    tree.ask(StopChild(child="a"))
    tree.ask(DeleteChild(child="a"))
    assert system.whereis("stage") is None
    assert tree.add(worker("b", register="stage")) == system.whereis("stage")


def test_a_child_that_fails_to_start_leaves_its_name_free(system: ActorSystem) -> None:
    """Whoever hears of the failure can use the name."""
    tree = Tree(system)
    with pytest.raises(StartFailed):
        tree.ask(StartChild(spec=worker("a", register="stage", on_start=fail)))
    assert system.whereis("stage") is None
    assert tree.add(worker("a", register="stage")) == system.whereis("stage")


def test_a_temporary_child_frees_its_name(system: ActorSystem) -> None:
    """When its supervisor lets go of it."""
    tree = Tree(system, children=[worker("a", register="stage", restart=Restart.TEMPORARY)])
    ref = tree.child("a")
    ref.tell(fail)
    wait_until(system, lambda: not ref.is_alive())
    assert system.registered() == ()


def test_an_update_does_not_rename(system: ActorSystem) -> None:
    """A name is for an actor's whole life: another one is refused, and nothing changes."""
    tree = Tree(system, children=[worker("a", register="stage")])
    with pytest.raises(BadSpec, match="'stage' as it was for 'a'"):
        tree.ask(UpdateSupervisor(children=[worker("a", register="hall")]))
    tree.ask(UpdateSupervisor(children=[worker("a", register="stage"), worker("b", register="hall")]))
    tree.ask(RestartChild(child="b"))
    assert system.registered() == ("hall", "stage")


def test_who_was_given_up_names_nobody(real: ActorSystem) -> None:
    """A thread that was given up can neither take a name nor take one away."""
    gate, errors = Event(), list[type[BaseException]]()
    other = real.start(Probe)
    real.register("hall", other)

    def late(actor: Probe) -> None:
        gate.wait(5)
        for act in (lambda: real.register("stage", actor.actor_ref), lambda: real.unregister("hall")):
            try:
                act()
            except ActorFenced as error:
                errors.append(type(error))

    ref, started = real.launch(Probe, name="late", dispatcher=Dispatcher.PINNED)
    started.get(timeout=5)
    parent = real.start(Probe, keep=True)
    child = parent.ask(
        lambda actor: actor.spawn(Probe, name="child", dispatcher=Dispatcher.PINNED), timeout=5
    )
    child.tell(late)
    child._cell.fence("on purpose")
    threads = list(real.runtime.zombies.values())
    gate.set()
    for thread in threads:
        thread.join(5)
    assert real.whereis("stage") is None
    assert real.whereis("hall") == other
    assert len(errors) in (0, 2)  # none if the fence came before the message was begun
    ref.stop(timeout=5)


def test_names_and_deaths_on_threads(real: ActorSystem) -> None:
    """Many threads that take one name and die: at each moment one has it, and at the end nobody does."""
    errors: list[BaseException] = []

    def take_and_die() -> None:
        for _ in range(30):
            ref = real.start(Probe)
            try:
                real.register("stage", ref)
                assert real.whereis("stage") == ref
            except AlreadyRegistered:
                pass
            except BaseException as error:  # noqa: BLE001 - reported below
                errors.append(error)
            ref.stop(timeout=5)
            if real.whereis("stage") == ref:
                errors.append(AssertionError("the dead are found"))

    threads = [Thread(target=take_and_die) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert errors == []
    assert real.registered() == ()


def test_a_death_costs_its_own_names_only(simulated: ActorSystem) -> None:
    """Neither a look-up nor a death looks at anybody else's name."""

    class Counted(dict[str, Any]):
        walks = 0

        def __iter__(self) -> Any:
            Counted.walks += 1
            return super().__iter__()

        def items(self) -> Any:
            Counted.walks += 1
            return super().items()

        def values(self) -> Any:
            Counted.walks += 1
            return super().values()

    simulated.names._holders = Counted()  # type: ignore[misc]
    refs = [simulated.start(Probe) for _ in range(20)]
    for number, ref in enumerate(refs):
        simulated.register(f"name {number}", ref)
    for ref in refs:
        ref.stop()
    assert Counted.walks == 0
    assert simulated.registered() == ()
