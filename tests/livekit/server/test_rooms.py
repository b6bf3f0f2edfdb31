"""Speech in, processed speech out: two rooms on a real server, publishers and listeners in other processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile
from livekit import api, rtc
from tests.livekit.server.ears import both, ours
from tests.livekit.server.roomkit import GAIN, Peer, Probe, peer, play, server_api, token, until
from tests.livekit.server.serverkit import Server
from tests.livekit.server.tones import AMPLITUDE, ANNA_HZ, BEN_HZ, RATE_HZ

from greenroom.actors import Session
from greenroom.adapters.livekit import AudioStream, connect
from greenroom.config import shipped_file

SPEECH = shipped_file("demo").parent / "anna.flac"


def near(level: float) -> bool:
    """Whether a tone has come out at half its level; a codec may change it by a fifth."""
    return 0.8 * GAIN * AMPLITUDE <= level <= 1.2 * GAIN * AMPLITUDE


def test_both_ways_hear_the_same(server: Server) -> None:
    """One processor directly on the stream: told the same, in the same order, and its work is heard."""

    async def story() -> None:
        async with peer(server, "anna", "same", hz=ANNA_HZ) as anna, both(server, "same") as ears:
            assert anna.identity == "anna"
            for ear in ears:
                reader = await ear.reader()
                await reader.hears(ANNA_HZ)
                await reader.until(lambda reader: near(reader.level))
            theirs, mine = (ear.probes[0].told for ear in ears)
            assert (
                theirs
                == mine
                == [("info", "same", "anna", theirs[0][3]), ("credentials", "token", server.url)]
            )

    play(story())


async def republish(stream: AudioStream, room: rtc.Room) -> None:
    """Publish what comes out of a stream."""
    source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=200)
    track = rtc.LocalAudioTrack.create_audio_track("processed", source)
    await room.local_participant.publish_track(track, rtc.TrackPublishOptions())
    async for event in stream:
        await source.capture_frame(event.frame)


async def relay(server: Server, session: Session, name: str) -> tuple[rtc.Room, "asyncio.Task[None]"]:
    """Enter a room as somebody who publishes whatever is heard there, processed."""
    room = await connect(session, server.url, token("relay", name))
    await until(lambda: any(_audio(room)), "a track")
    stream = AudioStream(next(iter(_audio(room))), processors=Probe)
    return room, asyncio.create_task(republish(stream, room))


def _audio(room: rtc.Room) -> list[rtc.Track]:
    publications = [p for who in room.remote_participants.values() for p in who.track_publications.values()]
    return [each.track for each in publications if each.track is not None]


def test_two_rooms_are_kept_apart(server: Server) -> None:
    """Each listener, in a process of its own, hears its own room's voice, at the level that the processor gave it."""

    async def heard(who: Peer, hz: int) -> None:
        answer = await who.do(
            "hear", hz=hz, least=0.8 * GAIN * AMPLITUDE, most=1.2 * GAIN * AMPLITUDE, who="relay"
        )
        assert near(answer["level"])

    async def story() -> None:
        async with (
            Session() as session,
            peer(server, "anna", "one", hz=ANNA_HZ),
            peer(server, "ben", "two", hz=BEN_HZ),
            peer(server, "carla", "one") as carla,
            peer(server, "dora", "two") as dora,
        ):
            relays = [await relay(server, session, name) for name in ("one", "two")]
            await asyncio.gather(heard(carla, ANNA_HZ), heard(dora, BEN_HZ))
            assert len(session.snapshot().processors) == 2
            for room, task in relays:
                await room.disconnect()
                await asyncio.wait_for(task, 30)
            report = await session.close()
            assert all(verdict.held for verdict in report.verdicts), report.verdicts

    play(story())


async def blocks(stream: AudioStream, seconds: int) -> AsyncIterator[np.ndarray]:
    """Yield what was heard in so many seconds."""
    for _ in range(100 * seconds):
        event = await anext(stream)
        yield np.frombuffer(event.frame.data, np.int16)


def test_speech_comes_through_with_its_pauses_quieter(server: Server, tmp_path: Path) -> None:
    """The demo's noisy voice through a real noise canceller: the pauses are quieter than without, the speech is there."""
    samples, rate_hz = soundfile.read(SPEECH, dtype="int16", always_2d=True)
    assert rate_hz in (16_000, RATE_HZ)
    voice = tmp_path / "anna.wav"
    soundfile.write(voice, np.repeat(samples[:, :1], RATE_HZ // rate_hz, axis=0), RATE_HZ)

    async def story() -> None:
        async with Session() as session, peer(server, "anna", "speech") as anna:
            await anna.do("publish", file=str(voice))
            async with ours(server, "speech", session) as ear:
                await (await ear.reader()).until(lambda reader: reader.frames > 0)
                (track,) = _audio(ear.room)
                raw, clean = AudioStream(track), AudioStream(track, processors="webrtc_ns")
                levels = [
                    np.array(
                        [np.sqrt(np.mean(block.astype(float) ** 2)) async for block in blocks(stream, 8)]
                    )
                    for stream in (raw, clean)
                ]
                for stream in (raw, clean):
                    await stream.aclose()
        (raw_quiet, raw_loud), (quiet, loud) = (np.percentile(each, [10, 95]) for each in levels)
        assert quiet < 0.7 * raw_quiet
        assert loud > 0.3 * raw_loud

    play(story())


def test_a_connection_that_is_given_up_is_left_again(server: Server) -> None:
    """Cancelled between the server's welcome and the SDK's: upstream ends the process ten seconds later, by a signal."""

    async def there(client: api.LiveKitAPI) -> set[str]:
        found = await client.room.list_participants(api.ListParticipantsRequest(room="given-up"))
        return {each.identity for each in found.participants}

    async def story() -> None:
        async with Session() as session, server_api(server) as client, peer(server, "anna", "given-up"):
            room = rtc.Room()
            task = asyncio.create_task(connect(session, server.url, token("me", "given-up"), room=room))
            while "me" not in await there(client):
                assert not task.cancelled()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
                await room.disconnect()
            assert not room.isconnected()
            while "me" in await there(client):
                pass

    play(story())
