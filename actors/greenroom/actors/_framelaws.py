"""What must be true of frames while they are on their way: for simulations, which can look between any two steps.

`at_instant` may be asked whenever time has gone on, `at_event` whenever something was told, `at_frame` by a processor that is
being called. None of them needs anything to rest.
"""

from collections.abc import Iterator
from typing import Any, Final

from greenroom.actors._books import ProcessorBook
from greenroom.actors._desired import StreamState, TrackState
from greenroom.actors._env import Env
from greenroom.actors._inline import InlineHost
from greenroom.actors._lanes import QueuedLane
from greenroom.actors._restlaws import FRAMES, LEASES, Finding, streams_of
from greenroom.actors._watch import WATCH_NS
from greenroom.actors.processors import Reason
from greenroom.actors.snapshots import EventKind, ProcessorState, SessionEvent
from greenroom.supervision import ActorRef

CLOSED: Final = 1
Calls = dict[ProcessorBook, tuple[QueuedLane, int, int]]
"""For each processor: whose frame it was called for last, which one of that lane's, and when that was seen first."""
LOOKS: Final = 2
"""A frame is marked at the first look after it has come, and found late at the first look after its deadline."""


def at_instant(env: Env, now_ns: int, *, watched_ns: int, calls: Calls) -> Iterator[Finding]:
    """Yield the laws that do not hold between two steps, and how.

    Args:
        env: the session's records.
        now_ns: the runtime's time.
        watched_ns: for how long it has gone on in steps that the watch could keep up with.
        calls: what was seen before; for who asks to keep, empty at first.
    """
    for room in env.rooms.values():
        for track in room.tracks.values():
            for stream in track.streams.values():
                if stream.pipeline is not None:
                    yield from _lanes_are_bounded(track, stream)
                    yield from _nothing_waits_for_ever(track, stream, now_ns, watched_ns)
    for book in env.processors.values():
        if book.state is ProcessorState.CLOSING:
            yield from _closes_after_the_last_call(book)
        yield from _no_call_goes_on_for_ever(book, now_ns, watched_ns, calls)


def at_event(env: Env, event: SessionEvent) -> Iterator[Finding]:
    """Yield the laws that do not hold when something was just told, and how."""
    if event.kind is EventKind.STREAM_ENDED:
        for track, stream in streams_of(env):
            if path_of(track, stream) == event.subject:
                yield from _nothing_thrown_away(env, stream, event.subject)
    elif event.kind is EventKind.TRACK_MOVED:
        for track, stream in streams_of(env):
            if track.path == event.subject:
                yield from _goes_on_as_it_was(track, stream)


def at_frame(book: ProcessorBook) -> Iterator[Finding]:
    """Yield how the call of a processor that has just begun breaks a law: its frame is of a stream without a lease on it."""
    host: Any = book.host
    actor = None if book.actor is None or not book.actor.is_running() else book.actor._cell.actor
    if host is None or actor is None or host.last is None:
        return
    lane = host.last.inside or next((lane for lane in host._lanes if lane.delivering and lane.direct), None)
    leases = [lease_id for lease_id, leased in host._leased.items() if leased is lane]
    if lane is not None and not any(actor._ledger.find(lease_id) for lease_id in leases):
        yield LEASES, f"a frame goes through {book.name} by a lane whose lease has ended"


def path_of(track: TrackState, stream: StreamState) -> str:
    """Return what events call a stream."""
    return f"{track.path}/stream:{stream.name}"


def _lanes_are_bounded(track: TrackState, stream: StreamState) -> Iterator[Finding]:
    """No more frames wait in a lane than it may hold."""
    pipeline = stream.pipeline
    for lane in () if pipeline is None else pipeline.lanes:
        if isinstance(lane, QueuedLane) and len(lane.waiting) > lane._capacity and not lane._host.wait:
            told = f"{len(lane.waiting)} frames wait in a lane for {lane._capacity}"
            yield FRAMES, f"{path_of(track, stream)}: {told}"


def _closes_after_the_last_call(book: ProcessorBook) -> Iterator[Finding]:
    """Who closes a processor that nobody uses any more waits for its last call: the budget of a close is for the close."""
    if book.actor is None or not book.actor.is_running():
        return  # it is being stopped itself, and all with it
    worker, last = book.actor._cell.actor._worker, getattr(book.host, "last", None)
    if last is not None and last.calling is not None and worker._cell.life.stop_timer is not None:
        yield CLOSED, f"{book.name} was told to close while a frame was going through it"


def _no_call_goes_on_for_ever(
    book: ProcessorBook, now_ns: int, watched_ns: int, calls: Calls
) -> Iterator[Finding]:
    """A call that hangs is given up: by the look after ``hang_ns`` at the latest."""
    host: Any = book.host
    last = None if isinstance(host, InlineHost) else getattr(host, "last", None)
    lane = None if last is None else last.calling
    if lane is None or book.state is not ProcessorState.READY or not (book.actor and book.actor.is_running()):
        calls.pop(book, None)
        return
    before = calls.get(book)
    if before is None or before[:2] != (lane, lane.taken):
        calls[book] = (lane, lane.taken, now_ns)
        return
    most_ns = host._hang_ns + (LOOKS + 1) * WATCH_NS
    if now_ns - before[2] > most_ns and watched_ns > most_ns:
        told = f"goes on for {(now_ns - before[2]) / 1e6:g} ms, and may for {most_ns / 1e6:g}"
        yield FRAMES, f"a call of {book.name} {told}"


def _nothing_waits_for_ever(
    track: TrackState, stream: StreamState, now_ns: int, watched_ns: int
) -> Iterator[Finding]:
    """In real time no frame is longer inside than its processors' deadlines allow."""
    oldest_ns = next(iter(stream.meter._arrived_ns.values()), now_ns)
    if now_ns - oldest_ns <= WATCH_NS or stream.pipeline is None:
        return
    lanes, granted = stream.pipeline.lanes, stream.pipeline.granted
    if any(not isinstance(lane, QueuedLane) or lane._host.wait for lane in lanes):
        return
    most_ns = sum(each.spec.deadline_ns + LOOKS * WATCH_NS for each in granted) + WATCH_NS
    if now_ns - oldest_ns > most_ns and watched_ns > most_ns:
        told = (
            f"a frame has been inside for {(now_ns - oldest_ns) / 1e6:g} ms, and may be for {most_ns / 1e6:g}"
        )
        yield FRAMES, f"{path_of(track, stream)}: {told}"


def _nothing_thrown_away(env: Env, stream: StreamState, path: str) -> Iterator[Finding]:
    """A stream that has only ever had one pipeline, and has ended in order, has dropped nothing because it was closed."""
    in_order = not (stream.discard or stream.error or env.closing)
    if not in_order or stream.pipeline is None or stream.drained is not None:
        return
    above = [granted.processor._cell.parent for granted in stream.pipeline.granted]
    if any(each is None or not each.ref.is_running() or _has_failed(each.ref) for each in above):
        return  # all processors were stopped with who runs them, and what was in them is lost
    lost = stream.meter.dropped_by_reason().get(Reason.CLOSED, 0)
    if lost:
        yield FRAMES, f"{path} ended in order, and threw {lost} frames away that were inside"


def _goes_on_as_it_was(track: TrackState, stream: StreamState) -> Iterator[Finding]:
    """A stream that was stopped for a move, and whose track never failed, has its pipeline still: no frame is lost on the way."""
    actor, above = stream.actor, track.actor
    if actor is None or above is None or not stream.moving or stream.removed or not stream.pipeline_names:
        return
    if actor._cell.parent is not above._cell or _has_failed(above) or _has_failed(actor):
        return  # it ended by something else, and perhaps is to begin again
    if stream.pipeline is None:
        yield FRAMES, f"{path_of(track, stream)} was moved, and its pipeline is gone"


def _has_failed(actor: ActorRef[Any]) -> bool:
    """Whether any incarnation of an actor has ended in a way that nobody wanted."""
    record = actor._cell.record
    return actor.incarnation > 1 or (record is not None and record.failure is not None)
