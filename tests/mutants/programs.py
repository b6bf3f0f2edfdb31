"""Random programs of actors and supervisors, with the machine's own laws: what finds faults that rooms do not show.

They are those of ``tests/supervision``, drawn by portable dice instead of Hypothesis; each law has a name (`lawkit`), so
that it can be said which law has caught what, and which none ever trips.
"""

from collections.abc import Callable
from typing import Final

from tests.mutants.wards import check_said, play_crashes
from tests.supervision import test_random_leftover as leftover
from tests.supervision import test_random_programs as machine
from tests.supervision import test_supervisor_random as family
from tests.supervision.lawkit import (
    ANSWERED,
    DOWN,
    ERRORS,
    GONE,
    MESSAGES,
    WATCHED,
    hold,
    raise_first,
)
from tests.supervision.supkit import LISTED

from greenroom.simulation._dice import Dice
from greenroom.supervision import (
    ActorSystem,
    AutoShutdown,
    SupervisionError,
    Supervisor,
    SupervisorFlags,
    WhichChildren,
)
from greenroom.supervision.simulated import SimulatedRuntime

MOST: Final = 40


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
    raise_first(world.broken)
    waiting = [answer for answer in world.answers if not answer.done()]
    hold(ANSWERED, when=not waiting, detail=f"{len(waiting)} were not")
    odd = [error for each in world.answers if not isinstance(error := each.error(), SupervisionError | None)]
    hold(ERRORS, when=not odd, detail=odd[:1])
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


def play_family(seed: int, runtime: SimulatedRuntime) -> None:
    """Play a random program of one supervisor and its children, and hold its laws.

    Raises:
        LawBrokenError: one does not hold.
    """
    dice = Dice(f"family {seed}")
    strategy, mode = dice.choice(LISTED), dice.choice(tuple(AutoShutdown))
    flags = SupervisorFlags(
        strategy=strategy, auto_shutdown=mode, intensity=family.INTENSITY, period_ns=family.PERIOD_NS
    )
    world = family.World(0)
    world.runtime = runtime
    world.system = ActorSystem(runtime)
    world.system.observe(world.note)
    children = [family.spec_of(world, number, mode) for number in range(3)]
    world.listed = tuple(child.id for child in children)
    top, _ = world.system.launch(Supervisor, (flags, children), name="top", shutdown_ns=None)
    for _ in range(dice.below(60)):
        family.perform(world, top, dice.choice(family.KINDS), dice.below(64), mode)
    world.mood = 0
    runtime.run_until_idle()
    raise_first(world.broken)
    hold(ANSWERED, when=all(answer.done() for answer in world.answers), detail="a question at rest")
    if top.is_alive():
        check_said(top)
        world.check_stopped(
            flags, [info.spec.id for info in top.ask(WhichChildren()) if info.status == "running"]
        )
    world.system.close()
    raise_first(world.broken)
    answers = [*world.answers, *world.children_answers]
    hold(ANSWERED, when=all(answer.done() for answer in answers), detail="a question at the end")
    odd = [error for each in answers if not isinstance(error := each.error(), SupervisionError | None)]
    hold(ERRORS, when=not odd, detail=odd[:1])
    hold(GONE, when=not (world.inside or world.system.registered() or runtime.live_timers()))


# -- messages --------------------------------------------------------------------------------------------------------


def play_leftover(seed: int, runtime: SimulatedRuntime) -> None:
    """Send messages of every fate to children with mailboxes of every policy, and account for each.

    Raises:
        LawBrokenError: one was lost, doubled, or tried too often.
    """
    dice = Dice(f"leftover {seed}")
    strategy, first = dice.choice(LISTED), dice.below(256)
    program = [(dice.choice(leftover.KINDS), dice.below(256)) for _ in range(dice.below(60))]
    leftover.check(leftover.play(strategy, first, program, runtime))


PROGRAMS: Final[tuple[Callable[[int, SimulatedRuntime], None], ...]] = (
    play_machine,
    play_family,
    play_crashes,
    play_leftover,
)
