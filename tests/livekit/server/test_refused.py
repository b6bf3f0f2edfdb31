"""What a real server refuses: told clearly, without a token, and everything is as it was before."""

from datetime import timedelta
from typing import Any

import pytest
from livekit import api, rtc
from tests.livekit.sdkkit import handlers_of
from tests.livekit.server.roomkit import play, token
from tests.livekit.server.serverkit import KEY, SECRET, Server

from greenroom.actors import Session
from greenroom.adapters.livekit import ConnectFailed, connect

JOIN = api.VideoGrants(room_join=True, room="refused")


def signed(key: str, secret: str, grants: api.VideoGrants = JOIN, *, ttl_s: int = 600) -> str:
    """Return a token that is signed so, and good for so long."""
    made = api.AccessToken(key, secret).with_identity("stranger").with_grants(grants)
    return made.with_ttl(timedelta(seconds=ttl_s)).to_jwt()


REFUSED: dict[str, str] = {
    "another key": signed("anotherkey", SECRET),
    "another secret": signed(KEY, 36 * "x"),
    "over": signed(KEY, SECRET, ttl_s=-3600),
    "may not join": signed(KEY, SECRET, api.VideoGrants(room_join=False, room="refused")),
}


def shown(session: Session) -> tuple[Any, ...]:
    """Return what a refusal must not change."""
    now = session.snapshot()
    return now.rooms, now.processors, now.past_processors, now.past_streams


@pytest.mark.parametrize("why", REFUSED)
def test_a_token_that_the_server_refuses(why: str, server: Server) -> None:
    """The error names the host and is an ordinary `ConnectionError`; the same room can be connected with a right one."""

    async def story() -> None:
        async with Session() as session:
            before = shown(session)
            room = rtc.Room()
            with pytest.raises(ConnectFailed, match=r"cannot connect to 127\.0\.0\.1: \S") as raised:
                await connect(
                    session, server.url, REFUSED[why], room=room, options=rtc.RoomOptions(connect_timeout=5.0)
                )
            assert isinstance(raised.value, ConnectionError)
            assert REFUSED[why] not in str(raised.value)
            assert shown(session) == before
            assert not handlers_of(room)
            await connect(session, server.url, token("stranger", "refused"), room=room)
            assert room.isconnected()
            await room.disconnect()

    play(story())


def test_an_address_where_something_else_answers(server: Server) -> None:
    """There is a server, but not under this path."""

    async def story() -> None:
        async with Session() as session:
            with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1"):
                await connect(
                    session,
                    f"{server.url}/elsewhere",
                    token("stranger", "refused"),
                    options=rtc.RoomOptions(connect_timeout=5.0),
                )
            assert not session.snapshot().rooms

    play(story())
