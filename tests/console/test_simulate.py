"""``greenroom simulate``: exit codes, what it prints, its files, and what it refuses."""

import json
from pathlib import Path

import pytest

from greenroom import simulation
from greenroom.console.cli import BAD_INPUT, LAW_BROKEN, OK, main
from greenroom.simulation import Stage, law, parse_token


@law("no room is called b")
def no_b(stage: Stage) -> bool:
    """Hold while there is none."""
    return "b" not in stage.session.rooms


MINE = ("--law", f"{__name__}:no_b")


def simulate(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Run it in this process."""
    code = main(["simulate", *args])
    out, err = capsys.readouterr()
    return code, out, err


def test_what_holds_ends_with_0_and_says_what_was_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Scenario, faults, strategy, processes, schedules, steps, faults, looks."""
    code, out, _ = simulate(
        capsys, "rooms", "--seeds", "7", "--faults", "backend", "--strategy", "delay", "--jobs", "1"
    )
    assert code == OK
    assert out.startswith("7 schedules of rooms with faults 'backend' (strategy delay, 1 process): ")
    assert out.rstrip().endswith("all laws held")


def test_processes_share_the_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    """Two of them run as many schedules as one, with the same steps."""
    one = simulate(capsys, "tracks", "--seeds", "40", "--jobs", "1")[1]
    two = simulate(capsys, "tracks", "--seeds", "40", "--jobs", "2")[1]
    assert "(strategy random, 2 processes)" in two
    assert one.partition("): ")[2] == two.partition("): ")[2]


def test_a_broken_law_ends_with_1_a_token_and_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The failure made short, as text, JSON and a page; the token repeats it."""
    files = ("--trace", str(tmp_path / "t.json"), "--html", str(tmp_path / "t.html"))
    code, out, err = simulate(capsys, "rooms", "--seeds", "1", *MINE, *files)
    assert code == LAW_BROKEN
    assert "no room is called b" in err
    assert "1. open_room(room='b'" in out
    token = out.rpartition("--replay ")[2].strip()
    assert len(parse_token(token).scenario.steps) == 1
    assert json.loads((tmp_path / "t.json").read_text())["replay"] == token
    assert "<svg" in (tmp_path / "t.html").read_text()
    again = simulate(capsys, "--replay", token, *MINE)
    assert again[0] == LAW_BROKEN
    assert "no room is called b: it does not" in again[1]
    assert simulate(capsys, "--replay", token)[0] == OK


def test_it_goes_on_where_that_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    """Otherwise the first failure ends it; the first seed is as it says."""
    stopped = simulate(capsys, "rooms", "--seeds", "5", "--first", "30", *MINE)
    assert "1 failed" in stopped[1]
    assert "seed 30: no room" in stopped[2]
    assert "5 failed" in simulate(capsys, "rooms", "--seeds", "5", "--keep-going", *MINE)[1]


def test_only_some_laws_can_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """By name or number."""
    assert simulate(capsys, "rooms", "--seeds", "2", "--law", "leases", "--law", "4")[0] == OK


def test_depth_first_tries_every_order(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Of a scenario that is small enough."""
    small = tmp_path / "small.toml"
    small.write_text('name = "small"\n[[steps]]\ndo = "open_room"\nroom = "a"\n')
    code, out, _ = simulate(capsys, str(small), "--strategy", "dfs", "--seeds", "5000", "--faults", "none")
    assert code == OK
    assert "all orders tried" in out


def test_coverage_names_the_gaps(capsys: pytest.CaptureFixture[str]) -> None:
    """As tables of actors and of faults."""
    _, out, _ = simulate(capsys, "rooms", "--seeds", "3", "--faults", "backend", "--coverage")
    assert "RoomActor" in out
    assert "Acquire while degraded" in out
    assert "backend" in out
    assert "%" in out


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("refrence",), "no scenario 'refrence'; did you mean 'reference'"),
        (("--strategy", "rnd"), "no strategy 'rnd'; did you mean 'random'"),
        (("--faults", "prosessors"), "no fault plan 'prosessors'; did you mean 'processors'"),
        (("--law", "leeses"), "no law 'leeses'; did you mean 'leases'"),
        (("--law", "nowhere:x"), "no law 'nowhere:x': ModuleNotFoundError"),
        (("--law", "json:dumps"), "a law is made by @law"),
        (("--replay", "nonsense"), "this is no replay token: it begins with 'nonsense', not with gr1."),
        (("nowhere.toml",), "nowhere.toml: cannot be read"),
    ],
)
def test_what_is_not_there_is_refused_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str], args: tuple[str, ...], told: str
) -> None:
    """One line, exit code 2."""
    code, _, err = simulate(capsys, *args)
    assert code == BAD_INPUT
    assert told in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "args", [("--seeds", "0"), ("--jobs", "-1"), ("--first", "x"), ("--trace", ""), ("--replay", " ")]
)
def test_wrong_values_are_refused_before_anything_runs(args: tuple[str, ...]) -> None:
    """By the command line."""
    with pytest.raises(SystemExit) as refused:
        main(["simulate", *args])
    assert refused.value.code == BAD_INPUT


def test_a_token_of_other_code_is_run_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    """It may run differently."""
    from greenroom.simulation import NO_FAULTS, Repeat, load_scenario  # noqa: PLC0415

    token = Repeat(scenario=load_scenario("rooms"), faults=NO_FAULTS, seed=1, code="0badc0de").token()
    code, _, err = simulate(capsys, "--replay", token)
    assert code == OK
    assert "made with other code" in err


@pytest.mark.parametrize(("option", "place"), [("--trace", "nowhere/x.json"), ("--html", "")])
def test_a_place_where_no_file_can_be_made_is_refused_before_anything_runs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str, place: str
) -> None:
    """A folder that is not there, or a folder in place of the file: named, also where all laws would hold."""
    code, out, err = simulate(capsys, "rooms", "--seeds", "3", option, str(tmp_path / place))
    assert (code, out) == (BAD_INPUT, "")
    assert str(tmp_path) in err


def test_an_interrupt_says_how_far_it_came(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends a sweep; what was run until then is said."""

    def interrupted(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("greenroom.simulation.sweep", interrupted)
    code, _, err = simulate(capsys, "rooms", "--seeds", "30")
    assert code not in (OK, LAW_BROKEN)
    assert "interrupted after 0 of 30 schedules" in err


def test_the_long_sweep_says_what_it_ran_leg_by_leg(capsys: pytest.CaptureFixture[str]) -> None:
    """Each scenario with each plan and strategy that was asked for, and a sum."""
    code, out, _ = simulate(
        capsys, "all", "--seeds", "16", "--faults", "light", "--strategy", "delay", "--jobs", "1"
    )
    assert code == OK
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["scenario", "faults", "strategy", "schedules", "steps", "found"]
    assert [row[0] for row in rows[1:15]] == ["random", *simulation.shipped_names("scenarios")]
    assert all(row[1:3] == ["light", "delay"] and row[5] == "0" for row in rows[1:15])
    assert sum(int(row[3]) for row in rows[1:15]) == 16
    assert out.splitlines()[-1].startswith("16 schedules in 14 legs (1 process, ")
    assert out.rstrip().endswith("all laws held")


def test_the_long_sweep_writes_a_token_for_each_failure_and_tells_the_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And goes on; the tokens repeat what was found."""
    file = tmp_path / "tokens.txt"
    args = ("--seeds", "16", "--faults", "none", "--strategy", "random", "--jobs", "1")
    code, out, _ = simulate(capsys, "all", *args, *MINE, "--tokens", str(file))
    assert code == LAW_BROKEN
    lines = file.read_text().splitlines()
    assert "rooms, none, random, seed 0: no room is called b" in file.read_text()
    assert f"{len(lines)} failed" in out
    assert "16 schedules in 14 legs" in out
    again = simulate(capsys, "--replay", lines[0].partition(" # ")[0], *MINE)
    assert again[0] == LAW_BROKEN
    code, _, err = simulate(capsys, "all", "--seeds", "3")
    assert code == BAD_INPUT
    assert "3 schedules are too few" in err


def test_tokens_of_a_sweep_are_written_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One a line, however many failed."""
    file = tmp_path / "tokens.txt"
    args = ("rooms", "--seeds", "3", "--keep-going", "--jobs", "1", *MINE)
    assert simulate(capsys, *args, "--tokens", str(file))[0] == LAW_BROKEN
    assert [parse_token(line.partition(" # ")[0]).seed for line in file.read_text().splitlines()] == [0, 1, 2]
    assert simulate(capsys, *args, "--tokens", str(tmp_path / "no" / "x"))[0] == BAD_INPUT
