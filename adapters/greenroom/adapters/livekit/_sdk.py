"""LiveKit's SDK: which versions, and what is used of it beyond its public names. Nobody else here reads a private name.

The SDK tells processors the room's token, and streams their track's room, by private names; there is no public
way to either. They are the same in every version from 1.1.12 to 1.2.1; one that is not there raises when the
adapter is imported, not when a room is busy.
"""

import asyncio
import ctypes
from collections.abc import Callable, Sized
from typing import Any, Final

from greenroom.adapters.livekit._errors import SdkMissing, SdkUnsupported

try:
    from livekit import rtc
    from livekit.rtc._ffi_client import FfiClient, FfiHandle, FfiQueue
except ImportError as error:
    raise SdkMissing from error

__all__ = [
    "Board",
    "call_at_refresh",
    "check_version",
    "discard",
    "free",
    "gone_in",
    "handle_of",
    "inlet_of",
    "local_of",
    "loop_of",
    "place_of",
    "room_of",
    "rtc",
    "samples_in",
    "set_tap",
    "spare_at_refresh",
    "streams_of",
    "task_of",
    "tell_refresh",
    "token_of",
    "unlist",
    "url_of",
]

OLDEST: Final = (1, 1, 12)
BEFORE: Final = (2,)
SUPPORTED: Final = ">=1.1.12,<2"
NOWHERE: Final = (-1, "")
"""The place of no track."""


def check_version(version: str) -> None:
    """Refuse a version of the SDK that this adapter does not know.

    >>> check_version("1.2.1")
    >>> check_version("1.1.11")
    Traceback (most recent call last):
        ...
    greenroom.adapters.livekit._errors.SdkUnsupported: livekit 1.1.11 is installed; greenroom supports livekit>=1.1.12,<2
    """
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    if not OLDEST <= numbers < BEFORE:
        raise SdkUnsupported(version, SUPPORTED)


def check_names() -> None:
    """Refuse an SDK of a known version that lacks a name which is used here."""
    for name in ("_resolve_room", "_unregister_audio_stream", "_on_room_token_refreshed"):
        if not hasattr(rtc.Track, name):
            raise SdkUnsupported(f"{rtc.__version__} without Track.{name}", SUPPORTED)
    if not hasattr(FfiQueue[Any](), "_lock"):
        raise SdkUnsupported(f"{rtc.__version__} without FfiQueue._lock", SUPPORTED)


def token_of(room: rtc.Room) -> str | None:
    """Return the room's token, which the server may have refreshed."""
    return room._token


def url_of(room: rtc.Room) -> str:
    """Return the address that the room was connected to; it does not change."""
    return room._server_url or ""


def loop_of(room: rtc.Room) -> asyncio.AbstractEventLoop:
    """Return the loop on which the room's events come."""
    return room._loop


def local_of(room: rtc.Room) -> rtc.LocalParticipant | None:
    """Return who the room was joined as, or None before it was."""
    return room._local_participant


def room_of(track: rtc.Track) -> rtc.Room | None:
    """Return the room that a track is in, or None."""
    return track._resolve_room()


def task_of(stream: rtc.AudioStream) -> "asyncio.Task[None]":
    """Return the task that reads a stream: done when nothing comes any more."""
    return stream._task


def set_tap(stream: rtc.AudioStream, tap: rtc.FrameProcessor[rtc.AudioFrame]) -> None:
    """Have a stream call ``tap`` with its frames, although a filter inside the SDK was asked for as well."""
    stream._processor = tap


def unlist(stream: rtc.AudioStream, track: rtc.Track) -> None:
    """Have a track tell a stream's processor nothing of its room: at each refresh it would go through all of them."""
    track._unregister_audio_stream(stream)


def streams_of(track: rtc.Track) -> Sized:
    """Return what holds those readers of a track that the SDK tells of its room, now and later."""
    streams: Any = track._audio_streams
    found: Sized = streams.data  # a WeakSet's len is a call of Python's
    return found


def spare_at_refresh(room: rtc.Room, track: rtc.Track) -> None:
    """Have a room not call a track when its token was refreshed. Idempotent."""
    emitter: Any = room
    emitter.off("token_refreshed", track._on_room_token_refreshed)


def call_at_refresh(room: rtc.Room, track: rtc.Track) -> None:
    """Have a room call a track again, as it does from the beginning. Idempotent."""
    emitter: Any = room
    emitter.on("token_refreshed", track._on_room_token_refreshed)


def tell_refresh(track: rtc.Track) -> None:
    """Do what a track does when it is called."""
    track._on_room_token_refreshed()


def free(stream: rtc.AudioStream) -> None:
    """Give the native stream back at once, in whatever state its loop is. Idempotent."""
    stream._ffi_handle.dispose()


class Board:
    """Where native threads put events, and every subscriber is offered each of them, one after the other."""

    def __init__(self) -> None:
        queue: Any = FfiClient.instance.queue
        self.lock: Any = queue._lock
        self.subscribe: Callable[[Any, Callable[[Any], bool]], Any] = queue.subscribe
        self.unsubscribe: Callable[[Any], None] = queue.unsubscribe


def inlet_of(stream: rtc.AudioStream) -> "asyncio.Queue[Any]":
    """Return the queue from which a stream reads its events."""
    inlet: asyncio.Queue[Any] = stream._ffi_queue
    return inlet


def handle_of(stream: rtc.AudioStream) -> int:
    """Return by which number a stream's events are known."""
    return stream._ffi_handle.handle


def samples_in(buffer: Any) -> bytes:
    """Return the samples in a native buffer, and give that back."""
    info = buffer.info
    data = ctypes.string_at(info.data_ptr, 2 * info.num_channels * info.samples_per_channel)
    FfiHandle(buffer.handle.id).dispose()
    return data


def discard(buffer: Any) -> None:
    """Give a native buffer back unread."""
    FfiHandle(buffer.handle.id).dispose()


def place_of(track: rtc.Track) -> tuple[int, str] | None:
    """Return by what a room's events know a remote track, or None: its room's number, and its sid."""
    room = None if isinstance(track, rtc.LocalAudioTrack) else room_of(track)
    handle = None if room is None else room._ffi_handle
    return None if handle is None else (handle.handle, track.sid)


def gone_in(event: Any) -> tuple[int, str]:
    """Return the place of the track that has gone, if that is what a room's event says; else `NOWHERE`."""
    kind = event.WhichOneof("message")
    if kind == "track_unsubscribed":
        return (event.room_handle, event.track_unsubscribed.track_sid)
    if kind == "track_unpublished":
        return (event.room_handle, event.track_unpublished.publication_sid)
    return NOWHERE


check_version(rtc.__version__)
check_names()
