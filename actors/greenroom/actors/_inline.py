"""The host for placement ``inline``: the thread that brings a frame calls the processor, one at a time.

Where nothing stands in the way a lane is *direct*: processed and handed on in the call that brings the frame.
Otherwise (FAST pace, while the processor is built) frames wait as in a `ThreadHost` and take turns on the worker's
thread until none is left.

Each epoch has a lock that is held around every call of its processor. `InlineHost.revoke` releases it in the name of a
holder that hangs: who gets it then sees that the epoch has ended, and calls nothing.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from greenroom.actors._guard import FrameReceiver, Tally, guarded
from greenroom.actors._lanes import QueuedLane
from greenroom.actors._threaded import Epoch, ThreadHost
from greenroom.actors.frames import Frame
from greenroom.actors.processors import Processor, Reason
from greenroom.supervision.runtime import Executor


class InlineLane(QueuedLane):
    """A lane that calls the processor in the producer's thread."""

    __slots__ = ("_inline_host",)

    def __init__(self, host: "InlineHost", downstream: FrameReceiver, tally: Tally) -> None:
        super().__init__(host, downstream, tally, inline=True)
        self._inline_host = host

    def push(self, frames: Sequence[Frame]) -> None:
        """Process frames and hand them on before returning."""
        host = self._inline_host
        while frames:
            epoch = host.epoch
            if epoch is None or not self.direct:
                super().push(frames)
                return
            self.delivering = True
            results: list[Frame] = []
            error: BaseException | None = None
            epoch.lock.acquire()
            epoch.calling = frames
            try:
                for frame in frames:
                    if host.epoch is not epoch or not epoch.processor.enabled:
                        break
                    results.append(guarded(epoch.process(frame), frame))
            except BaseException as raised:  # noqa: BLE001 - whatever foreign code raises is a fault, also SystemExit
                error = raised
            if len(results) != len(frames) or host.epoch is not epoch:
                frames = self._recover(epoch, frames, results, error)
                continue
            host.processed += len(results)
            epoch.calling = None
            unlock(epoch)
            self._downstream.push(results)
            self.delivering = False
            if self.on_drained is not None or host.winding_down:
                host.tell_settled(self)
            return

    def _recover(
        self, epoch: Epoch, frames: Sequence[Frame], results: list[Frame], error: BaseException | None
    ) -> Sequence[Frame]:
        """Resolve the frame at which a batch stopped; return the frames after it."""
        host = self._inline_host
        epoch.calling = None
        unlock(epoch)
        fault: BaseException | None = None
        reason: Reason | None = None
        with self._lock:
            self.direct = False
            if epoch.revoked:
                if error is None and results:
                    results.pop()
                    reason = Reason.LATE
                elif error is not None:
                    reason = Reason.LATE
            elif error is not None:
                fault, reason = error, Reason.FAULT
                if host.epoch is epoch:
                    host.park(Reason.WARMING)
            elif host.epoch is epoch:
                reason = Reason.DISABLED
            host.processed += len(results)
            self.outbox.extend(results)
            done = len(results)
            if reason is not None:
                self.resolve(frames[done], reason)
                done += 1
        self.delivering = False
        if fault is not None:
            host.report(epoch, fault)
        self.deliver()
        return frames[done:]


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
            unlock(earlier)
        return number

    def revoke(self, reason: Reason) -> None:
        """End the epoch at once, give up its running call, and suspend with ``reason``."""
        super().revoke(reason)
        if self._last is not None:
            unlock(self._last)

    @contextmanager
    def exclusive(self) -> Generator[None, None, None]:
        """Keep frames out of the processor while the worker itself calls it."""
        epoch = self._last
        if epoch is None or epoch.revoked:
            yield
            return
        epoch.lock.acquire()
        try:
            yield
        finally:
            unlock(epoch)

    def _play(self, epoch: Epoch) -> tuple[QueuedLane | None, BaseException | None]:
        epoch.lock.acquire()
        try:
            return super()._play(epoch)
        finally:
            unlock(epoch)

    def tell_settled(self, lane: QueuedLane) -> None:
        """Tell who waits for the lane or the host, after a direct call."""
        with self.lock:
            callbacks = self.settle(lane)
        for callback in callbacks:
            callback()


def unlock(epoch: Epoch) -> None:
    """Release the epoch's lock, unless `InlineHost.revoke` did so in our name."""
    try:  # noqa: SIM105 - once per frame, and a context manager costs three times as much
        epoch.lock.release()
    except RuntimeError:
        pass
