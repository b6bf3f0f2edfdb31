"""Scenarios and fault plans as files: TOML or JSON, read with clear refusals, and written so that they read back the same."""

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from greenroom.simulation._scenario import Builder, Part, Scenario
from greenroom.simulation.errors import BadScenario, SimulationError, UnknownName, shown, unknown

E = TypeVar("E", bound=SimulationError)
SUFFIXES: Final = (".toml", ".json")
BYTES_MAX: Final = 4_000_000


def names(kind: str) -> list[str]:
    """Return the names of what is shipped: of ``scenarios`` or ``faults``."""
    folder = resources.files("greenroom.simulation") / kind
    return sorted(each.name.removesuffix(".toml") for each in folder.iterdir() if each.name.endswith(".toml"))


@cache
def shipped_text(kind: str, name: str) -> str:
    """Return the text of a shipped file."""
    return (resources.files("greenroom.simulation") / kind / f"{name}.toml").read_text("utf8")


def find(kind: str, what: str, wanted: str, refuse: Callable[[str], SimulationError]) -> dict[str, Any]:
    """Return the data of a file, or of what is shipped under a name.

    Args:
        kind: ``scenarios`` or ``faults``.
        what: for messages.
        wanted: a path that ends in ``.toml`` or ``.json``, or a name.
        refuse: makes the error.

    Raises:
        UnknownName: there is no such name.
    """
    if wanted.endswith(SUFFIXES):
        return _read(Path(wanted), what, refuse)
    if wanted not in names(kind):
        raise UnknownName(
            unknown(what, wanted, names(kind)) + f"; or the path of a {' or '.join(SUFFIXES)} file"
        )
    return tomllib.loads(shipped_text(kind, wanted))


def _read(path: Path, what: str, refuse: Callable[[str], SimulationError]) -> dict[str, Any]:
    try:
        if path.stat().st_size > BYTES_MAX:
            raise refuse(f"{path}: a {what} has at most {BYTES_MAX} bytes")
        text = path.read_text("utf8")
        data: object = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise refuse(f"{path}: cannot be read: {error.strerror or type(error).__name__}") from error
    except RecursionError as error:
        raise refuse(f"{path}: is nested too deeply") from error
    except ValueError as error:  # json's, tomllib's, and that it is no UTF-8
        raise refuse(f"{path}: is no {path.suffix[1:].upper()}: {error}") from error
    if not isinstance(data, dict):
        raise refuse(f"{path}: holds {type(data).__name__}; a {what} is a table")
    return cast("dict[str, Any]", data)


def tables(
    data: Mapping[str, Any], name: str, refuse: Callable[[str], SimulationError]
) -> list[dict[str, Any]]:
    """Return a list of tables, which may be missing."""
    found = data.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in cast("list[object]", found)):
        raise refuse(f"{name} must be a list of tables ([[{name}]])")
    return cast("list[dict[str, Any]]", found)


def text_of(data: Mapping[str, Any], name: str, refuse: Callable[[str], SimulationError]) -> str:
    """Return a text, which may be missing."""
    value = data.get(name, "")
    if not isinstance(value, str):
        raise refuse(f"{name} must be a text; it is {shown(value)}")
    return value


def check_keys(
    where: str, data: Mapping[str, Any], known: Sequence[str], refuse: Callable[[str], SimulationError]
) -> None:
    """Refuse keys that there are not, with the nearest that there are."""
    for key in data:
        if key not in known:
            raise refuse(f"{where}{unknown('key', key, known)}")


def load_scenario(wanted: str) -> Scenario:
    """Read a scenario: a file, or one that is shipped.

    >>> load_scenario("reference").name
    'reference'

    Raises:
        UnknownName, BadScenario: there is none, or it is wrong; the text says where.
    """
    data = find("scenarios", "scenario", wanted, BadScenario)
    default = Path(wanted).stem if wanted.endswith(SUFFIXES) else wanted
    return scenario_of({"name": default, **data})


def scenario_of(data: Mapping[str, Any], *, references: bool = True) -> Scenario:
    """Make a scenario of what a file says.

    Args:
        data: the file's.
        references: whether every room, track, stream and lease that is named must be there before; a scenario that was
            made short need not be so whole.

    Raises:
        BadScenario: something in it is wrong.
    """
    check_keys("", data, ("name", "about", "processors", "steps"), BadScenario)
    builder = Builder(name=text_of(data, "name", BadScenario), about=text_of(data, "about", BadScenario))
    for number, table in enumerate(tables(data, "processors", BadScenario), 1):
        builder.parts.append(_part(number, table))
    for number, table in enumerate(tables(data, "steps", BadScenario), 1):
        values = {name: frozen(v) for name, v in table.items() if name != "do"}
        try:
            if "do" not in table:
                raise BadScenario("has no 'do'")  # noqa: TRY301 - said with the step's number
            builder.add(str(table["do"]), values)
        except BadScenario as error:
            raise BadScenario(f"step {number}: {error}") from None
    if references:
        return builder.build()
    return Scenario(
        name=builder.name, about=builder.about, parts=tuple(builder.parts), steps=tuple(builder.steps)
    )


def _part(number: int, table: Mapping[str, Any]) -> Part:
    where = f"processor {number}: "
    known = {field.name: field for field in fields(Part)}
    check_keys(where, table, list(known), BadScenario)
    values: dict[str, Any] = {}
    for name, field in known.items():
        if name not in table:
            if field.default is MISSING:
                raise BadScenario(f"{where}{name} is missing")
            continue
        value, default = table[name], field.default
        if isinstance(default, StrEnum):
            options = [str(member) for member in type(default)]
            if value not in options:
                raise BadScenario(where + unknown(name, value, options))
            value = type(default)(value)
        elif type(value) is not (str if default is MISSING else type(default)):
            raise BadScenario(f"{where}{name} is {shown(value)}; it must be {_kind(default)}")
        values[name] = value
    return Part(**values)


def _kind(default: object) -> str:
    if isinstance(default, bool):
        return "true or false"
    return "a whole number" if isinstance(default, int) else "a text"


def frozen(value: Any) -> Any:
    """Return a file's value as records keep it: a list as a tuple."""
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """Return a record's value as files keep it: a tuple as a list, a member of an enumeration as its text."""
    if isinstance(value, tuple):
        return list(cast("tuple[object, ...]", value))
    return str(value) if isinstance(value, StrEnum) else value


def scenario_data(scenario: Scenario) -> dict[str, Any]:
    """Return a scenario as a file says it; `scenario_of` reads it back the same."""
    data: dict[str, Any] = {"name": scenario.name}
    if scenario.about:
        data["about"] = scenario.about
    if scenario.parts:
        data["processors"] = [table_of(part) for part in scenario.parts]
    data["steps"] = [{"do": step.do, **table_of(step)} for step in scenario.steps]
    return data


def table_of(value: Any) -> dict[str, Any]:
    """Return what a flat record says beyond its defaults."""
    found: dict[str, Any] = {}
    for field in fields(value):
        each = getattr(value, field.name)
        if each != field.default:
            found[field.name] = plain(each)
    return found


def save_scenario(scenario: Scenario, path: str | Path) -> None:
    """Write a scenario: TOML, or JSON if the path ends in ``.json``."""
    path = Path(path)
    data = scenario_data(scenario)
    path.write_text(json.dumps(data, indent=1) + "\n" if path.suffix == ".json" else to_toml(data), "utf8")


def to_toml(data: Mapping[str, Any]) -> str:
    """Return a table of plain values and of lists of flat tables as TOML.

    >>> print(to_toml({"name": "x", "steps": [{"do": "wait", "ms": 5}]}))
    name = "x"
    <BLANKLINE>
    [[steps]]
    do = "wait"
    ms = 5
    <BLANKLINE>
    """
    lines = [f"{name} = {_value(value)}" for name, value in data.items() if not _is_tables(value)]
    for name, value in data.items():
        for table in value if _is_tables(value) else ():
            lines += ["", f"[[{name}]]", *(f"{key} = {_value(each)}" for key, each in table.items())]
    return "\n".join(lines) + "\n"


def _is_tables(value: object) -> bool:
    if not isinstance(value, list):
        return False
    items = cast("list[object]", value)
    return bool(items) and all(isinstance(each, dict) for each in items)


def _value(value: Any) -> str:
    # JSON's texts, numbers, booleans and lists of them are TOML's too.
    return json.dumps(value, ensure_ascii=True)
