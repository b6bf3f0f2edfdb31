"""What is refused, and what a run that failed says; each error names what was given and what would do."""
# ruff: noqa: N818  their names say what is wrong

import difflib
from collections.abc import Iterable


class SimulationError(Exception):
    """Base of everything that this floor raises."""


class BadScenario(SimulationError, ValueError):
    """A scenario, or its file, cannot be played as it is written."""


class BadFaultPlan(SimulationError, ValueError):
    """A fault plan, or its file, cannot be carried out as it is written."""


class BadToken(SimulationError, ValueError):
    """A replay token is not one, or none that this version can read."""


class UnknownName(SimulationError, LookupError):
    """There is no scenario, fault plan, strategy or law of that name."""


class LawBroken(SimulationError, AssertionError):
    """A law did not hold.

    Attributes:
        law: its number; 0 for one that a user wrote.
        title: what it says.
        detail: what shows that it does not hold.
    """

    def __init__(self, law: int, title: str, detail: str) -> None:
        self.law = law
        self.title = title
        self.detail = detail
        super().__init__(f"{title}: {detail}" if not law else f"law {law}, {title}: {detail}")

    def __reduce__(self) -> tuple[type["LawBroken"], tuple[int, str, str]]:
        return (LawBroken, (self.law, self.title, self.detail))


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """Say that there is no such name, the nearest ones that there are, and all of them if they are few.

    >>> unknown("scenario", "reconect", ["reconnect", "moves"])
    "no scenario 'reconect'; did you mean 'reconnect'? There are: moves, reconnect"
    """
    names = sorted(known)
    text = f"no {what} {shown(name)}"
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    if not names:
        return f"{text}; there is none at all"
    few = 24
    listed = ", ".join(names[:few]) + (f" and {len(names) - few} more" if len(names) > few else "")
    return (
        f"{text}; did you mean {near[0]!r}? There are: {listed}" if near else f"{text}; there are: {listed}"
    )


def shown(value: object) -> str:
    """Return a value for a message: quoted, and no longer than a line."""
    text = repr(value)
    longest = 60
    return text if len(text) <= longest else text[: longest - 4] + " ..."
