"""`AudioStream`: LiveKit's, with processors that are owned by a supervision tree instead of by a flag."""

import asyncio
import weakref
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final, Self

from greenroom.actors import Session
from greenroom.adapters.livekit._asked import (
    check_capacity,
    check_others,
    check_shape,
    pipeline_of,
    subject_of,
)
from greenroom.adapters.livekit._attachment import Attachment
from greenroom.adapters.livekit._errors import NotAnOption, NotAudio, NotInRoom, WrongLoop
from greenroom.adapters.livekit._facts import is_audio
from greenroom.adapters.livekit._frames import out_of
from greenroom.adapters.livekit._line import Line
from greenroom.adapters.livekit._lobby import Lobby, default_of, given
from greenroom.adapters.livekit._local import local_track
from greenroom.adapters.livekit._native import Shape
from greenroom.adapters.livekit._registry import attached, room_with
from greenroom.adapters.livekit._sdk import room_of, rtc
from greenroom.adapters.livekit._seats import Seat

DEFAULT_FRAMES: Final = 1_000
"""How many frames a stream keeps for a slow consumer when ``capacity`` is 0: what the SDK calls unbounded."""


class AudioStream(AsyncIterator[rtc.AudioFrameEvent]):
    """Frames of an audio track, through processors. LiveKit's `rtc.AudioStream`, but for who closes what.

    Args:
        track: the audio track.
        loop: the event loop; the running one by default, and no other that runs.
        capacity: how many frames are kept for a slow consumer; the oldest go. 0: `DEFAULT_FRAMES`.
        sample_rate: in Hz.
        num_channels: how many.
        frame_size_ms: how long frames are; by default as LiveKit likes.
        noise_cancellation: as LiveKit spells it: a ``FrameProcessor``, or ``NoiseCancellationOptions`` for a filter
            inside the SDK; also whatever `processors` takes.
        processors: the pipeline behind it: a factory, an instance, a `Lease`, a configured or installed name, a
            `ProcessorSpec`; one or several.
        session: where it belongs, if its room is attached to none: by default a session of the loop.

    Raises:
        NotAudio, NotInRoom, WrongLoop, NotAnOption, ProcessorOver: at once, and nothing is left open.
    """

    def __init__(
        self,
        track: rtc.Track,
        loop: asyncio.AbstractEventLoop | None = None,
        capacity: int = 0,
        sample_rate: int = 48000,
        num_channels: int = 1,
        frame_size_ms: int | None = None,
        noise_cancellation: Any = None,
        *,
        processors: Any = None,
        session: Session | None = None,
        **others: Any,
    ) -> None:
        check_others(others)
        loop = _checked_loop(loop)
        make = partial(
            _new_line,
            loop,
            Shape(sample_rate=sample_rate, num_channels=num_channels, frame_size_ms=frame_size_ms),
            noise_cancellation,
            processors,
            capacity,
        )
        if "participant" in others:
            self._line = _line_of_participant(
                make, others["participant"], others["track_source"], session, loop
            )
        else:
            self._line = _line_of_track(make, track, session, loop)
        self._loop = loop
        self._dropped = weakref.finalize(self, self._line.drop)
        self._dropped.atexit = False

    @classmethod
    def from_participant(
        cls,
        *,
        participant: rtc.Participant,
        track_source: rtc.TrackSource.ValueType,
        loop: asyncio.AbstractEventLoop | None = None,
        capacity: int = 0,
        sample_rate: int = 48000,
        num_channels: int = 1,
        frame_size_ms: int | None = None,
        noise_cancellation: Any = None,
        processors: Any = None,
        session: Session | None = None,
        **others: Any,
    ) -> "AudioStream":
        """Open a stream on whatever a participant publishes of one source: it goes on from track to track.

        It ends when the participant has left, or the room is disconnected.
        """
        return cls(
            participant=participant,
            track_source=track_source,
            loop=loop,
            capacity=capacity,
            track=None,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            sample_rate=sample_rate,
            num_channels=num_channels,
            frame_size_ms=frame_size_ms,
            noise_cancellation=noise_cancellation,
            processors=processors,
            session=session,
            **others,
        )

    @classmethod
    def from_track(
        cls,
        *,
        track: rtc.Track,
        loop: asyncio.AbstractEventLoop | None = None,
        capacity: int = 0,
        sample_rate: int = 48000,
        num_channels: int = 1,
        frame_size_ms: int | None = None,
        noise_cancellation: Any = None,
        processors: Any = None,
        session: Session | None = None,
        **others: Any,
    ) -> "AudioStream":
        """Open a stream on a track; it ends with it."""
        return cls(
            track=track,
            loop=loop,
            capacity=capacity,
            sample_rate=sample_rate,
            num_channels=num_channels,
            frame_size_ms=frame_size_ms,
            noise_cancellation=noise_cancellation,
            processors=processors,
            session=session,
            **others,
        )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> rtc.AudioFrameEvent:
        """Return the next frame.

        Raises:
            StopAsyncIteration: the track, its room or the session has ended, or the stream was closed.
            UnknownProcessor, NotAProcessor, StreamFailed: it could not be opened, or its pipeline failed.
            WrongLoop: this is not the loop that it was made in.
        """
        line = self._line
        stream = line.stream
        if stream is None:
            self._check_loop()
            await line.opened()
            stream = line.stream
        if line.error is not None:
            raise line.error
        if stream is None or line.over:
            raise StopAsyncIteration
        return rtc.AudioFrameEvent(out_of(await stream.__anext__()))

    async def aclose(self) -> None:
        """Close the stream, and return when nothing of it is left. Idempotent; goes on if the caller is cancelled."""
        self._check_loop()
        await self._line.close()

    def _check_loop(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise WrongLoop(
                "this stream belongs to another event loop; use it in the one that it was made in"
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _checked_loop(loop: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop:
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if loop is None and running is None:
        raise WrongLoop("no event loop runs here: make the stream in the loop that reads it, or give loop")
    chosen = loop or running
    assert chosen is not None
    if chosen is not running and (running is not None or chosen.is_running()):
        raise WrongLoop(
            "loop is another event loop than this thread's; make the stream in the loop that reads it"
        )
    return chosen


def _new_line(
    loop: asyncio.AbstractEventLoop,
    shape: Shape,
    noise_cancellation: Any,
    processors: Any,
    capacity: int,
    **place: Any,
) -> Line:
    options, wanted = pipeline_of(noise_cancellation, processors)
    check_shape(shape, wanted)
    check_capacity(capacity)
    return Line(
        loop, shape, wanted=wanted, options=options, capacity_frames=capacity or DEFAULT_FRAMES, **place
    )


def _line_of_track(
    make: Any, track: rtc.Track, session: Session | None, loop: asyncio.AbstractEventLoop
) -> Line:
    if not is_audio(track):
        raise NotAudio(f"{type(track).__name__} is no audio track")
    room = room_of(track)
    if isinstance(track, rtc.LocalAudioTrack):
        return _line_of_local(make, track, room, session, loop)
    if room is None or not room.isconnected():
        raise NotInRoom("the track is in no room that is connected: it has left, or its room is closed")
    attachment = _attachment(room, session, loop)
    where = attachment.where(track)
    if where is None:
        raise NotInRoom(
            "the track is not in its room any more: its participant has left, or it was unpublished"
        )
    seat = Seat(attachment.hall, where.identity, where.source)
    line: Line = make(lobby=attachment.lobby, seat=seat, keeper=attachment.niche(where))
    line.hear(track)
    _begin(line, partial(attachment.join, line, track, where))
    return line


def _line_of_local(
    make: Any,
    track: rtc.LocalAudioTrack,
    room: rtc.Room | None,
    session: Session | None,
    loop: asyncio.AbstractEventLoop,
) -> Line:
    attachment = None if room is None else _attachment(room, session, loop)
    lobby: Lobby = attachment.lobby if attachment else given(session) if session else default_of(loop)
    where = attachment.where(track) if attachment else None
    seat = Seat(lobby.local, where.identity if where else "local", where.source if where else track.name)
    line: Line = make(lobby=lobby, seat=seat, keeper=None)
    known = local_track(track)
    line.on_over = known.part
    line.on_room = partial(_look_at_rooms, track, lobby)
    line.hear(track)
    _begin(line, partial(known.join, line))
    return line


def _look_at_rooms(track: rtc.Track, lobby: Lobby) -> None:
    """A local track has entered or left a room, attached or not: see which."""
    room = room_of(track)
    if room is not None:
        attached(room, lobby, known=True).look()
    for attachment in local_track(track).rooms():
        attachment.look()


def _line_of_participant(
    make: Any, participant: Any, source: Any, session: Session | None, loop: asyncio.AbstractEventLoop
) -> Line:
    subject = subject_of(participant, source)
    room = room_with(participant)
    if room is None:
        raise NotInRoom(
            f"participant {participant.identity!r} is in no room that is known here: they have left, or have published "
            "nothing so far and their room was not attached: attach(session, room)"
        )
    attachment = _attachment(room, session, loop)
    line: Line = make(lobby=attachment.lobby, seat=Seat(attachment.hall, *subject), keeper=None)
    _begin(line, partial(attachment.follow, line, subject))
    return line


def _begin(line: Line, join: Any) -> None:
    """Have a line opened, and told of its track; one that cannot be told is closed again."""
    line.begin()
    try:
        join()
    except BaseException:
        line.cut()
        raise


def _attachment(room: rtc.Room, session: Session | None, loop: asyncio.AbstractEventLoop) -> Attachment:
    found = attached(room, default_of(loop) if session is None else given(session), known=session is None)
    if session is not None:
        _check_session(found, session)
    return found


def _check_session(attachment: Attachment, session: Session) -> None:
    if attachment.lobby is not given(session):
        raise NotAnOption(
            f"session is {session.name!r}, but the room is attached to another one; leave session out"
        )
