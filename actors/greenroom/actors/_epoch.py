"""The time of one processor instance in a host; also the task that gives the host's lanes their turns."""

from collections.abc import Callable

from greenroom.actors._lanes import QueuedLane
from greenroom.actors._turnstile import Turnstile
from greenroom.actors.processors import Processor
from greenroom.supervision.runtime import Executor, Runtime


class Epoch:
    """The time of one processor instance in a host, from `install` to `suspend`, `revoke` or a fault.

    Attributes:
        detained: it was revoked while somebody was inside a direct call.
        excluded: its worker is in a call of its own; a turn in the meantime is on another thread than the worker's.
        inside: the lane whose frame the worker's thread is having processed.
    """

    __slots__ = (
        "_turn",
        "detained",
        "excluded",
        "executor",
        "gate",
        "inside",
        "limit",
        "number",
        "process",
        "processor",
        "revoked",
        "scheduled",
    )

    def __init__(
        self,
        runtime: Runtime,
        turn: Callable[["Epoch"], None],
        processor: Processor,
        executor: Executor,
        number: int,
    ) -> None:
        self._turn = turn
        self.processor = processor
        self.process = processor._process  # pyright: ignore[reportPrivateUsage] - the contract's name
        self.executor = executor
        self.number = number
        self.gate = Turnstile(runtime)
        self.inside: QueuedLane | None = None
        self.detained = False
        self.excluded = False
        self.limit = 1
        self.revoked = False
        self.scheduled = False

    @property
    def calling(self) -> QueuedLane | None:
        """The lane whose frame is being processed, unless that call is given up."""
        return None if self.revoked else self.inside

    def run(self) -> None:
        """Take one turn: the epoch is the task that its host submits."""
        self._turn(self)
