"""livekit-agents' own RoomIO, with a selector and with a supervised processor; upstream's way beside. Needs livekit-agents."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from tests.livekit.server.roomkit import PATIENCE_S, Probe, peer, play, token, until
from tests.livekit.server.serverkit import Server
from tests.livekit.server.tones import AMPLITUDE, ANNA_HZ, CARLA_HZ, level

from greenroom.adapters.livekit import agents, supervised

voice: Any = pytest.importorskip("livekit.agents.voice", reason="livekit-agents is not installed")
room_io: Any = pytest.importorskip("livekit.agents.voice.room_io")
testing: Any = pytest.importorskip("livekit.agents.testing")

RATE_HZ = 24_000
LONG_NS = 1_000_000_000


@contextmanager
def job(room: rtc.Room) -> Generator[Any]:
    """Give a fake job context, as livekit-agents has it for tests; what it leaves on the disk is removed."""
    with testing.fake_job_context(room=room) as context:
        try:
            yield context
        finally:
            context._tempdir.cleanup()


class Hearing:
    """What an agent hears through its RoomIO."""

    def __init__(self, io: Any, room: rtc.Room) -> None:
        self.room = room
        self._io = io
        self._levels: dict[int, list[float]] = {ANNA_HZ: [], CARLA_HZ: []}
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for frame in self._io.audio_input:
            samples = np.frombuffer(frame.data, np.int16)
            for hz, levels in self._levels.items():
                levels.append(level(samples, hz, RATE_HZ))
            self._news.set()

    async def half(self, hz: int, frames: int = 10) -> None:
        """Wait for so many frames with the tone at half its level."""
        async with asyncio.timeout(PATIENCE_S):
            while self.halves(hz) < frames:
                self._news.clear()
                await self._news.wait()

    def halves(self, hz: int) -> int:
        """Return how many frames had the tone at half its level."""
        return sum(0.4 * AMPLITUDE < each < 0.6 * AMPLITUDE for each in self._levels[hz])

    def turn_to(self, identity: str) -> None:
        """Hear somebody else."""
        self._io.set_participant(identity)

    async def close(self) -> None:
        """End RoomIO, as an AgentSession does, and then leave the room, as a job does."""
        await self._io.aclose()
        self._task.cancel()
        await self.room.disconnect()


@asynccontextmanager
async def hearing(server: Server, name: str, noise_cancellation: Any) -> AsyncGenerator[Hearing]:
    """Give a real RoomIO in a fake job, in a room of the real server."""
    room = rtc.Room()
    options = room_io.RoomOptions(
        audio_input=room_io.AudioInputOptions(
            sample_rate=RATE_HZ,
            noise_cancellation=noise_cancellation,
            auto_gain_control=False,
            pre_connect_audio_timeout=PATIENCE_S,
        ),
        audio_output=False,
        text_output=False,
        text_input=False,
    )
    with job(room):
        io = room_io.RoomIO(voice.AgentSession(), room, options=options)
        await io.start()
        await room.connect(server.url, token("agent", name))
        heard = Hearing(io, room)
        try:
            yield heard
        finally:
            await heard.close()
            await agents.close()


class Probes:
    """A factory that remembers what it built."""

    def __init__(self) -> None:
        self.built: list[Probe] = []

    def __call__(self, _: Any = None) -> Probe:
        self.built.append(Probe())
        return self.built[-1]


def test_a_selector_gives_each_track_a_processor_that_is_deaf_when_it_is_closed(server: Server) -> None:
    """G23: with a plain selector RoomIO has frames processed after the close; none of ours hears anything after it."""
    plain, ours = Probes(), Probes()

    async def story(noise_cancellation: Any, name: str, probes: Probes) -> None:
        async with hearing(server, name, noise_cancellation) as heard, peer(server, "anna", name, hz=ANNA_HZ):
            await heard.half(ANNA_HZ)
            time.sleep(0.5)  # noqa: ASYNC251 - a busy loop: frames pile up
            heard.turn_to("nobody")
            await until(lambda: probes.built[0].closed > 0, "the first one closed")
            heard.turn_to("anna")
            await until(lambda: len(probes.built) > 1, "another one")
            goal = heard.halves(ANNA_HZ) + 10
            await heard.half(ANNA_HZ, frames=goal)

    play(story(plain, "io-plain", plain))
    play(story(agents.selector(ours, wait_ns=LONG_NS), "io-ours", ours))
    assert plain.built[0].after_close > 0
    assert [probe.closed for probe in ours.built] == [1, 1]
    assert [probe.after_close for probe in ours.built] == [0, 0]
    for probe in ours.built:
        assert probe.kinds == ["info", "credentials", "info cleared", "credentials cleared"]
        assert probe.told[0][1:3] == ("io-ours", "anna")


def test_a_processor_that_is_given_directly_is_cleared_and_closed_once(server: Server) -> None:
    """G24: RoomIO closes a direct processor when it ends, and never clears what that was told."""

    async def story(noise_cancellation: Any, name: str) -> None:
        async with peer(server, "anna", name, hz=ANNA_HZ), hearing(server, name, noise_cancellation) as heard:
            await heard.half(ANNA_HZ)

    plain, ours = Probe(), Probes()
    play(story(plain, "direct-plain"))
    play(story(supervised(ours, wait_ns=LONG_NS), "direct-ours"))
    assert (plain.kinds, plain.closed) == (["info", "credentials"], 1)
    (probe,) = ours.built
    assert probe.kinds == ["info", "credentials", "info cleared", "credentials cleared"]
    assert (probe.closed, probe.after_close) == (1, 0)


def test_pre_connect_audio_is_processed_without_disturbing_the_stream(server: Server) -> None:
    """It comes at another rate, while the stream runs: upstream mixes both in one processor, here each has its own."""

    async def story(noise_cancellation: Any, name: str, probes: Probes) -> None:
        async with hearing(server, name, noise_cancellation) as heard, peer(server, "anna", name) as anna:
            await anna.do("publish", hz=ANNA_HZ, early=True)
            await until(lambda: any(probe.voices[ANNA_HZ] for probe in probes.built), "the stream runs")
            await anna.do("early", hz=CARLA_HZ)
            await heard.half(CARLA_HZ, frames=5)
            await heard.half(ANNA_HZ)

    plain, ours = Probes(), Probes()
    play(story(plain, "early-plain", plain))
    play(story(agents.selector(ours, wait_ns=LONG_NS), "early-ours", ours))
    assert plain.built[0].rates == {48_000, RATE_HZ}
    assert sorted(probe.rates.copy().pop() for probe in ours.built) == [RATE_HZ, 48_000]
    assert all(len(probe.rates) == 1 and probe.closed == 1 and not probe.after_close for probe in ours.built)


def test_at_the_end_of_a_job_all_is_closed_in_time(server: Server) -> None:
    """The callback that `add_shutdown_callback` takes: whatever RoomIO has left open is closed, in less than ten seconds."""
    probes = Probes()

    async def story() -> None:
        room = rtc.Room()
        with job(room) as context:
            context.add_shutdown_callback(agents.close)
            processor = supervised(probes, wait_ns=LONG_NS)
            await room.connect(server.url, token("agent", "job"))
            async with peer(server, "anna", "job", hz=ANNA_HZ):
                streams: list[rtc.AudioStream] = []

                def on_track(track: rtc.Track, *_: object) -> None:
                    streams.append(rtc.AudioStream(track, noise_cancellation=processor))

                emitter: Any = room
                emitter.on("track_subscribed", on_track)
                await until(lambda: bool(probes.built and probes.built[0].voices[ANNA_HZ]), "heard")
                await room.disconnect()
                callbacks: list[Callable[[str], Any]] = context._shutdown_callbacks
                async with asyncio.timeout(10):
                    await asyncio.gather(*(callback("the user left") for callback in callbacks))
                assert (probes.built[0].closed, probes.built[0].after_close) == (1, 0)
                for stream in streams:
                    await stream.aclose()

    play(story())
