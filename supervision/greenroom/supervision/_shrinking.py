"""Making a list of numbers plain while it keeps a property: shorter, then with fewer that are not 0, then with smaller ones."""

from collections.abc import Callable, Iterator, Sequence


class Shrinking:
    """One list on its way to the plainest that was found.

    Args:
        numbers: a list that fails.
        fails: whether a list fails. Zeros at the end of a list never matter.
        runs: how often ``fails`` may be called.
    """

    def __init__(self, numbers: Sequence[int], fails: Callable[[Sequence[int]], bool], runs: int) -> None:
        self.best = _stripped(numbers)
        self.left = runs
        self._fails = fails
        self._tried: set[tuple[int, ...]] = {self.best}

    def plainest(self) -> list[int]:
        """Return the plainest list found."""
        passes = (self._cut, self._clear, self._remove, self._lower)
        before = None
        while self.left and before != self.best:
            before = self.best
            for each in passes:
                each()
        return list(self.best)

    def _try(self, candidate: Sequence[int]) -> bool:
        """Take the candidate if it is plainer and fails."""
        plain = _stripped(candidate)
        if not self.left or plain in self._tried or _weight(plain) >= _weight(self.best):
            return False
        self._tried.add(plain)
        self.left -= 1
        if not self._fails(plain):
            return False
        self.best = plain
        return True

    def _cut(self) -> None:
        """Leave the end away: the least that fails, by halves."""
        low, high = 0, len(self.best)
        while low < high and self.left:
            middle = (low + high) // 2
            if self._try(self.best[:middle]):
                high = min(middle, len(self.best))
            else:
                low = middle + 1

    def _clear(self) -> None:
        """Put zeros in the place of runs of numbers, long ones first."""
        for size in self._sizes():
            at = 0
            while at < len(self.best):
                if any(self.best[at : at + size]):
                    self._try((*self.best[:at], *(0,) * size, *self.best[at + size :]))
                at += size

    def _remove(self) -> None:
        """Take runs of numbers out, long ones first, from the end."""
        for size in self._sizes():
            at = len(self.best) - size
            while at >= 0:
                self._try((*self.best[:at], *self.best[at + size :]))
                at = min(at, len(self.best)) - size

    def _lower(self) -> None:
        """Make single numbers as small as they can be, by halves."""
        for at in range(len(self.best)):
            low = 0
            while at < len(self.best) and low < self.best[at] and self.left:
                middle = (low + self.best[at]) // 2
                if not self._try((*self.best[:at], middle, *self.best[at + 1 :])):
                    low = middle + 1

    def _sizes(self) -> Iterator[int]:
        size = len(self.best) // 2
        while size and self.left:
            yield size
            size //= 2
        if len(self.best) == 1:
            yield 1


def _stripped(numbers: Sequence[int]) -> tuple[int, ...]:
    end = len(numbers)
    while end and not numbers[end - 1]:
        end -= 1
    return tuple(numbers[:end])


def _weight(numbers: Sequence[int]) -> tuple[int, int, int]:
    return len(numbers), sum(map(bool, numbers)), sum(numbers)
