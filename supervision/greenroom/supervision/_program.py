"""What a child runs: an `Actor` class as it is, or a coroutine function inside the actor that hosts its asyncio task."""

import inspect
from typing import Any, TypeAlias, cast

from greenroom.supervision._actor import Actor
from greenroom.supervision._making import STARTABLE
from greenroom.supervision.errors import BadSpec
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.spec import ChildSpec, OnCrash

Program: TypeAlias = tuple[type[Actor], tuple[Any, ...], dict[str, Any]]
"""A class and what its constructor is given at each start."""


def is_coroutine_function(start: object) -> bool:
    """Whether calling ``start`` gives a coroutine: an ``async def``, a partial of one, an object that is called so."""
    return inspect.iscoroutinefunction(start) or inspect.iscoroutinefunction(getattr(start, "__call__", None))  # noqa: B004


def check_startable(spec: ChildSpec) -> None:
    """Refuse a spec whose ``start`` nobody can run, or that asks for what its kind of child does not have.

    Raises:
        BadSpec: it is neither an actor class nor a coroutine function; a task with a dispatcher; an actor with a loop.
    """
    given = cast("object", spec.start)
    if isinstance(given, type) and issubclass(given, Actor):
        if spec.loop is not None:
            raise BadSpec("ChildSpec.loop", spec.loop, f"None for {spec.id!r}: actors run on no event loop")
        return
    if isinstance(given, type) or not is_coroutine_function(given):
        raise BadSpec("ChildSpec.start", given, STARTABLE)
    if spec.dispatcher is not Dispatcher.POOL:
        what = f"left out for {spec.id!r}: an asyncio task runs on an event loop (ChildSpec.loop)"
        raise BadSpec("ChildSpec.dispatcher", spec.dispatcher, what)
    if spec.liveness is not None or spec.record_messages:
        name = "record_messages" if spec.liveness is None else "liveness"
        what = (
            f"left out for {spec.id!r}: a task takes its letters itself, and its steps are the event loop's"
        )
        raise BadSpec(f"ChildSpec.{name}", getattr(spec, name), what)
    if spec.mailbox.on_crash is not OnCrash.DROP:
        what = f"OnCrash.DROP for {spec.id!r}: a task takes its letters itself, so none is known to have crashed it"
        raise BadSpec("MailboxSpec.on_crash", spec.mailbox.on_crash, what)


def class_of(spec: ChildSpec) -> type[Actor]:
    """Return the class of what stands for a child in the tree."""
    return program_of_spec(spec, ())[0]


def program_of(start: Any, args: tuple[Any, ...], kwargs: dict[str, Any], loop: Any = None) -> Program:
    """Return the actor class that runs ``start``, and its arguments."""
    if isinstance(start, type):
        return start, args, kwargs
    from greenroom.supervision._task_host import TaskHost  # noqa: PLC0415 - only who has tasks needs asyncio

    return TaskHost, (start, args, kwargs, loop), {}


def program_of_spec(spec: ChildSpec, shared_args: tuple[Any, ...]) -> Program:
    """Return what a child of this spec runs; arguments that all children share come first."""
    return program_of(spec.start, (*shared_args, *spec.args), dict(spec.kwargs), spec.loop)
