"""A member of a crew: the executor of one actor whose code any of the crew's threads may run."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, Final, Protocol

from greenroom.supervision._pool import run_now
from greenroom.supervision.runtime import Task

PROOF: Final = 20
"""A member is quick when so many tasks in a row were."""


class Employer(Protocol):
    """The crew, as a member sees it."""

    def replace(self, member: "Member", /) -> None: ...

    def left(self, member: "Member", /) -> None: ...


class Member:
    """The executor of one actor whose code any thread of the crew may run."""

    __slots__ = ("_crew", "backlog", "doubt", "free", "name", "put")

    def __init__(self, crew: Employer, name: str, put: Callable[..., None]) -> None:
        self._crew = crew
        self.name = name
        self.backlog: deque[Task] = deque()
        self.doubt = PROOF
        """So many quick tasks it has still to do until it is known to be quick."""
        self.free = [None]
        self.put = put

    def submit(self, task: Task) -> None:
        """Have ``task`` run after those that were submitted before."""
        self.backlog.append(task)
        self.put(self)

    def submitting(self, tasks: Iterable[Task]) -> Iterator[None]:
        """Submit what is drawn from ``tasks``, as the result is drawn from."""
        return map(self.put, repeat(self), map(self.backlog.append, tasks))

    def close(self) -> None:
        """Leave the crew after what was submitted so far."""
        self.submit(_Leaving(self._crew, self))

    def replace(self) -> None:
        """Give up the thread that runs a task of this member, if one does."""
        self._crew.replace(self)

    def note(self, *, quick: bool) -> None:
        """Note how long a task took."""
        if not quick:
            self.doubt = PROOF
        elif self.doubt:
            self.doubt -= 1

    def release(self) -> None:
        """Let others run what is left: whoever has claimed it by taking what is in ``free``."""
        self.free.append(None)
        if self.backlog:  # who came meanwhile has found it claimed, and gone
            self.put(self)


class _Leaving:
    """A member's last task."""

    __slots__ = ("_crew", "_member")

    def __init__(self, crew: Employer, member: Member) -> None:
        self._crew = crew
        self._member = member

    def run(self) -> None:
        self._crew.left(self._member)


def run_here(member: Member, *_: Any) -> None:
    """Stand in for the queue of a closed crew."""
    while True:
        try:
            task = member.backlog.popleft()
        except IndexError:
            return
        run_now(task)
