"""What docs/simulation.md shows is run, as it stands."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from greenroom.console.cli import main
from greenroom.simulation import plan_of, run, scenario_of

PAGE = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text("utf8")


def blocks(kind: str) -> list[str]:
    """Return the page's code of one kind."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(3))
def test_python_blocks_run_under_pytest(tmp_path: Path, number: int) -> None:
    """Each is a test file, or a program, of its own."""
    (tmp_path / "test_page.py").write_text(blocks("python")[number])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    tests = blocks("python")[number].count("def test_")
    assert (
        f"{tests} passed" in done.stdout if tests else done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    ), done.stdout


def test_there_are_no_other_python_blocks() -> None:
    """All of them are run."""
    assert len(blocks("python")) == 3


def test_ten_lines_are_ten_lines() -> None:
    """The first test of a processor is no longer than that."""
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) <= 10


def test_the_scenario_and_the_plan_are_such() -> None:
    """They load, and the scenario keeps the laws."""
    scenario, plan = blocks("toml")
    run(scenario_of(tomllib.loads(scenario))).check()
    assert plan_of(tomllib.loads(plan)).name == "mine"


@pytest.mark.parametrize(
    "line", [line.partition("#")[0].strip() for block in blocks("shell") for line in block.splitlines()]
)
def test_the_commands_are_commands(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer seeds; the long sweep with one strategy and one plan."""
    monkeypatch.chdir(tmp_path)
    words = line.split()[1:]
    fewer = (
        ["--seeds", "14", "--strategy", "pct", "--faults", "light"]
        if "all" in words[:2]
        else ["--seeds", "3"]
    )
    assert main([*words, *fewer, "--jobs", "1"]) == 0
