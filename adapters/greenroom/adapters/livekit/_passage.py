"""One way of frames through one processor, for who brings each frame himself and waits for it.

It is a stream like any other, with a lease of its own: a feed at one end, and at the other who called `Passage.process`.
It is opened and closed on the steward's loop; frames pass on the caller's thread.
"""

import asyncio
import weakref
from typing import Final

from greenroom.actors import Credentials, Feed, Frame, OnFault, ProcessorSpec, Session, Stream, StreamInfo
from greenroom.adapters.livekit._frames import carried, out_of
from greenroom.adapters.livekit._lobby import Default, Given, default_of, given
from greenroom.adapters.livekit._policy import Wanted, spec_in
from greenroom.adapters.livekit._sdk import rtc
from greenroom.adapters.livekit._seats import Seat
from greenroom.adapters.livekit._steward import Steward
from greenroom.supervision import ThreadRuntime

SECOND_NS: Final = 1_000_000_000
now_ns: Final = ThreadRuntime.now_ns

Told = tuple[StreamInfo | None, int, Credentials | None]
"""Whose audio it is, by which publication, and what the processor may use."""

_passages: Final["weakref.WeakSet[Passage]"] = weakref.WeakSet()


def passages() -> "tuple[Passage, ...]":
    """Return all that there are in this process."""
    return tuple(_passages)


class Passage:
    """Opened once by `open`, ended by `close`. `process` is for one thread at a time, the rest for any.

    Attributes:
        used_ns: when a frame passed last.
        early: frames that came before there was a stream, or after its end.
        late: frames that came back as they were because the processor's answer was not there in time.
        passed: frames that went in and came back in time, processed or by the policy of the lane.
        turn: who calls `process` has it.
        keeper: opens it, and closes it: what was closed with that one needs nobody else.
    """

    def __init__(self, wanted: Wanted, keeper: Steward, *, name: str) -> None:
        self.keeper = keeper
        self._wanted = wanted
        self._name = name
        self._on_fault = wanted.on_fault if isinstance(wanted, ProcessorSpec) else OnFault.BYPASS
        self._feed = Feed()
        self._lock = ThreadRuntime.lock()
        self._context: Told = (None, 0, None)
        self._lobby: Default | Given | None = None
        self._seat: Seat | None = None
        self._stream: Stream | None = None
        self._closed = False
        self._clock_ns = 0
        self._news = ThreadRuntime.lock()
        self._news.acquire()
        self.turn = ThreadRuntime.lock()
        self.used_ns = now_ns()
        self.early = 0
        self.late = 0
        self.passed = 0
        _passages.add(self)

    async def open(self, session: Session | None) -> None:
        """Open the stream, and with it the processor; in the loop's default session, if none is given.

        On the steward's loop.

        Raises:
            SessionError: the session does not have such a processor, or is closed.
        """
        lobby = default_of(asyncio.get_running_loop()) if session is None else given(session)
        lobby.arrive()
        self._lobby = lobby
        spec = await spec_in(await lobby.session(), self._wanted)
        self._on_fault = spec.on_fault
        seat = Seat(lobby.local, self._name, "supervised")
        with self._lock:
            self._seat = seat
            seat.point(*self._context)
        track = await seat.open()
        stream = await track.open_stream([spec], feed=self._feed)
        stream.serve(self._wake)
        self._stream = stream
        if self._closed:
            stream.stop()

    @property
    def processor(self) -> str:
        """What the session calls the processor; empty before there is one."""
        stream = self._stream
        return " ".join(stream.snapshot().pipeline) if stream is not None else ""

    def point(self, info: StreamInfo | None, number: int, credentials: Credentials | None) -> None:
        """Say whose audio it is; ``number`` is the publication's."""
        with self._lock:
            self._context = (info, number, credentials)
            if self._seat is not None:
                self._seat.point(*self._context)

    def process(self, frame: rtc.AudioFrame, wait_ns: int) -> rtc.AudioFrame:
        """Return the frame processed, or by the policy: after ``wait_ns`` at the latest."""
        stream = self._stream
        self.used_ns = began_ns = now_ns()
        if stream is None or self._closed:
            self.early += 1
            return substitute(frame, self._on_fault)
        if self._behind(stream):
            return self.give_up(frame)
        given = carried(frame, self._clock_ns)
        self._clock_ns += given.duration_ns or 1
        self._feed.push(given)
        taken = self._take(stream, given.timestamp_ns, began_ns + wait_ns)
        if taken is None:
            return self.give_up(frame)
        self.passed += 1
        return frame if taken is given else out_of(taken)

    def _behind(self, stream: Stream) -> bool:
        """Whether the processor has not returned an earlier frame; what it has is thrown away, nobody waits for it."""
        while stream.in_flight:
            if stream.take() is None:
                return bool(stream.in_flight)
        return False

    def _take(self, stream: Stream, timestamp_ns: int, deadline_ns: int) -> Frame | None:
        while True:
            taken = stream.take()
            if taken is not None:
                if taken.timestamp_ns >= timestamp_ns:
                    return taken
                continue
            left_ns = deadline_ns - now_ns()
            if left_ns <= 0 or stream.over:
                return None
            self._news.acquire(timeout=left_ns / SECOND_NS)

    def give_up(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        self.late += 1
        return substitute(frame, self._on_fault)

    def _wake(self) -> None:
        """There is something to take. Any thread."""
        try:
            self._news.release()
        except RuntimeError:
            return  # nobody has waited since the last time

    def stop(self) -> None:
        """Let nothing pass any more, at once; the processor is closed after its running call."""
        self._closed = True
        stream = self._stream
        if stream is not None:
            stream.stop()
        self._wake()

    async def close(self) -> None:
        """Give the track back, when all that was inside is over. On the steward's loop."""
        self.stop()
        try:
            if self._stream is not None:
                await self._stream.aclose()
            if self._seat is not None:
                await self._seat.leave()
        finally:
            if self._lobby is not None:
                self._lobby.leave()


def substitute(frame: rtc.AudioFrame, on_fault: OnFault) -> rtc.AudioFrame:
    """Return what comes back for a frame that is not processed."""
    if on_fault is not OnFault.SILENCE:
        return frame
    silence = bytearray(2 * frame.samples_per_channel * frame.num_channels)
    return rtc.AudioFrame(silence, frame.sample_rate, frame.num_channels, frame.samples_per_channel)
