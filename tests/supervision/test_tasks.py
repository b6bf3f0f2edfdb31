"""Asyncio tasks as children: start, letters, ends, the fence; on a loop of the runtime's own and in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.supervision.supkit import MS, PATIENCE_S, Tree, act, flags, wait_until, worker

from greenroom.supervision import (
    IGNORE,
    ActorCrashed,
    ActorDead,
    ActorEnding,
    ActorFenced,
    ActorRef,
    ActorStopped,
    ActorSystem,
    Backoff,
    BadSpec,
    BlockingOnLoop,
    ChildSpec,
    Crashed,
    Dispatcher,
    Down,
    Fenced,
    Liveness,
    MailboxFull,
    MailboxSpec,
    Normal,
    OnCrash,
    Restart,
    Shutdown,
    ShutdownBudget,
    StartChild,
    StartFailed,
    StopChild,
    Strategy,
    UpdateSupervisor,
)
from greenroom.supervision.events import ActorFencedEvent, ChildRestarting, DeadLetter
from greenroom.supervision.probes import Probe
from greenroom.supervision.simulated import SimulatedRuntime
from greenroom.supervision.tasks import current

TRANSIENT = Restart.TRANSIENT


def task(name: str, start: Callable[..., Any], *args: Any, **fields: Any) -> ChildSpec:
    """Return the spec of a task."""
    return ChildSpec(id=name, start=start, args=args, **fields)


async def echo() -> None:
    """Answer each letter with itself."""
    async for letter in current().letters():
        letter.reply(letter.message)


async def forever() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()


# -- start ----------------------------------------------------------------------------------------------------------


def test_a_task_has_started_when_it_has_taken_its_first_step(system: ActorSystem) -> None:
    """What it does before its first await is done when the starter hears of it; the rest is not waited for."""
    steps: list[str] = []

    async def serve() -> None:
        steps.append("first")
        await forever()

    tree = Tree(system)
    ref = tree.add(task("a", serve))
    assert steps == ["first"]
    assert ref.is_running()
    tree.stop()
    assert tree.cause("a") == Shutdown()


def test_a_service_says_itself_when_it_has_started(system: ActorSystem) -> None:
    """With `start_later` its start takes until `started`, whose value the starter gets; later siblings wait for it."""
    order: list[str] = []

    async def slow() -> None:
        me = current()
        me.start_later()
        await asyncio.sleep(0.02)
        order.append("slow")
        me.started({"port": 1234})
        me.started("only the first counts")
        await forever()

    async def quick() -> None:
        order.append("quick")
        await forever()

    tree = Tree(system)
    assert tree.ask(StartChild(spec=task("slow", slow))).extra == {"port": 1234}
    tree.stop()
    Tree(system, children=[task("slow", slow), task("quick", quick)], name="both")
    assert order == ["slow", "slow", "quick"]


async def raises() -> None:
    """Fail in the first step."""
    raise OSError("does not start")


async def raises_later() -> None:
    """Fail before it has started."""
    current().start_later()
    await asyncio.sleep(0)
    raise OSError("does not start")


async def never_says() -> None:
    """Return before it has started."""
    current().start_later()


@pytest.mark.parametrize(
    ("start", "cause"), [(raises, OSError), (raises_later, OSError), (never_says, ActorStopped)]
)
def test_a_task_that_ends_before_it_has_started_has_failed_to_start(
    system: ActorSystem, start: Any, cause: type[Exception]
) -> None:
    """The starter hears so, with the cause, and nothing is kept."""
    tree = Tree(system)
    with pytest.raises(StartFailed) as failed:
        tree.add(task("a", start))
    assert isinstance(failed.value.__cause__, cause)
    assert tree.states() == {}


def test_a_task_that_overruns_its_start_budget_is_fenced(system: ActorSystem) -> None:
    """It is cancelled and has failed to start."""

    async def late() -> None:
        current().start_later()
        await forever()

    tree = Tree(system)
    with pytest.raises(StartFailed) as failed:
        tree.add(task("a", late, start_ns=5 * MS))
    assert isinstance(failed.value.__cause__, ActorFenced)
    wait_until(system, lambda: system.runtime.zombies == {})


def test_a_task_that_ignores_its_start(system: ActorSystem) -> None:
    """It returns `IGNORE` in its first step: no ref, no error."""

    async def ignore() -> Any:
        return IGNORE

    assert Tree(system).add(task("a", ignore)) is None


def test_wrong_arguments_are_a_failed_start(system: ActorSystem) -> None:
    """As for an actor whose constructor refuses them."""
    with pytest.raises(StartFailed) as failed:
        Tree(system).add(task("a", echo, "too many"))
    assert isinstance(failed.value.__cause__, TypeError)


def test_a_task_without_a_supervisor(system: ActorSystem) -> None:
    """A system starts one as it starts an actor, and stops it; an actor can have one as its child."""
    ref = system.start(echo)
    assert ref.ask("hello", timeout=PATIENCE_S) == "hello"
    assert ref.stop(timeout=PATIENCE_S)
    assert not ref.is_alive()
    parent = system.start(Probe)

    def spawn(actor: Probe) -> Any:
        ref: ActorRef[Any] = actor.spawn(echo, name="echo")
        return ref

    child = act(parent, spawn)
    assert child.ask("hello", timeout=PATIENCE_S) == "hello"
    parent.stop(timeout=PATIENCE_S)
    assert not child.is_alive()


# -- ends -------------------------------------------------------------------------------------------------------------


def test_a_return_is_a_normal_end_and_an_exception_a_crash(system: ActorSystem) -> None:
    """So a transient task is restarted after the one and not after the other."""

    async def returns() -> None:
        await asyncio.sleep(0)

    async def crashes() -> None:
        await asyncio.sleep(0)
        raise SystemExit("is one task's crash, and nobody else's")

    tree = Tree(system, flags(intensity=1), [task("a", returns, restart=TRANSIENT), task("by", echo)])
    tree.until(a="stopped", by=1)
    assert tree.cause("a") == Normal()
    tree.ask(StartChild(spec=task("b", crashes, restart=Restart.TEMPORARY)))
    tree.until(a="stopped", by=1)
    cause = tree.cause("b")
    assert isinstance(cause, Crashed)
    assert isinstance(cause.exception, SystemExit)


def test_a_task_can_say_that_it_shuts_down(system: ActorSystem) -> None:
    """What it returns is its cause, if that is a `Shutdown`."""

    async def done() -> Shutdown:
        await asyncio.sleep(0)
        return Shutdown("all done")

    tree = Tree(system, children=[task("a", done, restart=TRANSIENT)])
    tree.until(a="stopped")
    assert tree.cause("a") == Shutdown("all done")


def test_a_cancellation_that_nobody_asked_for_is_a_crash(system: ActorSystem) -> None:
    """As an exit in OTP whose reason is neither normal nor shutdown: a transient task is restarted."""

    async def cancelled() -> None:
        await asyncio.sleep(0)
        if current().incarnation == 1:
            running = asyncio.current_task()
            assert running is not None
            running.cancel()
        await forever()

    tree = Tree(system, children=[task("a", cancelled, restart=TRANSIENT)])
    tree.until(a=2)
    assert isinstance(tree.cause("a"), Crashed)


def test_an_ordered_stop_cancels_and_waits_for_the_cleanup(system: ActorSystem) -> None:
    """The next sibling is stopped when the task is over; an error of its cleanup is logged, and it ends with shutdown."""
    order: list[str] = []

    async def cleans(name: str) -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0.01)
            order.append(name)
            if name == "b":
                raise OSError("while cleaning up")

    tree = Tree(system, children=[task(name, cleans, name) for name in "abc"])
    tree.stop()
    assert order == ["c", "b", "a"]
    assert [tree.cause(name) for name in "abc"] == [Shutdown()] * 3


def test_a_queued_stop_comes_after_the_letters_that_are_there(system: ActorSystem) -> None:
    """If the task reads letters; one that does not is stopped at once. Both end normally."""
    heard: list[int] = []

    async def reads() -> None:
        async for letter in current().letters():
            heard.append(letter.message)
            await asyncio.sleep(0)

    reader, idle = system.start(reads), system.start(forever)
    wait_until(system, lambda: reader._cell.actor.context.reads)
    for number in range(5):
        reader.tell(number)
    assert reader.stop(timeout=PATIENCE_S)
    assert heard == [0, 1, 2, 3, 4]
    idle.tell("nobody reads this")
    assert idle.stop(timeout=PATIENCE_S)


def stubborn(zombies: list[Any], gate: list[Any]) -> Callable[[], Any]:
    """Return a task that ignores its cancellation, tries things, and ends when it is let go."""

    async def run() -> None:
        me = current()
        gate.append(asyncio.Event())
        try:
            await forever()
        except asyncio.CancelledError:
            while not gate[0].is_set():
                try:
                    await gate[0].wait()
                except asyncio.CancelledError:
                    continue
        try:
            me.ref.tell("from a zombie")
        except ActorFenced as error:
            zombies.append(error)
        try:
            await me.receive()
        except (ActorFenced, ActorEnding) as error:
            zombies.append(error)
        await asyncio.create_task(by_a_child(me.ref, zombies))

    async def by_a_child(ref: Any, zombies: list[Any]) -> None:
        try:
            ref.tell("from what a zombie has spawned")
        except ActorFenced as error:
            zombies.append(error)

    return run


def test_a_task_that_ignores_its_cancellation_is_fenced(system: ActorSystem) -> None:
    """Siblings go on, it is listed with its stack, whatever it does is refused, and it leaves the list when it ends."""
    refused: list[Any] = []
    gate: list[Any] = []
    heard: list[str] = []

    async def sibling(name: str) -> None:
        try:
            await forever()
        finally:
            heard.append(name)

    children = [
        task("first", sibling, "first"),
        task("stubborn", stubborn(refused, gate), shutdown_ns=20 * MS),
        task("last", sibling, "last"),
    ]
    tree = Tree(system, children=children)
    tree.stop()
    assert heard == ["last", "first"]
    assert tree.cause("stubborn") == Fenced("did not stop within its 20 ms")
    assert [event.path for event in tree.seen.of(ActorFencedEvent)] == ["top/stubborn"]
    stacks = system.runtime.zombie_stacks()
    assert list(stacks) == ["top/stubborn"]
    assert "gate[0].wait()" in stacks["top/stubborn"]
    system.runtime.loop().call_soon_threadsafe(gate[0].set)
    wait_until(system, lambda: system.runtime.zombies == {})
    assert [type(error) for error in refused] == [ActorFenced] * 3


def test_the_replacement_of_a_fenced_task_may_start_while_the_zombie_runs(system: ActorSystem) -> None:
    """The ref answers again, as the next incarnation, before the zombie is over."""
    gate: list[Any] = []
    stuck = stubborn([], gate)

    async def run() -> None:
        await (stuck() if current().incarnation == 1 else echo())

    tree = Tree(system, children=[task("a", run, shutdown_ns=10 * MS)])
    ref = tree.child("a")
    ref._cell.fence("on purpose")
    tree.until(a=2)
    assert ref.ask("hello", timeout=PATIENCE_S) == "hello"
    assert list(system.runtime.zombie_stacks()) == ["top/a"]
    system.runtime.loop().call_soon_threadsafe(gate[0].set)
    wait_until(system, lambda: system.runtime.zombies == {})


def test_a_brutal_budget_cancels_a_task_and_does_not_wait(system: ActorSystem) -> None:
    """A task can only be killed by a cancellation; whoever stops it does not wait for what it does then."""
    gate: list[Any] = []
    tree = Tree(system, children=[task("a", stubborn([], gate), shutdown_ns=ShutdownBudget.BRUTAL)])
    tree.ask(StopChild(child="a"))
    assert tree.cause("a") == Fenced("brutal shutdown")
    wait_until(system, lambda: gate)
    system.runtime.loop().call_soon_threadsafe(gate[0].set)
    wait_until(system, lambda: system.runtime.zombies == {})


# -- letters ----------------------------------------------------------------------------------------------------------


def test_letters_come_in_order_and_wait_over_a_restart(system: ActorSystem) -> None:
    """The mailbox belongs to the child: what waits when it crashes is read by the next incarnation."""
    heard: list[int] = []

    async def reads() -> None:
        async for letter in current().letters():
            if letter.message == "crash":
                raise OSError("on purpose")
            heard.append(letter.message)
            letter.reply()

    tree = Tree(system, children=[task("a", reads, backoff=Backoff(initial_ns=MS, max_ns=MS))])
    ref = tree.child("a")
    ref.tell(1)
    ref.tell("crash")
    for number in (2, 3):
        ref.tell(number)
    ref.ask(4, timeout=PATIENCE_S)
    assert heard == [1, 2, 3, 4]
    assert ref.incarnation == 2


def test_every_ask_of_a_task_is_answered(system: ActorSystem) -> None:
    """By its answer, its error, or the end of the incarnation that took it; at once by a task that is gone."""

    async def answers() -> None:
        async for letter in current().letters():
            match letter.message:
                case "answer":
                    assert letter.is_ask
                    letter.reply("answer")
                    letter.reply("the first counts")
                case "fail":
                    letter.fail(LookupError("an answer"))
                case "crash":
                    raise OSError("on purpose")
                case _:
                    pass

    ref = system.start(answers)
    assert ref.ask("answer", timeout=PATIENCE_S) == "answer"
    with pytest.raises(LookupError, match="an answer"):
        ref.ask("fail", timeout=PATIENCE_S)
    forgotten = ref.ask("forget", block=False)
    with pytest.raises(ActorCrashed):
        ref.ask("crash", timeout=PATIENCE_S)
    with pytest.raises(ActorCrashed):
        forgotten.get(timeout=PATIENCE_S)
    wait_until(system, lambda: not ref.is_alive())
    with pytest.raises(ActorDead):
        ref.ask("late", timeout=PATIENCE_S)


def test_the_mailbox_of_a_task_that_does_not_read_is_bounded(system: ActorSystem) -> None:
    """As its spec says; what nobody has read is a dead letter in the end, and an ask is answered."""
    small = MailboxSpec(capacity=2)
    tree = Tree(system, children=[task("a", forever, mailbox=small)])
    ref = tree.child("a")
    ref.tell("first")
    asked = ref.ask("second", block=False)
    with pytest.raises(MailboxFull):
        ref.tell("does not fit")
    tree.stop()
    with pytest.raises(ActorStopped):
        asked.get(timeout=PATIENCE_S)
    assert [letter.message for letter in tree.seen.of(DeadLetter)] == ["str"]


def test_a_cancelled_receive_loses_nothing(system: ActorSystem) -> None:
    """A letter that comes while a wait is given up is read by the next."""

    async def impatient() -> None:
        me = current()
        while True:
            try:
                letter = await asyncio.wait_for(me.receive(), 0.001)
            except TimeoutError:
                continue
            letter.reply(letter.message)

    ref = system.start(impatient)
    for number in range(20):
        assert ref.ask(number, timeout=PATIENCE_S) == number
        if system.runtime.simulated:
            system.runtime.advance(MS)


def test_a_task_watches_and_is_watched(system: ActorSystem) -> None:
    """Its notices come as letters, past those that wait; its own end is told once to who monitors it."""
    heard: list[Any] = []

    async def watches(ref: Any) -> None:
        me = current()
        taken_back = me.monitor(ref)
        me.demonitor(taken_back)
        me.monitor(ref)
        while True:
            heard.append((await me.receive()).message)

    tree = Tree(system, flags(Strategy.DYNAMIC), [worker("watched"), task("other", echo)])
    watched = tree.child("watched")
    tree.add(task("watcher", watches, watched))
    noticed: list[Any] = []
    tree.child("watcher").watch(lambda number, cause: noticed.append((number, cause)))
    tree.ask(StopChild(child="watched"))
    wait_until(system, lambda: heard)
    assert [(type(down), down.ref, down.cause) for down in heard] == [(Down, watched, Shutdown())]
    tree.stop()
    assert noticed == [(1, Shutdown())]


def test_a_task_asks_actors_and_tasks_without_blocking_its_loop(system: ActorSystem) -> None:
    """It awaits the answer; a wait that would block the loop is refused."""

    async def asks(ref: Any) -> None:
        async for letter in current().letters():
            if letter.message == "block":
                with pytest.raises(BlockingOnLoop, match="await it"):
                    ref.ask("never answered")
            letter.reply(await ref.ask(letter.message, block=False))

    actor, other = system.start(Probe), system.start(echo)
    assert system.start(asks, actor).ask("hello", timeout=PATIENCE_S) == "hello"
    assert system.start(asks, other).ask("hello", timeout=PATIENCE_S) == "hello"
    assert system.start(asks, actor).ask("block", timeout=PATIENCE_S) == "block"


# -- specs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"start": lambda: None}, r"ChildSpec\.start"),
        ({"start": echo, "dispatcher": Dispatcher.PINNED}, r"ChildSpec\.dispatcher"),
        ({"start": echo, "mailbox": MailboxSpec(on_crash=OnCrash.RETRY_ONCE)}, r"MailboxSpec\.on_crash"),
        ({"start": echo, "record_messages": True}, r"ChildSpec\.record_messages"),
        ({"start": echo, "liveness": Liveness(handler_ns=MS)}, r"ChildSpec\.liveness"),
        ({"start": Probe, "loop": asyncio.new_event_loop}, r"ChildSpec\.loop"),
        ({"start": echo, "loop": "main"}, r"ChildSpec\.loop"),
    ],
)
def test_a_spec_of_a_task_is_checked(real: ActorSystem, fields: dict[str, Any], text: str) -> None:
    """What no loop could run, and what only threads have, is refused by name before anything starts."""
    tree = Tree(real)
    with pytest.raises(BadSpec, match=text):
        tree.add(ChildSpec(id="a", **fields))
    assert tree.states() == {}


def test_a_child_stays_what_it_is(system: ActorSystem) -> None:
    """A live update takes another coroutine function or other arguments, but makes no actor of a task."""
    heard: list[str] = []

    async def says(what: str) -> None:
        heard.append(what)
        await forever()

    tree = Tree(system, children=[task("a", says, "old")])
    tree.ask(UpdateSupervisor(children=[task("a", says, "new")]))
    for changed in (worker("a"), ChildSpec(id="b", start=dict)):
        with pytest.raises(BadSpec, match=r"ChildSpec\.start"):
            tree.ask(UpdateSupervisor(children=[changed]))
    assert tree.states() == {"a": 1}
    tree.child("a")._cell.fence("on purpose")
    wait_until(system, lambda: heard == ["old", "new"], lambda: heard)
    tree.until(a=2)


def test_current_is_for_tasks() -> None:
    """Elsewhere it says that there is none."""
    with pytest.raises(LookupError, match="no supervised task"):
        current()


# -- virtual time ---------------------------------------------------------------------------------------------------------


async def poll(seen: list[float]) -> None:
    """Look every second; fail each third time."""
    while True:
        await asyncio.sleep(1)
        seen.append(asyncio.get_running_loop().time())
        if len(seen) % 3 == 0:
            raise OSError("on purpose")


def test_a_poller_runs_in_virtual_time_with_its_backoff() -> None:
    """Seconds of sleep and of back-off take none; each is as long as it says."""
    runtime = SimulatedRuntime(3)
    with ActorSystem(runtime) as system:
        seen: list[float] = []
        slow = Backoff(initial_ns=10_000 * MS, max_ns=10_000 * MS, jitter=0, immediate_first=False)
        tree = Tree(system, children=[task("poller", poll, seen, backoff=slow)])
        runtime.advance(30_000 * MS)
        assert seen == [1.0, 2.0, 3.0, 14.0, 15.0, 16.0, 27.0, 28.0, 29.0]
        assert [event.delay_ns for event in tree.seen.of(ChildRestarting)] == [10_000 * MS] * 3
    runtime.close()


def trace_of(seed: int) -> list[str]:
    """Run tasks that spawn, group and cancel others, and return all steps."""
    lines: list[str] = []

    async def part(number: int) -> None:
        await asyncio.sleep(number / 1000)
        if number == 3:
            raise OSError("on purpose")
        await forever()

    async def grouped() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(part(number))

    runtime = SimulatedRuntime(seed, trace=lambda line: lines.append(str(line)))
    with ActorSystem(runtime) as system:
        tree = Tree(system, children=[task("a", grouped), task("b", echo), worker("c")])
        runtime.advance(20 * MS)
        assert tree.child("b").ask("hello") == "hello"
        assert tree.child("a").incarnation > 2
    runtime.close()
    return lines


def test_the_same_seed_gives_the_same_run_with_tasks() -> None:
    """Line by line, though a task group cancels its tasks in the order of a set; other seeds give other runs."""
    first = trace_of(5)
    assert len(first) > 200
    assert trace_of(5) == first
    assert trace_of(6) != first


def test_a_blocked_loop_stops_only_its_own_tasks() -> None:
    """A task that hangs in foreign code is fenced within its budget; so are others on its loop; actors go on."""
    runtime = SimulatedRuntime(1)
    with ActorSystem(runtime) as system:

        async def hangs() -> None:
            await asyncio.sleep(0.001)
            runtime.hang()

        children = [
            worker("actor"),
            task("hangs", hangs, shutdown_ns=5 * MS),
            task("by", echo, shutdown_ns=5 * MS),
        ]
        tree = Tree(system, children=children)
        runtime.advance(2 * MS)
        tree.stop()
        assert tree.cause("actor") == Shutdown()
        assert tree.cause("hangs") == tree.cause("by") == Fenced("did not stop within its 5 ms")
        assert sorted(runtime.zombie_stacks()) == ["top/by", "top/hangs"]


def test_there_are_no_threads_in_virtual_time() -> None:
    """What needs one is refused, and crashes the task."""
    with ActorSystem(SimulatedRuntime()) as system:

        async def threads() -> None:
            current().start_later()
            await asyncio.to_thread(print)

        with pytest.raises(StartFailed, match="BlockingInHandler"):
            system.start(threads)
