"""The crash rule, and that every ask is answered; on real threads and in a dozen simulated orders."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from greenroom.supervision._actor import Actor
from greenroom.supervision._future import Future
from greenroom.supervision._restart import Crashed
from greenroom.supervision._system import ActorSystem
from greenroom.supervision.errors import ActorCrashed, ActorDead, ActorStopped
from greenroom.supervision.events import ActorCrashedEvent, ActorEnded
from greenroom.supervision.probes import Probe, Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    amount: int
    errors: ClassVar[tuple[type[Exception], ...]] = (ValueError,)


class Account(Actor):
    def on_receive(self, message: Any) -> Any:
        if message.amount < 0:
            raise TypeError("negative")
        if message.amount > 10:
            raise ValueError("not enough")
        return message.amount


def gone(system: ActorSystem, ref: Any) -> None:
    """Wait until ``ref`` is gone for good, by a monitor."""
    done: Future[None] = Future(system.runtime, ref.path)
    ref._cell.watch(system.runtime.next_id(), lambda *_: done.try_set(None), None)
    done.get(timeout=5)


def test_a_declared_error_is_an_answer(system: ActorSystem) -> None:
    """An error that the message's class lists goes to the asker, and the actor goes on."""
    ref = system.start(Account)
    with pytest.raises(ValueError, match="not enough"):
        ref.ask(Withdraw(amount=11), timeout=5)
    ref.tell(Withdraw(amount=12))
    assert ref.ask(Withdraw(amount=3), timeout=5) == 3


def test_any_other_error_is_a_crash_and_the_asker_gets_the_cause(system: ActorSystem) -> None:
    """The asker of the message that crashed it gets `ActorCrashed` with what was raised."""
    seen = Recorder(system)
    ref = system.start(Account)
    with pytest.raises(ActorCrashed) as caught:
        ref.ask(Withdraw(amount=-1), timeout=5)
    assert isinstance(caught.value.__cause__, TypeError)
    assert caught.value.incarnation == 1
    gone(system, ref)
    (ended,) = seen.of(ActorEnded)
    assert isinstance(ended.cause, Crashed)
    assert ended.cause.exception is caught.value.cause
    assert [event.error for event in seen.of(ActorCrashedEvent)] == ["TypeError"]


def test_a_message_that_was_told_crashes_like_one_that_was_asked(system: ActorSystem) -> None:
    """One rule for both: Pykka has two."""
    failures: list[BaseException] = []
    ref = system.start(Probe, on_failure=failures.append)
    ref.tell(lambda _: 1 / 0)
    gone(system, ref)
    assert [type(error) for error in failures] == [ZeroDivisionError]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
def test_no_error_ends_anything_but_its_actor(real: ActorSystem, error: type[BaseException]) -> None:
    """`SystemExit` in a handler is that actor's crash, nobody else's."""

    def fail(_: Probe) -> None:
        raise error

    other = real.start(Probe)
    ref = real.start(Probe)
    with pytest.raises(ActorCrashed) as caught:
        ref.ask(fail, timeout=5)
    assert isinstance(caught.value.cause, error)
    gone(real, ref)
    assert [other.ask(number, timeout=5) for number in range(5)] == list(range(5))


def test_on_failure_runs_instead_of_on_stop_and_may_fail_itself(system: ActorSystem) -> None:
    """A crashed actor gets ``on_failure``; an error in there is logged, and the end goes on."""
    order: list[str] = []

    def fail(_: BaseException) -> None:
        order.append("failure")
        raise OSError("again")

    ref = system.start(Probe, on_failure=fail, on_stop=lambda _: order.append("stop"))
    with pytest.raises(ActorCrashed):
        ref.ask(lambda _: 1 / 0, timeout=5)
    gone(system, ref)
    assert order == ["failure"]


def test_a_crash_stops_the_children_before_it_is_told(system: ActorSystem) -> None:
    """A child never outlives the incarnation of its parent that started it."""
    order: list[str] = []
    seen = Recorder(system)
    ref = system.start(
        Probe,
        on_start=lambda actor: actor.spawn(Probe, name="child", on_stop=lambda _: order.append("child")),
    )
    ref.tell(lambda _: 1 / 0)
    gone(system, ref)
    assert order == ["child"]
    assert seen.of(ActorEnded)[0].path.endswith("child")


def test_what_waits_behind_a_crash_is_answered(system: ActorSystem) -> None:
    """Asks that an actor never came to are answered when it is gone for good."""
    ref = system.start(Probe)

    def crash(_: Probe) -> None:
        waiting.append(ref.ask("never", block=False))
        raise RuntimeError("on purpose")

    waiting: list[Future[Any]] = []
    with pytest.raises(ActorCrashed):
        ref.ask(crash, timeout=5)
    with pytest.raises(ActorStopped):
        waiting[0].get(timeout=5)


def test_an_answer_that_was_taken_over_can_come_later(system: ActorSystem) -> None:
    """`defer_reply` hands the answer to the actor; what the handler returns does not count."""
    ref = system.start(Probe)

    def defer(actor: Probe) -> str:
        reply = actor.defer_reply()
        actor.after(1000, reply.set, "later")
        return "not this"

    assert ref.ask(defer, timeout=5) == "later"


def test_a_message_that_was_told_can_be_deferred_into_nothing(system: ActorSystem) -> None:
    """A handler need not know whether it was told or asked."""
    ref = system.start(Probe)
    ref.tell(lambda actor: actor.defer_reply().set("nobody hears this"))
    assert ref.ask("still there", timeout=5) == "still there"


@pytest.mark.parametrize("how", ["stop", "crash"])
def test_an_answer_that_was_taken_over_comes_at_the_end_at_the_latest(system: ActorSystem, how: str) -> None:
    """Should the actor end before it has answered, the asker is told how it ended."""
    ref = system.start(Probe)
    answer = ref.ask(lambda actor: actor.defer_reply() and None, block=False)
    if how == "crash":
        ref.tell(lambda _: 1 / 0)
    else:
        ref.stop(block=False)
    with pytest.raises(ActorCrashed if how == "crash" else ActorStopped):
        answer.get(timeout=5)
    gone(system, ref)


def test_an_answer_taken_over_by_a_handler_that_then_crashes_is_given(system: ActorSystem) -> None:
    """Deferring and crashing in one handler leaves nobody waiting."""
    ref = system.start(Probe)

    def defer_and_crash(actor: Probe) -> None:
        actor.defer_reply()
        raise RuntimeError("on purpose")

    with pytest.raises(ActorCrashed):
        ref.ask(defer_and_crash, timeout=5)


def test_a_continuation_that_fails_is_a_crash(system: ActorSystem) -> None:
    """What a timer or an answer runs is the actor's code like any other."""
    failures: list[BaseException] = []
    ref = system.start(Probe, on_failure=failures.append)
    ref.tell(lambda actor: actor.after(1000, lambda: 1 / 0))
    gone(system, ref)
    assert [type(error) for error in failures] == [ZeroDivisionError]


def test_a_signal_handler_that_fails_is_a_crash(system: ActorSystem) -> None:
    """``on_child`` is the actor's code like any other, and its children are stopped."""

    class Squeamish(Probe):
        def on_child(self, signal: Any) -> None:
            raise RuntimeError("on purpose")

    ref = system.start(Squeamish, on_start=lambda actor: actor.spawn(Probe, name="child") and None)
    gone(system, ref)


def test_asking_who_is_gone_is_answered_at_once(system: ActorSystem) -> None:
    """`ask` raises through its future; `tell` raises itself."""
    ref = system.start(Probe)
    ref.stop(timeout=5)
    with pytest.raises(ActorDead):
        ref.ask("anybody?", timeout=5)
    with pytest.raises(ActorDead):
        ref.tell("anybody?")


def test_whether_or_not_a_put_wins_the_race_with_the_end_it_is_answered(simulated: ActorSystem) -> None:
    """Asks that are sent while an actor stops are all answered, by whichever side is faster."""
    ref = simulated.start(Probe)
    sender = simulated.start(Probe)
    answers: list[Future[Any]] = []

    def keep_asking(actor: Probe, left: int) -> None:
        answers.append(ref.ask(left, block=False))
        if left:
            actor.after(0, keep_asking, actor, left - 1)

    sender.tell(lambda actor: keep_asking(actor, 20))
    ref.tell(lambda actor: actor.after(0, actor.end))
    simulated.runtime.run_until_idle()
    assert len(answers) == 21
    assert all(answer.done() for answer in answers)
    assert isinstance(answers[-1].error(), ActorDead)
