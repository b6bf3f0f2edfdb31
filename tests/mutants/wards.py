"""A program of crashes and other ends, of which it can be said from outside what must come of each."""

from typing import Any, Final

from tests.supervision import test_supervisor_random as family
from tests.supervision.lawkit import (
    ANSWERED,
    BUDGET,
    GIVES_UP,
    GONE,
    ONCE,
    REST,
    RESTARTED,
    SIGNIFICANT,
    STAYS,
    STOPPED,
    TOGETHER,
    LawBrokenError,
    hold,
    raise_first,
)

from greenroom.simulation._dice import Dice
from greenroom.supervision import (
    ActorSystem,
    AutoShutdown,
    Backoff,
    ChildInfo,
    ChildSpec,
    ChildStatus,
    Restart,
    StopChild,
    Strategy,
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

ORDERLY: Final = ("normal", "shutdown")
BACKOFF: Final = Backoff(initial_ns=2 * family.MS, max_ns=5 * family.MS, immediate_first=False)
HOWS: Final = ("crash", "end and crash", "end and crash", *ORDERLY, *ORDERLY)


class Ward(family.World):
    """A world that also keeps what its supervisor said of restarts, and where starts can be made to fail."""

    def __init__(self, runtime: SimulatedRuntime, flags: SupervisorFlags) -> None:
        super().__init__(0)
        self.runtime = runtime
        self.system = ActorSystem(runtime)
        self.system.observe(self.note)
        self.flags = flags
        self.victim = ""
        self.refuses = 0
        self.attempts: list[int] = []
        self.specs: dict[str, Restart] = {}
        self.orderly: set[str] = set()
        self.gave_up = False

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
                if self.recent(now_ns) > self.flags.intensity:
                    self.broken.append(f"{BUDGET}|{self.recent(now_ns)} within the period")
            case IntensityExceeded():
                self.gave_up = True
                if self.recent(now_ns) < self.flags.intensity:
                    self.broken.append(f"{GIVES_UP}|after {self.recent(now_ns)} of {self.flags.intensity}")
            case _:
                pass

    def recent(self, now_ns: int) -> int:
        """Count the restarts that were told within the last period."""
        return sum(now_ns - at_ns <= self.flags.period_ns for at_ns in self.attempts)


class Patient(family.Node):
    """A child whose next starts may be made to fail."""

    world: Ward

    def on_start(self) -> Any:
        """Start, unless it is the victim and must not."""
        if self.world.refuses and self.actor_ref.name == self.world.victim:
            self.world.refuses -= 1
            raise OSError("does not start")
        return super().on_start()


def check_said(top: Any) -> None:
    """Hold what a supervisor says at rest against what is there.

    Raises:
        LawBrokenError: it is not so.
    """
    try:
        family.check_at_rest(top)
    except AssertionError as wrong:
        raise LawBrokenError(REST, str(wrong).partition("\n")[0]) from None


def play_crashes(seed: int, runtime: SimulatedRuntime) -> None:
    """Have children of all restart types and strategies end in every way; say from outside what must come of it.

    Raises:
        LawBrokenError: something else comes of it.
    """
    dice = Dice(f"crashes {seed}")
    flags = SupervisorFlags(
        strategy=dice.choice((Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE)),
        auto_shutdown=dice.choice(tuple(AutoShutdown)),
        intensity=1 + dice.below(3),
        period_ns=family.PERIOD_NS,
    )
    world = Ward(runtime, flags)
    specs = [_spec(world, f"n{number}", dice) for number in range(2 + dice.below(3))]
    world.specs = {spec.id: spec.restart for spec in specs}
    world.listed = tuple(world.specs)
    top, _ = world.system.launch(Supervisor, (flags, specs), name="top", shutdown_ns=None)
    runtime.run_until_idle()
    for _ in range(1 + dice.below(6)):
        if not (top.is_alive() and _end_one(world, top, dice)):
            break
    if top.is_alive():
        _stop_one(world, top, dice)
    raise_first(world.broken)
    world.system.close()
    hold(ANSWERED, when=all(answer.done() for answer in world.children_answers), detail="a child's")
    hold(GONE, when=not (world.inside or world.system.registered() or runtime.live_timers()))


def _spec(world: Ward, name: str, dice: Dice) -> ChildSpec:
    restart = dice.choice(tuple(Restart))
    may = restart is not Restart.PERMANENT and world.flags.auto_shutdown is not AutoShutdown.NEVER
    return ChildSpec(
        id=name,
        start=Patient,
        args=(world, name),
        restart=restart,
        shutdown_ns=5 * family.MS,
        start_ns=6 * family.MS,
        backoff=BACKOFF if dice.chance(0.3) else None,
        significant=may and dice.chance(0.7),
    )


def _end_one(world: Ward, top: Any, dice: Dice) -> bool:
    """Have one child end, and judge what comes of it; False if none runs."""
    running = [info for info in top.ask(WhichChildren()) if info.status == ChildStatus.RUNNING]
    if not running:
        return False
    victim, how = dice.choice(running), dice.choice(HOWS)
    told, world.victim = len(world.attempts), victim.spec.id
    again = victim.spec.restart is Restart.PERMANENT or (
        victim.spec.restart is Restart.TRANSIENT and how not in ORDERLY
    )
    failures = world.refuses = dice.below(5) if again and dice.chance(0.3) else 0
    world.children_answers.append(victim.ref.ask(how, block=False))
    world.runtime.run_until_idle()
    if dice.chance(0.3):
        world.runtime.advance(dice.below(60) * family.MS)
    raise_first(world.broken)
    if top.is_alive():
        check_said(top)
    _judge_end(world, top, victim, running, again=again)
    if top.is_alive():
        _judge(world, top, victim.spec, {info.spec.id: info.incarnation for info in running}, again=again)
        attempts = len(world.attempts) - told
        wanted = 1 + failures if again else 0
        hold(
            ONCE, when=attempts == wanted, detail=f"{attempts} for {victim.spec.id} after {how}, not {wanted}"
        )
    return True


def _stop_one(world: Ward, top: Any, dice: Dice) -> None:
    """Have one child crash, and stop it as soon as its restart is spoken of, or some steps later."""
    running = [info for info in top.ask(WhichChildren()) if info.status == ChildStatus.RUNNING]
    if not running:
        return
    victim = dice.choice(running)
    told, world.victim = len(world.attempts), victim.spec.id
    world.children_answers.append(victim.ref.ask("crash", block=False))
    while len(world.attempts) == told and world.runtime.step():
        pass
    for _ in range(dice.below(4)):
        world.runtime.step()
    world.ask(top, StopChild(child=victim.spec.id))
    world.runtime.run_until_idle()
    if top.is_alive():
        check_said(top)
        running = [info for info in top.ask(WhichChildren()) if info.status == ChildStatus.RUNNING]
        runs = victim.spec.id in [info.spec.id for info in running]
        hold(STOPPED, when=not runs, detail=f"{victim.spec.id} runs, and nobody has started it")


def _judge_end(world: Ward, top: Any, victim: ChildInfo, running: list[ChildInfo], *, again: bool) -> None:
    """Hold whether the supervisor is over against its mode."""
    left = [each for each in running if each is not victim and each.spec.significant]
    mode = world.flags.auto_shutdown
    ends = not again and victim.spec.significant and (mode is AutoShutdown.ANY_SIGNIFICANT or not left)
    right = top.is_alive() != ends or (not ends and world.gave_up)
    hold(SIGNIFICANT, when=right, detail=f"{mode.value}, {victim.spec.id} ended, {len(left)} others are left")


def _judge(world: Ward, top: Any, spec: ChildSpec, before: dict[str, int], *, again: bool) -> None:
    """Hold a supervisor's answer to one end against the rule, worked out anew."""
    now = {info.spec.id: info for info in top.ask(WhichChildren())}
    names = list(world.specs)
    affected: list[str] = []
    runs = spec.id in now and now[spec.id].status == ChildStatus.RUNNING
    if not again:
        hold(STAYS, when=not runs, detail=f"{spec.id} runs again")
    else:
        affected = {
            Strategy.ONE_FOR_ONE: [spec.id],
            Strategy.ONE_FOR_ALL: names,
            Strategy.REST_FOR_ONE: names[names.index(spec.id) :],
        }[world.flags.strategy]
        hold(RESTARTED, when=runs, detail=spec.id)
    for name, incarnation in before.items():
        if name == spec.id and not again:
            continue
        info = now.get(name)
        replaced = info is None or info.ref is None or info.ref.incarnation > incarnation
        hold(TOGETHER, when=replaced == (name in affected), detail=f"{name}, after the end of {spec.id}")
