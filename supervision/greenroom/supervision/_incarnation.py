"""What belongs to one incarnation of an actor, and is over with it: the object, its timers, monitors and open answers.

A thread that was given up goes on with the record of *its* incarnation. So whatever it still does there, between
whichever two steps it was cut off, cannot touch the next one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

import pykka

from greenroom.supervision._future import Future
from greenroom.supervision._log import log_bug
from greenroom.supervision._mailbox import Ask
from greenroom.supervision._restart import Cause
from greenroom.supervision._superseded import SupersededError

if TYPE_CHECKING:
    from greenroom.supervision._cell import Cell
    from greenroom.supervision._place import Place


class _Untimed:
    """Stands for the budget of what cannot take any time."""

    def cancel(self) -> None:
        """Nothing to take back."""


UNTIMED: Final = _Untimed()
_NOTHING: Final = pykka.Actor.on_stop
"""What an actor does at its end that has no ``on_stop`` of its own."""


class Retry:
    """A message that crashed an incarnation and is to be tried once more."""

    __slots__ = ("error", "incarnation", "item")

    def __init__(self, item: Any, incarnation: int, error: BaseException) -> None:
        self.item = item
        self.incarnation = incarnation
        self.error = error


class Incarnation:
    """One incarnation of one cell."""

    __slots__ = (
        "actor",
        "asking",
        "cause",
        "cleaned",
        "deferred",
        "fenced",
        "ignored",
        "links",
        "monitors",
        "number",
        "quick",
        "released",
        "retrying",
        "start_timer",
        "started_ns",
        "stop_timer",
        "stops",
        "timers",
        "to_release",
        "to_stop",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.actor: Any = None
        self.asking: Ask | None = None
        """The ask being handled; changed under the cell's lock only."""
        self.cause: Cause | None = None
        self.started_ns: int | None = None
        """When it acknowledged its start."""
        self.cleaned = False
        """Whether the actor's ``on_stop`` is not to be run (any more)."""
        self.ignored = False
        self.fenced = False
        self.quick = False
        """Whether it has answered the last ask of the main thread at once; only that thread looks at it."""
        self.to_release: Any = None
        """The object whose ``on_given_up`` is due, because no thread was in its code when it was given up."""
        self.released = False
        """Whether that was run, by whomever: it may be given up again meanwhile."""
        self.retrying: Retry | None = None
        """The message that it is trying for the second time; changed by who runs it, or has given it up."""
        # Dictionaries as sets, because their order does not depend on addresses: a simulation can be repeated.
        self.deferred: dict[Future[Any], None] | None = None
        self.monitors: dict[int, Place] | None = None
        self.links: dict[Place, dict[Incarnation, None]] | None = None
        """Whom it shares its fate with; changed under the cell's lock only."""
        self.timers: dict[OwnTimer, None] | None = None
        self.stops: list[Future[Any]] | None = None
        self.to_stop: list[Any] | None = None
        self.start_timer: Any = None
        self.stop_timer: Any = None

    @property
    def is_bare(self) -> bool:
        """Whether no code of the actor's, and nobody else's, is to be run when it is stopped; under the cell's lock."""
        stop = getattr(self.actor.on_stop, "__func__", None)
        return stop is _NOTHING and not (self.deferred or self.stops or self.stop_timer)

    def keep_open(self, reply: Future[Any]) -> None:
        """Remember an ask that will be answered later, so that its asker hears of our end at the latest."""
        if self.deferred is None:
            self.deferred = {}
        self.deferred[reply] = None
        reply.add_done_callback(self._was_answered)

    def _was_answered(self, reply: Future[Any]) -> None:
        deferred = self.deferred  # looked at once: who ends it on another thread takes them all away
        if deferred is not None:
            deferred.pop(reply, None)

    def note_stop(self, ask: Ask) -> None:
        """Take a request to stop out of what is being asked: it is answered at the end. Under the cell's lock."""
        self.asking = None
        self.stops = [*(self.stops or ()), cast("Future[Any]", ask.reply)]

    def fail_deferred(self, error: BaseException) -> None:
        """Answer what was to be answered later."""
        deferred, self.deferred = self.deferred, None
        for reply in tuple(deferred or ()):
            reply.try_fail(error)

    def drop_timers_and_monitors(self) -> None:
        """Cancel all its timers, and take its monitors back. Idempotent."""
        monitors, self.monitors = self.monitors, None
        for key, target in tuple((monitors or {}).items()):
            target.unwatch(key)
        timers, self.timers = self.timers, None
        for timer in tuple(timers or ()):
            timer.cancel()

    def cancel_start_timer(self) -> None:
        """It has started, or is ending. Under the cell's lock: else a thread that is given up could be slow to do it."""
        timer, self.start_timer = self.start_timer, None
        if timer is not None:
            timer.cancel()

    def cancel_stop_timer(self) -> None:
        """It has ended. Under the cell's lock."""
        timer, self.stop_timer = self.stop_timer, None
        if timer is not None:
            timer.cancel()


class Watch:
    """Somebody wants to be told once when a cell, or one incarnation of it, is over."""

    __slots__ = ("_callback", "incarnation")

    def __init__(self, callback: Callable[[int, Cause], object], incarnation: int | None) -> None:
        self._callback = callback
        self.incarnation = incarnation

    def tell(self, which: int, cause: Cause) -> None:
        """Say so. A callback that raises is logged and harms nobody: neither the dead one nor who else watches."""
        try:
            self._callback(which, cause)
        except SupersededError:
            raise
        except BaseException as error:  # noqa: BLE001 - who watches is a guest
            log_bug("watch.callback_failed", error)


class OwnTimer:
    """A timer of one incarnation of one actor. Cancelled is cancelled, even if it was due already."""

    __slots__ = ("_args", "_cell", "_function", "_life", "handle")

    def __init__(
        self, cell: "Cell", life: Incarnation, function: Callable[..., object], args: tuple[Any, ...]
    ) -> None:
        self._cell = cell
        self._life = life
        self._function: Callable[..., object] | None = function
        self._args = args
        self.handle: Any = None

    @property
    def path(self) -> str:
        """Whose timer it is."""
        return self._cell.path

    @property
    def function(self) -> Callable[..., object] | None:
        """What it will call, unless it is cancelled."""
        return self._function

    def due(self) -> None:
        """Called by the runtime's timer: only enqueue."""
        self._cell.put_continuation(self._life, self._fire, ())

    def _fire(self) -> None:
        function, self._function = self._function, None
        if self._life.timers is not None:
            self._life.timers.pop(self, None)
        if function is not None:
            function(*self._args)

    def cancel(self) -> None:
        """Do not call it any more."""
        self._function = None
        if self.handle is not None:  # else a fence is faster than `Cell.after`, whose thread was given up
            self.handle.cancel()
        if self._life.timers is not None:
            self._life.timers.pop(self, None)
