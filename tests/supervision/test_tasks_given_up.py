"""Tasks that are given up while they are being made, again, or before they began: they never run, and leave no trace."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.supervision.supkit import MS, PATIENCE_S, wait_until

from greenroom.supervision import Actor, ActorRef, ActorSystem, Future, StartFailed, ThreadRuntime
from greenroom.supervision._ending import Ending
from greenroom.supervision.tasks import current


async def deaf(ran: list[str], gate: asyncio.Event) -> None:
    """Outlive one cancellation."""
    ran.append(current().path)
    try:
        await gate.wait()
    except asyncio.CancelledError:
        await gate.wait()


def launch(system: ActorSystem, args: tuple[Any, ...], **values: Any) -> tuple[ActorRef[Any], Future[Any]]:
    """Have one be started."""
    return system.launch(deaf, args, name="task", **values)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop of one's own, on a thread."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join(PATIENCE_S)
    made.close()


def is_no_zombie(system: ActorSystem) -> None:
    """Wait until nothing is listed as one that was given up and may still run."""
    wait_until(system, lambda: not (system.runtime.zombies or system.hung), lambda: system.hung)


def test_who_is_given_up_twice_is_no_zombie_for_ever(loop: asyncio.AbstractEventLoop) -> None:
    """It is listed once, until it is over."""
    with ActorSystem(loop=loop) as system:
        gate = asyncio.Event()
        ran: list[str] = []
        ref = system.start(deaf, ran, gate)
        for why in ("first", "second"):
            ref._cell.fence(why)
        assert (
            len([number for number in system.hung if number < 0]) == 1
        )  # the others are threads of the pool
        loop.call_soon_threadsafe(gate.set)
        is_no_zombie(system)
        assert ran == [ref._cell.path]


class Blocked:
    """Keeps whoever comes until it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._entered = threading.Event()

    def __call__(self) -> None:
        self._entered.set()
        assert self._open.wait(PATIENCE_S)

    def entered(self) -> None:
        """Wait until somebody is kept."""
        assert self._entered.wait(PATIENCE_S)

    def open(self) -> None:
        """Let them go on."""
        self._open.set()


def test_who_is_given_up_while_it_is_made_never_runs(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the pool has no thread yet to see its end through."""
    runtime = ThreadRuntime(pool_threads=1)
    with ActorSystem(runtime, loop=loop) as system:
        making, busy, ran = Blocked(), Blocked(), list[str]()
        its = system.loops.of

        def of(*args: Any) -> Any:
            making()
            return its(*args)

        other = system.start(Caller)
        monkeypatch.setattr(system.loops, "of", of)
        ref, started = launch(system, (ran, asyncio.Event()), start_ns=MS)
        making.entered()
        other.tell(busy)  # has the thread that takes this one's place
        busy.entered()
        making.open()
        wait_until(system, lambda: not runtime.zombies, lambda: runtime.zombies)
        behind = threading.Event()
        loop.call_soon_threadsafe(behind.set)
        assert behind.wait(PATIENCE_S)
        busy.open()
        with pytest.raises(StartFailed):
            started.get(timeout=PATIENCE_S)
        is_no_zombie(system)
        assert ran == []
        assert not ref.is_alive()
    runtime.close()


def test_who_begins_in_the_middle_of_being_given_up_is_cancelled_and_listed(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though there was no task yet when that began."""
    with ActorSystem(loop=loop) as system:
        making, gate, ran = Blocked(), asyncio.Event(), list[str]()
        its, gives_up = system.loops.of, Ending.give_up

        def of(*args: Any) -> Any:
            making()
            return its(*args)

        def give_up(*args: Any) -> bool:
            making.open()
            wait_until(system, lambda: ran, lambda: "not begun")
            return gives_up(*args)

        monkeypatch.setattr(system.loops, "of", of)
        monkeypatch.setattr(Ending, "give_up", give_up)
        ref, started = launch(system, (ran, gate))
        making.entered()
        assert ref._cell.fence("just then")
        with pytest.raises(StartFailed):
            started.get(timeout=PATIENCE_S)
        assert [path for number, (path, _) in system.hung.items() if number < 0] == ["task"]
        (task,) = asyncio.all_tasks(loop)
        wait_until(system, lambda: task.cancelling() == 1)
        loop.call_soon_threadsafe(gate.set)
        is_no_zombie(system)


class Caller(Actor):
    """Calls what it is sent."""

    def on_receive(self, message: Any) -> Any:
        """Call it."""
        message()


class Told(dict[int, Any]):
    """The zombies; says when somebody has looked whether to be taken out of them."""

    def __init__(self) -> None:
        self.looked = threading.Event()

    def pop(self, *args: Any) -> Any:
        """Take one out."""
        found = super().pop(*args)
        self.looked.set()
        return found


def test_who_is_given_up_in_the_moment_in_which_it_begins_is_no_zombie_for_ever(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its loop comes to it in the middle of that."""
    with ActorSystem(loop=loop) as system:
        ahead, ran = Blocked(), list[str]()
        loop.call_soon_threadsafe(ahead)
        ahead.entered()
        ref, started = launch(system, (ran, asyncio.Event()))
        wait_until(system, lambda: ref.state_name == "starting", lambda: ref.state_name)
        wait_until(system, lambda: not ref._cell.idle.locked(), lambda: "its start is under way")
        next_id: Callable[[], int] = system.runtime.next_id

        ref._cell.zombies = zombies = Told()

        def meanwhile() -> int:
            ahead.open()
            assert zombies.looked.wait(PATIENCE_S)
            return next_id()

        monkeypatch.setattr(system.runtime, "next_id", meanwhile)
        ref._cell.fence("just then")
        with pytest.raises(StartFailed):
            started.get(timeout=PATIENCE_S)
        is_no_zombie(system)
        assert ran == []
        assert zombies == {}
