"""What pydantic found, in words that name the key, the value and what would do."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from greenroom.config._fields import FOREIGN_PATTERN, LABEL_PATTERN, NAME_PATTERN, SECRET, VARIABLE_PATTERN
from greenroom.config.errors import KeyPath, shown, unknown

Finding = tuple[KeyPath, str]
"""Where, and what; the loader adds file and line."""

_PRIVATE: Final = re.compile(r"token|secret|password|passwd|api_?key", re.IGNORECASE)
"""Keys whose values are not repeated in messages: somebody may have written the secret itself there."""
_PATTERNS: Final = {
    NAME_PATTERN: "must be letters, digits, '_', '.' and '-', begin with a letter or digit, and be at most 64 long",
    LABEL_PATTERN: "must be 1 to 128 characters, without '/' and control characters",
    FOREIGN_PATTERN: "must be 1 to 256 characters, without control characters",
    VARIABLE_PATTERN: "must be the name of an environment variable (letters, digits and '_'), not the secret itself",
}
_WORDS: Final = {
    "Input should be": "must be",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "a valid dictionary": "a table",
    "a valid string": "text in quotes",
    "a valid tuple": "a list",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
}
"""What pydantic says, and what a TOML file is made of."""
_INSTANCE: Final = re.compile(r" or instance of \w+")
_INLINE: Final = (
    "a secret does not belong into this file. Put it into an environment variable and its name here: "
    'token_env = "GREENROOM_TOKEN"; or into a file: token_file = "room.token"'
)


def findings(error: ValidationError, data: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield one finding per error.

    Args:
        error: what validation raised.
        data: what was validated; tells which steps of a location are keys.
        schema: the JSON Schema of the file; knows the keys that there are.
    """
    seen: set[KeyPath] = set()
    for detail in error.errors(include_url=False):
        path = _path(detail, data)
        if path not in seen:
            seen.add(path)
            yield path, _text(detail, path, data, schema)


def _path(detail: ErrorDetails, data: Any) -> KeyPath:
    """Take out what pydantic adds to a location: the tag of an event, the branch of a union, the mark of a bad key."""
    loc = detail["loc"]
    if loc[:1] in (("events",), ("rooms",)):
        loc = loc[:2] + loc[3:]
    if detail["type"] == "missing":
        return loc
    path: KeyPath = ()
    for step in loc:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            break
        path = (*path, step)
    return path


def _text(detail: ErrorDetails, path: KeyPath, data: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    match detail["type"], detail.get("ctx", {}):
        case "extra_forbidden", _:
            text = _unknown_key(path, data, schema)
        case "missing", _ if path == ("rooms",):
            text = "is missing; a deployment has a [rooms.NAME] at least. `greenroom init` writes a file to start from"
        case "missing", _:
            text = "is missing. " + _described(path, data, schema)
        case "union_tag_not_found", _:
            text = "has no 'do'; it is one of: " + ", ".join(_event_kinds(schema))
        case "union_tag_invalid", {"tag": tag} if path[0] == "rooms":
            text = unknown("source", tag, ("files", "livekit"))
        case "union_tag_invalid", {"tag": tag}:
            text = unknown("event", tag, _event_kinds(schema))
        case "string_pattern_mismatch", {"pattern": pattern}:
            text = _PATTERNS[pattern] + _given(detail, path)
        case "too_short", _ if path[0] == "pipelines":
            text = "is empty; name at least one processor"
        case _:
            text = _reworded(detail["msg"]) + _given(detail, path)
    return text


def _reworded(text: str) -> str:
    text = _INSTANCE.sub("", text)
    for theirs, ours in _WORDS.items():
        text = text.replace(theirs, ours)
    return f"{text[:1].lower()}{text[1:]}"


def _given(detail: ErrorDetails, path: KeyPath) -> str:
    """Return the value that was given, unless it is large or may be a secret."""
    value = detail["input"]
    secret = any(isinstance(step, str) and _PRIVATE.search(step) for step in path)
    return "" if secret or isinstance(value, dict) else f"; it is {shown(value)}"


def _unknown_key(path: KeyPath, data: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    key = str(path[-1])
    known = _keys(path[:-1], data, schema)
    if key not in known and "token_env" in known and SECRET.search(key):
        return _INLINE
    if key not in known and f"{key}_env" in known and SECRET.search(key):
        return (
            "a secret does not belong into this file. Put it into an environment variable and its name here: "
            f'{key}_env = "{known[f"{key}_env"].get("default", "MY_SECRET")}"'
        )
    return unknown("key", key, known)


def _keys(path: KeyPath, data: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the schema knows of the table at ``path``, by key."""
    properties: Mapping[str, Any] = _node(path, data, schema).get("properties", {})
    return properties


def _described(path: KeyPath, data: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    text: str = _keys(path[:-1], data, schema).get(str(path[-1]), {}).get("description", "")
    return text


def _node(path: KeyPath, data: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow ``path`` through the schema; the data says which kind an event or a room is."""
    node = schema
    for step in path:
        data = data[step]
        if isinstance(step, int):
            node = node["items"]
        elif step in node.get("properties", {}):
            node = node["properties"][step]
        else:
            node = _for_any_key(node)
        if "discriminator" in node:
            kinds = node["discriminator"]
            node = {"$ref": kinds["mapping"][data.get(kinds["propertyName"], "files")]}
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def _for_any_key(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of the tables that people name themselves: processors, pipelines, rooms."""
    patterns: Mapping[str, Mapping[str, Any]] = node.get("patternProperties", {})
    for node_of_any_key in patterns.values():
        return node_of_any_key
    return {}


def _event_kinds(schema: Mapping[str, Any]) -> list[str]:
    return list(schema["properties"]["events"]["items"]["discriminator"]["mapping"])
