"""Children that end in one step of their supervisor: it looks the same from outside as if each had taken its turn."""

import queue
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from tests.supervision.supkit import PATIENCE_S

from greenroom.supervision import (
    Actor,
    ActorRef,
    ActorSystem,
    ChildEnded,
    ChildSpec,
    Restart,
    ShutdownBudget,
    StopChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
    UpdateSupervisor,
    WhichChildren,
)
from greenroom.supervision.snapshot import FlightKind

MANY = 150
"""More than an actor may do in one turn."""


class Plain(Actor):
    """Has nothing to do at its end. Crashes when it is told to."""

    def on_receive(self, message: Any) -> Any:
        if message == "crash":
            raise RuntimeError
        return message


class Last(Plain):
    """Says that all are up: it is started last."""

    up: ClassVar = queue.SimpleQueue[bool]()

    def on_start(self) -> None:
        self.up.put(True)


class Tidy(Plain):
    """Has something to do at its end, and notes on which thread it did that."""

    ended: ClassVar[list[tuple[str, int]]] = []

    def on_stop(self) -> None:
        self.ended.append((self._cell.name, threading.get_ident()))


class Hearing(Supervisor):
    """Hears itself how its children fare."""

    heard: ClassVar[list[str]] = []

    def on_child(self, signal: Any) -> None:
        if isinstance(signal, ChildEnded):
            self.heard.append(signal.child.name)
        super().on_child(signal)


@pytest.fixture(autouse=True)
def _nothing_noted() -> Iterator[None]:
    yield
    Hearing.heard.clear()
    Tidy.ended.clear()
    while not Last.up.empty():
        Last.up.get_nowait()


def started(
    system: ActorSystem, kinds: dict[int, type[Actor]], *, top: type[Supervisor] = Supervisor, **fields: Any
) -> ActorRef[Any]:
    """Start a one_for_all over many children, of these classes by their number; wait until they are up."""
    flags = SupervisorFlags(strategy=Strategy.ONE_FOR_ALL, intensity=100, period_ns=1)
    specs = [
        ChildSpec(id=str(each), start=kinds.get(each, Plain), **(fields if each in kinds else {}))
        for each in range(MANY - 1)
    ]
    ref = system.start(top, flags, [*specs, ChildSpec(id=str(MANY - 1), start=Last)])
    Last.up.get(timeout=PATIENCE_S)
    return ref


def crash(ref: ActorRef[Any], child: int) -> None:
    """Have one of them crash, and wait until all are up again."""
    names = [info.spec.id for info in ref.ask(WhichChildren(), timeout=PATIENCE_S)]
    info = ref.ask(WhichChildren(), timeout=PATIENCE_S)[names.index(str(child))]
    info.ref.tell("crash")
    Last.up.get(timeout=PATIENCE_S)
    ref.ask(WhichChildren(), timeout=PATIENCE_S)


def ends(system: ActorSystem, ref: ActorRef[Any], incarnation: int) -> list[str]:
    """Return who ended an incarnation, the first one first, by the flight recorder."""
    found: list[tuple[int, str]] = []
    for info in ref.ask(WhichChildren(), timeout=PATIENCE_S):
        node = system.snapshot().find(info.ref.path)
        assert node is not None
        found.extend(
            (each.at_ns, info.spec.id)
            for each in node.recorder
            if each.kind is FlightKind.ENDED and each.incarnation == incarnation
        )
    return [name for _, name in sorted(found)]


def others(child: int) -> list[str]:
    """Return all but one, in the order in which they stop."""
    return [str(each) for each in reversed(range(MANY)) if each != child]


def test_a_group_that_ends_at_once_ends_in_order(real: ActorSystem) -> None:
    """The last one first, each once, and all are started again; more of them than fit into one turn."""
    ref = started(real, {})
    crash(ref, 70)  # from their second end on there is a record of each
    crash(ref, 70)
    assert ends(real, ref, 2) == ["70", *others(70)]
    assert {info.ref.incarnation for info in ref.ask(WhichChildren(), timeout=PATIENCE_S)} == {3}


def test_who_has_something_to_do_at_its_end_does_it_in_its_turn(real: ActorSystem) -> None:
    """Those after it are over by then, those before it are not; it is its own turn, so a hang there holds up nobody."""
    ref = started(real, {40: Tidy, 90: Tidy, 91: Tidy})
    crash(ref, 70)
    crash(ref, 70)
    assert ends(real, ref, 2) == ["70", *others(70)]
    assert [name for name, _ in Tidy.ended] == ["91", "90", "40"] * 2


def test_who_hears_of_its_children_itself_is_told_of_each(real: ActorSystem) -> None:
    """A subclass with an ``on_child`` of its own: of every end, in order."""
    ref = started(real, {}, top=Hearing)
    crash(ref, 70)
    assert Hearing.heard == ["70", *others(70)]


def test_temporary_children_of_a_group_go_at_once(real: ActorSystem) -> None:
    """They are forgotten in the middle of it, and the others come back."""
    temporary = range(20, 140)
    ref = started(real, dict.fromkeys(temporary, Plain), restart=Restart.TEMPORARY)
    crash(ref, 5)
    left = [info.spec.id for info in ref.ask(WhichChildren(), timeout=PATIENCE_S)]
    assert left == [str(each) for each in range(MANY) if each not in temporary]
    assert set(real.paths()) == {ref.path, *(f"{ref.path}/{name}" for name in left)}


def test_a_brutal_child_in_the_middle_is_fenced(real: ActorSystem) -> None:
    """Whose budget is 0 is given up, as ever, and the group goes on."""
    ref = started(real, {60: Plain}, shutdown_ns=ShutdownBudget.BRUTAL)
    crash(ref, 70)
    crash(ref, 70)
    node = real.snapshot().find(f"{ref.path}/60")
    assert node is not None
    assert FlightKind.FENCED in [each.kind for each in node.recorder]


def test_what_waits_at_a_child_that_ends_at_once_is_handled_by_the_next(real: ActorSystem) -> None:
    """Nothing that was told to the children meanwhile is lost, and each ask is answered."""
    ref = started(real, {})
    children = [info.ref for info in ref.ask(WhichChildren(), timeout=PATIENCE_S)]
    for _ in range(20):
        children[70].tell("crash")
        answers = [child.ask("there?", block=False) for child in children if child is not children[70]]
        assert {answer.get(timeout=PATIENCE_S) for answer in answers} == {"there?"}
        Last.up.get(timeout=PATIENCE_S)


def test_who_asked_for_a_stop_in_the_middle_is_answered(real: ActorSystem) -> None:
    """An admin stop of a member of a group that is being replaced."""
    ref = started(real, {})
    for _ in range(20):
        info = ref.ask(WhichChildren(), timeout=PATIENCE_S)[70]
        info.ref.tell("crash")
        stopped = ref.ask(StopChild(child="30"), block=False)
        assert stopped.get(timeout=PATIENCE_S) is None
        Last.up.get(timeout=PATIENCE_S)
        crash(ref, 70)  # a group that is replaced takes along who was stopped


def test_a_supervisor_that_is_stopped_meanwhile_is_gone_with_all(real: ActorSystem) -> None:
    """However far its group has come."""
    for _ in range(20):
        ref = started(real, {60: Tidy})
        ref.ask(WhichChildren(), timeout=PATIENCE_S)[70].ref.tell("crash")
        gone = threading.Event()
        ref.watch(lambda _, __: gone.set())  # noqa: B023 - it is waited for in this round
        real.request_stop(ref)
        assert gone.wait(PATIENCE_S)
        assert real.paths() == []
        while not Last.up.empty():
            Last.up.get_nowait()


def test_an_update_in_the_middle_changes_no_end(real: ActorSystem) -> None:
    """Another intensity while the group is being replaced: all come back."""
    ref = started(real, {})
    ref.ask(WhichChildren(), timeout=PATIENCE_S)[70].ref.tell("crash")
    flags = SupervisorFlags(strategy=Strategy.ONE_FOR_ALL, intensity=50, period_ns=1)
    ref.ask(UpdateSupervisor(flags=flags), timeout=PATIENCE_S)
    Last.up.get(timeout=PATIENCE_S)
    assert {info.ref.incarnation for info in ref.ask(WhichChildren(), timeout=PATIENCE_S)} == {2}
