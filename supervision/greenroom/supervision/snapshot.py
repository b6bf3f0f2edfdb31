"""What a tree of actors looks like at one moment: frozen records, safe to keep, print, compare and send.

What is promised:
    - nothing is stopped, asked or waited for: whoever hangs is seen as it is, a supervisor too;
    - each field was true of its actor at some moment while the snapshot was taken. Two actors may be seen at two
      moments: a child may be listed that its parent is about to let go;
    - there are paths, names of types, reasons of fences, numbers and times in it. No message, argument, state or text
      of an error is: those may hold a secret;
    - the age of the oldest message that waits is exact where ``mailbox_age_exact`` says so (a child with `Liveness` or
      with recorded messages, and whoever was woken by that very message). Elsewhere it is an upper bound: the time
      since the mailbox was dry, or since the actor had its turn before last.

Its JSON has the fields' names, ``null`` for None, texts for enumerations, and ``schema``, which counts changes
that break a reader; fields are only ever added to a schema.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from greenroom.supervision._decoding import decode

SCHEMA: Final = 1
MINUTE: Final = 60
HOUR: Final = 3600


class ActorKind(StrEnum):
    """What an actor is."""

    WORKER = "worker"
    SUPERVISOR = "supervisor"
    TASK = "task"
    """It runs a coroutine."""


class ActorState(StrEnum):
    """What an actor is doing."""

    STARTING = "starting"
    RUNNING = "running"
    DEGRADED = "degraded"
    """It runs, and says of itself that it does less than it should (`Actor.degraded`)."""
    RESTARTING = "restarting"
    """Its next incarnation is on its way."""
    BACKING_OFF = "backing off"
    """It will be restarted after a delay."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    """It is known, and not running."""
    FENCED = "fenced"
    """It was given up, and its end is under way, or it stays down because of that."""


class FlightKind(StrEnum):
    """What can happen to an actor."""

    STARTED = "started"
    CRASHED = "crashed"
    FENCED = "fenced"
    ENDED = "ended"
    RESTARTING = "restarting"
    DEAD_LETTER = "dead letter"
    OVERFLOW = "overflow"
    UNRESPONSIVE = "unresponsive"
    STOP_REQUESTED = "stop requested"
    MESSAGE = "message"
    """Only where it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightEntry:
    """Something that happened to an actor.

    Attributes:
        at_ns: when, on the runtime's clock; the last time, if ``count`` is more than one.
        incarnation: to which incarnation.
        kind: what.
        detail: the type of an error or of a message, the reason of a fence, why a letter is dead.
        count: how often it happened in a row.
    """

    at_ns: int
    incarnation: int
    kind: FlightKind
    detail: str = ""
    count: int = 1

    def describe(self, now_ns: int) -> str:
        """Return it as a line: how long ago, to which incarnation, what."""
        times = f" (x{self.count})" if self.count > 1 else ""
        detail = f" {self.detail}" if self.detail else ""
        return f"-{duration(now_ns - self.at_ns)} #{self.incarnation} {self.kind}{detail}{times}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartBudget:
    """How many restarts are allowed, and how many of them are used up.

    Attributes:
        owner: path of the supervisor whose budget it is.
        restarts: how many count now, within the last ``period_ns``.
        intensity: how many are allowed.
        period_ns: length of the window.
        left: how many more would be allowed now.
        subtree: whether a whole subtree shares it.
    """

    owner: str
    restarts: int
    intensity: int
    period_ns: int
    left: int
    subtree: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LastFailure:
    """The last end that nobody wanted.

    Attributes:
        error: the type of what it raised, or ``Fenced``.
        incarnation: whose end it was.
        at_ns: when.
    """

    error: str
    incarnation: int
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorSnapshot:
    """One actor.

    Attributes:
        path: where it stands.
        name: its name among its siblings, which may hold a ``/``.
        depth: how many actors are above it.
        actor_class: module and name of its class; of a task, of its coroutine function.
        kind: worker, supervisor or task.
        state: what it is doing.
        incarnation: how many times it was started.
        up_ns: for how long the present incarnation has been running; None if it is not.
        budgets: what its restarts count against: its supervisor's, then those of subtrees. Empty for a root.
        backoff_left_ns: how long until it is started again; None if it does not wait for that.
        mailbox_depth: user messages that wait.
        mailbox_age_ns: how long the oldest of them has been waiting; None if there is none.
        mailbox_age_exact: whether that is exact; else it is an upper bound.
        last_failure: the last end that nobody wanted.
        dead_letters: messages to it that nobody has handled.
        zombies: threads that hang in its code, and were given up.
        recorder: the last things that happened to it, oldest first.
    """

    path: str
    name: str
    depth: int
    actor_class: str
    kind: ActorKind
    state: ActorState
    incarnation: int
    up_ns: int | None = None
    budgets: tuple[RestartBudget, ...] = ()
    backoff_left_ns: int | None = None
    mailbox_depth: int = 0
    mailbox_age_ns: int | None = None
    mailbox_age_exact: bool = False
    last_failure: LastFailure | None = None
    dead_letters: int = 0
    zombies: int = 0
    recorder: tuple[FlightEntry, ...] = ()

    @property
    def restarts_in_window(self) -> int:
        """How many restarts its supervisor counts now, its siblings' included."""
        return self.budgets[0].restarts if self.budgets else 0

    def facts(self) -> list[str]:
        """Return what there is to say about it beyond its name and state, in a few words each."""
        found = [f"#{self.incarnation}"]
        if self.backoff_left_ns is not None:
            found.append(f"in {duration(self.backoff_left_ns)}")
        if self.mailbox_depth:
            age = "" if self.mailbox_age_ns is None else f" {'' if self.mailbox_age_exact else '<='}"
            waited = "" if self.mailbox_age_ns is None else duration(self.mailbox_age_ns)
            found.append(f"mail {self.mailbox_depth}{age}{waited}")
        found += [
            f"restarts {each.restarts}/{each.intensity}{' of subtree' if each.subtree else ''}"
            for each in self.budgets
            if each.restarts
        ]
        if self.last_failure is not None:
            found.append(f"last {self.last_failure.error} in #{self.last_failure.incarnation}")
        found += [
            f"{what} {count}"
            for what, count in (("dead letters", self.dead_letters), ("zombies", self.zombies))
            if count
        ]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadActor:
    """One that is gone for good; the last few are remembered.

    Attributes:
        path: where it stood.
        actor_class: module and name of its class; of a task, of its coroutine function.
        incarnation: its last.
        at_ns: when it was gone.
        last_failure: the last end of it that nobody wanted.
        recorder: the last things that happened to it, oldest first.
    """

    path: str
    actor_class: str
    incarnation: int
    at_ns: int
    last_failure: LastFailure | None = None
    recorder: tuple[FlightEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFrame:
    """One call that has not returned."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Zombie:
    """A thread that hangs in an actor's code, and was given up.

    Attributes:
        thread: its name.
        path: whose code it hangs in.
        incarnation: of which incarnation.
        stack: where it is at the time of the snapshot, outermost call first.
    """

    thread: str
    path: str
    incarnation: int
    stack: tuple[StackFrame, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSnapshot:
    """All actors of one system.

    Attributes:
        at_ns: when it was taken, on the runtime's clock.
        actors: parents before their children, siblings in start order.
        zombies: threads that were given up and still hang, those of actors that are gone included.
        dead: the last actors that are gone, oldest first.
        dead_letters: messages that nobody has handled, all in all.
    """

    at_ns: int
    actors: tuple[ActorSnapshot, ...]
    zombies: tuple[Zombie, ...] = ()
    dead: tuple[DeadActor, ...] = ()
    dead_letters: int = 0

    def find(self, path: str) -> ActorSnapshot | None:
        """Return the actor at ``path``, or None."""
        return next((actor for actor in self.actors if actor.path == path), None)

    def counts(self) -> Mapping[ActorState, int]:
        """Return how many actors are in each state that some are in."""
        found = Counter(actor.state for actor in self.actors)
        return {state: found[state] for state in ActorState if found[state]}

    def to_json(self, *, indent: int | None = None) -> str:
        """Return it as JSON."""
        return json.dumps({"schema": SCHEMA, **_fields(self)}, default=_fields, indent=indent)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote; what a newer greenroom has added to it is left out.

        Raises:
            ValueError: it is no snapshot, or one of another schema.
        """
        try:
            given = json.loads(text)
            schema = given["schema"]
            if schema != SCHEMA:
                raise ValueError(f"a snapshot of schema {schema!r}; this greenroom reads {SCHEMA}")
            found: Self = decode(cls, given)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no snapshot of a tree: {error}") from error
        return found

    def describe(self, *, recorder: bool = False, stacks: bool = False) -> str:
        """Return it as a text: one line for each actor, indented below its parent.

        Args:
            recorder: whether to add what happened to each, and who died last.
            stacks: whether to add where zombies hang.
        """
        lines = list(self._lines(recorder=recorder))
        if recorder:
            for dead in self.dead:
                lines.append(f"gone: {dead.path} (-{duration(self.at_ns - dead.at_ns)})")
                lines += [f"    {entry.describe(self.at_ns)}" for entry in dead.recorder]
        for zombie in self.zombies:
            lines.append(f"zombie: {zombie.path} #{zombie.incarnation} on {zombie.thread}")
            if stacks:
                lines += [f"    {frame.file}:{frame.line} in {frame.function}" for frame in zombie.stack]
        return "\n".join(lines)

    def _lines(self, *, recorder: bool) -> Iterator[str]:
        for actor in self.actors:
            margin = "  " * actor.depth
            kind = "" if actor.kind is ActorKind.WORKER else f" [{actor.kind}]"
            yield f"{margin}{actor.name}{kind} {actor.state} {', '.join(actor.facts())}"
            if recorder:
                yield from (f"{margin}    {entry.describe(self.at_ns)}" for entry in actor.recorder)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildFacts:
    """What a parent knows about a child: `Actor.child_facts`.

    Attributes:
        budgets: what the child's restarts count against, the nearest first.
        restarting: whether it is being restarted.
        backoff_left_ns: how long until it is started again; None if it does not wait for that.
    """

    budgets: tuple[RestartBudget, ...] = ()
    restarting: bool = False
    backoff_left_ns: int | None = None


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def duration(ns: int) -> str:
    """Return a duration in a few characters.

    >>> [duration(ns) for ns in (1_500, 2_500_000, 2_500_000_000, 61_000_000_000, 7_200_000_000_000)]
    ['0ms', '2.5ms', '2.5s', '1m01s', '2h00m']
    """
    seconds = max(0, ns) / 1e9
    if seconds < 1:
        return f"{seconds * 1e3:.1f}ms" if 1e-3 <= seconds < 1e-2 else f"{seconds * 1e3:.0f}ms"  # noqa: PLR2004 - digits
    if seconds < MINUTE:
        return f"{seconds:.1f}s"
    if seconds < HOUR:
        return f"{seconds // MINUTE:.0f}m{seconds % MINUTE:02.0f}s"
    return f"{seconds // HOUR:.0f}h{seconds % HOUR // MINUTE:02.0f}m"
