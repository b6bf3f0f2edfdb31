"""What upstream's own streams do when a real server does something to their room: what greenroom is there to mend."""

import pytest
from livekit import rtc
from tests.livekit.server.ears import theirs
from tests.livekit.server.roomkit import peer, play, until
from tests.livekit.server.serverkit import Server
from tests.livekit.server.tones import ANNA_HZ, BEN_HZ

LEFT = ["info", "credentials", "info cleared", "credentials cleared"]


@pytest.mark.parametrize("scenario", ["FULL_RECONNECT", "MIGRATION"])
def test_readers_of_before_a_full_reconnect_never_end(server: Server, scenario: str) -> None:
    """G31: the room's tracks come back as new ones; the old reader is neither ended nor closed."""

    async def story() -> None:
        room = f"upstream-{scenario}"
        async with peer(server, "anna", room, hz=ANNA_HZ), theirs(server, room) as ear:
            before = await ear.reader()
            await before.hears(ANNA_HZ)
            await ear.suffer(getattr(rtc.SimulateScenarioKind, f"SIMULATE_{scenario}"))
            await (await ear.reader(1)).hears(ANNA_HZ)
            assert not before.ended.is_set()
            assert [probe.kinds for probe in ear.probes] == [LEFT, LEFT[:2]]
            assert [probe.closed for probe in ear.probes] == [0, 0]

    play(story())


def test_the_reader_of_one_who_left_hears_the_next_one(server: Server) -> None:
    """G30: another participant's voice, through the first one's processor, which has no credentials."""

    async def story() -> None:
        async with theirs(server, "upstream-leave") as ear:
            async with peer(server, "anna", "upstream-leave", hz=ANNA_HZ):
                first = await ear.reader()
                await first.hears(ANNA_HZ)
            await until(lambda: "track_unsubscribed" in ear.events, "anna left")
            async with peer(server, "ben", "upstream-leave", hz=BEN_HZ):
                await first.hears(BEN_HZ)
            assert ear.probes[0].voices[BEN_HZ] >= 20
            assert ear.probes[0].kinds == LEFT

    play(story())
