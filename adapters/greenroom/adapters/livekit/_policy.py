"""What people give for a supervised processor, checked before anything starts."""

import dataclasses
from collections.abc import Callable
from typing import Any, Final, cast

from greenroom.actors import BadProcessorSpec, NotAProcessor, OnFault, ProcessorSpec, Session
from greenroom.actors.processors import MILLISECOND_NS, SECOND_NS
from greenroom.adapters.livekit._asked import check_factory
from greenroom.adapters.livekit._hosting import hosted, shelled
from greenroom.adapters.livekit._sdk import rtc

WAIT_NS: Final = 20 * MILLISECOND_NS
"""How long a call waits for its frame unless it is said otherwise: twice what the slowest known processor takes."""
WAIT_MAX_NS: Final = SECOND_NS
_OURS: Final = {"name", "factory", "instance", "options", "shared"}
KNOWN: Final = frozenset(each.name for each in dataclasses.fields(ProcessorSpec)) - _OURS
"""What a policy may say: how the processor is hosted."""

Wanted = ProcessorSpec | str
"""A spec; or the name of one, which the session knows."""


def wanted_of(given: Any, policy: dict[str, Any], session: Session | None) -> Wanted:
    """Return what is to be hosted.

    Args:
        given: a factory, an instance, a `ProcessorSpec`, or a name that ``session`` knows.
        policy: fields of `ProcessorSpec`; for factories and instances.
        session: must be there for a name.

    Raises:
        NotAProcessor: it is none of these.
        NotAnOption: a factory that nothing could be built with.
        TypeError: a policy that does not exist, or has nothing to say here.
        BadProcessorSpec: a value that is out of its range.
        ProcessorOver: an instance that has been closed.
    """
    for key in policy:
        if key not in KNOWN:
            raise TypeError(f"no policy {key!r}; there are: {', '.join(sorted(KNOWN))}")
    if isinstance(given, ProcessorSpec | str) and policy:
        raise TypeError(
            f"policy {', '.join(sorted(policy))}: a configured processor has its own; give a factory"
        )
    if isinstance(given, str) and session is None:
        raise NotAProcessor(f"{given!r}: a name means something to a session; give session= as well")
    if isinstance(given, str):
        return given
    spec = shelled(given if isinstance(given, ProcessorSpec) else _spec(given, policy))
    if spec.on_fault is OnFault.DROP:
        raise BadProcessorSpec(
            "on_fault", spec.on_fault, "BYPASS or SILENCE: who calls wants a frame for each frame"
        )
    return spec


def _spec(given: Any, policy: dict[str, Any]) -> ProcessorSpec:
    if isinstance(given, rtc.FrameProcessor):
        kind: type[Any] = type(given)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        return ProcessorSpec(name=_plain(kind.__name__), instance=cast("Any", given), **policy)
    if not callable(given):
        raise NotAProcessor(
            f"{type(given).__name__} is no processor; give a factory, a FrameProcessor, a ProcessorSpec or a name"
        )
    if isinstance(given, type) or not hasattr(given, "_process"):
        check_factory(given)
    return ProcessorSpec(name=_plain(_name_of(given)), factory=cast("Any", given), **policy)


def _name_of(factory: Callable[..., Any]) -> str:
    inner: Any = getattr(factory, "func", factory)  # a partial is called what it calls
    return str(getattr(inner, "__name__", type(inner).__name__))


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name).strip("-") or "processor"


def check_wait(wait_ns: object) -> int:
    """Return how long a call may wait.

    Raises:
        ValueError: it is no such number.
    """
    if isinstance(wait_ns, bool) or not isinstance(wait_ns, int) or not 0 <= wait_ns <= WAIT_MAX_NS:
        raise ValueError(
            f"wait_ns is {wait_ns!r}; it must be an integer of nanoseconds from 0 to {WAIT_MAX_NS}"
        )
    return wait_ns


async def spec_in(session: Session, wanted: Wanted) -> ProcessorSpec:
    """Return the spec that a session means by ``wanted``.

    Raises:
        UnknownProcessor: it knows no such name.
    """
    return wanted if isinstance(wanted, ProcessorSpec) else await hosted(session, wanted)
