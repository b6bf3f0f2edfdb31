"""From parsed JSON back to frozen records, by their annotations."""

from collections.abc import Callable
from dataclasses import is_dataclass
from enum import Enum
from functools import cache, partial
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints


def decode(hint: Any, value: Any) -> Any:
    """Return ``value`` as ``hint`` says: a record, an enumeration, a tuple of one kind, one of them or None, or a scalar.

    What a record does not know is left out.

    Raises:
        TypeError, ValueError: it is not that.
    """
    return _decoder(hint)(value)


@cache
def _decoder(hint: Any) -> Callable[[Any], Any]:
    origin = get_origin(hint)
    if origin is tuple:
        return partial(_several, _decoder(get_args(hint)[0]))
    if origin is UnionType:
        return partial(_one_or_none, _decoder(get_args(hint)[0]))
    if is_dataclass(hint):
        fields = {name: _decoder(each) for name, each in get_type_hints(hint).items()}
        return partial(_record, cast("Callable[..., Any]", hint), fields)
    if issubclass(hint, Enum):
        members: dict[Any, Any] = {member.value: member for member in hint}
        return partial(_member, hint, members)
    return partial(_checked, hint)


def _several(each: Callable[[Any], Any], value: Any) -> tuple[Any, ...]:
    return tuple(map(each, _checked(list, value)))


def _one_or_none(one: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else one(value)


def _record(make: Callable[..., Any], fields: dict[str, Callable[[Any], Any]], value: Any) -> Any:
    given: dict[str, Any] = _checked(dict, value)
    return make(**{name: each(given[name]) for name, each in fields.items() if name in given})


def _member(kind: type[Enum], members: dict[Any, Any], value: Any) -> Any:
    found = members.get(_checked(str, value))
    if found is None:
        raise ValueError(f"no {kind.__name__}: {value!r}")
    return found


def _checked(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} where {kind.__name__} is wanted")
    return value
