"""Mailboxes: two lanes, each overflow policy exactly, and a put that may happen anywhere."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

import gc
from collections import deque
from dataclasses import replace
from functools import partial
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.supervision.supkit import PATIENCE_S, Tree, flags, wait_until, worker

from greenroom.supervision import StopChild, UpdateSupervisor
from greenroom.supervision._future import Future
from greenroom.supervision._mailbox import Mailbox
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._system import ActorSystem
from greenroom.supervision.errors import ActorDead, AskTimeout, BlockingInHandler, MailboxFull
from greenroom.supervision.events import DeadLetter
from greenroom.supervision.probes import Probe, Recorder
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.simulated import SimulatedRuntime
from greenroom.supervision.spec import MailboxSpec, Overflow

CAPACITIES = pytest.mark.parametrize("capacity", [1, 3, 64, 65, 100])


def hold(busy: Event, gate: Event, _: Any = None) -> None:
    """Keep an actor's thread until the gate is opened."""
    busy.set()
    gate.wait(5)


def full(system: ActorSystem, heard: list[Any], overflow: Overflow, capacity: int) -> ActorRef[Probe]:
    """Start an actor, under simulation, that has not come to any of ``capacity`` messages."""
    spec = MailboxSpec(capacity=capacity, overflow=overflow)
    ref, started = system.launch(Probe, (heard,), name="full", mailbox=spec)
    started.get()
    for number in range(capacity):
        ref.tell(number)
    return ref


@CAPACITIES
def test_fail_refuses_the_message_that_does_not_fit(simulated: ActorSystem, capacity: int) -> None:
    """The sender gets `MailboxFull`, an asker in its answer; what was in there is handled."""
    heard: list[Any] = []
    ref = full(simulated, heard, Overflow.FAIL, capacity)
    with pytest.raises(MailboxFull) as caught:
        ref.tell("too much")
    assert caught.value.capacity == capacity
    assert isinstance(ref.ask("too much", block=False).error(), MailboxFull)
    assert ref.send("too much") is False
    simulated.runtime.run_until_idle()
    assert heard == list(range(capacity))
    ref.tell("fits again")


@CAPACITIES
def test_drop_oldest_makes_room(simulated: ActorSystem, capacity: int) -> None:
    """The oldest message becomes a dead letter, an ask is told so, the order of the rest stays."""
    heard: list[Any] = []
    seen = Recorder(simulated)
    spec = MailboxSpec(capacity=capacity, overflow=Overflow.DROP_OLDEST)
    ref, started = simulated.launch(Probe, (heard,), name="full", mailbox=spec)
    started.get()
    first = ref.ask("oldest", block=False)
    for number in range(capacity + 2):
        ref.tell(number)
    assert isinstance(first.error(), ActorDead)
    simulated.runtime.run_until_idle()
    assert heard == list(range(2, capacity + 2))
    assert len(seen.of(DeadLetter)) == 2


@CAPACITIES
def test_drop_newest_keeps_what_is_there(simulated: ActorSystem, capacity: int) -> None:
    """The message itself becomes a dead letter."""
    heard: list[Any] = []
    ref = full(simulated, heard, Overflow.DROP_NEWEST, capacity)
    ref.tell("lost")
    assert isinstance(ref.ask("lost", block=False).error(), ActorDead)
    simulated.runtime.run_until_idle()
    assert heard == list(range(capacity))
    assert simulated.dead_letters == 1


@CAPACITIES
def test_block_waits_for_room(simulated: ActorSystem, capacity: int) -> None:
    """Under simulation the wait lets the receiver run; nothing is lost."""
    heard: list[Any] = []
    ref = full(simulated, heard, Overflow.BLOCK, capacity)
    for number in range(capacity, capacity + 10):
        ref.tell(number)
        assert ref._cell.depth() <= capacity
    simulated.runtime.run_until_idle()
    assert heard == list(range(capacity + 10))


@pytest.mark.parametrize("overflow", list(Overflow))
def test_a_stop_is_taken_past_the_bound_and_never_dropped(simulated: ActorSystem, overflow: Overflow) -> None:
    """A full mailbox can still be told to stop, and later messages do not evict the stop."""
    heard: list[Any] = []
    ref = full(simulated, heard, overflow, 2)
    stopped = ref.stop(block=False)
    if overflow in (Overflow.DROP_OLDEST, Overflow.DROP_NEWEST):
        for number in range(5):
            ref.tell(number)
    assert stopped.get() is True
    assert not ref.is_alive()


def test_the_control_lane_is_not_bounded_and_comes_first(simulated: ActorSystem) -> None:
    """A thousand continuations to an actor whose mailbox is full are all run, before its messages."""
    heard: list[Any] = []
    ref = full(simulated, heard, Overflow.FAIL, 2)
    cell = ref._cell
    for number in range(1000):
        cell.put_continuation(cell.life, heard.append, (f"control {number}",))
    simulated.runtime.run_until_idle()
    assert heard == [*(f"control {number}" for number in range(1000)), 0, 1]


@pytest.mark.parametrize("after", [MailboxSpec(capacity=2, overflow=Overflow.BLOCK), MailboxSpec(capacity=1)])
def test_who_waits_for_room_hears_of_an_update(real: ActorSystem, after: MailboxSpec) -> None:
    """Of the mailbox of a stopped child, which handles nothing: there is room now, or senders wait no more."""
    spec = worker("a", mailbox=MailboxSpec(capacity=1, overflow=Overflow.BLOCK))
    tree = Tree(real, flags(), [spec])
    ref = tree.child("a")
    tree.ask(StopChild(child="a"))
    ref.tell("first")
    told: Future[bool] = Future()

    def tell() -> None:
        try:
            ref.tell("second")
            told.set(True)
        except MailboxFull:
            told.set(False)

    sender = Thread(target=tell, daemon=True)
    sender.start()
    wait_until(real, lambda: ref._cell.waiting)
    tree.ask(UpdateSupervisor(children=[replace(spec, mailbox=after)]))
    assert told.get(timeout=PATIENCE_S) is (after.capacity == 2)
    sender.join(PATIENCE_S)
    tree.stop()
    assert len(tree.seen.of(DeadLetter)) == after.capacity


def test_a_handler_on_the_pool_never_blocks_on_a_full_mailbox(simulated: ActorSystem) -> None:
    """It is refused where it is called, instead of stopping other actors."""
    sender = simulated.start(Probe)

    def fill_and_send(actor: Probe) -> str:
        spec = MailboxSpec(capacity=1, overflow=Overflow.BLOCK)
        child = actor.spawn(Probe, name="narrow", mailbox=spec)
        child.tell("fills it")
        with pytest.raises(BlockingInHandler):
            child.tell("waits")
        return "refused"

    assert sender.ask(fill_and_send) == "refused"


def test_senders_that_block_on_threads_all_get_in(real: ActorSystem) -> None:
    """Four threads that send through a mailbox of one lose nothing and keep their order."""
    heard: list[Any] = []
    spec = MailboxSpec(capacity=1, overflow=Overflow.BLOCK)
    ref, started = real.launch(Probe, (heard,), name="narrow", mailbox=spec)
    started.get(timeout=5)

    def send(name: int) -> None:
        for number in range(200):
            ref.tell((name, number))

    threads = [Thread(target=send, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    ref.ask("last", timeout=5)
    for name in range(4):
        assert [item[1] for item in heard if item[0] == name] == list(range(200))


def test_a_sender_that_blocks_has_patience_or_not(real: ActorSystem) -> None:
    """The timeout of an ask covers the wait for room, and who gave up does not take the room of another."""
    gate = Event()
    spec = MailboxSpec(capacity=1, overflow=Overflow.BLOCK)
    ref, started = real.launch(Probe, name="narrow", mailbox=spec, dispatcher=Dispatcher.BLOCKING)
    started.get(timeout=5)
    busy = Event()
    ref.tell(partial(hold, busy, gate))
    assert busy.wait(5)
    ref.tell("fills it")
    with pytest.raises(AskTimeout):
        ref.ask("no room", timeout=0.01)
    assert not ref._cell.waiting
    gate.set()
    assert ref.ask("room", timeout=5) == "room"


def test_blocked_senders_hear_of_the_end(real: ActorSystem) -> None:
    """Nobody waits for room in a mailbox that is gone."""
    gate, busy, errors = Event(), Event(), list[Exception]()
    spec = MailboxSpec(capacity=1, overflow=Overflow.BLOCK)
    ref, started = real.launch(Probe, name="narrow", mailbox=spec, dispatcher=Dispatcher.BLOCKING)
    started.get(timeout=5)

    def hold_and_end(actor: Probe) -> None:
        hold(busy, gate)
        actor.end()

    ref.tell(hold_and_end)
    assert busy.wait(5)
    ref.tell("fills it")

    def send() -> None:
        try:
            ref.tell("blocks")
        except ActorDead as error:
            errors.append(error)

    thread = Thread(target=send)
    thread.start()
    gate.set()
    thread.join(5)
    assert not thread.is_alive()


class Sends:
    """Something whose finalizer sends a message, and that only the garbage collector can find."""

    def __init__(self, ref: Any, future: Any = None) -> None:
        self.ref = ref
        self.future = future
        self.me = self

    def __del__(self) -> None:
        self.ref.send("from a finalizer")
        if self.future is not None:
            self.future.try_set("from a finalizer")


def test_a_finalizer_may_send_from_anywhere(real: ActorSystem) -> None:
    """The collector may run a finalizer in the middle of a put, in the same thread: nothing hangs, nothing is lost."""
    threshold = gc.get_threshold()
    count = 300
    heard: list[Any] = []
    spec = MailboxSpec(capacity=100_000)
    ref, started = real.launch(Probe, (heard,), name="probe", mailbox=spec)
    started.get(timeout=5)
    arrived: list[Any] = []
    gc.set_threshold(1)
    try:
        for number in range(count):
            future: Future[Any] = Future(real.runtime, "finalizer")
            ref.ask(lambda actor, future=future: actor.when(future, arrived.append), timeout=5)
            Sends(ref, future)
            ref.tell(number)
            real.start(Probe).stop(timeout=5)
        gc.collect()
    finally:
        gc.set_threshold(*threshold)
    ref.ask("last", timeout=5)
    assert [item for item in heard if isinstance(item, int)] == list(range(count))
    assert heard.count("from a finalizer") == count
    assert len(arrived) == count


def test_a_message_to_the_closed_is_counted(real: ActorSystem) -> None:
    """After the system was closed a send is a dead letter, an ask is answered; nothing blocks."""
    ref = real.start(Probe)
    real.close()
    assert ref.send("late") is False
    with pytest.raises(ActorDead):
        ref.ask("late", timeout=5)
    assert real.dead_letters == 1


def test_a_simulated_wait_for_room_that_never_comes_is_refused() -> None:
    """A blocked sender whose receiver hangs is told so instead of hanging the run."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        ref = full(system, [], Overflow.BLOCK, 2)
        runtime.run_until_idle()
        ref.tell(lambda _: runtime.hang())
        runtime.run_until_idle()
        ref.tell(1)
        ref.tell(2)
        with pytest.raises(RuntimeError, match="hung: full"):
            ref.tell(3)


def test_a_put_that_the_end_overtakes_is_buried(simulated: ActorSystem) -> None:
    """Whoever comes second, the put or the end, sees to the message: the asker is answered."""
    ref = simulated.start(Probe)
    cell = ref._cell

    class Overtaken(deque[Any]):
        def append(self, item: Any, /) -> None:
            cell.fence("in the middle of a put")
            simulated.runtime.run_until_idle()
            assert cell.terminated
            super().append(item)

    cell.user = Overtaken()
    assert isinstance(ref.ask("overtaken", block=False).error(), ActorDead)


class Aged(Mailbox):
    """A mailbox whose turns a test takes."""

    @property
    def path(self) -> str:
        """Nowhere."""
        return "aged"

    def __init__(self, runtime: SimulatedRuntime) -> None:
        super().__init__(SimpleNamespace(runtime=runtime), MailboxSpec())
        self.executor = runtime.executor(Dispatcher.POOL, "aged")

    def run(self) -> None:
        """Nothing: the test does it."""


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(1, 4)), max_size=40))
def test_the_age_of_a_mailbox_lags_by_two_turns_at_most(turns: list[tuple[int, int, int]]) -> None:
    """Whatever came in when: never younger than the truth, and no older than the turn at whose end all was newer.

    All that was there at the end of one turn has been handled by the end of a second, and what was there then by the
    end of a third: from then on the oldest is taken to have come after the first.
    """
    runtime = SimulatedRuntime()
    mailbox = Aged(runtime)
    handled, put = 0, 0
    came: dict[int, int] = {}
    ends: list[
        tuple[int, int, int]
    ] = []  # of each turn: when, how many had been handled, how many had been put
    mailbox.put("first")
    came[0], put = 0, 1
    for puts, wait_ns, most in turns:
        runtime.spend(wait_ns)
        for _ in range(puts):
            mailbox.put(put)
            came[put] = runtime.now_ns()
            put += 1
        handles = min(most, put - handled)
        for _ in range(handles):
            assert mailbox.user
            mailbox.user.popleft()
        handled += handles
        if handled == put:
            return
        mailbox.turned(handles)
        ends.append((runtime.now_ns(), handled, put))
        since_ns, _ = mailbox.oldest_ns() or (0, True)
        assert since_ns <= came[handled]
        done = [second for second in ends if second[2] <= handled]
        if done:
            at_least = [first[0] for first in ends if any(first[2] <= second[1] for second in done)]
            assert since_ns >= max(at_least, default=0)
