"""Checks a factory's options against its signature, without building anything."""

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Interval

from greenroom.adapters._errors import BadOptions, suggestion

_BY_NAME = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_STRICT = (bool, int, float, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionInfo:
    """One option of a factory.

    Attributes:
        name: how it is called.
        takes: its type and range, for people (``"a number from 10 to 1000"``).
        default: what it is when not given, as Python writes it; empty if it must be given.
    """

    name: str
    takes: str
    default: str


def check_options(factory: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Check names, types and ranges of ``options`` against the signature of ``factory``.

    What a signature does not say is not checked: a factory without annotations takes anything, one with
    ``**options`` takes any name. Ranges are said with ``Annotated[float, Interval(ge=0, le=1)]``.

    Raises:
        BadOptions: all that is wrong, at once, each with the option, its value and what would do.
    """
    problems = list(_problems(factory, options))
    if problems:
        raise BadOptions(_name(factory), problems)


def options_of(factory: Callable[..., Any]) -> tuple[OptionInfo, ...]:
    """Return the options that ``factory`` takes by name, in its order."""
    hints = _hints(factory)
    return tuple(
        OptionInfo(
            name=p.name,
            takes=_takes(hints[p.name]) if p.name in hints else "anything",
            default="" if p.default is p.empty else repr(p.default),
        )
        for p in _parameters(factory) or ()
        if p.kind in _BY_NAME
    )


def _problems(factory: Callable[..., Any], options: Mapping[str, Any]) -> Iterator[str]:
    parameters = _parameters(factory)
    if parameters is None:
        return
    known = {p.name: p for p in parameters if p.kind in _BY_NAME}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
    hints = _hints(factory)
    for name, value in options.items():
        if name in known:
            yield from _value_problem(name, value, hints.get(name, Any))
        elif not open_ended:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            yield f"no option {name!r}{suggestion(name, known)}; {takes}"
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in options:
            yield f"option {name!r} is missing; it takes {_takes(hints.get(name, Any))}"


def _value_problem(name: str, value: object, hint: Any) -> Iterator[str]:
    if hint is Any:
        return
    # pydantic costs tens of milliseconds to import, and whoever gives no options needs none of it.
    from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError  # noqa: PLC0415

    try:
        # strict: neither True nor "3" is a number, though 3 is a float.
        TypeAdapter[object](hint).validate_python(value, strict=_base(hint) in _STRICT)
    except PydanticSchemaGenerationError:
        return
    except ValidationError:
        yield f"option {name!r} is {_shown(value, hint)}; it takes {_takes(hint)}"


def _shown(value: object, hint: Any) -> str:
    """Return ``value`` for people, unless it may be a secret, which can only be text outside of a fixed list."""
    if value is None or isinstance(value, bool | int | float) or typing.get_origin(_base(hint)) is Literal:
        return repr(value)
    return "a text" if isinstance(value, str) else f"a {type(value).__name__}"


def _parameters(factory: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError):
        return None


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    target: Any = inspect.unwrap(factory)
    if inspect.isclass(target):
        target = target.__init__
    elif not inspect.isroutine(target):
        target = getattr(target, "__call__", target)  # noqa: B004 - an object that can be called; its hints are there
    try:
        return typing.get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def _base(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def _takes(hint: Any) -> str:
    base = _base(hint)
    if typing.get_origin(base) is Literal:
        return " or ".join(map(repr, typing.get_args(base)))
    names: dict[Any, str] = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    if base is Any:
        return "anything"
    text = names.get(base) or getattr(base, "__name__", None) or str(base)
    ranges = [m for m in typing.get_args(hint)[1:] if isinstance(m, Interval)] if base is not hint else []
    return text + "".join(_range(one) for one in ranges)


def _range(interval: Interval) -> str:
    parts = ((interval.ge, "from"), (interval.gt, "above"), (interval.le, "to"), (interval.lt, "below"))
    return "".join(f" {word} {limit}" for limit, word in parts if limit is not None)


def _name(factory: Callable[..., Any]) -> str:
    return getattr(factory, "__name__", None) or type(factory).__name__
