"""How long an actor may be at one thing before something is done about it."""

from dataclasses import dataclass
from enum import StrEnum

from greenroom.supervision import _checks
from greenroom.supervision._backoff import LONGEST_NS
from greenroom.supervision.errors import BadSpec


class LivenessAction(StrEnum):
    """What is done about an actor that is not responsive. Each time there is an event and a line in the log."""

    WARN = "warn"
    """Nothing else."""
    RESTART = "restart"
    """The incarnation ends as a crash, at its next step; it is fenced if it has not ended within its shutdown budget."""
    FENCE = "fence"
    """The incarnation is given up at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """A liveness budget; checked when made: `BadSpec`. It holds from the acknowledged start to the end's beginning.

    ``on_start`` and ``on_stop`` are none of its business: `ChildSpec.start_ns` and `ChildSpec.shutdown_ns` are for them.

    Attributes:
        handler_ns: a handler (of a message, signal, timer or continuation) that has not returned in less time is too
            slow; None sets no limit.
        inbox_age_ns: so long must no user message wait, counted from its arrival, or from the present incarnation's
            start if that is later; None sets no limit.
        action: what is done then.
    """

    handler_ns: int | None = None
    inbox_age_ns: int | None = None
    action: LivenessAction = LivenessAction.WARN

    def __post_init__(self) -> None:
        for name in ("handler_ns", "inbox_age_ns"):
            if getattr(self, name) is not None:
                _checks.integer(f"Liveness.{name}", getattr(self, name), least=1, most=LONGEST_NS)
        if self.handler_ns is None and self.inbox_age_ns is None:
            raise BadSpec("Liveness.handler_ns", None, "a time, where inbox_age_ns is None too")
        _checks.member("Liveness.action", self.action, LivenessAction)

    @property
    def shortest_ns(self) -> int:
        """The shorter one of its limits."""
        return min(each for each in (self.handler_ns, self.inbox_age_ns) if each is not None)
