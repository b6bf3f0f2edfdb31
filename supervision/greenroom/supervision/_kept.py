"""What the machine side of a supervisor keeps for each child."""

from dataclasses import dataclass
from typing import Any

from greenroom.supervision._admin import StartedChild
from greenroom.supervision._future import Future
from greenroom.supervision._incarnation import OwnTimer
from greenroom.supervision._ref import ActorRef


@dataclass(slots=True)
class Kept:
    """What is kept for a child that was started at least once."""

    ref: ActorRef[Any]
    timer: OwnTimer | None = None
    due_ns: int = 0
    starting: tuple[Future[Any], ...] = ()
    stopping: tuple[Future[Any], ...] = ()

    def has_started(self, what: StartedChild) -> None:
        """Answer those who asked for its start."""
        replies, self.starting = self.starting, ()
        for reply in replies:
            reply.try_set(what)

    def is_over(self) -> None:
        """Answer those who asked for its stop."""
        replies, self.stopping = self.stopping, ()
        for reply in replies:
            reply.try_set(None)
