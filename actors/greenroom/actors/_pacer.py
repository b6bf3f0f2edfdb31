"""Media time, and the pacer that drives all of a session's sources by it in lock step."""

from collections.abc import Callable

from greenroom.actors._head import Head
from greenroom.actors.sources import Source
from greenroom.supervision.runtime import Runtime


class PacedSource:
    """One reading of a source, driven by a `Pacer`."""

    def close(self) -> None:
        """Send nothing further, give back the reader on its thread. Any thread; idempotent; no `end` follows."""


class PacerScript:
    """Someone who acts at given instants of media time; in FAST pace media stands still while it acts."""

    def request(self, at_ns: int, on_reached: Callable[[], None]) -> None:
        """Have ``on_reached()`` called once media time is ``at_ns`` or later; it then stands until the next request.

        Any thread; one request at a time; ``on_reached`` may only enqueue. Already reached: called at once.
        """

    def release(self) -> None:
        """Let media run freely as far as this script goes. Idempotent. ``on_reached`` is not called any more."""


class Pacer:
    """Drives readers in steps of ``frame_ns``: in real time, or as fast as every stream has room.

    Media time starts at 0 with the first source that is added or the first script that waits. A source added at
    media time T is read from its beginning at T; in FAST pace media time stands still while a source opens.
    """

    def __init__(self, runtime: Runtime, *, fast: bool, frame_ns: int) -> None: ...

    @property
    def media_now_ns(self) -> int:
        """Media time: a multiple of ``frame_ns``. Any thread."""
        raise NotImplementedError

    def add(self, source: Source, head: Head) -> PacedSource:
        """Open ``source`` on a blocking thread and send its frames to ``head``. Returns at once."""
        raise NotImplementedError

    def script(self) -> PacerScript:
        """Take part in media time: in FAST pace it stands still until the script requests or releases."""
        raise NotImplementedError

    def nudge(self) -> None:
        """Some head has room again; FAST goes on. Any thread; never blocks."""

    def close(self) -> None:
        """Stop media time, close all readers (on their threads). Idempotent."""
