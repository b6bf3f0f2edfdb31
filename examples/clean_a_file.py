"""Clean a recording: read a file, take the noise out, write a file. As fast as the machine goes.

python examples/clean_a_file.py noisy.flac clean.wav
"""

import asyncio
import sys

from greenroom.actors import Pace, Session
from greenroom.adapters.files import FileSink, FileSource, probe


async def main(noisy: str, clean: str) -> None:
    """Run one track through two processors into a file."""
    info = probe(noisy)
    sink = FileSink(clean, rate_hz=info.rate_hz, channels=info.channels, length_frames=info.frames)
    async with Session(pace=Pace.FAST) as session:
        room = await session.open_room("studio")
        track = await room.add_track("TR_1", participant="speaker", source=FileSource(noisy))
        stream = await track.open_stream(processors=["highpass", "rnnoise"], sink=sink)
        await stream.ended()
        counts = stream.snapshot()
    print(
        f"{counts.frames_in} frames in, {counts.frames_out} out, {sum(counts.bypassed.values())} unprocessed"
    )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
