"""How a place in the tree is made for an actor class or a coroutine function: what it is given is checked, nothing runs."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeAlias

from greenroom.supervision import _checks
from greenroom.supervision._budgets import SHUTDOWN_NS
from greenroom.supervision._caller import CallerRef
from greenroom.supervision._cell import Cell
from greenroom.supervision._collecting import full_collections
from greenroom.supervision._given import LONGEST_NS
from greenroom.supervision._liveness import Liveness
from greenroom.supervision._place import POOLED
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._watched import WatchedCell
from greenroom.supervision.errors import BadSpec
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.spec import DEFAULT_MAILBOX, LONGEST_ID, MailboxSpec

TaskFunction: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]
"""What is run as an asyncio task."""
START_NS: Final = 30_000_000_000
STARTABLE: Final = "a subclass of greenroom.supervision.Actor, or a coroutine function"


def make_cell(
    system: Any,
    parent: Cell | None,
    name: str,
    actor_class: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    dispatcher: Dispatcher | None,
    mailbox: MailboxSpec = DEFAULT_MAILBOX,
    shutdown_ns: int | None = SHUTDOWN_NS,
    start_ns: int | None = START_NS,
    register: str | None = None,
    liveness: Liveness | None = None,
    record_messages: bool = False,
) -> Cell:
    """Make a cell for an actor class or a coroutine function, with its ref; nothing runs yet.

    Raises:
        BadSpec: one of these is wrong.
    """
    _check(name, dispatcher, mailbox, shutdown_ns, start_ns, register)
    if type(args) is not tuple:
        _checks.arguments("args", args)
    if not isinstance(actor_class, type):
        from greenroom.supervision._program import (  # noqa: PLC0415 - it knows actors
            is_coroutine_function,
            program_of,
        )

        if not is_coroutine_function(actor_class):
            raise BadSpec("actor_class", actor_class, STARTABLE)
        actor_class, args, kwargs = program_of(actor_class, args, kwargs)
    make: Callable[..., Cell] | None = getattr(actor_class, "_cell_class", None)
    if make is None:
        raise BadSpec("actor_class", actor_class, STARTABLE)
    if liveness is not None:
        _checks.instance("liveness", liveness, Liveness)
        if make is not Cell:
            raise BadSpec("liveness", liveness, "left out: an asyncio task's steps are the event loop's")
    record_messages = _checks.boolean("record_messages", record_messages) or system.record_messages
    if make is Cell and (liveness is not None or record_messages):
        make = partial(WatchedCell, liveness=liveness, record_messages=record_messages)
    cell = make(
        system,
        parent,
        name,
        actor_class,
        args,
        kwargs,
        dispatcher=_own_dispatcher(actor_class) if dispatcher is None else dispatcher,
        mailbox=mailbox,
        shutdown_ns=shutdown_ns,
        start_ns=start_ns,
        register=register,
    )
    cell.ref_type = _ref_type_of(cell, plain=make is Cell)
    full_collections.one_more()
    return cell


def _ref_type_of(cell: Cell, *, plain: bool) -> Any:
    """Return what refers to a cell: who asks one that is `plain`, and on the pool, may run its handler."""
    return (
        CallerRef if plain and cell.dispatcher in POOLED and not cell.system.runtime.simulated else ActorRef
    )


def _own_dispatcher(actor_class: Any) -> Dispatcher:
    own: Dispatcher = actor_class.dispatcher
    return own


def spawned(
    parent: Cell, name: str, actor_class: Any, args: tuple[Any, ...], kwargs: dict[str, Any], **given: Any
) -> ActorRef[Any]:
    """Start a child of ``parent``, whose handler this is, without waiting; ``given`` as for `make_cell`.

    What is for the child's constructor has a mapping of its own here, so it may be called as it likes: ``name``, too.

    Raises:
        BadSpec: something about it is wrong.
        ActorEnding: the parent is ending.
    """
    cell = make_cell(parent.system, parent, name, actor_class, args, kwargs, **given)
    parent.adopt(cell)
    ref: ActorRef[Any] = cell.ref
    return ref


def _check(
    name: object,
    dispatcher: object,
    mailbox: object,
    shutdown_ns: int | None,
    start_ns: int | None,
    register: object,
) -> None:
    _checks.text("name", name, most=LONGEST_ID)
    if register is not None:
        _checks.text("register", register, most=LONGEST_ID)
    if dispatcher is not None:
        _checks.member("dispatcher", dispatcher, Dispatcher)
    _checks.instance("mailbox", mailbox, MailboxSpec)
    if shutdown_ns is not None:
        least, or_else = 0, ", or None to wait for ever"
        _checks.integer("shutdown_ns", shutdown_ns, least=least, most=LONGEST_NS, or_else=or_else)
    if start_ns is not None:
        _checks.integer("start_ns", start_ns, least=1, most=LONGEST_NS, or_else=", or None to wait for ever")
