"""Every error of this floor: whose fault it is, with its facts as attributes.

`SupervisionError` is the base; each leaf is also the builtin (or the Pykka error) that it is, so code that
catches those keeps working. The classes build their own texts. None shows the text of another exception or an
argument of a child: either may hold a secret, and the traceback has the cause anyway.
"""
# ruff: noqa: N818  these names say what happened; the base class says that it is an error

import difflib
import reprlib
from collections.abc import Iterable
from typing import Final

import pykka

SHOWN_NAMES: Final = 10
"""How many known names an error lists; the attribute has all of them."""
COMPARED_NAMES: Final = 1000
"""Among how many known names the nearest one is looked for, so that an error in a large family costs little."""


class SupervisionError(Exception):
    """Base of every error of ``greenroom.supervision``."""


class BadSpec(SupervisionError, ValueError):
    """A field of a spec has a wrong value; nothing was started.

    Attributes:
        field: its name, with its class: ``ChildSpec.start_ns``.
        value: what was given.
        hint: what would do.
    """

    def __init__(self, field: str, value: object, hint: str) -> None:
        self.field = field
        self.value = value
        self.hint = hint
        super().__init__(f"{field} is {reprlib.repr(value)}; it must be {hint}")


class ActorDead(SupervisionError, pykka.ActorDeadError):
    """The actor is gone, so the message was not delivered.

    Attributes:
        actor: its name.
        incarnation: the incarnation that was addressed, or None where it is not known.
    """

    _what = "is dead"

    def __init__(self, actor: str, incarnation: int | None = None) -> None:
        self.actor = actor
        self.incarnation = incarnation
        super().__init__(f"{_named(actor, incarnation)} {self._what}")


class ActorStopped(ActorDead):
    """The actor stopped in order before it came to the message. The message was not handled."""

    _what = "stopped before it answered; the message was not handled"


class ActorFenced(ActorDead):
    """The incarnation was fenced: what it was doing may still run, but nothing of it is accepted any more."""

    _what = "was fenced before it answered; the message may have been handled in part"


class ActorEnding(SupervisionError, RuntimeError):
    """The actor is ending and cannot begin anything any more: it could not see it through.

    Attributes:
        actor: its name.
        what: what it tried to begin.
    """

    def __init__(self, actor: str, what: str = "start children") -> None:
        self.actor = actor
        self.what = what
        super().__init__(f"actor {actor!r} is ending; it cannot {what} any more")


class ActorCrashed(SupervisionError, RuntimeError):
    """The actor crashed while it handled the message; a supervisor may have restarted it since.

    Attributes:
        actor: its name.
        incarnation: the incarnation that crashed.
        cause: what it raised; also the ``__cause__``.
    """

    def __init__(self, actor: str, incarnation: int, cause: BaseException) -> None:
        self.actor = actor
        self.incarnation = incarnation
        self.cause = cause
        super().__init__(f"{_named(actor, incarnation)} crashed with {type(cause).__name__}")
        self.__cause__ = cause


class Unresponsive(SupervisionError, TimeoutError):
    """What an incarnation crashed with that had spent its liveness budget (`Liveness`).

    Attributes:
        actor: its path.
        why: what took too long.
    """

    def __init__(self, actor: str, why: str) -> None:
        self.actor = actor
        self.why = why
        super().__init__(f"actor {actor!r} is not responsive: {why}")


class MailboxFull(SupervisionError, RuntimeError):
    """The mailbox is at its capacity and its policy is to fail; the message was not delivered.

    Attributes:
        actor: whose mailbox.
        capacity: how many messages it holds.
    """

    def __init__(self, actor: str, capacity: int) -> None:
        self.actor = actor
        self.capacity = capacity
        super().__init__(f"the mailbox of actor {actor!r} is full ({capacity} messages)")


class AskTimeout(SupervisionError, pykka.Timeout, TimeoutError):
    """No answer came in time. It does *not* say that the message was not, or will not be, handled.

    Attributes:
        actor: who was asked.
        timeout_ns: how long the answer was waited for.
    """

    def __init__(self, actor: str, timeout_ns: int) -> None:
        self.actor = actor
        self.timeout_ns = timeout_ns
        super().__init__(f"no answer from actor {actor!r} within {timeout_ns / 1e9:g} s; it may still come")


class BlockingInHandler(SupervisionError, RuntimeError):
    """A handler on the shared pool tried to wait, which would stop other actors or hang all of them.

    Under simulation nobody may wait, on whatever thread: there is only one.

    Attributes:
        actor: whose handler.
        what: what it called.
        where: under simulation: file, line and function of the call.
    """

    def __init__(self, actor: str, what: str, where: str = "") -> None:
        self.actor = actor
        self.what = what
        self.where = where
        super().__init__(
            f"actor {actor!r} called {what} at {where}, in a simulation, in which nothing waits; "
            "go on in a message instead, or let time pass with the runtime's `linger`"
            if where
            else f"actor {actor!r} called {what} in a handler on the shared pool; go on in a message instead, "
            "or give the actor a thread of its own (Dispatcher.PINNED)",
        )


class AskCycle(SupervisionError, RuntimeError):
    """Actors would wait for each other in a circle, for ever; the one that would have closed it gets this instead.

    Where an ask or a tell is refused by this, its message was not sent. A ``get()`` of an earlier answer that is
    refused leaves the answer as it is.

    Attributes:
        path: the paths of all in the circle, in the order in which each waits for the next; the last is the first.
    """

    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path
        circle = " waits for ".join(repr(each) for each in path)
        super().__init__(f"this would wait for ever: {circle}")


class StartFailed(SupervisionError, RuntimeError):
    """A child did not start; nothing of it is left.

    Attributes:
        child: its id.
        cause: what its start raised; also the ``__cause__``.
    """

    def __init__(self, child: str, cause: BaseException) -> None:
        self.child = child
        self.cause = cause
        super().__init__(f"child {child!r} failed to start with {type(cause).__name__}")
        self.__cause__ = cause


class ChildNotFound(SupervisionError, LookupError):
    """The supervisor has no child of that id.

    Attributes:
        child: the id that was asked for.
        known: the ids that there are.
        nearest: the known id that is most like it, or None.
    """

    def __init__(self, child: str, known: Iterable[str] = ()) -> None:
        self.child = child
        self.known = tuple(known)
        self.nearest = next(iter(difflib.get_close_matches(child, self.known[:COMPARED_NAMES], n=1)), None)
        super().__init__(f"no child {child!r}; {self._hint()}")

    def _hint(self) -> str:
        if not self.known:
            return "there are none"
        nearest = f"did you mean {self.nearest!r}? " if self.nearest else ""
        more = ", ..." if len(self.known) > SHOWN_NAMES else ""
        return f"{nearest}known: {', '.join(self.known[:SHOWN_NAMES])}{more}"


class ChildError(SupervisionError, RuntimeError):
    """The supervisor cannot do that with this child in its present state: base of the four that follow.

    Attributes:
        child: its id.
    """

    _state = "is not in a state for that"

    def __init__(self, child: str) -> None:
        self.child = child
        super().__init__(f"child {child!r} {self._state}")


class AlreadyStarted(ChildError):
    """A child of this id runs.

    Attributes:
        ref: the ref of the one that runs, or None where it is not known.
    """

    _state = "is already started"

    def __init__(self, child: str, ref: object = None) -> None:
        self.ref = ref
        super().__init__(child)


class AlreadyPresent(ChildError):
    """A child of this id is known and does not run: it is stopped, or being restarted."""

    _state = "is already present and does not run; restart it, or stop and delete it first"


class ChildRunning(ChildError):
    """The child runs."""

    _state = "is running; stop it first"


class ChildRestarting(ChildError):
    """The child is being restarted, or waits for it."""

    _state = "is being restarted; wait for it, or stop it to end the attempts"


class NotForDynamic(SupervisionError, RuntimeError):
    """A dynamic supervisor keeps no stopped children, so there is nothing to restart or delete.

    Attributes:
        supervisor: its name.
        what: what was asked for.
    """

    def __init__(self, supervisor: str, what: str) -> None:
        self.supervisor = supervisor
        self.what = what
        super().__init__(
            f"supervisor {supervisor!r} is dynamic and keeps no stopped children, so there is none to {what}; "
            "start a new one (StartChild)"
        )


class MaxChildren(SupervisionError, RuntimeError):
    """The supervisor has as many children as it may have, those being restarted included.

    Attributes:
        supervisor: its name.
        limit: how many it may have.
    """

    def __init__(self, supervisor: str, limit: int) -> None:
        self.supervisor = supervisor
        self.limit = limit
        super().__init__(
            f"supervisor {supervisor!r} has its {limit} children; SupervisorFlags.max_children allows no more"
        )


class LinkEnded(SupervisionError, RuntimeError):
    """An actor ended otherwise than normally, and so one ended that was linked with it.

    Attributes:
        actor: the path of the one that ended first.
        incarnation: which incarnation of it.
        cause: what it raised, or why it failed to start, also the ``__cause__``; None if it was fenced.
    """

    def __init__(self, actor: str, incarnation: int, cause: BaseException | None) -> None:
        self.actor = actor
        self.incarnation = incarnation
        self.cause = cause
        how = "was fenced" if cause is None else f"ended with {type(cause).__name__}"
        super().__init__(f"{_named(actor, incarnation)}, which this one was linked with, {how}")
        self.__cause__ = cause


class AlreadyRegistered(SupervisionError, RuntimeError):
    """Another actor has that name; nothing has changed.

    Attributes:
        name: the name.
        holder: the path of the actor that has it.
    """

    def __init__(self, name: str, holder: str) -> None:
        self.name = name
        self.holder = holder
        super().__init__(f"the name {name!r} is registered for actor {holder!r}")


class LeaseRefused(SupervisionError, RuntimeError):
    """The ledger did not grant or transfer a lease; nothing has changed.

    Attributes:
        holder: who would have held it.
        incarnation: which incarnation of it.
        reason: why not.
    """

    def __init__(self, holder: object, incarnation: int, reason: str) -> None:
        self.holder = holder
        self.incarnation = incarnation
        self.reason = reason
        super().__init__(f"no lease for {_named(str(holder), incarnation)}: {reason}")


class RuntimeClosed(SupervisionError, RuntimeError):
    """The runtime was closed: nothing can be started, sent or timed with it any more."""

    def __init__(self) -> None:
        super().__init__("the runtime is closed")


class Deadlock(SupervisionError, RuntimeError):
    """Under simulation: what is waited for can never come: nothing is left to run, and no timer is due.

    Attributes:
        awaited: whose answer.
        hung: the actors and tasks that never came back.
    """

    def __init__(self, awaited: str, hung: tuple[str, ...]) -> None:
        self.awaited = awaited
        self.hung = hung
        stuck = f"hung: {', '.join(hung)}" if hung else "nothing hangs, so it was never going to be answered"
        super().__init__(f"nothing can complete what is awaited from {awaited!r} any more; {stuck}")


class Restless(SupervisionError, RuntimeError):
    """Under simulation: it was to come to rest, and has not after very many steps.

    Attributes:
        steps: how many.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        super().__init__(f"still busy after {steps} steps; a timer or an actor that feeds itself never rests")


def _named(actor: str, incarnation: int | None) -> str:
    return f"actor {actor!r}" if incarnation is None else f"actor {actor!r} (incarnation {incarnation})"
