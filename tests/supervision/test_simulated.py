"""The simulated runtime: the same seed gives the same run, virtual time, and nothing ever hangs."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenroom.supervision._future import Future
from greenroom.supervision._system import ActorSystem
from greenroom.supervision.errors import ActorCrashed, AskTimeout, BlockingInHandler, Deadlock, Restless
from greenroom.supervision.probes import Probe
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.simulated import SimulatedRuntime, TraceLine

ROOT = Path(__file__).parents[2]


def play(seed: int) -> list[str]:
    """Run a small world with children, timers, crashes, monitors and dice, and return its trace."""
    trace: list[str] = []
    runtime = SimulatedRuntime(seed, trace=lambda step: trace.append(str(step)))

    def start(actor: Probe) -> None:
        for number in range(5):
            pinned = Dispatcher.PINNED if number % 2 else Dispatcher.POOL
            child = actor.spawn(Probe, name=f"child-{number}", dispatcher=pinned)
            actor.monitor(child)
            actor.after(int(runtime.random.random() * 100), child.send, f"message {number}")

    with ActorSystem(runtime) as system:
        ref = system.start(Probe, on_start=start)
        cells = ref.ask(lambda actor: list(actor._cell.children))
        answers = [cell.ref.ask(lambda actor: actor.defer_reply() and None, block=False) for cell in cells]
        cells[2].ref.tell(lambda _: 1 / 0)
        cells[3].ref.tell(lambda _: runtime.hang())
        runtime.advance(50)
        trace.extend(repr(answer) for answer in answers)
    return trace


def test_the_same_seed_gives_the_same_trace() -> None:
    """Twice in one process."""
    assert play(5) == play(5)


def test_other_seeds_give_other_orders() -> None:
    """Fifty seeds reach many orders."""
    assert len({tuple(play(seed)) for seed in range(50)}) > 40


PROGRAM = """
import importlib.util, hashlib, logging
spec = importlib.util.spec_from_file_location("played", {path!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
text = "\\n".join(line for seed in range(20) for line in module.play(seed))
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_a_trace_does_not_depend_on_hashes_or_addresses() -> None:
    """Other processes with other hash seeds see the same run."""
    seen: set[str] = set()
    for hash_seed in ("0", "1", "77"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT / "supervision")}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(path=__file__)],
            env=environment,
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        )
        seen.add(done.stdout)
    assert len(seen) == 1


def test_the_dice_do_not_change_the_order() -> None:
    """Who rolls dice once more meets the same schedule."""
    traces: list[list[TraceLine]] = []
    for rolls in (0, 3):
        trace: list[TraceLine] = []
        runtime = SimulatedRuntime(9, trace=trace.append)
        with ActorSystem(runtime) as system:
            for _ in range(rolls):
                runtime.random.random()
            refs = [system.start(Probe) for _ in range(4)]
            for ref in refs:
                ref.tell(1)
        traces.append(trace)
    assert traces[0] == traces[1]


def test_time_stands_still_while_there_is_work_and_then_jumps() -> None:
    """A message takes no time; a timer is met exactly."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        ref = system.start(Probe)
        ref.ask("message")
        assert runtime.now_ns() == 0
        fired: Future[int] = Future(runtime, "timer")
        runtime.call_later(700, lambda: fired.set(runtime.now_ns()))
        assert fired.get() == 700


def test_advance_runs_what_is_due_and_leaves_time_there() -> None:
    """Timers up to that instant, and none after."""
    runtime = SimulatedRuntime()
    fired: list[int] = []
    for delay in (10, 20, 30):
        runtime.call_later(delay, lambda delay=delay: fired.append(delay))  # type: ignore[misc]
    assert runtime.advance(20) == 2
    assert (fired, runtime.now_ns(), runtime.live_timers()) == ([10, 20], 20, 1)
    runtime.advance(5)
    assert runtime.now_ns() == 25
    runtime.run_until_idle()
    assert fired == [10, 20, 30]


def test_a_slow_step_takes_virtual_time() -> None:
    """`spend` is a handler's way to be slow."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        system.start(Probe).ask(lambda actor: runtime.spend(5_000))
        assert runtime.now_ns() == 5_000


def test_a_wait_keeps_its_timeout_in_virtual_time() -> None:
    """`AskTimeout` after exactly that time, at once in real time."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        ref = system.start(Probe)
        with pytest.raises(AskTimeout):
            ref.ask(lambda actor: actor.defer_reply() and None, timeout=2.5)
        assert runtime.now_ns() == 2_500_000_000


def test_what_nobody_can_complete_is_a_deadlock_that_says_who_hangs() -> None:
    """Instead of hanging the run."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        ref, started = system.launch(Probe, name="probe", shutdown_ns=0)
        started.get()
        asked = ref.ask(lambda _: runtime.hang(), block=False)
        with pytest.raises(Deadlock) as caught:
            asked.get()
        assert caught.value.hung == ("probe",)
        with pytest.raises(Deadlock, match="never going to be answered"):
            SimulatedRuntime().wait(Future(asked="nobody"), None)


def test_a_run_that_never_rests_is_ended() -> None:
    """A limit on the steps, named in the error."""
    runtime = SimulatedRuntime()

    def again() -> None:
        runtime.call_later(1, again)

    again()
    with pytest.raises(Restless) as caught:
        runtime.run_until_idle(limit=100)
    assert caught.value.steps == 100


BLOCKING: list[Callable[[SimulatedRuntime, Any], Any]] = [
    lambda runtime, ref: ref.ask("me", timeout=1),
    lambda runtime, ref: runtime.wait(Future(), 1),
    lambda runtime, ref: runtime.run_until_idle(),
    lambda runtime, ref: runtime.step(),
]


@pytest.mark.parametrize("block", BLOCKING)
@pytest.mark.parametrize("dispatcher", list(Dispatcher))
def test_blocking_in_a_step_is_refused_with_the_actor(block: Any, dispatcher: Dispatcher) -> None:
    """Where it is called, on whichever thread the actor would have."""
    runtime = SimulatedRuntime()
    with ActorSystem(runtime) as system:
        other = system.start(Probe)
        ref, started = system.launch(Probe, name="probe", dispatcher=dispatcher)
        started.get()
        with pytest.raises(ActorCrashed) as caught:
            ref.ask(lambda _: block(runtime, other))
        assert isinstance(caught.value.cause, BlockingInHandler)
        assert caught.value.cause.actor == "probe"


def test_a_lock_that_is_held_is_refused_instead_of_waited_for() -> None:
    """In one thread nobody would ever release it."""
    runtime = SimulatedRuntime()
    lock = runtime.lock()
    with lock:
        assert lock.locked()
        assert not lock.acquire(blocking=False)
        with pytest.raises(BlockingInHandler):
            lock.acquire()
    assert not lock.locked()
    with pytest.raises(RuntimeError):
        lock.release()


class Noting:
    """A task that notes its name."""

    def __init__(self, name: str, order: list[str], then: Callable[[], Any] = lambda: None) -> None:
        self.name = name
        self.order = order
        self.then = then

    def run(self) -> None:
        self.order.append(self.name)
        self.then()


@pytest.mark.parametrize("seed", range(10))
def test_a_pinned_executor_keeps_its_order(seed: int) -> None:
    """Two of them interleave; each runs first in, first out."""
    runtime = SimulatedRuntime(seed)
    order: list[str] = []
    executors = [runtime.executor(Dispatcher.PINNED, name) for name in "ab"]
    for number in range(10):
        for executor, name in zip(executors, "ab", strict=True):
            executor.submit(Noting(f"{name}{number}", order))
    runtime.run_until_idle()
    for name in "ab":
        assert [item for item in order if item[0] == name] == [f"{name}{number}" for number in range(10)]
    for executor in executors:
        executor.close()
    assert runtime.live_pinned() == 0


def test_shared_executors_run_in_any_order() -> None:
    """Real threads give no order; neither does the simulation."""
    orders: set[tuple[str, ...]] = set()
    for seed in range(30):
        runtime = SimulatedRuntime(seed)
        order: list[str] = []
        for name in "abc":
            runtime.executor(Dispatcher.POOL, "pool").submit(Noting(name, order))
        runtime.run_until_idle()
        orders.add(tuple(order))
    assert len(orders) == 6


def test_a_hung_task_holds_up_its_pinned_thread_until_it_is_replaced() -> None:
    """What is queued behind it waits, as it would."""
    runtime = SimulatedRuntime()
    order: list[str] = []
    executor = runtime.executor(Dispatcher.PINNED, "lane")
    executor.submit(Noting("hangs", order, runtime.hang))
    executor.submit(Noting("waits", order))
    runtime.run_until_idle()
    assert order == ["hangs"]
    executor.replace()
    runtime.run_until_idle()
    assert order == ["hangs", "waits"]
    assert list(runtime.zombie_stacks()) == ["lane"]


def test_an_error_of_the_machine_is_not_swallowed() -> None:
    """A task that raises is a bug, and ends the run where it happened."""
    runtime = SimulatedRuntime()
    runtime.executor(Dispatcher.POOL, "pool").submit(Noting("fails", [], lambda: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        runtime.run_until_idle()
    assert runtime.thread_id() == 0


def test_ids_count_and_close_leaves_no_timer() -> None:
    """As the real runtime."""
    runtime = SimulatedRuntime()
    assert [runtime.next_id() for _ in range(3)] == [1, 2, 3]
    runtime.call_later(5, lambda: pytest.fail("timers are not run by close"))
    runtime.close()
    assert runtime.live_timers() == 0
