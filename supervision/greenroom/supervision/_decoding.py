"""From parsed JSON back to frozen records, by their annotations."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints


@cache
def _hints(record: Any) -> dict[str, Any]:
    return get_type_hints(record)


def decode(hint: Any, value: Any) -> Any:
    """Return ``value`` as ``hint`` says: a record, an enumeration, a tuple of one kind, one of them or None, or a scalar.

    What a record does not know is left out.

    Raises:
        TypeError, ValueError: it is not that.
    """
    origin = get_origin(hint)
    if origin is tuple:
        return tuple(decode(get_args(hint)[0], each) for each in _checked(value, list))
    if origin is UnionType:
        return None if value is None else decode(get_args(hint)[0], value)
    if is_dataclass(hint):
        given: Mapping[str, Any] = _checked(value, dict)
        make: Any = hint
        return make(
            **{name: decode(each, given[name]) for name, each in _hints(make).items() if name in given}
        )
    if issubclass(hint, Enum):
        return hint(value)
    return _checked(value, hint)


def _checked(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} where {kind.__name__} is wanted")
    return value
