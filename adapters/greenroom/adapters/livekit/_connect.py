"""Connecting a room that a session knows from its first event on."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from greenroom.actors import Session, Token
from greenroom.actors.context import MASK
from greenroom.adapters.livekit._errors import ConnectFailed
from greenroom.adapters.livekit._registry import attach, attachment_of
from greenroom.adapters.livekit._sdk import rtc

SCHEMES: Final = ("ws", "wss", "http", "https")
TOKEN_PARTS: Final = 3
TEXT_CHARACTERS: Final = 300


async def connect(
    session: Session,
    url: str,
    token: str | Token,
    *,
    options: rtc.RoomOptions | None = None,
    room: rtc.Room | None = None,
) -> rtc.Room:
    """Connect a room of LiveKit's, attached to ``session`` before it is connected: nothing is missed.

    Args:
        session: where its streams belong.
        url: the server's, ``wss://...``.
        token: an access token that allows to join the room.
        options: LiveKit's.
        room: one that is there already, with the application's own handlers; by default a new one.

    Returns:
        The room. The session holds it weakly: keep it.

    Raises:
        ValueError, TypeError: the url or the token cannot be one, or the room is connected already, or was.
        CancelledError: after the room was connected and left again.
        ConnectFailed: the server refused, or is not there; the session is as it was before.
        SessionClosed, AlreadyAttached: see `attach`.
    """
    secret = _checked(url, token)
    if not isinstance(options, rtc.RoomOptions | None):
        raise TypeError(f"options is a {type(options).__name__}; it must be rtc.RoomOptions")
    room = _disconnected(room)
    before = attachment_of(room)
    attachment = attach(session, room)
    try:
        await _connected(room, url, secret, options or rtc.RoomOptions())
    except BaseException as error:
        if attachment is not before:
            attachment.let_go()
        if isinstance(error, rtc.ConnectError):
            raise ConnectFailed(_told(url, error, secret)) from None
        raise
    attachment.look()
    return room


def _disconnected(room: rtc.Room | None) -> rtc.Room:
    if room is None:
        return rtc.Room()
    if not isinstance(room, rtc.Room):
        raise TypeError(f"room is a {type(room).__name__}; it must be an rtc.Room")
    if room.isconnected():
        raise ValueError(f"room {room.name!r} is connected already; attach(session, room) is enough")
    if room.remote_participants:
        raise ValueError(
            f"room {room.name!r} was connected before, and the SDK still has its participants: give a new rtc.Room"
        )
    return room


async def _connected(room: rtc.Room, url: str, token: str, options: rtc.RoomOptions) -> None:
    """Connect, to the end: if the caller is cancelled meanwhile, the room is left again before that is passed on.

    The SDK must not be cancelled in there: seconds later it ends the whole process, because a room that it has
    connected was never taken over.
    """
    connecting = asyncio.ensure_future(room.connect(url, token, options))
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        await asyncio.wait([connecting])
        if room.isconnected():
            await room.disconnect()
        raise


def _checked(url: object, token: object) -> str:
    if not isinstance(url, str):
        raise TypeError(f"url is a {type(url).__name__}; it must be a text such as 'wss://host'")
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in SCHEMES or not parts.hostname or parts.port == 0
    except ValueError:  # a port, or brackets, that cannot be
        wrong = True
    if wrong:
        raise ValueError(f"url is {url!r}; it must be the address of a LiveKit server, such as 'wss://host'")
    if isinstance(token, Token):
        token = token.reveal()
    if not isinstance(token, str):
        raise TypeError(f"token is a {type(token).__name__}; it must be an access token")
    if token.count(".") != TOKEN_PARTS - 1 or not token.isprintable() or " " in token:
        raise ValueError("token is no access token: one has three parts with a '.' between them")
    return token


def _told(url: str, error: rtc.ConnectError, secret: str) -> str:
    text = str(error.message).replace(secret, MASK)[:TEXT_CHARACTERS]
    return f"cannot connect to {urlsplit(url).hostname}: {text}"
