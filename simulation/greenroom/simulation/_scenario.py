"""A scenario: the processors that there are and what happens, as values; and a builder that reads like a story."""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self, cast

from greenroom.actors import OnFault, Placement
from greenroom.simulation.errors import BadScenario, unknown
from greenroom.simulation.steps import (
    CHOICES,
    FOREVER_FRAMES,
    KINDS,
    MILLISECONDS_MAX,
    REFERS,
    TURNS_MAX,
    AnyStep,
    Step,
    names_of,
)

STEPS_MAX: Final = 10_000
NAME_CHARACTERS: Final = 80
_INTEGERS: Final = {
    "after_ms": MILLISECONDS_MAX,
    "ms": MILLISECONDS_MAX,
    "grace_ms": MILLISECONDS_MAX,
    "cancel_after": TURNS_MAX,
    "frames": FOREVER_FRAMES,
    "which": 1_000,
    "holds": FOREVER_FRAMES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A processor that streams of the scenario may go through.

    Attributes:
        name: how the scenario calls it.
        shared: one instance for all streams that name it.
        placement: where it runs.
        on_fault: what comes out when it fails.
        capacity_frames: how many frames may wait in a lane.
        intensity: how many restarts within a second before it is degraded.
        deadline_ms: how long a frame may be inside before it comes out by ``on_fault``, as late.
        hang_ms: how long a call may take before it is given up.
    """

    name: str
    shared: bool = False
    placement: Placement = Placement.THREAD
    on_fault: OnFault = OnFault.BYPASS
    capacity_frames: int = 100
    intensity: int = 3
    deadline_ms: int = 60
    hang_ms: int = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens to a session, in order. Checked when made.

    >>> scene = Scenario.named("short").part("denoise").open_room(room="lobby")
    >>> scene = scene.publish(track="mic", room="lobby", participant="ann")
    >>> scene = scene.open_stream(stream="s", track="mic", through=("denoise",)).wait(ms=50)
    >>> for step in scene.build().steps: print(step)
    open_room(room='lobby')
    publish(track='mic', room='lobby', participant='ann')
    open_stream(stream='s', track='mic', through=('denoise',))
    wait(ms=50)

    Attributes:
        name: for messages and tokens.
        about: what it is there for, in a sentence.
        parts: its processors.
        steps: what happens.
    """

    name: str = "unnamed"
    about: str = ""
    parts: tuple[Part, ...] = ()
    steps: tuple[AnyStep, ...] = ()

    def __post_init__(self) -> None:
        if len(self.steps) > STEPS_MAX:
            raise BadScenario(f"scenario {self.name!r} has {len(self.steps)} steps; at most {STEPS_MAX}")
        names = [part.name for part in self.parts]
        for name in names:
            if names.count(name) > 1:
                raise BadScenario(f"scenario {self.name!r} has two processors {name!r}")
        for number, step in enumerate(self.steps, 1):
            problem = problem_of(step)
            if problem:
                raise BadScenario(f"scenario {self.name!r}, step {number} ({step.do}): {problem}")

    @staticmethod
    def named(name: str, about: str = "") -> "Builder":
        """Begin a scenario."""
        return Builder(name=name, about=about)

    def check_references(self) -> Self:
        """Return it, if every room, track, stream, lease and processor that it names is there at some time before.

        Raises:
            BadScenario: one is not; with the nearest name that is.
        """
        made: dict[str, set[str]] = {kind: set() for kind in REFERS}
        made["processor"] = {part.name for part in self.parts}
        for number, step in enumerate(self.steps, 1):
            for kind, name in _named_by(step):
                known = made["processor"] | made["lease"] if kind == "step" else made[kind]
                if name not in known:
                    what = "processor or lease" if kind == "step" else kind
                    told = unknown(what, name, known)
                    raise BadScenario(f"scenario {self.name!r}, step {number} ({step.do}): {told}")
            if step.makes:
                made[step.makes].add(getattr(step, step.makes))
        return self

    def with_steps(self, steps: Iterable[AnyStep]) -> "Scenario":
        """Return it with other steps."""
        return Scenario(name=self.name, about=self.about, parts=self.parts, steps=tuple(steps))


def problem_of(step: Step) -> str:
    """Return what is wrong with the values of a step, or nothing."""
    for name in names_of(type(step)):
        problem = _problem_with(step.do, name, getattr(step, name))
        if problem:
            return problem
    return ""


def _problem_with(do: str, name: str, value: object) -> str:
    options = CHOICES.get((do, name))
    if name in _INTEGERS:
        least = 1 if name in ("frames", "holds") else 0
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _INTEGERS[name]:
            return f"{name} must be a whole number from {least} to {_INTEGERS[name]}; it is {value!r}"
    elif options is not None:
        return "" if value in options else unknown(name, value, [option for option in options if option])
    elif name == "wait":
        return "" if isinstance(value, bool) else f"wait must be true or false; it is {value!r}"
    elif name == "through":
        names = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (0,)
        good = all(isinstance(each, str) and each for each in names)
        return "" if good else f"through must be a list of processors or leases; it is {value!r}"
    else:
        return _name_problem(name, value, empty=name == "token" and do != "refresh")
    return ""


def _name_problem(name: str, value: object, *, empty: bool) -> str:
    if not isinstance(value, str) or len(value) > NAME_CHARACTERS or not value.isprintable():
        return f"{name} must be a printable text of at most {NAME_CHARACTERS} characters; it is {value!r}"
    if not value.strip() and not empty:
        return f"{name} is empty"
    return ""


def _named_by(step: Step) -> Iterable[tuple[str, str]]:
    for kind in REFERS:
        if kind != step.makes and hasattr(step, kind):
            yield kind, getattr(step, kind)
    for each in getattr(step, "through", ()):
        yield "step", each


@dataclass(slots=True, kw_only=True)
class Builder:
    """Puts a scenario together; every method adds one step and returns the builder.

    The methods are the words of `greenroom.simulation.steps`: ``open_room``, ``publish``, ``open_stream`` ...
    """

    name: str
    about: str = ""
    parts: list[Part] = field(default_factory=list[Part])
    steps: list[Any] = field(default_factory=list[Any])

    def part(self, name: str, **values: Any) -> Self:
        """Add a processor."""
        self.parts.append(Part(name=name, **values))
        return self

    def add(self, do: str, values: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """Add a step by its word.

        Raises:
            BadScenario: there is no such word, or no such value of it.
        """
        kind = KINDS.get(do)
        if kind is None:
            raise BadScenario(unknown("step", do, KINDS))
        known = names_of(kind)
        for name in values:
            if name not in known:
                raise BadScenario(f"step {do}: {unknown('value', name, known)}")
        try:
            self.steps.append(kind(**values))
        except TypeError:
            given = [name for name in known if name in values]
            missing = [name for name in known if name not in given and _required(kind, name)]
            raise BadScenario(f"step {do}: {', '.join(missing)} is missing") from None
        return self

    def __getattr__(self, do: str) -> Any:
        """Return what adds the step ``do``."""
        if do.startswith("_"):
            raise AttributeError(do)
        if do not in KINDS:
            raise BadScenario(unknown("step", do, KINDS))

        def add(**values: Any) -> "Builder":
            return self.add(do, values)

        return add

    def build(self) -> Scenario:
        """Return the scenario.

        Raises:
            BadScenario: a value or a name is wrong.
        """
        made = Scenario(name=self.name, about=self.about, parts=tuple(self.parts), steps=tuple(self.steps))
        return made.check_references()


def _required(kind: type[Step], name: str) -> bool:
    return kind.__dataclass_fields__[name].default is MISSING
