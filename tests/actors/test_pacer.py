"""Media time and the pacer, on a clock that is set and executors that step."""

from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.actors.lanekit import MS, STEP_NS, ManualRuntime, frame, number_of

from greenroom.actors._head import Fan
from greenroom.actors._media import CATCH_UP_STEPS, MediaClock
from greenroom.actors._pacer import STALL_NS, PacedSource, Pacer
from greenroom.actors.frames import Frame
from greenroom.supervision.runtime import Runtime


class Tape:
    """A source of ``count`` frames that is its own reader, and fails or does something when told to."""

    rate_hz = 48_000
    channels = 1

    def __init__(self, count: int, *, samples: int = 480, fails_at: int | None = None) -> None:
        self.left = count
        self.samples = samples
        self.fails_at = fails_at
        self.read_count = 0
        self.closed = 0
        self.hook: Callable[[], None] | None = None

    def open(self) -> "Tape":
        if self.fails_at == -1:
            raise FileNotFoundError("no tape")
        return self

    def read(self) -> Frame | None:
        assert not self.closed, "read after close"
        hook, self.hook = self.hook, None
        if hook is not None:
            hook()
        if self.read_count == self.fails_at:
            raise OSError("torn tape")
        if self.read_count == self.left:
            return None
        self.read_count += 1
        return Frame(frame(0, self.samples).samples, 48_000, (self.read_count - 1) * STEP_NS)

    def close(self) -> None:
        self.closed += 1


class Ear:
    """A head that writes down what it hears and when, and has room for ``window`` frames."""

    def __init__(self, runtime: ManualRuntime, *, window: int = 1_000_000) -> None:
        self.heard: list[int] = []
        self.at_ns: list[int] = []
        self.ends: list[BaseException | None] = []
        self.window = window
        self._runtime = runtime

    def send(self, frame: Frame) -> None:
        assert not self.ends
        self._runtime.assert_no_lock_held()
        self.heard.append(number_of(frame))
        self.at_ns.append(self._runtime.clock_ns)

    def end(self) -> None:
        self.ends.append(None)

    def fail(self, error: BaseException) -> None:
        self.ends.append(error)

    def room(self) -> bool:
        return len(self.heard) < self.window


class Studio:
    """A pacer on manual parts."""

    def __init__(self, *, fast: bool) -> None:
        self.runtime = ManualRuntime()
        self.pacer = Pacer(cast("Runtime", self.runtime), fast=fast, frame_ns=STEP_NS)

    def play(self, tape: Tape, *, window: int = 1_000_000, run: bool = True) -> tuple[Ear, PacedSource]:
        ear = Ear(self.runtime, window=window)
        paced = self.pacer.add(tape, ear)
        if run:
            self.runtime.drain()
        return ear, paced


def test_in_real_time_a_frame_follows_every_step() -> None:
    """At base plus number times step, without drift; the end comes when the reader ends."""
    studio = Studio(fast=False)
    tape = Tape(5)
    ear, _ = studio.play(tape)
    studio.runtime.advance(100 * MS)
    assert ear.at_ns == [number * STEP_NS for number in range(5)]
    assert ear.ends == [None]
    assert tape.closed == 1


def test_after_a_stall_a_few_steps_follow_at_once_and_the_rest_is_put_off() -> None:
    """Nothing is skipped; a live source never bursts more than the limit."""
    studio = Studio(fast=False)
    ear, _ = studio.play(Tape(1000))
    studio.runtime.advance(0)
    studio.runtime.clock_ns += 500 * MS
    studio.runtime.advance(0)
    assert len(ear.heard) == 1 + CATCH_UP_STEPS
    studio.runtime.advance(100 * MS)
    assert ear.heard == list(range(1 + CATCH_UP_STEPS + 10))
    assert studio.pacer.put_off_ns == 400 * MS


def test_a_short_stall_is_caught_up_with() -> None:
    """Media time is where it would have been."""
    studio = Studio(fast=False)
    ear, _ = studio.play(Tape(1000))
    studio.runtime.advance(0)
    studio.runtime.clock_ns += 50 * MS
    studio.runtime.advance(0)
    assert len(ear.heard) == 6
    assert studio.pacer.put_off_ns == 0


def test_sources_with_longer_frames_keep_in_step() -> None:
    """One with 20 ms frames sends every other step."""
    studio = Studio(fast=False)
    ear, _ = studio.play(Tape(5, samples=960))
    studio.runtime.advance(45 * MS)
    assert ear.at_ns == [0, 2 * STEP_NS, 4 * STEP_NS]


def test_a_late_source_is_read_from_its_beginning() -> None:
    """From the media time at which it was added."""
    studio = Studio(fast=False)
    studio.play(Tape(1000))
    studio.runtime.advance(95 * MS)
    assert studio.pacer.media_now_ns == 100 * MS
    ear, _ = studio.play(Tape(3))
    studio.runtime.advance(10 * MS)
    assert ear.heard == [0]
    assert ear.at_ns == [100 * MS]


@pytest.mark.parametrize(("fails_at", "heard"), [(-1, []), (0, []), (2, [0, 1])])
@pytest.mark.parametrize("fast", [False, True])
def test_a_source_that_fails_tells_its_head(fast: bool, fails_at: int, heard: list[int]) -> None:
    """When opened, or when read; once; what was opened is closed."""
    studio = Studio(fast=fast)
    tape = Tape(5, fails_at=fails_at)
    ear, _ = studio.play(tape)
    studio.runtime.advance(100 * MS)
    assert ear.heard == heard
    assert [type(error) for error in ear.ends] == [FileNotFoundError if fails_at < 0 else OSError]
    assert tape.closed == (fails_at >= 0)


def test_a_reader_that_returns_an_empty_frame_fails() -> None:
    """Rather than being asked for ever."""
    studio = Studio(fast=True)
    ear, _ = studio.play(Tape(5, samples=0))
    assert ["without samples" in str(error) for error in ear.ends] == [True]


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("when", ["opening", "idle", "reading", "ended"])
def test_a_source_that_is_closed_says_nothing_and_gives_back_its_reader(fast: bool, when: str) -> None:
    """Once, on its thread, whenever that happens."""
    studio = Studio(fast=fast)
    tape = Tape(100)
    ear, paced = studio.play(tape, window=5, run=when != "opening")
    if when == "reading":
        tape.hook = paced.close
        ear.window = 100
        studio.pacer.nudge()
    elif when == "ended":
        ear.window = 1000
        studio.pacer.nudge()
        studio.runtime.advance(2000 * MS)
        paced.close()
    else:
        paced.close()
    studio.runtime.advance(100 * MS)
    paced.close()
    heard = list(ear.heard)
    studio.runtime.advance(100 * MS)
    assert tape.closed == 1
    assert ear.heard == heard
    assert ear.ends == ([None] if when == "ended" else [])


def test_a_reader_that_blocks_holds_up_only_itself() -> None:
    """In real time the others of its shard get another thread; when it goes on, it is put off, not burst."""
    studio = Studio(fast=False)
    tapes = [Tape(1000) for _ in range(4)]
    ears = [studio.play(tape)[0] for tape in tapes]
    studio.runtime.advance(5 * MS)

    def block() -> None:
        studio.runtime.advance(STALL_NS + 500 * MS)
        assert [len(ear.heard) for ear in ears[1:]] == [101] * 3 or min(
            len(ear.heard) for ear in ears[1:]
        ) > 95

    tapes[0].hook = block
    studio.runtime.advance(10 * MS)
    heard = len(ears[0].heard)
    assert heard <= 2 + CATCH_UP_STEPS
    studio.runtime.advance(100 * MS)
    assert len(ears[0].heard) <= heard + 10 + CATCH_UP_STEPS
    assert all(ear.heard == list(range(len(ear.heard))) for ear in ears)


def test_fast_pace_goes_as_fast_as_there_is_room() -> None:
    """All to the end with the clock standing still; one without room holds up all, and going on is a nudge."""
    studio = Studio(fast=True)
    quick, _ = studio.play(Tape(20), run=False)
    slow, _ = studio.play(Tape(20), window=7, run=False)
    studio.runtime.drain()
    assert quick.heard == slow.heard == list(range(7))
    slow.window = 1000
    studio.pacer.nudge()
    studio.runtime.drain()
    assert quick.heard == slow.heard == list(range(20))
    assert quick.ends == slow.ends == [None]
    assert studio.runtime.clock_ns == 0


def test_fast_pace_waits_for_a_source_that_is_being_opened() -> None:
    """So that it begins at the media time at which it was added."""
    studio = Studio(fast=True)
    ear, _ = studio.play(Tape(50), window=10)
    studio.play(Tape(50), run=False)
    ear.window = 1000
    opener, shard = studio.runtime.executors
    shard.drain()
    assert len(ear.heard) == 10
    opener.drain()
    shard.drain()
    assert len(ear.heard) == 50


def test_in_fast_pace_media_stands_while_a_script_acts() -> None:
    """At exactly the instant asked for, until the next request; released, it runs to the end."""
    studio = Studio(fast=True)
    script = studio.pacer.script()
    ear, _ = studio.play(Tape(50))
    assert ear.heard == []
    reached: list[int] = []
    for at_ns in (30 * MS, 45 * MS, 45 * MS):
        script.request(at_ns, lambda: reached.append(studio.pacer.media_now_ns))
        studio.runtime.drain()
    assert reached == [30 * MS, 50 * MS, 50 * MS]
    assert len(ear.heard) == 5
    script.release()
    script.release()
    studio.runtime.drain()
    assert len(ear.heard) == 50


def test_two_scripts_hold_media_for_each_other() -> None:
    """It moves when both wait, to the earlier instant."""
    studio = Studio(fast=True)
    one, other = studio.pacer.script(), studio.pacer.script()
    studio.play(Tape(50))
    reached: list[str] = []
    one.request(50 * MS, lambda: reached.append("one"))
    studio.runtime.drain()
    assert studio.pacer.media_now_ns == 0
    other.request(20 * MS, lambda: reached.append("other"))
    studio.runtime.drain()
    assert (reached, studio.pacer.media_now_ns) == (["other"], 20 * MS)
    other.release()
    studio.runtime.drain()
    assert reached == ["other", "one"]


def test_with_nothing_to_read_fast_pace_leaps_to_the_next_instant() -> None:
    """A script goes on after the last source has ended, and before the first."""
    studio = Studio(fast=True)
    script = studio.pacer.script()
    reached: list[int] = []
    script.request(3_000 * MS, lambda: reached.append(studio.pacer.media_now_ns))
    studio.runtime.drain()
    assert reached == [3_000 * MS]


def test_in_real_time_scripts_hold_nobody() -> None:
    """They are told when their instant has come."""
    studio = Studio(fast=False)
    script = studio.pacer.script()
    ear, _ = studio.play(Tape(50))
    reached: list[int] = []
    script.request(30 * MS, lambda: reached.append(studio.runtime.clock_ns))
    studio.runtime.advance(95 * MS)
    assert reached == [20 * MS]
    assert len(ear.heard) == 10


@pytest.mark.parametrize("fast", [False, True])
def test_a_closed_pacer_has_given_everything_back(fast: bool) -> None:
    """Readers are closed once, timers and threads are gone, nothing is sent any more."""
    studio = Studio(fast=fast)
    tapes = [Tape(100) for _ in range(4)]
    ears = [studio.play(tape, window=3)[0] for tape in tapes]
    studio.runtime.advance(15 * MS)
    studio.pacer.close()
    studio.pacer.close()
    heard = [list(ear.heard) for ear in ears]
    studio.runtime.advance(100 * MS)
    assert [tape.closed for tape in tapes] == [1] * 4
    assert [ear.heard for ear in ears] == heard
    assert all(executor.closed for executor in studio.runtime.executors if executor.name == "reader")
    assert all(timer.callback is None for timer in studio.runtime.timers)
    late, paced = studio.play(Tape(1))
    paced.close()
    assert late.heard == []


def test_a_fan_gives_every_stream_what_is_read_from_now_on() -> None:
    """One attached late hears the rest, one detached hears nothing more, one attached after the end ends."""
    runtime = ManualRuntime()
    fan = Fan(cast("Runtime", runtime))
    early, late, after = (Ear(runtime) for _ in range(3))
    assert fan.room()
    fan.attach(early)
    fan.send(frame(0))
    fan.attach(late)
    fan.send(frame(1))
    fan.detach(early)
    late.window = 2
    assert fan.room()
    fan.send(frame(2))
    assert not fan.room()
    fan.fail(OSError("gone"))
    fan.attach(after)
    assert (early.heard, late.heard) == ([0, 1], [1, 2])
    assert [len(ear.ends) for ear in (early, late, after)] == [0, 1, 1]
    assert str(after.ends[0]) == "gone"


@given(st.lists(st.integers(0, 400 * MS), max_size=50))
def test_media_time_never_bursts_and_never_skips(waits_ns: list[int]) -> None:
    """However irregular the ticks: at most the limit at once, and what is missing has been put off."""
    clock = MediaClock(step_ns=STEP_NS, fast=False)
    clock.start(0)
    now_ns = 0
    for wait_ns in waits_ns:
        now_ns += wait_ns
        steps = clock.due_steps(now_ns)
        assert 0 <= steps <= CATCH_UP_STEPS
        clock.step(steps)
        assert now_ns < clock.due_ns() <= now_ns + STEP_NS
    assert clock.media_ns + clock.put_off_ns <= now_ns + STEP_NS
