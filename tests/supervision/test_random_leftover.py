"""Random families whose mailboxes have every policy, under hostile programs: where each message went."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.supervision.lawkit import ANSWERED, MESSAGES, TRIES, hold, raise_first
from tests.supervision.supkit import LISTED
from tests.sweeping import count

from greenroom.supervision import (
    Actor,
    ActorCrashed,
    ActorSystem,
    Backoff,
    ChildSpec,
    DeleteChild,
    Future,
    MailboxSpec,
    OnCrash,
    OnRestart,
    Overflow,
    Restart,
    RestartChild,
    StartChild,
    StopChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
)
from greenroom.supervision._leftover import NOT_RETRIED, POISON
from greenroom.supervision.events import DeadLetter, MessagesDropped, PoisonMessage
from greenroom.supervision.simulated import SimulatedRuntime

pytestmark = pytest.mark.sweep

MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A message that can be told from any other, and what it does to its actor."""

    number: int
    how: str


@dataclass(slots=True)
class Fate:
    """What has become of a message."""

    mark: Mark
    retry: bool
    told: bool
    answer: Future[Any] | None = None
    tries: int = 0
    failed: int = 0


class World:
    """What happened, as seen from outside."""

    def __init__(self, seed: int, runtime: SimulatedRuntime | None = None) -> None:
        self.runtime = SimulatedRuntime(seed) if runtime is None else runtime
        self.system = ActorSystem(self.runtime)
        self.system.observe(self.note)
        self.fates: dict[int, Fate] = {}
        self.began: set[Any] = set()
        self.letters: Counter[str] = Counter()
        self.dropped = 0
        self.poison = 0
        self.refuses = 0
        """So many starts fail from now on."""
        self.broken: list[str] = []
        self.answers: list[Future[Any]] = []

    def note(self, event: Any) -> None:
        """Count what was reported as lost."""
        match event:
            case DeadLetter(message="Mark", why=why):
                self.letters[why] += 1
            case MessagesDropped(told=told):
                self.dropped += told
            case PoisonMessage():
                self.poison += 1
            case _:
                pass


class Node(Actor):
    """An actor to which messages happen."""

    def __init__(self, world: World) -> None:
        self.world = world

    def on_start(self) -> None:
        if self.world.refuses:
            self.world.refuses -= 1
            raise OSError("does not start")

    def on_receive(self, message: Any) -> Any:
        world, fate = self.world, self.world.fates[message.number]
        fate.tries += 1
        if fate.tries > 1 + fate.retry:
            world.broken.append(f"{TRIES}|{message} tried {fate.tries} times")
        if fate.tries == 2 and self._life in world.began:
            world.broken.append(f"{TRIES}|{message} tried again after another message")
        world.began.add(self._life)
        match message.how:
            case "crash" | "crash once" if message.how == "crash" or fate.tries == 1:
                fate.failed += 1
                raise RuntimeError("on purpose")
            case "hang":
                world.runtime.hang()
            case "crash, then hang":
                fate.failed += 1
                if fate.tries == 1:
                    raise RuntimeError("on purpose")
                world.runtime.hang()
            case "take over and crash":
                self.defer_reply()
                fate.failed += 1
                raise RuntimeError("on purpose")
            case "end":
                self.end()
            case _:
                pass
        return message.number


HOWS = (
    "fine",
    "fine",
    "fine",
    "crash",
    "crash once",
    "hang",
    "crash, then hang",
    "take over and crash",
    "end",
)
BOUNDS = (
    (1000, Overflow.FAIL),
    (2, Overflow.DROP_OLDEST),
    (2, Overflow.DROP_NEWEST),
    (1, Overflow.FAIL),
)
BACKOFFS = (None, None, Backoff(initial_ns=2 * MS, max_ns=9 * MS, immediate_first=False))


def spec_of(world: World, number: int) -> ChildSpec:
    """Return one of many specs of four names."""
    capacity, overflow = BOUNDS[number // 4 % 4]
    mailbox = MailboxSpec(
        capacity=capacity,
        overflow=overflow,
        on_restart=tuple(OnRestart)[number // 2 % 3],
        on_crash=tuple(OnCrash)[number // 3 % 2],
    )
    return ChildSpec(
        id=f"n{number % 4}",
        start=Node,
        args=(world,),
        mailbox=mailbox,
        restart=tuple(Restart)[number // 5 % 3],
        backoff=BACKOFFS[number // 7 % 3],
        shutdown_ns=4 * MS,
    )


def send(world: World, cell: Any, number: int, *, tell: bool) -> None:
    """Tell or ask an actor something."""
    mark = Mark(number=len(world.fates), how=HOWS[number % len(HOWS)])
    retry = cell.policy.on_crash is OnCrash.RETRY_ONCE and (tell or mark.how != "take over and crash")
    fate = world.fates[mark.number] = Fate(mark, retry, tell)
    if tell:
        cell.ref.send(mark)
    else:
        fate.answer = cell.ref.ask(mark, block=False)


def perform(world: World, top: Any, kind: str, number: int) -> None:
    """Do one thing."""
    name = f"n{number % 4}"
    messages: dict[str, Callable[[], Any]] = {
        "start": lambda: StartChild(spec=spec_of(world, number)),
        "stop": lambda: StopChild(child=name),
        "restart": lambda: RestartChild(child=name),
        "delete": lambda: DeleteChild(child=name),
    }
    if kind in messages:
        world.answers.append(top.ask(messages[kind](), block=False))
        return
    match kind:
        case "steps":
            for _ in range(number % 16):
                world.runtime.step()
        case "time":
            world.runtime.advance(number * MS // 8)
        case "refuse":
            world.refuses = number % 4
        case _:
            for cell in list(top._cell.children or ()):
                if cell.name == name:
                    if kind == "fence":
                        cell.fence("on purpose")
                    else:
                        send(world, cell, number // 4, tell=kind == "tell")


KINDS = (
    ["start"] * 2
    + ["tell", "ask"] * 8
    + ["stop", "restart", "restart", "delete", "fence", "time", "refuse"]
    + ["steps"] * 5
)
PROGRAMS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 255)), max_size=60)


def play(strategy: Strategy, first: int, program: list[tuple[str, int]], runtime: SimulatedRuntime) -> World:
    """Run a program and close the world after it."""
    world = World(0, runtime)
    flags = SupervisorFlags(strategy=strategy, intensity=8, period_ns=40 * MS)
    children = [spec_of(world, (first + 61 * place) // 4 * 4 + place) for place in range(4)]
    top, _ = world.system.launch(Supervisor, (flags, children), name="top", shutdown_ns=None)
    world.runtime.advance(1)
    for kind, number in program:
        perform(world, top, kind, number)
    world.runtime.run_until_idle()
    world.system.close()
    world.runtime.run_until_idle()
    return world


def check(world: World) -> None:
    """Hold every law after everything has been closed.

    Raises:
        LawBrokenError: one does not hold.
    """
    raise_first(world.broken)
    fates = world.fates.values()
    answers = [*world.answers, *(fate.answer for fate in fates if fate.answer is not None)]
    hold(ANSWERED, when=all(answer.done() for answer in answers))
    check_told(world, [fate for fate in fates if fate.told])
    check_asked([fate for fate in fates if not fate.told])
    poison = sum(fate.tries == fate.failed == 2 for fate in fates)
    hold(TRIES, when=world.poison == poison, detail=f"{poison} are poison, {world.poison} were said to be")


def check_told(world: World, told: list[Fate]) -> None:
    """Account for each message that was told."""
    tried = sum(fate.tries > 0 for fate in told)
    untried = sum(many for why, many in world.letters.items() if why not in (POISON, NOT_RETRIED))
    accounted = tried + world.dropped + untried
    hold(MESSAGES, when=len(told) == accounted, detail=f"{len(told)} sent, {accounted} accounted for")
    given_up = Counter(fate.tries for fate in told if fate.retry and fate.failed == fate.tries > 0)
    for tries, why in ((1, NOT_RETRIED), (2, POISON)):
        said = world.letters[why]
        hold(MESSAGES, when=said == given_up[tries], detail=f"{given_up[tries]}, not {said}: {why}")


def check_asked(asked: list[Fate]) -> None:
    """Hold that each was answered as it went."""
    for fate in asked:
        answer = fate.answer
        assert answer is not None
        error = answer.error()
        if fate.tries == 0:
            right = error is not None
        elif fate.mark.how in ("fine", "end") or (fate.mark.how == "crash once" and fate.tries > 1):
            right = error is None
        elif fate.mark.how in ("crash", "crash once", "take over and crash"):
            right = isinstance(error, ActorCrashed)
        else:
            right = error is not None
        hold(
            MESSAGES, when=right, detail=f"{fate.mark}, tried {fate.tries} times, got {type(error).__name__}"
        )


@settings(max_examples=count(300), deadline=None)
@given(st.integers(0, 2**16), st.sampled_from(LISTED), st.integers(0, 255), PROGRAMS)
def test_every_message_is_handled_dropped_or_a_dead_letter(
    seed: int, strategy: Strategy, first: int, program: list[tuple[str, int]]
) -> None:
    """At most one try, or two where that was asked for, and then before any other; told = handled + dropped + dead."""
    check(play(strategy, first, program, SimulatedRuntime(seed)))
