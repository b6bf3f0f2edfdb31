"""Which line of a TOML text each key is on: what `tomllib` knows and does not tell.

The text has been parsed by `tomllib` before, so it is valid; this only follows its structure. Were it ever to lose
its way, it returns what it has found so far: a message without a line is still a message.
"""

import contextlib
import re
import tomllib
from collections.abc import Mapping
from typing import Final

from greenroom.config.errors import KeyPath

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_KEY: Final = re.compile(r"[A-Za-z0-9_-]+|\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'")
_SCALAR: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|[^,\]}#\n\"']+",
    re.DOTALL,
)


class Positions:
    """The line of every key and item, counted from 1."""

    def __init__(self, lines: Mapping[KeyPath, int]) -> None:
        self.lines = lines

    def line(self, path: KeyPath) -> int:
        """Return the line of ``path``, or of the nearest thing around it; 0 if nothing is known."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return 0


class _LostError(Exception):
    """The text is not what was expected."""


def positions(text: str) -> Positions:
    """Return where everything is in ``text``."""
    scanner = _Scanner(text)
    with contextlib.suppress(_LostError, RecursionError, tomllib.TOMLDecodeError):
        scanner.document()
    return Positions(scanner.lines)


class _Scanner:
    """One pass over a TOML text. ``at`` is the character that comes next."""

    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._counted_to = 0
        self._line = 1
        self._lengths: dict[KeyPath, int] = {}

    def document(self) -> None:
        """Follow all tables and pairs."""
        table: KeyPath = ()
        self._take(_BLANK)
        while self._at < len(self._text):
            if self._peek("["):
                table = self._header()
            else:
                self._pair(table)
            self._take(_BLANK)

    def _header(self) -> KeyPath:
        """``[a.b]`` or ``[[a.b]]``; the last table of each array on the way is meant."""
        double = self._peek("[[")
        self._at += 2 if double else 1
        names = self._names()
        path: KeyPath = ()
        for index, name in enumerate(names):
            path = (*path, name)
            self._mark(path)
            if double and index == len(names) - 1:
                path = (*path, self._next_index(path))
                self._mark(path)
            elif path in self._lengths:
                path = (*path, self._lengths[path] - 1)
        self._expect("]]" if double else "]")
        return path

    def _next_index(self, path: KeyPath) -> int:
        self._lengths[path] = self._lengths.get(path, 0) + 1
        return self._lengths[path] - 1

    def _pair(self, table: KeyPath) -> None:
        """``a.b = value``."""
        path = table
        for name in self._names():
            path = (*path, name)
            self._mark(path)
        self._expect("=")
        self._take(_SPACE)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if self._peek("["):
            self._array(path)
        elif self._peek("{"):
            self._inline_table(path)
        else:
            self._take(_SCALAR, needed=True)

    def _array(self, path: KeyPath) -> None:
        self._expect("[")
        index = 0
        self._take(_BLANK)
        while not self._peek("]"):
            self._mark((*path, index))
            self._value((*path, index))
            index += 1
            self._take(_BLANK)
            if self._peek(","):
                self._expect(",")
            self._take(_BLANK)
        self._expect("]")

    def _inline_table(self, path: KeyPath) -> None:
        self._expect("{")
        self._take(_BLANK)
        while not self._peek("}"):
            self._pair(path)
            self._take(_BLANK)
            if self._peek(","):
                self._expect(",")
            self._take(_BLANK)
        self._expect("}")

    def _names(self) -> list[str]:
        """``a . "b c"``."""
        names: list[str] = []
        while True:
            self._take(_SPACE)
            name = self._take(_KEY, needed=True)
            names.append(tomllib.loads(f"x = {name}")["x"] if name[0] in "\"'" else name)
            self._take(_SPACE)
            if not self._peek("."):
                return names
            self._at += 1

    def _mark(self, path: KeyPath) -> None:
        """Note the line of ``path``, unless it has one."""
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        self.lines.setdefault(path, self._line)

    def _peek(self, wanted: str) -> bool:
        return self._text.startswith(wanted, self._at)

    def _expect(self, wanted: str) -> None:
        if not self._peek(wanted):
            raise _LostError
        self._at += len(wanted)

    def _take(self, pattern: re.Pattern[str], *, needed: bool = False) -> str:
        found = pattern.match(self._text, self._at)
        if found is None or (needed and not found.group()):
            raise _LostError
        self._at = found.end()
        return found.group()
