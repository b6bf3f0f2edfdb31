"""Random families under random programs and orders, in the simulator: what a hostile user would try."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.supervision.lawkit import BOOTED, STOPPED
from tests.supervision.supkit import LISTED
from tests.sweeping import count

from greenroom.supervision import (
    IGNORE,
    START_LATER,
    Actor,
    ActorSystem,
    AutoShutdown,
    Backoff,
    ChildSpec,
    CountChildren,
    DeleteChild,
    Future,
    MailboxSpec,
    OnCrash,
    OnRestart,
    Overflow,
    Restart,
    RestartChild,
    Shutdown,
    ShutdownBudget,
    StartChild,
    StopChild,
    Strategy,
    SupervisionError,
    Supervisor,
    SupervisorFlags,
    UpdateSupervisor,
    WhichChildren,
)
from greenroom.supervision.events import ActorEnded, ActorStarted
from greenroom.supervision.simulated import SimulatedRuntime

pytestmark = pytest.mark.sweep

MS = 1_000_000
INTENSITY = 6
PERIOD_NS = 40 * MS


class World:
    """What happened, as seen from outside."""

    def __init__(self, seed: int) -> None:
        self.runtime = SimulatedRuntime(seed)
        self.system = ActorSystem(self.runtime)
        self.system.observe(self.note)
        self.mood = 0
        self.inside: Counter[str] = Counter()
        self.broken: list[str] = []
        self.answers: list[Future[Any]] = []
        self.children_answers: list[Future[Any]] = []
        self.listed: tuple[str, ...] = ()
        self.settled: set[str] = set()
        self.stopped: dict[str, Future[Any]] = {}
        """Of each child for which the last thing that was asked is its stop, the answer to that."""

    def note(self, event: Any) -> None:
        """Check what can be checked while it happens."""
        for name in self.system.registered():
            named = self.system.whereis(name)
            if named is None or not named.is_alive():
                self.broken.append(f"{name} is the name of a dead one")
        if isinstance(event, ActorStarted | ActorEnded):
            self.settled.add(event.path)
        if isinstance(event, ActorStarted) and event.path == "top":
            early = [name for name in self.listed if f"top/{name}" not in self.settled]
            self.broken += [f"{BOOTED}|{name} had not started" for name in early]
        if isinstance(event, ActorEnded):
            self.inside.pop(event.path, None)
            left = [path for path in self.inside if path.startswith(event.path + "/")]
            if left:
                self.broken.append(f"{left} outlived {event.path}")

    def ask(self, top: Any, message: Any) -> None:
        """Ask the supervisor something; see, where it is the stop of a child, that the answer is true."""
        answer: Future[Any] = top.ask(message, block=False)
        self.answers.append(answer)
        match message:
            case StopChild(child=str(name)):
                self.stopped[name] = answer
                answer.add_done_callback(partial(self.note_stopped, name))
            case StartChild(spec=ChildSpec(id=name)) | RestartChild(child=name):
                self.stopped.pop(name, None)
            case _:
                pass

    def note_stopped(self, name: str, answer: Future[Any]) -> None:
        """Hear that a child is over, as whoever has asked for its stop does."""
        if answer.error() is None and self.inside[f"top/{name}"]:
            self.broken.append(f"{STOPPED}|{name} was said to be over, and is not")

    def check_stopped(self, flags: SupervisorFlags, running: list[str]) -> None:
        """At rest: who was stopped stays so, but where the restart of another one brings all back."""
        if flags.strategy in (Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE):
            return
        for name, answer in self.stopped.items():
            if answer.error() is None and name in running:
                self.broken.append(f"{STOPPED}|{name} runs again, and nobody has started it")


class Node(Actor):
    """A child in some mood."""

    def __init__(self, world: World, name: str) -> None:
        world.inside[self.path] += 1
        if world.inside[self.path] > 1:
            world.broken.append(f"two incarnations of {name}")
        self.world = world

    def on_start(self) -> Any:
        """Start, or do not, as the mood is."""
        match self.world.mood % 8:
            case 1:
                raise OSError("does not start")
            case 2:
                return IGNORE
            case 3:
                self.after(2 * MS, self.acknowledge)
                return START_LATER
            case 4:
                self.after(1 * MS, self.crash)
                return START_LATER
            case 5:
                self.after(1 * MS, self.crash)
            case 6:
                self.world.runtime.hang()
            case _:
                pass
        return None

    def crash(self) -> None:
        """Crash from a timer."""
        raise RuntimeError("on purpose")

    def on_stop(self) -> None:
        """Stop, or hang, as the mood is."""
        if self.world.mood % 5 == 4:
            self.world.runtime.hang()

    def on_receive(self, message: Any) -> Any:
        """End in one of the ways."""
        match message:
            case "normal":
                self.end()
            case "shutdown":
                self.end(Shutdown("by itself"))
            case "crash":
                self.crash()
            case "end and crash":
                self.end(Shutdown("by itself"))
                self.crash()
            case "hang":
                self.world.runtime.hang()
            case _:
                pass


RESTARTS = tuple(Restart)
BACKOFFS = (
    None,
    None,
    Backoff(initial_ns=3 * MS, max_ns=20 * MS),
    Backoff(initial_ns=MS, immediate_first=False),
)
MAILBOXES = (
    MailboxSpec(),
    MailboxSpec(on_crash=OnCrash.RETRY_ONCE),
    MailboxSpec(on_restart=OnRestart.DROP, on_crash=OnCrash.RETRY_ONCE),
    MailboxSpec(on_restart=OnRestart.DEAD_LETTERS, capacity=2, overflow=Overflow.DROP_NEWEST),
)
BUDGETS = (5 * MS, ShutdownBudget.BRUTAL, 1 * MS)


def spec_of(world: World, number: int, mode: AutoShutdown) -> ChildSpec:
    """Return one of many specs of six names."""
    restart = RESTARTS[number // 6 % 3]
    name = f"n{number % 6}"
    return ChildSpec(
        id=name,
        start=Node,
        args=(world, name),
        restart=restart,
        backoff=BACKOFFS[number // 3 % 4],
        shutdown_ns=BUDGETS[number // 5 % 3],
        start_ns=6 * MS,
        register=f"name {number % 4}" if number % 3 == 0 else None,
        mailbox=MAILBOXES[number // 4 % 4],
        significant=number % 7 == 0 and restart is not Restart.PERMANENT and mode is not AutoShutdown.NEVER,
    )


def perform(world: World, top: Any, kind: str, number: int, mode: AutoShutdown) -> None:
    """Do one thing."""
    name = f"n{number % 6}"
    messages: dict[str, Callable[[], Any]] = {
        "start": lambda: StartChild(spec=spec_of(world, number, mode)),
        "stop": lambda: StopChild(child=name),
        "restart": lambda: RestartChild(child=name),
        "delete": lambda: DeleteChild(child=name),
        "which": WhichChildren,
        "count": CountChildren,
        "update": lambda: UpdateSupervisor(
            children=tuple(
                spec_of(world, each, mode) for each in range(number % 12, number % 12 + number % 5)
            )
        ),
    }
    if kind in messages:
        world.ask(top, messages[kind]())
        return
    match kind:
        case "mood":
            world.mood = number
        case "steps":
            for _ in range(number):
                world.runtime.step()
        case "time":
            world.runtime.advance(number * MS // 8)
        case "give up":  # somebody stops what crashes, and may find it in its back-off
            perform(world, top, "crash", number, mode)
            perform(world, top, "steps", number // 6, mode)
            perform(world, top, "stop", number, mode)
        case _:
            for cell in list(top._cell.children or ()):
                if cell.name == name:
                    if kind == "fence":
                        cell.fence("on purpose")
                    else:
                        world.children_answers.append(cell.ref.ask(kind, block=False))


KINDS = (
    ["start"] * 5
    + ["stop", "stop", "restart", "delete", "which", "count", "update", "fence", "mood", "mood", "time"]
    + ["normal", "shutdown", "crash", "crash", "crash", "end and crash", "hang", "give up", "give up"]
    + ["steps"] * 6
)
PROGRAMS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 63)), max_size=60)


@settings(max_examples=count(400), deadline=None)
@given(st.integers(0, 2**16), st.sampled_from(LISTED), st.sampled_from(AutoShutdown), PROGRAMS)
def test_a_hostile_user_breaks_nothing(
    seed: int, strategy: Strategy, mode: AutoShutdown, program: list[tuple[str, int]]
) -> None:
    """Never two incarnations, every question answered, rest is reached, what the supervisor says is so, nothing is left."""
    world = World(seed)
    given = SupervisorFlags(strategy=strategy, auto_shutdown=mode, intensity=INTENSITY, period_ns=PERIOD_NS)
    children = [spec_of(world, number, mode) for number in range(3)]
    world.listed = tuple(child.id for child in children)
    top, _ = world.system.launch(Supervisor, (given, children), name="top", shutdown_ns=None)
    for kind, number in program:
        perform(world, top, kind, number, mode)
    world.mood = 0
    world.runtime.run_until_idle()
    assert all(answer.done() for answer in world.answers)
    if top.is_alive():
        check_at_rest(top)
        world.check_stopped(
            given, [info.spec.id for info in top.ask(WhichChildren()) if info.status == "running"]
        )
    assert world.broken == []
    world.system.close()
    answers = [*world.answers, *world.children_answers]
    assert all(answer.done() for answer in answers)
    errors = [answer.error() for answer in answers]
    assert all(error is None or isinstance(error, SupervisionError) for error in errors)
    assert world.inside == Counter()
    assert world.system.registered() == ()
    assert world.runtime.live_timers() == 0


def check_at_rest(top: Any) -> None:
    """Compare what the supervisor says with what is there."""
    infos = top.ask(WhichChildren())
    for info in infos:
        if info.status == "running":
            assert info.ref.is_running()
            assert info.spec.register is None or top._cell.system.whereis(info.spec.register) == info.ref
        else:
            assert info.status == "stopped"
            assert info.ref is None or (info.ref.is_alive() and not info.ref.is_running())
    placed = [cell.name for cell in top._cell.children or ()]
    assert placed == [info.spec.id for info in infos if info.ref is not None] or top._cell.together
    counts = top.ask(CountChildren())
    assert counts.specs == len(infos)
    assert counts.active == sum(info.status == "running" for info in infos)
