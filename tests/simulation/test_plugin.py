"""What users write: simulated tests with the pytest plugin, fakes that fail as told, Hypothesis machines."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from greenroom.actors import AudioProcessor, Frame, Pace
from greenroom.simulation import (
    Fault,
    FaultPlan,
    Scenario,
    Setting,
    SimulationError,
    SimulationFailed,
    Stage,
    UnknownName,
    law,
    simulated,
)
from greenroom.simulation.fakes import Clock, FlakyProcessor, RecordingProcessor, silence
from greenroom.simulation.stateful import RoomMachine

pytest_plugins = ["pytester"]

MINE = '''
from greenroom.simulation import simulated
from greenroom.simulation.fakes import RecordingProcessor

class Denoiser(RecordingProcessor):
    def _on_credentials_updated(self, *, token, url):
        if len(self.calls) > 1:
            raise RuntimeError("licence already bound")
        super()._on_credentials_updated(token=token, url=url)

@simulated(seeds=30, processor=Denoiser, scenario="tokens", faults="processors")
def test_denoiser():
    """Mine."""

runs = []

@simulated(seeds=4)
async def test_story(stage, tmp_path):
    runs.append(stage.runtime.seed)
    room = await stage.session.open_room("lobby")
    assert room.name == "lobby"
    (tmp_path / "seeds").write_text(str(len(runs)))

def test_count():
    print("runs", runs)
'''


class Opener(AudioProcessor):
    """A processor that is used after its file is closed when info is cleared late: the mistake to be found."""

    def __init__(self) -> None:
        self.model: dict[str, int] | None = {}

    def _process(self, frame: Frame) -> Frame:
        assert self.model is not None
        return frame

    def _on_stream_info_cleared(self) -> None:
        self.model = None


def test_someone_elses_processor_is_found_out_in_a_few_lines() -> None:
    """A processor that cannot go on after its stream info was cleared: held open by a lease, it is asked to."""
    twice = (
        Scenario.named("twice").part("p").open_room(room="a").publish(track="t", room="a", participant="ann")
    )
    twice.hold(lease="l", processor="p").open_stream(stream="1", track="t", through=("l",)).wait(ms=30)
    twice.close_stream(stream="1").open_stream(stream="2", track="t", through=("l",)).wait(ms=30)

    @simulated(seeds=5, processor=Opener, scenario=twice.build())
    def mine() -> None:
        """Mine can be used again."""

    with pytest.raises(SimulationFailed) as failed:
        mine()
    text = str(failed.value)
    assert "the processor under test raises nothing by itself" in text
    assert "AssertionError" in text
    assert "pytest --simulate-replay gr1." in text


def test_a_processor_that_does_well_is_not_found_fault_with() -> None:
    """Whatever is done to it by faults that are not its own."""

    @simulated(seeds=15, processor=RecordingProcessor, faults="processors")
    def mine() -> None:
        """Mine."""

    mine()


def test_flaky_processors_fail_as_they_are_told() -> None:
    """On the calls that were named; their failures are nobody's mistake."""
    flaky = FlakyProcessor(fail_on=(2, 3), fail_close=True)
    told: list[str] = []
    for number in range(4):
        try:
            flaky._process(silence(number))
        except RuntimeError as error:
            told.append(str(error))
    assert told == ["call 2 fails, as told", "call 3 fails, as told"]
    with pytest.raises(RuntimeError, match="the close fails"):
        flaky._close()
    assert flaky.closed == 1


def test_recordings_say_what_came_after_the_close_and_show_no_token() -> None:
    """Every call in order, those after the close apart; ``***`` for a token."""
    recording = RecordingProcessor()
    recording._on_credentials_updated(token="sekrit", url="wss://x")
    recording._close()
    recording._process(silence(0))
    recording._on_stream_info_cleared()
    assert [repr(call) for call in recording.calls] == ["on_credentials_updated(***, wss://x)", "close()", "on_stream_info_cleared()"]  # fmt: skip
    assert [call.name for call in recording.used_after_close] == ["process", "on_stream_info_cleared"]
    assert not RecordingProcessor(enabled=False).enabled


def test_a_clock_in_the_hand() -> None:
    """A session on it does nothing that was not asked for; time is where the test has put it."""
    clock = Clock()

    async def story() -> None:
        async with clock.session(pace=Pace.REALTIME) as session:
            await session.open_room("a")
            before = clock.now_ms
            await clock.pass_time(ms=250)
            assert clock.now_ms - before == 250

    asyncio.run(story())
    clock.advance(ms=10)
    assert clock.now_ms >= 260


# -- the decorator --------------------------------------------------------------------------------------------------


def test_a_story_is_run_under_each_seed_and_told_by_its_seed() -> None:
    """A coroutine function is given a stage for each seed; its own error is the cause of the failure."""
    seen: list[int] = []

    @simulated(seeds=5)
    async def story(stage: Stage) -> None:
        seen.append(stage.runtime.seed)
        assert stage.runtime.seed != 3, "three"

    with pytest.raises(SimulationFailed, match=r"seed 3(.|\n)*--simulate-replay 3") as failed:
        story()
    assert seen == [0, 1, 2, 3]
    assert isinstance(failed.value.__cause__, AssertionError)


def test_laws_faults_strategies_and_scenarios_are_taken() -> None:
    """Each option of the decorator has its effect."""

    @law("there is no fault")
    def none(stage: Stage) -> bool:
        return not stage.injector.fired

    scenario = Scenario.named("x").open_room(room="a").publish(track="t", room="a", participant="p").build()
    plan = FaultPlan(faults=(Fault(at="backend", kind="double", where="publish", nth=(1,)),))

    @simulated(seeds=1, scenario=scenario, faults=plan, laws=[none], strategy="pct")
    def mine() -> None:
        """Mine."""

    with pytest.raises(SimulationFailed, match="there is no fault"):
        mine()
    for wrong in ({"scenario": "refrence"}, {"faults": "proccesors"}, {"strategy": "pc"}):
        with pytest.raises(UnknownName, match="did you mean"):
            simulated(**wrong)  # type: ignore[arg-type]
    with pytest.raises(SimulationError, match="did you mean 'rest'"):
        law("x", when="rset")


# -- pytest ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def mine(pytester: pytest.Pytester) -> pytest.Pytester:
    """A user's test file."""
    pytester.makepyfile(test_mine=MINE)
    return pytester


def run_pytest(tester: pytest.Pytester, *args: str) -> pytest.RunResult:
    """Run pytest in a process of its own, with our plugin."""
    given = ("-p", "greenroom.simulation.pytest_plugin") if not _installed() else ()
    return tester.runpytest_subprocess("-q", "-rN", "--show-capture=no", *given, *args, timeout=60)


def _installed() -> bool:
    from importlib.metadata import entry_points  # noqa: PLC0415

    return any(each.name == "greenroom" for each in entry_points(group="pytest11"))


def test_the_plugin_remembers_seeds_and_repeats_tokens(mine: pytest.Pytester) -> None:
    """A failing seed is tried first the next time; its token, or the seed itself, can be repeated alone."""
    first = run_pytest(mine, "-k", "denoiser")
    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines(["*licence already bound*", "*pytest --simulate-replay gr1.*"])
    kept = list(Path(mine.path, ".pytest_cache", "v", "greenroom", "seeds").rglob("*"))
    assert kept[0].read_text().strip().startswith("[")
    token = next(
        line.split("--simulate-replay ")[1].strip()
        for line in first.outlines
        if "--simulate-replay gr1." in line
    )
    again = run_pytest(mine, "-k", "denoiser", "--simulate-replay", token)
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*licence already bound*"])


def test_seeds_come_from_the_command_line(mine: pytest.Pytester) -> None:
    """As many as it says, or one alone; other fixtures are there as in any test."""
    two = run_pytest(mine, "-k", "story or count", "--simulate-seeds", "2", "-s")
    two.assert_outcomes(passed=2)
    two.stdout.fnmatch_lines(["*runs [[]0, 1[]]*"])
    seventh = run_pytest(mine, "-k", "story or count", "--simulate-replay", "7", "-s")
    seventh.stdout.fnmatch_lines(["*runs [[]7[]]*"])
    assert run_pytest(mine, "--simulate-seeds", "0").ret == pytest.ExitCode.USAGE_ERROR


# -- Hypothesis -----------------------------------------------------------------------------------------------------

ROOMS = st.sampled_from(["a", "b"])


class Rooms(RoomMachine):
    """Rooms open and close; participants publish."""

    @rule(room=ROOMS)
    def open_room(self, room: str) -> None:
        """Open one."""
        self.do("open_room", room=room, token="t")

    @rule(room=ROOMS)
    def close_room(self, room: str) -> None:
        """Close one."""
        self.do("close_room", room=room, wait=False)

    @rule(room=ROOMS, who=st.sampled_from(["p", "q"]))
    def stream(self, room: str, who: str) -> None:
        """Publish, and open a stream."""
        self.do("publish", track=who, room=room, participant=who)
        self.do("open_stream", stream=who, track=who, through=("own",))


QUICK = settings(max_examples=15, stateful_step_count=8, database=None, deadline=None)


def test_hypothesis_plays_rooms() -> None:
    """What it puts together keeps the laws."""
    run_state_machine_as_test(Rooms, settings=QUICK)


def test_hypothesis_finds_the_shortest_scenario() -> None:
    """A law that one step breaks is broken by that step, and little else; the error is the trace."""

    @law("no room is called b")
    def no_b(stage: Stage) -> bool:
        return "b" not in stage.session.rooms

    class Broken(Rooms):
        setting = Setting(laws=(no_b,))

    with pytest.raises(AssertionError, match="no room is called b") as failed:
        run_state_machine_as_test(Broken, settings=QUICK)
    assert "open_room(room='b', token='t')" in str(failed.value)
    assert "  4. " not in str(failed.value)
