"""The host for the placements ``thread`` and ``pinned``: lanes take turns on the worker's executor.

Laws:
    1. The processor is called by one thread at a time, and only while its epoch is the present one.
    2. What a revoked epoch still returns or raises is thrown away.
    3. A fault ends its epoch, and is reported once.
    4. At most one turn is submitted at a time; a lane with frames waits for one of its own.

A turn takes frames from one lane: as many as the last turns say will take about a millisecond. So a quick
processor pays one wake-up and one delivery for many frames, and a slow one delivers each at once.

Usual in real time is one frame in one lane. For that `ThreadHost.turn` is written out, with two rounds of the lock:
calls and locks are what a lane costs more than a bare hand-off to a thread.
"""

from typing import Final

from greenroom.actors._control import EpochHost
from greenroom.actors._epoch import Epoch
from greenroom.actors._guard import guarded
from greenroom.actors._lanes import QueuedLane, Submission
from greenroom.actors.frames import Frame
from greenroom.actors.processors import MILLISECOND_NS, Reason
from greenroom.supervision import Hang

TURN_NS: Final = MILLISECOND_NS
TURN_FRAMES_MAX: Final = 64


class ThreadHost(EpochHost):
    """One per ProcessorActor with placement ``thread`` or ``pinned``. See `Host` for what its methods promise."""

    # The worker's thread.

    def turn(self, epoch: Epoch) -> None:  # noqa: C901 - written out for speed; see below
        """Process a few frames of the lane that is next, and deliver them. One alone is dealt with in here."""
        if epoch.excluded:
            self._lose(epoch)
            return
        lock, ready, free = self.lock, self.ready, self.lock.free
        try:
            free.pop()
        except IndexError:
            lock.wait()
        lane = ready.popleft() if ready and self.epoch is epoch else None
        if lane is None or not (waiting := lane.waiting):
            self._seek(epoch, lane)
            return
        frame = lane.running = waiting.popleft()
        lane.taken += 1
        epoch.inside = lane
        free.append(None)
        if lock.waiting:
            lock.wake()
        if waiting:
            self._conclude(epoch, lane, self._play(epoch, lane, frame))
            return
        result: Frame | None = None
        try:
            if epoch.processor.enabled:
                result = epoch.process(frame)
                if result is not frame:
                    result = guarded(result, frame)
        except BaseException as error:  # noqa: BLE001 - whatever foreign code raises is a fault, also SystemExit
            self._conclude(epoch, lane, self._fail(epoch, lane, frame, error))
            return
        try:
            free.pop()
        except IndexError:
            lock.wait()
        if (
            self.epoch is not epoch
            or lane.running is not frame
            or result is None
            or lane.odd
            or lane.delivering
            or waiting
            or ready
        ):
            lock.leave()
            self._go_on(epoch, lane, frame, result)
            return
        # The epoch is the present one, under the lock: who revokes it from now on finds nobody inside.
        epoch.scheduled = lane.queued = False
        epoch.inside = lane.running = None
        lane.delivering = True
        free.append(None)
        if lock.waiting:
            lock.wake()
        lane.downstream.send(result)
        lane.delivering = False
        # Looked at after that was said: what others resolve is taken along by them, or here.
        if lane.odd:
            lane.deliver()

    def _lose(self, epoch: Epoch) -> None:
        """The worker's thread was given up inside a call of the worker's own: nothing more goes through its processor."""
        with self.lock:
            if self.epoch is epoch:
                self._revoke()
                self.park(Reason.WARMING)

    def _seek(self, epoch: Epoch, idle: QueuedLane | None) -> None:
        """Take a turn for the next lane that has frames, if any; ``idle`` has none. Under the lock, which it leaves."""
        if idle is not None:
            idle.queued = False
        taken = self._take(epoch)
        self.lock.leave()
        if taken is not None:
            self._conclude(epoch, taken[0], self._play(epoch, *taken))

    def _go_on(self, epoch: Epoch, lane: QueuedLane, frame: Frame, result: Frame | None) -> None:
        """End a turn in which something else has happened, or go on with it."""
        following = self._deposit(epoch, lane, frame, result, 1)
        self._conclude(epoch, lane, self._process(epoch, lane, following, 1))

    def _take(self, epoch: Epoch) -> tuple[QueuedLane, Frame] | None:
        """Take the first frame of the lane that is next, if any. Under the lock."""
        if self.epoch is not epoch:
            return None
        ready = self.ready
        while ready:
            lane = ready.popleft()
            if lane.waiting:
                frame = lane.running = lane.waiting.popleft()
                lane.taken += 1
                epoch.inside = lane
                return lane, frame
            lane.queued = False
        epoch.scheduled = False
        return None

    def _conclude(self, epoch: Epoch, lane: QueuedLane, error: BaseException | None) -> None:
        """End a turn whose last call has returned; report its fault, or deliver.

        Who revokes an epoch looks at ``inside`` afterwards: so either he finds nobody inside, or he is told here.
        """
        epoch.inside = None
        if epoch.revoked:
            self.late(epoch)
        if error is not None:
            self.report(epoch, error)
            self.deliver()
        elif not epoch.revoked:
            lane.deliver()

    def late(self, epoch: Epoch) -> None:
        """Tell that the running call of a revoked epoch has come back."""
        epoch.inside = None
        epoch.detained = False
        self._on_late_return(epoch.processor)

    def report(self, epoch: Epoch, error: BaseException) -> None:
        """Tell of the epoch's fault; once, because no further call has begun in it."""
        self._on_fault(epoch.number, error)

    def _play(self, epoch: Epoch, lane: QueuedLane, first: Frame) -> BaseException | None:
        """Process a turn's frames, and learn from it how many the next turn may take."""
        began_ns = self.runtime.now_ns()
        before = lane.taken
        error = self._process(epoch, lane, first, 0)
        self._adapt(epoch, lane.taken - before + 1, self.runtime.now_ns() - began_ns)
        return error

    def _process(
        self, epoch: Epoch, lane: QueuedLane, frame: Frame | None, taken: int
    ) -> BaseException | None:
        """Process ``frame`` and those that follow in this turn; return what the processor raised, if it did."""
        while frame is not None:
            taken += 1
            try:
                result = guarded(epoch.process(frame), frame) if epoch.processor.enabled else None
            except BaseException as error:  # noqa: BLE001 - whatever foreign code raises is a fault, also SystemExit
                return self._fail(epoch, lane, frame, error)
            frame = self._deposit(epoch, lane, frame, result, taken)
        return None

    def _deposit(
        self, epoch: Epoch, lane: QueuedLane, frame: Frame, result: Frame | None, taken: int
    ) -> Frame | None:
        """Take in the result of one call; return the frame for the next, or None when the turn is over."""
        submission: Submission | None = None
        lock = self.lock
        lock.enter()
        try:
            if epoch.revoked:
                return None
            if lane.running is frame:
                if result is None:
                    lane.resolve(frame, Reason.DISABLED)
                else:
                    lane.outbox.append(result)
                    lane.odd = True
                if lane.behind:
                    lane.release_behind()
            if self.epoch is epoch:
                if lane.waiting and taken < epoch.limit:
                    lane.taken += 1
                    frame = lane.running = lane.waiting.popleft()
                    return frame
                submission = self._finish(epoch, lane)
            lane.running = None
            epoch.inside = None
        finally:
            lock.leave()
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
        if isinstance(error, Hang):
            raise error
        with self.lock:
            if epoch.revoked:
                return None
            if lane.running is frame:
                lane.resolve_running(Reason.FAULT)
            epoch.inside = None
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
        last = self.last
        calling = None if last is None else last.calling
        seen = self._seen
        if calling is None:
            self._seen = (None, 0, 0)
            return None
        if seen[0] is not calling or seen[1] != calling.taken:
            self._seen = (calling, calling.taken, now_ns)
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
