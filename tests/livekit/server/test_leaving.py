"""Who leaves, is put out, or takes a track back: streams end, and nobody hears another's voice as theirs."""

from livekit import api
from tests.livekit.server.ears import both
from tests.livekit.server.roomkit import peer, play, server_api, until
from tests.livekit.server.serverkit import Server
from tests.livekit.server.tones import ANNA_HZ, BEN_HZ, CARLA_HZ

ENTERED = ["info", "credentials"]
LEFT = ["info cleared", "credentials cleared"]


def test_nobody_is_heard_through_the_stream_of_one_who_left(server: Server) -> None:
    """G30: upstream's reader of the first goes on with the second's voice, through the first one's processor.

    Here that stream has ended, and no frame of the second ever reaches it or its processor.
    """

    async def story() -> None:
        async with both(server, "join") as (theirs, ours):
            async with peer(server, "anna", "join", hz=ANNA_HZ):
                for ear in (theirs, ours):
                    await (await ear.reader()).hears(ANNA_HZ)
            await ours.readers[0].ended.wait()
            async with peer(server, "ben", "join", hz=BEN_HZ):
                for ear in (theirs, ours):
                    await (await ear.reader(1)).hears(BEN_HZ, frames=100)
                await theirs.readers[0].hears(BEN_HZ)
            assert theirs.probes[0].voices[BEN_HZ] > 0
            assert theirs.probes[0].kinds == ENTERED + LEFT
            assert ours.readers[0].voices[BEN_HZ] == ours.probes[0].voices[BEN_HZ] == 0
            assert ours.readers[1].voices[ANNA_HZ] == ours.probes[1].voices[ANNA_HZ] == 0
            assert [reader.whose for reader in ours.readers] == ["anna", "ben"]

    play(story())


def test_a_track_that_is_published_again_is_another_stream(server: Server) -> None:
    """Upstream's old reader never ends, and with SDK 1.2 hears the new track too (G30); here the old stream has ended."""

    async def story() -> None:
        async with peer(server, "anna", "again", hz=ANNA_HZ) as anna, both(server, "again") as (theirs, ours):
            for ear in (theirs, ours):
                await (await ear.reader()).hears(ANNA_HZ)
            await anna.do("unpublish")
            await ours.readers[0].ended.wait()
            heard = ours.readers[0].frames
            await anna.do("publish", hz=CARLA_HZ)
            for ear in (theirs, ours):
                await (await ear.reader(1)).hears(CARLA_HZ)
            assert not theirs.readers[0].ended.is_set()
            assert ours.readers[0].frames == heard
            assert [probe.kinds for probe in theirs.probes] == [ENTERED + LEFT, ENTERED]
            assert ours.probes[-1].kinds[-2:] == ENTERED

    play(story())


def test_a_speaker_who_is_removed(server: Server) -> None:
    """Upstream clears, and reads on; here the stream ends, and its processor is closed."""

    async def story() -> None:
        async with peer(server, "anna", "removed", hz=ANNA_HZ), both(server, "removed") as (theirs, ours):
            for ear in (theirs, ours):
                await (await ear.reader()).hears(ANNA_HZ)
            async with server_api(server) as client:
                await client.room.remove_participant(
                    api.RoomParticipantIdentity(room="removed", identity="anna")
                )
            await ours.readers[0].ended.wait()
            await until(lambda: ours.probes[0].closed == 1, "closed")
            await theirs.probes[0].hears_of(4)
            assert theirs.probes[0].kinds == ours.probes[0].kinds == ENTERED + LEFT
            assert (theirs.readers[0].ended.is_set(), theirs.probes[0].closed) == (False, 0)

    play(story())


def test_a_listener_who_is_removed(server: Server) -> None:
    """G3: upstream's reader waits for ever, its processor knows the token for ever; here both are over."""

    async def story() -> None:
        async with peer(server, "anna", "out", hz=ANNA_HZ), both(server, "out") as (theirs, ours):
            for ear, identity in ((theirs, "theirs"), (ours, "ours")):
                await (await ear.reader()).hears(ANNA_HZ)
                async with server_api(server) as client:
                    who = api.RoomParticipantIdentity(room="out", identity=identity)
                    await client.room.remove_participant(who)
                await ear.gone.wait()
            await ours.readers[0].ended.wait()
            await until(lambda: ours.probes[0].closed == 1, "closed")
            assert ours.probes[0].kinds == ENTERED + LEFT
            await theirs.room.disconnect()
            assert not theirs.readers[0].ended.is_set()
            assert (theirs.probes[0].kinds, theirs.probes[0].closed) == (ENTERED, 0)

    play(story())


def test_a_room_that_is_deleted(server: Server) -> None:
    """G3 again: no end comes, in either version of the SDK; here every stream of the room ends."""

    async def story() -> None:
        async with peer(server, "anna", "deleted", hz=ANNA_HZ), both(server, "deleted") as (theirs, ours):
            for ear in (theirs, ours):
                await (await ear.reader()).hears(ANNA_HZ)
            async with server_api(server) as client:
                await client.room.delete_room(api.DeleteRoomRequest(room="deleted"))
            for ear in (theirs, ours):
                await ear.gone.wait()
            await ours.readers[0].ended.wait()
            await until(lambda: ours.probes[0].closed == 1, "closed")
            assert ours.probes[0].kinds == ENTERED + LEFT
            assert (theirs.readers[0].ended.is_set(), theirs.probes[0].closed) == (False, 0)

    play(story())
