"""The cell of an actor that is watched: its messages are stamped, and its handlers timed or recorded.

What that costs is paid by these alone: `Cell` knows nothing of it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, cast

from greenroom.supervision._cell import Cell
from greenroom.supervision._incarnation import Incarnation, OwnTimer
from greenroom.supervision._liveness import Liveness
from greenroom.supervision._mailbox import Ask
from greenroom.supervision._place import RUNNING
from greenroom.supervision._restart import Cause
from greenroom.supervision._vigil import Vigil
from greenroom.supervision.signals import ChildSignal
from greenroom.supervision.snapshot import FlightKind


class StampedLane(deque[Any]):
    """A user lane that knows when each message came in; to everybody else it is a deque of messages.

    Each step is one call of a deque's own, so several threads may take it at once, as with a plain one.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        super().__init__()
        self._now_ns = now_ns
        self.taken: tuple[Any, int] | None = None
        """The last one that was taken out, and when it had come in."""

    def append(self, item: Any, /) -> None:
        super().append((item, self._now_ns()))

    def appendleft(self, item: Any, /) -> None:
        """Put a message back: it is no younger than the next one."""
        oldest = self.oldest()
        super().appendleft((item, self._now_ns() if oldest is None else oldest[1]))

    def extendleft(self, items: Iterable[Any], /) -> None:
        for item in items:
            self.appendleft(item)

    def popleft(self) -> Any:
        self.taken = taken = super().popleft()
        return taken[0]

    def __getitem__(self, index: Any, /) -> Any:
        return super().__getitem__(index)[0]

    def oldest(self) -> tuple[Any, int] | None:
        """Return the message that comes next, and when it came in."""
        try:
            found: tuple[Any, int] = super().__getitem__(0)
        except IndexError:
            return None
        return found


class WatchedCell(Cell):
    """A cell with a liveness budget, or whose messages are recorded."""

    __slots__ = ("liveness", "record_messages", "vigil")

    is_watched: ClassVar[bool] = True

    def __init__(self, *args: Any, liveness: Liveness | None, record_messages: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.liveness = liveness
        self.record_messages = record_messages
        self.vigil: Vigil | None = None

    # -- the mailbox -----------------------------------------------------------------------------------------

    def _open(self) -> deque[Any]:
        lane = StampedLane(self.system.runtime.now_ns)
        with self.lock:
            if self.user is None:
                self.user = lane
            return self.user

    @property
    def _lane(self) -> StampedLane | None:
        return cast("StampedLane | None", self.user)

    def put(self, item: Any, timeout: float | None = None) -> bool:
        """Put a user message in, and have an eye on how long it waits."""
        if not super().put(item, timeout):
            return False
        vigil = self.vigil
        if vigil is not None:
            vigil.arm()
        return True

    def oldest_item(self) -> tuple[Any, int] | None:
        """Return the message that comes next, and when it came in."""
        lane = self._lane
        return None if lane is None else lane.oldest()

    def oldest_ns(self) -> tuple[int, bool] | None:
        """Return since when the oldest user message has waited; that is exact here."""
        oldest = self.oldest_item()
        return None if oldest is None else (oldest[1], True)

    @staticmethod
    def name_of(item: Any) -> str:
        """Name a message by its type."""
        return type(item.message if type(item) is Ask else item).__name__

    # -- handlers --------------------------------------------------------------------------------------------

    def _receive(self, message: Any, life: Incarnation, epoch: int) -> None:
        self._watched(super()._receive, message, life, epoch)

    def _answer(self, ask: Ask, life: Incarnation, epoch: int) -> None:
        self._watched(super()._answer, ask, life, epoch)

    def _watched(
        self, handle: Callable[[Any, Incarnation, int], None], item: Any, life: Incarnation, epoch: int
    ) -> None:
        name, vigil = self.name_of(item), self.vigil
        if self.record_messages:
            self.note(FlightKind.MESSAGE, name, life.number)
        if vigil is None:
            handle(item, life, epoch)
            return
        lane = self._lane
        taken = None if lane is None else lane.taken
        vigil.begin(name)
        handle(item, life, epoch)
        vigil.done(taken[1] if taken is not None and taken[0] is item else None, epoch)

    def foreign(self, life: Incarnation, epoch: int, function: Callable[..., Any], *args: Any) -> None:
        """Run the actor's code outside of a message: as a handler, unless the end has begun (then it is ``on_stop``)."""
        vigil = self.vigil
        if vigil is None:
            super().foreign(life, epoch, function, *args)
            return
        vigil.begin(_name_of(function, args))
        super().foreign(life, epoch, function, *args)
        vigil.done(None, epoch)

    def hear_child(self, life: Any, signal: ChildSignal, epoch: int) -> None:
        """Hear how a child fares: a handler like others."""
        vigil = self.vigil
        if vigil is not None:
            vigil.begin(type(signal).__name__)
        super().hear_child(life, signal, epoch)
        if vigil is not None:
            vigil.done(None, epoch)

    # -- incarnations ----------------------------------------------------------------------------------------

    def acknowledge(self, extra: Any, life: Incarnation, epoch: int | None = None) -> None:
        """Say that it has started; the watch begins."""
        super().acknowledge(extra, life, epoch)
        rules = self.liveness
        if rules is None:
            return
        with self.lock:
            if life is not self.life or self.state != RUNNING or self.vigil is not None:
                return
            self.vigil = vigil = Vigil(self, life, rules)
        vigil.arm()

    def _enter_end(self, life: Incarnation, epoch: int, cause: Cause) -> None:
        super()._enter_end(life, epoch, cause)
        vigil, self.vigil = self.vigil, None
        if vigil is not None:
            vigil.close()

    def end_late(self, life: Incarnation, error: BaseException, epoch: int) -> None:
        """End an incarnation that was found to be unresponsive: a control item."""
        if life is self.life and self.state == RUNNING:
            self.crash(error, life, epoch)

    def end_fenced(self, life: Incarnation, why: str, epoch: int) -> None:
        """End an incarnation as given up whose handler has returned."""
        life.to_release = life.actor
        self._fenced(life, why, epoch)


def _name_of(function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """Name what is run outside of a message: a signal by its type, a timer or continuation by its function."""
    if args and getattr(function, "__name__", "") == "handle":  # of a monitor's notice
        return type(args[0]).__name__
    owner = getattr(function, "__self__", None)
    function = (owner.function if isinstance(owner, OwnTimer) else None) or function
    return str(getattr(function, "__qualname__", type(function).__name__))
