"""All mutants, by name; and which of upstream's failures cannot be planted here."""

from typing import Final

from tests.mutants.in_actors import CONTEXT, LEASES, PROCESSORS
from tests.mutants.in_streams import FRAMES, ROOMS, STREAMS
from tests.mutants.in_supervision import ACTORS, SUPERVISORS
from tests.mutants.planting import Mutant

GROUPS: Final[dict[str, tuple[Mutant, ...]]] = {
    "leases": LEASES,
    "context": CONTEXT,
    "processors": PROCESSORS,
    "frames": FRAMES,
    "streams": STREAMS,
    "rooms": ROOMS,
    "actors": ACTORS,
    "supervisors": SUPERVISORS,
}
MUTANTS: Final[dict[str, Mutant]] = {each.name: each for group in GROUPS.values() for each in group}
NOT_EXPRESSIBLE: Final[dict[str, str]] = {
    "G10": "no callback of a processor runs while anything that it could change is iterated: it can only send messages",
    "G15": "a kind of processor that is unknown is refused at the door, before any actor hears of it",
}
"""Of G1 to G24; the rest is in `Mutant.upstream`."""
