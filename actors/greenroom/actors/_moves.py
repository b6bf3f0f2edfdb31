"""A track's way from one room to another, step by step, so that its processors are held at every moment.

transfer all leases to the other room -> stop the track's actors, which leave everything running
-> the other room takes the track, with a ticket that only one can have -> its streams take the leases over
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from greenroom.actors._desired import Granted, TrackState
from greenroom.actors._leasing import Release, Transfer
from greenroom.actors._roommail import DropTrack, MoveTrack, TakeTrack
from greenroom.actors.errors import NotThere
from greenroom.supervision import Future

if TYPE_CHECKING:
    from greenroom.actors._room import RoomActor


class Move:
    """One move, as the room that gives the track away carries it out."""

    def __init__(self, room: "RoomActor", track: TrackState, message: MoveTrack, reply: Future[Any]) -> None:
        self._room = room
        self._track = track
        self._message = message
        self._reply = reply
        self._drops: list[Future[None]] = []
        self._transferred: list[Granted] = []

    def begin_after(self, started: Future[Any]) -> None:  # noqa: ARG002 - whether it has started or not
        """Begin once the start that was under way is settled."""
        self.begin()

    def begin(self) -> None:
        """Transfer the leases; one that is lost on the way is obtained anew later."""
        to = self._message.to
        self._transferred = self._track.leases()
        self._track.lent = (to, self._transferred)
        transfers = [
            granted.processor.ask(
                Transfer(lease_id=granted.lease_id, holder=to, incarnation=to.incarnation), block=False
            )
            for granted in self._transferred
        ]
        self._room.gather(transfers, self._stop)

    def drop_after(self, reply: Future[None]) -> None:
        """The track has left meanwhile: end it where it arrives."""
        self._drops.append(reply)

    def _stop(self) -> None:
        track = self._track
        if not self._room.has(track) or track.actor is None:
            self._give_back_lost()
            self._room.moved(track, taken=True)  # it has ended
            self._end(NotThere("track", track.key))
            return
        track.moving = True
        for stream in track.streams.values():
            stream.moving = True
        stopped = self._room.stop_child(track.actor.name)
        self._room.when(stopped, self._hand_over)

    def _hand_over(self, _: Future[None]) -> None:
        self._give_back_lost()
        self._track.ticket = [None]
        take = TakeTrack(state=self._track, sid=self._message.sid)
        self._room.when(self._message.to.ask(take, block=False), self._on_taken)

    def _give_back_lost(self) -> None:
        """Give back leases of pipelines that were let go of after they had been transferred."""
        there = self._track.leases()
        for granted in self._transferred:
            if granted not in there:
                granted.processor.send(Release(lease_id=granted.lease_id))

    def _on_taken(self, answer: Future[Any]) -> None:
        error = answer.error()
        self._room.moved(self._track, taken=error is None, lender=self._message.to)
        if error is None:
            self._reply.try_set(answer.outcome())
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        if error is not None:
            self._reply.try_fail(error)
        for reply in self._drops:
            if error is None:
                dropped = self._message.to.ask(DropTrack(key=self._track.key), block=False)
                dropped.add_done_callback(partial(_pass_on_end, reply))
            else:
                self._room.drop(self._track.key, reply, discard=False)


def _pass_on_end(reply: Future[None], _: Future[Any]) -> None:
    reply.try_set(None)


def take_back(track: TrackState) -> None:
    """Release the leases of a track that were transferred to a room which will not get it; its streams obtain new ones."""
    assert track.lent is not None
    (lender, lent), track.lent = track.lent, None
    for granted in lent:
        granted.processor.send(Release(lease_id=granted.lease_id, holder=lender))
