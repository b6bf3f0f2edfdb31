"""Where an installed processor runs when only its name is given."""

import pytest

from greenroom.actors import Placement
from greenroom.actors._specs import spec_for


@pytest.mark.parametrize(
    ("name", "placement"),
    [
        ("gain", Placement.INLINE),
        ("highpass", Placement.INLINE),
        ("meter", Placement.INLINE),
        ("rnnoise", Placement.THREAD),
    ],
)
def test_a_name_runs_where_its_factory_likes(name: str, placement: Placement) -> None:
    """Microseconds of numpy need no thread of their own; a neural network does."""
    assert spec_for(name, {}, None).placement is placement
