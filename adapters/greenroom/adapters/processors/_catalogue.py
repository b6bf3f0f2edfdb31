"""The processors that deployments can name, from every installed package."""

import inspect
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from greenroom.actors.processors import Placement
from greenroom.adapters._errors import AdapterError
from greenroom.adapters.processors._about import about_of
from greenroom.adapters.processors._options import OptionInfo, options_of
from greenroom.adapters.processors._resolve import load, offers


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """One processor that a deployment can name.

    Attributes:
        name: what to write as ``use``.
        summary: the first line of its documentation.
        extra: the extra of greenroom that installs what it needs; empty if it needs nothing.
        installed: whether it can be built here and now.
        problem: why it cannot even be imported; empty if it can.
        placement: where it likes to run.
        options: what it can be told.
    """

    name: str
    summary: str = ""
    extra: str = ""
    installed: bool = True
    problem: str = ""
    placement: Placement = Placement.THREAD
    options: tuple[OptionInfo, ...] = ()


def catalogue() -> tuple[CatalogueEntry, ...]:
    """Return every processor on offer, by name. One broken package does not hide the others."""
    return tuple(_entry(name, point) for name, point in sorted(offers().items()))


def _entry(name: str, point: EntryPoint) -> CatalogueEntry:
    try:
        factory = load(name, point.value.partition("[")[0].strip())
    except AdapterError as error:
        return CatalogueEntry(name=name, installed=False, problem=str(error))
    about = about_of(factory)
    return CatalogueEntry(
        name=name,
        summary=(inspect.getdoc(factory) or "").partition("\n")[0],
        extra=about.extra,
        installed=about.installed,
        placement=about.placement,
        options=options_of(factory),
    )
