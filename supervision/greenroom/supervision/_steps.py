"""What may run next in a simulation, described for schedulers and traces: without addresses, hashes and real time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast, overload

from greenroom.supervision._incarnation import OwnTimer
from greenroom.supervision._mailbox import Ask, Mailbox
from greenroom.supervision._place import STATE_NAMES, Place
from greenroom.supervision._simulated_parts import Pinned
from greenroom.supervision.runtime import Task


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One step of a run, as a trace shows it.

    Attributes:
        number: from 1.
        at_ns: virtual time.
        kind: ``actor``, ``lane`` (a task on an actor's thread that is no message) or ``timer``.
        path: the actor's path, or for what belongs to no actor a name.
        what: the message or signal that is handled, by the name of its type.
    """

    number: int
    at_ns: int
    kind: str
    path: str
    what: str

    def __str__(self) -> str:
        seconds, rest = divmod(self.at_ns, 1_000_000_000)
        return f"{self.number:6} {seconds:5}.{rest // 1000:06} {self.path} <- {self.what}"


class Handle:
    """A timer of the simulation."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Do not call it any more."""
        self.callback = None


class Step:
    """One thing that could run next. Nothing of it is worked out before it is asked for.

    Attributes:
        key: whose step it is: the same object for all steps of one actor, thread or timer. To look things up by,
            never to sort by.
    """

    __slots__ = ("key",)

    def __init__(self, key: object) -> None:
        self.key = key

    @property
    def kind(self) -> str:
        """``actor``, ``lane`` or ``timer``."""
        return described(self.key)[0]

    @property
    def path(self) -> str:
        """The actor's path, or a name."""
        return described(self.key)[1]

    @property
    def what(self) -> str:
        """The message that comes next, by the name of its type."""
        return described(self.key)[2]

    def __repr__(self) -> str:
        return f"<Step {self.path} <- {self.what}>"


class Ready(Sequence[Step]):
    """What could run next, in the order in which it became ready; a timer that is due comes last.

    Attributes:
        keys: the `Step.key` of each, for schedulers in a hurry; to be read only.
    """

    __slots__ = ("keys",)

    def __init__(self, keys: Sequence[object]) -> None:
        self.keys = keys

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> "Ready": ...
    def __getitem__(self, index: int | slice) -> "Step | Ready":
        return Ready(self.keys[index]) if isinstance(index, slice) else Step(self.keys[index])


def described(key: object) -> tuple[str, str, str]:
    """Return kind, path and name of what would run now."""
    if isinstance(key, Handle):
        path, what = _timer(key.callback)
        return "timer", path, what
    task: Task = key.head() if isinstance(key, Pinned) else cast("Task", key)
    if isinstance(task, Mailbox):
        return "actor", task.path, next_of(task)
    describe: Callable[[], tuple[str, str]] | None = getattr(task, "describe", None)
    if describe is not None:
        return ("lane", *describe())
    owner = key.path if isinstance(key, Pinned) else "shared"
    return "lane", owner, type(task).__name__


def note_visit(visited: dict[tuple[str, str, str], int], key: object) -> None:
    """Count that an actor of that class was met in that state by that message."""
    task = key.head() if isinstance(key, Pinned) else key
    if isinstance(task, Place):
        pair = (task.actor_class.__name__, STATE_NAMES[task.state], place_of(task))
        visited[pair] = visited.get(pair, 0) + 1


_PLAIN = (str, int)
_HOOKS = {"begin": "on_start", "hear_child": "on_child"}


def place_of(cell: Mailbox) -> str:
    """Name what an actor's next step handles, as `faults.Place.what` has it."""
    if cell.control:
        handler, _, detail = cell.control[0]
        name = handler.__name__.strip("_")
        if name in ("continue", "hear_down"):
            return name_of(detail)
        return str(_HOOKS.get(name, name))
    if not cell.user:
        return "nothing"
    item = cell.user[0]
    return name_of(item.message if type(item) is Ask else item)


def next_of(cell: Mailbox) -> str:
    """Name the item that an actor would handle now."""
    if cell.control:
        handler, _, detail = cell.control[0]
        name = handler.__name__.strip("_")
        return name if detail is None else f"{name} {name_of(detail)}"
    if cell.user:
        return name_of(cell.user[0])
    return "nothing"


def name_of(item: Any) -> str:
    """Name a message so that it is the same in every run: no addresses, and no more than its type where it has any."""
    kind: type[Any] = cast("Any", type(item))
    if kind is Ask:
        return f"ask {name_of(item.message)}"
    if issubclass(kind, _PLAIN):
        return repr(item)
    if isinstance(owner := getattr(item, "__self__", None), OwnTimer):
        return name_of(owner.function)
    if kind is tuple and item:
        return name_of(item[0])
    return str(getattr(item, "__qualname__", kind.__name__))


def _timer(callback: Any) -> tuple[str, str]:
    function = callback.func if isinstance(callback, partial) else callback
    owner = getattr(function, "__self__", None)
    what = f"timer {name_of(function)}"
    return (owner.path, what) if isinstance(owner, Mailbox | OwnTimer) else ("timer", what)
