"""The watch: looks at all lanes every few milliseconds, so that no frame and no hung call is forgotten."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final

from greenroom.actors._env import Env
from greenroom.actors._leasing import Hung
from greenroom.actors.processors import Reason
from greenroom.supervision import Actor, ActorRef, Dispatcher

WATCH_NS: Final = 10_000_000
"""How often lanes are looked at: how late a late frame may be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """There is a processor to watch."""


class WatchActor(Actor):
    """Calls every host's `watch` while there are processors. On a blocking thread: it may run downstream code."""

    dispatcher: ClassVar = Dispatcher.BLOCKING

    def __init__(self, env: Env) -> None:
        self._env = env
        self._awake = False

    def on_start(self) -> None:
        """Be woken by the first processor."""
        me = self.actor_ref
        self._env.on_processor = partial(_wake, me)
        self._look()

    def on_receive(self, message: Any) -> Any:
        """Start looking."""
        if not isinstance(message, Wake):
            return super().on_receive(message)
        if not self._awake:
            self._look()
        return None

    def _look(self) -> None:
        books = list(self._env.processors.copy().values())
        now_ns = self.runtime.now_ns()
        for book in books:
            host, actor = book.host, book.actor  # looked up once: a book that is over lets go of them
            if host is not None and host.watch(now_ns) is not None and not book.hung and actor is not None:
                actor.send(Hung())
        leaving = list(self._env.leaving.copy())
        for book in leaving:
            host = book.host
            if host is not None and host.watch(now_ns) is not None:
                host.revoke(Reason.DEGRADED)
        self._awake = bool(books or leaving)
        if self._awake:
            self.after(WATCH_NS, self._look)


def _wake(watch: ActorRef[Any]) -> None:
    watch.send(Wake())
