"""Faults on purpose, as data: what happens to which actors of a simulation, at exact places or with a chance.

Laws:
    - production classes stay as they are: only a `SimulatedRuntime` that was given a `FaultInjector` looks at it;
    - whether a fault of a certain chance strikes depends on the seed and the place alone (whose, what, the how manieth),
      never on the order in which things happen. So a schedule can be shrunk under the faults that made it fail;
    - whatever has struck is written down, and can be given to another run as faults at exact places.

>>> crash = Fault(kind=FaultKind.RAISE_AFTER, at=Place(path="session/rooms/*", what="AddTrack", nth=2))
>>> rarely = Fault(kind=FaultKind.KILL_BEFORE, per_million=20_000)
>>> from greenroom.supervision.simulated import SimulatedRuntime
>>> runtime = SimulatedRuntime(seed=1, faults=FaultInjector((crash, rarely), seed=1))
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Final, Protocol

from greenroom.supervision import _checks
from greenroom.supervision._backoff import LONGEST_NS
from greenroom.supervision.errors import BadSpec

__all__ = ["Fault", "FaultInjector", "FaultKind", "InjectedFault", "Place", "Struck", "Whose"]

ALWAYS: Final = 1_000_000


class FaultKind(StrEnum):
    """What goes wrong."""

    RAISE_BEFORE = "raise-before"
    """A handler raises `InjectedFault` instead of doing anything."""
    RAISE_AFTER = "raise-after"
    """A handler does all that it does, and then raises."""
    HANG = "hang"
    """A handler never returns."""
    SLOW = "slow"
    """A handler takes ``delay_ns`` before it does anything, while others go on."""
    KILL_BEFORE = "kill-before"
    """The actor is fenced before the step: the message that it was about to handle waits for the next incarnation."""
    KILL_AFTER = "kill-after"
    """The actor is fenced after the step."""
    DELAY = "delay"
    """The step is put off by ``delay_ns``: the message, and what is behind it at that actor, is late."""


IN_HANDLERS: Final = (FaultKind.RAISE_BEFORE, FaultKind.RAISE_AFTER, FaultKind.HANG, FaultKind.SLOW)
WITH_DELAY: Final = (FaultKind.SLOW, FaultKind.DELAY)


class InjectedFault(RuntimeError):  # noqa: N818 - it is raised in the place of an error
    """What a handler raises because a fault plan says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and when: a step or a handler of an actor.

    Attributes:
        path: whose, by path; ``*`` stands for any text (also across ``/``), ``?`` for one character.
        what: by the name of the message's type (``AddTrack``, ``Down``), of the hook (``on_start``, ``on_stop``,
            ``on_child``, ``on_failure``) or of the function that goes on after a wait (``RoomActor._on_opened``);
            wildcards as above. A step of a lane has the name of its task (``Epoch``).
        nth: only the how manieth time at that path, from 1; None every time.
    """

    path: str = "*"
    what: str = "*"
    nth: int | None = None

    def __post_init__(self) -> None:
        _checks.text("Place.path", self.path, most=1_000)
        _checks.text("Place.what", self.what, most=1_000)
        if self.nth is not None:
            _checks.integer("Place.nth", self.nth, least=1, most=2**31, or_else=", or None")

    def matches(self, path: str, what: str, nth: int) -> bool:
        """Whether this is such a place."""
        return (
            (self.nth is None or self.nth == nth)
            and fnmatchcase(path, self.path)
            and fnmatchcase(what, self.what)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: what, where, and how likely.

    Attributes:
        kind: what goes wrong.
        at: where.
        per_million: how often of a million times that the place is come to.
        delay_ns: how long; for `FaultKind.SLOW` and `FaultKind.DELAY` alone.
        times: at most so often in a run; None without limit.
    """

    kind: FaultKind
    at: Place = field(default_factory=Place)
    per_million: int = ALWAYS
    delay_ns: int = 0
    times: int | None = None

    def __post_init__(self) -> None:
        _checks.member("Fault.kind", self.kind, FaultKind)
        _checks.instance("Fault.at", self.at, Place)
        _checks.integer("Fault.per_million", self.per_million, least=0, most=ALWAYS)
        if self.kind in WITH_DELAY:
            _checks.integer("Fault.delay_ns", self.delay_ns, least=1, most=LONGEST_NS)
        elif self.delay_ns:
            raise BadSpec("Fault.delay_ns", self.delay_ns, f"0, for {self.kind} takes no time")
        if self.times is not None:
            _checks.integer("Fault.times", self.times, least=1, most=2**31, or_else=", or None")


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """A fault that has happened.

    Attributes:
        step: in which step of the run.
        at_ns: virtual time.
        fault: the fault.
        path: whose.
        what: in which handler, or before or after which step.
        nth: the how manieth of that actor.
    """

    step: int
    at_ns: int
    fault: Fault
    path: str
    what: str
    nth: int


class Whose(Protocol):
    """What a fault may strike: a place in the tree, or its thread."""

    @property
    def path(self) -> str:
        """Where it stands: worked out when asked for."""
        ...


class FaultInjector:
    """Decides for one run where faults strike. Give it to a `SimulatedRuntime`.

    Args:
        faults: of several that would strike at one place the first does.
        seed: decides those with a chance.

    Attributes:
        active: set it to False for the part of a run that is to be free of faults: all must come to rest and work again.
        struck: what has happened so far, in order.
        met: how often each kind of place was come to: ("step" or "handler", actor's class or task, what).
    """

    def __init__(self, faults: Sequence[Fault], *, seed: int = 0) -> None:
        self.faults = tuple(faults)
        self.seed = seed
        self.active = True
        self.struck: list[Struck] = []
        self.met: dict[tuple[str, str, str], int] = {}
        self._in_handlers = [each for each in enumerate(self.faults) if each[1].kind in IN_HANDLERS]
        self._in_steps = [each for each in enumerate(self.faults) if each[1].kind not in IN_HANDLERS]
        self._counts: dict[tuple[bool, str, str], int] = {}
        self._times: dict[int, int] = {}

    def exact(self) -> tuple[Fault, ...]:
        """Return what has struck as faults at exact places: for a replay, or to leave some out.

        Faults in handlers follow once more with no chance at all, because asking for them is part of a run: an actor
        whose ``on_stop`` may be struck is not ended in passing, as an idle one is that has none.
        """
        struck = tuple(
            replace(
                each.fault,
                at=Place(path=_literal(each.path), what=_literal(each.what), nth=each.nth),
                per_million=ALWAYS,
                times=None,
            )
            for each in self.struck
        )
        return (*struck, *(replace(fault, per_million=0) for _, fault in self._in_handlers))

    def concerns(self, path: str) -> bool:
        """Whether a handler of that actor may be struck."""
        return any(fnmatchcase(path, fault.at.path) for _, fault in self._in_handlers)

    def draw(
        self, owner: str, whose: Whose, what: str, *, handler: bool, step: int, now_ns: int
    ) -> Fault | None:
        """Say which fault strikes at a place that a run has come to, if any. The runtime calls this.

        Args:
            owner: the actor's class, for the books.
            whose: its handler or step; asked for its path only where that matters.
            what: which.
            handler: whether it is in a handler, or before a step.
            step: the run's present step.
            now_ns: virtual time.
        """
        path = whose.path
        count = self._counts.get((handler, path, what), 0) + 1
        self._counts[handler, path, what] = count
        place = ("handler" if handler else "step", owner, what)
        self.met[place] = self.met.get(place, 0) + 1
        if not self.active:
            return None
        for number, fault in self._in_handlers if handler else self._in_steps:
            if fault.at.matches(path, what, count) and self._strikes(number, fault, path, what, count):
                struck = Struck(step=step, at_ns=now_ns, fault=fault, path=path, what=what, nth=count)
                self.struck.append(struck)
                return fault
        return None

    def _strikes(self, number: int, fault: Fault, path: str, what: str, nth: int) -> bool:
        if fault.times is not None and self._times.get(number, 0) >= fault.times:
            return False
        if fault.per_million < ALWAYS:
            place = f"{self.seed}\n{number}\n{path}\n{what}\n{nth}".encode()
            drawn = int.from_bytes(blake2b(place, digest_size=8).digest(), "big")
            if drawn % ALWAYS >= fault.per_million:
                return False
        self._times[number] = self._times.get(number, 0) + 1
        return True


def _literal(name: str) -> str:
    """Return a pattern that only ``name`` matches."""
    return "".join(f"[{each}]" if each in "*?[" else each for each in name)
