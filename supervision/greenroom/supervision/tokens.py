"""Replay tokens: one run of one program as a short text that can be pasted into a command line.

A token names the program and holds what decides its run: seed, choices, and what else its caller needs. It also holds a
fingerprint of the code that it was made with, because a schedule means nothing to other code.

>>> token = Token(program="rooms", seed=7, schedule="random(7)", choices=(0, 2, 1), code="c0ffee")
>>> Token.decode(token.encode()) == token
True
>>> Token.decode("gr1.nonsense")
Traceback (most recent call last):
greenroom.supervision.tokens.BadToken: this is no replay token: what follows gr1. is damaged
"""

# ruff: noqa: N818  these names say what happened; the base class says that it is an error

import base64
import binascii
import importlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self, cast

from greenroom.supervision.errors import SupervisionError

__all__ = ["BadToken", "Token", "fingerprint"]

VERSION: Final = "gr1"
LONGEST: Final = 32 * 1024 * 1024
"""Bytes that a token may unfold to: no schedule is longer, and a hostile text cannot fill the memory."""
HEX_DIGITS: Final = 16


class BadToken(SupervisionError, ValueError):
    """A text is no replay token that could be read.

    Attributes:
        why: what is wrong with it.
    """

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"this is no replay token: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One run of one program.

    Attributes:
        program: its name.
        seed: of the runtime.
        schedule: the scheduler that chose first.
        choices: what was chosen; None where schedule and seed say that.
        draws: what the dice rolled; None where the seed says that.
        extra: what else decides the run: the scenario, the faults; any JSON object.
        code: `fingerprint` of the code that it was made with.
    """

    program: str
    seed: int
    schedule: str
    choices: tuple[int, ...] | None = None
    draws: tuple[int, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    code: str

    def encode(self) -> str:
        """Return it as a text of letters, digits, ``-``, ``_`` and one dot."""
        text = json.dumps(asdict(self), separators=(",", ":"), sort_keys=True, ensure_ascii=True)
        packed = base64.urlsafe_b64encode(zlib.compress(text.encode("ascii"), 9))
        return f"{VERSION}.{packed.decode('ascii').rstrip('=')}"

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read a token; white space in it does not matter, so that it may be wrapped.

        Raises:
            BadToken: it is none, or damaged, or of another version.
        """
        text = "".join(text.split())
        version, dot, packed = text.partition(".")
        if version != VERSION or not dot:
            raise BadToken(f"it begins with {version[:12]!r}, not with {VERSION}.")
        return cls(**_checked(_unpacked(packed)))


def _unpacked(packed: str) -> Any:
    try:
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        unfolder = zlib.decompressobj()
        plain = unfolder.decompress(data, LONGEST)
        if unfolder.unconsumed_tail or not unfolder.eof or unfolder.unused_data:
            raise BadToken(f"what follows {VERSION}. is cut off or too long")
        return json.loads(plain)
    except (ValueError, binascii.Error, zlib.error, RecursionError) as error:
        if isinstance(error, BadToken):
            raise
        raise BadToken(f"what follows {VERSION}. is damaged") from None


def _checked(found: Any) -> dict[str, Any]:
    names = {each.name for each in fields(Token)}
    values = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if set(values) != names:
        raise BadToken(f"it does not hold {', '.join(sorted(names))}")
    for name in ("program", "schedule", "code"):
        if not isinstance(values[name], str):
            raise BadToken(f"its {name} is no text")
    if type(values["seed"]) is not int:
        raise BadToken("its seed is no integer")
    if not isinstance(values["extra"], dict):
        raise BadToken("its extra is no object")
    for name in ("choices", "draws"):
        if values[name] is not None:
            values[name] = _numbers(name, values[name])
    return values


def _numbers(name: str, given: Any) -> tuple[int, ...]:
    if not isinstance(given, list):
        raise BadToken(f"its {name} are no list of integers from 0")
    numbers = cast("list[int]", given)
    if any(type(each) is not int or each < 0 for each in numbers):
        raise BadToken(f"its {name} are no list of integers from 0")
    return tuple(numbers)


def fingerprint(*modules: str, files: Iterable[Path] = ()) -> str:
    """Return a short text that is another one if any of the sources is.

    Args:
        modules: packages or modules by their full names; a package stands for all of its Python files.
        files: further files: a scenario's.

    Raises:
        ImportError: there is no such module.
    """
    digest = sha256()
    for name in sorted(modules):
        for relative, path in _sources(name):
            _add(digest, f"{name}:{relative}", path)
    for path in sorted(files, key=lambda each: each.name):
        _add(digest, path.name, path)
    return digest.hexdigest()[:HEX_DIGITS]


def _add(digest: Any, name: str, path: Path) -> None:
    text = path.read_bytes().replace(b"\r\n", b"\n")
    digest.update(f"{name}\n{len(text)}\n".encode())
    digest.update(text)


def _sources(name: str) -> list[tuple[str, Path]]:
    module = importlib.import_module(name)
    roots = [Path(each) for each in getattr(module, "__path__", ())]
    if not roots:
        return [("", Path(str(module.__file__)))]
    found = [(path.relative_to(root).as_posix(), path) for root in roots for path in root.rglob("*.py")]
    return sorted(found)
