"""What must be true of a session's actors whenever nothing is on its way between them: for simulations, which know when.

It reads the actors' own books from outside, and works out what they should say from what rooms, tracks and streams want;
so that a mistake in the books does not hide itself.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

from greenroom.actors._books import ProcessorBook
from greenroom.actors._context import shown
from greenroom.actors._desired import Granted, StreamState, TrackState
from greenroom.actors._env import Env
from greenroom.actors._holds import HoldsActor
from greenroom.actors._lanes import QueuedLane
from greenroom.actors._room import RoomActor
from greenroom.actors._stream import StreamActor
from greenroom.actors.context import NO_CONTEXT, Context
from greenroom.actors.snapshots import ProcessorState
from greenroom.supervision import ActorRef, Lease

LEASES: Final = 2
CONTEXT: Final = 3
FRAMES: Final = 4
LEFTOVERS: Final = 7
Finding = tuple[int, str]


def at_rest(
    env: Env,
    *,
    transferred: Collection[tuple[str, int]] = (),
    busy: Callable[[str], bool] = bool,
) -> Iterator[Finding]:
    """Yield the number of each law that does not hold, and how.

    Args:
        env: the session's records.
        transferred: leases that people have handed over to streams: processor and number.
        busy: whether a call of a processor is under way; what it has been told is not known then.
    """
    moving = any(room is not None and room._moves for room in _rooms(env))
    for book in list(env.processors.values()):
        actor = None if book.actor is None else _running(book.actor)
        if actor is None:
            continue
        leases = actor._ledger.leases()
        yield from _counts_agree(book, len(leases))
        yield from _closes_after_the_last(book, len(leases))
        for lease in leases:
            yield from _has_holder(env, book, lease, transferred)
        if not moving and book.state is ProcessorState.READY and not busy(book.name):
            yield from _knows(book, expected_context(env, book.name, leases))
    yield from _holds_hold(env, transferred)
    yield from _reads_what_is_there(env)
    if not moving:
        yield from _in_one_room(env)
        yield from _tracks_know_their_rooms(env)
        yield from _own_is_own(env)
        for track, stream in streams_of(env):
            yield from _stream_holds(track, stream)
            yield from _frames_are_somewhere(track, stream, busy)


def expected_context(env: Env, name: str, leases: Collection[Lease]) -> Context | None:
    """Return what a processor with these leases should know: what the newest says that is in a room; None: not settled."""
    if _coming(leases):
        return None
    wanted: dict[tuple[Any, int], Context] = {}
    for track, stream in streams_of(env):
        for granted in () if stream.pipeline is None else stream.pipeline.granted:
            if granted.name == name and stream.moving:
                return None  # it is on its way between two rooms, one of which has the lease meanwhile
            if granted.name == name and _ending(stream):
                return None  # it says nothing new any more: what is still inside was of the context that it has said
            if granted.name == name:
                wanted[stream.actor, granted.lease_id] = track.context
    for lease in sorted(leases, key=lambda lease: lease.lease_id, reverse=True):
        context = wanted.get((lease.holder, lease.lease_id), NO_CONTEXT)
        if context.stream_info is not None and context.stream_info.complete:
            return context
    return NO_CONTEXT


def _ending(stream: StreamState) -> bool:
    """Whether a stream has been told to end, and something is inside still."""
    actor = None if stream.actor is None else _running(stream.actor)
    return actor is not None and actor._ending


def _coming(leases: Collection[Lease]) -> bool:
    """Whether a stream that is about to open has a lease: it says what it wants when it has them all."""
    holders: list[Any] = [lease.holder for lease in leases]
    return any(holder.state_name == "starting" for holder in holders)


def _running(ref: ActorRef[Any]) -> Any:
    """Return the object behind a ref, if it is handling messages."""
    return ref._cell.actor if ref.is_running() else None


def _rooms(env: Env) -> Iterator[RoomActor | None]:
    return (None if room.actor is None else _running(room.actor) for room in env.rooms.copy().values())


def streams_of(env: Env) -> Iterator[tuple[TrackState, StreamState]]:
    """Yield all streams, with their tracks."""
    for room in env.rooms.copy().values():
        for track in room.tracks.copy().values():
            for stream in track.streams.copy().values():
                yield track, stream


def _lent_to(env: Env, holder: Any) -> Iterator[Granted]:
    """Yield the leases that a room has while tracks are on their way to it."""
    for room in env.rooms.copy().values():
        for track in room.tracks.copy().values():
            if track.lent is not None and track.lent[0] == holder:
                yield from track.lent[1]


def _counts_agree(book: ProcessorBook, live: int) -> Iterator[Finding]:
    if book.leases != live:
        yield LEASES, f"{book.name} says that it has {book.leases} leases, and has {live}"
    if book.leases_granted - book.leases_ended != live:
        told = f"granted {book.leases_granted}, ended {book.leases_ended}"
        yield LEASES, f"{book.name} has {live} leases; {told}"


def _closes_after_the_last(book: ProcessorBook, live: int) -> Iterator[Finding]:
    """It is closed when, and only when, its last lease has ended."""
    closing = book.state is ProcessorState.CLOSING
    if closing and live:
        yield LEASES, f"{book.name} is being closed under {live} leases"
    elif not closing and book.leases_granted and not live:
        yield LEASES, f"{book.name} has no lease left, and is not being closed"


def _holds_hold(env: Env, transferred: Collection[tuple[str, int]]) -> Iterator[Finding]:
    """What somebody holds is a live lease: another one, where its processor had to be replaced."""
    if env.holder is None or _running(env.holder) is None:
        return  # it obtains them again when it comes back; in a session that has failed it does not, and all holds end
    for granted in env.holds.copy():
        if (granted.name, granted.lease_id) in transferred:
            continue  # a stream has it, and has perhaps ended; who handed it over may not have been told so yet
        processor = _running(granted.processor)
        if granted.renewing or (processor is None and granted.processor.is_alive()):
            continue  # another one is asked for; or it is ending, and who holds it hears of that when it has
        if not granted.over and (processor is None or processor._ledger.find(granted.lease_id) is None):
            yield LEASES, f"a hold on {granted.name} is a hold on nothing"


def _tracks_know_their_rooms(env: Env) -> Iterator[Finding]:
    """What is said of a track that has a source is what it is known by, and its room's credentials."""
    for room in env.rooms.copy().values():
        actor = None if room.actor is None else _running(room.actor)
        if room.actor is None or actor is None:
            continue  # what it had under way is settled when it comes back; in a session that has failed it does not
        if actor._refreshing is not None and actor._refreshing.under_way:
            continue  # some of its tracks are told in a moment
        for track in room.tracks.copy().values():
            info = track.info
            if track.source is None or info is None or track.removed or track.moving:
                continue
            if track.actor is not None and track.actor.state_name == "starting":
                continue  # it comes back; what has been said meanwhile waits for it
            said = (info.room_name, info.participant_identity, info.publication_sid)
            if said != (room.name, track.participant, track.sid):
                yield CONTEXT, f"{track.path} is said to be {said}, and is known as {track.sid!r}"
            elif track.credentials != room.credentials:
                yield CONTEXT, f"{track.path} has other credentials than its room"


def _in_one_room(env: Env) -> Iterator[Finding]:
    """A track is in one room at a time."""
    rooms: dict[int, str] = {}
    for room in env.rooms.copy().values():
        if room.actor is None or _running(room.actor) is None:
            continue  # what it had under way is settled when it comes back
        for track in room.tracks.copy().values():
            if rooms.setdefault(id(track), room.name) != room.name:
                yield LEFTOVERS, f"track {track.key} is in two rooms, {rooms[id(track)]} and {room.name}"


def _reads_what_is_there(env: Env) -> Iterator[Finding]:
    """A source is read for a track that is in a room, or on its way to one."""
    wanted = {id(track.paced) for room in env.rooms.copy().values() for track in room.tracks.copy().values()}
    for paced in env.pacer.reading():
        if id(paced) not in wanted:
            yield LEFTOVERS, "the source of a track that is gone is still read"


def _own_is_own(env: Env) -> Iterator[Finding]:
    """One that is not shared has at most one stream, beside those that were given a lease on that very one."""
    users: dict[str, str] = {}
    for track, stream in streams_of(env):
        granted = [] if stream.pipeline is None else stream.pipeline.granted
        for step, each in zip(stream.steps, granted, strict=False):
            if step.processor is not None or each.spec.shared or each.spec.instance is not None:
                continue
            path = f"{track.path}/stream:{stream.name}"
            if users.setdefault(each.name, path) != path:
                yield (
                    LEASES,
                    f"{each.name} is not shared, and both {users[each.name]} and {path} go through it",
                )


def _has_holder(
    env: Env, book: ProcessorBook, lease: Lease, transferred: Collection[tuple[str, int]]
) -> Iterator[Finding]:
    holder: Any = lease.holder
    which = f"lease {lease.lease_id} of {book.name}"
    if holder.incarnation != lease.incarnation or holder.state_name in ("ended", "down"):
        yield LEASES, f"{which} is held by an incarnation of {holder.path} that is over"
        return
    actor = _running(holder)
    known: list[Any] = []
    if isinstance(actor, StreamActor):
        if (book.name, lease.lease_id) in transferred or actor._state.moving:
            return
        known = [] if actor._pipeline is None else actor._pipeline.granted
        if actor._pipeline is None and actor._waiting:
            return
    elif isinstance(actor, HoldsActor):
        known = list(env.holds)
    elif isinstance(actor, RoomActor):
        if any(stream.moving for _, stream in streams_of(env)):
            return  # it has leases that a stream is about to take over, or that will turn out to be nobody's
        known = [granted for kept in actor._held.values() for granted in kept]
        known += _lent_to(env, holder)
    else:
        return
    if not any(each.name == book.name and each.lease_id == lease.lease_id for each in known):
        yield LEASES, f"{which} is held by {holder.path}, which does not know of it"


def _knows(book: ProcessorBook, expected: Context | None) -> Iterator[Finding]:
    if expected is None:
        return
    should = shown(expected)
    if book.wanted != should:
        yield CONTEXT, f"{book.name} wants to be told {book.wanted!r}; it should be {should!r}"
    elif book.context != should:
        yield CONTEXT, f"{book.name} was told {book.context!r}, and should know {should!r}"


def _stream_holds(track: TrackState, stream: StreamState) -> Iterator[Finding]:
    """Every step of a running stream's pipeline is leased by it."""
    actor = None if stream.actor is None else _running(stream.actor)
    if stream.pipeline is None or actor is None or stream.moving or actor._ending:
        return
    for granted in stream.pipeline.granted:
        processor = _running(granted.processor)
        if processor is None:
            continue
        lease = processor._ledger.find(granted.lease_id)
        if lease is None or lease.holder != stream.actor:
            path = f"{track.path}/stream:{stream.name}"
            yield LEASES, f"{path} goes through {granted.name} without a lease on it"


def _frames_are_somewhere(
    track: TrackState, stream: StreamState, busy: Callable[[str], bool]
) -> Iterator[Finding]:
    """What is counted as inside a stream lies in one of its lanes, or in its output."""
    pipeline = stream.pipeline
    if pipeline is None or stream.actor is None or stream.actor.incarnation > 1:
        return  # what a pipeline before the present one has inside is on its way out
    if stream.moving or any(busy(granted.name) for granted in pipeline.granted):
        return
    inside = len(stream.output._frames)
    for lane in pipeline.lanes:
        if not isinstance(lane, QueuedLane):
            return
        behind = sum(frame is not None for frame in lane.behind)
        noted = sum(frame is not None for _, frame in lane.notes)
        inside += len(lane.waiting) + len(lane.outbox) + behind + noted + (lane.running is not None)
    if inside != stream.meter.in_flight:
        path = f"{track.path}/stream:{stream.name}"
        yield FRAMES, f"{path} says that {stream.meter.in_flight} frames are inside; {inside} are"
