"""What a host's owner and its lanes ask of it: epochs come and go, lanes open and close. Calls nobody's code."""

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager

from greenroom.actors._epoch import Epoch
from greenroom.actors._guard import FrameReceiver, Tally
from greenroom.actors._lanes import Callback, QueuedLane, Submission
from greenroom.actors._turnstile import Turnstile
from greenroom.actors.processors import Processor, ProcessorSpec, Reason
from greenroom.supervision.runtime import Executor, Runtime


def _forget_it(_: Processor) -> None:
    """Nobody wants to know that a call which was given up has come back."""


class EpochHost:
    """What all hosts have in common; how frames are processed is theirs. See `Host` for what its methods promise."""

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
        self.lock = Turnstile(runtime)
        self.policy = spec.on_fault
        self.capacity = spec.capacity_frames
        self.wait = wait
        self.epoch: Epoch | None = None
        self._processed_before = 0
        self._deadline_ns = spec.deadline_ns
        self._hang_ns = spec.hang_ns
        self._on_fault = on_fault
        self._on_late_return = on_late_return
        self._reason = Reason.WARMING
        self.last: Epoch | None = None
        self._epochs = 0
        self._lanes: dict[QueuedLane, None] = {}
        self._leased: dict[int | None, QueuedLane | None] = {}
        self.ready: deque[QueuedLane] = deque()
        self._counts: dict[Reason, int] = {}
        self._on_idle: Callback | None = None
        self._seen: tuple[object, int, int] = (None, 0, 0)

    # What the ProcessorActor and its worker do.

    def lane(self, downstream: FrameReceiver, tally: Tally, lease_id: int | None = None) -> QueuedLane:
        """Open a way through the processor whose results go to ``downstream``."""
        return self._add(QueuedLane(self, downstream, tally), lease_id)

    def _add(self, lane: QueuedLane, lease_id: int | None) -> QueuedLane:
        with self.lock:
            self._lanes[lane] = None
            if lease_id in self._leased:
                self._leased[lease_id] = lane
            elif lease_id is not None:
                lane.bar()  # it ended while the stream was on its way here
        return lane

    def lend(self, lease_id: int) -> None:
        """A lease was granted: it may have a lane."""
        with self.lock:
            self._leased[lease_id] = None

    def bar(self, lease_id: int) -> None:
        """A lease has ended: if its lane is open still, frames pass the processor by."""
        with self.lock:
            lane = self._leased.pop(lease_id, None)
            if lane is not None:
                lane.bar()

    def install(self, processor: Processor, executor: Executor) -> int:
        """Let frames flow through ``processor``; return the number of this epoch."""
        submission: Submission | None = None
        with self.lock:
            self._revoke()
            self._epochs += 1
            if self._reason is Reason.CLOSED:
                return self._epochs
            self.last = self.epoch = Epoch(self.runtime, self.turn, processor, executor, self._epochs)
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

    @contextmanager
    def exclusive(self) -> Generator[None, None, None]:
        """Keep frames out of the processor: the worker's own calls are on the thread that takes the turns, unless it is lost."""
        epoch = self.last
        if epoch is not None:
            epoch.excluded = True
        try:
            yield
        finally:
            if epoch is not None:
                epoch.excluded = False

    def calling(self, processor: Processor) -> bool:
        """Whether a turn of ``processor`` is under way; if it is revoked, its return will be told."""
        last = self.last
        return last is not None and last.processor is processor and (last.inside is not None or last.detained)

    def quiesce(self, on_idle: Callback) -> None:
        """Call ``on_idle()`` once when no call runs and nothing waits; afterwards call the processor no more."""
        with self.lock:
            self._on_idle = on_idle
            for lane in self._lanes:
                lane.leaving = lane.odd = True
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

    def turn(self, epoch: Epoch) -> None:
        """Process some of the frames that wait; on the worker's thread."""
        raise NotImplementedError

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
        if self.last is not None and self.last.calling is not None:
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
        last = self.last
        if last is None:
            return
        last.revoked = True
        for lane in self._lanes:
            lane.resolve_running(Reason.LATE)
