"""Random trees of actors under random programs and orders: the laws of the machine hold in all of them."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
# The messages of a probe are functions of the actor, which no checker can see through a mailbox.

from collections import Counter
from contextlib import suppress
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.supervision.lawkit import DOWN, REFUSED
from tests.sweeping import count

from greenroom.supervision._actor import Actor
from greenroom.supervision._future import Future
from greenroom.supervision._ref import ActorRef
from greenroom.supervision._restart import Normal, Shutdown
from greenroom.supervision._system import ActorSystem
from greenroom.supervision.errors import ActorEnding, ActorFenced, AlreadyRegistered, SupervisionError
from greenroom.supervision.events import ActorEnded, ActorStarted, DeadLetter
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.signals import IGNORE, START_LATER, ChildStarted, Down, Exit
from greenroom.supervision.simulated import SimulatedRuntime
from greenroom.supervision.spec import MailboxSpec, OnCrash, OnRestart, Overflow

pytestmark = pytest.mark.sweep

MS = 1_000_000
POLICIES = (
    MailboxSpec(on_crash=OnCrash.RETRY_ONCE),
    MailboxSpec(capacity=2, overflow=Overflow.DROP_OLDEST, on_restart=OnRestart.DEAD_LETTERS),
    MailboxSpec(capacity=1, overflow=Overflow.FAIL, on_crash=OnCrash.RETRY_ONCE),
    MailboxSpec(on_restart=OnRestart.DEAD_LETTERS),
)


Half: TypeAlias = tuple[str, int]
"""One end of a link: a path and an incarnation."""


class World:
    """What happened, as seen from outside of the machine."""

    def __init__(self, seed: int, runtime: SimulatedRuntime | None = None) -> None:
        self.runtime = SimulatedRuntime(seed) if runtime is None else runtime
        self.system = ActorSystem(self.runtime)
        self.system.observe(self.note)
        self.refs: list[ActorRef[Any]] = []
        self.answers: list[Future[Any]] = []
        self.watches: Counter[int] = Counter()
        self.expected: set[int] = set()
        self.notices: Counter[int] = Counter()
        self.taken_back: set[int] = set()
        self.linked: set[frozenset[Half]] = set()
        self.ends: dict[Half, Any] = {}
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
            self.ends[event.path, event.incarnation] = event.cause
            self.alive.discard(event.path)
            self.inside.pop(event.path, None)
            left = [path for path in (*self.alive, *self.inside) if path.startswith(event.path + "/")]
            if left:
                self.broken.append(f"{left} outlived {event.path}")

        for name in self.system.registered():
            ref = self.system.whereis(name)
            if ref is None or not ref.is_alive():
                self.broken.append(f"{name} is the name of a dead one")

    def unlink(self, one: Half, path: str) -> None:
        """Hear that one took its links with ``path`` back."""
        self.linked = {
            pair
            for pair in self.linked
            if one not in pair or not any(half[0] == path for half in pair - {one})
        }

    def exit(self, one: Half, notice: Exit) -> None:
        """Hear that one was told of an end."""
        other = (notice.ref.path, notice.incarnation)
        if self.ends.get(other, notice.cause) != notice.cause:
            self.broken.append(f"{one} was told another cause than {other} had")
        try:
            self.linked.remove(frozenset((one, other)))
        except KeyError:
            self.broken.append(f"{one} was told of {other} without a link, or twice")

    def check_links(self) -> None:
        """At rest: whoever is linked with one that is over has been told, or is over too, if it can still do anything."""
        cells = {ref.path: ref._cell for ref in self.refs}
        for pair in self.linked:
            for one in pair:
                cell = cells[one[0]]
                (other,) = pair - {one}
                free = cell.incarnation == one[1] and cell.ref.is_running() and not cell.thread
                if free and other in self.ends and (cell.actor.trap_exits or self.ends[other] != Normal()):
                    self.broken.append(f"{one} has not heard of the end of {other}")

    def enter(self, path: str, incarnation: int) -> None:
        """Hear that an incarnation is being constructed."""
        if path in self.inside:
            self.broken.append(f"{path}: {self.inside[path]} and {incarnation} at once")
        parent = path.rpartition("/")[0]
        if parent and parent not in self.inside:
            self.broken.append(f"{path} begins under one that is over")
        self.inside[path] = incarnation


class Node(Actor):
    """An actor that a program plays with."""

    def __init__(self, world: World, temper: int) -> None:
        self.world = world
        self.temper = temper
        self.monitors: list[int] = []
        self.me: Half = (self.path, self.incarnation)
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
        match self.temper % 5:
            case 4:
                self.world.runtime.hang()
            case 3:
                raise ValueError("does not stop nicely")
            case 2:
                self.want_help()
            case _:
                pass

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        match self.temper % 7:
            case 6:
                self.world.runtime.hang()
            case 5:
                self.want_help()
            case _:
                pass

    def want_help(self) -> None:
        """Have another actor clean up: who is ending is refused that."""
        with suppress(ActorEnding):
            self.play(("spawn", 8))

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, int):
            self.world.handled += 1
            return message
        if isinstance(message, Down):
            self.world.notices[message.monitor] += 1
            if message.monitor in self.world.taken_back:
                self.world.broken.append(f"{DOWN}|a notice after demonitor")
            return None
        if isinstance(message, Exit):
            self.world.exit(self.me, message)
            return None
        return self.play(message)

    def play(self, message: Any) -> Any:  # noqa: C901, PLR0912 - one case for each thing a program can do
        world = self.world
        kind, number = message
        match kind:
            case "spawn":
                kinds = list(Dispatcher)
                leaf = number % 16 == 9
                child = self.spawn(
                    Leaf if leaf else Trapper if number % 4 == 1 else Node,
                    world,
                    number,
                    name=f"n{self.runtime.next_id()}",
                    dispatcher=kinds[number % 3],
                    mailbox=POLICIES[number // 3 % 4],
                    shutdown_ns=None if leaf else (0, 4 * MS, 9 * MS)[number % 3],
                    start_ns=8 * MS,
                )
                world.refs.append(child)
            case "crash":
                raise RuntimeError("on purpose")
            case "hang":
                world.runtime.hang()
            case "linger":
                world.runtime.linger(number % 16 * MS)
                self.speak(world.refs[number % len(world.refs)])
            case "end" | "end and crash":
                self.end(Shutdown("by itself"))
                if kind != "end":
                    raise RuntimeError("on purpose")
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
                self.take_back(self.monitors.pop())
            case "glance":  # whether somebody is over is told at once, but not to who did not wait for it
                self.take_back(self.monitor(world.refs[number % len(world.refs)]))
            case "link":
                self.share(world.refs[number % len(world.refs)])
            case "unlink":
                other = world.refs[number % len(world.refs)]
                self.unlink(other)
                world.unlink(self.me, other.path)
            case "name":
                with suppress(AlreadyRegistered):
                    self.system.register(f"name {number % 4}", self.actor_ref)
            case "ask":
                answer = world.refs[number % len(world.refs)].ask(number, block=False)
                world.answers.append(answer)
                self.when(answer, lambda _: None)
            case _:
                pass
        return kind

    def take_back(self, monitor: int) -> None:
        """Take a monitor back: nothing is told of it from now on."""
        self.demonitor(monitor)
        self.world.taken_back.add(monitor)

    def speak(self, other: ActorRef[Any]) -> None:
        """Say something to another one. Who was given up meanwhile is refused that."""
        given_up = self.given_up
        try:
            other.tell(("hello", 0))
        except ActorFenced:
            raise
        except SupervisionError:
            pass  # the other one is gone, or full
        if given_up:
            self.world.broken.append(f"{REFUSED}|{self.me} was given up, and still speaks to {other.path}")

    def share(self, other: ActorRef[Any]) -> None:
        """Link with another one, and note the link before anything can come of it."""
        if other != self.actor_ref:
            self.world.linked.add(frozenset((self.me, (other.path, other.incarnation))))
        self.link(other)


class Trapper(Node):
    """One that is told of the ends of who it is linked with."""

    trap_exits = True


class Leaf(Node):
    """One that has no children, and for whose end its parent waits as long as it has time itself."""

    def play(self, message: Any) -> Any:
        return None if message[0] == "spawn" else super().play(message)


INSIDE = (
    "spawn",
    "spawn",
    "spawn",
    "crash",
    "hang",
    "linger",
    "end",
    "end and crash",
    "defer",
    "stop child",
    "fence child",
    "monitor",
    "monitor",
    "demonitor",
    "glance",
    "link",
    "link",
    "unlink",
    "name",
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


def play(seed: int, program: list[tuple[str, int, int]], runtime: SimulatedRuntime | None = None) -> World:
    """Run a program and close the world after it."""
    world = World(seed, runtime)
    world.refs.append(world.system.launch(Node, (world, 0), name="root", shutdown_ns=6 * MS)[0])
    for number in range(8):  # a tree to begin with
        perform(world, "spawn", number // 2, seed * number % 256)
        perform(world, "step", 0, 15)
    for kind, who, number in program:
        perform(world, kind, who, number)
    if seed % 2:  # else it is closed in the middle of everything
        world.runtime.run_until_idle()
        world.check_links()
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
    assert world.system.registered() == ()
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
