"""Random programs of actors and supervisors, with the machine's own laws: what finds faults that rooms do not show.

They are those of ``tests/supervision``, drawn by portable dice instead of Hypothesis; each law has a name, so that it can
be said which law has caught what, and which none ever trips.
"""

from collections.abc import Callable
from typing import Any, Final

from tests.supervision import test_random_programs as machine
from tests.supervision import test_supervisor_random as family

from greenroom.simulation._dice import Dice
from greenroom.supervision import (
    ActorSystem,
    AutoShutdown,
    ChildSpec,
    ChildStatus,
    Restart,
    Strategy,
    SupervisionError,
    Supervisor,
    SupervisorFlags,
    WhichChildren,
)
from greenroom.supervision.events import (
    ActorEnded,
    ActorStarted,
    ChildRestarting,
    IntensityExceeded,
)
from greenroom.supervision.simulated import SimulatedRuntime

MOST: Final = 40


class LawBrokenError(AssertionError):
    """A law of a program does not hold."""

    def __init__(self, law: str, detail: str) -> None:
        self.law = law
        super().__init__(f"{law}: {detail}")


ANSWERED: Final = "every ask is answered"
ERRORS: Final = "every error is one of ours"
ORDER: Final = "lives are in order: one incarnation at a time, children first, live names, links told once"
WATCHED: Final = "every watch is told once"
DOWN: Final = "every monitor is told at most once, and none after it was taken back"
GONE: Final = "nothing is left after the end: no actor, name, timer or thread"
MESSAGES: Final = "every message is handled once, or is a dead letter"
REST: Final = "what a supervisor says of its children is so"
BUDGET: Final = "restarts stay within the intensity"
GIVES_UP: Final = "a supervisor gives up only when its intensity is passed"
RESTARTED: Final = "at rest a permanent child runs, unless somebody has stopped it"
STAYS: Final = "a temporary child is never restarted, and a transient one not after an orderly end"
TOGETHER: Final = "one_for_all replaces all, rest_for_one those after it, one_for_one nobody else"
LAWS: Final = (
    ANSWERED, ERRORS, ORDER, WATCHED, DOWN, GONE, MESSAGES, REST, BUDGET, GIVES_UP, RESTARTED, STAYS, TOGETHER,
)  # fmt: skip


def hold(law: str, *, when: object, detail: object = "") -> None:
    """Raise unless a law holds."""
    if not when:
        raise LawBrokenError(law, f"{detail}")


# -- actors ----------------------------------------------------------------------------------------------------------


def play_machine(seed: int, runtime: SimulatedRuntime) -> None:
    """Play a random program of actors, and hold the machine's laws.

    Raises:
        LawBrokenError: one does not hold.
    """
    dice = Dice(f"machine {seed}")
    counted = dice.chance(0.4)
    kinds = [kind for kind in (*machine.INSIDE, *machine.OUTSIDE) if not (counted and kind == "ask")]
    program = [(dice.choice(kinds), dice.below(64), dice.below(256)) for _ in range(dice.below(MOST))]
    world = machine.play(seed, program, runtime)
    waiting = [answer for answer in world.answers if not answer.done()]
    hold(ANSWERED, when=not waiting, detail=f"{len(waiting)} were not")
    odd = [error for each in world.answers if not isinstance(error := each.error(), SupervisionError | None)]
    hold(ERRORS, when=not odd, detail=odd[:1])
    hold(ORDER, when=not world.broken, detail=world.broken[:1])
    told = {key: world.watches[key] for key in world.expected}
    hold(WATCHED, when=told == dict.fromkeys(world.expected, 1) and set(world.watches) <= world.expected)
    hold(DOWN, when=all(count == 1 for count in world.notices.values()), detail="told twice")
    if counted:
        sent, found = world.sent, world.handled + world.letters
        hold(MESSAGES, when=sent == found, detail=f"{sent} sent, {found} found")
    refs = world.refs
    left = [ref for ref in refs if not ref._cell.terminated or ref._cell.children or ref._cell.user]
    hold(GONE, when=not (left or world.system.roots() or world.system.registered()), detail=left[:1])
    hold(GONE, when=not (world.inside or world.alive), detail="an incarnation is left")
    hold(
        GONE, when=not (world.runtime.live_timers() or world.runtime.live_pinned()), detail="timers, threads"
    )


# -- families --------------------------------------------------------------------------------------------------------


class Ward(family.World):
    """A world that also keeps what its supervisor said of restarts."""

    def __init__(self, runtime: SimulatedRuntime, flags: SupervisorFlags) -> None:
        super().__init__(0)
        self.runtime = runtime
        self.flags = flags
        self.victim = ""
        self.attempts: list[int] = []
        self.specs: dict[str, Restart] = {}
        self.orderly: set[str] = set()

    def note(self, event: Any) -> None:
        """Hear what happens."""
        super().note(event)
        now_ns = self.runtime.now_ns()
        match event:
            case ActorStarted(path=path, incarnation=incarnation) if incarnation > 1:
                name = path.rpartition("/")[2]
                if self.specs.get(name) is Restart.TEMPORARY:
                    self.broken.append(f"{STAYS}|{name} is temporary and was started again")
                if name in self.orderly and self.flags.strategy is Strategy.ONE_FOR_ONE:
                    self.broken.append(f"{STAYS}|{name} had ended in order")
            case ActorEnded(path=path, cause=cause):
                name = path.rpartition("/")[2]
                kind = type(cause).__name__
                if self.specs.get(name) is Restart.TRANSIENT and kind in ("Normal", "Shutdown"):
                    self.orderly.add(name)
            case ChildRestarting(child=child) if child == self.victim:
                self.attempts.append(now_ns)
                if self._recent(now_ns) > self.flags.intensity:
                    self.broken.append(f"{BUDGET}|{self._recent(now_ns)} within the period")
            case IntensityExceeded() if self._recent(now_ns) < self.flags.intensity:
                self.broken.append(f"{GIVES_UP}|after {self._recent(now_ns)} of {self.flags.intensity}")
            case _:
                pass

    def _recent(self, now_ns: int) -> int:
        return sum(now_ns - at_ns <= self.flags.period_ns for at_ns in self.attempts)


def play_family(seed: int, runtime: SimulatedRuntime) -> None:
    """Play a random program of one supervisor and its children, and hold its laws.

    Raises:
        LawBrokenError: one does not hold.
    """
    dice = Dice(f"family {seed}")
    strategy, mode = dice.choice(tuple(Strategy)), dice.choice(tuple(AutoShutdown))
    flags = SupervisorFlags(
        strategy=strategy, auto_shutdown=mode, intensity=family.INTENSITY, period_ns=family.PERIOD_NS
    )
    world = family.World(0)
    world.runtime = runtime
    world.system = ActorSystem(runtime)
    world.system.observe(world.note)
    children = [family.spec_of(world, number, mode) for number in range(3)]
    top, _ = world.system.launch(Supervisor, (flags, children), name="top", shutdown_ns=None)
    for _ in range(dice.below(60)):
        family.perform(world, top, dice.choice(family.KINDS), dice.below(64), mode)
    world.mood = 0
    runtime.run_until_idle()
    hold(ORDER, when=not world.broken, detail=world.broken[:1])
    hold(ANSWERED, when=all(answer.done() for answer in world.answers), detail="a question at rest")
    if top.is_alive():
        try:
            family.check_at_rest(top)
        except AssertionError as wrong:
            raise LawBrokenError(REST, str(wrong).partition("\n")[0]) from None
    world.system.close()
    answers = [*world.answers, *world.children_answers]
    hold(ANSWERED, when=all(answer.done() for answer in answers), detail="a question at the end")
    odd = [error for each in answers if not isinstance(error := each.error(), SupervisionError | None)]
    hold(ERRORS, when=not odd, detail=odd[:1])
    hold(GONE, when=not (world.inside or world.system.registered() or runtime.live_timers()))


# -- crashes, and nothing else -----------------------------------------------------------------------------------------


def play_crashes(seed: int, runtime: SimulatedRuntime) -> None:
    """Have children of all restart types and strategies end in every way; say from outside what must come of it.

    Raises:
        LawBrokenError: something else comes of it.
    """
    dice = Dice(f"crashes {seed}")
    strategy = dice.choice((Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE))
    flags = SupervisorFlags(strategy=strategy, intensity=1 + dice.below(3), period_ns=family.PERIOD_NS)
    world = Ward(runtime, flags)
    world.system = ActorSystem(runtime)
    world.system.observe(world.note)
    specs = [ChildSpec(
        id=f"n{number}", start=family.Node, args=(world, f"n{number}"), restart=dice.choice(tuple(Restart)),
        shutdown_ns=5 * family.MS, start_ns=6 * family.MS,
    ) for number in range(2 + dice.below(3))]  # fmt: skip
    world.specs = {spec.id: spec.restart for spec in specs}
    top, _ = world.system.launch(Supervisor, (flags, specs), name="top", shutdown_ns=None)
    runtime.run_until_idle()
    names = list(world.specs)
    for _ in range(1 + dice.below(6)):
        if not top.is_alive():
            break
        running = [info for info in top.ask(WhichChildren()) if info.status == ChildStatus.RUNNING]
        if not running:
            break
        victim = dice.choice(running)
        before = {info.spec.id: info.ref.incarnation for info in running}
        how = dice.choice(("crash", "crash", "normal", "shutdown"))
        told, world.victim = len(world.attempts), victim.spec.id
        world.children_answers.append(victim.ref.ask(how, block=False))
        runtime.run_until_idle()
        if dice.chance(0.3):
            runtime.advance(dice.below(60) * family.MS)
        if top.is_alive():
            _judge(world, top, names, victim.spec, how, before, told)
    _raise_broken(world)
    world.system.close()
    hold(ANSWERED, when=all(answer.done() for answer in world.children_answers), detail="a child's")
    hold(GONE, when=not (world.inside or world.system.registered() or runtime.live_timers()))


def _raise_broken(world: Ward) -> None:
    if world.broken:
        law, mark, detail = world.broken[0].partition("|")
        raise LawBrokenError(law if mark else ORDER, detail if mark else law)


def _judge(
    world: Ward, top: Any, names: list[str], spec: Any, how: str, before: dict[str, int], told: int
) -> None:
    """Hold a supervisor's answer to one end against the rule, worked out anew."""
    _raise_broken(world)
    now = {info.spec.id: info for info in top.ask(WhichChildren())}
    again = spec.restart is Restart.PERMANENT or (spec.restart is Restart.TRANSIENT and how == "crash")
    affected: list[str] = []
    if not again:
        stays = spec.id not in now or now[spec.id].status != ChildStatus.RUNNING
        hold(STAYS, when=stays, detail=f"{spec.id} runs again after {how}")
    else:
        at = names.index(spec.id)
        affected = {
            Strategy.ONE_FOR_ONE: [spec.id],
            Strategy.ONE_FOR_ALL: names,
            Strategy.REST_FOR_ONE: names[at:],
        }[world.flags.strategy]
        runs = spec.id in now and now[spec.id].status == ChildStatus.RUNNING
        hold(RESTARTED, when=runs, detail=f"{spec.id} after {how}")
        hold(RESTARTED, when=len(world.attempts) > told, detail="nothing was said of it")
    for name, incarnation in before.items():
        if name == spec.id and not again:
            continue
        info = now.get(name)
        replaced = info is None or info.ref is None or info.ref.incarnation > incarnation
        hold(TOGETHER, when=replaced == (name in affected), detail=f"{name}, after {how} of {spec.id}")


PROGRAMS: Final[tuple[Callable[[int, SimulatedRuntime], None], ...]] = (
    play_machine,
    play_family,
    play_crashes,
)
