"""What can go wrong with other people's software and files; each error is also the builtin that it is."""
# ruff: noqa: N818  these names say what happened; the base class says that it is an error

import difflib
from collections.abc import Iterable
from os import PathLike, fspath


class AdapterError(Exception):
    """The base of everything that this floor raises on purpose."""


class UnknownUse(AdapterError, LookupError):
    """Nobody offers a processor under this name.

    Attributes:
        use: what was asked for.
        known: the names there are.
    """

    def __init__(self, use: str, *, known: Iterable[str], where: str = "") -> None:
        self.use = use
        self.known = tuple(sorted(known))
        super().__init__(
            f"no processor {use!r}{where}{suggestion(use, self.known)}; "
            f"known: {', '.join(self.known) or 'none'}; anything else is written 'package.module:factory'"
        )


class MissingExtra(AdapterError, ImportError):
    """The processor is known, but the package that does its work is not installed.

    Attributes:
        extra: the extra of greenroom that installs it.
    """

    def __init__(self, use: str, *, package: str, extra: str) -> None:
        self.use = use
        self.extra = extra
        super().__init__(f'processor {use!r} needs {package}: pip install "greenroom[{extra}]"')


class BrokenImport(AdapterError, ImportError):
    """The module behind a processor cannot be imported; the cause is chained."""

    def __init__(self, use: str, *, module: str, what: str) -> None:
        self.use = use
        super().__init__(f"processor {use!r}: {what} while importing {module!r}")


class NotAFactory(AdapterError, TypeError):
    """What the name leads to cannot be called."""

    def __init__(self, use: str, *, found: object) -> None:
        self.use = use
        super().__init__(
            f"processor {use!r} is {type(found).__name__}, which cannot be called; "
            "name a class or a function that returns a processor"
        )


class BadOptions(AdapterError, ValueError):
    """Options that a factory does not take, or not with these values.

    Attributes:
        problems: one line each, naming the option, its value and what would do. A text is not shown unless
            the option takes one of a few words: it may be a secret.
    """

    def __init__(self, factory: str, problems: Iterable[str]) -> None:
        self.factory = factory
        self.problems = tuple(problems)
        super().__init__(f"{factory}: {'; '.join(self.problems)}")


class UnreadableFile(AdapterError, OSError):
    """An input file that is not there, or may not be read."""

    def __init__(self, path: str | PathLike[str], what: str) -> None:
        self.path = fspath(path)
        super().__init__(f"{self.path}: {what}")


class BadAudioFile(AdapterError, ValueError):
    """An input file that is there, but is not whole audio."""

    def __init__(self, path: str | PathLike[str], what: str) -> None:
        self.path = fspath(path)
        super().__init__(f"{self.path}: {what}")


class OutputFailed(AdapterError, OSError):
    """An output that cannot be written; nothing is left under its final name."""

    def __init__(self, path: str | PathLike[str], what: str) -> None:
        self.path = fspath(path)
        super().__init__(f"{self.path}: {what}")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean ...?"`` with the nearest of ``known``, or nothing.

    >>> suggestion("gian", ["gain", "meter"])
    "; did you mean 'gain'?"
    """
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
