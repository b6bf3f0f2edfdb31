"""Dice that fall the same on every machine and every Python: splitmix64, seeded by a text.

The standard library's generator keeps its numbers, but not what it makes of them: ``sample`` and ``randrange`` have changed
between versions, and a seed that somebody wrote down must mean the same run for ever.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

T = TypeVar("T")
_MASK: Final = (1 << 64) - 1
_PRECISION: Final = 53


def mark_of(rate: float) -> float:
    """Return below which number dice fall, at a rate."""
    return rate * (1 << _PRECISION)


class Dice:
    """A stream of numbers.

    >>> Dice("seed 1").below(1000), Dice("seed 1").below(1000), Dice("seed 2").below(1000)
    (572, 572, 611)
    """

    __slots__ = ("_state",)

    def __init__(self, seed: str) -> None:
        data = seed.encode()
        self._state = zlib.crc32(data) << 32 | zlib.crc32(data[::-1], 0x9E3779B9)

    def _next(self) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def below(self, limit: int) -> int:
        """Return an integer from 0 to ``limit - 1``."""
        return self._next() * limit >> 64

    def chance(self, rate: float) -> bool:
        """Return True with probability ``rate``."""
        return (self._next() >> (64 - _PRECISION)) < rate * (1 << _PRECISION)

    def falls(self, mark: float) -> bool:
        """Do as `chance` of the rate whose `mark_of` is given: in one call, for it is asked at every step."""
        state = self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return (z ^ (z >> 31)) >> (64 - _PRECISION) < mark

    def choice(self, options: Sequence[T]) -> T:
        """Return one of ``options``, all as likely.

        Raises:
            IndexError: there are none.
        """
        if not options:
            raise IndexError("there is nothing to choose from")
        return options[self.below(len(options))]

    def weighted(self, weights: Mapping[T, int]) -> T:
        """Return a key, each as likely as its weight says; in the mapping's order."""
        mark = self.below(sum(weights.values()))
        for key, weight in weights.items():
            mark -= weight
            if mark < 0:
                return key
        raise AssertionError(weights)

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """Return ``count`` different ones of ``options``, in any order."""
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in range(min(count, len(left)))]
