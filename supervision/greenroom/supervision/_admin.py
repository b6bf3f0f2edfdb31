"""What people ask of a supervisor, and what it answers. OTP's calls, with OTP's answers in every state."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from greenroom.supervision._decisions import ChildStatus
from greenroom.supervision._ref import ActorRef
from greenroom.supervision.errors import (
    BadSpec,
    ChildError,
    ChildNotFound,
    MaxChildren,
    NotForDynamic,
    StartFailed,
)
from greenroom.supervision.spec import ChildSpec, SupervisorFlags

_ADMIN_ERRORS: Final = (ChildError, ChildNotFound, MaxChildren, NotForDynamic, StartFailed, BadSpec)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChild:
    """Ask a supervisor for one more child. The answer, a `StartedChild`, comes when it has started.

    Errors: `AlreadyStarted`, `AlreadyPresent`, `MaxChildren`, `BadSpec`; `StartFailed` with its cause, and then
    nothing of it is kept.

    Attributes:
        spec: what it is; left out under simple_one_for_one, where it is one more instance of the supervisor's spec.
        args: under simple_one_for_one only: positional arguments that come behind those of the supervisor's spec; not
            printed.
    """

    spec: ChildSpec | None = None
    args: tuple[Any, ...] = field(default=(), repr=False)
    errors: ClassVar = _ADMIN_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class StopChild:
    """Ask a supervisor to stop a child, by id or by ref; answered when it is over.

    Stopping a stopped one is no error. Attempts to restart it end. Errors: `ChildNotFound`.
    """

    child: str | ActorRef[Any]
    errors: ClassVar = _ADMIN_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartChild:
    """Ask a supervisor to start a stopped child again; answered like `StartChild`.

    Errors: `ChildNotFound`, `ChildRunning`, `ChildRestarting`, `NotForDynamic`; `StartFailed`, and then the child
    is stopped as before.
    """

    child: str
    errors: ClassVar = _ADMIN_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteChild:
    """Ask a supervisor to forget a stopped child and its spec.

    Errors: `ChildNotFound`, `ChildRunning`, `ChildRestarting`, `NotForDynamic`.
    """

    child: str
    errors: ClassVar = _ADMIN_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class GetChildSpec:
    """Ask a supervisor for a child's `ChildSpec`, by id or by ref. Errors: `ChildNotFound`.

    Under simple_one_for_one the id of the supervisor's spec finds that spec, a child's own id or ref the instance.
    """

    child: str | ActorRef[Any]
    errors: ClassVar = _ADMIN_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class WhichChildren:
    """Ask a supervisor for a tuple of `ChildInfo`, in start order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountChildren:
    """Ask a supervisor for its `ChildCounts`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSupervisor:
    """Ask a running supervisor to go on with other flags and specs. None leaves them as they are.

    Everything is checked first; with `BadSpec` nothing has changed. Whoever runs keeps running, with its
    incarnation, mailbox and monitors; its new spec can be read back at once and holds from its next start, stop or
    end on. Children of new ids are known, and not started; those that are left out stay, behind the others. A
    supervisor cannot become dynamic or stop being so, and a child keeps its dispatcher and its registered name. Under
    simple_one_for_one ``children`` is exactly one spec, and all instances go on with that.
    """

    flags: SupervisorFlags | None = None
    children: Iterable[ChildSpec] | None = None
    errors: ClassVar = _ADMIN_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedChild:
    """A child that has started; ``ref`` is None if it ignored its start, ``extra`` what its ``on_start`` returned."""

    ref: ActorRef[Any] | None
    extra: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildInfo:
    """One child, as its supervisor sees it at one moment.

    Attributes:
        spec: what it is.
        ref: None if it never ran.
        incarnation: which one runs, or was the last; 0 if it never ran.
        status: what it is doing.
        restarts: how often it was started again because it ended.
    """

    spec: ChildSpec
    ref: ActorRef[Any] | None
    incarnation: int
    status: ChildStatus
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildCounts:
    """How many: specs (of simple_one_for_one that is 1), children that are alive, supervisors, workers."""

    specs: int
    active: int
    supervisors: int
    workers: int


def checked_id(child: object) -> str:
    """Return a child's id, or refuse with `BadSpec` what is none: a supervisor does not crash over what it is asked."""
    if not isinstance(child, str):
        raise BadSpec("child", child, "the id of a child, a text")
    return child
