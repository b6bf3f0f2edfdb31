"""Runs: the same seed is the same run, laws are found broken, failures are made short and can be repeated."""
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownVariableType=false
# Tables of cases: what is in them is checked by the tests that they are for.

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from greenroom.actors import EventKind, Session
from greenroom.simulation import (
    BadToken,
    Fault,
    FaultPlan,
    LawBroken,
    Outcome,
    Repeat,
    Scenario,
    Setting,
    Stage,
    UnknownName,
    chart_of,
    explore,
    law,
    load_faults,
    load_scenario,
    parse_token,
    random_scenario,
    run,
    scheduler_of,
    shrink,
    trace_of,
)
from greenroom.simulation._witness import Witness
from greenroom.supervision.tokens import Token

KEPT = [
    ("random", "processors-were", 105),  # a worker given up installed its dead processor over its successor's
    (
        "random",
        "processors-were",
        154,
    ),  # a frame came through an inline processor before it was told whose it is
    ("random", "processors-were", 186),  # the context of an instance before was still on record
    ("random", "processors-were", 196),  # a factory that came back late left its processor open
    ("random", "processors-were", 595),  # a second fence released what the hung thread was still in
    ("random", "processors-were", 750),  # an answer after the close put the context back on record
]
"""Seeds that have found something, with what it was."""
WERE = FaultPlan(
    name="processors-were",
    faults=(
        *(Fault(at="processor", kind=kind, rate=0.02) for kind in ("raise", "raise_after")),
        Fault(at="processor", kind="hang", rate=0.005, limit=2),
        Fault(at="processor", kind="slow", rate=0.005, limit=3),
        *(Fault(at="processor", kind=kind, rate=0.002) for kind in ("none", "wrong_size")),
        Fault(at="processor", kind="flip", rate=0.01),
        *(Fault(at="backend", kind=kind, rate=0.05) for kind in ("omit", "double", "delay", "reorder")),
    ),
)


ALL_KEPT = (
    294,  # a worker fenced by its shutdown budget inside a call of its own; frames went on through its processor
    1069,  # a closing room waited for a track that had failed to start
    200760,  # a second move while the track was being started for the first ended it, and its end took another of its name along
    308025,  # law: who holds a processor that is ending hears of it when it has ended
    254,  # law: who is obtaining another processor holds nothing meanwhile
    309010,  # the same
    310009,  # the story's own wait left a timer when it was cancelled
    307030,  # law: a room that comes back has yet to start some of its tracks
    304086,  # a track that failed over a refresh came back with the credentials from before
    4137,  # law: a track that is coming back when it is moved takes no pipeline along
    700379,  # who opened a room was cancelled, and then the actor that opens rooms failed over it: it was never closed
    303199,  # a lease that was lent for a move stayed with the other room, because its own ended before the move was undone
)
"""Seeds that have found something with the plan ``all``."""


@pytest.mark.parametrize("seed", ALL_KEPT)
def test_seeds_that_found_something_with_all_faults(seed: int) -> None:
    """They hold now."""
    run(random_scenario(seed), seed=seed, setting=Setting(faults=load_faults("all"))).check()


@pytest.mark.parametrize(
    ("scenario", "plan", "strategy", "seed"),
    [
        # A lease that was lent to the next room while another of the same track was still to come.
        ("moves", "all", "random", 96),
        # Law: a room that is down, because those above it were, has not settled yet what it gave away.
        ("burst", "handover", "random", 3_000_013),
        # A session failed while a track moved, which both rooms had in their books then.
        ("burst", "all", "delay", 481),
        # A processor died after its lease was a stream's and before who handed it over was told: the one obtained in
        # its place was held for ever.
        ("leases", "all", "pct", 99),
        # A second lease that was lost on the way threw the pipeline away that had replaced the first one's.
        ("tokens", "actors", "pct", 68),
        # Law: when who runs all processors has failed they are stopped, and a stream that is ending loses what is inside.
        ("random", "all", "pct", 1262),
        # Law: a stream that has been told to end says nothing new to its processors.
        ("random", "handover", "pct", 1810),
        ("random", "light", "delay", 2016),
        # Law: in a session that has failed, who holds leases is over before the processors are.
        ("leases", "all", "pct", 57),
        ("leases", "all", "pct", 66),
        ("reference", "all", "random", 75),
        ("reference", "all", "random", 95),
        ("reference", "all", "delay", 95),
        ("killed", "all", "random", 95),
        ("killed", "all", "random", 183),
        ("killed", "all", "pct", 82),
        ("killed", "all", "pct", 99),
        ("killed", "all", "delay", 95),
        ("killed", "all", "delay", 99),
    ],
)
def test_seeds_of_shipped_scenarios_that_found_something(
    scenario: str, plan: str, strategy: str, seed: int
) -> None:
    """They hold now."""
    setting = Setting(faults=load_faults(plan))
    played = random_scenario(seed) if scenario == "random" else load_scenario(scenario)
    run(played, seed=seed, scheduler=scheduler_of(strategy, seed), setting=setting).check()


@pytest.mark.parametrize(("scenario", "plan", "seed"), KEPT)
def test_seeds_that_found_something(scenario: str, plan: str, seed: int) -> None:
    """They hold now."""
    assert (scenario, plan) == ("random", WERE.name)
    run(random_scenario(seed), seed=seed, setting=Setting(faults=WERE)).check()


@pytest.mark.parametrize(("strategy", "seed"), [("pct", 4), ("pct", 19), ("random", 21), ("random", 54)])
def test_a_track_that_moves_to_a_room_that_is_closing(strategy: str, seed: int) -> None:
    """Its leases end with that room; its frames do not go through a processor that does not know whose they are."""
    run(load_scenario("session"), seed=seed, scheduler=scheduler_of(strategy, seed)).check()


@pytest.mark.parametrize(("strategy", "seed"), [("random", 906), ("pct", 1902)])
def test_a_lease_that_is_handed_over_to_a_stream_that_ends(strategy: str, seed: int) -> None:
    """Who handed it over is told late, while a processor hangs: meanwhile he holds nothing, and that is no mistake."""
    setting = Setting(faults=load_faults("processors"))
    run(load_scenario("leases"), seed=seed, scheduler=scheduler_of(strategy, seed), setting=setting).check()


def short() -> Scenario:
    """Return a scenario of which one step is of interest."""
    return load_scenario("rooms")


@law("no room is called b")
def no_b(stage: Stage) -> str | None:
    """Say that there is a room b."""
    return "there is one" if "b" in stage.session.rooms else None


BROKEN = Setting(laws=(no_b,))

# -- the same again -------------------------------------------------------------------------------------------------


def test_a_seed_is_a_run() -> None:
    """Every step, in the same order, at the same virtual time; another seed is another run."""
    lines: list[list[str]] = [[], [], []]
    for found, seed in zip(lines, (3, 3, 4), strict=True):
        run(load_scenario("reference"), seed=seed, setting=Setting(faults=load_faults("all")), trace=lambda line, found=found: found.append(str(line)))  # type: ignore[misc]  # fmt: skip
    assert lines[0] == lines[1] != lines[2]


def test_it_does_not_depend_on_hashes() -> None:
    """Two processes with other hashes of texts trace the same."""
    code = (
        "import zlib; from greenroom.simulation import *\n"
        "found = []\n"
        "run(random_scenario(5), seed=5, setting=Setting(faults=load_faults('all')), trace=lambda line: found.append(str(line)))\n"
        "print(len(found), zlib.crc32('\\n'.join(found).encode()))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_choices_repeat_a_run() -> None:
    """Whatever strategy made them."""
    for strategy in ("random", "pct", "delay"):
        repeat = Repeat(scenario=random_scenario(2), faults=load_faults("light"), seed=2, strategy=strategy)
        first = repeat.run()
        again = Repeat(scenario=repeat.scenario, faults=repeat.faults, seed=2, choices=first.choices).run()
        assert (again.steps, again.virtual_ns, again.fired) == (first.steps, first.virtual_ns, first.fired)


def test_unknown_strategies_are_refused() -> None:
    """With the nearest."""
    with pytest.raises(UnknownName, match="did you mean 'random'"):
        scheduler_of("randm", 1)


# -- laws -----------------------------------------------------------------------------------------------------------


def test_a_law_of_ones_own_is_named() -> None:
    """By its title, with what it says."""
    failure = run(short(), setting=BROKEN).failure
    assert failure is not None
    assert (failure.law, str(failure)) == (0, "no room is called b: there is one")
    with pytest.raises(LawBroken, match="no room is called b: there is one"):
        run(short(), setting=BROKEN).check()


@pytest.mark.parametrize("when", ["step", "rest", "event", "end"])
def test_laws_are_asked_when_they_want_to_be(when: str) -> None:
    """After steps, at rest, on events, at the end; each is given what there is then."""
    given: list[tuple[object, ...]] = []

    @law("it is asked", when=when)
    def asked(*values: object) -> bool:
        given.append(values)
        return True

    outcome = run(short(), setting=Setting(laws=(asked,)))
    outcome.check()
    counts = {"step": range(outcome.steps - 90, outcome.steps + 1), "rest": range(5, outcome.rests + 1), "event": range(10, 200), "end": range(1, 2)}  # fmt: skip
    assert len(given) in counts[when]
    assert {len(values) for values in given} == {1 if when in ("step", "rest") else 2}


def test_only_the_laws_that_are_wanted_count() -> None:
    """A processor that is used wrongly breaks law 1; who asks for law 2 alone hears nothing."""

    async def story(stage: Stage) -> None:
        witness = Witness(stage, "p")
        witness._close()
        witness._close()

    assert _broken(run(story)) == 1
    assert run(story, setting=Setting(only=(2,))).held


WRONG_USE = {
    "closed twice": (1, lambda w: (w._close(), w._close())),
    "credentials before info": (3, lambda w: w._on_credentials_updated(token="t", url="u")),
    "nobody in particular": (3, lambda w: w._on_stream_info_updated(room_name="r", participant_identity="", publication_sid="")),
    "cleared and never told": (3, lambda w: w._on_stream_info_cleared()),
    "credentials cleared and never given": (3, lambda w: w._on_credentials_cleared()),
    "closed and not cleared": (3, lambda w: (w._on_stream_info_updated(room_name="r", participant_identity="p", publication_sid="s"), w._close())),
}  # fmt: skip


@pytest.mark.parametrize(("number", "use"), WRONG_USE.values(), ids=WRONG_USE)
def test_a_processor_that_is_used_wrongly_is_noticed(number: int, use: object) -> None:
    """At once, by the law that it breaks."""

    async def story(stage: Stage) -> None:
        use(Witness(stage, "p"))  # type: ignore[operator]

    assert _broken(run(story)) == number


def _broken(outcome: Outcome) -> int:
    assert outcome.failure is not None
    return outcome.failure.law


def test_a_token_in_an_event_is_noticed() -> None:
    """Whoever tells it."""

    async def story(stage: Stage) -> None:
        await stage.session.open_room("a", credentials=stage.credentials("t1"))
        stage.session.record().emit(EventKind.ROOM_OPENED, "room:x", url="wss://x?token=sekrit-t1")

    assert _broken(run(story)) == 8


def test_an_ask_that_is_never_answered_is_noticed() -> None:
    """A story that waits for what never comes is law 5, and does not hang the run."""

    async def story(stage: Stage) -> None:
        await stage.session.open_room("a")
        await (await __import__("asyncio").sleep(0, result=_never()))

    assert _broken(run(story)) == 5


async def _never() -> None:
    import asyncio  # noqa: PLC0415

    await asyncio.get_running_loop().create_future()


def test_a_session_that_is_not_closed_is_closed_and_judged() -> None:
    """A story need not end by closing the stage."""
    seen: list[Session] = []

    async def story(stage: Stage) -> None:
        await stage.session.open_room("a")
        seen.append(stage.session)

    run(story).check()
    assert seen[0]._closing is not None


def test_what_the_story_raises_is_its_failure() -> None:
    """As it was raised."""

    async def story(_: Stage) -> None:
        raise KeyError("mine")

    outcome = run(story)
    assert outcome.failure is not None
    assert outcome.failure.title == "the story raised KeyError"
    with pytest.raises(KeyError, match="mine"):
        outcome.check()


def test_a_run_that_never_rests_ends() -> None:
    """After so many steps it is a broken law."""
    outcome = run(load_scenario("reference"), setting=Setting(steps_max=100))
    assert _broken(outcome) == 5


def test_exploring_stops_at_the_first_failure() -> None:
    """And says under which seed it was."""
    found = explore(short(), range(5, 9), setting=BROKEN)
    assert found is not None
    assert found.seed == 5
    assert explore(short(), range(3)) is None


# -- failures that can be used --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shrunk() -> Repeat:
    """Return a failure made short."""
    repeat = Repeat(scenario=short(), faults=load_faults("light"), seed=3)
    return shrink(repeat, BROKEN, runs=150).repeat


def test_a_failure_is_made_short(shrunk: Repeat) -> None:
    """To the one step that matters, no fault, and no choice that differs from the fixed rule."""
    assert [str(step) for step in shrunk.scenario.steps] == ["open_room(room='b')"]
    assert shrunk.faults.faults == ()
    assert shrunk.scenario.parts == ()
    assert shrunk.choices == ()


def test_shrinking_needs_a_failure() -> None:
    """What holds cannot be made shorter."""
    with pytest.raises(ValueError, match="does not fail"):
        shrink(Repeat(scenario=short(), faults=load_faults("none"), seed=3))


def test_a_token_repeats_a_failure(shrunk: Repeat) -> None:
    """Line breaks in between do no harm."""
    token = shrunk.token()
    parsed = parse_token(f" {token[:40]}\n{token[40:]} ")
    assert parsed.scenario == shrunk.scenario
    assert parsed.same_code
    assert parsed.run(BROKEN).failure == shrunk.run(BROKEN).failure


def test_a_token_of_other_code_says_so(shrunk: Repeat) -> None:
    """It is run all the same: perhaps to see whether a change has mended it."""
    token = replace(shrunk, code="00000000").token()
    assert not parse_token(token).same_code


ELSEWHERE = Token(program="p", seed=1, schedule="random", code="aa")
"""The token of a program that plays no scenario."""


@pytest.mark.parametrize(
    ("token", "told"),
    [("", "it begins with ''"), ("gr2.abc", "it begins with 'gr2'"), ("gr1.", "cut off"), ("gr1.!!!!", "damaged"),
     (ELSEWHERE.encode(), "holds no scenario"),
     (replace(ELSEWHERE, extra={"scenario": {"steps": [{"do": "dance"}]}, "faults": {}}).encode(), "dance")],
)  # fmt: skip
def test_what_is_no_token_is_refused(token: str, told: str) -> None:
    """Whatever is wrong with it, it is said; also if it is the token of another program."""
    with pytest.raises(BadToken, match=told):
        parse_token(token)


def test_a_token_that_is_cut_off_is_refused(shrunk: Repeat) -> None:
    """With what to do."""
    with pytest.raises(BadToken, match="copy it again"):
        parse_token(shrunk.token()[:-12])


def test_a_trace_can_be_read(shrunk: Repeat, tmp_path: Path) -> None:
    """One line for each step with actor, message and time; the law last; the token to repeat it. As JSON the same."""
    trace = trace_of(shrunk, BROKEN)
    text = trace.text()
    assert "session/rooms <- ask OpenRoom" in text
    assert "** law: no room is called b: there is one" in text
    assert f"greenroom simulate --replay {shrunk.token()}" in text
    trace.write_json(tmp_path / "trace.json")
    data = json.loads((tmp_path / "trace.json").read_text())
    assert data["failure"]["title"] == "no room is called b"
    assert len([line for line in data["trace"] if line["number"]]) == data["steps"]
    assert parse_token(data["replay"]).scenario == shrunk.scenario


def test_a_chart_can_be_looked_at(shrunk: Repeat) -> None:
    """One page that needs nothing else, with every actor, the law, and no unescaped text."""
    named = Scenario.named("<b>").open_room(room="b", token="<t>").build()
    page = chart_of(trace_of(replace(shrunk, scenario=named), BROKEN))
    assert page.startswith("<!doctype html>")
    assert "http" not in page
    assert "no room is called b" in page
    assert "OpenRoom" in page
    assert "<t>" not in page
    assert "prefers-color-scheme:dark" in page


def test_failed_runs_leave_nothing_running() -> None:
    """Many of them, cut off at many places: the next test finds nothing left of them."""
    cut = 0
    for limit in (30, 60, 90, 150, 300):
        for seed in range(4):
            setting = Setting(steps_max=limit, faults=load_faults("all"))
            cut += not run(load_scenario("reference"), seed=seed, setting=setting).held
    assert cut == 20


def test_a_refresh_reaches_a_track_that_is_being_added() -> None:
    """Its actor is only starting when the room is told: it hears of the new credentials when it has begun."""
    scene = Scenario.named("early").part("own").open_room(room="a", token="t1")
    scene.publish(track="x", room="a", participant="ann", wait=False).refresh(
        room="a", token="t2", wait=False
    )
    scene.join().open_stream(stream="1", track="x", through=("own",)).wait(ms=30)
    story = scene.build()
    assert explore(story, range(40)) is None


def test_a_story_that_ends_in_the_step_of_a_finding_is_taken_down() -> None:
    """What its loop was still told to do does not end the taking down."""

    @law("nothing ends", when="event")
    def nothing_ends(stage: Stage, event: object) -> bool:
        return "ended" not in str(getattr(event, "kind", ""))

    outcomes = [
        run(load_scenario("rooms"), seed=seed, setting=Setting(laws=(nothing_ends,))) for seed in range(10)
    ]
    assert {outcome.failure is not None and outcome.failure.title for outcome in outcomes} == {"nothing ends"}
