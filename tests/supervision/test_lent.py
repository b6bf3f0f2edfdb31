"""Members of a group that start in one step of their supervisor: from outside it is as if each had taken its turn."""

import itertools
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, ClassVar

import pytest
from tests.supervision.supkit import MS, PATIENCE_S

from greenroom.supervision import (
    IGNORE,
    START_LATER,
    Actor,
    ActorCrashed,
    ActorRef,
    ActorStopped,
    ActorSystem,
    Backoff,
    BlockingInHandler,
    ChildInfo,
    ChildSpec,
    CountChildren,
    Dispatcher,
    MailboxSpec,
    OnCrash,
    OnRestart,
    StopChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
    ThreadRuntime,
    WhichChildren,
)
from greenroom.supervision._lent import Loan
from greenroom.supervision._place import ENDED, RUNNING
from greenroom.supervision.events import ActorStarted
from greenroom.supervision.snapshot import FlightKind

MANY = 100
"""More than an actor may do in one turn."""
HERE = 60
"""The one in the middle that does something special."""


class Script:
    """What the members do at their starts, and what has been seen of those."""

    def __init__(self) -> None:
        self.at: dict[tuple[str, int], Callable[[Member], Any]] = {}
        """What is called in the start of a member, by its name and incarnation: with the actor."""
        self.starts: list[tuple[str, int]] = []
        self.failures: list[tuple[str, str]] = []
        self.given_up: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        self.last: queue.SimpleQueue[int] = queue.SimpleQueue()

    def up(self) -> None:
        self.last.get(timeout=PATIENCE_S)


class Member(Actor):
    """Notes its start, and does what the script says."""

    script: ClassVar[Script]

    def on_start(self) -> Any:
        name, number = self._cell.name, self._life.number
        self.script.starts.append((name, number))
        act = self.script.at.get((name, number))
        result = None if act is None else act(self)
        if name == str(MANY - 1):
            self.script.last.put(number)
        return result

    def on_receive(self, message: Any) -> Any:
        if message == "crash":
            raise RuntimeError(message)
        return (message, self._life.number)

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self.script.failures.append((self._cell.name, str(exception_value)))

    def on_given_up(self) -> None:
        self.script.given_up.put((self._cell.name, self._life.number))


@pytest.fixture
def script() -> Iterator[Script]:
    """What the members of this test do."""
    Member.script = Script()
    yield Member.script
    del Member.script


def start(
    system: ActorSystem,
    *,
    top: type[Supervisor] = Supervisor,
    strategy: Strategy = Strategy.ONE_FOR_ALL,
    intensity: int = 100,
    **fields: Any,
) -> ActorRef[Any]:
    """Start a group of many, of which the one in the middle has these fields, and wait until all are up."""
    specs = [
        ChildSpec(id=str(each), start=Member, **(fields if each == HERE else {})) for each in range(MANY)
    ]
    flags = SupervisorFlags(strategy=strategy, intensity=intensity, period_ns=3_600_000 * MS)
    ref = system.start(top, flags, specs)
    Member.script.up()
    Member.script.starts.clear()
    return ref


def listed(ref: ActorRef[Any]) -> list[Any]:
    """Return what the supervisor says of its children, in start order."""
    found: list[ChildInfo] = ref.ask(WhichChildren(), timeout=PATIENCE_S)
    return found


def child(ref: ActorRef[Any], number: int) -> Any:
    """Return what it says of one."""
    return next(info for info in listed(ref) if info.spec.id == str(number))


def incarnations(ref: ActorRef[Any]) -> set[int]:
    """Return which incarnations there are."""
    return {info.ref.incarnation for info in listed(ref)}


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for something of which nobody is told."""
    late_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < late_s
        time.sleep(0.001)


def looks(system: ActorSystem) -> list[Any]:
    """Return the timers that look whether a start takes long."""
    clock = system.runtime._clock
    return [each for each in [*clock._heap, *clock._new] if "Loan._look" in repr(each[2])]


def everybody(incarnation: int) -> list[tuple[str, int]]:
    """Return the starts of an attempt that goes well."""
    return [(str(each), incarnation) for each in range(MANY)]


class Gate:
    """Holds up who comes, until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self.thread = threading.current_thread()

    def __call__(self, actor: Any) -> None:
        self.thread = threading.current_thread()
        self.reached.set()
        assert self.open.wait(PATIENCE_S)


class Holding(Supervisor):
    """Can be held up in a message."""

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Gate):
            message(self)
            return None
        return super().on_receive(message)


def test_members_start_in_order_each_once_and_on_few_threads(real: ActorSystem, script: Script) -> None:
    """However many there are; and again and again."""
    ref = start(real)
    threads: list[int] = []
    for round_ in range(2, 12):
        for name, _ in everybody(round_):
            script.at[name, round_] = lambda _: threads.append(threading.get_ident())
        child(ref, 30).ref.tell("crash")
        script.up()
        assert script.starts == everybody(round_)
        script.starts.clear()
        assert incarnations(ref) == {round_}
    changes = sum(a != b for a, b in itertools.pairwise(threads))
    assert changes < len(threads) / 2, "they took turns"


def test_each_has_its_thread_and_its_refs_and_can_do_what_an_actor_can(
    real: ActorSystem, script: Script
) -> None:
    """In its start a member is itself, not its supervisor: it may spawn, set timers and send."""
    ref = start(real)
    rang = threading.Event()

    def act(actor: Member) -> None:
        assert actor.path == f"{ref.path}/{HERE}"
        actor.spawn(Member, name="of its own")
        actor.after(1, rang.set)
        actor.actor_ref.tell("to itself")
        with pytest.raises(BlockingInHandler) as refused:
            ref.ask(WhichChildren(), timeout=PATIENCE_S)
        assert refused.value.actor == actor.path

    script.at[str(HERE), 2] = act
    child(ref, 30).ref.tell("crash")
    script.up()
    assert rang.wait(PATIENCE_S)
    assert f"{ref.path}/{HERE}/of its own" in real.paths()
    assert child(ref, HERE).ref.ask("there?", timeout=PATIENCE_S) == ("there?", 2)
    assert ref.ask(CountChildren(), timeout=PATIENCE_S).active == MANY


def test_a_start_that_takes_its_time_holds_up_the_next_ones_and_not_the_supervisor(
    real: ActorSystem, script: Script
) -> None:
    """It answers meanwhile; when the start is done the others follow, in order and once."""
    ref = start(real, top=Holding)
    here, epoch = child(ref, HERE).ref._cell, ref._cell.epoch
    gate, held = Gate(), Gate()
    script.at[str(HERE), 2] = gate
    child(ref, 30).ref.tell("crash")
    assert gate.reached.wait(PATIENCE_S)
    assert child(ref, HERE).status.value == "restarting"
    ref.tell(held)
    assert held.reached.wait(PATIENCE_S)
    gate.open.set()
    wait_until(lambda: here.state == RUNNING and not real.loans)
    assert script.starts == everybody(2)[: HERE + 1], "who was told to go on elsewhere did both"
    assert ref._cell.epoch == epoch + 1
    held.open.set()
    script.up()
    assert script.starts == everybody(2)
    assert incarnations(ref) == {2}
    assert real.runtime.zombies == {}


def test_a_start_that_hangs_is_given_up_without_the_supervisor(real: ActorSystem, script: Script) -> None:
    """Past its budget; the supervisor begins another attempt on another thread. Who hung changes nothing when it comes back."""
    ref = start(real, start_ns=50 * MS)
    gate = script.at[str(HERE), 2] = Gate()
    supervisor = ref.incarnation
    child(ref, 30).ref.tell("crash")
    assert gate.reached.wait(PATIENCE_S)
    script.up()
    assert incarnations(ref) == {2, 3}
    assert script.starts == [
        *everybody(2)[: HERE + 1],
        *everybody(3)[:HERE],
        (str(HERE), 3),
        *everybody(2)[HERE + 1 :],
    ]
    assert script.given_up.empty()
    assert gate.thread.ident in real.runtime.zombies
    gate.open.set()
    assert script.given_up.get(timeout=PATIENCE_S) == (str(HERE), 2)
    assert child(ref, HERE).ref.ask("there?", timeout=PATIENCE_S) == ("there?", 3)
    assert ref.incarnation == supervisor
    again = len(script.starts)
    child(ref, 30).ref.tell("crash")
    script.up()
    assert len(script.starts) == again + MANY


def test_a_fence_and_a_budget_of_less_than_a_look(real: ActorSystem, script: Script) -> None:
    """A member that hangs is given up by its budget before anybody has seen that it takes long."""
    ref = start(real, start_ns=1 * MS)
    gates = [Gate() for _ in range(5)]
    for round_, gate in enumerate(gates, 2):
        script.at[str(HERE), round_] = gate
    child(ref, 30).ref.tell("crash")
    script.up()
    assert child(ref, HERE).ref.incarnation == 7
    for _ in range(3):  # a look that begins is in no list for a moment
        later = threading.Event()
        real.runtime.look_later(11 * MS, later.set)
        assert later.wait(PATIENCE_S)
        assert not looks(real), "somebody looks again and again"
    for gate in gates:
        gate.open.set()
    found = {script.given_up.get(timeout=PATIENCE_S) for _ in gates}
    assert found == {(str(HERE), round_) for round_ in range(2, 7)}


def test_who_is_given_up_before_its_code_has_begun_is_not_two(
    real: ActorSystem, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the step in which the thread takes it and the first line of its own: that thread is refused from there on."""
    begin, left = Loan._begin, [True]

    def begins(loan: Loan, cell: Any) -> Any:
        found = begin(loan, cell)
        if cell.name == str(HERE) and left:
            left.clear()
            other = threading.Thread(target=cell.fence, args=("on purpose",))
            other.start()
            other.join()
        return found

    ref = start(real)
    monkeypatch.setattr(Loan, "_begin", begins)
    child(ref, 30).ref.tell("crash")
    script.up()
    assert script.given_up.get(timeout=PATIENCE_S) == (str(HERE), 2)
    assert child(ref, HERE).ref.ask("there?", timeout=PATIENCE_S) == ("there?", 3)
    assert real.loans == {}


def test_a_member_that_hangs_while_it_says_why_it_failed(real: ActorSystem, script: Script) -> None:
    """In ``on_failure`` it has the budget of an end."""
    ref = start(real, shutdown_ns=30 * MS)
    gate = Gate()

    def fail(actor: Member) -> None:
        actor.on_failure = lambda *_: gate(actor)  # type: ignore[method-assign]
        raise RuntimeError("no")

    script.at[str(HERE), 2] = fail
    child(ref, 30).ref.tell("crash")
    assert gate.reached.wait(PATIENCE_S)
    script.up()
    assert child(ref, HERE).ref.incarnation == 3
    gate.open.set()
    assert script.given_up.get(timeout=PATIENCE_S) == (str(HERE), 2)


def test_a_start_that_fails_begins_another_attempt(real: ActorSystem, script: Script) -> None:
    """It counts; who had started is stopped, and all start again; its ``on_failure`` runs once."""
    ref = start(real, backoff=Backoff(initial_ns=1 * MS, max_ns=1 * MS, jitter=0))

    def fail(_: Any) -> None:
        raise RuntimeError("no")

    script.at[str(HERE), 2] = script.at[str(HERE), 3] = fail
    child(ref, 30).ref.tell("crash")
    script.up()
    assert script.starts == [
        *everybody(2)[: HERE + 1],
        *everybody(3)[: HERE + 1],
        *everybody(4)[: HERE + 1],
        *everybody(2)[HERE + 1 :],
    ]
    assert script.failures == [("30", "crash"), (str(HERE), "no"), (str(HERE), "no")]
    assert child(ref, HERE).restarts == 2


def test_past_the_intensity_all_is_over(real: ActorSystem, script: Script) -> None:
    """The supervisor gives up in the middle of a step, and nothing of it is left."""
    ref = start(real, intensity=2)

    def fail(_: Any) -> None:
        raise RuntimeError("no")

    for round_ in range(2, 9):
        script.at[str(HERE), round_] = fail
    gone = threading.Event()
    ref.watch(lambda _, __: gone.set())
    child(ref, 30).ref.tell("crash")
    assert gone.wait(PATIENCE_S)
    assert real.paths() == []
    assert len([each for each in script.starts if each[0] == str(HERE)]) == 2


@pytest.mark.parametrize("how", ["ignored", "later", "itself", "ends", "stops itself"])
def test_every_way_to_start(real: ActorSystem, script: Script, how: str) -> None:
    """A member that declines, says later or itself that it is up, or is over again at once; the next ones start after it."""
    ref = start(real)

    def act(actor: Member) -> Any:
        match how:
            case "ignored":
                return IGNORE
            case "later":
                actor.after(1 * MS, actor.acknowledge)
                return START_LATER
            case "itself":
                actor.acknowledge("extra")
            case "ends":
                actor.end()
            case _:
                actor.actor_ref.stop(block=False)
        return None

    script.at[str(HERE), 2] = act
    child(ref, 30).ref.tell("crash")
    script.up()
    if how in ("ends", "stops itself"):  # it is permanent: all start once more, at the latest when all are up
        if script.starts[-1] == (str(MANY - 1), 2) and (str(HERE), 3) not in script.starts:
            script.up()
        assert child(ref, HERE).ref.ask("there?", timeout=PATIENCE_S) == ("there?", 3)
        return
    assert script.starts == everybody(2)
    assert child(ref, HERE).status.value == ("stopped" if how == "ignored" else "running")
    assert child(ref, HERE + 1).ref.ask("there?", timeout=PATIENCE_S) == ("there?", 2)


def test_a_member_that_crashes_while_the_next_ones_start(real: ActorSystem, script: Script) -> None:
    """Its supervisor hears of that before it starts many more, and begins another attempt."""
    ref = start(real)
    first = child(ref, 3).ref

    def act(_: Any) -> None:
        first.tell("crash")
        wait_until(lambda: first._cell.state == ENDED)

    script.at[str(HERE), 2] = act
    child(ref, 30).ref.tell("crash")
    script.up()
    assert script.starts[: HERE + 1] == everybody(2)[: HERE + 1]
    assert set(script.starts[HERE + 2 :]).isdisjoint(everybody(2)[: HERE + 2])
    wait_until(lambda: first.ask("there?", timeout=PATIENCE_S) == ("there?", 3))
    wait_until(lambda: ref.ask(CountChildren(), timeout=PATIENCE_S).active == MANY)


def test_what_waits_at_a_member_is_handled_by_its_next_incarnation(real: ActorSystem, script: Script) -> None:
    """Whether it came before the crash, or while the group starts."""
    ref = start(real)
    here = child(ref, HERE).ref
    answers: list[Any] = []
    script.at["10", 2] = lambda _: answers.append(here.ask("before", block=False))
    script.at[str(HERE), 2] = lambda _: answers.append(here.ask("in it", block=False))
    script.at["90", 2] = lambda _: answers.append(here.ask("after", block=False))
    child(ref, 30).ref.tell("crash")
    script.up()
    assert [each.get(timeout=PATIENCE_S) for each in answers] == [("before", 2), ("in it", 2), ("after", 2)]


def test_who_has_a_thread_of_its_own_starts_there(real: ActorSystem, script: Script) -> None:
    """Its turn comes in order all the same."""
    ref = start(real, dispatcher=Dispatcher.PINNED)
    seen: list[str] = []
    script.at[str(HERE), 2] = lambda _: seen.append(threading.current_thread().name)
    child(ref, 30).ref.tell("crash")
    script.up()
    assert script.starts == everybody(2)
    assert str(HERE) in seen[0]


def test_who_has_a_name_has_it_again(real: ActorSystem, script: Script) -> None:
    """Even if somebody has freed it meanwhile."""
    ref = start(real, register="somebody")
    real.unregister("somebody")
    child(ref, 30).ref.tell("crash")
    script.up()
    assert real.whereis("somebody") == child(ref, HERE).ref


def test_who_drops_its_messages_at_a_restart_does_so(real: ActorSystem, script: Script) -> None:
    """What waits at one that is down is dealt with as its mailbox says."""
    ref = start(real, mailbox=MailboxSpec(on_restart=OnRestart.DROP))
    here = child(ref, HERE).ref
    answers: list[Any] = []

    def act(_: Any) -> None:
        answers.append(here.ask("before", block=False))
        wait_until(lambda: not here._cell.idle.locked())  # it has been looked at, and is at rest

    script.at["10", 2] = act
    child(ref, 30).ref.tell("crash")
    script.up()
    with pytest.raises(ActorStopped):
        answers[0].get(timeout=PATIENCE_S)


def test_a_message_that_is_tried_twice_is(real: ActorSystem, script: Script) -> None:
    """Over which the origin of it all has crashed."""
    ref = start(real, mailbox=MailboxSpec(on_crash=OnCrash.RETRY_ONCE))
    answer = child(ref, HERE).ref.ask("crash", block=False)
    with pytest.raises(ActorCrashed):
        answer.get(timeout=PATIENCE_S)
    wait_until(lambda: incarnations(ref) >= {3} and ref.ask(CountChildren()).active == MANY)
    assert script.failures == [(str(HERE), "crash")] * 2


def test_observers_are_told_of_each_start(real: ActorSystem, script: Script) -> None:
    """In order, each once."""
    ref = start(real)
    seen: list[tuple[str, int]] = []

    def note(event: Any) -> None:
        if isinstance(event, ActorStarted):
            seen.append((event.path.rpartition("/")[2], event.incarnation))

    forget = real.observe(note)
    child(ref, 30).ref.tell("crash")
    script.up()
    listed(ref)
    forget()
    assert seen == everybody(2)


def test_who_waited_for_its_back_off_waits_no_more(real: ActorSystem, script: Script) -> None:
    """Nothing is left of the timer when its group is up."""
    ref = start(real, backoff=Backoff(initial_ns=1 * MS, max_ns=1 * MS, jitter=0, immediate_first=False))
    child(ref, HERE).ref.tell("crash")
    script.up()
    listed(ref)
    assert child(ref, HERE).restarts == 1
    assert ref._cell.life.actor._keeper.due_ns(str(HERE)) is None


def test_a_stop_of_the_supervisor_while_a_member_hangs_ends_in_its_budget(
    real: ActorSystem, script: Script
) -> None:
    """Nobody else is started, the one that hangs is given up, and the tree is gone."""
    ref = start(real, shutdown_ns=30 * MS)
    gate = script.at[str(HERE), 2] = Gate()
    child(ref, 30).ref.tell("crash")
    assert gate.reached.wait(PATIENCE_S)
    gone = threading.Event()
    ref.watch(lambda _, __: gone.set())
    real.request_stop(ref)
    assert gone.wait(PATIENCE_S)
    assert real.paths() == []
    assert script.starts == everybody(2)[: HERE + 1]
    gate.open.set()
    assert script.given_up.get(timeout=PATIENCE_S) == (str(HERE), 2)


def test_a_supervisor_that_is_given_up_while_a_member_hangs(real: ActorSystem, script: Script) -> None:
    """Before anybody has seen that it takes long: both are given up on the one thread, and nothing is left behind."""
    ref = start(real)
    gate = script.at[str(HERE), 2] = Gate()
    gone = threading.Event()
    ref.watch(lambda _, __: gone.set())
    child(ref, 30).ref.tell("crash")
    assert gate.reached.wait(PATIENCE_S)
    ref._cell.fence("on purpose")
    gate.open.set()
    assert gone.wait(PATIENCE_S)
    assert real.paths() == []


def test_an_admin_stop_while_a_member_hangs_is_answered(real: ActorSystem, script: Script) -> None:
    """Of the one that hangs, when it is given up; the group's attempt ends there (OTP: the same)."""
    ref = start(real, shutdown_ns=30 * MS)
    gate = script.at[str(HERE), 2] = Gate()
    child(ref, 30).ref.tell("crash")
    assert gate.reached.wait(PATIENCE_S)
    assert ref.ask(StopChild(child=str(HERE)), timeout=PATIENCE_S) is None
    gate.open.set()
    assert child(ref, HERE).status.value == "stopped"
    assert child(ref, HERE - 1).status.value == "running"
    assert child(ref, HERE + 1).status.value == "stopped"


def test_the_flight_recorder_has_each_start(real: ActorSystem, script: Script) -> None:
    """In the order in which it was: restarting, started, ended."""
    ref = start(real)
    for _ in range(2):
        child(ref, 30).ref.tell("crash")
        script.up()
    ref.ask(WhichChildren(), timeout=PATIENCE_S)
    node = real.snapshot().find(f"{ref.path}/{HERE}")
    assert node is not None
    kinds = [each.kind for each in node.recorder if each.incarnation == 2]
    assert kinds == [FlightKind.RESTARTING, FlightKind.STARTED, FlightKind.ENDED]


def test_who_is_stopped_before_anybody_has_heard_that_it_is_up_is_down(script: Script) -> None:
    """It ends at once, and then the supervisor hears that it had started: too late, for the next incarnation counts."""
    with closing(ThreadRuntime(pool_threads=4)) as runtime, ActorSystem(runtime) as system:
        ref = start(system, top=Holding, record_messages=True)
        first = child(ref, 3).ref
        held = Gate()

        def act(_: Any) -> None:
            ref.tell(held)
            held.reached.wait(PATIENCE_S)
            first.tell("crash")
            wait_until(lambda: first._cell.state == ENDED)

        script.at[str(HERE), 2] = act
        here = child(ref, HERE).ref._cell
        child(ref, 30).ref.tell("crash")
        assert held.reached.wait(PATIENCE_S)
        wait_until(lambda: here.state == RUNNING and not here.idle.locked())
        held.open.set()
        script.up()
        assert {info.ref.incarnation for info in listed(ref)[: HERE + 1]} == {3}
        assert {info.status.value for info in listed(ref)} == {"running"}


class Troubles:
    """Starts that fail, hang, are slow, or make somebody crash: as the dice have it."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - no secret
        self.gates: list[Gate] = []
        self.refs: list[ActorRef[Any]] = []
        self.inside: dict[str, tuple[int, int]] = {}
        self.twice: list[str] = []
        self.over = False
        """Whether nobody is to hang any more."""

    def __call__(self, actor: Member) -> None:
        cell = actor._cell
        mine = (actor._life.number, cell.epoch)
        if self.inside.get(cell.name, (0, -1))[1] == cell.epoch:  # else that one has been given up
            self.twice.append(cell.name)
        self.inside[cell.name] = mine
        try:
            self._trouble()
        finally:
            if self.inside.get(cell.name) == mine:
                del self.inside[cell.name]

    def _trouble(self) -> None:
        match self.dice.randrange(5):
            case 0:
                raise RuntimeError("no")
            case 1 if len(self.gates) < 4 and not self.over:
                self.gates.append(Gate())
                self.gates[-1](None)
            case 2:
                time.sleep(self.dice.choice([0.001, 0.03]))
            case 3:
                self.dice.choice(self.refs).tell("crash")
            case _:
                pass


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
@pytest.mark.parametrize("seed", range(6))
def test_random_troubles(real: ActorSystem, script: Script, strategy: Strategy, seed: int) -> None:
    """In any order: in the end all are up and answer, and never were two of one at work."""
    ref = start(real, strategy=strategy, intensity=1000)
    trouble = Troubles(seed)
    trouble.refs = [info.ref for info in listed(ref)]
    for each in trouble.refs:
        each._cell.start_ns = 60 * MS
    for name in trouble.dice.sample(range(MANY), 8):
        for round_ in range(2, 40, 3):
            script.at[str(name), round_] = trouble
    for _ in range(10):
        trouble.dice.choice(trouble.refs).tell("crash")
        time.sleep(0.005)
    for each in trouble.refs:
        assert each.ask("there?", timeout=PATIENCE_S)[0] == "there?"
    wait_until(lambda: ref.ask(CountChildren(), timeout=PATIENCE_S).active == MANY)
    trouble.over = True
    pool = real.runtime._pools[Dispatcher.POOL]
    for gate in trouble.gates:
        gate.open.set()
        wait_until(lambda: gate.thread in pool.threads() or not gate.thread.is_alive())  # noqa: B023 - called at once
    assert trouble.twice == []
    wait_until(lambda: {info.status.value for info in listed(ref)} == {"running"})
