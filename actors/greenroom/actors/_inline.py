"""The host for placement ``inline``: the thread that brings a frame calls the processor, one at a time.

Where nothing stands in the way a lane is *direct*: processed and handed on in the call that brings the frame.
Otherwise (FAST pace, while the processor is built) frames wait as in a `ThreadHost` and take turns on the worker's
thread until none is left.

Marking an array read-only takes a sixth of the time that a lane may. Where another lane follows it is done for every
frame, so that the original is there to bypass with. Before a stream's output it is done for the first frame of an
epoch and for one after each `watch`: in real time about every frame. A processor that writes again into an array which
it has returned is so found out, if it does so as a rule.

Each epoch has a `Turnstile` around every call of its processor. `InlineHost.revoke` leaves it in the name of one who
hangs inside: who comes in then sees that the epoch has ended, and calls nothing.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np

from greenroom.actors._epoch import Epoch
from greenroom.actors._guard import INT16, FrameReceiver, Tally, guarded
from greenroom.actors._lanes import QueuedLane
from greenroom.actors._threaded import ThreadHost
from greenroom.actors.frames import Frame
from greenroom.actors.processors import Processor, Reason
from greenroom.supervision import Hang
from greenroom.supervision.runtime import Executor

_Array: Final = np.ndarray


class InlineLane(QueuedLane):
    """A lane that calls the processor in the producer's thread."""

    __slots__ = ("_chained", "_inline_host")

    def __init__(self, host: "InlineHost", downstream: FrameReceiver, tally: Tally) -> None:
        super().__init__(host, downstream, tally, inline=True)
        self._inline_host = host
        self._chained = isinstance(downstream, QueuedLane)

    def send(self, frame: Frame) -> None:
        """Process one frame and hand it on before returning."""
        host = self._inline_host
        epoch = host.epoch
        if epoch is None or not self.direct:
            super().push((frame,))
            return
        self.delivering = True
        gate = epoch.gate
        free = gate.free
        try:
            free.pop()
        except IndexError:
            gate.wait()
        result: Frame | None = None
        try:
            if host.epoch is epoch and not self.barred and epoch.processor.enabled:
                result = epoch.process(frame)
                # The quick part of `guarded`, written out: a call would cost a tenth of the whole lane. Numbers
                # that a processor hands through are the same objects; `guarded` compares those that are not.
                if (
                    type(result) is Frame
                    and type(samples := result.samples) is _Array
                    and samples.dtype is INT16
                    and (shape := samples.shape) == frame.samples.shape
                    and result.rate_hz is frame.rate_hz
                    and result.timestamp_ns is frame.timestamp_ns
                    and ((shape[1] == 1 and samples.base is None) or samples.flags.c_contiguous)
                ):
                    if self.mark:
                        self.mark = self._chained
                        samples.setflags(False)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
                else:
                    result = guarded(result, frame)
        except BaseException as error:  # noqa: BLE001 - whatever foreign code raises is a fault, also SystemExit
            self._fail(epoch, frame, error)
            return
        free.append(None)
        if gate.waiting:
            gate.wake()
        if result is None or epoch.revoked:
            self._stop(epoch, frame, Reason.DISABLED if result is None else Reason.LATE)
            return
        self.taken += 1
        self.downstream.send(result)
        self.delivering = False
        if self.leaving:
            host.tell_settled(self)

    def push(self, frames: Sequence[Frame]) -> None:
        """Process frames one by one and hand them on before returning."""
        if not self.direct:
            super().push(frames)
            return
        for frame in frames:
            self.send(frame)

    def _fail(self, epoch: Epoch, frame: Frame, error: BaseException) -> None:
        """The processor raised: end its epoch before anybody else can call it."""
        if isinstance(error, Hang):
            raise error
        host = self._inline_host
        with self._lock:
            told = not epoch.revoked
            if told and host.epoch is epoch:
                host.park(Reason.WARMING)
        epoch.gate.leave()
        if told:
            host.report(epoch, error)
        self._stop(epoch, frame, Reason.FAULT if told else Reason.LATE)

    def _stop(self, epoch: Epoch, frame: Frame, reason: Reason) -> None:
        """Resolve a frame that did not come out of the processor, which nobody calls for it any more."""
        host = self._inline_host
        if epoch.revoked:
            host.late(epoch)
        if reason is Reason.DISABLED and (host.epoch is not epoch or self.barred):
            # The epoch or the lease ended before the processor was asked; whatever holds now holds for this frame.
            self.delivering = False
            self.send(frame)
            return
        with self._lock:
            self.direct = False
            self.taken += 1
            self.resolve(frame, reason)
        self.delivering = False
        self.deliver()


class InlineHost(ThreadHost):
    """One per ProcessorActor with placement ``inline``. See `Host` for what its methods promise.

    A call that hangs holds up the thread that brought its frame: that one is lost until it returns, and its frame
    stays in flight. All others go on after `revoke`.
    """

    def lane(self, downstream: FrameReceiver, tally: Tally, lease_id: int | None = None) -> QueuedLane:
        """Open a way through the processor whose results go to ``downstream``."""
        return self._add(InlineLane(self, downstream, tally), lease_id)

    def install(self, processor: Processor, executor: Executor) -> int:
        """Let frames flow through ``processor``; return the number of this epoch."""
        earlier = self.last
        number = super().install(processor, executor)
        if earlier is not None:
            _let_go(earlier)
        self._mark_next()
        return number

    def watch(self, now_ns: int) -> int | None:
        """Resolve what is late, deliver what is due; return since when a call hangs, or None."""
        self._mark_next()
        return super().watch(now_ns)

    def _mark_next(self) -> None:
        with self.lock:
            for lane in self._lanes:
                lane.mark = True

    def revoke(self, reason: Reason) -> None:
        """End the epoch at once, give up its running call, and suspend with ``reason``."""
        super().revoke(reason)
        if self.last is not None:
            _let_go(self.last)

    @contextmanager
    def exclusive(self) -> Generator[None, None, None]:
        """Keep frames out of the processor while the worker itself calls it."""
        epoch = self.last
        if epoch is None or epoch.revoked:
            yield
            return
        returned = True
        epoch.gate.enter()
        try:
            yield
        except Hang:
            returned = False
            raise
        finally:
            if returned:
                epoch.gate.leave()
                if epoch.revoked:
                    self.late(epoch)

    def turn(self, epoch: Epoch) -> None:
        """Process a few frames that had to wait, then deliver them: outside the gate, which they may come to again."""
        with epoch.gate:
            with self.lock:
                taken = self._take(epoch)
            error = None if taken is None else self._play(epoch, *taken)
        if taken is not None:
            self._conclude(epoch, taken[0], error)

    def tell_settled(self, lane: QueuedLane) -> None:
        """Tell who waits for the lane or the host, after a direct call."""
        with self.lock:
            callbacks = self.settle(lane)
        for callback in callbacks:
            callback()


def _let_go(epoch: Epoch) -> None:
    """Let those in who wait at the gate of a revoked epoch; note whether somebody is still inside.

    Who comes out looks at ``revoked`` after he has left: so either he is seen here, or he sees it, and tells.
    """
    if epoch.gate.locked():
        epoch.detained = True
    epoch.gate.leave()
