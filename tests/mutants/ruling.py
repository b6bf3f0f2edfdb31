"""The pure rules: each mistake is planted by itself, and the rules' Hypothesis tests run until one fails.

No schedule is needed where nothing runs at the same time: what an event leads to is compared with naive models. Examples
are drawn anew from nothing but each test's own text, so a run can be repeated.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Final

from tests.mutants.in_budgets import BUDGETS, LEDGERS
from tests.mutants.in_family import FAMILIES, GROUPS
from tests.mutants.planting import ROOT, Mutant, plant

if TYPE_CHECKING:
    import pytest

RULES: Final[dict[str, Mutant]] = {each.name: each for each in (*FAMILIES, *GROUPS, *BUDGETS, *LEDGERS)}
OWN: Final = {
    "_intensity": "test_intensity",
    "_backoff": "test_backoff",
    "_sharing": "test_subtree_budgets",
    "_ledger": "test_ledger",
    "_template": "test_template",
}
"""The tests of a module of its own; of the others, and of these, how a family uses them."""
SHARED: Final = ("test_family_model", "test_subtree_budgets")
CONTROL: Final = "control"
SECONDS_MAX: Final = 600
MARK: Final = "first failure: "


class _Watcher:
    """A plugin of pytest's: has Hypothesis look for examples only, and keeps what failed first."""

    def __init__(self) -> None:
        self.failed = ""

    def pytest_configure(self) -> None:
        """Draw the same examples each time, remember none, and make none short."""
        from hypothesis import HealthCheck, Phase, settings  # noqa: PLC0415 - pytest comes first

        settings.register_profile(
            "rules",
            phases=[Phase.generate],
            database=None,
            derandomize=True,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("rules")

    def pytest_runtest_logreport(self, report: "pytest.TestReport") -> None:
        """Hear how a test went."""
        if report.failed and not self.failed:
            self.failed = report.nodeid.rpartition("/")[2]

    def pytest_collectreport(self, report: "pytest.CollectReport") -> None:
        """Hear whether a module could be imported."""
        if report.failed and not self.failed:
            self.failed = f"{report.nodeid.rpartition('/')[2]}, when it is imported"


def files_for(given: Mutant | None) -> list[str]:
    """Return which tests to run, those of the module itself first; without a mutant all."""
    modules = list(OWN) if given is None else [each.module.partition(".")[2] for each in given.edits]
    own = [OWN[module] for module in modules if module in OWN]
    return [f"tests/supervision/{name}.py" for name in dict.fromkeys((*own, *SHARED))]


def first_failure(name: str) -> str:
    """Plant a mistake, or none for `CONTROL`, and return the first test that fails; empty if all pass.

    To be called in a process of its own, in which greenroom has not been imported.
    """
    given = None if name == CONTROL else RULES[name]
    if given is not None:
        plant(given)
    import pytest  # noqa: PLC0415 - its plugins import greenroom: what is planted comes first

    watcher = _Watcher()
    arguments = ["-x", "-q", "-m", "hypothesis", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]
    pytest.main([*arguments, *files_for(given)], plugins=[watcher])
    return watcher.failed


def look_for(name: str) -> str:
    """Run `first_failure` in a process of its own."""
    command = [sys.executable, "-m", "tests.mutants.ruling", name]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS_MAX
        )
    except subprocess.TimeoutExpired:
        return f"{files_for(RULES.get(name))[0]}, which does not end"
    if not done.stdout.strip():
        return (done.stderr.strip() or "nothing was said").splitlines()[-1]
    return done.stdout.splitlines()[-1].removeprefix(MARK)


def plant_rules(chosen: Sequence[Mutant], jobs: int, say: Callable[[str], object]) -> int:
    """Plant each in turn, and none at last; 0 if each was found, and nothing where none is planted."""
    wide = max(len(each.name) for each in chosen)
    say(f"{'mistake':{wide}} | found by | what is planted")
    missed: list[str] = []
    with ThreadPoolExecutor(jobs) as pool:
        control = pool.submit(look_for, CONTROL)
        running = {pool.submit(look_for, each.name): each for each in chosen}
        for done in as_completed(running):
            each, found = running[done], done.result()
            missed += [] if found else [each.name]
            say(f"{each.name:{wide}} | {found or 'NOT FOUND'} | {each.plants}")
    say(f"\n{len(chosen) - len(missed)} of {len(chosen)} found")
    say(f"control: without a mistake {control.result() or 'nothing'} fails")
    for name in missed:
        say(f"PROBLEM: {name} was not found")
    return 1 if missed or control.result() else 0


if __name__ == "__main__":
    sys.stdout.write(f"\n{MARK}{first_failure(sys.argv[1])}\n")
