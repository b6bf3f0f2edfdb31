"""Circles of actors that block on each other: refused with the whole circle, and nothing else is refused."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

import sys
from collections.abc import Callable, Iterator
from threading import Barrier, Event, Thread
from typing import Any

import pytest

from greenroom.supervision import (
    ActorCrashed,
    ActorDead,
    ActorFenced,
    ActorRef,
    ActorStopped,
    ActorSystem,
    AskCycle,
    AskTimeout,
    BadSpec,
    BlockingInHandler,
    Dispatcher,
    Future,
    MailboxSpec,
    Overflow,
)
from greenroom.supervision import _cycles as cycles
from greenroom.supervision.errors import Deadlock
from greenroom.supervision.probes import Probe

ROUNDS = 100
BLOCKING = pytest.mark.parametrize("dispatcher", [Dispatcher.BLOCKING, Dispatcher.ELASTIC, Dispatcher.PINNED])


@pytest.fixture(autouse=True)
def _nobody_waits_after_it() -> Iterator[None]:
    """Every wait is taken out, however it ended."""
    yield
    assert cycles.waits() == 0


def some(
    system: ActorSystem, names: str, dispatcher: Dispatcher = Dispatcher.PINNED, **fields: Any
) -> list[ActorRef[Any]]:
    """Start actors that may block."""
    made = [system.launch(Probe, name=name, dispatcher=dispatcher, **fields) for name in names]
    for _, started in made:
        started.get(timeout=5)
    return [ref for ref, _ in made]


def asks(*refs: ActorRef[Any]) -> Callable[[Probe], Any]:
    """Return a message that asks the first to ask the second, and so on; the last is asked for its name."""
    if not refs:
        return lambda actor: actor.path
    return lambda _: refs[0].ask(asks(*refs[1:]), timeout=5)


def until_waiting(count: int) -> None:
    """Wait until so many handlers wait."""
    pause = Event()
    for _ in range(5000):
        if cycles.waits() == count:
            return
        pause.wait(0.001)
    raise AssertionError(f"{cycles.waits()} wait")


def refused(action: Callable[[], Any]) -> tuple[str, ...]:
    """Return the circle that an ask is refused with, at however many actors' distance."""
    with pytest.raises((AskCycle, ActorCrashed)) as caught:
        action()
    error: BaseException = caught.value
    while isinstance(error, ActorCrashed):
        error = error.cause
    assert isinstance(error, AskCycle), error
    return error.path


@BLOCKING
def test_who_would_close_a_circle_is_refused(real: ActorSystem, dispatcher: Dispatcher) -> None:
    """A waits for B, and B asks A: B is told so at once, with the whole circle; A hears what B makes of it."""
    a, b = some(real, "ab", dispatcher)
    assert refused(lambda: a.ask(asks(b, a), timeout=5)) == ("b", "a", "b")


@BLOCKING
def test_a_circle_of_many_is_found(real: ActorSystem, dispatcher: Dispatcher) -> None:
    """However many actors are between them; it begins and ends with who is refused."""
    refs = some(real, "abcd", dispatcher)
    assert refused(lambda: refs[0].ask(asks(*refs[1:], refs[1]), timeout=5)) == ("d", "b", "c", "d")


def test_who_asks_itself_is_refused(real: ActorSystem) -> None:
    """It is the circle of one; so is a stop that it waits for."""
    a, b = some(real, "ab")
    assert refused(lambda: a.ask(asks(a), timeout=5)) == ("a", "a")
    assert refused(lambda: b.ask(lambda actor: actor.actor_ref.stop(timeout=5), timeout=5)) == ("b", "b")


def test_what_was_refused_was_not_sent(real: ActorSystem) -> None:
    """Who may not wait for the answer has not asked either: neither a message nor a stop is left behind."""
    a, b = some(real, "ab")
    errors: list[AskCycle] = []

    def back(_: Probe) -> str:
        for act in (lambda: a.ask("never"), a.stop):
            try:
                act()
            except AskCycle as error:
                errors.append(error)
        return "done"

    assert a.ask(lambda _: b.ask(back, timeout=5), timeout=5) == "done"
    assert len(errors) == 2
    assert a.ask(lambda actor: actor.heard, timeout=5) == []
    assert b.is_alive()


def test_waiting_for_an_earlier_answer_can_close_a_circle(real: ActorSystem) -> None:
    """`Future.get` is a wait like any other; the answer itself is left as it is, and comes."""
    a, b = some(real, "ab")
    answers: list[Future[Any]] = []

    def back(_: Probe) -> None:
        answers.append(a.ask("later", block=False))
        answers[0].get(timeout=5)

    assert refused(lambda: a.ask(lambda _: b.ask(back, timeout=5), timeout=5)) == ("b", "a", "b")
    with pytest.raises(ActorStopped):  # for a crashed over it, as b did
        answers[0].get(timeout=5)


def test_an_earlier_answer_comes_though_nobody_may_wait_for_it(real: ActorSystem) -> None:
    """Who is refused can go on in a message instead."""
    a, b = some(real, "ab")
    heard: Future[Any] = Future()

    def back(actor: Probe) -> str:
        answer = a.ask("later", block=False)
        with pytest.raises(AskCycle):
            answer.get(timeout=5)
        actor.when(answer, lambda done: heard.set(done.get()))
        return "done"

    assert a.ask(lambda _: b.ask(back, timeout=5), timeout=5) == "done"
    assert heard.get(timeout=5) == "later"


def test_a_sender_that_waits_for_room_can_close_a_circle(real: ActorSystem) -> None:
    """A tell to a full mailbox that blocks is a wait for its actor; what is refused was not sent."""
    (a,) = some(real, "a", mailbox=MailboxSpec(capacity=1, overflow=Overflow.BLOCK))
    (b,) = some(real, "b")

    def back(_: Probe) -> str:
        a.tell("fits")
        with pytest.raises(AskCycle) as caught:
            a.tell("does not")
        assert caught.value.path == ("b", "a", "b")
        assert a.send("neither does this") is False
        assert not a._cell.waiting
        return "done"

    assert a.ask(lambda _: b.ask(back, timeout=5), timeout=5) == "done"
    assert a.ask(lambda actor: actor.heard, timeout=5) == ["fits"]


def test_a_sender_that_fills_its_own_mailbox_is_refused(real: ActorSystem) -> None:
    """Nobody but itself could make room."""
    (a,) = some(real, "a", mailbox=MailboxSpec(capacity=1, overflow=Overflow.BLOCK))

    def fill(actor: Probe) -> str:
        actor.actor_ref.tell("fits")
        with pytest.raises(AskCycle):
            actor.actor_ref.tell("does not")
        return "done"

    assert a.ask(fill, timeout=5) == "done"


def test_who_waits_for_room_is_part_of_a_circle(real: ActorSystem) -> None:
    """Whoever asks one that waits for room in the asker's own mailbox closes it."""
    (a,) = some(real, "a", mailbox=MailboxSpec(capacity=1, overflow=Overflow.BLOCK))
    (b,) = some(real, "b")
    waiting, answers = Event(), list[Any]()

    def fill(_: Probe) -> None:
        a.tell("fits")
        a.tell("waits")

    def back(_actor: Probe) -> str:
        b.tell(fill)
        for _ in range(5000):
            if a._cell.waiting:
                break
            waiting.wait(0.001)
        with pytest.raises(AskCycle) as caught:
            b.ask("never", timeout=5)
        answers.append(caught.value.path)
        return "done"

    assert a.ask(back, timeout=10) == "done"
    assert answers == [("a", "b", "a")]
    assert b.ask("still there", timeout=5) == "still there"


def test_an_answer_that_was_taken_over_is_no_part_of_a_circle(real: ActorSystem) -> None:
    """Anyone may give it: while A waits for what B has deferred, B may wait for A."""
    a, b = some(real, "ab")
    taken: list[Future[Any]] = []
    held, asked = Event(), Event()

    def defer(actor: Probe) -> None:
        taken.append(actor.defer_reply())
        held.set()

    def back(_: Probe) -> Any:
        answer = a.ask("after all", block=False)
        asked.set()
        return answer.get(timeout=5)

    first = a.ask(lambda _: b.ask(defer, timeout=5), block=False)
    assert held.wait(5)
    second = b.ask(back, block=False)
    assert asked.wait(5)
    until_waiting(2)
    taken[0].set("from elsewhere")
    assert first.get(timeout=5) == "from elsewhere"
    assert second.get(timeout=5) == "after all"


def test_a_busy_actor_is_no_part_of_a_circle(real: ActorSystem) -> None:
    """Who works, or waits for one that works, will be done some time: whoever asks it waits."""
    a, b, c = some(real, "abc")
    gate, busy = Event(), Event()

    def work(_: Probe) -> str:
        busy.set()
        gate.wait(5)
        return "worked"

    first = b.ask(lambda _: c.ask(work, timeout=5), block=False)
    assert busy.wait(5)
    second = a.ask(asks(b), block=False)
    third = a.ask(asks(c), block=False)
    gate.set()
    assert [first.get(timeout=5), second.get(timeout=5), third.get(timeout=5)] == ["worked", "b", "c"]


def test_a_wait_that_is_over_is_no_part_of_a_circle(real: ActorSystem) -> None:
    """After an answer, a timeout or an error nothing is left of it."""
    a, b = some(real, "ab")
    gate = Event()

    def impatient(_: Probe) -> str:
        with pytest.raises(AskTimeout):
            b.ask(lambda _: gate.wait(5), timeout=0.01)
        return "gave up"

    assert a.ask(impatient, timeout=5) == "gave up"
    gate.set()
    assert b.ask(asks(a), timeout=5) == "a"
    assert a.ask(asks(b), timeout=5) == "b"


def test_an_answer_that_has_come_is_no_part_of_a_circle(real: ActorSystem) -> None:
    """Between its arrival and its taker's waking up nobody waits for anybody any more."""
    a, b = some(real, "ab")
    coming: Future[int] = Future(real.runtime, b._cell)
    with cycles.Waiting(a._cell, coming):
        back: Future[int] = Future(real.runtime, a._cell)
        with pytest.raises(AskCycle), cycles.Waiting(b._cell, back):
            pass
        coming.set(1)
        with cycles.Waiting(b._cell, back):
            assert cycles.waits() == 2


def test_one_that_was_given_up_is_no_part_of_a_circle(real: ActorSystem) -> None:
    """Its thread may wait on, but its next incarnation is free: who asks that is not refused."""
    (x,) = some(real, "x")
    parent = real.start(Probe, keep=True)
    b = parent.ask(lambda actor: actor.spawn(Probe, name="b", dispatcher=Dispatcher.PINNED), timeout=5)
    waits, fenced = Event(), Event()

    def slow(_: Probe) -> Any:
        waits.set()
        fenced.wait(5)
        b.ask("to the next", timeout=5)
        return b.ask("and again", timeout=5)

    first = b.ask(lambda _: x.ask(slow, timeout=5), block=False)
    assert waits.wait(5)
    b._cell.fence("on purpose")
    with pytest.raises(ActorFenced):
        first.get(timeout=5)
    for _ in range(1000):
        if parent.ask(lambda actor: len(actor.signals), timeout=5) == 2:
            break
    threads = list(real.runtime.zombies.values())
    fenced.set()
    until_waiting(2)  # the thread that was given up for x, and x for whoever comes next
    parent.ask(lambda actor: actor.respawn(b), timeout=5)
    assert x.ask("done", timeout=5) == "done"
    assert b.ask(lambda actor: actor.heard, timeout=5) == ["to the next", "and again"]
    for thread in threads:
        thread.join(5)
    parent.stop(timeout=5)


@pytest.mark.parametrize("count", [2, 3])
def test_circles_that_close_in_one_instant_do_not_hang(real: ActorSystem, count: int) -> None:
    """Each asks the next at the same moment: whoever waits last is refused, nobody else, and so all are answered."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    try:
        refs = some(real, "abc"[:count])
        for _ in range(ROUNDS):
            barrier = Barrier(count)
            circles: list[tuple[str, ...]] = []

            def turn(actor: Probe, barrier: Any = barrier, circles: Any = circles) -> str:
                index = refs.index(actor.actor_ref)
                barrier.wait(5)
                try:
                    refs[(index + 1) % count].ask("next", timeout=20)
                except AskCycle as error:
                    circles.append(error.path)
                return "done"

            answers = [ref.ask(turn, block=False) for ref in refs]
            assert [answer.get(timeout=10) for answer in answers] == ["done"] * count
            (circle,) = circles
            assert len(circle) == count + 1
            assert circle[0] == circle[-1]
    finally:
        sys.setswitchinterval(usual)


def test_threads_that_are_no_actors_are_never_refused(real: ActorSystem) -> None:
    """They are asked by nobody, so they close no circle."""
    a, b = some(real, "ab")
    answers: list[Any] = []
    threads = [Thread(target=lambda ref=ref: answers.append(ref.ask(asks(b), timeout=5))) for ref in (a, a)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert answers == ["b", "b"]


def test_a_handler_that_may_not_block_is_refused_as_ever(system: ActorSystem) -> None:
    """On the pool, and anywhere under simulation, nothing waits: so there is no circle, and `BlockingInHandler` comes first."""
    ref = system.start(Probe)
    with pytest.raises(ActorCrashed) as caught:
        ref.ask(lambda actor: actor.actor_ref.ask("itself"), timeout=5)
    assert isinstance(caught.value.cause, BlockingInHandler)


def test_an_ask_that_is_refused_in_a_handler_was_not_sent(system: ActorSystem) -> None:
    """An error says that nothing has been asked for; an ask of who is gone is answered, and needs no waiting."""
    asked, gone = system.start(Probe), system.start(Probe)
    gone.stop(block=False).get(timeout=5)

    def asks(_: Probe) -> None:
        with pytest.raises(BlockingInHandler, match="answer"):
            asked.ask("there?")
        with pytest.raises(ActorDead):
            gone.ask("there?")

    system.start(Probe).ask(asks, timeout=5)
    assert asked.ask(lambda actor: actor.heard, timeout=5) == []


def test_a_callback_without_blocking_is_allowed(system: ActorSystem) -> None:
    """A asks B and goes on in a message, B asks A back meanwhile: that is a conversation, not a circle."""
    a, b = system.start(Probe), system.start(Probe)

    def question(actor: Probe) -> None:
        reply = actor.defer_reply()
        actor.when(b.ask(counter_question, block=False), lambda done: reply.set(done.outcome()))

    def counter_question(actor: Probe) -> None:
        reply = actor.defer_reply()
        actor.when(a.ask("which one?", block=False), lambda done: reply.set(done.outcome()))

    assert a.ask(question, timeout=5) == "which one?"


def test_a_circle_of_deferred_answers_is_a_deadlock_under_simulation(simulated: ActorSystem) -> None:
    """Who owes what to whom is known to the actors alone; that nothing is left to complete an answer is seen at rest."""
    a, b = simulated.start(Probe), simulated.start(Probe)
    owed: list[Future[Any]] = []

    def question(actor: Probe) -> None:
        owed.append(actor.defer_reply())
        actor.when(b.ask(counter_question, block=False), lambda done: owed[0].set(done.outcome()))

    def counter_question(actor: Probe) -> None:
        reply = actor.defer_reply()
        actor.when(owed[0], lambda done: reply.set(done.outcome()))

    with pytest.raises(Deadlock):
        a.ask(question)


def relays(
    *refs: ActorRef[Any], then: Callable[[Probe], Any] = lambda actor: actor.path
) -> Callable[[Probe], Any]:
    """Return a message that asks the first to ask the second, and so on, without any thread that waits."""
    if not refs:
        return then

    def relay(actor: Probe) -> None:
        asked = refs[0].ask(relays(*refs[1:], then=then), block=False)
        reply = actor.defer_reply(until=asked)
        actor.when(
            asked, lambda done: reply.try_fail(done.error()) if done.error() else reply.set(done.outcome())
        )

    return relay


def test_who_says_for_what_an_answer_waits_is_not_refused_without_a_circle(either: ActorSystem) -> None:
    """Also where the asked one asks back: that is another answer, which does not wait for the first."""
    refs = [either.launch(Probe, name=name)[0] for name in "abc"]
    assert refs[0].ask(relays(*refs[1:]), timeout=5) == "c"
    assert refs[0].ask(relays(refs[1], refs[0], refs[2], refs[1]), timeout=5) == "b"


def test_a_circle_of_deferred_answers_is_refused_where_they_say_what_they_wait_for(
    either: ActorSystem,
) -> None:
    """B would wait for what A waits for B to answer: no thread waits, and B is told at once, with the whole circle."""
    a, b = (either.launch(Probe, name=name)[0] for name in "ab")
    owed: list[Future[Any]] = []

    def question(actor: Probe) -> None:
        asked = b.ask(counter_question, block=False)
        owed.append(actor.defer_reply(until=asked))
        actor.when(asked, lambda done: owed[0].try_fail(done.error()))

    def counter_question(actor: Probe) -> None:
        reply = actor.defer_reply(until=a.ask(owing, block=False))
        actor.when(reply, lambda _: None)

    def owing(actor: Probe) -> None:
        actor.defer_reply(until=owed[0])

    assert refused(lambda: a.ask(question, timeout=5)) == ("a", "a", "b", "a")


def test_an_answer_that_waits_for_itself_is_refused(either: ActorSystem) -> None:
    """The shortest circle; the handler has still to give it, and does if it goes on."""
    a = either.launch(Probe, name="a")[0]

    def itself(actor: Probe) -> Any:
        asking = actor._life.asking
        assert asking is not None
        with pytest.raises(AskCycle) as error:
            actor.defer_reply(until=asking.reply)
        return error.value.path

    assert a.ask(itself, timeout=5) == ("a", "a")


def test_a_thread_that_waits_is_part_of_a_circle_of_deferred_answers(real: ActorSystem) -> None:
    """A blocks until B answers, and B's answer is to wait for one of A's: whoever says so last is refused."""
    (a,) = some(real, "a")
    b = real.launch(Probe, name="b")[0]

    def back(actor: Probe) -> None:
        asked = a.ask(lambda _: "here", block=False)
        reply = actor.defer_reply(until=asked)
        actor.when(asked, lambda done: reply.set(done.outcome()))

    assert refused(lambda: a.ask(lambda _: b.ask(back, timeout=5), timeout=5)) == ("b", "a", "b")


def test_who_would_wait_for_an_answer_that_waits_for_it_is_refused(real: ActorSystem) -> None:
    """As above, and the thread is the last to wait."""
    (a,) = some(real, "a")
    b = real.launch(Probe, name="b")[0]

    def both(_: Probe) -> Any:
        later = a.ask(lambda _: "never, while this waits", block=False)

        def waits(actor: Probe) -> None:
            reply = actor.defer_reply(until=later)
            actor.when(later, lambda done: reply.set(done.outcome()))

        answer = b.ask(waits, block=False)
        b.ask(lambda actor: actor.path, timeout=5)
        return answer.get(timeout=5)

    assert refused(lambda: a.ask(both, timeout=5)) == ("a", "b", "a")


def test_only_a_future_can_be_waited_for(virtual: ActorSystem) -> None:
    """Else no circle could be found."""
    with pytest.raises(ActorCrashed) as crashed:
        virtual.start(Probe).ask(lambda actor: actor.defer_reply(until=5))
    assert isinstance(crashed.value.cause, BadSpec)
