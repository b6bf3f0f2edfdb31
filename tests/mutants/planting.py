"""Planting: a mutant is a few exact replacements in our own sources, made while they are imported; no file is touched.

A text that is to be replaced must be there exactly once. So a mutant whose place has changed fails loudly, and is either
moved or given up by whoever changed it; it never goes on as a fault that is not planted.
"""

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).parents[2]


class Misplaced(Exception):  # noqa: N818 - it says what is wrong with a mutant
    """The text that a mutant replaces is not there, or more than once."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement.

    Attributes:
        module: floor and module: ``actors._books``.
        old: what is there, exactly once.
        new: what is planted in its place.
    """

    module: str
    old: str
    new: str

    @property
    def floor(self) -> str:
        """``actors`` or ``supervision``."""
        return self.module.partition(".")[0]

    @property
    def path(self) -> Path:
        """The source that it changes."""
        floor, _, module = self.module.partition(".")
        return ROOT / floor / "greenroom" / floor / f"{module}.py"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A realistic mistake.

    Attributes:
        name: for tables and ``--only``.
        plants: the mistake, in a few words.
        edits: how it is made.
        upstream: which of upstream's failures (G1 to G31) it is, if it is one.
    """

    name: str
    plants: str
    edits: tuple[Edit, ...]
    upstream: str = ""

    @property
    def floor(self) -> str:
        """The floor that it is planted in."""
        return self.edits[0].floor


def mutant(
    name: str, plants: str, module: str, old: str, new: str, *more: tuple[str, str, str], upstream: str = ""
) -> Mutant:
    """Make a mutant of one edit, or of several: ``(module, old, new)`` each."""
    edits = (Edit(module, old, new), *(Edit(*each) for each in more))
    return Mutant(name, plants, edits, upstream)


def planted(source: str, edits: Sequence[Edit]) -> str:
    """Return a module's source with its edits made.

    Raises:
        Misplaced: an old text is not there exactly once.
    """
    for edit in edits:
        count = source.count(edit.old)
        if count != 1:
            raise Misplaced(f"{edit.module} holds {count} times, not once: {edit.old!r}")
        source = source.replace(edit.old, edit.new)
    return source


def check(given: Mutant) -> None:
    """See that a mutant applies and compiles.

    Raises:
        Misplaced: its place has changed.
        SyntaxError: what it plants is no Python.
    """
    for path in {edit.path for edit in given.edits}:
        edits = [edit for edit in given.edits if edit.path == path]
        compile(planted(path.read_text("utf8"), edits), str(path), "exec")


class _Loader(SourceFileLoader):
    """Loads one module with its edits made; never from, and never into, a cache."""

    edits: Sequence[Edit] = ()

    def get_code(self, fullname: str) -> CodeType:
        source = importlib.util.decode_source(self.get_data(self.path))
        code: CodeType = self.source_to_code(planted(source, self.edits).encode(), self.path)
        return code


class _Planter(MetaPathFinder):
    def __init__(self, given: Mutant) -> None:
        self._edits: dict[str, list[Edit]] = {}
        for edit in given.edits:
            self._edits.setdefault(f"greenroom.{edit.module}", []).append(edit)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        edits = self._edits.get(fullname)
        if edits is None:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        assert found is not None
        assert found.origin is not None
        loader = _Loader(fullname, found.origin)
        loader.edits = edits
        return importlib.util.spec_from_file_location(fullname, found.origin, loader=loader)


def plant(given: Mutant) -> None:
    """Have greenroom be imported with this mutant from now on, in this process.

    Raises:
        RuntimeError: it has been imported already.
    """
    for edit in given.edits:
        if f"greenroom.{edit.module}" in sys.modules:
            raise RuntimeError(f"greenroom.{edit.module} is imported already: a mutant comes first")
    sys.meta_path.insert(0, _Planter(given))
