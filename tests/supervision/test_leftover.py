"""What a restart does to the messages that wait, and to the one that crashed the actor."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

from collections.abc import Callable
from functools import partial
from threading import Event, Thread
from typing import Any

import pytest
from tests.supervision.supkit import MS, Flaky, Tree, fail, flags, wait_until, worker

from greenroom.supervision import (
    ActorCrashed,
    ActorFenced,
    ActorRef,
    ActorStopped,
    ActorSystem,
    Backoff,
    ChildSpec,
    Dispatcher,
    Fenced,
    Future,
    MailboxSpec,
    OnCrash,
    OnRestart,
    Overflow,
    Restart,
    RestartChild,
    StopChild,
    Strategy,
    UpdateSupervisor,
)
from greenroom.supervision.events import DeadLetter, MessagesDropped, PoisonMessage
from greenroom.supervision.probes import Probe

LOSSY = pytest.mark.parametrize("policy", [OnRestart.DROP, OnRestart.DEAD_LETTERS])
RETRY = MailboxSpec(on_crash=OnCrash.RETRY_ONCE)


def kept(name: str, heard: list[Any], mailbox: MailboxSpec, **fields: Any) -> ChildSpec:
    """Return the spec of a child whose incarnations share what they heard."""
    return ChildSpec(id=name, start=Probe, args=(heard,), mailbox=mailbox, **fields)


def crash_with_waiting(ref: ActorRef[Any], send: Callable[[], Any]) -> Any:
    """Have an actor crash while there is what ``send`` sends behind the crash; return what that gave."""
    sent: list[Any] = []

    def crash(_: Any) -> None:
        sent.append(send())
        fail()

    with pytest.raises(ActorCrashed):
        ref.ask(crash, timeout=5)
    return sent[0]


def check_accounts(tree: Tree, policy: OnRestart, *, told: int, asked: int) -> None:
    """Compare what was reported with what was lost."""
    events = [(event.told, event.asked) for event in tree.seen.of(MessagesDropped)]
    if policy is OnRestart.DROP:
        assert events == [(told, asked)]
        assert tree.system.dropped == told + asked
        assert tree.seen.of(DeadLetter) == []
    else:
        assert events == []
        assert [letter.message for letter in tree.seen.of(DeadLetter)] == ["int"] * told
        assert tree.system.dead_letters == told


def reported(tree: Tree) -> list[Any]:
    """Return what was reported as lost."""
    return [
        event for event in tree.seen.events if isinstance(event, DeadLetter | MessagesDropped | PoisonMessage)
    ]


def send_itself(message: Any) -> Callable[[Any], None]:
    """Return a way to crash with a message left behind."""

    def send_and_fail(actor: Any) -> None:
        actor.actor_ref.send(message)
        fail()

    return send_and_fail


def take_over_and_fail(actor: Any) -> None:
    """Crash after the answer was taken over."""
    actor.defer_reply()
    fail()


# -- what waits ------------------------------------------------------------------------------------------------


@LOSSY
def test_what_waits_at_a_crash_is_given_up_as_the_policy_says(system: ActorSystem, policy: OnRestart) -> None:
    """Dropped with one event, or a dead letter each; asks are answered; what comes later is handled."""
    heard: list[Any] = []
    tree = Tree(system, children=[kept("a", heard, MailboxSpec(on_restart=policy))])
    ref = tree.child("a")
    answers = crash_with_waiting(
        ref, lambda: [ref.send(1), ref.ask(2, block=False), ref.send(3), ref.ask(4, block=False)][1::2]
    )
    for answer in answers:
        with pytest.raises(ActorStopped):
            answer.get(timeout=5)
    tree.until(a=2)
    assert ref.ask(5, timeout=5) == 5
    assert heard == [5]
    check_accounts(tree, policy, told=2, asked=2)


def test_what_waits_at_a_crash_is_kept_by_default(system: ActorSystem) -> None:
    """The next incarnation handles it, in order; nothing is reported."""
    heard: list[Any] = []
    tree = Tree(system, children=[kept("a", heard, MailboxSpec())])
    ref = tree.child("a")
    answer = crash_with_waiting(ref, lambda: [ref.send(1), ref.ask(2, block=False)])[1]
    assert answer.get(timeout=5) == 2
    assert heard == [1, 2]
    assert reported(tree) == []


@LOSSY
def test_what_comes_during_the_backoff_is_given_up_too(simulated: ActorSystem, policy: OnRestart) -> None:
    """The policy is carried out once, when the next incarnation is made: for what waited and for what came since."""
    heard: list[Any] = []
    backoff = Backoff(initial_ns=50 * MS, immediate_first=False, jitter=0.0)
    tree = Tree(simulated, children=[kept("a", heard, MailboxSpec(on_restart=policy), backoff=backoff)])
    ref = tree.child("a")
    crash_with_waiting(ref, lambda: ref.tell(1))
    tree.until(a="restarting")
    ref.tell(2)
    answer = ref.ask(3, block=False)
    simulated.runtime.advance(40 * MS)
    assert not answer.done()
    assert reported(tree) == []
    simulated.runtime.advance(20 * MS)
    assert isinstance(answer.error(), ActorStopped)
    ref.ask(4)
    assert heard == [4]
    check_accounts(tree, policy, told=2, asked=1)


@LOSSY
def test_what_waits_for_a_member_of_a_group_is_given_up_too(
    simulated: ActorSystem, policy: OnRestart
) -> None:
    """Who is restarted because of a sibling starts with an empty lane as well."""
    heard: list[Any] = []
    spec = MailboxSpec(on_restart=policy)
    tree = Tree(
        simulated, flags(Strategy.ONE_FOR_ALL), [kept("a", heard, spec), kept("b", heard, MailboxSpec())]
    )
    bystander = tree.child("a")

    def crash(_: Any) -> None:
        bystander._cell.put_control((lambda *_: bystander.tell(1), bystander._cell.life, None))
        fail()

    tree.child("b").tell(crash)
    wait_until(simulated, lambda: bystander.state_name in ("ended", "down"))
    bystander.tell(2)
    tree.until(a=2, b=2)
    bystander.ask(3)
    assert heard[-1] == 3
    lost = 2 - (len(heard) - 1)  # the first may have been handled before the stop came
    assert lost >= 1
    check_accounts(tree, policy, told=lost, asked=0)


@LOSSY
def test_what_waits_for_a_stopped_child_is_given_up_when_it_is_started_again(
    system: ActorSystem, policy: OnRestart
) -> None:
    """`RestartChild` is a restart like any other."""
    heard: list[Any] = []
    tree = Tree(system, children=[kept("a", heard, MailboxSpec(on_restart=policy))])
    ref = tree.child("a")
    tree.ask(StopChild(child="a"))
    ref.tell(1)
    answer = ref.ask(2, block=False)
    assert not answer.done()
    tree.ask(RestartChild(child="a"))
    assert isinstance(answer.error(), ActorStopped)
    ref.ask(3, timeout=5)
    assert heard == [3]
    check_accounts(tree, policy, told=1, asked=1)


@LOSSY
def test_what_waits_for_the_first_incarnation_is_handled(simulated: ActorSystem, policy: OnRestart) -> None:
    """The policy is about restarts: what is sent while an actor starts for the first time waits for it."""
    heard: list[Any] = []
    ref, _ = simulated.launch(Probe, (heard,), name="first", mailbox=MailboxSpec(on_restart=policy))
    ref.tell(1)
    assert ref.ask(2) == 2
    assert heard == [1, 2]


@LOSSY
def test_a_stop_that_waits_is_kept(system: ActorSystem, policy: OnRestart) -> None:
    """Whoever asked a child to stop gets that, though it crashes first; the rest is given up."""
    heard: list[Any] = []
    spec = kept("a", heard, MailboxSpec(on_restart=policy), restart=Restart.TRANSIENT)
    tree = Tree(system, children=[spec])
    ref = tree.child("a")
    stopped = crash_with_waiting(ref, lambda: [ref.send(1), ref.stop(block=False), ref.send(2)])[1]
    assert stopped.get(timeout=5) is True
    tree.until(a="stopped")
    assert ref.incarnation == 2
    assert heard == []
    check_accounts(tree, policy, told=2, asked=0)


@LOSSY
def test_what_is_given_up_makes_room_for_blocked_senders(real: ActorSystem, policy: OnRestart) -> None:
    """Who waits for room gets it from a restart that empties the mailbox."""
    gate, busy, heard = Event(), Event(), list[Any]()
    mailbox = MailboxSpec(capacity=2, overflow=Overflow.BLOCK, on_restart=policy)
    backoff = Backoff(initial_ns=20 * MS, immediate_first=False, jitter=0.0)
    tree = Tree(real, children=[kept("a", heard, mailbox, dispatcher=Dispatcher.BLOCKING, backoff=backoff)])
    ref = tree.child("a")

    def hold(_: Any) -> None:
        busy.set()
        gate.wait(5)
        fail()

    ref.tell(hold)
    assert busy.wait(5)
    ref.tell(1)
    ref.tell(2)
    senders = [Thread(target=ref.tell, args=(number,)) for number in (3, 4)]
    for sender in senders:
        sender.start()
    wait_until(real, lambda: len(ref._cell.waiting or ()) == 2)
    gate.set()
    for sender in senders:
        sender.join(5)
        assert not sender.is_alive()
    ref.ask(5, timeout=5)
    assert sorted(heard) == [3, 4, 5]
    check_accounts(tree, policy, told=2, asked=0)


def test_an_update_changes_what_the_next_restart_does(system: ActorSystem) -> None:
    """The policy of the moment counts."""
    heard: list[Any] = []
    tree = Tree(system, children=[kept("a", heard, MailboxSpec())])
    ref = tree.child("a")
    tree.ask(UpdateSupervisor(children=[kept("a", heard, MailboxSpec(on_restart=OnRestart.DROP))]))
    crash_with_waiting(ref, lambda: ref.tell(1))
    tree.until(a=2)
    ref.ask(2, timeout=5)
    assert heard == [2]


# -- what crashed it -------------------------------------------------------------------------------------------


class Trips:
    """A message that crashes its actor so many times, and then goes through."""

    def __init__(self, times: int, how: Callable[[Any], Any] = fail) -> None:
        self.left = times
        self.how = how
        self.tried: list[int] = []

    def __call__(self, actor: Probe) -> str:
        self.tried.append(actor.incarnation)
        actor.heard.append("tried")
        if self.left:
            self.left -= 1
            self.how(actor)
        return "went through"


def test_a_message_that_crashed_is_tried_once_more_before_any_other(system: ActorSystem) -> None:
    """Told or asked, the next incarnation begins with it; whoever asked gets its answer and never hears of the crash."""
    for tell in (True, False):
        heard: list[Any] = []
        tree = Tree(system, children=[kept("a", heard, RETRY)])
        ref = tree.child("a")
        trips = Trips(1, send_itself("behind"))
        if tell:
            ref.tell(trips)
        else:
            assert ref.ask(trips, timeout=5) == "went through"
        tree.until(a=2)
        ref.ask("last", timeout=5)
        assert heard == ["tried", "tried", "behind", "last"]
        assert trips.tried == [1, 2]
        assert reported(tree) == []
        tree.stop()


def test_a_message_that_crashes_twice_is_poison(system: ActorSystem) -> None:
    """Reported with its type and the error's, a dead letter, and never tried a third time."""
    tree = Tree(system, children=[kept("a", [], RETRY)])
    ref = tree.child("a")
    trips = Trips(9)
    ref.tell(trips)
    tree.until(a=3)
    assert ref.ask("still there", timeout=5) == "still there"
    assert trips.tried == [1, 2]
    poison = PoisonMessage(path="top/a", incarnation=2, message="Trips", error="RuntimeError")
    assert tree.seen.of(PoisonMessage) == [poison]
    (letter,) = tree.seen.of(DeadLetter)
    assert (letter.message, "next incarnation too" in letter.why) == ("Trips", True)


def test_who_asked_poison_gets_the_second_crash(system: ActorSystem) -> None:
    """`ActorCrashed` with the cause, once the second try has failed; there is no dead letter of an ask."""
    tree = Tree(system, children=[kept("a", [], RETRY)])
    ref = tree.child("a")
    with pytest.raises(ActorCrashed) as caught:
        ref.ask(Trips(9), timeout=5)
    assert (caught.value.incarnation, type(caught.value.cause)) == (2, RuntimeError)
    tree.until(a=3)
    assert [event.incarnation for event in tree.seen.of(PoisonMessage)] == [2]
    assert tree.seen.of(DeadLetter) == []


def test_each_message_has_two_tries_of_its_own(system: ActorSystem) -> None:
    """One that crashes after another's second try is tried again as well."""
    tree = Tree(system, children=[kept("a", [], RETRY)])
    ref = tree.child("a")
    trips = [Trips(1), Trips(9), Trips(1), Trips(9)]
    answers = [ref.ask(each, block=False) for each in trips]
    errors: list[Any] = []
    for answer in answers:
        wait_until(system, answer.done)
        errors.append(type(answer.error()))
    assert errors == [type(None), ActorCrashed, type(None), ActorCrashed]
    assert [each.tried for each in trips] == [[1, 2], [2, 3], [4, 5], [5, 6]]


def test_a_second_try_that_hangs_is_poison(simulated: ActorSystem) -> None:
    """Whoever gives its handler up gives the message up too; who asked hears of the fence."""
    tree = Tree(simulated, children=[kept("a", [], RETRY)])
    ref = tree.child("a")

    def fail_then_hang(trips: Trips, _: Any) -> None:
        if len(trips.tried) == 1:
            fail()
        simulated.runtime.hang()

    for ask in (True, False):
        trips = Trips(9)
        trips.how = partial(fail_then_hang, trips)
        answer = ref.ask(trips, block=False) if ask else None
        if not ask:
            ref.tell(trips)
        wait_until(simulated, lambda trips=trips: len(trips.tried) == 2)
        ref._cell.fence("it hangs")
        tree.until(a=trips.tried[-1] + 1)
        ref.ask("there")
        assert trips.tried[1] == trips.tried[0] + 1
        if answer is not None:
            assert isinstance(answer.error(), ActorFenced)
    assert [(each.message, each.error) for each in tree.seen.of(PoisonMessage)] == [
        ("Trips", "ActorFenced")
    ] * 2
    assert [letter.message for letter in tree.seen.of(DeadLetter)] == ["Trips"]


def test_a_first_try_that_hangs_is_not_tried_again(simulated: ActorSystem) -> None:
    """It may still be at it: two threads in one message is what nobody asked for."""
    tree = Tree(simulated, children=[kept("a", [], RETRY)])
    ref = tree.child("a")
    trips = Trips(1, lambda _: simulated.runtime.hang())
    answer = ref.ask(trips, block=False)
    wait_until(simulated, lambda: trips.tried)
    ref._cell.fence("it hangs")
    tree.until(a=2)
    ref.ask("there")
    assert isinstance(answer.error(), ActorFenced)
    assert trips.tried == [1]


def test_what_is_tried_again_stays_open_though_the_crash_was_cut_off(simulated: ActorSystem) -> None:
    """A fence of the crashed incarnation, whose ``on_failure`` hangs, does not answer for it."""
    hooks = {"on_failure": lambda _: simulated.runtime.hang()}
    tree = Tree(
        simulated, children=[ChildSpec(id="a", start=Probe, kwargs=hooks, mailbox=RETRY, shutdown_ns=5 * MS)]
    )
    trips = Trips(1)
    assert tree.child("a").ask(trips) == "went through"
    assert trips.tried == [1, 2]
    assert isinstance(tree.cause("a"), Fenced)


def test_a_message_whose_actor_is_not_restarted_is_not_tried_again(system: ActorSystem) -> None:
    """It is a dead letter, or its asker gets the crash."""
    for tell in (True, False):
        tree = Tree(system, children=[kept("a", [], RETRY, restart=Restart.TEMPORARY)])
        ref = tree.child("a")
        trips = Trips(9)
        if tell:
            ref.tell(trips)
        else:
            with pytest.raises(ActorCrashed) as caught:
                ref.ask(trips, timeout=5)
            assert (caught.value.incarnation, type(caught.value.cause)) == (1, RuntimeError)
        wait_until(system, lambda ref=ref: not ref.is_alive())
        tree.stop()
        assert trips.tried == [1]
        assert [letter.message for letter in tree.seen.of(DeadLetter)] == ["Trips"] * tell
        assert tree.seen.of(PoisonMessage) == []


def test_a_message_is_not_tried_again_past_the_intensity(system: ActorSystem) -> None:
    """A supervisor that gives up answers for what would have been tried again."""
    tree = Tree(system, flags(intensity=0), [kept("a", [], RETRY)])
    with pytest.raises(ActorCrashed):
        tree.child("a").ask(Trips(9), timeout=5)
    tree.gone()


def test_an_answer_that_was_taken_over_is_not_tried_again(system: ActorSystem) -> None:
    """Its handler may have handed it on: who asked gets the crash, and nobody handles it twice."""
    tree = Tree(system, children=[kept("a", [], RETRY)])
    ref = tree.child("a")
    trips = Trips(9, take_over_and_fail)
    with pytest.raises(ActorCrashed):
        ref.ask(trips, timeout=5)
    tree.until(a=2)
    ref.ask("there", timeout=5)
    assert trips.tried == [1]
    assert tree.seen.of(PoisonMessage) == []


def test_an_answer_taken_over_in_the_second_try_is_poison_all_the_same(system: ActorSystem) -> None:
    """The message has ended two incarnations, whoever owed its answer."""
    tree = Tree(system, children=[kept("a", [], RETRY)])

    def trip(actor: Any) -> None:
        if actor.incarnation == 2:
            actor.defer_reply()
        fail()

    with pytest.raises(ActorCrashed):
        tree.child("a").ask(Trips(9, trip), timeout=5)
    tree.until(a=3)
    assert [event.message for event in tree.seen.of(PoisonMessage)] == ["Trips"]


@pytest.mark.parametrize("policy", list(OnRestart))
def test_the_message_that_crashed_is_tried_again_whatever_becomes_of_the_others(
    system: ActorSystem, policy: OnRestart
) -> None:
    """`on_crash` is for the one, `on_restart` for those behind it."""
    heard: list[Any] = []
    mailbox = MailboxSpec(on_restart=policy, on_crash=OnCrash.RETRY_ONCE)
    tree = Tree(system, children=[kept("a", heard, mailbox)])
    trips = Trips(1, send_itself(1))
    assert tree.child("a").ask(trips, timeout=5) == "went through"
    tree.child("a").ask(2, timeout=5)
    assert heard == ["tried", "tried", *([1] if policy is OnRestart.KEEP else []), 2]
    if policy is not OnRestart.KEEP:
        check_accounts(tree, policy, told=1, asked=0)


def test_a_full_mailbox_does_not_evict_what_is_tried_again(simulated: ActorSystem) -> None:
    """It waits outside of the lane: no bound and no overflow policy touches it."""
    heard: list[Any] = []
    mailbox = MailboxSpec(capacity=1, overflow=Overflow.DROP_OLDEST, on_crash=OnCrash.RETRY_ONCE)
    backoff = Backoff(initial_ns=MS, immediate_first=False)
    tree = Tree(simulated, children=[kept("a", heard, mailbox, backoff=backoff)])
    ref = tree.child("a")
    answer = ref.ask(Trips(1), block=False)
    tree.until(a="restarting")
    for number in range(5):
        ref.tell(number)
    assert answer.get() == "went through"
    simulated.runtime.run_until_idle()
    assert heard == ["tried", "tried", 4]


def test_what_is_tried_again_waits_for_a_start_that_succeeds(system: ActorSystem) -> None:
    """Attempts that fail to start do not count as tries."""
    flaky = Flaky()
    spec = worker("a", on_start=flaky, mailbox=RETRY)
    tree = Tree(system, children=[spec])

    def trip(_: Any) -> None:
        flaky.failures = 2
        fail()

    trips = Trips(1, trip)
    assert tree.child("a").ask(trips, timeout=5) == "went through"
    assert trips.tried == [1, 4]


def test_what_is_tried_again_is_kept_while_its_actor_is_stopped(system: ActorSystem) -> None:
    """Like the messages behind it, until the child is started again."""
    backoff = Backoff(initial_ns=3600 * 1000 * MS, max_ns=3600 * 1000 * MS, immediate_first=False)
    tree = Tree(system, children=[kept("a", [], RETRY, backoff=backoff)])
    ref = tree.child("a")
    answer = ref.ask(Trips(1), block=False)
    tree.until(a="restarting")
    tree.ask(StopChild(child="a"))
    assert not answer.done()
    tree.ask(RestartChild(child="a"))
    assert answer.get(timeout=5) == "went through"


def test_only_messages_are_tried_again(system: ActorSystem) -> None:
    """A crash of a timer, an answer or a notice is nobody's message."""
    tree = Tree(system, children=[kept("a", [], RETRY)])
    ref = tree.child("a")
    other = system.start(Probe)

    class Squeamish(Probe):
        def on_receive(self, message: Any) -> Any:
            return message(self) if callable(message) else fail()

    tree.add(ChildSpec(id="b", start=Squeamish, mailbox=RETRY))
    ref.ask(lambda actor: actor.after(1, fail) and None, timeout=5)
    tree.until(a=2, b=1)
    future: Future[int] = Future(system.runtime)
    ref.ask(lambda actor: actor.when(future, fail), timeout=5)
    future.set(1)
    tree.until(a=3, b=1)
    tree.child("b").ask(lambda actor: actor.monitor(other) and None, timeout=5)
    other.stop(timeout=5)
    tree.until(a=3, b=2)
    assert reported(tree) == []


def test_a_crash_is_final_by_default(system: ActorSystem) -> None:
    """Who asked hears of it at once, and the message is not tried again."""
    tree = Tree(system, children=[kept("a", [], MailboxSpec())])
    trips = Trips(9)
    with pytest.raises(ActorCrashed):
        tree.child("a").ask(trips, timeout=5)
    tree.until(a=2)
    tree.child("a").ask("there", timeout=5)
    assert trips.tried == [1]
