"""What is wrong with a deployment, all of it at once: `Problem` and `ConfigError`."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]
"""Where something is in the file: ``("rooms", "lobby", "tracks", 1, "pipeline")``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that has to be put right. Prints as one line, and holds no secret.

    Attributes:
        file: the file, as it was given.
        line: counted from 1; 0 where it cannot be told.
        column: counted from 1; 0 where it cannot be told.
        where: the key, ``rooms.lobby.tracks[1].pipeline``; empty for the file as a whole.
        text: what is wrong, with the value, and what would do.
    """

    file: str
    line: int = 0
    column: int = 0
    where: str = ""
    text: str

    def __str__(self) -> str:
        place = ":".join([self.file, *(str(n) for n in (self.line, self.column) if n)])
        return f"{place}: {self.where}: {self.text}" if self.where else f"{place}: {self.text}"


class ConfigError(ValueError):
    """A deployment cannot be used as it is. Nothing has been started.

    Attributes:
        problems: all that was found, in the order of the file; at least one.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[tuple[Problem, ...]]]:
        return (ConfigError, (self.problems,))


def dotted(path: KeyPath) -> str:
    """Return a path as people write it.

    >>> dotted(("rooms", "green room", "tracks", 1, "sid"))
    'rooms."green room".tracks[1].sid'
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
            continue
        bare = step.replace("-", "").replace("_", "").isalnum() and step.isascii()
        text += ("." if text else "") + (step if bare else f'"{step}"')
    return text


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """Say that there is no such name, the nearest one that there is, and all of them if they are few.

    >>> unknown("pipeline", "claen", ["clean", "raw"])
    "no pipeline 'claen'; did you mean 'clean'? There are: clean, raw"
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    text = f"no {what} {shown(name)}"
    if near:
        text += f"; did you mean '{near[0]}'?"
    if not names:
        return text + "; there is none at all"
    few = 12
    listed = ", ".join(names[:few]) + (f" and {len(names) - few} more" if len(names) > few else "")
    return text + ("" if near else ";") + (" There are: " if near else " there are: ") + listed


def shown(value: object) -> str:
    """Return a value for a message: quoted, and no longer than a line."""
    text = repr(value)
    longest = 60
    return text if len(text) <= longest else text[: longest - 4] + " ..."
