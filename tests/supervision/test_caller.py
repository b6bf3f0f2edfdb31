"""Who asks runs the handler of an actor that rests, where that is allowed, and nothing else changes. Real threads."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

import asyncio
import contextvars
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import pytest

from greenroom.supervision import (
    Actor,
    ActorCrashed,
    ActorDead,
    ActorFenced,
    ActorRef,
    ActorSystem,
    BlockingInHandler,
    ChildSpec,
    Dispatcher,
    Liveness,
    MailboxSpec,
    OnCrash,
    RestartChild,
    StopChild,
    Supervisor,
    SupervisorFlags,
)
from greenroom.supervision._at_rest import stop_at_rest
from greenroom.supervision._caller import DEEPEST, CallerRef, _Turn
from greenroom.supervision._ending import Ending
from greenroom.supervision._future import Future
from greenroom.supervision.events import ActorCrashedEvent, ActorFencedEvent
from greenroom.supervision.probes import Probe, Recorder
from greenroom.supervision.simulated import SimulatedRuntime

S = 1_000_000_000


class ReplyError(Exception):
    """An answer that is an error."""


class Question:
    """Answered by what it is given to call; a `ReplyError` is an answer."""

    errors: ClassVar = (ReplyError,)

    def __init__(self, act: Callable[[Any], Any]) -> None:
        self.act = act

    def __call__(self, actor: Any) -> Any:
        return self.act(actor)


def where(_: Any = None) -> int:
    """Say on which thread this runs."""
    return threading.get_ident()


def fail(_: Any = None) -> None:
    """Crash."""
    raise RuntimeError("on purpose")


def launch(system: ActorSystem, **fields: Any) -> ActorRef[Probe]:
    """Start a probe that has started."""
    ref, started = system.launch(Probe, name="probe", dispatcher=Dispatcher.CALLER, **fields)
    started.get(timeout=5)
    at_rest(ref)
    return ref


def at_rest(ref: ActorRef[Any]) -> None:
    """Wait until the actor's mailbox is free: the pool lets go of it a moment after it has answered."""
    while ref.ask(where, timeout=5) != threading.get_ident():
        pass


def child_with_ref(system: ActorSystem, **fields: Any) -> tuple[ActorRef[Any], ActorRef[Any]]:
    """Start a supervisor with one child that is run by its callers; return both, at rest."""

    class Top(Supervisor):
        def on_receive(self, message: Any) -> Any:
            return self.ref_of("child") if message == "child" else super().on_receive(message)

    dispatcher: Dispatcher = fields.pop("dispatcher", Dispatcher.CALLER)
    spec = ChildSpec(id="child", start=Probe, dispatcher=dispatcher, **fields)
    top = system.start(Top, SupervisorFlags(intensity=1000), [spec])
    child = top.ask("child", timeout=5)
    if spec.dispatcher is Dispatcher.CALLER:
        at_rest(child)
    return top, child


def on_a_worker(act: Callable[[], Any]) -> Any:
    """Return what ``act`` does on a thread that is neither the main one nor the runtime's."""
    outcome: Future[Any] = Future()

    def run() -> None:
        try:
            outcome.try_set(act())
        except BaseException as error:  # noqa: BLE001 - it is what the test looks at
            outcome.try_fail(error)

    thread = threading.Thread(target=run, name="worker")
    thread.start()
    thread.join(20)
    return outcome.get(timeout=0)


def pooled(system: ActorSystem, **fields: Any) -> ActorRef[Probe]:
    """Start a probe on the pool, at rest."""
    ref, started = system.launch(Probe, name="pooled", dispatcher=Dispatcher.POOL, **fields)
    started.get(timeout=5)

    def settle() -> None:
        while ref.ask(where) != threading.get_ident():
            pass

    on_a_worker(settle)
    return ref


class Hung:
    """A thread that asks, and whose handler hangs until it is let go."""

    def __init__(
        self, ref: ActorRef[Any], then: Callable[[Any], Any] = where, timeout: float | None = 10
    ) -> None:
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.outcome: Future[Any] = Future()
        self.after: Any = None

        def handler(actor: Any) -> Any:
            self.entered.set()
            self.gate.wait(10)
            return then(actor)

        def ask() -> None:
            try:
                answer = ref.ask(handler, timeout=timeout)
            except BaseException as error:  # noqa: BLE001 - it is what the test looks at
                self.outcome.try_fail(error)
            else:
                self.outcome.try_set(answer)

        self.thread = threading.Thread(target=ask, name="asker")
        self.thread.start()
        assert self.entered.wait(5)

    def returns(self) -> Any:
        self.gate.set()
        self.thread.join(5)
        return self.outcome.get(timeout=5)


# -- where it runs -------------------------------------------------------------------------------------------------


def test_who_asks_an_actor_that_rests_runs_its_handler(real: ActorSystem) -> None:
    """On the asker's thread, with the actor as the one that runs; afterwards the thread is nobody's again."""
    ref = launch(real)
    assert ref.ask(where) == threading.get_ident()
    assert ref.ask(lambda actor: actor.actor_ref) == ref
    assert ref.ask(lambda _: refused(real.close))
    ref.ask("kept")
    assert real.runtime.guests == set()


def test_who_asks_an_actor_on_the_pool_without_a_timeout_runs_its_handler(real: ActorSystem) -> None:
    """On any thread that is nobody's; one that says how long it would wait is not held up, nor is one that does not wait."""
    ref = pooled(real)

    def ask() -> None:
        me = threading.get_ident()
        assert ref.ask(where) == me
        assert ref.ask(where, timeout=5) != me
        assert ref.ask(where, block=False).get() != me

    on_a_worker(ask)


@pytest.mark.parametrize("dispatcher", [Dispatcher.BLOCKING, Dispatcher.ELASTIC, Dispatcher.PINNED])
def test_only_actors_on_the_pool_are_run_by_who_asks(real: ActorSystem, dispatcher: Dispatcher) -> None:
    """Those that may block or hang never are."""
    ref = real.launch(Probe, name="probe", dispatcher=dispatcher)[0]
    assert on_a_worker(lambda: threading.get_ident() in [ref.ask(where) for _ in range(20)]) is False
    assert type(ref) is ActorRef


def test_who_is_many_calls_deep_has_the_pool_run_it(real: ActorSystem) -> None:
    """Else an actor would crash because its asker leaves it no room."""
    ref = pooled(real)

    def deep(calls: int) -> bool:
        return deep(calls - 1) if calls else ref.ask(where) == threading.get_ident()

    assert on_a_worker(lambda: deep(DEEPEST - 50)) is True
    assert on_a_worker(lambda: deep(DEEPEST)) is False


def test_who_handles_an_error_has_the_pool_run_it(real: ActorSystem) -> None:
    """Else the actor's errors would hold the asker's, with all that hangs on its traceback."""
    ref = pooled(real)

    def ask() -> bool:
        here = False
        try:
            [].pop()
        except IndexError:
            here = ref.ask(where) == threading.get_ident()
        return here

    assert on_a_worker(ask) is False


def test_a_handler_sees_no_context_variables_of_who_asks(real: ActorSystem) -> None:
    """Nor does it leave any there: that a task was given up, for one, does not silence the actor that it asked."""
    ref = pooled(real)
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    def handler(_: Any) -> tuple[int, str]:
        found = variable.get()
        variable.set("the actor's")
        return where(), found

    def ask() -> None:
        variable.set("the asker's")
        assert ref.ask(handler) == (threading.get_ident(), "none")
        assert variable.get() == "the asker's"

    on_a_worker(ask)


def test_a_supervisor_asked_on_the_main_thread_stops_nobody_there(
    real: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt between two steps would leave the child half stopped; so each end is a thread's of the pool."""
    at: list[int] = []

    def noted(cell: Ending, cause: Any) -> bool:
        at.append(where())
        return stop_at_rest(cell, cause)

    monkeypatch.setattr("greenroom.supervision._ending.stop_at_rest", noted)
    spec = ChildSpec(id="child", start=Probe)
    top = real.launch(Supervisor, (None, [spec]), name="top", dispatcher=Dispatcher.CALLER)[0]
    for _ in range(20):
        top.ask(StopChild(child="child"), timeout=5)
        top.ask(RestartChild(child="child"), timeout=5)
    assert threading.get_ident() not in at


@pytest.mark.parametrize("way", ["by its class", "by its spec"])
def test_class_and_spec_may_say_so(real: ActorSystem, way: str) -> None:
    """The class says it for all its actors, the spec for one."""

    class Here(Probe):
        dispatcher: ClassVar = Dispatcher.CALLER if way == "by its class" else Dispatcher.POOL

    other = Dispatcher.POOL if way == "by its class" else Dispatcher.CALLER
    ref: ActorRef[Any] = (
        real.start(Here) if way == "by its class" else real.launch(Here, name="here", dispatcher=other)[0]
    )
    at_rest(ref)
    plain = real.launch(Here, name="plain", dispatcher=Dispatcher.POOL)[0]
    assert plain.ask(where, timeout=5) != threading.get_ident()


def test_who_does_not_wait_has_the_pool_run_it(real: ActorSystem) -> None:
    """A tell, and an ask that gives a future."""
    ref = launch(real)
    assert ref.ask(where, block=False).get(timeout=5) != threading.get_ident()
    seen: Future[int] = Future()
    ref.tell(lambda _: seen.try_set(where()))
    assert seen.get(timeout=5) != threading.get_ident()


def test_what_waits_comes_first_and_the_pool_runs_all_of_it(real: ActorSystem) -> None:
    """Messages of one sender keep their order; nobody overtakes what is being handled."""
    ref = launch(real)
    gate, order = threading.Event(), list[str]()

    def first(_: Any) -> None:
        gate.wait(10)
        order.append("first")

    ref.tell(first)
    ref.tell(lambda _: order.append("second"))
    answer: Future[int] = Future()
    asker = threading.Thread(target=lambda: answer.set(ref.ask(where, timeout=10)))
    asker.start()
    gate.set()
    asker.join(5)
    assert answer.get(timeout=5) != asker.ident
    assert order == ["first", "second"]


def test_what_comes_in_meanwhile_is_handled_by_the_pool(real: ActorSystem) -> None:
    """What a handler tells its own actor does not wait for the next ask."""
    ref = launch(real)
    seen: Future[int] = Future()
    ref.ask(lambda actor: actor.actor_ref.tell(lambda _: seen.try_set(where())))
    assert seen.get(timeout=5) != threading.get_ident()


def test_on_an_event_loop_the_pool_runs_it(real: ActorSystem) -> None:
    """A handler never finds itself inside somebody's loop."""
    ref = launch(real)

    async def ask() -> int:
        ran_on: int = ref.ask(where, timeout=5)
        return ran_on

    assert asyncio.run(ask()) != threading.get_ident()


def test_on_the_threads_of_the_runtime_the_pool_runs_it(real: ActorSystem) -> None:
    """Those are replaced when they hang, which only their pool can do."""
    ref = launch(real)
    executor = real.runtime.executor(Dispatcher.PINNED, "own")
    answer: Future[tuple[int, int]] = Future()

    class Task:
        def run(self) -> None:
            answer.try_set((where(), ref.ask(where, timeout=5)))

    executor.submit(Task())
    mine, ran_on = answer.get(timeout=5)
    executor.close()
    assert mine != ran_on


def asked_here(ask: Callable[[Callable[[Any], int]], int]) -> bool:
    """Whether the thread that asks runs a handler, at one time or another."""
    return threading.get_ident() in [ask(where) for _ in range(20)]


@pytest.mark.parametrize(
    "fields", [{"liveness": Liveness(handler_ns=3600 * S)}, {}], ids=["watched", "recorded"]
)
def test_those_that_are_watched_or_recorded_are_run_by_the_pool(fields: dict[str, Any]) -> None:
    """Their handlers are timed and noted where the pool runs them; so are those of the pool's own actors."""
    with ActorSystem(record_messages=not fields) as system:
        for dispatcher in (Dispatcher.CALLER, Dispatcher.POOL):
            ref, started = system.launch(Probe, name=dispatcher, dispatcher=dispatcher, **fields)
            started.get(timeout=5)
            assert type(ref) is ActorRef
            assert ref.ask(where, timeout=5) != threading.get_ident()
            assert on_a_worker(partial(asked_here, ref.ask)) is False


def test_in_virtual_time_it_is_as_the_pool() -> None:
    """The scheduler decides when the handler runs."""
    with ActorSystem(SimulatedRuntime()) as system:
        ref, _ = system.launch(Probe, name="probe", dispatcher=Dispatcher.CALLER)
        assert type(ref) is ActorRef
        assert ref.ask("hello") == "hello"


def test_its_handlers_do_not_block(real: ActorSystem) -> None:
    """Neither here nor on the pool."""
    ref, other = launch(real), real.start(Probe)
    for block in (True, False):
        answer = ref.ask(lambda actor: refused(lambda: other.ask("nested")), block=block)
        assert (answer if block else answer.get(timeout=5)) is True


def refused(act: Callable[[], Any]) -> bool:
    """Whether a wait is refused."""
    try:
        act()
    except BlockingInHandler:
        return True
    return False


# -- answers -------------------------------------------------------------------------------------------------------


def test_a_declared_error_is_an_answer_here_too(real: ActorSystem) -> None:
    """It harms nobody."""
    ref = launch(real)

    def answer(_: Any) -> None:
        raise ReplyError

    with pytest.raises(ReplyError):
        ref.ask(Question(answer))
    assert ref.incarnation == 1
    assert ref.ask(where) == threading.get_ident()


def test_an_answer_that_was_taken_over_is_waited_for(real: ActorSystem) -> None:
    """The handler has returned, and the asker waits."""
    ref = launch(real)

    def later(actor: Any) -> None:
        reply = actor.defer_reply()
        actor.after(1, lambda: reply.set("later"))

    assert ref.ask(later, timeout=5) == "later"


def test_the_timeout_does_not_interrupt_a_handler(real: ActorSystem) -> None:
    """There is nobody who could: the answer comes when it comes."""
    ref = launch(real)
    assert ref.ask(lambda _: "late", timeout=0) == "late"


def test_asking_who_is_gone_is_refused(real: ActorSystem) -> None:
    """As ever."""
    ref = launch(real)
    assert ref.stop(timeout=5)
    with pytest.raises(ActorDead):
        ref.ask("hello")


# -- crashes -------------------------------------------------------------------------------------------------------


def test_a_crash_is_told_and_the_pool_sees_to_the_rest(real: ActorSystem) -> None:
    """The asker gets the cause; what the actor's own code does at its end does not run on the asker's thread."""
    ended_on: Future[int] = Future()
    ref = launch(real, kwargs={"on_failure": lambda _: ended_on.try_set(where())})
    with pytest.raises(ActorCrashed) as caught:
        ref.ask(fail)
    assert isinstance(caught.value.__cause__ or caught.value.cause, RuntimeError)
    assert ended_on.get(timeout=5) != threading.get_ident()


def test_a_child_that_crashes_here_is_restarted(real: ActorSystem) -> None:
    """Its next incarnation answers, here again."""
    top, child = child_with_ref(real)
    for number in range(2, 5):
        with pytest.raises(ActorCrashed):
            child.ask(fail, timeout=5)
        assert child.ask(lambda actor: actor.incarnation, timeout=5) == number
        at_rest(child)
    top.stop(timeout=5)


def test_a_message_that_crashed_here_is_tried_again_by_the_pool(real: ActorSystem) -> None:
    """`OnCrash.RETRY_ONCE` holds, and the asker gets the answer of the second try."""
    tries: list[int] = []

    def once(_: Any) -> str:
        tries.append(where())
        if len(tries) == 1:
            raise RuntimeError("on purpose")
        return "at last"

    _, child = child_with_ref(real, mailbox=MailboxSpec(on_crash=OnCrash.RETRY_ONCE))
    assert child.ask(once, timeout=5) == "at last"
    assert tries[0] == threading.get_ident()
    assert tries[1] != threading.get_ident()


def test_an_interrupt_in_a_handler_is_the_askers_too(real: ActorSystem) -> None:
    """Ctrl-C ends the incarnation, and is not swallowed as its crash."""
    _, child = child_with_ref(real)
    events = Recorder(real)

    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        child.ask(interrupted, timeout=5)
    assert child.ask(lambda actor: actor.incarnation, timeout=5) == 2
    assert [event.error for event in events.of(ActorCrashedEvent)] == ["KeyboardInterrupt"]


@pytest.mark.parametrize("step", ["_enter", "_handle", "_leave", "_give_free"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupt_in_the_machine_leaves_nothing_behind(
    real: ActorSystem, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    """Between whichever steps it comes: it is raised, and the actor answers, also if its lock was held."""
    _, child = child_with_ref(real)
    original = getattr(_Turn, step)

    def interrupted(turn: Any, *args: Any) -> Any:
        if after:
            original(turn, *args)
        child._cell.lock.acquire()
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(_Turn, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        child.ask(where, timeout=5)
    at_rest(child)
    assert real.runtime.zombies == {}
    assert real.runtime.guests == set()
    other: Future[int] = Future()
    asker = threading.Thread(target=lambda: other.set(child.ask(where, timeout=5)))
    asker.start()
    asker.join(5)
    assert other.done()


# -- fences --------------------------------------------------------------------------------------------------------


def test_who_is_fenced_in_a_handler_is_refused_until_it_comes_back(real: ActorSystem) -> None:
    """The next incarnation runs meanwhile; the thread is listed, and is nobody's zombie afterwards."""
    _, child = child_with_ref(real)
    events = Recorder(real)
    told: list[Any] = []
    other = real.start(Probe, told)

    def then(_: Any) -> None:
        other.tell("from a zombie")

    hung = Hung(child, then)
    assert child._cell.fence("on purpose")
    assert child.ask(lambda actor: actor.incarnation, timeout=5) == 2
    assert "asker" in real.runtime.zombie_stacks()
    with pytest.raises(ActorFenced):
        hung.returns()
    assert real.runtime.zombies == {}
    assert real.hung == {}
    assert other.ask(lambda actor: list(actor.heard), timeout=5) == []
    assert len(events.of(ActorFencedEvent)) == 1
    assert child.ask("still the second", timeout=5)
    assert child.incarnation == 2


def test_a_fence_does_not_wait_for_who_asked_without_a_timeout(real: ActorSystem) -> None:
    """Others are answered by the next incarnation at once; the one inside is told when the handler comes back."""
    _, child = child_with_ref(real, dispatcher=Dispatcher.POOL)
    hung = Hung(child, timeout=None)
    others = [child.ask(where, block=False) for _ in range(3)]
    assert child._cell.fence("on purpose")
    assert child.ask(lambda actor: actor.incarnation, timeout=5) == 2
    for other in others:
        assert other.get(timeout=5) != hung.thread.ident
    assert hung.thread.is_alive()
    with pytest.raises(ActorFenced):
        hung.returns()
    assert real.runtime.zombies == {}


def test_a_thread_that_came_back_may_ask_and_send_again(real: ActorSystem) -> None:
    """It was given up for as long as it was in that handler."""
    _, child = child_with_ref(real)
    told: list[Any] = []
    other = real.start(Probe, told)
    gate, entered, done = threading.Event(), threading.Event(), Future[Any]()

    def hang(_: Any) -> None:
        entered.set()
        gate.wait(10)

    def asker() -> None:
        try:
            child.ask(hang, timeout=10)
        except ActorFenced:
            other.tell("free again")
            done.set(child.ask(where, timeout=5))

    thread = threading.Thread(target=asker)
    thread.start()
    assert entered.wait(5)
    child._cell.fence("on purpose")
    gate.set()
    thread.join(5)
    assert done.done()
    assert other.ask(lambda actor: list(actor.heard), timeout=5) == ["free again"]


def test_what_was_given_up_is_released_by_the_thread_that_comes_back(real: ActorSystem) -> None:
    """`on_given_up` runs once, there, and whatever it sends is refused."""
    released: list[tuple[int, bool]] = []
    other = real.start(Probe)

    class Holder(Probe):
        def on_given_up(self) -> None:
            try:
                other.tell("refused")
            except ActorFenced:
                released.append((where(), True))

    ref: ActorRef[Any] = real.launch(Holder, name="holder", dispatcher=Dispatcher.CALLER)[0]
    at_rest(ref)
    hung = Hung(ref)
    ref._cell.fence("on purpose")
    with pytest.raises(ActorFenced):
        hung.returns()
    assert released == [(hung.thread.ident, True)]


def test_a_close_gives_up_who_hangs_in_a_handler() -> None:
    """The asker is told when it comes back, however late."""
    system = ActorSystem()
    ref = launch(system)
    hung = Hung(ref)
    system.close(timeout_ns=1)
    with pytest.raises(ActorFenced):
        hung.returns()
    with pytest.raises(ActorDead):
        ref.ask("hello", timeout=5)


def test_a_stop_waits_for_the_handler(real: ActorSystem) -> None:
    """Its budget is what it has."""
    top, child = child_with_ref(real)
    hung = Hung(child)
    stopped = top.stop(block=False)
    assert hung.returns() == hung.thread.ident
    assert stopped.get(timeout=5)


# -- races ---------------------------------------------------------------------------------------------------------


class Alone(Actor):
    """Notices if two threads are in it."""

    dispatcher: ClassVar = Dispatcher.CALLER
    clashes: ClassVar[list[int]] = []

    def __init__(self, inside: threading.Lock) -> None:
        self._inside = inside

    def on_receive(self, message: Any) -> Any:
        if not self._inside.acquire(blocking=False):
            self.clashes.append(where())
            return None
        try:
            if message == "crash":
                raise RuntimeError(message)
            return message
        finally:
            self._inside.release()


@pytest.mark.parametrize("dispatcher", [Dispatcher.CALLER, Dispatcher.POOL])
def test_of_several_askers_one_is_inside_and_each_is_answered(
    real: ActorSystem, dispatcher: Dispatcher
) -> None:
    """With tells, crashes and restarts in between: never two threads in one actor, and no ask is left."""
    inside = threading.Lock()
    spec = ChildSpec(id="alone", start=Alone, args=(inside,), dispatcher=dispatcher)

    class Top(Supervisor):
        def on_receive(self, message: Any) -> Any:
            return self.ref_of("alone") if message == "child" else super().on_receive(message)

    ref = real.start(Top, SupervisorFlags(intensity=10_000), [spec]).ask("child", timeout=5)
    wrong: list[Any] = []

    def ask(number: int) -> None:
        for each in range(300):
            if each % 7 == 0:
                ref.tell(each)
            if each % 50 == number:
                try:
                    ref.ask("crash")
                except ActorCrashed:
                    continue
                wrong.append("no crash")
            elif ref.ask(each) != each:
                wrong.append(each)

    askers = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(30)
    assert not wrong
    assert Alone.clashes == []
    assert ref.ask("the end", timeout=5) == "the end"


def test_fences_while_many_ask(real: ActorSystem) -> None:
    """Each ask is answered, no thread stays marked, and the actor goes on."""
    _, child = child_with_ref(real)
    over = threading.Event()
    strange: list[BaseException] = []

    def ask() -> None:
        while not over.is_set():
            try:
                child.ask(where, timeout=20)
            except ActorFenced:
                continue
            except BaseException as error:  # noqa: BLE001 - what must not be
                strange.append(error)
                return

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for _ in range(200):
        child._cell.fence("on purpose")
        child.ask(lambda actor: actor.incarnation, block=False)
    over.set()
    for asker in askers:
        asker.join(30)
    assert not strange
    at_rest(child)
    assert real.runtime.zombies == {}
    assert real.runtime.guests == set()


def test_the_ref_is_as_others() -> None:
    """It is equal to any other ref of the same actor, and prints as one."""
    with ActorSystem() as system:
        ref = launch(system)
        assert isinstance(ref, CallerRef)
        assert ref == ref.ask(lambda actor: actor.actor_ref)
        assert repr(ref) == "<ActorRef probe#1>"
