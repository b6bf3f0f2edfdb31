"""What becomes of streams and processors when a connection is lost and comes back; upstream's beside, in the same room."""

import pytest
from livekit import api, rtc
from tests.livekit.server.ears import Ear, both
from tests.livekit.server.roomkit import peer, play, server_api, until
from tests.livekit.server.serverkit import Server
from tests.livekit.server.tones import ANNA_HZ

ENTERED = ["info", "credentials"]
LEFT = ["info cleared", "credentials cleared"]
FULL = ["FULL_RECONNECT", "DISCONNECT_SIGNAL_ON_RESUME", "NODE_FAILURE", "MIGRATION"]


async def suffer(ear: Ear, scenario: str) -> None:
    """Have it happen to one, and wait until the room is whole again."""
    await ear.suffer(getattr(rtc.SimulateScenarioKind, f"SIMULATE_{scenario}"))
    await until(lambda: "reconnected" in ear.events, f"{scenario} reconnected")


def test_a_refresh_by_the_server_is_the_credentials_alone(server: Server) -> None:
    """Any change of a participant brings a new token; both ways a processor is told that and nothing else."""

    async def story() -> None:
        async with peer(server, "anna", "refresh", hz=ANNA_HZ), both(server, "refresh") as ears:
            for ear, identity in zip(ears, ("theirs", "ours"), strict=True):
                await (await ear.reader()).hears(ANNA_HZ)
                async with server_api(server) as client:
                    change = api.UpdateParticipantRequest(room="refresh", identity=identity, metadata="new")
                    await client.room.update_participant(change)
                (probe,) = ear.probes
                await probe.hears_of(3)
                assert probe.kinds == [*ENTERED, "credentials"]
                assert probe.told[1][1:] == ("token", server.url)

    play(story())


def test_a_resume_changes_nothing(server: Server) -> None:
    """The token is new; the reader, the processor and the sound go on."""

    async def story() -> None:
        async with peer(server, "anna", "resume", hz=ANNA_HZ), both(server, "resume") as ears:
            for ear in ears:
                reader = await ear.reader()
                await reader.hears(ANNA_HZ)
                await suffer(ear, "SIGNAL_RECONNECT")
                await reader.hears(ANNA_HZ)
                assert (len(ear.readers), ear.probes[0].kinds) == (1, [*ENTERED, "credentials"])

    play(story())


@pytest.mark.parametrize("scenario", FULL)
def test_a_full_reconnect_keeps_the_processor_and_ends_the_old_reader(server: Server, scenario: str) -> None:
    """G31: upstream's old reader never ends and its processor is never closed; there is a second one beside it."""

    async def story() -> None:
        async with peer(server, "anna", scenario, hz=ANNA_HZ), both(server, scenario) as (theirs, ours):
            for ear in (theirs, ours):
                await (await ear.reader()).hears(ANNA_HZ)
                await suffer(ear, scenario)
                await (await ear.reader(1)).hears(ANNA_HZ)
            assert [probe.kinds for probe in theirs.probes] == [ENTERED + LEFT, ENTERED]
            assert not theirs.readers[0].ended.is_set()
            assert [probe.closed for probe in theirs.probes] == [0, 0]
            await ours.readers[0].ended.wait()
            (probe,) = ours.probes
            assert (probe.kinds, probe.closed) == (ENTERED + LEFT + ENTERED, 0)

    play(story())


def test_own_tracks_and_rooms_are_left_when_the_server_leaves(server: Server) -> None:
    """G3: nothing tells upstream's reader, which waits for ever; ours ends, and its processor is closed."""

    async def story() -> None:
        async with peer(server, "anna", "leave", hz=ANNA_HZ), both(server, "leave") as (theirs, ours):
            for ear in (theirs, ours):
                await (await ear.reader()).hears(ANNA_HZ)
                await ear.suffer(rtc.SimulateScenarioKind.SIMULATE_SERVER_LEAVE)
                await ear.gone.wait()
            await ours.readers[0].ended.wait()
            await until(lambda: ours.probes[0].closed == 1, "closed")
            assert ours.probes[0].kinds == ENTERED + LEFT
            assert not theirs.readers[0].ended.is_set()
            assert (theirs.probes[0].kinds, theirs.probes[0].closed) == (ENTERED, 0)

    play(story())


def test_a_server_that_is_gone_for_a_while(server: Server) -> None:
    """Everybody comes back as somebody new to the server; the one who speaks is heard through the same processor."""

    async def story() -> None:
        async with peer(server, "anna", "outage", hz=ANNA_HZ), both(server, "outage") as (theirs, ours):
            for ear in (theirs, ours):
                await (await ear.reader()).hears(ANNA_HZ)
            await server.outage(3)
            for ear in (theirs, ours):
                await (await ear.reader(1)).hears(ANNA_HZ)
            await ours.readers[0].ended.wait()
            assert not theirs.readers[0].ended.is_set()
            assert ours.probes[-1].kinds[-2:] == ENTERED
            assert ours.probes[-1].told[-2][3] != ours.probes[0].told[0][3]

    play(story())
