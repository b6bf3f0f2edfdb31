"""How audio comes from the SDK's native threads: one subscription for all streams, one look-up, one wake-up for many.

The SDK gives each stream a subscription of its own: every event is offered to each of them in turn, then wakes the loop
and a task of its stream. Here the native thread that brings an event finds its stream by one look-up, takes the
samples, and leaves them for the stream's loop, which is woken once for all that has come.

Laws:
    1. A source's frames are heard on its loop's thread, in the order in which they came, each once. What had been sent
       the SDK's own way before the source was plugged in comes first.
    2. The end of a stream is handed to the SDK's own reader, behind the last frame: it ends as it always does.
    3. When a room says that a track has gone, nothing that comes after that is let in. The wire sees the event where
       the SDK sends it out: the room's own task may be far behind the audio, on a loop that is busy.
    4. The native memory of every frame is given back here, whether anybody hears it or not.
    5. What a loop that is busy leaves waiting is bounded: past `WAITING_FRAMES` the oldest go, and are told as missed.
"""

from collections import deque
from contextlib import suppress
from typing import Any, Final, Protocol, cast
from weakref import WeakValueDictionary

from greenroom.adapters.livekit._frames import Heard, heard_in
from greenroom.adapters.livekit._sdk import Board, discard, gone_in, handle_of, inlet_of, place_of, rtc
from greenroom.supervision import get_logger

TURN_FRAMES: Final = 64
"""After so many frames of a backlog the loop's other tasks have their turn."""
WAITING_FRAMES: Final = 1_000
"""How many frames of one stream wait for a loop that is busy: ten seconds of the usual ones."""


class Listener(Protocol):
    """Who hears a source's frames, on the loop's thread."""

    def hear(self, frame: Heard, /) -> None:
        """Take the next frame."""
        ...

    def missed(self, frames: int, /) -> None:
        """So many frames before the next one have been lost."""
        ...


class _Nowhere:
    """In the place of a loop, for a subscription from which nothing is ever sent to one."""

    def call_soon_threadsafe(self, *_: object) -> None:
        """Do nothing."""


class Inbox:
    """The sources of one loop that something has come for."""

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self._due: deque[Source] = deque()
        self._called = False

    def put(self, source: "Source") -> None:
        """Have a source look at what has come for it, on the loop. Any thread."""
        self._due.append(source)
        if not self._called:
            self._called = True
            try:
                self.loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                self._due.clear()  # the loop is closed: nobody will ever hear it

    def _deliver(self) -> None:
        # Said first: who comes while this runs is taken along, or calls again.
        self._called = False
        due, left = self._due, TURN_FRAMES
        while due:
            source = due.popleft()
            left -= source.look(left)
            if left <= 0:
                if not source.looked:
                    due.append(source)
                if due:
                    self._called = True
                    self.loop.call_soon(self._deliver)
                return


class Source:
    """What comes from one of the SDK's streams. Made by `Wire.plug`.

    Attributes:
        deaf: nothing is let in any more.
        looked: nothing has come since it looked last.
    """

    __slots__ = (
        "_inlet",
        "_joined",
        "_listener",
        "_lost",
        "_told",
        "deaf",
        "handle",
        "inbox",
        "looked",
        "place",
        "waiting",
    )

    def __init__(
        self, stream: rtc.AudioStream, listener: Listener, inbox: Inbox, place: tuple[int, str] | None
    ) -> None:
        self._inlet = inlet_of(stream)
        self._listener = listener
        self._joined = False
        self._lost = 0
        self._told = 0
        self.deaf = False
        self.handle = handle_of(stream)
        self.inbox = inbox
        self.looked = True
        self.place = place
        self.waiting: deque[Any] = deque()

    # On the native threads, one at a time.

    def put(self, what: Any) -> None:
        """Leave a frame, or the event that says the end, for the loop."""
        waiting = self.waiting
        if len(waiting) >= WAITING_FRAMES:
            with suppress(IndexError):  # the loop has come meanwhile
                waiting.popleft()
                self._lost += 1
        waiting.append(what)
        if self.looked:
            self.looked = False
            self.inbox.put(self)

    # On the loop's thread.

    def join(self) -> None:
        """Take over from the SDK's own way: first what it has left, then what has come since."""
        while not self._inlet.empty():
            event = self._inlet.get_nowait()
            if event.audio_stream_event.stream_handle == self.handle:
                self._hear(unpacked(event))
        self._joined = True
        if self.waiting:
            self.looked = False
            self.inbox.put(self)

    def look(self, most: int) -> int:
        """Have at most so many frames heard; return how many were."""
        self.looked = True
        if not self._joined:
            return 0
        waiting = self.waiting
        for number in range(most):
            try:
                what = waiting.popleft()
            except IndexError:
                return number
            self._hear(what)
        self.looked = not waiting
        return most

    def _hear(self, what: Any) -> None:
        if type(what) is not Heard:
            self._inlet.put_nowait(what)
        elif not self.deaf:
            try:
                if self._told != self._lost:
                    self._tell_lost()
                self._listener.hear(what)
            except Exception as error:  # noqa: BLE001 - a mistake of ours must not harm the other streams of this loop
                self.deaf = True
                get_logger().error("livekit.stream_failed", error=type(error).__name__)

    def _tell_lost(self) -> None:
        lost = self._lost
        frames, self._told = lost - self._told, lost
        self._listener.missed(frames)


def unpacked(event: Any) -> Any:
    """Return the frame that an event brings, its native memory given back; an event that brings none as it is."""
    audio = event.audio_stream_event
    return heard_in(audio.frame_received.frame) if audio.HasField("frame_received") else event


class Wire:
    """Where all of a process's streams are plugged in. Any thread."""

    def __init__(self) -> None:
        self._sources: dict[int, Source] = {}
        self._places: dict[tuple[int, str], set[Source]] = {}
        self._inboxes: WeakValueDictionary[int, Inbox] = WeakValueDictionary()
        self._subscription: Any = None

    def plug(self, stream: rtc.AudioStream, track: rtc.Track, loop: Any, listener: Listener) -> Source:
        """Have a stream's frames heard by ``listener`` from now on, instead of sent the SDK's own way."""
        board = Board()
        with board.lock:
            inbox = self._inboxes.get(id(loop))
            if inbox is None:
                inbox = self._inboxes[id(loop)] = Inbox(loop)
            source = Source(stream, listener, inbox, place_of(track))
            if self._subscription is None:
                self._subscription = board.subscribe(cast("Any", _Nowhere()), self._sort)
            board.unsubscribe(inlet_of(stream))
            self._sources[source.handle] = source
            if source.place is not None:
                self._places.setdefault(source.place, set()).add(source)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(source.join)
        return source

    def unplug(self, source: Source) -> None:
        """Nothing more comes from it. Idempotent."""
        source.deaf = True
        board = Board()
        with board.lock:
            if self._sources.get(source.handle) is source:
                del self._sources[source.handle]
            if source.place is not None:
                there = self._places.get(source.place, set[Source]())
                there.discard(source)
                if not there:
                    self._places.pop(source.place, None)
            if not self._sources and self._subscription is not None:
                board.unsubscribe(self._subscription)
                self._subscription = None

    def _sort(self, event: Any) -> bool:
        """See what an event is, on the native thread that brings it, one at a time. Always False: it goes no other way."""
        try:
            kind = event.WhichOneof("message")
            if kind == "audio_stream_event":
                audio = event.audio_stream_event
                source = self._sources.get(audio.stream_handle)
                if source is not None:
                    if source.deaf and audio.HasField("frame_received"):
                        discard(audio.frame_received.frame)
                    else:
                        source.put(unpacked(event))
            elif kind == "room_event":
                for source in self._places.get(gone_in(event.room_event), ()):
                    source.deaf = True
        except Exception as error:  # noqa: BLE001 - it is the SDK's thread, which would send the event on
            get_logger().error("livekit.event_failed", error=type(error).__name__)
        return False


wire: Final = Wire()
"""The one of this process."""
