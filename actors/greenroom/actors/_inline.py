"""The host for placement ``inline``: the thread that brings a frame calls the processor, one at a time.

Where nothing stands in the way a lane is *direct*: processed and handed on in the call that brings the frame.
Otherwise (FAST pace, while the processor is built) frames wait as in a `ThreadHost` and take turns on the worker's
thread until none is left.

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
from greenroom.supervision.runtime import Executor

_Array: Final = np.ndarray


class InlineLane(QueuedLane):
    """A lane that calls the processor in the producer's thread."""

    __slots__ = ("_inline_host",)

    def __init__(self, host: "InlineHost", downstream: FrameReceiver, tally: Tally) -> None:
        super().__init__(host, downstream, tally, inline=True)
        self._inline_host = host

    def send(self, frame: Frame) -> None:
        """Process one frame and hand it on before returning."""
        host = self._inline_host
        epoch = host.epoch
        if epoch is None or not self.direct:
            super().push((frame,))
            return
        self.delivering = True
        gate = epoch.gate
        try:
            gate.free.pop()
        except IndexError:
            gate.wait()
        result: Frame | None = None
        try:
            if host.epoch is epoch and epoch.processor.enabled:
                result = epoch.process(frame)
                # The quick part of `guarded`, written out: a call would cost a tenth of the whole lane.
                if (
                    type(result) is Frame
                    and type(samples := result.samples) is _Array
                    and samples.dtype is INT16
                    and samples.shape == frame.samples.shape
                    and result.rate_hz == frame.rate_hz
                    and result.timestamp_ns == frame.timestamp_ns
                    and samples.flags.c_contiguous
                ):
                    samples.setflags(False)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
                else:
                    result = guarded(result, frame)
        except BaseException as error:  # noqa: BLE001 - whatever foreign code raises is a fault, also SystemExit
            self._fail(epoch, frame, error)
            return
        gate.free.append(None)
        if gate.waiting:
            gate.wake()
        if result is None or epoch.revoked:
            self._stop(epoch, frame, Reason.DISABLED if result is None else Reason.LATE)
            return
        self.processed += 1
        self._downstream.send(result)
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
        if reason is Reason.DISABLED and host.epoch is not epoch:
            # The epoch ended before the processor was asked; whatever holds now holds for this frame.
            self.delivering = False
            self.send(frame)
            return
        with self._lock:
            self.direct = False
            self.resolve(frame, reason)
        self.delivering = False
        self.deliver()


class InlineHost(ThreadHost):
    """One per ProcessorActor with placement ``inline``. See `Host` for what its methods promise.

    A call that hangs holds up the thread that brought its frame: that one is lost until it returns, and its frame
    stays in flight. All others go on after `revoke`.
    """

    def lane(self, downstream: FrameReceiver, tally: Tally) -> QueuedLane:
        """Open a way through the processor whose results go to ``downstream``."""
        return self._add(InlineLane(self, downstream, tally))

    def install(self, processor: Processor, executor: Executor) -> int:
        """Let frames flow through ``processor``; return the number of this epoch."""
        earlier = self._last
        number = super().install(processor, executor)
        if earlier is not None:
            _let_go(earlier)
        return number

    def revoke(self, reason: Reason) -> None:
        """End the epoch at once, give up its running call, and suspend with ``reason``."""
        super().revoke(reason)
        if self._last is not None:
            _let_go(self._last)

    def late(self, epoch: Epoch) -> None:
        """Tell that a call of a revoked epoch has come back."""
        epoch.inside = False
        self._on_late_return(epoch.processor)

    @contextmanager
    def exclusive(self) -> Generator[None, None, None]:
        """Keep frames out of the processor while the worker itself calls it."""
        epoch = self._last
        if epoch is None or epoch.revoked:
            yield
            return
        epoch.gate.enter()
        try:
            yield
        finally:
            epoch.gate.leave()
            if epoch.revoked:
                self.late(epoch)

    def _play(self, epoch: Epoch) -> tuple[QueuedLane | None, BaseException | None]:
        epoch.gate.enter()
        try:
            return super()._play(epoch)
        finally:
            epoch.gate.leave()

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
    if not epoch.gate.free:
        epoch.inside = True
    epoch.gate.leave()
