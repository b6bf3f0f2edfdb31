"""A crew on real threads: members one at a time and in order, few threads for what is quick, one more for what blocks."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from threading import Event
from typing import Any

import pytest
from tests.supervision.supkit import PATIENCE_S

from greenroom.supervision import _crew, _member, _threads
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._system import ActorSystem
from greenroom.supervision._threads import ThreadRuntime
from greenroom.supervision.probes import Probe
from greenroom.supervision.runtime import Dispatcher, Executor

MEMBERS = 12
SEEDS = range(6)
HANGS = -1.0
NEVER_NS = 1 << 60


class Doing:
    """A task that calls a function."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function

    def run(self) -> None:
        """Call it."""
        self._function()


def blocking(gate: Event, entered: Callable[[], None]) -> Doing:
    """Return a task that says when it is run, and waits."""

    def run() -> None:
        entered()
        gate.wait(PATIENCE_S)

    return Doing(run)


@pytest.fixture
def runtime() -> Iterator[ThreadRuntime]:
    """A runtime that is closed at the end, with all its threads."""
    before = set(threading.enumerate())
    made = ThreadRuntime()
    yield made
    made.close()
    assert set(threading.enumerate()) <= before


def enrolled(runtime: ThreadRuntime, members: int = MEMBERS) -> list[Executor]:
    """Return the executors of so many members."""
    return [runtime.executor(Dispatcher.ELASTIC, f"member {number}") for number in range(members)]


def crew_of(runtime: ThreadRuntime) -> int:
    """Return how many threads the crew has."""
    return len(runtime._crew.threads())


def becomes(wanted: Callable[[], bool]) -> bool:
    """Wait for something to become true."""
    for _ in range(int(PATIENCE_S / 0.005)):
        if wanted():
            return True
        time.sleep(0.005)
    return wanted()


def done(executor: Executor) -> Event:
    """Submit something and return what is set by it."""
    event = Event()
    executor.submit(Doing(event.set))
    return event


def prove(members: list[Executor]) -> None:
    """Have each do so many quick tasks that it is known to be quick."""
    for _ in range(_member.PROOF + 1):
        events = [done(member) for member in members]
        assert all(event.wait(PATIENCE_S) for event in events)


class Storm:
    """Three threads submit to all members; some tasks take a while, some hang until their thread is given up."""

    TASKS = 150
    PAUSES = (0.0, 0.0, 0.0, 0.0, 0.0005, 0.003, HANGS)

    def __init__(self, members: list[Executor], seed: int) -> None:
        self.told: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        self.overlaps: list[int] = []
        self.over = threading.Semaphore(0)
        self._members = members
        self._seed = seed
        self._inside: set[int] = set()

    def send(self, sender: int) -> None:
        """Submit to one and another, in both ways."""
        dice = random.Random(self._seed * 10 + sender)  # noqa: S311 - no secret
        for number in range(self.TASKS):
            member, pause_s = dice.randrange(len(self._members)), dice.choice(self.PAUSES)
            task = Doing(partial(self._run, sender, member, number, pause_s))
            if number % 2:
                self._members[member].submit(task)
            else:
                list(self._members[member].submitting((task,)))

    def _run(self, sender: int, member: int, number: int, pause_s: float) -> None:
        if member in self._inside:
            self.overlaps.append(member)
        self._inside.add(member)
        self.told[sender, member].append(number)
        if pause_s > 0:
            time.sleep(pause_s)
        self._inside.discard(member)
        self.over.release()
        if pause_s == HANGS:
            gate = Event()
            threading.Thread(target=self._free, args=(member, gate)).start()
            gate.wait(PATIENCE_S)

    def _free(self, member: int, gate: Event) -> None:
        self._members[member].replace()
        gate.set()


@pytest.mark.parametrize("seed", SEEDS)
def test_each_member_is_run_by_one_thread_at_a_time_and_in_order(runtime: ThreadRuntime, seed: int) -> None:
    """Whoever submits, however long each task takes, and whichever threads are given up meanwhile."""
    storm = Storm(enrolled(runtime), seed)
    for sender in range(3):
        threading.Thread(target=storm.send, args=(sender,)).start()
    for _ in range(3 * storm.TASKS):
        assert storm.over.acquire(timeout=PATIENCE_S)
    assert not storm.overlaps
    assert sum(map(len, storm.told.values())) == 3 * storm.TASKS
    assert all(numbers == sorted(numbers) for numbers in storm.told.values())
    assert becomes(lambda: not runtime.zombies)


def test_whoever_blocks_holds_up_no_other(runtime: ThreadRuntime) -> None:
    """One after the other blocks, and each time all the rest are still run."""
    members = enrolled(runtime)
    gate = Event()
    for blocked, member in enumerate(members):
        entered = Event()
        member.submit(blocking(gate, entered.set))
        assert entered.wait(PATIENCE_S)
        waiting = [done(other) for other in members[blocked + 1 :]]
        assert all(event.wait(PATIENCE_S) for event in waiting)
    assert crew_of(runtime) == MEMBERS
    gate.set()


def test_who_joins_while_all_block_is_run(runtime: ThreadRuntime) -> None:
    """There were as many threads as members: nobody was there to look for what comes."""
    gate = Event()
    for _ in range(MEMBERS):
        (member,) = enrolled(runtime, 1)
        entered = Event()
        member.submit(blocking(gate, entered.set))
        assert entered.wait(PATIENCE_S)
    gate.set()


def test_it_goes_on_growing_when_its_timer_is_quicker_than_who_set_it(
    runtime: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sets the timer may lose the interpreter's lock for longer than that takes."""
    usual = runtime.call_later

    def slow(delay_ns: int, callback: Callable[[], None]) -> Any:
        handle = usual(delay_ns, callback)
        time.sleep(0.02)
        return handle

    monkeypatch.setattr(runtime, "call_later", slow)
    gate = Event()
    for member in enrolled(runtime, 5):
        entered = Event()
        member.submit(blocking(gate, entered.set))
        assert entered.wait(PATIENCE_S / 2)  # before any of them has given up
    gate.set()


def test_all_that_block_at_once_hold_up_no_other(runtime: ThreadRuntime) -> None:
    """They came in one burst, before any thread had looked."""
    members = enrolled(runtime, 40)
    inside, gate = threading.Semaphore(0), Event()
    for member in members[:-1]:
        member.submit(blocking(gate, inside.release))
    last = done(members[-1])
    assert all(inside.acquire(timeout=PATIENCE_S) for _ in members[:-1])
    assert last.wait(PATIENCE_S)
    gate.set()


def test_quick_members_need_few_threads(runtime: ThreadRuntime) -> None:
    """However many there are: what arrives together is done by one after the other."""
    members = enrolled(runtime, 200)
    assert crew_of(runtime) == 2
    for _ in range(50):
        events = [done(member) for member in members]
        assert all(event.wait(PATIENCE_S) for event in events)
    assert crew_of(runtime) < 20


def test_what_arrives_together_is_done_by_one_thread(
    runtime: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If all are known to be quick: the other thread is not even woken."""
    monkeypatch.setattr(_crew, "RUN_NS", NEVER_NS)
    monkeypatch.setattr(_crew, "WATCH_NS", NEVER_NS)
    monkeypatch.setattr(_crew, "SLOW_NS", NEVER_NS)
    members = enrolled(runtime)
    prove(members)
    calls: list[None] = []
    call = runtime._crew._call

    def noted() -> None:
        calls.append(None)
        call()

    monkeypatch.setattr(runtime._crew, "_call", noted)
    for _ in range(50):
        events = [done(member) for member in members]
        assert all(event.wait(PATIENCE_S) for event in events)
    assert not calls


def test_a_long_run_of_quick_ones_gets_help(runtime: ThreadRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """However quick each is: the second one here waits for the third."""
    monkeypatch.setattr(_crew, "WATCH_NS", NEVER_NS)
    monkeypatch.setattr(_crew, "SLOW_NS", NEVER_NS)
    members = enrolled(runtime, 4)
    prove(members)
    monkeypatch.setattr(_crew, "RUN_NS", 0)
    began, gate, over = Event(), Event(), Event()
    members[0].submit(Doing(lambda: began.wait(PATIENCE_S)))
    members[1].submit(Doing(lambda: over.set() if gate.wait(PATIENCE_S) else None))
    members[2].submit(Doing(gate.set))
    began.set()
    assert over.wait(PATIENCE_S / 2)


def test_one_that_was_slow_is_run_with_somebody_on_duty(
    runtime: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow once is enough, until it has been quick for a while."""
    monkeypatch.setattr(_crew, "WATCH_NS", NEVER_NS)
    members = enrolled(runtime, 2)
    prove(members)
    monkeypatch.setattr(_crew, "SLOW_NS", 0)
    gate, entered = Event(), Event()
    both = [done(member) for member in members]  # together, so that they are timed
    assert all(event.wait(PATIENCE_S) for event in both)
    assert done(members[0]).wait(PATIENCE_S)
    members[0].submit(blocking(gate, entered.set))
    assert entered.wait(PATIENCE_S)
    assert done(members[1]).wait(PATIENCE_S / 2)
    gate.set()


def test_what_comes_while_one_runs_wakes_no_other(
    runtime: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even if it comes while a task waits for something."""
    monkeypatch.setattr(_crew, "WATCH_NS", NEVER_NS)
    first, second = enrolled(runtime, 2)
    prove([first, second])
    crew = runtime._crew
    assert becomes(lambda: not crew._duty and not crew._calls.qsize() and len(crew._standby) == 1)
    for _ in range(30):
        gate, entered = Event(), Event()
        first.submit(blocking(gate, entered.set))
        assert entered.wait(PATIENCE_S)
        later = [done(second) for _ in range(5)]
        assert len(crew._standby) == 1
        assert not any(event.is_set() for event in later)
        gate.set()
        assert all(event.wait(PATIENCE_S) for event in later)
        prove([first])  # that one took a while


@pytest.mark.parametrize("pause_s", [0.0, 0.1])
def test_one_that_was_quick_and_hangs_is_found_by_the_watch(
    runtime: ThreadRuntime, pause_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether others come in the same burst, or when nothing has been done for longer than the watch usually goes on."""
    monkeypatch.setattr(_crew, "LOOKS", 1)
    members = enrolled(runtime)
    prove(members)
    gate, entered = Event(), Event()
    for member in members[:-1]:
        member.submit(blocking(gate, entered.set))
        if pause_s:
            assert entered.wait(PATIENCE_S / 2)  # before any of them has given up
            entered.clear()
            time.sleep(pause_s)
    assert done(members[-1]).wait(PATIENCE_S / 2)
    gate.set()


def test_the_watch_ends_when_all_rest_and_begins_again(
    runtime: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is none of the timers that people count."""
    monkeypatch.setattr(_crew, "LOOKS", 2)
    (member, _) = enrolled(runtime, 2)
    for _ in range(3):
        assert done(member).wait(PATIENCE_S)
        assert becomes(lambda: not runtime._crew._off)
        assert runtime.live_timers() == 0
        assert becomes(lambda: bool(runtime._crew._off))
        assert not runtime._clock._new
        assert not runtime._clock._heap


def test_the_watch_goes_on_for_who_comes_while_it_ends(
    runtime: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that is woken then has found it set, and does not set it again."""
    monkeypatch.setattr(_crew, "LOOKS", 0)
    prove(enrolled(runtime, 2))
    crew = runtime._crew
    assert becomes(lambda: bool(crew._off))

    class Late(list[None]):
        """Somebody is woken when the watch has looked, and has not said yet that it is off."""

        def append(self, item: None) -> None:
            """Say it."""
            crew._set_watch()
            super().append(item)

    off = crew._off = Late()
    monkeypatch.setattr(_crew, "WATCH_NS", NEVER_NS)
    crew._look()
    assert off == []
    assert any(entry[2] == crew._look for entry in [*runtime._clock._new, *runtime._clock._heap])


def test_one_that_the_watch_has_found_is_run_with_somebody_on_duty(
    runtime: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although nobody has timed it: it came alone."""
    members = enrolled(runtime, 2)
    prove(members)
    for again in (False, True):
        if again:
            monkeypatch.setattr(_crew, "WATCH_NS", NEVER_NS)
            assert becomes(lambda: not runtime._clock._heap or runtime._clock._heap[0][0] > NEVER_NS)
        gate, entered = Event(), Event()
        members[0].submit(blocking(gate, entered.set))
        assert entered.wait(PATIENCE_S)
        if not again:
            time.sleep(3 * _crew.WATCH_NS / 1e9)  # it looks twice
        assert done(members[1]).wait(PATIENCE_S / 2)
        gate.set()


def test_who_ends_hands_over(runtime: ThreadRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member has left, so there is a thread too many: the other one is on duty then."""
    monkeypatch.setattr(_crew, "WATCH_NS", NEVER_NS)
    for _ in range(20):
        first, second = enrolled(runtime, 2)
        prove([first, second])
        first.close()
        assert becomes(lambda: crew_of(runtime) == 1)
        assert done(second).wait(PATIENCE_S / 2)
        second.close()
        assert becomes(lambda: crew_of(runtime) == 0)


def test_threads_that_are_not_needed_any_more_end(
    runtime: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many were blocked at once, some time of quick work."""
    members = enrolled(runtime)
    gate = Event()
    inside = threading.Semaphore(0)
    for member in members:
        member.submit(blocking(gate, inside.release))
    assert all(inside.acquire(timeout=PATIENCE_S) for _ in members)
    assert crew_of(runtime) == MEMBERS
    gate.set()
    monkeypatch.setattr(_crew, "SPARE_NS", 0)
    assert becomes(lambda: done(members[0]).wait(PATIENCE_S) and crew_of(runtime) <= 3)


def test_the_last_one_out_leaves_no_thread(runtime: ThreadRuntime) -> None:
    """Members that leave are forgotten after what was submitted before, and so are the threads."""
    members = enrolled(runtime)
    last: list[Event] = []
    for member in members:
        last.append(done(member))
        member.close()
    assert all(event.wait(PATIENCE_S) for event in last)
    assert becomes(lambda: crew_of(runtime) == 0)
    assert runtime.live_pinned() == 0
    again = runtime.executor(Dispatcher.ELASTIC, "again")
    assert done(again).wait(PATIENCE_S)


def test_who_hangs_is_replaced_and_ends_when_it_comes_back(runtime: ThreadRuntime) -> None:
    """The member goes on with its next task on another thread; the one that hung has its name meanwhile."""
    member, other = enrolled(runtime, 2)
    entered, gate = Event(), Event()
    member.submit(blocking(gate, entered.set))
    assert entered.wait(PATIENCE_S)
    after = done(member)
    assert not after.wait(0.01)
    member.replace()
    assert after.wait(PATIENCE_S)
    assert done(other).wait(PATIENCE_S)
    (zombie,) = runtime.zombies.values()
    assert list(runtime.zombie_stacks()) == [zombie.name]
    assert zombie.name.startswith("greenroom-member 0-")
    member.replace()  # it rests: nobody is given up
    assert len(runtime.zombies) == 1
    gate.set()
    zombie.join(PATIENCE_S)
    assert not zombie.is_alive()
    assert runtime.zombies == {}
    assert done(member).wait(PATIENCE_S)


def test_a_thread_that_has_returned_is_not_given_up(runtime: ThreadRuntime) -> None:
    """Whoever finds that its task is over when the mark is seen goes on with it."""
    (member,) = enrolled(runtime, 1)
    found: list[int] = []
    ended = Event()

    def mark() -> None:
        me = threading.get_ident()
        found.append(me)
        runtime.zombies[me] = "marked"  # as by a fence that has not come to `abandon` yet

    member.submit(Doing(mark))
    member.submit(Doing(lambda: found.append(threading.get_ident())))
    member.submit(Doing(ended.set))
    assert ended.wait(PATIENCE_S)
    assert runtime.zombies == {}
    runtime.abandon(found[0])
    assert runtime.zombies == {}
    assert found[0] == found[1]
    assert done(member).wait(PATIENCE_S)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_task_with_a_bug_costs_no_thread(runtime: ThreadRuntime, error: type[BaseException]) -> None:
    """Whatever it raises, its member goes on."""
    (member,) = enrolled(runtime, 1)

    def fail() -> None:
        raise error

    for _ in range(5):
        member.submit(Doing(fail))
    assert done(member).wait(PATIENCE_S)
    assert crew_of(runtime) == 1


def test_nothing_that_was_submitted_is_lost_when_it_is_closed() -> None:
    """What waits behind a task that hangs is run by who closes, and what comes later by who submits it."""
    runtime = ThreadRuntime()
    member, other = enrolled(runtime, 2)
    entered, gate = Event(), Event()
    member.submit(blocking(gate, entered.set))
    assert entered.wait(PATIENCE_S)
    behind = [done(member) for _ in range(3)]
    member.replace()
    (zombie,) = runtime.zombies.values()
    member.submit(Doing(lambda: gate.wait(0.05)))
    left = [done(each) for each in (member, other) for _ in range(3)]
    runtime.close()
    assert all(event.is_set() for event in behind + left)
    assert all(done(each).is_set() for each in (member, other, *enrolled(runtime, 1)))
    gate.set()
    zombie.join(PATIENCE_S)


def test_actors_that_block_and_wait_for_each_other_all_have_a_thread(real: ActorSystem) -> None:
    """A chain of asks as long as the crew: each but the last waits inside of its handler."""
    refs: list[ActorRef[Any]] = []
    for number in range(MEMBERS):
        ref, started = real.launch(Probe, name=f"{number}", dispatcher=Dispatcher.ELASTIC)
        started.get(timeout=PATIENCE_S)
        refs.append(ref)

    def along(rest: tuple[int, ...]) -> Callable[[Probe], int]:
        def go(_: Probe) -> int:
            return 1 + (refs[rest[0]].ask(along(rest[1:]), timeout=PATIENCE_S) if rest else 0)

        return go

    assert refs[0].ask(along(tuple(range(1, MEMBERS))), timeout=PATIENCE_S) == MEMBERS


def test_a_thread_that_is_stuck_when_all_ends_is_told_by_whose_code_it_is_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And not as one of the crew."""
    monkeypatch.setattr(_threads, "JOIN_S", 0.05)
    runtime = ThreadRuntime()
    member, _ = enrolled(runtime, 2)
    gate, entered = Event(), Event()
    member.submit(blocking(gate, entered.set))
    assert entered.wait(PATIENCE_S)
    runtime.close()
    (stuck,) = runtime.stuck
    assert stuck.startswith("greenroom-member 0-")
    gate.set()
    for thread in threading.enumerate():
        if thread.name == stuck:
            thread.join(PATIENCE_S)
