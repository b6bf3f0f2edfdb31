"""Specs as data: what a child is, what a supervisor does, how a mailbox behaves. All checked when made.

A wrong value is refused with `BadSpec` before anything starts, by field, value and what would do. An unknown
keyword is a `TypeError`, as for every Python class. A bool is never taken for an integer.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from greenroom.supervision import _checks
from greenroom.supervision._backoff import LONGEST_NS, SECOND_NS, Backoff
from greenroom.supervision._liveness import Liveness
from greenroom.supervision._restart import Restart
from greenroom.supervision.errors import BadSpec
from greenroom.supervision.runtime import Dispatcher

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

LONGEST_ID: Final = 200
"""Characters of a child's id, and of a registered name."""
LONGEST_TEMPLATE_ID: Final = LONGEST_ID - 20
"""Characters of the id of a spec of which there are instances: `id#1`, `id#2` ..."""
MOST_MESSAGES: Final = 10_000_000
"""No mailbox is larger."""
MOST_CHILDREN: Final = 10_000_000
"""No supervisor has more children."""
MOST_RESTARTS: Final = 1_000_000
"""No intensity is higher."""

_BY_TYPE: Final[Any] = None
# A default that depends on another field. It is replaced before anyone can read it, so it is not in the type.


class Strategy(StrEnum):
    """Who is replaced when one child ends."""

    ONE_FOR_ONE = "one_for_one"
    """Only the one that ended."""
    ONE_FOR_ALL = "one_for_all"
    """All of them."""
    REST_FOR_ONE = "rest_for_one"
    """The one that ended and those started after it."""
    DYNAMIC = "dynamic"
    """Only the one that ended; children come and go, each with a spec of its own, and are not stopped in any order
    (Elixir: DynamicSupervisor)."""
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"
    """Dynamic, and all children are instances of the one spec that the supervisor was given (OTP's)."""

    @property
    def is_dynamic(self) -> bool:
        """Whether children come and go: none that is down is kept, and all are stopped at once."""
        return self is _DYNAMIC or self is _SIMPLE

    @property
    def is_template(self) -> bool:
        """Whether all children are instances of one spec."""
        return self is _SIMPLE


_DYNAMIC: Final = Strategy.DYNAMIC
_SIMPLE: Final = Strategy.SIMPLE_ONE_FOR_ONE


class AutoShutdown(StrEnum):
    """Whether a supervisor ends when its significant children have."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    """When one of them ends by itself and is not restarted."""
    ALL_SIGNIFICANT = "all_significant"
    """When the last of them has."""


class ChildType(StrEnum):
    """What a child is."""

    WORKER = "worker"
    SUPERVISOR = "supervisor"


class ShutdownBudget(StrEnum):
    """A shutdown budget that is not a time."""

    BRUTAL = "brutal"
    """No shutdown is asked for: fenced at once."""
    INFINITE = "infinite"
    """Waited for as long as it takes."""


class Overflow(StrEnum):
    """What a full mailbox does with one more message."""

    FAIL = "fail"
    """The sender gets `MailboxFull`."""
    BLOCK = "block"
    """The sender waits. Never from a handler on the shared pool."""
    DROP_OLDEST = "drop_oldest"
    """The oldest message becomes a dead letter."""
    DROP_NEWEST = "drop_newest"
    """The message itself becomes a dead letter."""


class OnRestart(StrEnum):
    """What becomes of the messages that wait when an actor is restarted; a request to stop is always kept."""

    KEEP = "keep"
    """The next incarnation handles them."""
    DROP = "drop"
    """They are counted, and one event says how many; who asked gets `ActorStopped`."""
    DEAD_LETTERS = "dead_letters"
    """Each becomes a dead letter; who asked gets `ActorStopped`."""


class OnCrash(StrEnum):
    """What becomes of the message over which an actor crashed."""

    DROP = "drop"
    """It is gone; who asked gets `ActorCrashed`."""
    RETRY_ONCE = "retry_once"
    """The next incarnation handles it before any other message. If that one ends over it too, it is poison: reported,
    a dead letter, and never tried again. Who asked hears how the second try ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSpec:
    """The user lane of a mailbox; the control lane is never full and never evicted.

    Attributes:
        capacity: messages, 1 to `MOST_MESSAGES`.
        overflow: what happens to one more.
        on_restart: what happens at a restart to those that wait.
        on_crash: what happens to the one that crashed the actor.
    """

    capacity: int = 1_000_000
    overflow: Overflow = Overflow.FAIL
    on_restart: OnRestart = OnRestart.KEEP
    on_crash: OnCrash = OnCrash.DROP

    def __post_init__(self) -> None:
        _checks.integer("MailboxSpec.capacity", self.capacity, least=1, most=MOST_MESSAGES)
        _checks.member("MailboxSpec.overflow", self.overflow, Overflow)
        _checks.member("MailboxSpec.on_restart", self.on_restart, OnRestart)
        _checks.member("MailboxSpec.on_crash", self.on_crash, OnCrash)


DEFAULT_MAILBOX: Final = MailboxSpec()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """How a child is started, restarted and stopped.

    Attributes:
        id: its name among its siblings.
        start: an `Actor` class, or a coroutine function, which is run as an asyncio task; anything else is refused
            when its supervisor is given the spec.
        args: positional arguments of ``start``; not printed.
        kwargs: keyword arguments of ``start``; copied, not printed.
        restart: when it is replaced.
        shutdown_ns: how long it may take to stop before it is fenced; 5 s for a worker, infinite for a supervisor.
        type: worker or supervisor.
        significant: whether its end can end its supervisor (`AutoShutdown`). Not for a permanent child.
        backoff: waits between its restarts; None restarts it at once.
        dispatcher: which threads run it.
        mailbox: how many messages it keeps, and what a restart does to them.
        start_ns: how long its start may take before it counts as failed.
        liveness: how long a handler, or a message that waits, may take, and what is done then; None watches nothing.
        record_messages: whether the flight recorder notes the types of its messages, too.
        register: a name to find it by, system-wide (`ActorSystem.whereis`), from before its start is acknowledged until
            it is gone for good; its start fails with `AlreadyRegistered` if another actor has that name.
        loop: of a task only: the event loop that runs it; None takes the system's.
    """

    id: str
    start: Callable[..., Any]
    args: tuple[Any, ...] = field(default=(), repr=False)
    kwargs: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    restart: Restart = Restart.PERMANENT
    shutdown_ns: int | ShutdownBudget = _BY_TYPE
    type: ChildType = ChildType.WORKER
    significant: bool = False
    backoff: Backoff | None = None
    dispatcher: Dispatcher = Dispatcher.POOL
    mailbox: MailboxSpec = DEFAULT_MAILBOX
    start_ns: int = 30 * SECOND_NS
    liveness: Liveness | None = None
    record_messages: bool = False
    register: str | None = None
    loop: "AbstractEventLoop | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _checks.text("ChildSpec.id", self.id, most=LONGEST_ID)
        _checks.function("ChildSpec.start", self.start)
        _checks.arguments("ChildSpec.args", self.args)
        object.__setattr__(self, "kwargs", _keywords("ChildSpec.kwargs", self.kwargs))
        _checks.member("ChildSpec.restart", self.restart, Restart)
        _checks.member("ChildSpec.type", self.type, ChildType)
        object.__setattr__(self, "shutdown_ns", _budget("ChildSpec.shutdown_ns", self.shutdown_ns, self.type))
        _checks.boolean("ChildSpec.significant", self.significant)
        if self.backoff is not None:
            _checks.instance("ChildSpec.backoff", self.backoff, Backoff)
        _checks.member("ChildSpec.dispatcher", self.dispatcher, Dispatcher)
        _checks.instance("ChildSpec.mailbox", self.mailbox, MailboxSpec)
        _checks.integer("ChildSpec.start_ns", self.start_ns, least=1, most=LONGEST_NS)
        if self.liveness is not None:
            _checks.instance("ChildSpec.liveness", self.liveness, Liveness)
        _checks.boolean("ChildSpec.record_messages", self.record_messages)
        if self.register is not None:
            _checks.text("ChildSpec.register", self.register, most=LONGEST_ID)
        if self.loop is not None:
            _checks.event_loop("ChildSpec.loop", self.loop)
        if self.significant and self.restart is Restart.PERMANENT:
            raise BadSpec(
                "ChildSpec.significant",
                self.significant,
                "False for a permanent child, which never stays down",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtreeBudget:
    """Restarts that a supervisor and all supervisors below it, however deep, have together. Checked when made.

    One that would exceed it is not made: the supervisor that declares it gives up, as past its own intensity.

    Attributes:
        intensity: restarts allowed within a period; 0 allows none.
        period_ns: length of that period.
    """

    intensity: int
    period_ns: int = 60 * SECOND_NS

    def __post_init__(self) -> None:
        _checks.integer("SubtreeBudget.intensity", self.intensity, least=0, most=MOST_RESTARTS)
        _checks.integer("SubtreeBudget.period_ns", self.period_ns, least=1, most=LONGEST_NS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorFlags:
    """What a supervisor does when a child ends.

    Attributes:
        strategy: who is replaced.
        intensity: restarts allowed within a period, failed ones included; 0 allows none.
        period_ns: length of that period.
        auto_shutdown: whether the end of significant children ends the supervisor.
        max_children: children it may have, those being restarted included.
        shared_args: of `Strategy.DYNAMIC` only: positional arguments that come before each child's own; not
            printed.
        subtree: a budget for the restarts that it and all supervisors below it make; None: each has its own alone.
    """

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = 1
    period_ns: int = 5 * SECOND_NS
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    max_children: int = 100_000
    shared_args: tuple[Any, ...] = field(default=(), repr=False)
    subtree: SubtreeBudget | None = None

    def __post_init__(self) -> None:
        _checks.member("SupervisorFlags.strategy", self.strategy, Strategy)
        _checks.integer("SupervisorFlags.intensity", self.intensity, least=0, most=MOST_RESTARTS)
        _checks.integer("SupervisorFlags.period_ns", self.period_ns, least=1, most=LONGEST_NS)
        _checks.member("SupervisorFlags.auto_shutdown", self.auto_shutdown, AutoShutdown)
        _checks.integer("SupervisorFlags.max_children", self.max_children, least=1, most=MOST_CHILDREN)
        _checks.arguments("SupervisorFlags.shared_args", self.shared_args)
        if self.subtree is not None:
            _checks.instance("SupervisorFlags.subtree", self.subtree, SubtreeBudget)
        if self.shared_args and self.strategy is not Strategy.DYNAMIC:
            raise BadSpec("SupervisorFlags.strategy", self.strategy, "dynamic where there are shared_args")


def check_children(flags: SupervisorFlags, children: Iterable[ChildSpec]) -> tuple[ChildSpec, ...]:
    """Return the children as a tuple, after checking them against each other and against the flags.

    Raises:
        BadSpec: for something that gives no specs, or is none, a second child of the same id, more children than the
            flags allow, a significant child where the supervisor never shuts down by itself, or for simple_one_for_one
            any number but one.
    """
    try:
        given = tuple(islice(children, flags.max_children + 1))  # there may be no end of them
    except Exception as error:
        raise BadSpec("children", children, "an iterable of ChildSpec, which can be gone through") from error
    checked = tuple(_checks.instance("children", child, ChildSpec) for child in given)
    if flags.strategy.is_template:
        _check_template(checked)
    if len(checked) > flags.max_children:
        raise BadSpec(
            "children", len(checked), f"at most {flags.max_children} (SupervisorFlags.max_children)"
        )
    seen: set[str] = set()
    for child in checked:
        if child.id in seen:
            raise BadSpec("ChildSpec.id", child.id, "unique among its siblings; it is there twice")
        seen.add(child.id)
        check_significance(flags, child)
    return checked


def check_significance(flags: SupervisorFlags, child: ChildSpec) -> None:
    """Refuse a significant child where nothing would come of it, with `BadSpec`."""
    if child.significant and flags.auto_shutdown is AutoShutdown.NEVER:
        raise BadSpec(
            "ChildSpec.significant", child.significant, f"False for {child.id!r}, as auto_shutdown is never"
        )


def _check_template(children: tuple[ChildSpec, ...]) -> None:
    if len(children) != 1:
        raise BadSpec(
            "children", len(children), "exactly one spec for simple_one_for_one: all are instances of it"
        )
    (template,) = children
    _checks.text("ChildSpec.id", template.id, most=LONGEST_TEMPLATE_ID)
    if template.register is not None:
        raise BadSpec(
            "ChildSpec.register", template.register, "None where all children are instances of one spec"
        )


def _budget(name: str, value: object, child_type: ChildType) -> int | ShutdownBudget:
    if value is _BY_TYPE:
        return ShutdownBudget.INFINITE if child_type is ChildType.SUPERVISOR else 5 * SECOND_NS
    if isinstance(value, ShutdownBudget):
        return value
    return _checks.integer(name, value, least=1, most=LONGEST_NS, or_else=", or a ShutdownBudget")


_NO_KEYWORDS: Final[Mapping[str, Any]] = MappingProxyType({})
"""One for all: of a hundred thousand specs most have none."""


def _keywords(name: str, value: object) -> Mapping[str, Any]:
    # The values may be secrets, so the error shows the type and the keys, never the whole.
    if not isinstance(value, Mapping):
        raise BadSpec(name, type(value), "a mapping from names to values")
    given: dict[object, Any] = dict(value)  # pyright: ignore[reportUnknownArgumentType]
    bad = [key for key in given if not isinstance(key, str)]
    if bad:
        raise BadSpec(name, bad, "a mapping whose keys are texts")
    return MappingProxyType({str(key): each for key, each in given.items()}) if given else _NO_KEYWORDS
