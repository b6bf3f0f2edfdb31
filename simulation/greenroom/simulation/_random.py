"""Random scenarios: from a seed and weights, over a few rooms, participants and processors, with names that repeat."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from greenroom.actors import OnFault, Placement
from greenroom.simulation._dice import Dice
from greenroom.simulation._scenario import Part, Scenario
from greenroom.simulation.errors import BadScenario, unknown
from greenroom.simulation.steps import ACTORS, FOREVER_FRAMES, KINDS, OUTPUT_FRAMES, AnyStep, names_of

WEIGHTS: Final[Mapping[str, int]] = {
    "open_room": 4,
    "close_room": 2,
    "publish": 6,
    "unpublish": 2,
    "leave": 2,
    "republish": 3,
    "move": 4,
    "refresh": 3,
    "reconnect": 3,
    "lose_connection": 2,
    "open_stream": 9,
    "close_stream": 2,
    "drain_stream": 2,
    "drop_stream": 2,
    "stop_reading": 1,
    "read_on": 1,
    "hold": 3,
    "release": 4,
    "transfer": 3,
    "kill": 0,
    "wait": 5,
    "join": 1,
    "close_session": 0,
}
"""How likely each step is; actors are killed by fault plans, unless a weight says so here."""
PARTS: Final = (
    Part(name="own"),
    Part(name="shared", shared=True),
    Part(name="fragile", intensity=0, on_fault=OnFault.SILENCE, deadline_ms=20, hang_ms=150),
    Part(name="small", capacity_frames=2, on_fault=OnFault.DROP, hang_ms=100),
    Part(name="inline", placement=Placement.INLINE),
)
HOLDS: Final[Mapping[str, int]] = {"sink": OUTPUT_FRAMES, "iterate": 20, "nobody": 3}
"""How many frames are kept for who reads: so few that some are lost where somebody stops."""
LENGTH: Final = 30
ROOMS: Final = 3
GUESTS: Final = 3
BURST_CHANCE: Final = 0.25
CANCEL_CHANCE: Final = 0.08
LEASE_CHANCE: Final = 0.2


def random_scenario(seed: int, *, length: int = LENGTH, weights: Mapping[str, int] | None = None) -> Scenario:
    """Return the scenario of a seed.

    >>> random_scenario(7) == random_scenario(7)
    True

    Args:
        seed: any integer.
        length: how many steps beyond the first three, which open a room, publish and open a stream.
        weights: how likely each step is, beside `WEIGHTS`; 0 for never.

    Raises:
        BadScenario: there is no such step, or a weight is no whole number from 0.
    """
    merged = {**WEIGHTS, **(weights or {})}
    for name, weight in merged.items():
        if name not in KINDS:
            raise BadScenario(unknown("step", name, KINDS))
        if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
            raise BadScenario(f"weight of {name} is {weight!r}; it must be a whole number from 0")
    if not any(merged.values()):
        raise BadScenario("all weights are 0; one at least is more")
    author = _Author(Dice(f"scenario {seed}"))
    steps = [author.write(do) for do in ("open_room", "publish", "open_stream")]
    steps += [author.write(author.dice.weighted(merged)) for _ in range(length)]
    return Scenario(name=f"random-{seed}", parts=PARTS, steps=tuple(steps))


class _Author:
    """Writes one scenario, and remembers what it has named."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.named: dict[str, list[str]] = {"room": [], "track": [], "stream": [], "lease": []}
        self._tokens = 0
        self._values: dict[str, Callable[[], dict[str, Any]]] = {
            "open_room": lambda: {"token": self._token() if dice.chance(0.7) else ""},
            "publish": self._publish,
            "leave": lambda: {"participant": self._guest()},
            "refresh": lambda: {"token": self._token()},
            "reconnect": lambda: {"token": self._token() if dice.chance(0.5) else ""},
            "lose_connection": lambda: {"grace_ms": dice.choice([1, 50])},
            "open_stream": self._open_stream,
            "hold": lambda: {"processor": dice.choice(PARTS).name},
            "kill": lambda: {
                "actor": dice.choice(ACTORS),
                "how": dice.choice(["crash", "fence"]),
                "which": dice.below(4),
            },
            "wait": lambda: {"ms": dice.below(100)},
        }

    def write(self, do: str) -> AnyStep:
        """Write one step."""
        kind = KINDS[do]
        values: dict[str, Any] = self._values[do]() if do in self._values else {}
        for what in self.named:
            if what in names_of(kind) and what not in values:
                values[what] = self._new(what) if kind.makes == what else self._old(what)
        if self.dice.chance(BURST_CHANCE):
            values["wait"] = False
        elif self.dice.chance(0.3):
            values["after_ms"] = self.dice.below(30)
        if self.dice.chance(CANCEL_CHANCE) and do not in ("wait", "join", "close_session", "kill"):
            values["cancel_after"] = 1 + self.dice.below(30)
        step: AnyStep = kind(**values)  # type: ignore[assignment]
        return step

    def _new(self, what: str) -> str:
        """Return a name for something new; a room's may be one that there was, or is."""
        names = self.named[what]
        name = f"room-{self.dice.below(ROOMS)}" if what == "room" else f"{what}-{len(names) + 1}"
        names.append(name)
        return name

    def _old(self, what: str) -> str:
        """Return a name that there was, more likely a late one; the first to be, if there is none yet."""
        names = self.named[what]
        if not names:
            return f"{what}-1" if what != "room" else "room-0"
        recent = names[-4:] if self.dice.chance(0.6) else names
        return self.dice.choice(recent)

    def _guest(self) -> str:
        return f"guest-{self.dice.below(GUESTS)}"

    def _token(self) -> str:
        self._tokens += 1
        return f"t{self._tokens}"

    def _publish(self) -> dict[str, Any]:
        source = self.dice.choice(["microphone", "microphone", "screen"])
        values = {"participant": self._guest(), "source": source}
        if self.dice.chance(0.3):
            return {**values, "frames": self.dice.choice([1, 5, 50])}
        fail = self.dice.choice(["open", "read"]) if self.dice.chance(0.1) else ""
        return {**values, "frames": FOREVER_FRAMES, "fail": fail}

    def _open_stream(self) -> dict[str, Any]:
        through = [part.name for part in self.dice.sample(PARTS, self.dice.below(3))]
        if self.named["lease"] and self.dice.chance(LEASE_CHANCE):
            through.append(self.dice.choice(self.named["lease"]))
        reader = self.dice.weighted({"sink": 6, "iterate": 3, "nobody": 1})
        return {"through": tuple(through), "reader": reader, "holds": HOLDS[reader]}
