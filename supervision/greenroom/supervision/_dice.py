"""Dice that write down what was rolled, and can be made to roll the same again."""

import random  # noqa: TID251 - the simulation's dice are made here
from collections.abc import Sequence

BITS = 53
"""What ``random()`` rolls: so many bits, read as a fraction."""


class Dice(random.Random):
    """A seeded ``random.Random``.

    Args:
        seed: decides what is rolled.
        draws: what is rolled instead, each cut to the bits that are asked for; zeros past its end.

    Attributes:
        drawn: what has been rolled, as whole numbers.
    """

    def __init__(self, seed: str, draws: Sequence[int] | None = None) -> None:
        self.drawn: list[int] = []
        self._draws = None if draws is None else tuple(draws)
        super().__init__(seed)

    def getrandbits(self, k: int, /) -> int:
        """Roll ``k`` bits."""
        if self._draws is None:
            value = super().getrandbits(k)
        else:
            count = len(self.drawn)
            value = (self._draws[count] if count < len(self._draws) else 0) & ((1 << k) - 1)
        self.drawn.append(value)
        return value

    def random(self) -> float:
        """Roll a number in [0, 1)."""
        return self.getrandbits(BITS) / (1 << BITS)
