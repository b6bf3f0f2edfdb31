"""Supervised asyncio tasks, from the inside: what a coroutine that is a child of a supervisor asks and tells.

A coroutine function is a child like any other: ``ChildSpec(id="poller", start=poll, args=(url,))``. Its shutdown is a
cancellation, its crash is an exception, its normal end a return. It has started when it has taken its first step; or, if
it said `TaskContext.start_later` in that step, when it says `TaskContext.started`.

>>> from greenroom.supervision import ActorSystem
>>> async def echo():
...     async for letter in current().letters():
...         letter.reply(letter.message)
>>> with ActorSystem() as system:
...     print(system.start(echo).ask("hello"))
hello
"""

from greenroom.supervision._task_host import Letter, TaskContext
from greenroom.supervision._threads import current_task

__all__ = ["Letter", "TaskContext", "current"]


def current() -> TaskContext:
    """Return what this code is in its tree; tasks that it has made itself (`asyncio.create_task`) share it.

    Raises:
        LookupError: this is no code of a supervised task.
    """
    task: TaskContext | None = current_task.get()
    if task is None:
        raise LookupError("no supervised task runs here; ChildSpec(start=<coroutine function>) makes one")
    return task
