"""Many full reconnects in a row: nothing is left behind, and upstream's pile is seen beside it."""

import threading

from livekit import rtc
from tests.livekit.server.ears import Ear, both
from tests.livekit.server.roomkit import peer, play, until
from tests.livekit.server.serverkit import Server
from tests.livekit.server.tones import ANNA_HZ

RECONNECTS = 50
FULL = rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT


async def reconnect(ear: Ear, number: int) -> None:
    """Have one more, and hear that the voice is back."""
    await ear.suffer(FULL)
    await until(lambda: ear.events.count("reconnected") >= number, f"reconnected {number} times")
    await (await ear.reader(number)).hears(ANNA_HZ, frames=2)


def test_fifty_full_reconnects_leave_nothing_behind(server: Server) -> None:
    """G31: one stream and one unclosed processor more for each with upstream; none here, and no thread either."""

    async def story() -> None:
        async with peer(server, "anna", "many", hz=ANNA_HZ), both(server, "many") as (theirs, ours):
            for ear in (theirs, ours):
                await (await ear.reader()).hears(ANNA_HZ)
                await reconnect(ear, 1)
            threads = threading.active_count()
            for number in range(2, RECONNECTS + 1):
                await reconnect(ours, number)
            for number in range(2, 6):
                await reconnect(theirs, number)
            for reader in ours.readers[:-1]:
                await reader.ended.wait()
            assert len(ours.readers) == RECONNECTS + 1
            assert len(ours.probes) == 1
            assert threading.active_count() <= threads
            assert [reader.ended.is_set() for reader in theirs.readers] == [False] * 6
            assert [probe.closed for probe in theirs.probes] == [0] * 6

    play(story(), patience_s=600)
