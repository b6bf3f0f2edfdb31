"""Mistakes in ``actors/``, further: frames, streams, tracks, rooms and the end of a session."""

from typing import Final

from tests.mutants.planting import Mutant, mutant

FRAMES: Final[tuple[Mutant, ...]] = (
    mutant(
        "unbounded-backlog",
        "a lane takes whatever comes, and nothing in it is ever too late",
        "actors._lanes",
        "        if excess > 0 and not host.wait:",
        "        if excess > 100_000 and not host.wait:",
        upstream="G16",
    ),
    mutant(
        "out-of-order",
        "what is resolved while a call runs overtakes it",
        "actors._lanes",
        "        if behind:\n            self.behind.append(result)\n        elif",
        "        if behind and result is None:\n            self.behind.append(result)\n        elif",
    ),
    mutant(
        "drop-not-counted",
        "frames that an output drops when it is closed are not counted",
        "actors._output",
        "                self._meter.dropped(lost.popleft(), Reason.CLOSED)\n",
        "                lost.popleft()\n",
    ),
    mutant(
        "wake-up-lost",
        "a reader is woken once",
        "actors._output",
        "        self._asleep = False\n        return self._wake",
        "        self._asleep = False\n        wake, self._wake = self._wake, None\n        return wake",
    ),
    mutant(
        "drained-too-early",
        "a lane is taken to be empty while its last frame is being processed",
        "actors._lanes",
        "        return not (self.delivering or self.waiting or self.outbox or self.notes or self.running is not None)",
        "        return not (self.delivering or self.waiting or self.outbox or self.notes)",
    ),
    mutant(
        "late-for-ever",
        "frames behind a call that takes long are never late",
        "actors._lanes",
        "            late = self.marks.popleft()[1]",
        "            self.marks.popleft()",
    ),
    mutant(
        "queued-frames-thrown-away",
        "what is inside a stream when its source ends is dropped",
        "actors._stream",
        "            pipeline.lanes[following].close(told, discard=self._state.discard)",
        "            pipeline.lanes[following].close(told, discard=True)",
        upstream="G14",
    ),
    mutant(
        "counted-twice",
        "a frame that overflows is counted as dropped twice",
        "actors._output",
        "                lost.append(self._frames.popleft())\n        return lost\n",
        "                lost.append(self._frames.popleft())\n        return lost * 2\n",
    ),
    mutant(
        "new-before-old",
        "a stream that starts over does not wait until its last pipeline is empty",
        "actors._stream",
        "        if before is not None and not before.done():",
        "        if before is not None and before.done():",
    ),
)

STREAMS: Final[tuple[Mutant, ...]] = (
    mutant(
        "no-end-of-stream",
        "a room that is closed ends its streams without telling who reads them",
        "actors._stream",
        "        else:\n            state.output.end()\n",
        "        elif not self._track.removed:\n            state.output.end()\n",
        upstream="G3",
    ),
    mutant(
        "orphan-stream",
        "a stream that cannot be opened stays",
        "actors._track",
        "        close_stream(self._env, self._state, stream)\n        cause = ",
        "        cause = ",
        upstream="G6",
    ),
    mutant(
        "dropped-and-kept",
        "a stream whose handle is gone goes on for ever",
        "actors.streams",
        "    end_stream(state, discard=True)\n    if state.output.unread:",
        "    state.discard = True\n    if state.output.unread:",
        upstream="G8",
    ),
    mutant(
        "end-without-close",
        "a stream whose source has ended keeps its processors",
        "actors._stream",
        "                    self._state.error = error\n                self._close(discard=False)",
        "                    self._state.error = error\n                self._finish_output()",
        upstream="G9",
    ),
    mutant(
        "left-and-not-ended",
        "a track that leaves does not end its streams",
        "actors._track",
        "        for ref in self._refs.values():\n            ref.send(CloseStream(discard=discard))\n        self._leave_if_empty()",
        "        self._leave_if_empty()",
        upstream="G18",
    ),
    mutant(
        "processor-lost",
        "a stream does not hear that a processor of its pipeline is gone",
        "actors._stream",
        "            self.monitor(each.processor)\n",
        "            assert each.processor\n",
    ),
    mutant(
        "not-read",
        "a track's source is not read when its first stream opens",
        "actors._track",
        "            elif self._state.paced is None and self._state.source is not None:",
        "            elif self._state.paced is None and len(self._state.streams) > 1 and self._state.source is not None:",
    ),
    mutant(
        "reader-left-open",
        "the source of a track that has left is not closed",
        "actors._track",
        "    if paced is not None:\n        paced.close()\n    for",
        "    for",
    ),
    mutant(
        "taken-over-by-nobody",
        "the head of a stream that was moved still tells the actor before",
        "actors._stream",
        "        pipeline.head.on_end = partial(_source_ended, self.actor_ref)\n",
        "",
    ),
    mutant(
        "moved-and-dropped",
        "a stream that is moved lets go of its pipeline",
        "actors._stream",
        "        if self._state.moving and not self._ending:\n            return\n",
        "",
    ),
    mutant(
        "sink-not-told",
        "a stream that fails does not tell its sink",
        "actors._output",
        "            else:\n                self._abort(taken.error)\n            return\n        self._submit()",
        "            return\n        self._submit()",
    ),
)

ROOMS: Final[tuple[Mutant, ...]] = (
    mutant(
        "leave-not-answered",
        "who asks for a track to end is not told that it has, if the track fails",
        "actors._room",
        "        for reply in self._dropping.pop(track.key, ()):\n            reply.try_set(None)",
        "        for reply in () if failed else self._dropping.pop(track.key, ()):\n            reply.try_set(None)",
    ),
    mutant(
        "move-not-answered",
        "a move that is refused is not answered",
        "actors._moves",
        "        if error is not None:\n            self._reply.try_fail(error)\n",
        "",
    ),
    mutant(
        "moved-twice",
        "a track that one room has taken is started again by the other",
        "actors._room",
        "        if taken or not track.claim():  # without a ticket it was taken, although we were not told",
        "        if taken:",
    ),
    mutant(
        "lent-and-lost",
        "leases of a move that nobody has taken over stay with the room",
        "actors._room",
        "        for lender, granted in lent:  # those that nobody has taken over\n"
        "            granted.processor.send(Release(lease_id=granted.lease_id, holder=lender))\n",
        "",
    ),
    mutant(
        "grace-not-ended",
        "processors of a room that does not come back are kept for ever",
        "actors._room",
        "        self._grace = self.after(grace_ns, self._let_go)",
        "        self._grace = self.after(grace_ns * 1_000_000, self._let_go)",
    ),
    mutant(
        "half-a-reconnect",
        "tracks that kept their sid do not hear of the new credentials",
        "actors._room",
        "            if (ref := self.ref_of_track(track)) is not None\n",
        "            if sid in message.sids and (ref := self.ref_of_track(track)) is not None\n",
    ),
    mutant(
        "gone-not-said",
        "who waits for a room to be gone waits for ever",
        "actors._room",
        "        env.emit(EventKind.ROOM_CLOSED, room.path)\n    room.gone.try_set(None)",
        "        env.emit(EventKind.ROOM_CLOSED, room.path)\n        if not room.tracks and error is None:\n"
        "            return\n    room.gone.try_set(None)",
    ),
    mutant(
        "pacer-left",
        "the end of a session does not end its pacer",
        "actors._shutdown",
        "    env.pacer.close()\n",
        "",
    ),
)
