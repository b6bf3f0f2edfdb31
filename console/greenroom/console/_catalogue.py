"""Lists the processors that deployments can name, from every installed package."""

import inspect
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Final

GROUP: Final = "greenroom.processors"


def processors() -> None:
    """Print each processor's name, what it is, and what it can be told; or what is missing for it to work."""
    found = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    width = max((len(point.name) for point in found), default=0)
    for point in found:
        sys.stdout.write(f"{point.name:<{width}}  {_described(point)}\n")
    sys.stdout.write("Anything else works as package.module:factory.\n")


def _described(point: EntryPoint) -> str:
    try:
        factory = point.load()
    except Exception as error:  # noqa: BLE001 - a broken package must not hide the others
        return f"not usable: {type(error).__name__}: {error}"
    about = (inspect.getdoc(factory) or "no description").splitlines()[0]
    options = ", ".join(_options(factory))
    return f"{about} Options: {options}." if options else about


def _options(factory: object) -> list[str]:
    try:
        parameters = inspect.signature(factory).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return []
    return [
        p.name if p.default is p.empty else f"{p.name}={p.default!r}"
        for p in parameters
        if p.kind in {p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD}
    ]
