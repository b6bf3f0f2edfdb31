"""How loud a LiveKit track is, supervised: one import is another one, and nobody says who closes the processor.

python examples/livekit_after.py

It needs no server: the track is a local one, and what is captured into it comes out of the stream.
"""

import asyncio
import math
from array import array

from livekit import rtc

from greenroom.adapters.livekit import AudioStream

RATE = 48_000
BLOCK = RATE // 100
LINES = 8


class Softer(rtc.FrameProcessor[rtc.AudioFrame]):
    """Takes half of the level away."""

    enabled = True  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        samples = array("h", (sample // 2 for sample in frame.data))
        return rtc.AudioFrame(
            samples.tobytes(), frame.sample_rate, frame.num_channels, frame.samples_per_channel
        )

    def _close(self) -> None:
        print("the processor is closed")


async def speak(source: rtc.AudioSource) -> None:
    """Capture a second of a tone into the track."""
    for block in range(100):
        start = block * BLOCK
        tone = (int(16_000 * math.sin(2 * math.pi * 440 * (start + n) / RATE)) for n in range(BLOCK))
        await source.capture_frame(rtc.AudioFrame(array("h", tone).tobytes(), RATE, 1, BLOCK))


async def main() -> None:
    """Print the highest level of each tenth of a second."""
    source = rtc.AudioSource(RATE, 1, queue_size_ms=200)
    track = rtc.LocalAudioTrack.create_audio_track("tone", source)
    speaking = asyncio.create_task(speak(source))
    stream = AudioStream(track, frame_size_ms=100, noise_cancellation=Softer())
    count = 0
    async for event in stream:
        print(f"{count / 10:.1f} s: {max(event.frame.data)}")
        count += 1
        if count == LINES:
            break
    await stream.aclose()
    await speaking


if __name__ == "__main__":
    asyncio.run(main())
