"""Teardown asserts: a test that leaves an actor, a timer or a thread behind fails; how it set logging up ends with it."""

import logging
import threading
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import pytest
import structlog

from greenroom.supervision._default import close_default_system
from greenroom.supervision._system import ActorSystem

_systems: WeakSet[ActorSystem] = WeakSet()
_init = ActorSystem.__init__


def _remember(self: ActorSystem, *args: Any, **kwargs: Any) -> None:
    _init(self, *args, **kwargs)
    _systems.add(self)


ActorSystem.__init__ = _remember  # type: ignore[method-assign]


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("greenroom-")}


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Compare what there is after a test with what there was before it."""
    before, systems = _threads(), set(_systems)
    yield
    close_default_system()
    made = set(_systems) - systems
    left = [cell.path for system in made for cell in system.roots()]
    assert not left, f"actors were left: {left}"
    timers = {system: system.runtime.live_timers() for system in made}
    assert not any(timers.values()), f"timers were left: {timers.values()}"
    threads = [thread.name for thread in _threads() - before]
    assert not threads, f"threads were left: {threads}"


@pytest.fixture(autouse=True)
def _logging_is_as_it_was() -> Iterator[None]:
    """Undo what the command under test set up for its process."""
    loggers = [logging.getLogger(name) for name in (None, "greenroom")]
    before = [(each, each.level, each.propagate, each.disabled, list(each.handlers)) for each in loggers]
    yield
    structlog.reset_defaults()
    for logger, level, propagate, disabled, handlers in before:
        logger.setLevel(level)
        logger.propagate, logger.disabled = propagate, disabled
        logger.handlers[:] = handlers
