"""The floor itself: its actors hide nothing of the actors that they are made of."""

import inspect
import re

import pytest

from greenroom.actors._directory import ProcessorsActor
from greenroom.actors._holds import HoldsActor
from greenroom.actors._processor import ProcessorActor
from greenroom.actors._room import RoomActor
from greenroom.actors._rooms import RoomsActor
from greenroom.actors._stream import StreamActor
from greenroom.actors._track import TrackActor
from greenroom.actors._watch import WatchActor
from greenroom.actors._worker import ProcessorWorker
from greenroom.supervision import Actor

ACTORS: tuple[type[Actor], ...] = (
    HoldsActor,
    ProcessorActor,
    ProcessorWorker,
    ProcessorsActor,
    RoomActor,
    RoomsActor,
    StreamActor,
    TrackActor,
    WatchActor,
)


def private_names(owner: type) -> set[str]:
    """Return the private attributes and methods that a class's own text makes."""
    methods = {
        name for name, value in vars(owner).items() if name.startswith("_") and inspect.isfunction(value)
    }
    assigned = set(re.findall(r"self\.(_\w+)(?:: [^=\n]*)? = ", inspect.getsource(owner)))
    return {name for name in methods | assigned if not name.startswith("__")}


@pytest.mark.parametrize("actor", ACTORS)
def test_no_actor_hides_a_private_name_of_the_floor_below(actor: type[Actor]) -> None:
    """A private name of a supervisor that an actor of this floor takes for itself breaks the supervisor from within."""
    below = [each for each in actor.__mro__[1:] if each.__module__.startswith("greenroom.")]
    taken = private_names(actor) & set().union(*map(private_names, below))
    assert not taken
