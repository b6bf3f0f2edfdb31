"""What the services of actors, refs and systems are given is checked: refused by name and value before anything happens."""

from typing import Any, Final

from greenroom.supervision import _checks
from greenroom.supervision._restart import Cause, Crashed, Fenced, Normal, Shutdown
from greenroom.supervision.errors import BadSpec

LONGEST_NS: Final = 10**18
"""Thirty years: what is longer was meant as None."""
_LONGEST_S: Final = 1e18
LARGEST_SEED: Final = 2**64
"""Seeds are between this and the same below zero."""
_CAUSES: Final = (Normal, Shutdown, Crashed, Fenced)


def checked_timeout(timeout: object) -> None:
    """Refuse what is no time to wait for, with `BadSpec`: else a message would be sent whose answer nobody can wait for."""
    kind = type(timeout)
    if (kind is float or kind is int) and -_LONGEST_S <= timeout <= _LONGEST_S:  # type: ignore[operator]
        return
    if timeout != float("inf"):
        _checks.number("timeout", timeout, least=-_LONGEST_S, most=_LONGEST_S)


def checked_timeout_ns(timeout_ns: object) -> None:
    """Refuse what is no time to wait for, in nanoseconds, with `BadSpec`."""
    if timeout_ns is not None:
        or_else = ", or None to wait for as long as it takes"
        _checks.integer("timeout_ns", timeout_ns, least=0, most=LONGEST_NS, or_else=or_else)


def checked_call(field: str, value: object) -> None:
    """Refuse what cannot be called, with `BadSpec`: nobody would be there to hear of that when it is called."""
    if not callable(value):
        raise BadSpec(field, value, "something that can be called")


def checked_cause(cause: object) -> Cause:
    """Return what an incarnation can be told to end by; by default it has done what it was for.

    Raises:
        BadSpec: it is none of `Normal`, `Shutdown`, `Crashed` (with an exception) and `Fenced`. That it failed to start is
            found by the machine, of one that has not started.
    """
    if cause is None:
        return Normal()
    error: object = getattr(cause, "exception", None)
    if isinstance(cause, _CAUSES) and (isinstance(error, BaseException) or not isinstance(cause, Crashed)):
        return cause
    raise BadSpec("cause", cause, "a Normal(), Shutdown(), Crashed(exception) or Fenced()")


def checked_seed(seed: object) -> int:
    """Return a seed of dice; refuse what is none with `BadSpec`: with some values a run could not be repeated."""
    return _checks.integer("seed", seed, least=-LARGEST_SEED, most=LARGEST_SEED)


def checked_keywords(value: object) -> dict[str, Any]:
    """Return keyword arguments; refuse what are none with `BadSpec`, which shows no values: they may be secrets."""
    kind = type(value)
    if not isinstance(value, dict):
        raise BadSpec("kwargs", kind, "a dictionary from names to values")
    given: dict[object, Any] = dict(value)  # pyright: ignore[reportUnknownArgumentType]
    bad = [key for key in given if not isinstance(key, str)]
    if bad:
        raise BadSpec("kwargs", bad, "a dictionary whose keys are texts")
    return {str(key): each for key, each in given.items()}
