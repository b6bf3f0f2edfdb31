"""What a task reads, at the edges: notices that were taken back, senders that wait behind a stop."""

import asyncio
import threading
from typing import Any

from tests.supervision.supkit import PATIENCE_S, Tree, flags, wait_until

from greenroom.supervision import ActorRef, ActorSystem, ChildSpec, Down, MailboxSpec, Overflow
from greenroom.supervision.probes import Probe
from greenroom.supervision.tasks import TaskContext, current


def test_after_demonitor_a_task_reads_no_notice_even_if_it_was_queued(system: ActorSystem) -> None:
    """It takes one monitor of two back when the notices of both wait for it; the other one is heard, once."""
    heard: list[Any] = []
    target = system.start(Probe)
    both_wait: asyncio.Event = asyncio.Event()
    keys: list[int] = []

    async def watches(ref: ActorRef[Any]) -> None:
        me = current()
        keys.extend(me.monitor(ref) for _ in range(2))
        await both_wait.wait()
        me.demonitor(keys[0])
        me.demonitor(12345)
        while True:
            heard.append((await me.receive()).message)

    watcher = system.start(watches, target)
    context: TaskContext = watcher._cell.actor.context
    target.stop(timeout=PATIENCE_S)
    wait_until(system, lambda: len(context._signals) == 2)
    context._loop.call_soon_threadsafe(both_wait.set)
    wait_until(system, lambda: heard)
    watcher.tell("behind it")
    wait_until(system, lambda: "behind it" in heard)
    assert [(type(each), each.monitor) for each in heard[:-1]] == [(Down, keys[1])]


def test_who_waits_for_room_behind_a_stop_gets_it(real: ActorSystem) -> None:
    """The stop is taken out of the mailbox: the next incarnation reads what was sent."""
    reading, full = threading.Event(), threading.Event()
    read: list[tuple[int, Any]] = []

    async def reads() -> None:
        me = current()
        async for letter in me.letters():
            read.append((me.incarnation, letter.message))
            if len(read) == 1:
                reading.set()
            if len(read) <= 2:
                await asyncio.to_thread(full.wait, PATIENCE_S)
                full.clear()

    small = MailboxSpec(capacity=1, overflow=Overflow.BLOCK)
    tree = Tree(real, flags(), [ChildSpec(id="a", start=reads, mailbox=small)])
    ref = tree.child("a")
    cell = ref._cell
    ref.tell("first")
    assert reading.wait(PATIENCE_S)
    ref.tell("second")
    stopped = ref.stop(block=False)
    sender = threading.Thread(target=ref.tell, args=("third",), daemon=True)
    sender.start()
    wait_until(real, lambda: cell.waiting)
    (gate,) = list(cell.waiting or ())
    full.set()  # it reads the second; there is no room yet, as the stop is there
    wait_until(real, lambda: cell.waiting and gate not in cell.waiting, lambda: cell.waiting)
    full.set()
    assert stopped.get(timeout=PATIENCE_S)
    sender.join(PATIENCE_S)
    assert not sender.is_alive()
    wait_until(real, lambda: len(read) == 3, lambda: read)
    assert read == [(1, "first"), (1, "second"), (2, "third")]
    tree.stop()
