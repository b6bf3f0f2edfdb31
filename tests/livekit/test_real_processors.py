"""Noise cancellers from PyPI, unmodified, on real speech through real streams; without a server. Need livekit-agents.

Speech is the demo's: a voice with noise, at 48 kHz. It goes through a real `rtc.AudioSource` and a real local track.
"""

import asyncio
import importlib
import inspect
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest
import soundfile
from livekit import rtc
from tests.livekit.supervisedkit import stewarded

from greenroom.actors import OnFault, Reason, Session
from greenroom.adapters.livekit import AudioStream, supervised
from greenroom.config import shipped_file

pytest.importorskip("livekit.agents", reason="livekit-agents is not installed")

PACKAGES: Final = ("dtln", "hush")
UNLICENSED: Final = {"krisp": "voice_isolation", "ai_coustics": "audio_enhancement"}
"""Packages whose processors let audio pass without a licence: good for the life cycle."""
RATE_HZ: Final = 48_000
SECONDS: Final = 6
LONG_NS: Final = 60_000_000_000
VOICE: Final = shipped_file("demo").parent / "anna.flac"

Samples = np.ndarray[Any, np.dtype[np.int16]]
Factory = Callable[[], rtc.FrameProcessor[rtc.AudioFrame]]


def canceller(package: str) -> Factory:
    """Return the package's own function that makes one, as its users call it."""
    made: Factory = importlib.import_module(f"livekit.plugins.{package}").noise_suppression
    return made


def speech() -> Samples:
    """Return some seconds of noisy speech, at 48 kHz."""
    read: Any = soundfile.read(VOICE, dtype="int16", always_2d=True)
    samples, rate_hz = read
    return np.repeat(samples[: SECONDS * rate_hz, 0], RATE_HZ // rate_hz)


def loudness(samples: Samples) -> tuple[float, float]:
    """Return how loud the pauses are, and how loud the speech is: RMS of quiet and of loud tenths of a second."""
    blocks = samples[: len(samples) // 4_800 * 4_800].astype(float).reshape(-1, 4_800)
    levels = np.sqrt(np.mean(blocks**2, axis=1))
    return float(np.percentile(levels, 15)), float(np.percentile(levels, 90))


async def through(session: Session, wanted: Any, voice: Samples) -> tuple[Samples, rtc.LocalAudioTrack]:
    """Play a voice into a track, and return what comes out of a stream on it."""
    source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=100)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    stream = AudioStream(track, processors=wanted, session=session, frame_size_ms=50)
    heard: list[Samples] = []
    goal = len(voice)

    async def listen() -> None:
        async for event in stream:
            heard.append(np.frombuffer(event.frame.data, np.int16))
            if sum(map(len, heard)) >= goal:
                return

    listening = asyncio.create_task(listen())
    while not any(each.opened for each in session.snapshot().processors):  # noqa: ASYNC110 - it is built on a thread
        await asyncio.sleep(0.01)
    for first in range(0, goal - 480, 480):
        await source.capture_frame(rtc.AudioFrame(voice[first : first + 480].tobytes(), RATE_HZ, 1, 480))
    silence = rtc.AudioFrame.create(RATE_HZ, 1, 480)
    while not listening.done():  # what is inside comes out behind silence
        await source.capture_frame(silence)
    await stream.aclose()
    await source.aclose()
    return np.concatenate(heard), track


@pytest.mark.parametrize("package", PACKAGES)
def test_it_cancels_noise_in_a_stream_and_is_closed_once(package: str) -> None:
    """The pauses become quieter, the speech stays; no frame was a fault; all of the session's laws hold."""
    voice = speech()

    async def story() -> None:
        async with Session() as session:
            # On a busy machine a frame may take its time; what is measured is the sound.
            heard, _ = await through(session, canceller(package), voice)
            report = await session.close()
        quiet_before, loud_before = loudness(voice)
        quiet, loud = loudness(heard)
        assert quiet < 0.8 * quiet_before, (quiet, quiet_before)
        assert loud > 0.3 * loud_before, (loud, loud_before)
        (processor,) = report.snapshot.past_processors
        assert (processor.opened, processor.closed, processor.restarts) == (1, 1, 0)
        assert not processor.faults.get(Reason.FAULT)
        assert all(verdict.held for verdict in report.verdicts), report.verdicts

    asyncio.run(story())


@pytest.mark.parametrize("package", PACKAGES)
def test_it_works_behind_a_frame_processor_of_ours(package: str) -> None:
    """Given to the SDK's own stream: the same instance, on another thread; nothing is called after the close."""
    voice = speech()[: 2 * RATE_HZ]

    async def story() -> None:
        processor = supervised(canceller(package), wait_ns=1_000_000_000, prepare=1, deadline_ns=LONG_NS)
        source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=100)
        track = rtc.LocalAudioTrack.create_audio_track("voice", source)
        stream = rtc.AudioStream(track, noise_cancellation=processor, frame_size_ms=50)
        heard = 0

        async def listen() -> None:
            nonlocal heard
            async for event in stream:
                heard += event.frame.samples_per_channel

        listening = asyncio.create_task(listen())
        for first in range(0, len(voice) - 480, 480):
            await source.capture_frame(rtc.AudioFrame(voice[first : first + 480].tobytes(), RATE_HZ, 1, 480))
        await stream.aclose()
        listening.cancel()
        await processor.aclose()
        await source.aclose()
        snapshot = processor.snapshot()
        assert heard > RATE_HZ
        assert snapshot.passed > 0
        assert (snapshot.failure, snapshot.closed) == ("", True)

    with stewarded():
        asyncio.run(story())


@pytest.mark.parametrize("package", PACKAGES)
def test_one_that_is_closed_is_never_called_again(package: str) -> None:
    """Some raise then, some come to life again: a new stream gets a new one from the factory."""
    calls: list[str] = []
    made: list[rtc.FrameProcessor[rtc.AudioFrame]] = []

    def spied() -> rtc.FrameProcessor[rtc.AudioFrame]:
        processor = canceller(package)()
        for name in ("_process", "_close", "_on_stream_info_updated", "_on_credentials_updated"):
            original = getattr(processor, name)
            setattr(processor, name, _spy(original, f"{len(made)}.{name}", calls))
        made.append(processor)
        return processor

    async def story() -> None:
        async with Session() as session:
            voice = speech()[:RATE_HZ]
            for _ in range(2):
                await through(session, spied, voice)
                while session.snapshot().processors:  # noqa: ASYNC110 - it is closed on a thread
                    await asyncio.sleep(0.01)

    asyncio.run(story())
    assert len(made) == 2
    for number in range(2):
        own = [call for call in calls if call.startswith(f"{number}.")]
        assert own.count(f"{number}._close") == 1
        assert own[-1] == f"{number}._close"
        assert f"{number}._process" in own


def _spy(original: Callable[..., Any], name: str, calls: list[str]) -> Callable[..., Any]:
    def called(*args: Any, **values: Any) -> Any:
        calls.append(name)
        return original(*args, **values)

    return called


@pytest.mark.parametrize("package", UNLICENSED)
def test_those_that_need_a_licence_live_and_end_like_the_others(package: str) -> None:
    """Without one they do nothing to the audio; they are built, told, called and closed once all the same."""
    calls: list[str] = []
    # livekit-agents refuses a plugin that is imported on another thread than the main one.
    module = importlib.import_module(f"livekit.plugins.{package}")

    def spied() -> rtc.FrameProcessor[rtc.AudioFrame]:
        processor: rtc.FrameProcessor[rtc.AudioFrame] = getattr(module, UNLICENSED[package])()
        for name in ("_process", "_close"):
            setattr(processor, name, _spy(getattr(processor, name), name, calls))
        return processor

    async def story() -> None:
        async with Session() as session:
            await through(session, spied, speech()[:RATE_HZ])
            report = await session.close()
        (processor,) = report.snapshot.past_processors
        assert (processor.opened, processor.closed) == (1, 1)
        assert all(verdict.held for verdict in report.verdicts), report.verdicts

    asyncio.run(story())
    assert calls[-1] == "_close"
    assert calls.count("_close") == 1


class InPlace(rtc.FrameProcessor[rtc.AudioFrame]):
    """WebRTC's own module, which writes into the frame that it is given."""

    def __init__(self) -> None:
        self._module = rtc.AudioProcessingModule(noise_suppression=True, high_pass_filter=True)

    @property
    def enabled(self) -> bool:
        return True

    @enabled.setter
    def enabled(self, value: bool) -> None: ...

    def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        for first in range(0, frame.samples_per_channel, 480):
            piece = rtc.AudioFrame(frame.data[first : first + 480].tobytes(), frame.sample_rate, 1, 480)
            self._module.process_stream(piece)
            frame.data[first : first + 480] = piece.data
        return frame

    def _close(self) -> None: ...


def test_one_that_writes_into_its_frame_works_too() -> None:
    """It is given frames of its own: what bypasses it elsewhere is not touched."""

    async def story() -> None:
        voice = speech()
        async with Session() as session:
            heard, _ = await through(session, InPlace, voice)
            (processor,) = (*session.snapshot().processors, *session.snapshot().past_processors)
            assert not processor.faults.get(Reason.FAULT)
            assert processor.on_fault is OnFault.BYPASS
        assert loudness(heard)[0] < 0.8 * loudness(voice)[0]

    asyncio.run(story())


@pytest.mark.parametrize("package", PACKAGES)
def test_its_factory_is_called_as_it_is(package: str) -> None:
    """Nothing is wrapped, patched or subclassed: what its users call is what is called here."""
    factory = canceller(package)
    assert inspect.isfunction(factory)
    assert factory.__module__ == f"livekit.plugins.{package}"
