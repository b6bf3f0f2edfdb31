"""What a system tells its observers: values without actors, safe to keep, print and compare."""

import reprlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from greenroom.supervision._liveness import LivenessAction
from greenroom.supervision._restart import Cause, Crashed, FailedToStart, Fenced, Normal, Shutdown

REPORT_CHARS: Final = 120
"""How long a term in the text of a report may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorStarted:
    """An incarnation has started."""

    path: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorEnded:
    """An incarnation is over: cleaned up, its children gone."""

    path: str
    incarnation: int
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorCrashedEvent:
    """An error ended an incarnation; ``error`` is its type: its text may hold a secret."""

    path: str
    incarnation: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorFencedEvent:
    """An incarnation was given up; whatever it still sends is refused."""

    path: str
    incarnation: int
    reason: str


class Unresponsiveness(StrEnum):
    """What takes too long."""

    HANDLER = "handler"
    """A handler has not returned."""
    INBOX = "inbox"
    """The oldest message waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorUnresponsive:
    """An actor's liveness budget is spent: told once for each handler, and once until no message is too old any more.

    Attributes:
        path: of the actor.
        incarnation: of the actor.
        what: a handler, or a message that waits.
        for_ns: for how long, up to now.
        limit_ns: how long it may at most.
        message: the type of the message that is handled, or waits; of a timer or a continuation the function.
        action: what is done about it.
    """

    path: str
    incarnation: int
    what: Unresponsiveness
    for_ns: int
    limit_ns: int
    message: str
    action: LivenessAction

    def describe(self) -> str:
        """Return it in words."""
        limit = f"{self.limit_ns / 1e6:g} ms"
        if self.what is Unresponsiveness.HANDLER:
            return f"its handler of {self.message} took longer than {limit}"
        return f"its oldest message, {self.message}, waited longer than {limit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that nobody will handle."""

    path: str
    message: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesDropped:
    """Messages that waited when an actor was restarted were dropped, as its mailbox's policy is.

    Attributes:
        path: whose.
        incarnation: the last one before the restart.
        told: how many had been told.
        asked: how many had been asked; they are answered.
    """

    path: str
    incarnation: int
    told: int
    asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonMessage:
    """A message ended two incarnations in a row, and is not tried again.

    Attributes:
        path: whose.
        incarnation: the second of them.
        message: the message's type.
        error: the type of the second error; ``ActorFenced`` if its handler was given up.
    """

    path: str
    incarnation: int
    message: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRestarting:
    """A supervisor will start ``child`` again, after ``delay_ns``."""

    path: str
    child: str
    delay_ns: int
    restarts_in_window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntensityExceeded:
    """A supervisor gave up: it stops its children and itself, and its parent decides."""

    path: str
    child: str
    intensity: int
    period_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetExceeded:
    """The restarts of a subtree passed the budget of the supervisor at ``path``, which gives up.

    Attributes:
        path: whose budget.
        child: path of the actor whose restart was one too many, and is not made.
        intensity: restarts allowed.
        period_ns: within this time.
    """

    path: str
    child: str
    intensity: int
    period_ns: int


class ReportContext(StrEnum):
    """What a child was doing when it ended in a way that nobody wanted."""

    START_ERROR = "start_error"
    CHILD_TERMINATED = "child_terminated"
    """It ran."""
    SHUTDOWN_ERROR = "shutdown_error"
    """It was being stopped by its supervisor, for an admin call or with its group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorReport:
    """A child ended in a way that nobody wanted; what follows is told by other events."""

    path: str
    context: ReportContext
    child: str
    incarnation: int
    reason: Cause

    def describe(self, *, limit: int = REPORT_CHARS, lines: bool = False) -> str:
        """Return the report as a text, on one line or on several.

        Args:
            limit: characters of each term; what is longer is cut in its middle.
            lines: whether each term has a line of its own.
        """
        terms = {
            "supervisor": self.path,
            "context": str(self.context),
            "reason": _reason(self.reason),
            "child": f"{self.child} (incarnation {self.incarnation})",
        }
        cut = reprlib.Repr()
        cut.maxstring = limit
        shown = [f"{name}: {cut.repr(term)[1:-1]}" for name, term in terms.items()]
        return "\n    ".join(["supervisor report", *shown]) if lines else ", ".join(shown)


def _reason(cause: Cause) -> str:
    """Name a cause; the text of an exception may hold a secret, so its type stands for it."""
    match cause:
        case Normal():
            return "normal"
        case Shutdown(detail=detail):
            return f"shutdown {detail}".rstrip()
        case Crashed(exception=error):
            return f"crashed with {type(error).__name__}"
        case Fenced(reason=reason):
            return f"fenced: {reason}"
        case FailedToStart(exception=error):
            return f"failed to start with {type(error).__name__}"


SystemEvent = (
    ActorStarted
    | ActorEnded
    | ActorCrashedEvent
    | ActorFencedEvent
    | ActorUnresponsive
    | DeadLetter
    | MessagesDropped
    | PoisonMessage
    | ChildRestarting
    | IntensityExceeded
    | BudgetExceeded
    | SupervisorReport
)
