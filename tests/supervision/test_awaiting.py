"""The asyncio edge: awaiting never blocks the loop, bursts wake it once, and who gives up leaves nothing behind."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

import asyncio
import gc
import weakref
from threading import Event, Thread
from typing import Any

import pytest

from greenroom.supervision._future import Future
from greenroom.supervision._system import ActorSystem
from greenroom.supervision.errors import ActorCrashed, Deadlock
from greenroom.supervision.probes import Probe
from greenroom.supervision.simulated import SimulatedRuntime


async def ask(ref: Any, message: Any) -> Any:
    """Ask, and await the answer."""
    return await ref.ask(message, block=False)


def test_an_answer_can_be_awaited(system: ActorSystem) -> None:
    """On real threads and under simulation alike."""
    ref = system.start(Probe)
    assert asyncio.run(ask(ref, "hello")) == "hello"
    with pytest.raises(ActorCrashed):
        asyncio.run(ask(ref, lambda _: 1 / 0))


def test_the_loop_goes_on_while_an_answer_is_awaited(real: ActorSystem) -> None:
    """The answer here can only come if another coroutine runs meanwhile."""
    ref = real.start(Probe)

    async def main() -> Any:
        replies: list[Future[Any]] = []
        waiting = asyncio.create_task(ask(ref, lambda actor: replies.append(actor.defer_reply())))
        while not replies:  # noqa: ASYNC110 - this is the point: the loop is free to look
            await asyncio.sleep(0)
        replies[0].set("answered from the loop")
        return await waiting

    assert asyncio.run(main()) == "answered from the loop"


def test_an_answer_that_is_there_is_not_waited_for() -> None:
    """No detour by the loop."""
    future: Future[int] = Future()
    future.set(3)

    async def main() -> int:
        return await future

    assert asyncio.run(main()) == 3


def test_a_mapped_answer_can_be_awaited(real: ActorSystem) -> None:
    """Pykka's combinators wait on a thread of the loop's own."""
    ref = real.start(Probe)

    async def main() -> Any:
        return await ref.ask(20, block=False).map(lambda number: number + 1)

    assert asyncio.run(main()) == 21


def test_a_coroutine_that_is_cancelled_leaves_nothing_behind(real: ActorSystem) -> None:
    """The future forgets who no longer waits."""
    future: Future[Any] = Future(real.runtime, "nobody")

    async def main() -> None:
        async def wait() -> None:
            await future

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert len(future._callbacks) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert future._callbacks == []

    asyncio.run(main())
    future.set("late")


def test_an_answer_may_come_after_its_loop_was_closed(real: ActorSystem) -> None:
    """It stays in its future; nobody is woken, and nothing raises in the actor's thread."""
    future: Future[Any] = Future(real.runtime, "nobody")
    loop = asyncio.new_event_loop()

    async def wait() -> None:
        await future

    task = loop.create_task(wait())
    loop.run_until_complete(asyncio.sleep(0))
    callback = future._callbacks[0]
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    future.add_done_callback(callback)
    assert future.try_set("late")
    assert future.get() == "late"


def test_a_burst_of_answers_wakes_the_loop_once(real: ActorSystem) -> None:
    """Ten thousand answers that arrive while the loop is busy cost one wake-up, not ten thousand."""
    futures = [Future[int](real.runtime, "burst") for _ in range(10_000)]
    wakes: list[int] = []

    async def wait(future: Future[int]) -> int:
        return await future

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(wait(future)) for future in futures]
        await asyncio.sleep(0)
        wake = loop.call_soon_threadsafe

        def count(*args: Any, **kwargs: Any) -> Any:
            wakes.append(1)
            return wake(*args, **kwargs)

        loop.call_soon_threadsafe = count  # type: ignore[assignment]

        def answer() -> None:
            for number, future in enumerate(futures):
                future.set(number)

        thread = Thread(target=answer)
        thread.start()
        thread.join()  # the loop is busy with this very line
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == list(range(10_000))
    assert len(wakes) == 1


def test_a_loop_is_not_kept_alive_by_what_it_awaited(real: ActorSystem) -> None:
    """What belongs to a loop goes with it."""
    ref = real.start(Probe)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(ask(ref, "hello"))
    loop.close()
    seen = weakref.ref(loop)
    del loop
    gc.collect()
    assert seen() is None


def test_coroutines_and_actors_take_turns_under_simulation() -> None:
    """One coroutine's await does not keep another from sending what it waits for."""
    runtime = SimulatedRuntime(1)
    with ActorSystem(runtime) as system:
        ref = system.start(Probe)

        async def main() -> Any:
            replies: list[Future[Any]] = []
            waiting = asyncio.create_task(ask(ref, lambda actor: replies.append(actor.defer_reply())))

            async def answer() -> None:
                while not replies:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0)
                await ask(ref, "in between")
                replies[0].set("answered")

            task = asyncio.create_task(answer())
            result = await waiting
            await task
            return result

        assert asyncio.run(main()) == "answered"


def test_an_await_lets_virtual_time_jump() -> None:
    """An hour passes in no time."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        ref = system.start(Probe)

        def answer_in_an_hour(actor: Probe) -> None:
            reply = actor.defer_reply()
            actor.after(3600 * 10**9, reply.set, "an hour later")

        assert asyncio.run(ask(ref, answer_in_an_hour)) == "an hour later"
        assert runtime.now_ns() == 3600 * 10**9


def test_an_await_that_nobody_can_complete_is_a_deadlock() -> None:
    """It raises, and names what hangs."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        ref, started = system.launch(Probe, name="probe", shutdown_ns=0)
        started.get()
        with pytest.raises(Deadlock, match="hung: probe"):
            asyncio.run(ask(ref, lambda _: runtime.hang()))


def test_a_thread_and_a_loop_can_wait_for_the_same_answer(real: ActorSystem) -> None:
    """Everyone who waits is woken."""
    future: Future[str] = Future(real.runtime, "both")
    heard: list[str] = []
    started = Event()

    def wait() -> None:
        started.set()
        heard.append(future.get(timeout=5))

    thread = Thread(target=wait)
    thread.start()

    async def main() -> str:
        started.wait()
        asyncio.get_running_loop().call_soon(future.set, "answer")
        return await future

    assert asyncio.run(main()) == "answer"
    thread.join(5)
    assert heard == ["answer"]
