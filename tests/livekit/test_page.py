"""The page on LiveKit: each test that it names exists, and each failure of the table is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/livekit.md").read_text("utf8")


def test_each_test_that_the_page_names_exists() -> None:
    """A sentence is held by a test, or it is not on the page."""
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text("utf8"))
    }
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 30
    assert named <= there, named - there


def test_each_failure_is_in_the_table() -> None:
    """All 31, in order, each with what holds it."""
    rows = re.findall(r"^\| (G\d+) \| .+ \| (.+) \|$", PAGE, re.MULTILINE)
    assert [number for number, _ in rows] == [f"G{number}" for number in range(1, 32)]
    assert all(held for _, held in rows)


def test_each_file_that_the_page_names_exists() -> None:
    """Examples and tests are where the page says."""
    for name in set(re.findall(r"`((?:examples|tests)/[\w/.]+)`", PAGE)):
        assert (ROOT / name).exists(), name
