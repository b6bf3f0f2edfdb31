"""From a file, or the name of a shipped one, to a `Deployment`: every refusal there is, in one place."""

import difflib
import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from greenroom.config import _references, _refusals, _timeline
from greenroom.config._deployment import Deployment, shipped_file, shipped_names
from greenroom.config._positions import Positions, positions
from greenroom.config._refusals import Finding
from greenroom.config._schema import DeploymentFile
from greenroom.config.errors import ConfigError, Problem, dotted, shown, unknown

LARGEST_BYTES: Final = 4 * 1024 * 1024
"""A deployment file that is larger is something else."""

_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def load(path_or_name: str | Path) -> Deployment:
    """Load a deployment file, or one that comes with greenroom (``"demo"``).

    Names, references and the script's order are checked; whether files, processors and secrets are there is what
    `check` looks at.

    Raises:
        ConfigError: it cannot be used; holds all problems at once.
    """
    path = _locate(path_or_name)
    return parse(_read(path, origin := str(path_or_name)), origin=origin, folder=path.parent)


def parse(text: str, *, origin: str = "<text>", folder: Path | None = None) -> Deployment:
    """Load a deployment from its text.

    Args:
        text: TOML.
        origin: what problems call it.
        folder: what its relative paths are relative to; by default the current folder.

    Raises:
        ConfigError: it cannot be used; holds all problems at once.
    """
    data = _toml(text, origin)
    lines = positions(text)
    try:
        file = DeploymentFile.model_validate(data)
    except ValidationError as error:
        raise _refusal(_refusals.findings(error, data, json_schema()), lines, origin) from None
    # The script is only read when its names mean something; otherwise one wrong name would be reported many times.
    if found := [*_references.findings(file)] or [*_timeline.findings(file)]:
        raise _refusal(found, lines, origin)
    return Deployment(origin=origin, folder=folder or Path(), file=file, lines=lines)


@functools.cache
def json_schema() -> Mapping[str, Any]:
    """Return the JSON Schema (2020-12) of deployment files, for editors. Do not change it in place."""
    schema = DeploymentFile.model_json_schema()
    _tidy(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "greenroom deployment",
    }


def _tidy(node: Any) -> None:
    """Take out what no reader needs: titles that repeat the key, and defaults of null, which TOML cannot say."""
    if isinstance(node, list):
        for item in node:  # pyright: ignore[reportUnknownVariableType] - JSON
            _tidy(item)
    elif isinstance(node, dict):
        if isinstance(node.get("title"), str):  # pyright: ignore[reportUnknownMemberType]
            del node["title"]
        if "default" in node and node["default"] is None:
            del node["default"]
        for value in node.values():  # pyright: ignore[reportUnknownVariableType]
            _tidy(value)


def _locate(path_or_name: str | Path) -> Path:
    """Return the file that is meant."""
    path = Path(path_or_name).expanduser()
    text = str(path_or_name)
    if not text:
        raise _whole("''", "names no file; name a deployment file, or a shipped deployment: demo")
    folder = _is(path, "is_dir")
    if _is(path, "exists") and not folder:
        return path
    # A folder does not hide a shipped deployment of its name: people write `run demo --out demo` twice.
    bare = isinstance(path_or_name, str) and not path.suffix and path.name == text
    if bare and text in shipped_names():
        return shipped_file(text)
    if folder:
        raise _whole(text, "is a folder; name a deployment file in it" + _inside(path))
    if bare:
        raise _whole(text, "no such file, and " + unknown("shipped deployment", text, shipped_names()))
    raise _whole(text, "no such file" + _neighbours(path))


def _is(path: Path, question: str) -> bool:
    """Ask the file system; a name that it cannot even look up (too long, a zero byte) is not there."""
    try:
        return bool(getattr(path, question)())
    except (OSError, ValueError):
        return False


def _inside(folder: Path) -> str:
    names = sorted(path.name for path in folder.glob("*.toml"))[:5]
    return f", like {', '.join(names)}" if names else ""


def _neighbours(path: Path) -> str:
    if not _is(path.parent, "is_dir"):
        return f"; nor is there a folder {shown(str(path.parent))}"
    names = [other.name for other in path.parent.glob("*.toml")]
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {shown(near[0])}?" if near else ""


def _read(path: Path, origin: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise _whole(origin, f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(raw) > LARGEST_BYTES:
        raise _whole(origin, f"is larger than {LARGEST_BYTES} bytes; that is no deployment file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        text = f"is not UTF-8 text: byte 0x{raw[error.start]:02x}"
        raise ConfigError([Problem(file=origin, line=line, text=text)]) from None


def _toml(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _PLACE.search(message)
        line, column = (int(n) for n in place.groups()) if place and place[1] else _end(text)
        what = f"not TOML: {_PLACE.sub('', message)}"
        raise ConfigError([Problem(file=origin, line=line, column=column, text=what)]) from None
    except RecursionError:
        raise _whole(origin, "not TOML that can be read: nested too deeply") from None
    except ValueError as error:
        # A number with more digits than Python converts, or a date that no calendar has.
        raise _whole(origin, f"not TOML that can be read: {error}") from None


def _end(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def _whole(origin: str, text: str) -> ConfigError:
    return ConfigError([Problem(file=origin, text=text)])


def _refusal(found: Iterable[Finding], lines: Positions, origin: str) -> ConfigError:
    problems = [Problem(file=origin, line=lines.line(p), where=dotted(p), text=text) for p, text in found]
    return ConfigError(sorted(problems, key=lambda problem: problem.line))
