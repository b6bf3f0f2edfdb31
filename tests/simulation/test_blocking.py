"""What would block a thread is reported as that, with its place, whatever the supervisor above makes of the error."""

import threading
import time
from collections.abc import Callable

import pytest

from greenroom.actors import AudioProcessor, Frame
from greenroom.simulation import (
    NO_FAULTS,
    Outcome,
    Repeat,
    Scenario,
    Setting,
    SimulationFailed,
    Stage,
    load_scenario,
    run,
    shrink,
    simulated,
)
from greenroom.simulation.fakes import RecordingProcessor
from greenroom.supervision import Future

TITLE = "nothing that is simulated blocks"
ONE = (
    Scenario.named("one").part("mine").open_room(room="a").publish(track="t", room="a", participant="ann")
    .open_stream(stream="s", track="t", through=("mine",)).wait(ms=50).build()
)  # fmt: skip


class Sleeper(AudioProcessor):
    """Sleeps with its third frame."""

    def __init__(self) -> None:
        self.frames = 0

    def _process(self, frame: Frame) -> Frame:
        self.frames += 1
        if self.frames == 3:
            time.sleep(0.1)
        return frame


class Locker(AudioProcessor):
    """Waits for a lock that somebody holds."""

    held = threading.Lock()

    def _process(self, frame: Frame) -> Frame:
        with self.held:
            return frame


def _played(built: Callable[[], AudioProcessor]) -> Outcome:
    return run(ONE, setting=Setting(under_test=built))


def test_a_processor_that_sleeps_is_reported_with_its_place() -> None:
    """Its supervisor would have built another; the run ends at once all the same, and says whose call it was and where."""
    outcome = _played(Sleeper)
    assert outcome.failure is not None
    assert outcome.failure.title == TITLE
    assert "'session/processors/mine#1" in outcome.failure.detail
    assert "called time.sleep() at test_blocking.py:" in outcome.failure.detail
    assert " in _process" in outcome.failure.detail
    assert outcome.virtual_ns < 50_000_000


def test_a_lock_that_is_held_is_reported_instead_of_hanging_the_run() -> None:
    """The watchdog ends the wait, and the place is where the lock was asked for."""
    with Locker.held:
        outcome = _played(Locker)
    assert outcome.failure is not None
    assert outcome.failure.title == TITLE
    assert "something that blocks at test_blocking.py:" in outcome.failure.detail


@pytest.mark.parametrize("catches", [False, True])
def test_a_blocking_ask_is_reported_even_if_it_is_caught(catches: bool) -> None:
    """A processor that waits for an answer of the session that it is in; catching the refusal hides nothing."""
    stages: list[Stage] = []

    class Asking(AudioProcessor):
        def _process(self, frame: Frame) -> Frame:
            never: Future[None] = Future(stages[0].runtime, "an answer")
            try:
                never.get()
            except RuntimeError:
                if not catches:
                    raise
            return frame

    outcome = run(ONE, setting=Setting(under_test=Asking), on_stage=stages.append)
    assert outcome.failure is not None
    assert outcome.failure.title == TITLE
    assert "in _process" in outcome.failure.detail


def test_who_blocks_is_told_from_who_raises_by_itself() -> None:
    """The same scenario with a processor that does not block holds; the pytest door names what blocks, too."""
    assert _played(RecordingProcessor).held

    @simulated(seeds=3, processor=Sleeper, scenario=ONE)
    def mine() -> None:
        """Not called: it is a name for what is simulated."""

    with pytest.raises(SimulationFailed, match=TITLE) as failed:
        mine()
    assert "test_blocking.py:" in str(failed.value)


def test_laws_that_are_chosen_do_not_switch_it_off() -> None:
    """Whoever asks for one law only still hears of what blocks: nothing after it can be relied upon."""
    outcome = run(ONE, setting=Setting(under_test=Sleeper, only=(2,)))
    assert outcome.failure is not None
    assert outcome.failure.title == TITLE


def test_making_it_short_takes_few_runs() -> None:
    """Each run that blocks in C takes half a second of real time until that is noticed."""
    repeat = Repeat(scenario=load_scenario("reference"), faults=NO_FAULTS, seed=0)
    assert shrink(repeat, Setting(under_test=Sleeper)).runs <= 26
