"""Which orders a sweep has seen: messages that met actors in their states, and faults that happened; and which it has not.

What could meet what is not written down by hand: it is read off the actors' own classes, the messages that their
``on_receive`` matches, so a message that is new is a gap until a sweep has seen it.
"""

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from greenroom.actors import ProcessorState, Session
from greenroom.simulation._faults import POINTS
from greenroom.simulation._sweep import Pair
from greenroom.supervision import Actor

STATES: Final[Mapping[str, tuple[str, ...]]] = {
    "ProcessorActor": tuple(str(state) for state in ProcessorState if state is not ProcessorState.CLOSED)
}
"""Actors with states of their own, in which they handle messages; any other handles them while it is ``running``."""
IMPOSSIBLE: Final = frozenset(
    ("ProcessorActor", state, "Idle") for state in ("building", "ready", "restarting", "degraded")
)
"""Pairs that cannot be: only a host that was told to come to rest, and that is when it closes, says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """How much of something was visited.

    Attributes:
        name: of the row.
        visited: how many of them.
        total: how many there are.
        gaps: those that were not.
    """

    name: str
    visited: int
    total: int
    gaps: tuple[str, ...]

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.visited / self.total if self.total else 1.0


@cache
def actor_classes() -> dict[str, type[Actor]]:
    """Return the classes of a session's own actors, by name."""
    found: dict[str, type[Actor]] = {}
    waiting: list[type[Any]] = [Actor]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if kind.__module__.startswith(
                f"{Session.__module__.partition('.session')[0]}."
            ) and "on_receive" in vars(kind):
                found[kind.__name__] = kind
    return dict(sorted(found.items()))


@cache
def messages_of(kind: type[Actor]) -> tuple[str, ...]:
    """Return the messages that an actor's ``on_receive`` matches, in its order."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind.on_receive)))
    names = [
        node.cls.id
        for node in ast.walk(tree)
        if isinstance(node, ast.MatchClass) and isinstance(node.cls, ast.Name)
    ]
    names += [
        node.args[1].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "isinstance"
        and isinstance(node.args[1], ast.Name)
    ]
    return tuple(dict.fromkeys(names))


def actor_coverage(visited: Counter[Pair]) -> list[Covered]:
    """Return a row for each class of actors: which of its (state, message) pairs were met."""
    rows: list[Covered] = []
    for name, kind in actor_classes().items():
        states = STATES.get(name, ("running",))
        pairs = [(name, state, message) for message in messages_of(kind) for state in states]
        pairs = [pair for pair in pairs if pair not in IMPOSSIBLE]
        rows.append(_row(name, [(each in visited, f"{each[2]} while {each[1]}") for each in pairs]))
    return rows


def fault_coverage(points: Counter[Pair], wanted: Iterable[str] = ()) -> list[Covered]:
    """Return a row for each place of faults: which of its (kind, point) pairs have happened.

    Args:
        points: what has.
        wanted: at which places; all by default.
    """
    rows: list[Covered] = []
    for at, kinds in POINTS.items():
        if not wanted or at in wanted:
            pairs = [(kind, where) for kind, wheres in kinds.items() for where in wheres]
            rows.append(_row(at, [((at, *pair) in points, f"{pair[0]} at {pair[1]}") for pair in pairs]))
    return rows


def _row(name: str, pairs: list[tuple[bool, str]]) -> Covered:
    gaps = tuple(told for met, told in pairs if not met)
    return Covered(name=name, visited=len(pairs) - len(gaps), total=len(pairs), gaps=gaps)
