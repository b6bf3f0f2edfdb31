"""Rooms under simulation: scenarios, faults as data, laws that are checked while it runs, and failures that can be replayed.

>>> from greenroom.simulation import Setting, load_faults, load_scenario, run
>>> outcome = run(load_scenario("reference"), seed=7, setting=Setting(faults=load_faults("light")))
>>> outcome.held
True

The package itself loads nothing: pytest imports it for its plugin at every start, with or without simulated tests.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenroom.simulation._public import *  # noqa: F403
    from greenroom.simulation._public import __all__ as __all__


def __getattr__(name: str) -> Any:
    """Load everything with the first name that somebody asks for."""
    if name.startswith("_") and name != "__all__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from greenroom.simulation import _public  # noqa: PLC0415 - that is what must not happen at once

    if name not in _public.__all__ and name != "__all__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals().update({each: getattr(_public, each) for each in (*_public.__all__, "__all__")})
    return globals()[name]


def __dir__() -> list[str]:
    """Name what there is, for completion."""
    from greenroom.simulation import _public  # noqa: PLC0415 - as above

    return sorted({*globals(), *_public.__all__})
