"""Who waits for the start, or the end, of which child."""

from collections.abc import Callable
from typing import Any, TypeAlias

from greenroom.supervision._future import Future

Opener: TypeAlias = Callable[[], Future[Any]]
"""Gives the future that is to be answered; called once it is sure that the request is not refused."""
Waiting: TypeAlias = dict[str, tuple[Future[Any], ...]]
"""Those who wait, by child."""


def answer(waiting: Waiting, child: str, what: Any) -> None:
    """Answer all who wait for ``child``."""
    for reply in waiting.pop(child, ()):
        reply.try_set(what)


def answered(reply: Future[Any]) -> Future[Any]:
    """Answer somebody who does not have to wait."""
    reply.try_set(None)
    return reply
