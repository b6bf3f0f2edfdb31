"""Links: OTP's meaning, in both directions, in every order of events."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

from itertools import pairwise
from typing import Any

import pytest
from tests.supervision.supkit import MS, Tree, end, fail, wait_until, worker

from greenroom.supervision import (
    START_LATER,
    ActorCrashed,
    ActorRef,
    ActorSystem,
    Backoff,
    Cause,
    ChildSpec,
    Crashed,
    Down,
    Exit,
    FailedToStart,
    Fenced,
    LinkEnded,
    Normal,
    Restart,
    Shutdown,
    StartChild,
    StartFailed,
    StopChild,
)
from greenroom.supervision.errors import ActorEnding
from greenroom.supervision.events import ActorEnded
from greenroom.supervision.probes import Probe, Recorder

SPREADING = pytest.mark.parametrize("how", ["abnormal", "killed", "shutdown"])


class Trapper(Probe):
    """Is told of the ends of who it is linked with."""

    trap_exits = True


def pair(
    system: ActorSystem, first: type[Probe] = Probe, second: type[Probe] = Probe
) -> tuple[ActorRef[Any], ActorRef[Any]]:
    """Start two actors that are linked, the first with the second."""
    one, two = system.start(first), system.start(second)
    one.ask(lambda actor: actor.link(two), timeout=5)
    return one, two


def gone(system: ActorSystem, *refs: ActorRef[Any]) -> None:
    """Wait until actors are gone for good."""
    for ref in refs:
        wait_until(system, lambda ref=ref: not ref.is_alive())


def heard(ref: ActorRef[Any]) -> list[Any]:
    """Return what a probe has been told."""
    found: list[Any] = ref.ask(lambda actor: list(actor.heard), timeout=5)
    return found


def cause_of(seen: Recorder, ref: ActorRef[Any]) -> Cause:
    """Return why an actor ended last."""
    return [event.cause for event in seen.of(ActorEnded) if event.path == ref.path][-1]


def check_inherited(cause: Cause, how: str, origin: ActorRef[Any]) -> None:
    """Hold that a cause says whose end it was, and is of the same class."""
    if how == "shutdown":
        assert isinstance(cause, Shutdown)
        assert origin.path in cause.detail
        return
    assert isinstance(cause, Crashed)
    error = cause.exception
    assert isinstance(error, LinkEnded)
    assert (error.actor, error.incarnation) == (origin.path, 1)
    assert isinstance(error.cause, RuntimeError if how == "abnormal" else type(None))


@SPREADING
@pytest.mark.parametrize("which", [0, 1])
def test_an_end_spreads_over_a_link_in_both_directions(system: ActorSystem, how: str, which: int) -> None:
    """Whoever of the two ends otherwise than normally, the other ends too, and its cause says why."""
    seen = Recorder(system)
    refs = pair(system)
    end(refs[which], how)
    gone(system, *refs)
    check_inherited(cause_of(seen, refs[1 - which]), how, refs[which])


def test_a_normal_end_does_not_spread(system: ActorSystem) -> None:
    """Who has done what it was for harms nobody; a link that has ended is forgotten."""
    one, two = pair(system)
    two.stop(timeout=5)
    gone(system, two)
    assert one.ask("still there", timeout=5) == "still there"
    assert not one._cell.life.links


@pytest.mark.parametrize("how", ["normal", "shutdown", "abnormal", "killed"])
def test_who_traps_exits_is_told_and_stays(system: ActorSystem, how: str) -> None:
    """An `Exit` with the other's own cause, for a normal end too, once."""
    seen = Recorder(system)
    one, two = pair(system, Trapper)
    end(two, how)
    gone(system, two)
    wait_until(system, lambda: heard(one))
    assert heard(one) == [Exit(ref=two, incarnation=1, cause=cause_of(seen, two))]


def test_one_traps_and_the_other_does_not(system: ActorSystem) -> None:
    """Each decides for itself what the other's end is to it."""
    one, two = pair(system, Trapper)
    end(one)
    gone(system, one, two)


@SPREADING
def test_linking_with_the_dead_tells_at_once(system: ActorSystem, how: str) -> None:
    """As if the link had come first: the end spreads, or is told."""
    seen = Recorder(system)
    dead, plain, trapper = system.start(Probe), system.start(Probe), system.start(Trapper)
    end(dead, how)
    gone(system, dead)
    trapper.ask(lambda actor: actor.link(dead), timeout=5)
    plain.tell(lambda actor: actor.link(dead))
    gone(system, plain)
    check_inherited(cause_of(seen, plain), how, dead)
    wait_until(system, lambda: heard(trapper))
    assert heard(trapper) == [Exit(ref=dead, incarnation=1, cause=cause_of(seen, dead))]


def test_linking_with_one_that_ended_normally_harms_nobody(system: ActorSystem) -> None:
    """It makes no difference whether the link or the end came first."""
    dead, plain = system.start(Probe), system.start(Probe)
    dead.stop(timeout=5)
    plain.ask(lambda actor: actor.link(dead), timeout=5)
    assert plain.ask("still there", timeout=5) == "still there"


@pytest.mark.parametrize("by", [0, 1])
def test_after_unlink_nothing_comes(system: ActorSystem, by: int) -> None:
    """Whichever side takes the link back."""
    refs = pair(system, Trapper, Trapper)
    refs[by].ask(lambda actor: actor.unlink(refs[1 - by]), timeout=5)
    refs[by].ask(lambda actor: actor.unlink(refs[1 - by]), timeout=5)
    end(refs[0])
    gone(system, refs[0])
    assert heard(refs[1]) == []


def test_after_unlink_nothing_comes_even_if_it_was_queued(system: ActorSystem) -> None:
    """A notice that is already in the mailbox is dropped."""
    dead = system.start(Probe)
    end(dead)
    gone(system, dead)
    plain, trapper = system.start(Probe), system.start(Trapper)

    def link_and_take_back(actor: Probe) -> None:
        actor.link(dead)  # told at once: the notice is queued behind this very message
        actor.unlink(dead)

    for ref in (plain, trapper):
        ref.ask(link_and_take_back, timeout=5)
        assert heard(ref) == []


def test_linking_twice_is_one_link(system: ActorSystem) -> None:
    """From one side, or from both: one notice, and one unlink takes it back."""
    one, two = pair(system, Trapper, Trapper)
    one.ask(lambda actor: actor.link(two), timeout=5)
    two.ask(lambda actor: actor.link(one), timeout=5)
    end(two)
    gone(system, two)
    wait_until(system, lambda: heard(one))
    assert len(heard(one)) == 1
    three = system.start(Trapper)
    for _ in range(2):
        one.ask(lambda actor: actor.link(three), timeout=5)
    one.ask(lambda actor: actor.unlink(three), timeout=5)
    end(three)
    gone(system, three)
    assert len(heard(one)) == 1


def test_a_link_with_oneself_is_none(system: ActorSystem) -> None:
    """It neither spreads nor is told."""
    seen = Recorder(system)
    ref = system.start(Trapper)
    ref.ask(lambda actor: (actor.link(actor.actor_ref), actor.unlink(actor.actor_ref)), timeout=5)
    ref.ask(lambda actor: actor.link(actor.actor_ref), timeout=5)
    assert ref._cell.life.links is None
    end(ref)
    gone(system, ref)
    assert isinstance(cause_of(seen, ref), Crashed)


def test_a_link_belongs_to_two_incarnations(system: ActorSystem) -> None:
    """The next incarnation of either has no link: a restart does not restore one."""
    tree = Tree(system, children=[worker("a"), worker("b")])
    one, two = tree.child("a"), tree.child("b")
    one.ask(lambda actor: actor.link(two), timeout=5)
    tree.end("b")
    tree.until(a=2, b=2)
    tree.end("b")
    tree.until(a=2, b=3)
    tree.end("a")
    tree.until(a=3, b=3)


def test_a_link_with_a_child_in_backoff_tells_at_once(simulated: ActorSystem) -> None:
    """There is no incarnation to share a fate with: the last one's end is told."""
    backoff = Backoff(initial_ns=3600 * 1000 * MS, max_ns=3600 * 1000 * MS, immediate_first=False)
    tree = Tree(simulated, children=[worker("a", backoff=backoff)])
    ref = tree.child("a")
    tree.end("a")
    tree.until(a="restarting")
    trapper = simulated.start(Trapper)
    trapper.ask(lambda actor: actor.link(ref))
    (told,) = heard(trapper)
    assert (told.ref, told.incarnation, type(told.cause)) == (ref, 1, Crashed)


def test_a_link_with_one_that_never_ran_tells_at_once(simulated: ActorSystem) -> None:
    """Its name may be known, and its ref; there was never an incarnation."""
    one = simulated.start(Trapper)
    with ActorSystem(simulated.runtime) as other:
        ref, _ = other.launch(Probe, name="late")
        ref._cell.fence("before it ran")
        simulated.runtime.run_until_idle()
        one.ask(lambda actor: actor.link(ref))
    (told,) = heard(one)
    assert isinstance(told.cause, FailedToStart)


def test_a_notice_comes_before_messages(system: ActorSystem) -> None:
    """It goes by the control lane: messages that were there before it, from whomever, are handled after it."""
    one, dead = system.start(Trapper), system.start(Probe)
    end(dead)
    gone(system, dead)

    def fill(actor: Probe) -> None:
        for number in range(3):
            actor.actor_ref.tell(number)
        actor.link(dead)

    one.ask(fill, timeout=5)
    told, *rest = heard(one)
    assert isinstance(told, Exit)
    assert rest == [0, 1, 2]


def test_an_end_is_told_after_its_release(system: ActorSystem) -> None:
    """Who is told can rely on it that ``on_stop`` has run; who ends by a link runs its own."""
    order: list[str] = []
    one = system.start(Probe, on_stop=lambda _: order.append("one"))
    two = system.start(Probe, on_stop=lambda _: order.append("two"))
    one.ask(lambda actor: actor.link(two), timeout=5)
    end(two, "shutdown")
    gone(system, one, two)
    assert order == ["two", "one"]


def test_an_end_by_a_link_answers_what_was_open(system: ActorSystem) -> None:
    """Who waits for an answer that was taken over hears the crash that came over the link."""
    one, two = pair(system)
    answer = one.ask(lambda actor: actor.defer_reply() and None, block=False)
    one.ask("that was handled", timeout=5)
    end(two)
    with pytest.raises(ActorCrashed) as caught:
        answer.get(timeout=5)
    assert isinstance(caught.value.cause, LinkEnded)
    gone(system, one, two)


def test_a_crash_over_a_link_counts_as_one(system: ActorSystem) -> None:
    """A transient child is restarted after it, and not after a shutdown that came over a link."""
    tree = Tree(system, children=[worker("a", restart=Restart.TRANSIENT)])
    ref = tree.child("a")
    for how, state in (("abnormal", 2), ("shutdown", "stopped")):
        other = system.start(Probe)
        ref.ask(lambda actor, other=other: actor.link(other), timeout=5)
        end(other, how)
        tree.until(a=state)


def test_an_end_over_a_chain_reaches_all(system: ActorSystem) -> None:
    """Each passes on what it got: ten in a row end because of the first."""
    refs = [system.start(Probe) for _ in range(10)]
    for one, two in pairwise(refs):
        one.ask(lambda actor, two=two: actor.link(two), timeout=5)
    refs[0].tell(fail)
    gone(system, *refs)


def test_a_start_that_hears_an_exit_fails(system: ActorSystem) -> None:
    """Who links in its ``on_start`` with one that has crashed has failed to start because of it."""
    dead = system.start(Probe)
    end(dead)
    gone(system, dead)
    tree = Tree(system)

    def start(actor: Probe) -> Any:
        actor.link(dead)
        return START_LATER

    with pytest.raises(StartFailed) as caught:
        tree.ask(StartChild(spec=worker("a", on_start=start)))
    assert isinstance(caught.value.cause, LinkEnded)


def test_a_failed_start_spreads(system: ActorSystem) -> None:
    """A link that was made in ``on_start`` tells of the failure."""
    one = system.start(Trapper)

    def start(actor: Probe) -> None:
        actor.link(one)
        fail()

    with pytest.raises(StartFailed):
        system.start(Probe, on_start=start)
    wait_until(system, lambda: heard(one))
    assert [type(told.cause) for told in heard(one)] == [FailedToStart]


def test_a_supervisor_traps_exits(system: ActorSystem) -> None:
    """Who links with one and crashes does not end it; OTP's do the same."""
    tree = Tree(system, children=[worker("a")])
    one = system.start(Probe)
    one.ask(lambda actor: actor.link(tree.ref), timeout=5)
    end(one)
    gone(system, one)
    assert tree.states() == {"a": 1}
    two = system.start(Probe)
    two.ask(lambda actor: actor.link(tree.ref), timeout=5)
    tree.stop()
    gone(system, two)


def test_a_child_that_is_linked_with_its_parent(system: ActorSystem) -> None:
    """Its crash ends the parent; the stop of the parent, which stops the child, is no crash."""
    for how in ("crash", "stop"):
        seen = Recorder(system)
        parent = system.start(Probe, keep=True)
        child = parent.ask(lambda actor: actor.spawn(Probe, name="child"), timeout=5)
        child.ask(lambda actor, parent=parent: actor.link(parent), timeout=5)
        if how == "crash":
            child.tell(fail)
        else:
            parent.stop(timeout=5)
        gone(system, parent, child)
        assert isinstance(cause_of(seen, parent), Crashed if how == "crash" else Normal)
        seen.close()


def test_a_handler_that_was_given_up_links_nobody(simulated: ActorSystem) -> None:
    """Between any two steps of a link its maker may be fenced: the other is not bound to one that is gone."""
    one, two = simulated.start(Probe), simulated.start(Trapper)
    other = two._cell
    made: list[Any] = []

    def link(actor: Probe) -> None:
        plain = other.lock

        class Lock:
            """Has the linker fenced when it comes for the other's lock."""

            def __enter__(self) -> None:
                other.lock = plain
                one._cell.fence("in the middle of a link")
                made.append(True)
                plain.acquire()

            def __exit__(self, *_: object) -> None:
                plain.release()

        other.lock = Lock()  # type: ignore[assignment]
        actor.link(two)

    one.tell(link)
    gone(simulated, one)
    assert made
    assert not other.life.links
    assert heard(two) == []


def test_an_ending_actor_links_nobody(simulated: ActorSystem) -> None:
    """Its end is under way: whoever it linked with now might never hear of it."""
    other = simulated.start(Trapper)
    errors: list[str] = []

    def stop(actor: Probe) -> None:
        try:
            actor.link(other)
        except ActorEnding as error:
            errors.append(str(error))

    simulated.start(Probe, on_stop=stop).stop()
    assert len(errors) == 1
    assert heard(other) == []


def test_actors_without_links_pay_for_none(simulated: ActorSystem) -> None:
    """No record is made until the first link, and none is left after the last."""
    one, two = simulated.start(Probe), simulated.start(Probe)
    assert one._cell.life.links is two._cell.life.links is None
    one.ask(lambda actor: actor.link(two))
    one.ask(lambda actor: actor.unlink(two))
    assert not one._cell.life.links
    assert not two._cell.life.links
    end(two)
    gone(simulated, two)
    assert one.ask("still there") == "still there"


def test_links_and_monitors_of_one_end_are_both_told(system: ActorSystem) -> None:
    """They are separate: each once."""
    one, two = pair(system, Trapper)
    one.ask(lambda actor: actor.monitor(two) and None, timeout=5)
    end(two)
    gone(system, two)
    wait_until(system, lambda: len(heard(one)) == 2)
    assert {type(told) for told in heard(one)} == {Exit, Down}


def test_a_linked_child_that_is_stopped_tells_shutdown(system: ActorSystem) -> None:
    """A stop by its supervisor is a shutdown to those it is linked with; a brutal one is a fence."""
    one = system.start(Trapper)
    tree = Tree(system, children=[ChildSpec(id="a", start=Probe), ChildSpec(id="b", start=Probe)])
    for child in (tree.child("a"), tree.child("b")):
        one.ask(lambda actor, child=child: actor.link(child), timeout=5)
    tree.ask(StopChild(child="a"))
    tree.child("b")._cell.fence("brutal")
    wait_until(system, lambda: len(heard(one)) == 2)
    assert [told.cause for told in heard(one)] == [Shutdown(), Fenced("brutal")]
