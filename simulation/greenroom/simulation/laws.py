"""Laws that users write: a few lines each, named in failures like the built-in ones.

>>> @law("no room is called nothing")
... def rooms_are_named(stage):
...     return "there is one" if "nothing" in stage.session.rooms else None
>>> rooms_are_named.title, rooms_are_named.when
('no room is called nothing', 'rest')
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from greenroom.simulation.errors import SimulationError, unknown

MOMENTS: Final = ("step", "rest", "event", "end")


@dataclass(frozen=True, slots=True)
class Law:
    """A law of a user's.

    Attributes:
        title: what it says, in a sentence that is true when it holds.
        check: is given the `Stage`; returns what is wrong, or nothing. True means that it holds, False that not.
        when: ``rest``: whenever nothing is on its way and something has changed, as long as the session is open;
            ``step``: after every step, which costs most; ``event``: on every `SessionEvent`, which is given too;
            ``end``: on the `SessionReport`, given too.
    """

    title: str
    check: Callable[..., Any]
    when: str = "rest"

    def judge(self, *given: Any) -> str:
        """Return what is wrong, or an empty text."""
        found = self.check(*given)
        if found is None or found is True:
            return ""
        if found is False:
            return "it does not"
        return found if isinstance(found, str) else "; ".join(str(each) for each in found)


def law(title: str, *, when: str = "rest") -> Callable[[Callable[..., Any]], Law]:
    """Make a law of a function.

    Raises:
        SimulationError: there is no such moment.
    """
    if when not in MOMENTS:
        raise SimulationError(unknown("moment", when, MOMENTS))

    def make(check: Callable[..., Any]) -> Law:
        return Law(title, check, when)

    return make
