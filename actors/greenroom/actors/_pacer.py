"""The pacer: drives all of a session's sources through media time, in lock step.

Sources are shared out over *shards*, each with a thread that may block. In real time a timer says which media time is
due, and each shard reads its sources up to it; a shard that is behind holds up no other, and a source whose reader blocks
for `STALL_NS` is left alone with its thread while the others of its shard get a new one. A source that
was held up sends at most `CATCH_UP_FRAMES` at once; the rest is put off, never skipped. In fast pace there is one shard,
and a step begins when every stream has room, nothing is being opened and no script is acting.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from greenroom.actors._head import Head
from greenroom.actors._media import CATCH_UP_STEPS, Hold, MediaClock, tell
from greenroom.actors.processors import MILLISECOND_NS
from greenroom.actors.sources import Reader, Source
from greenroom.supervision import Hang
from greenroom.supervision.runtime import Dispatcher, Executor, Runtime, Timer

CATCH_UP_FRAMES: Final = CATCH_UP_STEPS
SHARDS: Final = 2
SHARDS_MAX: Final = 10
"""So many readers less `SHARDS` may block at a time before they hold up others."""
STALL_NS: Final = 500 * MILLISECOND_NS


class PacedSource:
    """One reading of a source, driven by a `Pacer`. Its fields belong to the pacer's lock, or to who reads it."""

    def __init__(self, pacer: "Pacer", source: Source, head: Head) -> None:
        self._pacer = pacer
        self._source = source
        self.head = head
        self.reader: Reader | None = None
        self.closed = False
        self.shard: Shard | None = None
        self.start_ns: int | None = None
        self._position_ns = 0

    def close(self) -> None:
        """Send nothing further, give back the reader on its thread. Any thread; idempotent; no `end` follows."""
        self._pacer.drop(self)

    def run(self) -> None:
        """Open the source; this is the task for the blocking thread."""
        try:
            self.reader = self._source.open()
        except Hang:
            raise
        except BaseException as error:  # noqa: BLE001 - foreign code: whatever it raises ends this source
            if self._pacer.opened(self, failed=True):
                self.head.fail(error)
            return
        if not self._pacer.opened(self):
            self.reader.close()

    def pump(self, target_ns: int, *, limit: int | None) -> bool:
        """Send what lies before ``target_ns`` of media time; return whether there may be more."""
        if self.start_ns is None or self.reader is None:
            return True
        sent = 0
        while not self.closed and self.start_ns + self._position_ns < target_ns:
            if sent == limit:
                self.start_ns = target_ns - self._position_ns
                break
            sent += 1
            try:
                frame = self.reader.read()
                length_ns = 0 if frame is None else frame.duration_ns
            except Hang:
                raise
            except BaseException as error:  # noqa: BLE001 - as above
                self._finish(error)
                return False
            if frame is None:
                self._finish(None)
                return False
            if length_ns == 0:
                self._finish(
                    ValueError("the reader returned a frame without samples; at the end it returns None")
                )
                return False
            self._position_ns += length_ns
            self.head.send(frame)
        return True

    def _finish(self, error: BaseException | None) -> None:
        error = self.give_back() or error
        if self.closed:
            return
        if error is None:
            self.head.end()
        else:
            self.head.fail(error)

    def give_back(self) -> BaseException | None:
        """Close the reader, once, and return what it raised."""
        reader, self.reader = self.reader, None
        try:
            if reader is not None:
                reader.close()
        except Hang:
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            return error
        return None


class GiveBack:
    """The task that closes a reader on its thread."""

    def __init__(self, source: PacedSource) -> None:
        self._source = source

    def run(self) -> None:
        """Close it."""
        self._source.give_back()


class Shard:
    """Some sources and the thread that reads them. It is the task that its pacer submits."""

    def __init__(self, pacer: "Pacer", executor: Executor) -> None:
        self._pacer = pacer
        self.executor = executor
        self.sources: dict[PacedSource, None] = {}
        self.busy = False
        self.reading: PacedSource | None = None
        self.since_ns = 0

    def stuck(self, now_ns: int) -> bool:
        """Whether one of its readers blocks. Under the pacer's lock."""
        return self.reading is not None and now_ns - self.since_ns >= STALL_NS

    def run(self) -> None:
        """Read every source up to the media time that is due."""
        pacer = self._pacer
        target_ns, todo = pacer.begin(self)
        while (source := pacer.claim(self, todo)) is not None:
            alive = source.pump(target_ns, limit=pacer.limit)
            pacer.unclaim(self, source, alive=alive)
        pacer.finish(self, target_ns)


class PacerScript:
    """Someone who acts at given instants of media time; in FAST pace media stands still while it acts."""

    def __init__(self, pacer: "Pacer", hold: Hold) -> None:
        self._pacer = pacer
        self._hold = hold

    def request(self, at_ns: int, on_reached: Callable[[], None]) -> None:
        """Have ``on_reached()`` called once media time is ``at_ns`` or later; it then stands until the next request.

        Any thread; one request at a time; ``on_reached`` may only enqueue. Already reached: called at once.
        """
        self._pacer.request(self._hold, at_ns, on_reached)

    def release(self) -> None:
        """Let media run freely as far as this script goes. Idempotent. ``on_reached`` is not called any more."""
        self._pacer.release(self._hold)


class Pacer:
    """Drives readers in steps of ``frame_ns``: in real time, or as fast as every stream has room.

    Media time starts at 0 with the first source that is open or the first script that waits. A source added at
    media time T is read from its beginning at T; in FAST pace media time stands still while a source opens, and
    where there is nothing to read it leaps to the next instant that a script waits for.
    """

    def __init__(self, runtime: Runtime, *, fast: bool, frame_ns: int) -> None:
        self._runtime = runtime
        self._lock = runtime.lock()
        self._clock = MediaClock(step_ns=frame_ns, fast=fast)
        self._fast = fast
        self.limit = None if fast else CATCH_UP_FRAMES
        self._opener = runtime.executor(Dispatcher.BLOCKING, "open-source")
        self._opening: dict[PacedSource, None] = {}
        self._shards: list[Shard] = [self._new_shard() for _ in range(1 if fast else SHARDS)]
        self._timer: Timer | None = None
        self._nudged = False
        self._closed = False

    def _new_shard(self) -> Shard:
        return Shard(self, self._runtime.executor(Dispatcher.PINNED, "reader"))

    @property
    def media_now_ns(self) -> int:
        """Media time: a multiple of ``frame_ns``. Any thread."""
        return self._clock.media_ns

    @property
    def put_off_ns(self) -> int:
        """How far stalls have put media time behind the clock, in real time. Any thread."""
        return self._clock.put_off_ns

    # Sources.

    def add(self, source: Source, head: Head) -> PacedSource:
        """Open ``source`` on a blocking thread and send its frames to ``head``. Returns at once."""
        paced = PacedSource(self, source, head)
        with self._lock:
            paced.closed = self._closed
            if not paced.closed:
                self._opening[paced] = None
        if not paced.closed:
            self._opener.submit(paced)
        return paced

    def opened(self, source: PacedSource, *, failed: bool = False) -> bool:
        """Take in a source that is open, or could not be; return whether anybody still wants it."""
        with self._lock:
            self._opening.pop(source, None)
            wanted = not source.closed
            if wanted and not failed:
                now_ns = self._runtime.now_ns()
                shard = min(self._shards, key=lambda shard: (shard.stuck(now_ns), len(shard.sources)))
                source.shard = shard
                source.start_ns = self._clock.media_ns
                shard.sources[source] = None
                self._start()
        self.nudge()
        return wanted

    def drop(self, source: PacedSource) -> None:
        """Send nothing further of ``source``."""
        with self._lock:
            if source.closed:
                return
            source.closed = True
            self._opening.pop(source, None)
            shard = source.shard
            idle = shard is not None and source in shard.sources and shard.reading is not source
            if shard is not None:
                shard.sources.pop(source, None)
        if shard is not None and idle:
            shard.executor.submit(GiveBack(source))
        self.nudge()

    def reading(self) -> list[PacedSource]:
        """Return the sources that are being opened or read. Any thread."""
        with self._lock:
            return [*self._opening, *(source for shard in self._shards for source in shard.sources)]

    # Shards.

    def begin(self, shard: Shard) -> tuple[int, deque[PacedSource]]:
        """Return up to which media time to read, and what."""
        with self._lock:
            ahead_ns = self._clock.step_ns if self._fast else 0
            return self._clock.media_ns + ahead_ns, deque(shard.sources)

    def claim(self, shard: Shard, todo: deque[PacedSource]) -> PacedSource | None:
        """Return the next source that this shard still has, now being read."""
        with self._lock:
            while todo:
                source = todo.popleft()
                if source in shard.sources:
                    shard.reading = source
                    shard.since_ns = self._runtime.now_ns()
                    return source
            return None

    def unclaim(self, shard: Shard, source: PacedSource, *, alive: bool) -> None:
        """The source is not being read any more."""
        with self._lock:
            shard.reading = None
            if not alive:
                shard.sources.pop(source, None)
            left_over = source.closed
        if left_over:
            source.give_back()

    def finish(self, shard: Shard, target_ns: int) -> None:
        """The shard has read all it has."""
        with self._lock:
            again = not self._fast and self._clock.media_ns > target_ns and not self._closed
            shard.busy = again
            due: list[Callable[[], None]] = []
            if self._fast and not self._closed:
                self._clock.step()
                due = self._clock.reached()
        if again:
            shard.executor.submit(shard)
        tell(due)
        if self._fast:
            self._advance()

    # Real time; on the timer's thread.

    def _start(self) -> None:
        if self._clock.started or self._closed:
            return
        self._clock.start(self._runtime.now_ns())
        if not self._fast:
            self._timer = self._runtime.call_later(0, self._tick)

    def _tick(self) -> None:
        with self._lock:
            if self._closed:
                return
            now_ns = self._runtime.now_ns()
            self._clock.step(self._clock.due_steps(now_ns))
            due = self._clock.reached()
            self._rescue(now_ns)
            ready = [shard for shard in self._shards if shard.sources and not shard.busy]
            for shard in ready:
                shard.busy = True
            self._timer = self._runtime.call_later(max(self._clock.due_ns() - now_ns, 0), self._tick)
        for shard in ready:
            shard.executor.submit(shard)
        tell(due)

    def _rescue(self, now_ns: int) -> None:
        """Give the sources that wait behind a reader which blocks another thread."""
        for shard in tuple(self._shards):
            if len(shard.sources) <= 1 or not shard.stuck(now_ns):
                continue
            if len(self._shards) >= SHARDS_MAX:
                return
            spare = self._new_shard()
            for source in [source for source in shard.sources if source is not shard.reading]:
                del shard.sources[source]
                source.shard = spare
                spare.sources[source] = None
            self._shards.append(spare)

    # Fast pace.

    def nudge(self) -> None:
        """Some head has room again; FAST goes on. Any thread; never blocks."""
        with self._lock:
            if not self._fast or self._nudged or self._closed:
                return
            self._nudged = True
            executor = self._shards[0].executor
        executor.submit(self)

    def run(self) -> None:
        """Go on if nothing stands in the way: the pacer is the task of its own nudge."""
        with self._lock:
            self._nudged = False
        self._advance()

    def _advance(self) -> None:
        with self._lock:
            shard = self._shards[0]
            clock = self._clock
            if self._closed or shard.busy or self._opening or clock.standing or not clock.started:
                return
            due: list[Callable[[], None]] = []
            begins = bool(shard.sources)
            if begins:
                if not all(source.head.room() for source in shard.sources):
                    return
                shard.busy = True
            elif clock.leap():
                due = clock.reached()
        if begins:
            shard.executor.submit(shard)
        tell(due)

    # Scripts.

    def script(self) -> PacerScript:
        """Take part in media time: in FAST pace it stands still until the script requests or releases."""
        with self._lock:
            return PacerScript(self, self._clock.hold())

    def request(self, hold: Hold, at_ns: int, on_reached: Callable[[], None]) -> None:
        """Have ``on_reached`` called at ``at_ns``."""
        with self._lock:
            self._start()
            hold.at_ns, hold.on_reached = at_ns, on_reached
            due = self._clock.reached()
        tell(due)
        self.nudge()

    def release(self, hold: Hold) -> None:
        """Let a script take part no longer."""
        with self._lock:
            self._clock.release(hold)
        self.nudge()

    def close(self) -> None:
        """Stop media time, close all readers on their threads. Idempotent. No script is told any more."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
        for source in self.reading():
            source.close()
        for shard in self._shards:
            shard.executor.close()
