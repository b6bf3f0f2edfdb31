"""One of LiveKit's own streams, read until it is closed for certain.

The wire brings each frame to a tap, on the stream's loop; no task is woken. The tap also stands where the SDK calls a
frame processor: there come the frames from before the wire was plugged in, and word of the room that the track is in.
The SDK's queue behind the tap holds one frame and is never read. Nothing is heard through a tap that is deaf, whatever
the SDK still delivers: that is what keeps the next participant's voice out of the last one's stream.
"""

import asyncio
import atexit
import functools
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from greenroom.adapters.livekit._frames import Heard, carried
from greenroom.adapters.livekit._sdk import free, rtc, set_tap, task_of, unlist
from greenroom.adapters.livekit._wire import wire
from greenroom.supervision import AskTimeout, Future, get_logger

CLOSE_S: Final = 2.0
"""How long the SDK may take to close a stream; then its reader is cancelled."""

QUIET_S: Final = 0.2
"""How long native threads may take, at the interpreter's end, to be done with streams that were left open."""

_cancelled: Final[deque[None]] = deque(maxlen=1)
_open: Final[weakref.WeakSet["Native"]] = weakref.WeakSet()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the frames of a stream look like."""

    sample_rate: int
    num_channels: int
    frame_size_ms: int | None


def _ignore(_: Heard) -> None:
    """Hear nothing."""


class Tap(rtc.FrameProcessor[rtc.AudioFrame]):
    """Where frames come by, and where the SDK says that the track is in another room, or in none. The rest is ignored."""

    def __init__(
        self, hear: Callable[[Heard], None], missed: Callable[[int], None], on_room: Callable[[], None]
    ) -> None:
        self.hear = hear
        self.missed = missed
        self.on_room = on_room

    @property
    def enabled(self) -> bool:
        """Always: what is not enabled is not called."""
        return True

    @enabled.setter
    def enabled(self, value: bool) -> None:
        """Stay as it is."""

    def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        self.hear(carried(frame))
        return frame

    def _on_stream_info_updated(self, **_: str) -> None:
        self.on_room()

    def _on_stream_info_cleared(self) -> None:
        self.on_room()

    def _close(self) -> None:
        """There is nothing to close."""


def nothing() -> None:
    """Do nothing."""


class Native:
    """One reading of one track. All methods but `deafen` are for its loop's thread.

    Args:
        track: audio.
        shape: of its frames.
        loop: where the SDK reads it.
        options: a filter that runs inside the SDK.
        hear: called with each frame, until `deafen`.
        missed: called with how many frames before the next one have been lost.
        on_end: called once when the SDK says that nothing more comes, unless it was deafened; with True if its task was
            cancelled, as tasks are when their loop comes to its end.
        on_room: called when the track has entered or left a room, on the room's thread; must not raise. With `nothing`
            the SDK is asked not to look.
    """

    def __init__(
        self,
        track: rtc.Track,
        shape: Shape,
        loop: asyncio.AbstractEventLoop,
        *,
        options: rtc.NoiseCancellationOptions | None,
        hear: Callable[[Heard], None],
        missed: Callable[[int], None],
        on_end: Callable[[bool], None],
        on_room: Callable[[], None],
    ) -> None:
        self._tap = tap = Tap(hear, missed, on_room)
        self._on_end: Callable[[bool], None] | None = on_end
        self._stream = rtc.AudioStream(
            track,
            loop=loop,
            capacity=1,
            sample_rate=shape.sample_rate,
            num_channels=shape.num_channels,
            frame_size_ms=shape.frame_size_ms,
            noise_cancellation=options or tap,
            auto_close_noise_cancellation=False,
        )
        if options is not None:
            set_tap(self._stream, tap)
        if on_room is nothing:
            unlist(self._stream, track)
        self._source = wire.plug(self._stream, track, loop, tap)
        task_of(self._stream).add_done_callback(self._ended)
        _open.add(self)
        # After the SDK has registered its own: so this comes first at the end, and no stream is open then.
        _at_exit()

    def deafen(self) -> None:
        """Hear nothing from now on. Any thread; idempotent."""
        self._source.deaf = True
        self._tap.hear = _ignore
        self._tap.on_room = nothing
        self._on_end = None

    def _ended(self, task: "asyncio.Task[None]") -> None:
        on_end, self._on_end = self._on_end, None
        if task.cancelled():
            _cancelled.append(None)
        self.free()
        wire.unplug(self._source)
        if on_end is not None:
            on_end(task.cancelled())

    def free(self) -> None:
        """Give back what is native, at once. Idempotent."""
        _open.discard(self)
        free(self._stream)

    async def close(self) -> None:
        """Close it, and return when nothing reads it any more."""
        self.deafen()
        try:
            await asyncio.wait_for(self._stream.aclose(), CLOSE_S)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
        except Exception as error:  # noqa: BLE001 - foreign code: whatever it raises, the stream is given back
            get_logger().warning("livekit.stream_close_failed", error=type(error).__name__)
        finally:
            self.free()


@functools.cache
def _at_exit() -> None:
    atexit.register(_free_all)


def _free_all() -> None:
    """At the interpreter's end: a native thread that is in Python by then aborts the process.

    So streams that are still open are given back, and native threads get a moment to say what they have to say.
    """
    left = list(_open)
    for native in left:
        native.deafen()
        native.free()
    if left or _cancelled:
        with suppress(AskTimeout):
            Future[None]().get(timeout=QUIET_S)
