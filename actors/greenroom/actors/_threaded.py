"""The host for placement ``thread``: lanes take turns on the worker's own thread.

Laws:
    1. The processor is called by one thread at a time, and only while its epoch is the present one.
    2. What a revoked epoch still returns or raises is thrown away.
    3. A fault ends its epoch, and is reported once.
    4. At most one turn is submitted at a time; a lane with frames waits for one of its own.

A turn takes frames from one lane: as many as the last turns say will take about a millisecond. So a quick
processor pays one wake-up and one delivery for many frames, and a slow one delivers each at once.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from greenroom.actors._epoch import Epoch
from greenroom.actors._guard import FrameReceiver, Tally, guarded
from greenroom.actors._lanes import Callback, QueuedLane, Submission
from greenroom.actors.frames import Frame
from greenroom.actors.processors import MILLISECOND_NS, Processor, ProcessorSpec, Reason
from greenroom.supervision.runtime import Executor, Runtime

TURN_NS: Final = MILLISECOND_NS
TURN_FRAMES_MAX: Final = 64


def _forget_it(_: Processor) -> None:
    """Nobody wants to know that a call which was given up has come back."""


class ThreadHost:
    """One per ProcessorActor with placement ``thread``. See `Host` for what its methods promise."""

    def __init__(
        self,
        spec: ProcessorSpec,
        *,
        runtime: Runtime,
        wait: bool,
        on_fault: Callable[[int, BaseException], None],
        on_late_return: Callable[[Processor], None] = _forget_it,
    ) -> None:
        self.runtime = runtime
        self.lock = runtime.lock()
        self.policy = spec.on_fault
        self.capacity = spec.capacity_frames
        self.wait = wait
        self.epoch: Epoch | None = None
        self._processed_before = 0
        self._calls = 0
        self._deadline_ns = spec.deadline_ns
        self._hang_ns = spec.hang_ns
        self._on_fault = on_fault
        self._on_late_return = on_late_return
        self._reason = Reason.WARMING
        self._last: Epoch | None = None
        self._epochs = 0
        self._lanes: dict[QueuedLane, None] = {}
        self.ready: deque[QueuedLane] = deque()
        self._counts: dict[Reason, int] = {}
        self._on_idle: Callback | None = None
        self._seen: tuple[object, int, int] = (None, 0, 0)

    # What the ProcessorActor and its worker do.

    def lane(self, downstream: FrameReceiver, tally: Tally) -> QueuedLane:
        """Open a way through the processor whose results go to ``downstream``."""
        return self._add(QueuedLane(self, downstream, tally))

    def _add(self, lane: QueuedLane) -> QueuedLane:
        with self.lock:
            self._lanes[lane] = None
        return lane

    def install(self, processor: Processor, executor: Executor) -> int:
        """Let frames flow through ``processor``; return the number of this epoch."""
        submission: Submission | None = None
        with self.lock:
            self._revoke()
            self._epochs += 1
            if self._reason is Reason.CLOSED:
                return self._epochs
            self._last = self.epoch = Epoch(self.runtime, self.turn, processor, executor, self._epochs)
            for lane in self._lanes:
                if lane.waiting:
                    submission = self.enlist(lane) or submission
        if submission is not None:
            submission[0].submit(submission[1])
        return self._epochs

    def suspend(self, reason: Reason) -> None:
        """Start no further call; frames follow the policy with ``reason``."""
        with self.lock:
            self.park(reason)

    def revoke(self, reason: Reason) -> None:
        """End the epoch at once, give up its running call, and suspend with ``reason``."""
        with self.lock:
            self._revoke()
            self.park(reason)

    def exclusive(self) -> AbstractContextManager[None]:
        """Nothing to do: the worker's own calls are on the thread that takes the turns."""
        return nullcontext()

    def calling(self, processor: Processor) -> bool:
        """Whether a turn of ``processor`` is under way; if it is revoked, its return will be told."""
        last = self._last
        return last is not None and last.processor is processor and last.inside

    def quiesce(self, on_idle: Callback) -> None:
        """Call ``on_idle()`` once when no call runs and nothing waits; afterwards call the processor no more."""
        with self.lock:
            self._on_idle = on_idle
            for lane in self._lanes:
                lane.leaving = True
            callbacks = self._idle()
        for callback in callbacks:
            callback()

    @property
    def processed(self) -> int:
        """How many frames came out processed."""
        with self.lock:
            return self._processed_before + sum(lane.processed for lane in self._lanes)

    def counts(self) -> Mapping[Reason, int]:
        """Return how many frames did not come out processed, by reason."""
        with self.lock:
            return dict(self._counts)

    # What lanes ask; under the lock.

    def refusal(self) -> Reason | None:
        """Why frames cannot wait at present, or None if they can."""
        if self.epoch is not None or (self.wait and self._reason is Reason.WARMING):
            return None
        return self._reason

    def enlist(self, lane: QueuedLane) -> Submission | None:
        """Give the lane a place in the round; return the epoch's turn if none is submitted."""
        epoch = self.epoch
        if epoch is None:
            return None
        lane.queued = True
        self.ready.append(lane)
        return self._schedule(epoch)

    def _schedule(self, epoch: Epoch) -> Submission | None:
        if epoch.scheduled:
            return None
        epoch.scheduled = True
        return (epoch.executor, epoch)

    def count(self, reason: Reason, frames: int) -> None:
        """Count frames that did not come out processed."""
        self._counts[reason] = self._counts.get(reason, 0) + frames

    def settle(self, lane: QueuedLane) -> Sequence[Callback]:
        """Return who is to be told that the lane is drained, or the host idle."""
        callbacks: list[Callback] = []
        if lane.on_drained is not None and lane.empty:
            callbacks.append(lane.on_drained)
            lane.on_drained = None
            if lane in self._lanes:
                del self._lanes[lane]
                self._processed_before += lane.processed
        callbacks += self._idle()
        return callbacks

    def _idle(self) -> Sequence[Callback]:
        on_idle = self._on_idle
        if on_idle is None or any(not lane.empty for lane in self._lanes):
            return ()
        # The epoch ends before the look at the running call: a call that begins later sees that it may not.
        self.park(Reason.CLOSED)
        if self._last is not None and self._last.calling is not None:
            return ()
        self._on_idle = None
        return (on_idle,)

    # Epochs; under the lock.

    def park(self, reason: Reason) -> None:
        """End the epoch; from now on frames follow ``reason``. Nothing is delivered here."""
        if self._reason is Reason.CLOSED:
            return
        self.epoch = None
        self._reason = reason
        self.ready.clear()
        refusal = self.refusal()
        for lane in self._lanes:
            lane.queued = False
            if refusal is not None:
                lane.resolve_waiting(refusal, len(lane.waiting))

    def _revoke(self) -> None:
        last = self._last
        if last is None:
            return
        last.revoked = True
        last.calling = None
        for lane in self._lanes:
            lane.resolve_running(Reason.LATE)

    # The worker's thread.

    def turn(self, epoch: Epoch) -> None:
        """Process a few frames of the lane that is next, then deliver them."""
        lane, error = self._play(epoch)
        if error is not None:
            self.report(epoch, error)
            self.deliver()
        elif lane is not None and not epoch.revoked:
            lane.deliver()

    def report(self, epoch: Epoch, error: BaseException) -> None:
        """Tell of the epoch's fault; once, because no further call has begun in it."""
        self._on_fault(epoch.number, error)

    def _play(self, epoch: Epoch) -> tuple[QueuedLane | None, BaseException | None]:
        lock = self.lock
        lock.acquire()
        try:
            lane = self._next(epoch) if self.epoch is epoch else None
            if lane is None:
                return None, None
            frame = lane.running = lane.waiting.popleft()
            alone = not lane.waiting
            self._calls += 1
            epoch.inside = True
        finally:
            lock.release()
        try:
            if alone:
                # Usual in real time. There is nothing to learn about how long turns should be.
                return lane, self._process(epoch, lane, frame)
            began_ns = self.runtime.now_ns()
            before = self._calls
            error = self._process(epoch, lane, frame)
            self._adapt(epoch, self._calls - before + 1, self.runtime.now_ns() - began_ns)
            return lane, error
        finally:
            epoch.inside = False
            if epoch.revoked:
                self._on_late_return(epoch.processor)

    def _process(self, epoch: Epoch, lane: QueuedLane, first: Frame) -> BaseException | None:
        frame: Frame | None = first
        taken = 0
        while frame is not None:
            taken += 1
            try:
                result = self._call(epoch, frame)
            except BaseException as error:  # noqa: BLE001 - whatever foreign code raises is a fault, also SystemExit
                return self._fail(epoch, lane, frame, error)
            frame = self._deposit(epoch, lane, frame, result, taken)
        return None

    def _next(self, epoch: Epoch) -> QueuedLane | None:
        ready = self.ready
        while ready:
            lane = ready.popleft()
            if lane.waiting:
                epoch.calling = lane
                return lane
            lane.queued = False
        epoch.scheduled = False
        return None

    def _call(self, epoch: Epoch, frame: Frame) -> Frame | None:
        """Return what the processor makes of ``frame``, or None if it is disabled."""
        if epoch.processor.enabled:
            return guarded(epoch.process(frame), frame)
        return None

    def _deposit(
        self, epoch: Epoch, lane: QueuedLane, frame: Frame, result: Frame | None, taken: int
    ) -> Frame | None:
        """Take in the result of one call; return the frame for the next, or None when the turn is over."""
        submission: Submission | None = None
        lock = self.lock
        lock.acquire()
        try:
            if epoch.revoked:
                return None
            if lane.running is frame:
                if result is None:
                    lane.resolve(frame, Reason.DISABLED)
                else:
                    lane.processed += 1
                    lane.outbox.append(result)
                if lane.behind:
                    lane.release_behind()
            if self.epoch is epoch:
                if lane.waiting and taken < epoch.limit:
                    self._calls += 1
                    frame = lane.running = lane.waiting.popleft()
                    return frame
                submission = self._finish(epoch, lane)
            lane.running = None
            epoch.calling = None
        finally:
            lock.release()
        if submission is not None:
            submission[0].submit(submission[1])
        return None

    def _finish(self, epoch: Epoch, lane: QueuedLane) -> Submission | None:
        """Give the lane its next place in the round, if it needs one; return the next turn, if there is one."""
        epoch.scheduled = False
        if lane.waiting:
            self.ready.append(lane)
        else:
            lane.queued = False
        return self._schedule(epoch) if self.ready else None

    def _adapt(self, epoch: Epoch, taken: int, spent_ns: int) -> None:
        if spent_ns > TURN_NS:
            epoch.limit = max(1, epoch.limit // 2)
        elif taken == epoch.limit and spent_ns < TURN_NS // 2:
            epoch.limit = min(TURN_FRAMES_MAX, epoch.limit * 2)

    def _fail(
        self, epoch: Epoch, lane: QueuedLane, frame: Frame, error: BaseException
    ) -> BaseException | None:
        """Resolve the frame and end the epoch; return the error unless nobody wants to hear of it any more."""
        with self.lock:
            if epoch.revoked:
                return None
            if lane.running is frame:
                lane.resolve_running(Reason.FAULT)
            epoch.calling = None
            if self.epoch is epoch:
                self.park(Reason.WARMING)
        return error

    # Whoever may run downstream code.

    def watch(self, now_ns: int) -> int | None:
        """Resolve what is late, deliver what is due; return since when a call hangs, or None."""
        with self.lock:
            if not self.wait:
                for lane in self._lanes:
                    lane.expire(now_ns, self._deadline_ns)
            since_ns = self._hung_since(now_ns)
        self.deliver()
        return since_ns

    def _hung_since(self, now_ns: int) -> int | None:
        """Tell a call that runs since before ``hang_ns``; that it is the same is known by what it works on."""
        last = self._last
        calling = None if last is None else last.calling
        seen = self._seen
        if calling is None:
            self._seen = (None, 0, 0)
            return None
        if seen[0] is not calling or seen[1] != self._calls:
            self._seen = (calling, self._calls, now_ns)
            return None
        return seen[2] if now_ns - seen[2] >= self._hang_ns else None

    def deliver(self) -> None:
        """Deliver what is resolved in any lane. Runs downstream code."""
        with self.lock:
            due = [lane for lane in self._lanes if lane.due]
            callbacks = self._idle()
        for lane in due:
            lane.deliver()
        for callback in callbacks:
            callback()
