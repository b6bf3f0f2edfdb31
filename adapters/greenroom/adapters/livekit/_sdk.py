"""LiveKit's SDK: which versions, and what is used of it beyond its public names. Nobody else here reads a private name.

The SDK tells processors the room's token, and streams their track's room, by private names; there is no public
way to either. They are the same in every version from 1.1.12 to 1.2.1; one that is not there raises when the
adapter is imported, not when a room is busy.
"""

import asyncio
from typing import Final

from greenroom.adapters.livekit._errors import SdkMissing, SdkUnsupported

try:
    from livekit import rtc
    from livekit.rtc._ffi_client import FfiClient
except ImportError as error:
    raise SdkMissing from error

__all__ = [
    "check_version",
    "forget",
    "free",
    "local_of",
    "loop_of",
    "room_of",
    "rtc",
    "set_tap",
    "task_of",
    "token_of",
    "url_of",
]

OLDEST: Final = (1, 1, 12)
BEFORE: Final = (2,)
SUPPORTED: Final = ">=1.1.12,<2"


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
    if not hasattr(rtc.Track, "_resolve_room"):
        raise SdkUnsupported(f"{rtc.__version__} without Track._resolve_room", SUPPORTED)


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


def free(stream: rtc.AudioStream) -> None:
    """Give the native stream back at once, in whatever state its loop is. Idempotent."""
    stream._ffi_handle.dispose()


def forget(stream: rtc.AudioStream) -> None:
    """Have no further event sent to a stream whose task is over: one that was cancelled leaves that undone."""
    FfiClient.instance.queue.unsubscribe(stream._ffi_queue)


check_version(rtc.__version__)
check_names()
