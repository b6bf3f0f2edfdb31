"""An asyncio task under supervision: the actor that stands for it in the tree, and what the task sees of that."""

import asyncio
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from types import FrameType
from typing import Any, ClassVar, Final, TypeAlias

from greenroom.supervision._actor import Actor
from greenroom.supervision._cell import Cell
from greenroom.supervision._incarnation import Incarnation
from greenroom.supervision._mailbox import Ask
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._task_cell import Outcome, TaskCell
from greenroom.supervision._task_errors import LoopClosed
from greenroom.supervision._threads import Stack, current_task
from greenroom.supervision.errors import ActorEnding
from greenroom.supervision.signals import START_LATER, Down
from greenroom.supervision.snapshot import ActorKind

Ending: TypeAlias = tuple[Any, BaseException | None]
"""What a task returned, and what it raised."""
DEEPEST: Final = 50
"""Frames of a task's stack that are looked at."""


class Letter:
    """A message to a task, as it comes out of its mailbox.

    Attributes:
        message: what was sent.
    """

    __slots__ = ("_ask", "message")

    def __init__(self, item: Any) -> None:
        self._ask = item if type(item) is Ask else None
        self.message: Any = item if self._ask is None else self._ask.message

    @property
    def is_ask(self) -> bool:
        """Whether its sender waits for an answer. If none is given, it hears of the incarnation's end at the latest."""
        return self._ask is not None

    def reply(self, value: Any = None) -> None:
        """Answer; the first answer counts, and to a message that was told there is none to give."""
        if self._ask is not None and self._ask.reply is not None:
            self._ask.reply.try_set(value)

    def fail(self, error: BaseException) -> None:
        """Answer with an error.

        Raises:
            BadSpec: it is no exception.
        """
        if self._ask is not None and self._ask.reply is not None:
            self._ask.reply.try_fail(error)

    def __repr__(self) -> str:
        return f"<Letter {type(self.message).__name__}{' ask' if self.is_ask else ''}>"


class TaskContext:
    """What a supervised asyncio task is in its tree. The task gets it by `tasks.current()`.

    Used on the task's event loop only; what the machine calls from elsewhere says so.
    """

    def __init__(self, host: "TaskHost", loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._cell: TaskCell = host._cell  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
        self._life: Incarnation = host._life
        self._loop = loop
        self._task: asyncio.Task[Ending] | None = None
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._signals: deque[Down] = deque()
        self._monitors: set[int] = set()
        """Those of which no notice was read yet."""
        self._asked = False
        self._finished = False
        self._number = 0
        self.given_up = False
        """Whether its incarnation was fenced: whatever it still sends is refused."""
        self.reads = False
        """Whether it has ever looked for a letter."""
        self.is_starting_later = False
        """Whether it will say by `started` that it has started."""

    # -- for the task -----------------------------------------------------------------------------------------------

    @property
    def ref(self) -> ActorRef[Any]:
        """Its ref, which stays valid when it is restarted: what to hand to others."""
        ref: ActorRef[Any] = self._cell.ref
        return ref

    @property
    def path(self) -> str:
        """Where it stands in its tree."""
        return self._cell.path

    @property
    def incarnation(self) -> int:
        """Which incarnation this is, from 1."""
        return self._life.number

    def start_later(self) -> None:
        """Say, before the first ``await``, that `started` will say when it has started."""
        self.is_starting_later = True

    def started(self, extra: Any = None) -> None:
        """Say that it has started, and tell ``extra`` to whoever asked for that; the first time counts."""
        self._cell.put_control((TaskCell.hear_started, self._life, extra))

    async def receive(self) -> Letter:
        """Wait for the next letter, or the next notice of a monitor, which comes first.

        Raises:
            ActorEnding: this incarnation is ending.
            ActorFenced: it has been given up.
        """
        self.reads = True
        while True:
            waiter: asyncio.Future[None] = self._loop.create_future()
            with self._cell.lock:  # so that who puts finds either a waiter, or its letter taken
                while self._signals:
                    down = self._signals.popleft()
                    if down.monitor in self._monitors:  # else it was taken back meanwhile
                        self._monitors.discard(down.monitor)
                        return Letter(down)
                item = self._cell.take(self._life)
                if item is not None:
                    return Letter(item)
                self._waiters.append(waiter)
            if self._cell.user:
                self._cell.wake()  # a stop is next, or it has not started yet
            try:
                await waiter
            except BaseException:
                self._knock()  # somebody else may have it
                raise

    def letters(self) -> AsyncIterator[Letter]:
        """Iterate over letters as they come, until the task is cancelled or leaves the loop."""
        return _Letters(self)

    def monitor(self, ref: ActorRef[Any], *, incarnation: int | None = None) -> int:
        """Be told by a `Down` letter when ``ref`` is gone for good, or when one incarnation of it is over."""
        key = self._host.monitor(ref, incarnation=incarnation)
        if not self._host.is_live:
            self._host.demonitor(key)
            raise ActorEnding(self.path, "watch others")
        self._monitors.add(key)
        return key

    def demonitor(self, monitor: int) -> None:
        """Take a monitor back, though its notice may wait to be read; harmless if it was read."""
        self._host.demonitor(monitor)
        self._monitors.discard(monitor)

    # -- for the machine; any thread ----------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        """Whether it waits for a letter; under the cell's lock."""
        return bool(self._waiters)

    def is_on_loop(self) -> bool:
        """Whether this thread runs an event loop, which a wait would block."""
        return asyncio._get_running_loop() is not None

    def ring(self) -> None:
        """Have it look for letters; under the cell's lock."""
        waiters, self._waiters = self._waiters, deque()
        self._post(_wake, waiters)

    def signal(self, message: Down) -> None:
        """Hand it a notice, past all letters."""
        with self._cell.lock:
            self._signals.append(message)
            self.ring()

    def begin(self) -> None:
        """Start its task.

        Raises:
            LoopClosed: its loop is closed.
        """
        try:
            self._loop.call_soon_threadsafe(self._begin)
        except RuntimeError:
            raise LoopClosed(self.path) from None

    def cancel(self) -> None:
        """Cancel its task."""
        self._post(self._cancel)

    def give_up(self) -> None:
        """Refuse whatever it still does, and list it as a zombie until it is over; under the cell's lock."""
        if self.given_up:
            return
        self.given_up = True
        self._number = -self._cell.system.runtime.next_id()
        self._cell.zombies[self._number] = self
        self._cell.system.hung[self._number] = (self.path, self.incarnation)
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:  # its loop is closed: it cannot run any more
            self._finished = True
        if self._finished:
            self._is_no_zombie()

    def frames(self) -> Stack:
        """Return where it is: file, line and function of each call, the outermost first."""
        return tuple(
            (frame.f_code.co_filename, line, frame.f_code.co_qualname) for frame, line in _frames(self._task)
        )

    def stack(self) -> str:
        """Return where it is, as a text."""
        return "".join(traceback.StackSummary.extract(iter(_frames(self._task))).format())

    def _post(self, callback: Callable[..., object], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            self._cell.put_control((TaskCell.hear_lost, self._life, None))

    # -- on the loop ------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._life.fenced or not self._host.is_live:  # it was given up, or stopped, before it began
            self._over(Outcome(None, None, asked=True))
            return
        context = copy_context()
        context.run(current_task.set, self)
        self._task = self._loop.create_task(self._host.live(), name=self.path, context=context)
        self._task.add_done_callback(self._done)
        self._loop.call_soon(self._stepped)  # loops call in order, so the first step is taken before

    def _stepped(self) -> None:
        if self._task is not None and not self._task.done() and not self.is_starting_later:
            self.started()

    def _cancel(self) -> None:
        if self._task is not None and not self._task.done():
            self._asked = True
            self._task.cancel()

    def _done(self, task: "asyncio.Task[Ending]") -> None:
        result: Any = None
        error: BaseException | None = asyncio.CancelledError()
        if not task.cancelled():
            error = task.exception()
            if error is None:
                result, error = task.result()
        self._over(Outcome(result, error, self._asked))

    def _over(self, outcome: Outcome) -> None:
        self._finished = True
        self._is_no_zombie()
        self._cell.put_control((TaskCell.hear_over, self._life, outcome))

    def _is_no_zombie(self) -> None:
        self._cell.zombies.pop(self._number, None)
        self._cell.system.hung.pop(self._number, None)

    def _knock(self) -> None:
        with self._cell.lock:
            self.ring()


class _Letters:
    """Letters as they come."""

    def __init__(self, context: TaskContext) -> None:
        self._context = context

    def __aiter__(self) -> "_Letters":
        return self

    async def __anext__(self) -> Letter:
        return await self._context.receive()


class TaskHost(Actor):
    """Stands for an asyncio task in the tree; its handlers never run the task's code.

    Args:
        function: the coroutine function.
        args: its positional arguments.
        kwargs: its keyword arguments.
        loop: where its task runs; None takes the system's.
    """

    _cell_class: ClassVar[type[Cell]] = TaskCell
    actor_kind: ClassVar[ActorKind] = ActorKind.TASK
    over = True
    """Whether there is no task (any more), as the cell has heard."""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], loop: Any
    ) -> None:
        self._program = (function, args, kwargs)
        self.context = TaskContext(self, self._cell.system.loops.of(loop, self._cell.system.runtime))
        self.over = False

    @property
    def is_live(self) -> bool:
        """Whether its incarnation is neither ending nor over."""
        return self._life.cause is None and self._life is self._cell.life

    def on_start(self) -> Any:
        """Start the task; it acknowledges when it has taken its first step, or says when."""
        self.context.begin()
        return START_LATER

    def on_stop(self) -> None:
        """Nothing; but that it is here says that a stop is not over at once: the task has to end first."""

    def handle(self, message: Down) -> Any:
        """Hand on the notice of a monitor: letters never come this way."""
        self.context.signal(message)

    async def live(self) -> Ending:
        """Be the task. What its code raises is kept here: asyncio would end the loop for a SystemExit."""
        function, args, kwargs = self._program
        try:
            return await function(*args, **kwargs), None
        except (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - every error is this task's crash, nobody else's
            return None, error


def _wake(waiters: "deque[asyncio.Future[None]]") -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


def _frames(task: "asyncio.Task[Any] | None") -> list[tuple[FrameType, int]]:
    """Return the frames of a task that waits, the outermost first, by going down what it awaits."""
    found: list[tuple[FrameType, int]] = []
    awaited: Any = None if task is None else task.get_coro()
    while awaited is not None and len(found) < DEEPEST:
        frame: FrameType | None = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            break
        found.append((frame, frame.f_lineno))
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return found
