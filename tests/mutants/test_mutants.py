"""Mutants: each can still be planted, some are found at once, and a place that has changed is told. The rest: ``make mutants``."""

import subprocess
import sys

import pytest
from tests.mutants.__main__ import Row, main
from tests.mutants.catalogue import GROUPS, MUTANTS, NOT_EXPRESSIBLE
from tests.mutants.finding import all_laws, look, look_in
from tests.mutants.planting import ROOT, Edit, Misplaced, check, mutant, plant, planted
from tests.mutants.programs import PROGRAMS
from tests.mutants.ruling import RULES, files_for, look_for
from tests.sweeping import seeds

QUICK = {
    "release-twice": (8, "2 "),
    "clear-sent-twice": (5, "3 "),
    "credentials-first": (3, "3 "),
    "token-in-an-event": (3, "8 "),
    "kept-for-good": (3, "2 "),
    "reader-left-open": (3, "7 "),
    "moved-and-dropped": (3, "4 "),
    "queued-frames-thrown-away": (6, "4 "),
    "old-token-stays": (3, "3 "),
}
"""Mutants that take few schedules: at most so many, and the law that finds them."""


def test_each_can_be_planted() -> None:
    """What it replaces is there once, and what comes of it compiles."""
    for each in (*MUTANTS.values(), *RULES.values()):
        check(each)


def test_there_are_enough_of_them() -> None:
    """At least forty, of different names; each of upstream's 24 is among them, or is said why not."""
    assert len(MUTANTS) >= 40
    assert len(MUTANTS) == sum(map(len, GROUPS.values()))
    assert len(RULES) == len({*RULES, *MUTANTS}) - len(MUTANTS) == 64
    told = {each.upstream for each in MUTANTS.values()} | set(NOT_EXPRESSIBLE)
    assert {f"G{number}" for number in range(1, 25)} <= told


@pytest.mark.parametrize("name", QUICK)
def test_it_is_found(name: str) -> None:
    """In a process of its own, by the law that it breaks."""
    schedules, law = QUICK[name]
    row = _found(name, schedules)
    assert row.startswith('{"schedule"'), row
    assert f'"law": "{law}' in row


def test_nothing_is_found_where_nothing_is_planted() -> None:
    """The same schedules hold."""
    most = max(schedules for schedules, _ in QUICK.values())
    assert look("actors", range(1, most + 1)) is None
    assert look("supervision", range(1, most + 1)) is None


@pytest.mark.sweep
def test_no_program_breaks_a_law_by_itself() -> None:
    """Else a mutant would be found that was not looked for."""
    for number in seeds(40):
        assert [found for program in PROGRAMS if (found := look_in(program, number + 1))] == []


def test_a_mistake_in_a_rule_is_found() -> None:
    """In a process of its own, by the tests of its module, which come first."""
    assert look_for("window-open") == "test_intensity.py::test_every_decision_is_otps"
    assert files_for(RULES["window-open"])[0] == "tests/supervision/test_intensity.py"
    assert len(files_for(None)) == len(set(files_for(None))) == 6


def test_a_place_that_has_changed_is_told() -> None:
    """A text that is not there, or twice, is refused by name."""
    with pytest.raises(Misplaced, match=r"actors\._books holds 0 times"):
        check(mutant("gone", "", "actors._books", "no such line", ""))
    with pytest.raises(Misplaced, match="holds 2 times"):
        planted("a a", [Edit("actors._books", "a", "b")])


def test_what_is_imported_already_cannot_be_planted() -> None:
    """It would be a mutant that is not there."""
    with pytest.raises(RuntimeError, match="imported already"):
        plant(MUTANTS["release-twice"])


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that there are."""
    assert main(["--only", "nobody"]) == 2
    assert "no mutant 'nobody'; known: release-twice" in capsys.readouterr().out
    assert main(["--rules", "--only", "release-twice"]) == 2
    assert "no mutant 'release-twice'; known: restarting-is-not-up" in capsys.readouterr().out


def test_rows_and_laws_have_the_same_names() -> None:
    """Else a law that was tripped would be called suspect."""
    row = Row(mutant=MUTANTS["release-twice"], schedules=1, law="2 every lease has a live holder")
    assert row.law in all_laws()


def _found(name: str, schedules: int) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "--one", name, "--schedules", str(schedules)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]
