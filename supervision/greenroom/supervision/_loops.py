"""The event loop that a real runtime has of its own, on a thread of its own; made when the first task needs it."""

import asyncio
from contextlib import suppress
from logging import WARNING
from typing import Final

from greenroom.supervision._log import log_bug, say
from greenroom.supervision._pool import Pool

END_S: Final = 1.0
"""How long the loop waits, when it ends, for what was left on it and has been cancelled."""


class OwnLoop:
    """An event loop that one thread runs until it is closed.

    Args:
        pool: has the one thread, which does nothing else.
    """

    def __init__(self, pool: Pool) -> None:
        self.loop = asyncio.new_event_loop()
        self.pool = pool
        self._closing = False
        pool.submit(self)

    def run(self) -> None:
        """Be run by the thread: run the loop, whatever its callbacks do to it, until it is to end."""
        while not self._closing and not self.loop.is_closed():
            try:
                self.loop.run_forever()
            except BaseException as error:  # noqa: BLE001 - asyncio lets SystemExit through; it is one task's, not ours
                log_bug("runtime.loop_failed", error)
        if self.loop.is_closed():  # somebody else's doing: its tasks hear of it by their next message
            return
        try:
            self.loop.run_until_complete(self._end())
        finally:
            self.loop.close()

    async def _end(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if not left:
            return
        say(WARNING, "runtime.tasks_left", count=len(left))
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=END_S)

    def close(self) -> None:
        """Have the loop cancel what is left on it, and end."""
        self._closing = True
        with suppress(RuntimeError):  # somebody has closed it
            self.loop.call_soon_threadsafe(self.loop.stop)
