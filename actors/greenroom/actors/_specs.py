"""From what people give for a processor to a spec: a name, a spec, a factory or an instance."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, Final, cast

from greenroom.actors.errors import NotAProcessor, UnknownProcessor
from greenroom.actors.processors import Placement, ProcessorFactory, ProcessorSpec

GROUP: Final = "greenroom.processors"
"""The entry-point group in which packages offer processor factories by name."""


def spec_for(
    wanted: Any, known: Mapping[str, ProcessorSpec], resolve: Callable[[str], ProcessorSpec] | None
) -> ProcessorSpec:
    """Return the spec that ``wanted`` means. May import packages: call it where blocking is allowed.

    Raises:
        UnknownProcessor: nothing of that name is configured, installed or importable.
        NotAProcessor: it is none of a name, a spec, a factory, an instance.
    """
    if isinstance(wanted, ProcessorSpec):
        return wanted
    if isinstance(wanted, str):
        if wanted in known:
            return known[wanted]
        return resolve(wanted) if resolve is not None else installed(wanted, known)
    if isinstance(wanted, type) or inspect.isroutine(wanted):
        return _of_factory(getattr(wanted, "__name__", "processor"), cast("ProcessorFactory", wanted))
    if not missing_in(wanted):
        return ProcessorSpec(name=type(wanted).__name__.lower(), instance=wanted)
    if callable(wanted):
        return _of_factory(
            getattr(wanted, "__name__", type(wanted).__name__), cast("ProcessorFactory", wanted)
        )
    raise NotAProcessor(
        f"{type(wanted).__name__} is no processor; give a name, a ProcessorSpec, a factory, an instance "
        "with enabled, _process and _close, or a Lease"
    )


def missing_in(processor: object) -> list[str]:
    """Return what something lacks to be a processor."""
    return [name for name in ("_process", "_close", "enabled") if not _has(processor, name)]


def _has(processor: object, name: str) -> bool:
    try:
        return hasattr(processor, name)
    except Exception:  # noqa: BLE001 - ``enabled`` may raise for the time being; it is there all the same
        return True


def installed(name: str, known: Mapping[str, ProcessorSpec]) -> ProcessorSpec:
    """Return a spec for an entry point of `GROUP`, or for ``package.module:factory``."""
    offered = {point.name: point for point in entry_points(group=GROUP)}
    if name in offered:
        return _of_factory(name, offered[name].load())
    module_name, colon, attribute = name.partition(":")
    if not colon:
        raise UnknownProcessor(name, sorted({*known, *offered}))
    try:
        factory: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            factory = getattr(factory, part)
    except (ImportError, AttributeError) as error:
        raise UnknownProcessor(name, sorted({*known, *offered})) from error
    return _of_factory(attribute, factory)


def _of_factory(name: str, factory: ProcessorFactory) -> ProcessorSpec:
    placement = getattr(factory, "default_placement", Placement.THREAD)
    plain = "".join(c if c.isalnum() or c in "._-" else "-" for c in name).strip("-") or "processor"
    return ProcessorSpec(name=plain, factory=factory, placement=Placement(placement))
