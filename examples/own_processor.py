"""A processor of one's own that fails on purpose: the stream goes on, and the report says what happened."""

import asyncio

import numpy as np

from greenroom.actors import AudioProcessor, EventKind, Frame, Pace, ProcessorSpec, Session
from greenroom.adapters.files import ToneSource


class Moody(AudioProcessor):
    """Halves the level; the first one that is built raises on its tenth frame."""

    built = 0

    def __init__(self) -> None:
        type(self).built += 1
        self._frames_left = 9 if self.built == 1 else -1

    def _process(self, frame: Frame) -> Frame:
        if self._frames_left == 0:
            raise RuntimeError("not today")
        self._frames_left -= 1
        return frame.with_samples((frame.samples // 2).astype(np.int16))


async def main() -> None:
    """Run one second of a tone through it."""
    session = Session(pace=Pace.FAST, processors=[ProcessorSpec(name="moody", factory=Moody)])
    async with session:
        room = await session.open_room("lobby")
        tone = ToneSource(hz=440, duration_ns=1_000_000_000)
        track = await room.add_track("TR_1", participant="whistler", source=tone)
        stream = await track.open_stream(processors=["moody"])
        levels = [int(np.abs(frame.samples).max()) async for frame in stream]
    report = await session.close()
    print(f"{len(levels)} frames out; loudest {max(levels)}, quietest {min(levels)}")
    for event in report.events:
        if event.kind in (
            EventKind.PROCESSOR_FAILED,
            EventKind.PROCESSOR_RESTARTED,
            EventKind.PROCESSOR_CLOSED,
        ):
            print(event.kind.value, dict(event.details))
    print("all laws held" if all(verdict.held for verdict in report.verdicts) else "a law was broken")


if __name__ == "__main__":
    asyncio.run(main())
