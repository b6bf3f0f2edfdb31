"""Faults as data: what goes wrong, at which points, how often.

A point is something that is about to happen: a processor's callback, a message to an actor, an event of the backend, a
read, a write.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from greenroom.simulation._files import SUFFIXES, check_keys, find, frozen, table_of, tables, text_of
from greenroom.simulation.errors import BadFaultPlan, shown, unknown
from greenroom.simulation.steps import ACTORS, KINDS, MILLISECONDS_MAX

ANY: Final = "*"
PROCESSOR: Final = "processor"
ACTOR: Final = "actor"
BACKEND: Final = "backend"
SOURCE: Final = "source"
SINK: Final = "sink"
READER: Final = "reader"
CALLBACKS: Final = (
    "build",
    "frame",
    "info",
    "info_cleared",
    "credentials",
    "credentials_cleared",
    "close",
    "enabled",
)
_FRAMES: Final = ("frame",)
_OUTSIDE: Final = tuple(name for name, kind in KINDS.items() if kind.backend)
_SLOW: Final = tuple(name for name in CALLBACKS if name != "enabled")

POINTS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    PROCESSOR: {
        "raise": CALLBACKS,
        "raise_after": _SLOW,
        "exit": CALLBACKS,
        "memory": ("build", "frame"),
        "hang": _SLOW,
        "slow": _SLOW,
        "none": _FRAMES,
        "wrong_type": _FRAMES,
        "wrong_size": _FRAMES,
        "wrong_rate": _FRAMES,
        "flip": ("enabled",),
    },
    ACTOR: {
        "raise_before": ACTORS,
        "raise_after": ACTORS,
        "kill": ACTORS,
        "start_raises": ACTORS,
        "start_never_returns": ("ProcessorWorker",),
        "stop_raises": (
            "HoldsActor",
            "ProcessorsActor",
            "RoomActor",
            "RoomsActor",
            "TrackActor",
            "WatchActor",
        ),
    },
    BACKEND: {"omit": _OUTSIDE, "double": _OUTSIDE, "delay": _OUTSIDE, "reorder": _OUTSIDE},
    SOURCE: {"raise": ("open", "read"), "slow": ("open", "read")},
    SINK: {"raise": ("write", "finish", "abort"), "slow": ("write",)},
    READER: {"stop": ("iterate",)},
}
"""What can go wrong: where a fault is, what kinds there are, and at which points each of them.

What never returns is limited to actors that have a budget for it: a supervisor waits for its children for ever, by design.
The end of a worker is its processor's ``close``, which has faults of its own; that of a stream and of a processor's
kernel is what gives everything back, and a raise there before it has done so is a leak by definition.
"""

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "step": ("kill",),
    "message": ("raise_before", "raise_after"),
    "on_child": ("raise_before", "raise_after"),
    "on_start": ("start_raises", "start_never_returns"),
    "on_stop": ("stop_raises",),
    "on_failure": (),
}
"""Which kinds may strike at an actor when it is about to take a step, and in which of its handlers."""
SLOW_MS: Final = 20
HANG_MS: Final = 200
FAULTS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        at: ``processor``, ``actor``, ``backend``, ``source``, ``sink`` or ``reader``.
        kind: what: see `POINTS`.
        where: the callback, the actor's class, the step; ``*`` for all that the kind may happen at.
        name: only of this processor; of an actor, only on this message; ``*`` for all.
        rate: how likely at each visit, from 0 to 1.
        nth: or at exactly these visits of each point, counting from 1.
        limit: at most so many times in a run.
        ms: how long what takes time takes; 0 for the kind's own.
    """

    at: str
    kind: str
    where: str = ANY
    name: str = ANY
    rate: float = 0.0
    nth: tuple[int, ...] = ()
    limit: int = 1_000_000
    ms: int = 0

    def __post_init__(self) -> None:
        kinds = POINTS.get(self.at)
        if kinds is None:
            raise BadFaultPlan(unknown("fault at", self.at, POINTS))
        if self.kind not in kinds:
            raise BadFaultPlan(f"{self.at}: {unknown('kind', self.kind, kinds)}")
        if self.where != ANY and self.where not in kinds[self.kind]:
            raise BadFaultPlan(f"{self.at}, {self.kind}: {unknown('point', self.where, kinds[self.kind])}")
        if not isinstance(self.name, str) or not self.name:
            raise BadFaultPlan(f"name is {shown(self.name)}; it must be a name, or '*' for all")
        if isinstance(self.rate, bool) or not isinstance(self.rate, int | float) or not 0 <= self.rate <= 1:
            raise BadFaultPlan(f"rate is {shown(self.rate)}; it must be a number from 0 to 1")
        if not all(type(each) is int and each > 0 for each in self.nth):
            raise BadFaultPlan(f"nth is {shown(self.nth)}; it must be a list of whole numbers from 1")
        if bool(self.rate) == bool(self.nth):
            raise BadFaultPlan(f"{self.at}, {self.kind}: give a rate above 0, or nth, and not both")
        for name, least, most in (("limit", 1, 1_000_000), ("ms", 0, MILLISECONDS_MAX)):
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise BadFaultPlan(
                    f"{name} is {shown(value)}; it must be a whole number from {least} to {most}"
                )

    @property
    def takes_ns(self) -> int:
        """How long it takes."""
        return (self.ms or (HANG_MS if self.kind == "hang" else SLOW_MS)) * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """All that goes wrong in a run.

    >>> FaultPlan(faults=(Fault(at="processor", kind="raise", where="frame", nth=(3,)),)).faults[0].kind
    'raise'

    Attributes:
        name: for messages.
        about: what it is there for.
        faults: at each point the first that fits and falls happens.
        fitting: which of them may happen at a point, once that was asked: the same in all runs.
    """

    name: str = "none"
    about: str = ""
    faults: tuple[Fault, ...] = ()
    fitting: dict[tuple[str, str, str, str], tuple[tuple[int, Fault], ...]] = field(
        default_factory=dict[tuple[str, str, str, str], tuple[tuple[int, Fault], ...]],
        init=False,
        repr=False,
        compare=False,
    )

    def __post_init__(self) -> None:
        if len(self.faults) > FAULTS_MAX:
            raise BadFaultPlan(f"{len(self.faults)} faults are too many; at most {FAULTS_MAX}")

    def at(self, *places: str) -> "FaultPlan":
        """Return what of it happens at these places."""
        return FaultPlan(
            name=self.name,
            about=self.about,
            faults=tuple(fault for fault in self.faults if fault.at in places),
        )


NO_FAULTS: Final = FaultPlan()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """A fault that happened: enough to have it happen again, and nothing else."""

    at: str
    kind: str
    where: str
    name: str
    nth: int
    ms: int = 0

    def exactly(self) -> Fault:
        """Return the fault that happens there and nowhere else."""
        return Fault(
            at=self.at, kind=self.kind, where=self.where, name=self.name, nth=(self.nth,), ms=self.ms
        )

    def __str__(self) -> str:
        return f"{self.at} {self.name}, {self.where} number {self.nth}: {self.kind}"


def load_faults(wanted: str) -> FaultPlan:
    """Read a fault plan: a file, one that is shipped, or ``none``.

    >>> load_faults("none").faults
    ()

    Raises:
        UnknownName, BadFaultPlan: there is none, or it is wrong; the text says where.
    """
    data = find("faults", "fault plan", wanted, BadFaultPlan)
    return plan_of({"name": Path(wanted).stem if wanted.endswith(SUFFIXES) else wanted, **data})


def plan_of(data: Mapping[str, Any]) -> FaultPlan:
    """Make a plan of what a file says.

    Raises:
        BadFaultPlan: something in it is wrong.
    """
    check_keys("", data, ("name", "about", "faults"), BadFaultPlan)
    faults: list[Fault] = []
    known = [field.name for field in fields(Fault)]
    for number, table in enumerate(tables(data, "faults", BadFaultPlan), 1):
        where = f"fault {number}: "
        check_keys(where, table, known, BadFaultPlan)
        for name in ("at", "kind"):
            if name not in table:
                raise BadFaultPlan(f"{where}{name} is missing")
        values: dict[str, Any] = {name: frozen(v) for name, v in table.items()}
        try:
            faults.append(Fault(**values))
        except BadFaultPlan as error:
            raise BadFaultPlan(f"{where}{error}") from None
        except TypeError:
            raise BadFaultPlan(f"{where}a value has the wrong type: {shown(table)}") from None
    return FaultPlan(
        name=text_of(data, "name", BadFaultPlan),
        about=text_of(data, "about", BadFaultPlan),
        faults=tuple(faults),
    )


def plan_data(plan: FaultPlan) -> dict[str, Any]:
    """Return a plan as a file says it; `plan_of` reads it back the same."""
    data: dict[str, Any] = {"name": plan.name}
    if plan.about:
        data["about"] = plan.about
    data["faults"] = [table_of(fault) for fault in plan.faults]
    return data
