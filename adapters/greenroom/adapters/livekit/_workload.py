"""How busy a worker is: what the machine says, and what its processors could not do in time."""

import os
from collections.abc import Iterable, Iterator
from typing import Final

from greenroom.actors import Reason, Session
from greenroom.adapters.livekit._passage import Passage

UNBEARABLE: Final = 0.05
"""The share of frames that are not processed in time at which there is no room for another job."""
TOO_BUSY: Final = (Reason.LATE, Reason.OVERFLOW)


class Workload:
    """Remembers what it was told last, so that each call is about the time since. One thread at a time."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[int, int]] = {}

    def of(self, sessions: Iterable[Session], passages: Iterable[Passage]) -> float:
        """Return the load, from 0 to 1."""
        now = {f"{id(each)}": (each.passed + each.late, each.late) for each in passages}
        for session in sessions:
            now |= {f"{session.name}/{name}": counts for name, counts in _streams(session)}
        return max(machine_load(), self._missed(now))

    def _missed(self, now: dict[str, tuple[int, int]]) -> float:
        frames = missed = 0
        for name, (frames_in, missed_in) in now.items():
            frames_before, missed_before = self._before.get(name, (0, 0))
            frames += frames_in - frames_before
            missed += missed_in - missed_before
        self._before = now
        return min(1.0, missed / frames / UNBEARABLE) if frames > 0 else 0.0


def _streams(session: Session) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield each open stream: how many frames have come in, and how many of them were not processed in time."""
    for room in session.snapshot().rooms:
        for track in room.tracks:
            for stream in track.streams:
                missed = sum(
                    stream.bypassed.get(reason, 0) + stream.dropped.get(reason, 0) for reason in TOO_BUSY
                )
                yield stream.name, (stream.frames_in, missed)


def machine_load() -> float:
    """Return the machine's load average for each of its processors, from 0 to 1; 0 where there is no such thing."""
    try:
        return min(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    except (OSError, AttributeError):
        return 0.0
