"""A lane: the bounded, ordered way of one stream's frames through one processor.

Laws:
    1. Order is kept and no frame comes out twice, whoever resolves it: the worker, the watch or the producer.
    2. A frame that is pushed comes out, or is told to the tally as dropped.
    3. Downstream is called by one thread at a time, and never under a lock.

``waiting -> running -> outbox -> downstream`` is the way of a frame. What is resolved while an older frame is
still running stands ``behind`` it. All of these fields belong to the host's lock. A lane is ``odd`` when there may be
more to deliver or to tell than the one result of a turn; who clears that has delivered everything.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from greenroom.actors._guard import FrameReceiver, Tally, substitute
from greenroom.actors._turnstile import Turnstile
from greenroom.actors.frames import Frame
from greenroom.actors.processors import OnFault, Reason
from greenroom.supervision.runtime import Executor, Task

Callback = Callable[[], None]
Submission = tuple[Executor, Task]
MARKS_MAX: Final = 64
"""How many instants a lane remembers to tell its frames' ages; far apart enough they cover any deadline."""


class Round(Task, Protocol):
    """An epoch of the host: the task that gives its lanes their turns."""

    executor: Executor
    scheduled: bool


class LaneHost(Protocol):
    """What a lane needs of its host. Fields after the lock belong to it."""

    lock: Turnstile
    policy: OnFault
    capacity: int
    wait: bool
    ready: deque["QueuedLane"]

    @property
    def epoch(self) -> Round | None:
        """What takes the lanes' frames now, if anything does."""
        ...

    def refusal(self) -> Reason | None:
        """Why frames cannot wait at present, or None if they can. Under the lock."""
        ...

    def enlist(self, lane: "QueuedLane") -> Submission | None:
        """Have the lane's frames processed; return what to submit, outside the lock. Under the lock."""
        ...

    def count(self, reason: Reason, frames: int) -> None:
        """Count frames that did not come out processed. Under the lock."""
        ...

    def settle(self, lane: "QueuedLane") -> Sequence[Callback]:
        """Return who is to be told that the lane is drained, or the host idle. Under the lock."""
        ...


class QueuedLane:
    """The lane of a `ThreadHost`, and of an `InlineHost` while frames must wait."""

    __slots__ = (
        "_capacity",
        "_closed",
        "_host",
        "_lock",
        "_tally",
        "barred",
        "behind",
        "delivering",
        "direct",
        "downstream",
        "inline",
        "leaving",
        "mark",
        "marks",
        "notes",
        "odd",
        "on_drained",
        "outbox",
        "queued",
        "resolved",
        "running",
        "skipped",
        "taken",
        "waiting",
    )

    def __init__(
        self, host: LaneHost, downstream: FrameReceiver, tally: Tally, *, inline: bool = False
    ) -> None:
        self._host = host
        self._lock = host.lock
        self.downstream = downstream
        self._tally = tally
        self._capacity = host.capacity
        self._closed = False
        self.barred = False
        self.notes: list[tuple[Reason, Frame | None]] = []
        self.behind: list[Frame | None] = []
        self.delivering = False
        self.direct = inline
        self.inline = inline
        self.leaving = False
        self.mark = True
        self.marks: deque[tuple[int, int]] = deque(maxlen=MARKS_MAX)
        self.odd = False
        self.on_drained: Callback | None = None
        self.outbox: list[Frame] = []
        self.queued = False
        self.resolved = 0
        self.skipped = 0
        self.taken = 0
        self.running: Frame | None = None
        self.waiting: deque[Frame] = deque()

    @property
    def processed(self) -> int:
        """How many frames came out processed: those that are not there any more, less those resolved by the policy."""
        return self.left - self.resolved - (self.running is not None)

    @property
    def left(self) -> int:
        """How many frames do not wait any more."""
        return self.taken + self.skipped

    # The producer's side.

    def push(self, frames: Sequence[Frame]) -> None:
        """Take frames: any one thread at a time. After `close` they are dropped and counted ``closed``."""
        waiting = self.waiting
        self._lock.enter()
        try:
            waiting.extend(frames)
            if self.queued and len(waiting) <= self._capacity and not self._closed:
                return
            submission = self._admit()
            due = not self.delivering and (self.outbox or self.notes)
        finally:
            self._lock.leave()
        if submission is not None:
            submission[0].submit(submission[1])
        if due:
            self.deliver()

    def send(self, frame: Frame) -> None:
        """Take one frame: the same as `push`, at less cost."""
        waiting = self.waiting
        host = self._host
        lock = self._lock
        try:
            lock.free.pop()
        except IndexError:
            lock.wait()
        waiting.append(frame)
        epoch = host.epoch
        if self.queued:
            plain = len(waiting) <= self._capacity and not self._closed
            epoch = None
        elif epoch is None or self._closed:
            plain = False
            epoch = None
        else:
            plain = True
            self.queued = True
            host.ready.append(self)
            if epoch.scheduled:
                epoch = None
            else:
                epoch.scheduled = True
        lock.free.append(None)
        if lock.waiting:
            lock.wake()
        if epoch is not None:
            epoch.executor.submit(epoch)
        elif not plain:
            self.push(())

    def _admit(self) -> Submission | None:
        """Decide about frames that have just come, and are not simply waiting for their turn."""
        host = self._host
        self.direct = False
        if self.barred and not self.leaving:
            self.resolve_waiting(Reason.WARMING, len(self.waiting))
            return None
        if self._closed:
            self.discard_waiting()
            return None
        refusal = host.refusal()
        if refusal is not None:
            self.resolve_waiting(refusal, len(self.waiting))
            return None
        excess = len(self.waiting) - self._capacity
        if excess > 0 and not host.wait:
            self._overflow(excess)
        return None if self.queued or not self.waiting else host.enlist(self)

    def _overflow(self, excess: int) -> None:
        self.resolve_waiting(Reason.OVERFLOW, excess)
        if len(self.behind) > self._capacity:
            # What stands behind a call that takes this long must be bounded too: the call is given up.
            self.resolve_running(Reason.OVERFLOW)

    def close(self, on_drained: Callback, *, discard: bool = False) -> None:
        """No more frames will come. Calls ``on_drained()`` once, on any thread, when nothing is left inside.

        A second call replaces the first one's callback: to discard what does not drain in time.
        """
        with self._lock:
            self._closed = self.leaving = self.odd = True
            self.direct = False
            self.on_drained = on_drained
            if discard:
                self.discard_waiting()
            notes, self.notes = self.notes, []
            callbacks = self._host.settle(self)
        self._tell(notes)
        for callback in callbacks:
            callback()

    def bar(self) -> None:
        """Let nothing through the processor any more: whose lane it is has no lease now. Under the host's lock.

        Frames come out by the policy until whoever opened the lane hears of it, and closes it.
        """
        if not self._closed:
            self._closed = self.barred = True
            self.direct = False
            self.resolve_waiting(Reason.WARMING, len(self.waiting))

    # Resolving; all under the host's lock.

    def discard_waiting(self) -> None:
        """Drop what waits as ``closed``."""
        self._host.count(Reason.CLOSED, len(self.waiting))
        self.odd = True
        self.notes.extend((Reason.CLOSED, frame) for frame in self.waiting)
        self.skipped += len(self.waiting)
        self.resolved += len(self.waiting)
        self.waiting.clear()

    def resolve_waiting(self, reason: Reason, count: int) -> None:
        """Have the oldest ``count`` waiting frames come out by the policy."""
        behind = self.running is not None
        self.skipped += count
        for _ in range(count):
            self.resolve(self.waiting.popleft(), reason, behind=behind)

    def resolve_running(self, reason: Reason) -> None:
        """Have the running frame come out by the policy; its result is not wanted any more."""
        frame, self.running = self.running, None
        if frame is not None:
            self.resolve(frame, reason)
        self.release_behind()

    def resolve(self, frame: Frame, reason: Reason, *, behind: bool = False) -> None:
        """Have ``frame`` come out by the policy: next, or behind the running one."""
        host = self._host
        result = substitute(frame, host.policy, reason)
        host.count(reason, 1)
        self.resolved += 1
        self.odd = True
        self.notes.append((reason, frame if result is None else None))
        if behind:
            self.behind.append(result)
        elif result is not None:
            self.outbox.append(result)

    def release_behind(self) -> None:
        """Let out what stood behind a frame that is resolved now."""
        if self.behind:
            self.odd = True
            self.outbox.extend(frame for frame in self.behind if frame is not None)
            self.behind.clear()

    def expire(self, now_ns: int, deadline_ns: int) -> None:
        """Resolve what has been here for ``deadline_ns`` as ``late``; remember what is here now.

        Nobody reads a clock per frame: whatever was accepted by an earlier call is at least that old.
        """
        first = self.left
        running = self.running is not None
        if not running and not self.waiting:
            self.marks.clear()
            return
        late = 0
        while self.marks and self.marks[0][0] <= now_ns - deadline_ns:
            late = self.marks.popleft()[1]
        if running and late >= first - len(self.behind):
            self.resolve_running(Reason.LATE)
            running = False
        if late > first and not running:
            self.resolve_waiting(Reason.LATE, late - first)
        self._mark(now_ns, deadline_ns)

    def _mark(self, now_ns: int, deadline_ns: int) -> None:
        accepted = self.left + len(self.waiting)
        far_enough = not self.marks or now_ns - self.marks[-1][0] >= deadline_ns // MARKS_MAX
        if far_enough and (not self.marks or self.marks[-1][1] != accepted):
            self.marks.append((now_ns, accepted))

    # Delivering; never under a lock.

    @property
    def due(self) -> bool:
        """Whether something should be delivered and nobody is at it."""
        return bool(self.outbox or self.notes) and not self.delivering

    @property
    def empty(self) -> bool:
        """Whether nothing is inside. Under the lock."""
        return not (self.delivering or self.waiting or self.outbox or self.notes or self.running is not None)

    def deliver(self) -> None:
        """Hand what is resolved downstream, unless somebody is at it: he will take this along."""
        lock = self._lock
        lock.enter()
        if self.delivering:
            lock.leave()
            return
        self.delivering = True
        try:
            while self.outbox or self.notes:
                frames, self.outbox = self.outbox, []
                notes, self.notes = self.notes, []
                lock.leave()
                try:
                    if notes:
                        self._tell(notes)
                    if frames:
                        self.downstream.push(frames)
                finally:
                    lock.enter()
        finally:
            self.delivering = False
            self.odd = self.leaving or bool(self.behind)
            self.direct = self.inline and not self._closed and not self.waiting and self.running is None
            callbacks = self._host.settle(self) if self.leaving else ()
            lock.leave()
        for callback in callbacks:
            callback()

    def _tell(self, notes: Sequence[tuple[Reason, Frame | None]]) -> None:
        bypassed: dict[Reason, int] = {}
        for reason, lost in notes:
            if lost is None:
                bypassed[reason] = bypassed.get(reason, 0) + 1
            else:
                self._tally.dropped(lost, reason)
        for reason, count in bypassed.items():
            self._tally.bypassed(reason, count)
