"""From the name that people write to the factory that builds the processor."""

import importlib
from importlib.metadata import EntryPoint, entry_points
from typing import Final, cast

from greenroom.actors.processors import ProcessorFactory
from greenroom.adapters._errors import BrokenImport, MissingExtra, NotAFactory, UnknownUse
from greenroom.adapters.processors._about import about_of

GROUP: Final = "greenroom.processors"


def offers() -> dict[str, EntryPoint]:
    """Return what every installed package offers, by name. Where two offer one name, greenroom's own stays."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        if point.name not in found or point.module.startswith("greenroom."):
            found[point.name] = point
    return found


def resolve(use: str) -> ProcessorFactory:
    """Return the factory that ``use`` names. Builds nothing; imports the factory's module.

    Args:
        use: a name from the entry-point group ``greenroom.processors``, or ``package.module:factory``.

    Raises:
        UnknownUse: there is no such name; says which are near and which there are.
        MissingExtra: the name is known, its package is not installed; says what to install.
        BrokenImport: a module cannot be imported; says what was raised.
        NotAFactory: what was found cannot be called.
    """
    point = offers().get(use)
    if point is not None:
        value = point.value.partition("[")[0].strip()
    elif ":" in use:
        value = use
    else:
        raise UnknownUse(use, known=offers())
    factory = load(use, value)
    about = about_of(factory)
    if not about.installed:
        raise MissingExtra(use, package=about.package, extra=about.extra)
    return factory


def load(use: str, value: str) -> ProcessorFactory:
    """Import ``module:attribute`` for the processor that people call ``use``."""
    module_name, _, attributes = value.partition(":")
    parts = attributes.split(".")
    if not all(part.isidentifier() for part in [*module_name.split("."), *parts]):
        raise UnknownUse(use, known=offers())
    found = _imported(use, module_name)
    for part in parts:
        if not hasattr(found, part):
            public = [n for n in dir(found) if not n.startswith("_") and callable(getattr(found, n, None))]
            raise UnknownUse(part, known=public, where=f" in {module_name!r}")
        found = getattr(found, part)
    if not callable(found):
        raise NotAFactory(use, found=found)
    return cast("ProcessorFactory", found)


def _imported(use: str, module: str) -> object:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A module that is not there and one that misses something else are two different mistakes.
        if error.name is not None and (module == error.name or module.startswith(error.name + ".")):
            what = f"no module {error.name!r} found (install it, or put its folder into PYTHONPATH)"
            raise BrokenImport(use, module=module, what=what) from error
        raise BrokenImport(use, module=module, what=f"ModuleNotFoundError: {error}") from error
    except (Exception, SystemExit) as error:
        raise BrokenImport(use, module=module, what=f"{type(error).__name__}: {error}") from error
