"""The gate between the lanes of a processor and the instance that its present worker has built."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from greenroom.actors._guard import FrameReceiver, Tally
from greenroom.actors._inline import InlineHost
from greenroom.actors._threaded import ThreadHost
from greenroom.actors.frames import Frame
from greenroom.actors.processors import Placement, Processor, ProcessorSpec, Reason
from greenroom.supervision.runtime import Executor, Runtime


class Lane(Protocol):
    """One stream's way through one processor; a `FrameReceiver`, so lanes chain.

    Backpressure is not a lane's business: `StreamHead` lets only so many frames into a stream at a time. A lane
    never holds more than ``capacity_frames``: in real time the oldest waiting frame is resolved as ``overflow``.
    """

    def push(self, frames: Sequence[Frame]) -> None:
        """Take frames: any one thread at a time. After `close` they are dropped and counted ``closed``."""
        ...

    def send(self, frame: Frame) -> None:
        """Take one frame: the same as ``push((frame,))``, at less cost."""
        ...

    def close(self, on_drained: Callable[[], None], *, discard: bool = False) -> None:
        """No more frames will come. Calls ``on_drained()`` once, on any thread, when nothing is left inside.

        What is inside still comes out, processed or by the policy; with ``discard`` it is dropped and counted
        ``closed`` (but a call that runs is waited for). Then the lane has left its host.
        """
        ...


class Host(Protocol):
    """One per ProcessorActor. `ThreadHost` and `InlineHost` are the two; `host_for` picks by placement.

    All methods may be called from any thread unless they say otherwise. None but `watch` and the lanes' own
    ``push`` runs downstream code: what `suspend` and `revoke` resolve goes out with the next of these two,
    so `watch` must be called every 10-20 ms as long as the host has lanes.
    """

    def lane(self, downstream: FrameReceiver, tally: Tally, lease_id: int | None = None) -> Lane:
        """Open a way through the processor whose results go to ``downstream``.

        Args:
            downstream: gets what comes out.
            tally: counts what does not, or not processed.
            lease_id: whose lane it is; with that lease its right to be processed ends. None: nobody's, for tests.
        """
        ...

    def lend(self, lease_id: int) -> None:
        """A lease was granted: it may have a lane."""
        ...

    def bar(self, lease_id: int) -> None:
        """A lease has ended. Frames that still come by its lane go round the processor, as ``warming``.

        In order a stream closes its lane before it gives its lease back. But a lease may end first: with the room that a
        track was being moved to, say; and what the processor knows is then not whose audio this is.
        """
        ...

    def install(self, processor: Processor, executor: Executor) -> int:
        """Let frames flow through ``processor`` from now on; return the number of this epoch (1, 2, 3 ...).

        Called on the worker's thread, when the instance is built and its context applied. ``executor`` is the
        worker's own. Any earlier epoch is revoked.
        """
        ...

    def suspend(self, reason: Reason) -> None:
        """Start no further call. Frames, also those waiting, follow the policy with ``reason``.

        In a host that waits, frames stay in their lanes while ``reason`` is ``warming``. The call that runs, if
        any, may still deliver.
        """
        ...

    def revoke(self, reason: Reason) -> None:
        """End the epoch at once, and suspend with ``reason``: the worker hangs or is fenced.

        The frame inside the running call comes out by the policy as ``late``; whatever the call still returns or
        raises is thrown away, and the processor is not called any more.
        """
        ...

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep frames out of the processor while the worker itself calls it (context, close).

        Frames wait for it meanwhile; `revoke` lets them go on if the worker hangs in there.
        """
        ...

    def watch(self, now_ns: int) -> int | None:
        """Resolve frames older than the deadline, deliver what is due; return since when a call hangs, or None.

        Called by one thread at a time, every 10-20 ms, on a thread that may run downstream code. Says the same
        until the epoch is revoked. A frame's age is known to within the time between two calls.
        """
        ...

    def calling(self, processor: Processor) -> bool:
        """Whether a call of ``processor`` is under way on the worker's thread.

        If its epoch is revoked, ``on_late_return`` will be told when it is not any more.
        """
        ...

    def quiesce(self, on_idle: Callable[[], None]) -> None:
        """No lane will send any more: call ``on_idle()`` once when no call runs and nothing waits.

        Afterwards the processor is never called through this host. A call of a revoked epoch is not waited
        for. In a host that waits, frames wait for the next `install`; `suspend` with ``degraded`` ends that.
        """
        ...

    def counts(self) -> Mapping[Reason, int]:
        """Return how many frames did not come out processed, by reason, since the host was made."""
        ...

    @property
    def processed(self) -> int:
        """How many frames came out processed."""
        ...


def host_for(
    spec: ProcessorSpec,
    *,
    runtime: Runtime,
    wait: bool,
    on_fault: Callable[[int, BaseException], None],
    on_late_return: Callable[[Processor], None],
) -> Host:
    """Make the host for ``spec.placement``, suspended as ``warming`` until the first `Host.install`.

    Args:
        spec: placement, policy, deadline, hang limit and capacity come from here.
        runtime: for locks.
        wait: FAST pace: no frame is late, and frames wait for a processor that is being built.
        on_fault: told once per epoch, with its number, that the processor raised (`_process` or ``enabled``) or
            returned a `WrongFrame`; the host has suspended itself (warming). Any thread; may only enqueue.
        on_late_return: told on the worker's thread that a call of a revoked epoch has come back: its processor
            is free now, and nothing calls it any more.
    """
    kind = InlineHost if spec.placement is Placement.INLINE else ThreadHost
    return kind(spec, runtime=runtime, wait=wait, on_fault=on_fault, on_late_return=on_late_return)
