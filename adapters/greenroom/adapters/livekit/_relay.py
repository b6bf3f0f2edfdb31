"""A relay: a participant who takes others' audio through a pipeline and hands on what comes out.

It looks at the room whenever something has happened there, and sees to it that each wanted track of each wanted participant has one
stream with processors of its own, for as long as its participant is there: through republications and reconnections.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from greenroom.actors import Session, Token
from greenroom.adapters.livekit._connect import connect
from greenroom.adapters.livekit._deliveries import Delivery
from greenroom.adapters.livekit._errors import NotInRoom
from greenroom.adapters.livekit._facts import source_name
from greenroom.adapters.livekit._sdk import rtc
from greenroom.adapters.livekit._stream import AudioStream

LOOKS: Final = ("track_published", "track_subscribed", "participant_connected", "reconnected", "moved")
"""After these there may be a track that was not there before."""

Subject = tuple[str, str]
"""Whose track it is, and its source."""


class Relay:
    """One room's relay. On one event loop; `connect`, then `ended` or `leave`.

    Args:
        session: whose processors they are.
        processors: the pipeline; each stream gets its own, as in `AudioStream`.
        participants: whose tracks are wanted, by identity; None: everybody's.
        sources: which of their tracks, ``microphone`` for example.
        sample_rate: in Hz.
        frame_size_ms: how long frames are.
        deliver: makes the place where a track's audio goes.

    Attributes:
        room: the room; connected by `connect`.
        failures: what went wrong with whose track; those are not tried again.
    """

    def __init__(
        self,
        session: Session,
        *,
        processors: Sequence[Any],
        participants: frozenset[str] | None,
        sources: frozenset[str],
        sample_rate: int,
        frame_size_ms: int,
        deliver: Callable[[str, str], Delivery],
    ) -> None:
        self._session = session
        self.room = room = rtc.Room()
        self._processors = list(processors)
        self._participants = participants
        self._sources = sources
        self._open = partial(
            AudioStream.from_participant,
            processors=self._processors,
            session=session,
            sample_rate=sample_rate,
            frame_size_ms=frame_size_ms,
        )
        self._deliver = deliver
        self._tasks: dict[Subject, asyncio.Task[None]] = {}
        self._over = asyncio.Event()
        self._reason = ""
        # What has failed is not tried again: a disk that is full does not become empty by it.
        self.failures: list[tuple[Subject, BaseException]] = []
        emitter: Any = room
        for name in LOOKS:
            emitter.on(name, self._look)
        emitter.on("disconnected", self._on_disconnected)

    async def connect(self, url: str, token: str | Token) -> None:
        """Enter the room; tracks that are not wanted are not asked for.

        Raises:
            ConnectFailed, ValueError: see `connect`.
        """
        options = rtc.RoomOptions(auto_subscribe=False)
        await connect(self._session, url, token, room=self.room, options=options)
        self._look()

    def _look(self, *_: object) -> None:
        """See to it that what is wanted and there is heard."""
        if self._over.is_set() or not self.room.isconnected():
            return
        for participant in list(self.room.remote_participants.values()):
            for publication in list(participant.track_publications.values()):
                if self._wants(participant, publication):
                    if not publication.subscribed:
                        publication.set_subscribed(True)
                    self._hear(participant, publication.source)

    def _wants(self, participant: rtc.RemoteParticipant, publication: rtc.RemoteTrackPublication) -> bool:
        return (
            publication.kind == rtc.TrackKind.KIND_AUDIO
            and source_name(publication.source) in self._sources
            and (self._participants is None or participant.identity in self._participants)
        )

    def _hear(self, participant: rtc.RemoteParticipant, source: rtc.TrackSource.ValueType) -> None:
        subject = (participant.identity, source_name(source))
        if subject in self._tasks or any(subject == failed for failed, _ in self.failures):
            return
        try:
            stream = self._open(participant=participant, track_source=source)
        except NotInRoom:
            return  # gone again; there will be another event if they come back
        task = asyncio.get_running_loop().create_task(self._relay(subject, stream))
        self._tasks[subject] = task
        task.add_done_callback(partial(self._on_end, subject))

    async def _relay(self, subject: Subject, stream: AudioStream) -> None:
        delivery = self._deliver(*subject)
        try:
            async for event in stream:
                await delivery.put(event.frame)
        finally:
            await stream.aclose()
            await delivery.close()

    def _on_end(self, subject: Subject, task: "asyncio.Task[None]") -> None:
        del self._tasks[subject]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.failures.append((subject, error))
        elif not task.cancelled():
            self._look()  # they may have come back already

    def _on_disconnected(self, reason: Any) -> None:
        self._reason = str(rtc.DisconnectReason.Name(reason)).lower().replace("_", " ")
        self._over.set()

    async def ended(self) -> str:
        """Wait until the room is left for good, and all that was heard is handed on; return why, in the server's words."""
        await self._over.wait()
        while self._tasks:
            await asyncio.wait(self._tasks.values())
        return self._reason

    async def leave(self) -> None:
        """End the streams, hand on what is inside, and leave the room. Idempotent."""
        self._over.set()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.room.disconnect()
