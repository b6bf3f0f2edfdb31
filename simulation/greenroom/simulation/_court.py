"""The court: where everything that watches a run reports what it has found, and who judges it step by step.

What is found is kept and raised at the step at which it is found; nothing after that counts.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from greenroom.actors import SessionEvent, SessionReport
from greenroom.actors.laws import LAWS, EventLaws
from greenroom.simulation.errors import LawBroken
from greenroom.simulation.laws import Law
from greenroom.supervision.errors import BlockingInHandler

if TYPE_CHECKING:
    from greenroom.simulation._stage import Stage

PROGRESS: Final = 9
ANSWERED: Final = 5
BLOCKS: Final = "nothing that is simulated blocks"
TITLES: Final = {
    **{number: title for number, title, _, _ in LAWS},
    PROGRESS: "when faults end, every open stream gets processed frames again, and every other ends",
}
"""The laws by number: the eight of a session, and that progress is made."""
NAMES: Final = {
    "closed-once": 1,
    "leases": 2,
    "context": 3,
    "frames": 4,
    "answers": 5,
    "restarts": 6,
    "leftovers": 7,
    "secrets": 8,
    "progress": PROGRESS,
}
"""What a command line calls them."""


class Court:
    """Judges one run.

    Args:
        stage: what is judged.
        extra: laws that a user has written.
        only: numbers of the built-in laws that count; all by default.
    """

    def __init__(self, stage: "Stage", extra: Sequence[Law] = (), only: Iterable[int] | None = None) -> None:
        self._stage = stage
        self._only = None if only is None else frozenset(only)
        self._excused: set[int] = set()
        self._extra = tuple(extra)
        self._at_step = [law for law in self._extra if law.when == "step"]
        self._at_rest = [law for law in self._extra if law.when == "rest"]
        self._on_event = [law for law in self._extra if law.when == "event"]
        self._events: EventLaws | None = None
        self.news = True
        self.broken: LawBroken | None = None
        self.adjourned = False
        self.rests = 0

    def excuse(self, *laws: int) -> None:
        """Judge these no more, because a fault was such that they cannot hold."""
        self._excused.update(laws)

    def find(self, law: int, detail: str) -> None:
        """A built-in law does not hold. The first finding counts."""
        wanted = law not in self._excused and (self._only is None or law in self._only)
        if self.broken is None and not self.adjourned and wanted:
            self.broken = LawBroken(law, TITLES[law], detail)

    def find_blocking(self, call: BlockingInHandler) -> None:
        """Something that is simulated called what would block, whoever caught what it got for it."""
        if self.broken is None and not self.adjourned:
            self.broken = LawBroken(0, BLOCKS, str(call))

    def verdict(self) -> LawBroken | None:
        """Return what does not hold, if anything."""
        return self.broken

    def find_own(self, law: Law, detail: str) -> None:
        """A user's law does not hold."""
        if self.broken is None and not self.adjourned:
            self.broken = LawBroken(0, law.title, detail)

    def session_begins(self, intensity_of: Callable[[str], tuple[int, int] | None], secrets: Any) -> None:
        """From now on events are judged."""
        self._events = EventLaws(intensity_of, secrets)

    def on_event(self, event: SessionEvent) -> None:
        """Judge an event."""
        self.news = True
        if self._events is not None:
            for number, detail in self._events.judge(event):
                self.find(number, detail)
            self._stage.onlooker.at_event(event)
        for law in self._on_event:
            self._ask(law, event)

    def on_step(self) -> None:
        """After every step: raise what was found; ask the laws that want to be asked each time.

        Raises:
            LawBroken: something does not hold.
        """
        if self.adjourned:
            return
        if self.broken is not None:
            raise self.broken
        for law in self._at_step:
            self._ask(law)
            self._raise()

    def on_rest(self) -> None:
        """Nothing is on its way at this instant: look at what has changed.

        Raises:
            LawBroken: something does not hold.
        """
        if self.news and not self.adjourned:
            self.news = False
            self.rests += 1
            self._stage.onlooker.at_rest()
            self._raise()

    def look_at_rest(self, findings: Iterable[tuple[int, str]]) -> None:
        """Take what was found at rest, and ask the users' laws."""
        for number, detail in findings:
            self.find(number, detail)
        for law in self._at_rest:
            self._ask(law)

    def judge_report(self, report: SessionReport) -> None:
        """The session is over: take its verdicts, and ask the users' laws.

        Raises:
            LawBroken: something does not hold.
        """
        for verdict in report.verdicts:
            if not verdict.held:
                self.find(verdict.law, verdict.detail)
        for law in self._extra:
            if law.when == "end":
                self._ask(law, report)
        self._raise()

    def _raise(self) -> None:
        if self.broken is not None and not self.adjourned:
            raise self.broken

    def _ask(self, law: Law, *given: Any) -> None:
        found = law.judge(self._stage, *given)
        if found:
            self.find_own(law, found)
