"""Mistakes in ``actors/``: leases, context, lanes, streams, tracks, rooms and the end."""

from typing import Final

from tests.mutants.planting import Mutant, mutant

LEASES: Final[tuple[Mutant, ...]] = (
    mutant(
        "release-twice",
        "a second release ends the lease again",
        "supervision._ledger",
        "        lease = self._leases.pop(lease_id, None)\n        if lease is None:\n            return ()\n",
        "        lease = self._leases.pop(lease_id, None)\n        if lease is None:\n"
        "            return (LeaseEnded(lease_id=lease_id, cause=LeaseEnd.RELEASED),)\n",
        (
            "actors._processor",
            "if lease is not None and given.holder in",
            "if lease is None or given.holder in",
        ),
    ),
    mutant(
        "monitor-missed",
        "who takes a lease over is not watched",
        "supervision._ledger",
        "        return (*self._enter(moved), *self._leave(lease))",
        "        return (*self._enter(moved)[1:], *self._leave(lease))",
    ),
    mutant(
        "lease-of-the-dead",
        "a holder that is being restarted keeps the leases of its last incarnation",
        "actors._processor",
        "                self._carry_out(self._ledger.holder_ended(ref, incarnation))",
        "                if not ref.is_alive():\n"
        "                    self._carry_out(self._ledger.holder_ended(ref, incarnation))",
    ),
    mutant(
        "closed-under-another",
        "the first of two holders to release closes the processor",
        "supervision._ledger",
        "        if self._leases:\n            return ()\n        self._closed = True",
        "        if len(self._leases) > 1:\n            return ()\n        self._closed = True",
        upstream="G7",
    ),
    mutant(
        "never-closed",
        "a lease that ends with its holder does not count as the last",
        "supervision._ledger",
        "        return (*ended, *self._close_if_last())\n\n    def transfer",
        "        return tuple(ended)\n\n    def transfer",
    ),
    mutant(
        "granted-while-closing",
        "a processor that is being closed grants a lease",
        "actors._processor",
        "        if self._book.state is ProcessorState.CLOSING or self._ledger.closed:\n            raise LeaseOver",
        "        if self._ledger.closed and self._book.state is ProcessorState.CLOSED:\n            raise LeaseOver",
        (
            "supervision._ledger",
            "        if self._closed:\n            raise LeaseRefused(",
            "        if self._closed and self._leases:\n            raise LeaseRefused(",
        ),
    ),
    mutant(
        "shared-by-accident",
        "a processor on which a lease is on its way is given to another stream too",
        "actors._directory",
        "        return not self.streams and not self.pending",
        "        return not self.streams",
    ),
    mutant(
        "stream-forgotten",
        "the directory does not note which streams use a processor",
        "actors._directory",
        "            known.streams.add(granted.lease_id)",
        "            known.streams.discard(granted.lease_id)",
    ),
    mutant(
        "kept-for-good",
        "a room that is back does not release what it kept for its tracks",
        "actors._room",
        "            for granted in kept:\n                _release(granted)\n        self._held.clear()",
        "            kept.clear()\n        self._held.clear()",
    ),
    mutant(
        "not-taken-back",
        "a room that crashes in the middle of a move leaves the leases with the other room",
        "actors._moves",
        "    for granted in lent:\n        granted.processor.send(Release(lease_id=granted.lease_id, holder=lender))",
        "    assert lender is not None and lent is not None",
    ),
    mutant(
        "lane-without-lease",
        "a lane goes on when its lease has ended",
        "actors._processor",
        "                    self._host.bar(lease_id)\n",
        "",
    ),
    mutant(
        "hold-not-renewed",
        "a hold is not obtained again when its processor is gone",
        "actors._holds",
        "                    self._obtain_again(granted)\n            case _:",
        "                    self._watched.discard(granted.processor)\n            case _:",
    ),
)

CONTEXT: Final[tuple[Mutant, ...]] = (
    mutant(
        "clear-sent-twice",
        "a clear is not noted, and sent again",
        "actors._context",
        "                self._applied = Context(credentials=told.credentials)\n",
        "                self._applied = told\n",
    ),
    mutant(
        "context-of-the-wrong-lease",
        "the oldest lease's context is told, not the newest's",
        "actors._context",
        "        for lease_id in reversed(self._wanted):",
        "        for lease_id in self._wanted:",
        upstream="G20",
    ),
    mutant(
        "restart-without-push",
        "a new processor is taken to know what the last one was told",
        "actors._processor",
        "        self._rule.worker_restarted()\n",
        "",
    ),
    mutant(
        "credentials-first",
        "credentials are told before stream info",
        "actors._context",
        "            *info_calls,\n"
        "            *self._credentials_calls(wanted, again=entering or not self._credentials_current),\n",
        "            *self._credentials_calls(wanted, again=entering or not self._credentials_current),\n"
        "            *info_calls,\n",
    ),
    mutant(
        "never-told",
        "what a stream wants told goes with no lease",
        "actors._stream",
        "            context=self._track.context,\n",
        "            context=Context(),\n",
        (
            "actors._stream",
            "        for granted in self._pipeline.granted:\n            granted.processor.send(Want",
            "        for granted in ():\n            granted.processor.send(Want",
        ),
        upstream="G1",
    ),
    mutant(
        "told-too-late",
        "a lease is handed out before its processor knows whose frames they are",
        "actors._processor",
        "        if streaming and telling is not None and not telling.done():",
        "        if streaming and telling is not None and telling.done():",
    ),
    mutant(
        "nothing-cleared-at-the-end",
        "a processor is closed with what it was told",
        "actors._books",
        "            if due:\n",
        "            if due and errors:\n",
        upstream="G2",
    ),
    mutant(
        "clears-never-sent",
        "leaving a room clears nothing while the processor is kept",
        "actors._context",
        "            return () if told.stream_info is None else (ClearStreamInfo(),)",
        "            return ()",
        upstream="G24",
    ),
    mutant(
        "a-raise-in-a-clear",
        "a processor that raises in a clear is not closed",
        "actors._books",
        "                _attempt(lambda name=name: self.call(name), errors)  # type: ignore[misc]\n",
        "                self.call(name)\n",
        upstream="G4",
    ),
    mutant(
        "refresh-stops-half-way",
        "only the first stream of a track hears of a refresh",
        "actors._track",
        "        for ref in self._refs.values():\n            ref.send(UseContext(context=self._state.context))",
        "        for ref in list(self._refs.values())[:1]:\n            ref.send(UseContext(context=self._state.context))",
        upstream="G5",
    ),
    mutant(
        "old-room-stays",
        "after a move the old room's name stays",
        "actors._desired",
        "self.info = replace(self.info, room_name=room_name, publication_sid=sid)",
        "self.info = replace(self.info, publication_sid=sid)",
        upstream="G17",
    ),
    mutant(
        "old-token-stays",
        "after a move the old room's credentials stay",
        "actors._room",
        "        track.room_handle = self._state.handle\n        track.credentials = self._state.credentials\n",
        "        track.room_handle = self._state.handle\n",
    ),
    mutant(
        "refresh-not-kept",
        "a track that is added after a refresh gets the old credentials",
        "actors._room",
        "        self._state.credentials = credentials\n        self._env.emit(EventKind.CREDENTIALS_REFRESHED",
        "        self._env.emit(EventKind.CREDENTIALS_REFRESHED",
    ),
    mutant(
        "refresh-not-pushed",
        "other credentials for the same stream info are not told",
        "actors._context",
        "        if wanted.credentials == told and not again:",
        "        if told is not None and not again:",
    ),
    mutant(
        "token-of-another-room",
        "a room without credentials leaves those of the room before",
        "actors._context",
        "        if wanted.credentials is None:\n            return () if told is None else (ClearCredentials(),)",
        "        if wanted.credentials is None:\n            return ()",
    ),
    mutant(
        "others-cleared-too",
        "one track's leaving forgets what the other leases want",
        "actors._context",
        "        self._wanted.pop(lease_id, None)",
        "        if self._wanted.pop(lease_id, None):\n            self._wanted.clear()",
    ),
    mutant(
        "clear-after-the-hand-over",
        "every lease that ends clears what the processor knows",
        "actors._processor",
        "                    self._rule.drop(lease_id)\n",
        "                    self._rule.drop(lease_id)\n"
        "                    if self._epoch and self._worker and len(self._ledger):\n"
        "                        from greenroom.actors._context import ClearStreamInfo\n\n"
        "                        self._worker.send(Apply(calls=(ClearStreamInfo(),)))\n",
        upstream="G21",
    ),
    mutant(
        "empty-identity",
        "who has left is nobody with valid credentials",
        "actors._track",
        "        self._state.removed = True\n        self._discard = self._discard or discard\n",
        "        if self._state.info is not None:\n"
        "            self._state.info = StreamInfo(room_name=self._state.room_name, participant_identity='',\n"
        "                                          publication_sid='')\n"
        "            self._tell_streams()\n"
        "        self._state.removed = True\n        self._discard = self._discard or discard\n",
        (
            "actors._context",
            "            if context.stream_info is not None and context.stream_info.complete:\n                return context",
            "            if context.stream_info is not None:\n                return context",
        ),
        upstream="G19",
    ),
    mutant(
        "moved-and-not-told",
        "a stream that was moved does not say what it wants now",
        "actors._stream",
        "        granted.processor.send(Want(lease_id=granted.lease_id, context=self._track.context))\n"
        "        self._waiting -= 1",
        "        self._waiting -= 1",
    ),
    mutant(
        "token-in-an-event",
        "what was told is written into an event, credentials too",
        "actors._processor",
        "            self._say(EventKind.CONTEXT_APPLIED, context=self._book.context)",
        "            token = told.credentials.token.reveal() if told.credentials else ''\n"
        "            self._say(EventKind.CONTEXT_APPLIED, context=self._book.context, token=token)",
    ),
)

PROCESSORS: Final[tuple[Mutant, ...]] = (
    mutant(
        "closed-thrice",
        "every way that ends a processor closes it",
        "actors._books",
        "        if not self._guard.acquire(False):\n            return\n",
        "",
        upstream="G11",
    ),
    mutant(
        "closed-before-it-is-drained",
        "a processor is closed without waiting for its lanes",
        "actors._processor",
        "        self._host.quiesce(lambda: _send(me, Idle()))",
        "        _send(me, Idle())",
    ),
    mutant(
        "frames-after-close",
        "frames still go to a processor that is being closed",
        "actors._worker",
        "            self._book.retire(instance)  # a turn may be next on this very thread\n",
        "",
        upstream="G23",
    ),
    mutant(
        "two-threads-inside",
        "a processor is closed by one thread while another is in a call of it",
        "actors._worker",
        "        if not self._host.calling(instance.processor):\n            instance.dispose()",
        "        instance.dispose()",
        upstream="G22",
    ),
    mutant(
        "a-crash-leaves-it-open",
        "a worker that crashes does not close its processor",
        "actors._worker",
        '        """Close the processor that failed; a new one is built by the next incarnation."""\n        self._dispose()',
        '        """Close the processor that failed; a new one is built by the next incarnation."""',
    ),
    mutant(
        "the-dead-installs",
        "a worker that was given up puts its processor over its successor's",
        "actors._books",
        "            if self.host is None or newest > instance.incarnation:",
        "            if self.host is None or newest < 0:",
    ),
    mutant(
        "hang-not-seen",
        "a call that hangs is told to nobody",
        "actors._watch",
        "                actor.send(Hung())",
        "                book.hung = False",
    ),
    mutant(
        "hang-not-fenced",
        "the worker of a call that hangs is not given up",
        "actors._processor",
        "        self._host.revoke(Reason.WARMING)\n        self.fence_child(self._worker, reason, stuck=True)",
        "        self._host.revoke(Reason.WARMING)",
    ),
    mutant(
        "late-result-delivered",
        "what a call that was given up returns still comes out",
        "actors._threaded",
        "            if epoch.revoked:\n                return None\n            if lane.running is frame:\n                if result is None:",
        "            if epoch.revoked and result is not None:\n                lane.outbox.append(result)\n"
        "                return None\n            if lane.running is frame:\n                if result is None:",
    ),
    mutant(
        "degraded-for-good",
        "a degraded processor is never tried again",
        "actors._processor",
        "        if pause_ns is not None:\n            self.after(pause_ns",
        "        if pause_ns is None:\n            self.after(0",
    ),
    mutant(
        "one-restart-too-many",
        "a processor's worker is restarted once more than it may be",
        "actors._recovery",
        "        self._intensity = Intensity(spec.intensity, spec.period_ns)",
        "        self._intensity = Intensity(spec.intensity + 1, spec.period_ns)",
    ),
    mutant(
        "budget-renewed",
        "each start of a worker renews its budget of restarts",
        "actors._recovery",
        "        self.due_ns = None\n        self._backoff.started(now_ns)",
        "        self.due_ns = None\n        self._fresh_budget()\n        self._backoff.started(now_ns)",
    ),
    mutant(
        "enabled-raises",
        "a processor whose enabled raises ends the turn",
        "actors._threaded",
        "        while frame is not None:\n            taken += 1\n            try:\n"
        "                result = guarded(epoch.process(frame), frame) if epoch.processor.enabled else None",
        "        while frame is not None:\n            taken += 1\n            enabled = epoch.processor.enabled\n"
        "            try:\n                result = guarded(epoch.process(frame), frame) if enabled else None",
        (
            "actors._threaded",
            "        result: Frame | None = None\n        try:\n            if epoch.processor.enabled:",
            "        result: Frame | None = None\n        enabled = epoch.processor.enabled\n        try:\n            if enabled:",
        ),
        upstream="G12",
    ),
    mutant(
        "anything-passed-on",
        "what a processor returns is not looked at",
        "actors._threaded",
        "                if result is not frame:\n                    result = guarded(result, frame)\n",
        "",
        ("actors._threaded", "guarded(epoch.process(frame), frame) if", "epoch.process(frame) if"),
        upstream="G13",
    ),
)
