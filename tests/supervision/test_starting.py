"""Starting: acknowledged, later, ignored, failed; on real threads and in a dozen simulated orders."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

from typing import Any

import pytest

from greenroom.supervision._actor import Actor
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._restart import FailedToStart
from greenroom.supervision._system import ActorSystem
from greenroom.supervision.errors import (
    ActorDead,
    ActorEnding,
    ActorFenced,
    ChildRunning,
    RuntimeClosed,
    StartFailed,
)
from greenroom.supervision.events import ActorEnded, ActorStarted
from greenroom.supervision.probes import Probe, Recorder
from greenroom.supervision.signals import (
    IGNORE,
    START_LATER,
    ChildEnded,
    ChildFailed,
    ChildIgnored,
    ChildStarted,
)

SECOND_NS = 1_000_000_000


def fail(_: object = None) -> None:
    """Fail."""
    raise ValueError("on purpose")


class Fragile(Actor):
    def __init__(self) -> None:
        fail()


def settle(parent: ActorRef[Probe], count: int) -> list[Any]:
    """Return the parent's signals once there are ``count``: asking again is what lets a real thread get there."""
    signals: list[Any] = []
    for _ in range(100_000):
        signals = parent.ask(lambda actor: list(actor.signals), timeout=5)
        if len(signals) >= count:
            return signals
    raise AssertionError(f"only {signals}")


def test_start_returns_when_the_actor_has_started(system: ActorSystem) -> None:
    """`start` waits for ``on_start``; nobody meets an actor that is half set up."""
    heard: list[str] = []
    ref = system.start(Probe, on_start=lambda _: heard.append("started"))
    assert heard == ["started"]
    assert ref.is_alive()
    assert ref.is_running()


def test_the_starter_is_told_what_on_start_returned(system: ActorSystem) -> None:
    """An acknowledgement carries what ``on_start`` returned."""
    ref, started = system.launch(Probe, kwargs={"on_start": lambda _: 42}, name="probe")
    assert started.get(timeout=5) == 42
    assert ref.path == "probe"


def test_a_failed_start_raises_and_leaves_nothing(system: ActorSystem) -> None:
    """The starter of an actor whose ``on_start`` raises gets the cause; the ref is dead when it hears of it."""
    failures: list[BaseException] = []
    ref, started = system.launch(
        Probe, kwargs={"on_start": fail, "on_failure": failures.append}, name="probe"
    )
    with pytest.raises(StartFailed) as caught:
        started.get(timeout=5)
    assert isinstance(caught.value.cause, ValueError)
    assert not ref.is_alive()
    assert failures == [caught.value.cause]
    assert system.roots() == ()


def test_a_failing_constructor_is_a_failed_start(system: ActorSystem) -> None:
    """The constructor belongs to the start, and runs on the actor's own thread."""
    with pytest.raises(StartFailed):
        system.start(Fragile)


def test_a_failed_start_stops_the_children_that_it_had_started(system: ActorSystem) -> None:
    """Children of a start that failed are stopped before the starter hears of the failure."""
    seen = Recorder(system)

    def start(actor: Probe) -> None:
        actor.spawn(Probe, name="child")
        fail()

    with pytest.raises(StartFailed):
        system.start(Probe, on_start=start)
    ended = [event.path for event in seen.of(ActorEnded)]
    assert len(ended) == 2
    assert ended[0].endswith("/child")


def test_a_name_is_free_before_the_parent_hears_of_the_failure(system: ActorSystem) -> None:
    """When a parent hears that a child has failed, the child is gone, and one of the same name can be started."""
    parent = system.start(Probe)
    child = parent.ask(lambda actor: actor.spawn(Probe, name="child", on_start=fail))
    (failed,) = settle(parent, 1)
    assert isinstance(failed, ChildFailed)
    assert failed.child == child
    assert isinstance(failed.error, ValueError)
    assert not child.is_alive()
    parent.ask(lambda actor: actor.spawn(Probe, name="child"))
    assert isinstance(settle(parent, 2)[1], ChildStarted)


def test_a_start_that_is_acknowledged_later_keeps_the_starter_waiting(system: ActorSystem) -> None:
    """After `START_LATER` the actor hears continuations but no messages until it acknowledges."""
    order: list[str] = []

    class Later(Actor):
        def on_start(self) -> Any:
            self.after(1000, self.go)
            return START_LATER

        def go(self) -> None:
            order.append("acknowledged")
            self.acknowledge("now")
            self.acknowledge("twice counts once")

        def on_receive(self, message: Any) -> None:
            order.append(message)

    ref, started = system.launch(Later, name="later")
    ref.tell("message")
    assert started.get(timeout=5) == "now"
    ref.stop(timeout=5)
    assert order == ["acknowledged", "message"]


def test_a_start_that_is_never_acknowledged_is_fenced(system: ActorSystem) -> None:
    """The start budget covers the time until the acknowledgement."""
    _, started = system.launch(
        Probe, kwargs={"on_start": lambda _: START_LATER}, name="never", start_ns=20_000_000
    )
    with pytest.raises(StartFailed) as caught:
        started.get(timeout=5)
    assert isinstance(caught.value.cause, ActorFenced)
    assert "20 ms" in caught.value.cause.__notes__[0]


def test_an_ignored_start_is_no_error(system: ActorSystem) -> None:
    """`IGNORE` ends the actor without failure and without ``on_stop``, and stops what it had started."""
    stopped: list[str] = []
    parent = system.start(Probe)

    def start(actor: Probe) -> Any:
        actor.spawn(Probe, name="grandchild", on_stop=lambda _: stopped.append("grandchild"))
        return IGNORE

    child = parent.ask(
        lambda actor: actor.spawn(
            Probe, name="child", on_start=start, on_stop=lambda _: stopped.append("child")
        )
    )
    (ignored,) = settle(parent, 1)
    assert ignored == ChildIgnored(child=child, incarnation=1)
    assert stopped == ["grandchild"]
    assert not child.is_alive()


def test_an_ignored_root_starts_as_nothing(system: ActorSystem) -> None:
    """The starter of a root that ignores gets no error and a dead ref."""
    ref = system.start(Probe, on_start=lambda _: IGNORE)
    assert not ref.is_alive()


def test_a_child_that_is_respawned_keeps_its_ref_and_its_messages(system: ActorSystem) -> None:
    """A ref is stable: what was sent while there was no incarnation is handled by the next one."""
    heard: list[Any] = []
    parent = system.start(Probe, keep=True)
    child: ActorRef[Probe] = parent.ask(lambda actor: actor.spawn(Probe, heard, name="child"))
    child.tell(fail)
    child.tell("sent before the restart")
    ended = settle(parent, 2)[1]
    assert isinstance(ended, ChildEnded)
    assert child.is_alive()
    assert not child.is_running()
    child.tell("sent while it is down")
    parent.ask(lambda actor: actor.respawn(child))
    assert child.ask("sent after", timeout=5) == "sent after"
    assert child.incarnation == 2
    assert heard == ["sent before the restart", "sent while it is down", "sent after"]


def test_a_child_that_runs_can_neither_be_respawned_nor_forgotten(system: ActorSystem) -> None:
    """There is at most one incarnation at a time, and nobody is let go of while it runs."""
    parent = system.start(Probe)
    child = parent.ask(lambda actor: actor.spawn(Probe, name="child"))
    child.ask("are you there")

    def misuse(actor: Probe) -> str:
        for act in (actor.respawn, actor.forget):
            with pytest.raises(ChildRunning):
                act(child)
        return "refused"

    assert parent.ask(misuse) == "refused"
    assert child.is_running()


def test_an_actor_that_is_ending_starts_no_children(system: ActorSystem) -> None:
    """A child that is started in ``on_stop`` would outlive its parent: refused."""
    errors: list[Exception] = []

    def stop(actor: Probe) -> None:
        try:
            actor.spawn(Probe, name="late")
        except ActorEnding as error:
            errors.append(error)

    system.start(Probe, on_stop=stop).stop(timeout=5)
    assert len(errors) == 1


def test_a_closed_system_starts_nobody(system: ActorSystem) -> None:
    """After `close` a start is refused, and leaves nothing."""
    system.close()
    with pytest.raises(RuntimeClosed):
        system.start(Probe)


def test_a_stop_that_comes_before_the_acknowledgement_is_a_failed_start(system: ActorSystem) -> None:
    """Who waits for a start hears of its end even if somebody stopped it meanwhile."""
    seen = Recorder(system)
    parent = system.start(Probe)
    child = parent.ask(lambda actor: actor.spawn(Probe, name="child", on_start=lambda _: START_LATER))
    parent.ask(lambda actor: actor.stop_later(child))
    (failed,) = settle(parent, 1)
    assert isinstance(failed, ChildFailed)
    assert not seen.of(ActorStarted)[1:]
    assert isinstance(seen.of(ActorEnded)[0].cause, FailedToStart)


def test_an_ask_that_waits_behind_a_start_that_fails_is_answered(system: ActorSystem) -> None:
    """Messages to an actor that never comes up are not left without an answer."""
    ref, started = system.launch(Probe, kwargs={"on_start": fail}, name="probe")
    answer = ref.ask("anybody?", block=False)
    with pytest.raises(StartFailed):
        started.get(timeout=5)
    with pytest.raises(ActorDead):
        answer.get(timeout=5)
