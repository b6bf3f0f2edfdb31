"""What a factory says of itself beyond its signature: where it likes to run and what must be installed."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final, ParamSpec, TypeVar

from greenroom.actors.processors import Placement, Processor
from greenroom.adapters.processors._options import check_options

P = ParamSpec("P")
Built = TypeVar("Built", bound=Processor)
_ATTRIBUTE: Final = "__greenroom__"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a factory says of itself.

    Attributes:
        placement: where it likes to run.
        package: the module that does its work; empty for one that needs nothing.
        extra: the extra of greenroom that installs ``package``.
    """

    placement: Placement = Placement.THREAD
    package: str = ""
    extra: str = ""

    @property
    def installed(self) -> bool:
        """Whether ``package`` is there; looks, and does not import it."""
        return not self.package or find_spec(self.package) is not None


def offered(
    *, placement: Placement, package: str = "", extra: str = ""
) -> Callable[[Callable[P, Built]], Callable[P, Built]]:
    """Decorate a processor factory: says where it likes to run, and has its options checked when it is called.

    Args:
        placement: where it likes to run.
        package: the module that must be installed for it to work; the factory imports it when it is called.
        extra: the extra of greenroom that installs ``package``.
    """
    about = About(placement=placement, package=package, extra=extra)

    def decorate(factory: Callable[P, Built]) -> Callable[P, Built]:
        @functools.wraps(factory)
        def build(*args: P.args, **kwargs: P.kwargs) -> Built:
            check_options(factory, kwargs)
            return factory(*args, **kwargs)

        setattr(build, _ATTRIBUTE, about)
        setattr(build, "default_placement", placement)  # noqa: B010 - a function has no such attribute for checkers; what `Session` goes by where only a name is given
        return build

    return decorate


def about_of(factory: object) -> About:
    """Return what ``factory`` says of itself; the defaults if it says nothing."""
    found: object = getattr(factory, _ATTRIBUTE, None)
    return found if isinstance(found, About) else About()
