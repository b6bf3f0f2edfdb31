"""Random trees of actors under random programs and orders: the laws of the machine hold in all of them."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.sweeping import count

from greenroom.supervision._actor import Actor
from greenroom.supervision._future import Future
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._restart import Shutdown
from greenroom.supervision._system import ActorSystem
from greenroom.supervision.errors import SupervisionError
from greenroom.supervision.events import ActorEnded, ActorStarted, DeadLetter
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.signals import IGNORE, START_LATER, ChildStarted, Down
from greenroom.supervision.simulated import SimulatedRuntime
from greenroom.supervision.spec import MailboxSpec, Overflow

pytestmark = pytest.mark.sweep

MS = 1_000_000
POLICIES = (
    MailboxSpec(),
    MailboxSpec(capacity=2, overflow=Overflow.DROP_OLDEST),
    MailboxSpec(capacity=1, overflow=Overflow.FAIL),
)


class World:
    """What happened, as seen from outside of the machine."""

    def __init__(self, seed: int) -> None:
        self.runtime = SimulatedRuntime(seed)
        self.system = ActorSystem(self.runtime)
        self.system.observe(self.note)
        self.refs: list[ActorRef[Any]] = []
        self.answers: list[Future[Any]] = []
        self.watches: Counter[int] = Counter()
        self.expected: set[int] = set()
        self.notices: Counter[int] = Counter()
        self.taken_back: set[int] = set()
        self.inside: dict[str, int] = {}
        self.alive: set[str] = set()
        self.sent = 0
        self.handled = 0
        self.letters = 0
        self.broken: list[str] = []

    def note(self, event: Any) -> None:
        """Hear an event, and check the order of lives."""
        if isinstance(event, DeadLetter):
            self.letters += event.message == "int"
        elif isinstance(event, ActorStarted):
            self.alive.add(event.path)
        elif isinstance(event, ActorEnded):
            self.alive.discard(event.path)
            self.inside.pop(event.path, None)
            left = [path for path in (*self.alive, *self.inside) if path.startswith(event.path + "/")]
            if left:
                self.broken.append(f"{left} outlived {event.path}")

    def enter(self, path: str, incarnation: int) -> None:
        """Hear that an incarnation is being constructed."""
        if path in self.inside:
            self.broken.append(f"{path}: {self.inside[path]} and {incarnation} at once")
        self.inside[path] = incarnation


class Node(Actor):
    """An actor that a program plays with."""

    def __init__(self, world: World, temper: int) -> None:
        self.world = world
        self.temper = temper
        self.monitors: list[int] = []
        world.enter(self.path, self.incarnation)

    def on_start(self) -> Any:
        match self.temper % 16:
            case 1:
                raise ValueError("does not start")
            case 2 if self.incarnation == 1:
                raise ValueError("does not start the first time")
            case 3:
                return IGNORE
            case 4:
                self.after(3 * MS, self.acknowledge)
                return START_LATER
            case 5:
                return START_LATER
            case 6 if self.incarnation == 1:
                self.world.runtime.hang()
            case 7:
                self.play(("spawn", self.temper // 16))
            case _:
                pass
        return None

    def on_child(self, signal: Any) -> None:
        if isinstance(signal, ChildStarted):
            return
        if (self.temper + signal.incarnation) % 3 and signal.incarnation < 4:
            self.after(MS * (self.temper % 2), self.revive, signal.child)
        else:
            self.forget(signal.child)

    def revive(self, child: ActorRef[Any]) -> None:
        self.respawn(child)

    def on_stop(self) -> None:
        if self.temper % 5 == 4:
            self.world.runtime.hang()
        if self.temper % 5 == 3:
            raise ValueError("does not stop nicely")

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        if self.temper % 7 == 6:
            self.world.runtime.hang()

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, int):
            self.world.handled += 1
            return message
        if isinstance(message, Down):
            self.world.notices[message.monitor] += 1
            if message.monitor in self.world.taken_back:
                self.world.broken.append("a notice after demonitor")
            return None
        return self.play(message)

    def play(self, message: Any) -> Any:  # noqa: C901, PLR0912 - one case for each thing a program can do
        world = self.world
        kind, number = message
        match kind:
            case "spawn":
                kinds = list(Dispatcher)
                child = self.spawn(
                    Node,
                    world,
                    number,
                    name=f"n{self.runtime.next_id()}",
                    dispatcher=kinds[number % 3],
                    mailbox=POLICIES[number % 3],
                    shutdown_ns=(0, 4 * MS, 9 * MS)[number % 3],
                    start_ns=8 * MS,
                )
                world.refs.append(child)
            case "crash":
                raise RuntimeError("on purpose")
            case "hang":
                world.runtime.hang()
            case "end":
                self.end(Shutdown("by itself"))
            case "defer":
                reply = self.defer_reply()
                if number % 2:
                    self.after(number * MS, reply.try_set, number)
            case "stop child" | "fence child":
                for cell in list(self._cell.children or ())[:1]:
                    if kind == "stop child":
                        self.stop_later(cell.ref)
                    else:
                        self.fence_child(cell.ref, "on purpose", stuck=bool(number % 2))
            case "monitor":
                key = self.monitor(world.refs[number % len(world.refs)])
                self.monitors.append(key)
            case "demonitor" if self.monitors:
                key = self.monitors.pop()
                self.demonitor(key)
                world.taken_back.add(key)
            case "ask":
                answer = world.refs[number % len(world.refs)].ask(number, block=False)
                world.answers.append(answer)
                self.when(answer, lambda _: None)
            case _:
                pass
        return kind


INSIDE = (
    "spawn",
    "spawn",
    "spawn",
    "crash",
    "hang",
    "end",
    "defer",
    "stop child",
    "fence child",
    "monitor",
    "monitor",
    "demonitor",
    "ask",
)
OUTSIDE = ("tell", "ask", "stop", "fence", "watch", "unwatch", "step", "advance", "root")
OPERATIONS = st.tuples(st.sampled_from(INSIDE + OUTSIDE), st.integers(0, 63), st.integers(0, 255))


def perform(world: World, kind: str, who: int, number: int) -> None:  # noqa: C901, PLR0912 - one case for each
    """Do one thing to the world from outside."""
    ref = world.refs[who % len(world.refs)]
    match kind:
        case "tell":
            world.sent += 1
            ref.send(number)
        case "ask":
            world.answers.append(ref.ask(number, block=False))
        case "stop":
            world.answers.append(ref.stop(block=False))
        case "fence":
            ref._cell.fence("on purpose")
        case "watch":
            key = world.runtime.next_id()
            world.expected.add(key)
            incarnation = None if number % 2 else 1 + number % 3
            ref._cell.watch(key, lambda *_: world.watches.update([key]), incarnation)
        case "unwatch" if world.expected:
            key = max(world.expected)
            if not world.watches[key]:
                ref_cells = [each._cell for each in world.refs]
                for cell in ref_cells:
                    cell.unwatch(key)
                world.expected.discard(key)
        case "step":
            for _ in range(number % 16):
                world.runtime.step()
        case "advance":
            world.runtime.advance(number * MS // 16)
        case "root":
            new, _ = world.system.launch(
                Node,
                (world, number & ~7),
                name=f"r{world.runtime.next_id()}",
                shutdown_ns=6 * MS,
                start_ns=8 * MS,
            )
            world.refs.append(new)
        case _:
            world.answers.append(ref.ask((kind, number), block=False))


def play(seed: int, program: list[tuple[str, int, int]]) -> World:
    """Run a program and close the world after it."""
    world = World(seed)
    world.refs.append(world.system.launch(Node, (world, 0), name="root", shutdown_ns=6 * MS)[0])
    for number in range(8):  # a tree to begin with
        perform(world, "spawn", number // 2, seed * number % 256)
        perform(world, "step", 0, 15)
    for kind, who, number in program:
        perform(world, kind, who, number)
    world.system.close()
    world.runtime.run_until_idle()
    return world


def check(world: World) -> None:
    """Hold every law after everything has been closed."""
    assert world.broken == []
    assert [answer for answer in world.answers if not answer.done()] == []
    assert all(
        answer.error() is None or isinstance(answer.error(), SupervisionError) for answer in world.answers
    )
    assert {key: world.watches[key] for key in world.expected} == dict.fromkeys(world.expected, 1)
    assert set(world.watches) <= world.expected
    assert all(count == 1 for count in world.notices.values())
    assert world.system.roots() == ()
    assert all(ref._cell.terminated for ref in world.refs)
    assert not any(ref._cell.children or ref._cell.user for ref in world.refs)
    assert world.inside == {}
    assert world.alive == set()
    assert world.runtime.live_timers() == 0
    assert world.runtime.live_pinned() == 0


@settings(
    max_examples=count(300), deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(seed=st.integers(0, 10_000), program=st.lists(OPERATIONS, max_size=40))
def test_the_laws_hold_in_every_program_and_order(seed: int, program: list[tuple[str, int, int]]) -> None:
    """Every ask answered, every monitor told once, no orphan, one incarnation at a time, nothing left, nothing lost."""
    check(play(seed, program))


@settings(max_examples=count(200), deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), program=st.lists(OPERATIONS, max_size=30))
def test_no_message_is_lost_without_being_counted(seed: int, program: list[tuple[str, int, int]]) -> None:
    """What was sent was handled once, or is a dead letter."""
    world = play(seed, [each for each in program if each[0] != "ask"])
    assert world.handled + world.letters == world.sent
