"""The end of a session: rooms, then processors, then threads, within one budget; and what is left is written down."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from greenroom.actors._desired import RoomState
from greenroom.actors._env import Env
from greenroom.actors._room import close_room
from greenroom.actors._roommail import CloseRoom
from greenroom.actors.laws import check
from greenroom.actors.report import SessionReport, left_over, report_of
from greenroom.supervision import ActorRef, ActorSystem, Cause, Future


async def shut_down(
    env: Env, system: ActorSystem, root: ActorRef[Any] | None, *, budget_ns: int, owns_runtime: bool
) -> SessionReport:
    """End everything in order; past the budget what is left is fenced."""
    deadline_ns = env.runtime.now_ns() + budget_ns
    await _within(env, [_closed(room) for room in env.rooms.copy().values()], deadline_ns)
    env.closing = True
    env.pacer.close()
    if root is not None:
        ended: Future[None] = Future(env.runtime)
        root.watch(partial(_note_end, ended))
        system.request_stop(root)
        await _within(env, [ended], deadline_ns)
    late = tuple(system.paths())
    for room in env.rooms.copy().values():
        close_room(env, room)
    for stream in env.past_streams.copy():
        stream.close()  # what nobody has read by now is counted as dropped
    # A processor that hung is closed by its own thread when it comes back, which may be any moment now.
    await _within(env, [book.all_closed() for book in env.past_processors.copy()], deadline_ns)
    await _off_loop(env, partial(_close_threads, env, system, owns_runtime))
    for stream in env.past_streams.copy():
        stream.give_up()  # a sink that hangs is not waited for any longer; its thread is among what is left
    for granted in env.holds.copy():
        if granted.disown is not None:
            granted.disown()
    remains = replace(left_over(env, system, own_runtime=owns_runtime), actors=late)
    report = report_of(env, system, remains)
    return replace(report, verdicts=check(report))


def _closed(room: RoomState) -> Future[None]:
    room.closing = True  # first: a room that is only starting either sees this, or is seen here
    if room.actor is not None:
        room.actor.send(CloseRoom())
    return room.gone


async def _off_loop(env: Env, work: Callable[[], None]) -> None:
    """Call ``work`` where it may block: on a thread beside the loop, unless the interpreter has no more to offer at its end."""
    if env.runtime.simulated:
        work()
        return
    try:
        beside = asyncio.get_running_loop().run_in_executor(None, work)
    except RuntimeError:
        work()
    else:
        await beside


def _close_threads(env: Env, system: ActorSystem, owns_runtime: bool) -> None:
    system.close(timeout_ns=1)
    for book in env.leaving.copy():
        host = book.host  # looked up once: a book that is over lets go of it
        if host is not None:
            host.watch(env.runtime.now_ns())
    if owns_runtime:
        env.runtime.close()


async def _within(env: Env, futures: Sequence[Future[Any]], deadline_ns: int) -> None:
    """Wait for all, at most until the deadline, whatever they hold."""
    gate: Future[None] = Future(env.runtime)
    left = {id(future) for future in futures}
    if not left:
        return

    def one_done(future: Future[Any]) -> None:
        left.discard(id(future))
        if not left:
            gate.try_set(None)

    timer = env.runtime.call_later(max(0, deadline_ns - env.runtime.now_ns()), partial(_complete, gate))
    for future in futures:
        future.add_done_callback(one_done)
    await gate
    timer.cancel()


def _note_end(ended: Future[None], _incarnation: int, _cause: Cause) -> None:
    ended.try_set(None)


def _complete(future: Future[None]) -> None:
    future.try_set(None)
