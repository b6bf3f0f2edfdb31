"""Schedulers: which of the steps that could be next is. Each is a way to look for an order that breaks something.

| scheduler | takes | finds |
|---|---|---|
| `RandomScheduler` | any, all equally likely | what many orders break |
| `PctScheduler` | the one of highest priority, and a few changes of priority | what few orders break, with a known chance |
| `DelayScheduler` | the first, but for a few that are put off | what an order close to the usual one breaks |
| `DfsScheduler` | each in turn, over many runs | everything, in a small program |
| `Replay` | what another run chose | the same again |

A scheduler is asked only where there is a choice. It depends on nothing but its seed and what it is shown, so the same
seed makes the same choices on every machine.

>>> from greenroom.supervision.simulated import SimulatedRuntime
>>> first = SimulatedRuntime(seed=3)
>>> again = SimulatedRuntime(scheduler=Replay(first.choices))
"""
# ruff: noqa: S311  dice for schedules are no secret

import random  # noqa: TID251 - the schedules' dice are made here
from collections.abc import Iterator, Sequence
from typing import Final, Protocol, Self

from greenroom.supervision._steps import Ready
from greenroom.supervision.errors import SupervisionError

__all__ = [
    "DelayScheduler",
    "DfsScheduler",
    "NotRepeatable",
    "PctScheduler",
    "RandomScheduler",
    "Replay",
    "Scheduler",
]

CHANGES: Final = 3
DELAYS: Final = 3
EXPECTED_STEPS: Final = 1_000
"""Among how many choices the changes of `PctScheduler` and the delays of `DelayScheduler` are placed."""


class NotRepeatable(SupervisionError, RuntimeError):  # noqa: N818 - it says what happened
    """Under simulation: the program did something else than before, though the same was chosen.

    Attributes:
        choice: at which choice, from 0.
        before: among how many steps there was to choose then.
        now: and now.
    """

    def __init__(self, choice: int, before: int, now: int) -> None:
        self.choice = choice
        self.before = before
        self.now = now
        super().__init__(
            f"the program is not the same twice: choice {choice} was among {before} steps, and is among {now} now; "
            "it must take time, dice and ids from its runtime, and start anew in each run"
        )


class Scheduler(Protocol):
    """Chooses what is next. One scheduler is for one run."""

    def choose(self, ready: Ready) -> int:
        """Return the index of the next step among two or more, the longest ready first."""
        ...


class _Dice:
    """Whole numbers below a bound, from a seed; without a float on the way."""

    def __init__(self, seed: str) -> None:
        self._bits = random.Random(seed).getrandbits

    def below(self, bound: int) -> int:
        return self._bits(32) * bound >> 32

    def some(self, count: int, bound: int) -> list[int]:
        """Return ``count`` different numbers below ``bound``, or all there are."""
        found: dict[int, None] = {}
        while len(found) < min(count, bound):
            found[self.below(bound)] = None
        return list(found)


class RandomScheduler:
    """Takes any step, each with the same chance.

    Args:
        seed: decides all.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._bits = random.Random(f"order {seed}").getrandbits

    def choose(self, ready: Ready) -> int:
        """Return any index."""
        return self._bits(32) * len(ready.keys) >> 32

    def __repr__(self) -> str:
        return f"random({self.seed})"


class PctScheduler:
    """Takes the step of highest priority: Probabilistic Concurrency Testing (Burckhardt et al., ASPLOS 2010).

    Each actor, thread and timer gets a priority by chance when it is first seen. At ``changes`` of the expected
    choices the one that would run is put behind all others. A fault that needs ``changes`` + 1 ordered steps of n
    actors is found with a chance of at least 1 / (n * steps ** changes) in each run, however rare it is in random orders.

    Args:
        seed: decides all.
        changes: how many changes of priority there are: the depth of the fault that is looked for, less one.
        steps: how many choices a run is expected to have.
    """

    def __init__(self, seed: int = 0, changes: int = CHANGES, steps: int = EXPECTED_STEPS) -> None:
        self.seed = seed
        self._dice = _Dice(f"priorities {seed}")
        # The first change leads to the lowest priority but the later ones', as in the paper.
        self._changes = {at: changes - nth for nth, at in enumerate(self._dice.some(changes, max(1, steps)))}
        self._lowest = changes + 1
        self._priorities: dict[object, int] = {}
        self._count = 0

    def choose(self, ready: Ready) -> int:
        """Return the index of the highest priority; of equals the first."""
        index = self._highest(ready.keys)
        lower = self._changes.get(self._count)
        self._count += 1
        if lower is not None:
            self._priorities[ready.keys[index]] = lower
            index = self._highest(ready.keys)
        return index

    def _highest(self, keys: Sequence[object]) -> int:
        priorities = self._priorities
        best, found = -1, 0
        for index, key in enumerate(keys):
            priority = priorities.get(key)
            if priority is None:
                priority = priorities[key] = self._lowest + self._dice.below(1 << 30)
            if priority > best:
                best, found = priority, index
        return found

    def __repr__(self) -> str:
        return f"pct({self.seed})"


class DelayScheduler:
    """Takes what has been ready longest, and puts a few off: delay-bounded scheduling (Emmi et al., POPL 2011).

    Args:
        seed: decides where the delays are.
        bound: how many delays there are.
        steps: among how many choices they are placed.
    """

    def __init__(self, seed: int = 0, bound: int = DELAYS, steps: int = EXPECTED_STEPS) -> None:
        self.seed = seed
        self._delays = frozenset(_Dice(f"delays {seed}").some(bound, max(1, steps)))
        self._behind: dict[object, int] = {}
        self._count = 0

    def choose(self, ready: Ready) -> int:
        """Return the first that is not put off; if all are, the first."""
        keys = ready.keys
        index = self._first(keys)
        if self._count in self._delays:
            # It waits until all that are ready now have had a turn.
            self._behind[keys[index]] = self._count + len(keys)
            index = self._first(keys)
        self._count += 1
        return index

    def _first(self, keys: Sequence[object]) -> int:
        if not self._behind:
            return 0
        self._behind = {key: until for key, until in self._behind.items() if until > self._count}
        return next((index for index, key in enumerate(keys) if key not in self._behind), 0)

    def __repr__(self) -> str:
        return f"delay({self.seed})"


class DfsScheduler:
    """Takes every order, one for each run: depth first, and thus all of them where the program is small.

    Iterate over it: each round is one run, and must be given to one runtime.

    >>> from greenroom.supervision.simulated import SimulatedRuntime
    >>> orders = DfsScheduler()
    >>> for scheduler in orders:
    ...     _ = SimulatedRuntime(scheduler=scheduler).run_until_idle()
    >>> orders.schedules, orders.exhausted
    (1, True)

    Args:
        limit: after so many schedules it ends, exhausted or not.

    Attributes:
        schedules: how many were begun.
        exhausted: whether there is no further order.
    """

    def __init__(self, limit: int = 1_000_000) -> None:
        self.limit = limit
        self.schedules = 0
        self.exhausted = False
        self._path: list[int] = []
        self._widths: list[int] = []
        self._depth = 0

    def __iter__(self) -> Iterator[Self]:
        while not self.exhausted and self.schedules < self.limit:
            self.schedules += 1
            self._depth = 0
            yield self
            self._turn_back()

    def choose(self, ready: Ready) -> int:
        """Return what the present order has here: the first, beyond what was tried before.

        Raises:
            NotRepeatable: there were more or fewer to choose from when it came here before.
        """
        depth, width = self._depth, len(ready.keys)
        self._depth += 1
        if depth == len(self._path):
            self._path.append(0)
            self._widths.append(width)
        elif self._widths[depth] != width:
            raise NotRepeatable(depth, self._widths[depth], width)
        return self._path[depth]

    def _turn_back(self) -> None:
        """Go to the next order: the last choice that has another one takes it."""
        path, widths = self._path, self._widths
        del path[self._depth :], widths[self._depth :]
        while path and path[-1] + 1 == widths[-1]:
            path.pop()
            widths.pop()
        if path:
            path[-1] += 1
        else:
            self.exhausted = True

    def __repr__(self) -> str:
        return f"dfs({self.schedules})"


class Replay:
    """Takes what another run chose, and past the end of that what has been ready longest.

    Args:
        choices: a runtime's `choices`. One that is not there to be chosen is taken as the first.
    """

    def __init__(self, choices: Sequence[int]) -> None:
        self._choices = tuple(choices)
        self._count = 0

    def choose(self, ready: Ready) -> int:
        """Return the recorded index, or 0."""
        count, self._count = self._count, self._count + 1
        index = self._choices[count] if count < len(self._choices) else 0
        return index if 0 <= index < len(ready.keys) else 0

    def __repr__(self) -> str:
        return f"replay of {len(self._choices)} choices"
