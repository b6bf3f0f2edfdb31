"""How many seeds the random tests try: a few by default, ``GREENROOM_SEEDS`` of them in a sweep (``make sweep``)."""

import os


def count(default: int) -> int:
    """Return how many examples or seeds to try."""
    return int(os.environ.get("GREENROOM_SEEDS", default))


def seeds(default: int) -> range:
    """Return the seeds to try, from 0."""
    return range(count(default))
