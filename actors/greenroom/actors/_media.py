"""Media time as a pure rule: when it may step on, and whose instant it has reached.

Real time: a step is due at ``base + number * step``, so nothing drifts. After a stall at most `CATCH_UP_STEPS` follow
at once; what is beyond is not skipped but put off: media time falls behind the clock for good, by ``put_off_ns``.
Fast: a step may follow at once, unless a script is acting.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

CATCH_UP_STEPS: Final = 10
"""Live audio must not come in longer bursts than this: what follows the lanes would overflow."""


@dataclass(slots=True, eq=False)
class Hold:
    """One script's part in media time. Acting while ``at_ns`` is None; waiting for that instant otherwise."""

    at_ns: int | None = None
    on_reached: Callable[[], None] | None = None


class MediaClock:
    """Media time in steps of ``step_ns``. Knows no threads; its owner serialises the calls.

    Attributes:
        media_ns: media time, a multiple of ``step_ns``.
        put_off_ns: by how much stalls have put it behind the runtime's clock.
    """

    def __init__(self, *, step_ns: int, fast: bool) -> None:
        self.step_ns = step_ns
        self.fast = fast
        self.media_ns = 0
        self.put_off_ns = 0
        self._base_ns: int | None = None
        self._holds: dict[Hold, None] = {}

    @property
    def started(self) -> bool:
        """Whether it runs."""
        return self._base_ns is not None

    def start(self, now_ns: int) -> None:
        """Let media time begin; the first step is due at once. Idempotent."""
        if self._base_ns is None:
            self._base_ns = now_ns

    # Real time.

    def due_ns(self) -> int:
        """When the next step is due, on the runtime's clock."""
        assert self._base_ns is not None, "not started"
        return self._base_ns + self.media_ns + self.put_off_ns

    def due_steps(self, now_ns: int) -> int:
        """Return how many steps are due; what is beyond the limit is put off."""
        behind_ns = now_ns - self.due_ns()
        steps = behind_ns // self.step_ns + 1
        if steps > CATCH_UP_STEPS:
            self.put_off_ns += (steps - CATCH_UP_STEPS) * self.step_ns
            return CATCH_UP_STEPS
        return max(steps, 0)

    def step(self, steps: int = 1) -> None:
        """Media time has moved on."""
        self.media_ns += steps * self.step_ns

    # Scripts.

    def hold(self) -> Hold:
        """Take part; acting at first."""
        hold = Hold()
        self._holds[hold] = None
        return hold

    def release(self, hold: Hold) -> None:
        """Take part no longer. Idempotent."""
        self._holds.pop(hold, None)

    @property
    def standing(self) -> bool:
        """Whether media time stands still because a script is acting; only ever in fast pace."""
        return self.fast and any(hold.at_ns is None for hold in self._holds)

    def reached(self) -> list[Callable[[], None]]:
        """Return whom to tell that the instant has come; they are acting from now on."""
        due: list[Callable[[], None]] = []
        for hold in self._holds:
            if hold.at_ns is not None and hold.at_ns <= self.media_ns and hold.on_reached is not None:
                due.append(hold.on_reached)
                hold.at_ns = hold.on_reached = None
        return due

    def leap(self) -> bool:
        """Fast, with nothing to play: move on to the next instant that a script waits for; False if there is none."""
        instants = [hold.at_ns for hold in self._holds if hold.at_ns is not None]
        if not instants or self.standing:
            return False
        steps = -(-(min(instants) - self.media_ns) // self.step_ns)
        self.step(max(steps, 0))
        return True


def tell(callbacks: Sequence[Callable[[], None]]) -> None:
    """Call those whose instant is reached; outside any lock."""
    for callback in callbacks:
        callback()
