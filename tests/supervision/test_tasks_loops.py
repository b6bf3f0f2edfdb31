"""Which event loop runs a task: the runtime's own, the user's, one of a spec; and what happens when it goes away."""

import asyncio
import gc
import threading
from typing import Any

import pytest
from tests.supervision.supkit import MS, PATIENCE_S, Tree, flags, wait_until

from greenroom.supervision import (
    ActorSystem,
    BadSpec,
    BlockingOnLoop,
    ChildSpec,
    Crashed,
    LoopClosed,
    Shutdown,
    StartFailed,
    Strategy,
    Supervisor,
)
from greenroom.supervision.events import ActorEnded
from greenroom.supervision.probes import Probe, Recorder
from greenroom.supervision.simulated import SimulatedRuntime
from greenroom.supervision.tasks import current


async def where() -> None:
    """Answer with the thread and the loop that run this."""
    async for letter in current().letters():
        letter.reply((threading.current_thread().name, asyncio.get_running_loop()))


def test_by_default_tasks_run_on_a_thread_of_the_runtimes_own() -> None:
    """Made when the first task needs it, ended with the system; plain synchronous code needs to know nothing of it."""
    with ActorSystem() as system:
        before = {thread.name for thread in threading.enumerate()}
        assert not any("asyncio" in name for name in before)
        name, loop = system.start(where).ask("where", timeout=PATIENCE_S)
        assert name == "greenroom-asyncio-1"
        assert system.start(where).ask("where", timeout=PATIENCE_S) == (name, loop)
    assert loop.is_closed()


def test_inside_a_running_loop_tasks_run_there_and_it_is_never_blocked() -> None:
    """Who passes its loop awaits; what would block it is refused, and says what would do."""

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        async with ActorSystem(loop=loop) as system:
            seen = Recorder(system)
            with pytest.raises(BlockingOnLoop, match="launch"):
                system.start(where)
            with pytest.raises(BlockingOnLoop, match="aclose"):
                system.close()
            spec = ChildSpec(id="task", start=where)
            top, started = system.launch(Supervisor, (flags(), [spec]), name="top")
            await started
            (child,) = list(top._cell.children or ())
            name, its = await child.ref.ask("where", block=False)
            assert its is loop
            assert name == threading.current_thread().name
        return [event.cause for event in seen.of(ActorEnded)]

    assert asyncio.run(main()) == [Shutdown(), Shutdown()]


def test_a_spec_may_name_a_loop() -> None:
    """One child runs there, the others where the system says."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        with ActorSystem() as system:
            specs = [ChildSpec(id="a", start=where, loop=loop), ChildSpec(id="b", start=where)]
            tree = Tree(system, children=specs)
            assert tree.child("a").ask("where", timeout=PATIENCE_S)[1] is loop
            assert tree.child("b").ask("where", timeout=PATIENCE_S)[1] is not loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


def test_a_simulation_takes_no_other_loop() -> None:
    """Neither for a system nor for a child."""
    loop = asyncio.new_event_loop()
    with pytest.raises(BadSpec, match=r"ActorSystem\.loop"):
        ActorSystem(SimulatedRuntime(), loop=loop)
    with ActorSystem(SimulatedRuntime()) as system, pytest.raises(StartFailed) as failed:
        Tree(system, children=[ChildSpec(id="a", start=where, loop=loop)])
    first: BaseException = failed.value
    while first.__cause__ is not None:
        first = first.__cause__
    assert isinstance(first, BadSpec)
    loop.close()
    with pytest.raises(BadSpec, match="not closed"):
        ActorSystem(loop=loop)
    with pytest.raises(BadSpec, match="not closed"):
        ChildSpec(id="a", start=where, loop=loop)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tasks_whose_loop_has_closed_end_with_that_reason() -> None:
    """The next message, or the stop, finds it: a crash with `LoopClosed`; restarts fail alike, and nothing hangs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with ActorSystem(loop=loop) as system:
        specs = [ChildSpec(id=name, start=where, shutdown_ns=60_000 * MS) for name in ("read", "stopped")]
        tree = Tree(system, flags(intensity=2), specs)
        refs = [tree.child(name) for name in ("read", "stopped")]
        wait_until(system, lambda: all(ref._cell.actor.context.waits for ref in refs))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()
        refs[0].tell("anybody there?")
        tree.gone()
        causes = [event.cause for event in tree.seen.of(ActorEnded) if event.path == "top/read"]
        assert isinstance(causes[0], Crashed)
        assert isinstance(causes[0].exception, LoopClosed)
        assert len(causes) == 3, "two restarts were allowed, and failed"
    assert system.roots() == ()


def test_what_a_task_leaves_on_the_runtimes_loop_is_cancelled_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Tasks that a task has made are its own business; those that outlive all of it are cancelled, and counted."""
    left: list[str] = []

    async def stray() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            left.append("cancelled")

    async def leaves() -> None:
        keep.append(asyncio.create_task(stray()))
        await asyncio.sleep(0)

    keep: list[Any] = []
    with ActorSystem() as system:
        ref = system.start(leaves)
        wait_until(system, lambda: not ref.is_alive())
        assert left == []
    assert left == ["cancelled"]
    assert "runtime.tasks_left count=1" in caplog.text


async def waits() -> None:
    """Wait for nothing."""
    await asyncio.Event().wait()


def hung_loop() -> list[str]:
    """Have a task hang under simulation; return the names of the tasks that never end because of it."""

    async def hangs() -> None:
        current().started()
        await asyncio.sleep(0)
        runtime.hang()

    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        tree = Tree(system, flags(Strategy.DYNAMIC), [ChildSpec(id="waits", start=waits, shutdown_ns=MS)])
        tree.add(ChildSpec(id="hangs", start=hangs, shutdown_ns=MS))
        runtime.run_until_idle()
    return sorted(each.get_name() for each in asyncio.all_tasks(runtime.loop()))


def test_a_simulation_whose_loop_hangs_closes_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """Tasks behind a step that never comes back never end; that is not news when the loop is thrown away."""
    assert "top/waits" in hung_loop()
    gc.collect()
    assert "top/waits" not in caplog.text


def test_what_goes_on_while_a_task_lingers_is_no_part_of_it() -> None:
    """Other actors run on top of its stack, in no task and on no loop; afterwards the task is where it was."""
    seen: list[object] = []

    def where() -> tuple[bool, bool]:
        try:
            current()
            task = True
        except LookupError:
            task = False
        return task, asyncio._get_running_loop() is not None

    async def lingers() -> None:
        mine = asyncio.current_task()
        runtime.linger(100)
        seen.append(("task", where()))
        await asyncio.sleep(0)
        assert asyncio.current_task() is mine

    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        actor = system.start(Probe)

        def later(probe: Probe) -> None:
            probe.after(50, lambda: seen.append(("actor", where())))

        actor.ask(later)
        ref = system.start(lingers)
        wait_until(system, lambda: not ref.is_alive())
    assert seen == [("actor", (False, False)), ("task", (True, True))]
