"""What goes wrong with event loops: for asyncio tasks, and for whoever waits on a loop."""

from greenroom.supervision.errors import BlockingInHandler, SupervisionError


class BlockingOnLoop(BlockingInHandler):
    """Code on an event loop tried to wait for what that loop, or others on it, may have to bring."""

    def __init__(self, actor: str, what: str, instead: str) -> None:
        self.actor = actor
        self.what = what
        RuntimeError.__init__(
            self, f"{actor!r} called {what} on an event loop, which it would block; {instead}"
        )


class LoopClosed(SupervisionError, RuntimeError):  # noqa: N818 - as the errors in `errors`
    """The event loop of an asyncio task is closed: the task cannot run on it, or go on.

    Attributes:
        task: its path.
    """

    def __init__(self, task: str) -> None:
        self.task = task
        super().__init__(f"the event loop of task {task!r} is closed; it cannot run there")
