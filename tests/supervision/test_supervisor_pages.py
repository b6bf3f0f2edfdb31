"""The pages of guarantees name tests that exist, and a guarantee of its own that is nowhere else."""

import ast
import re
from pathlib import Path

from tests.supervision.supkit import Tree

from greenroom.supervision import ActorSystem, ChildSpec, DeleteChild, RestartChild, StopChild
from greenroom.supervision.events import DeadLetter
from greenroom.supervision.probes import Probe

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "supervision.md"
PAGES = (PAGE, PAGE.with_name("supervision-more.md"))
TEXT = "".join(page.read_text("utf8").split("## What is not promised")[0] for page in PAGES)
"""Of both pages, but what is not promised."""


def test_every_test_that_the_page_names_exists() -> None:
    """Each sentence's test is there, under that very name."""
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    there = {
        node.name
        for path in HERE.glob("test_*.py")
        for node in ast.parse(path.read_text("utf8")).body
        if isinstance(node, ast.FunctionDef)
    }
    assert len(named) > 100
    assert sorted(named - there) == []


def test_every_guarantee_names_its_test() -> None:
    """Each item of the pages, but of what is not promised, names at least one test."""
    items = re.findall(r"^- (?:.|\n(?!- |\n|#))+", TEXT, re.MULTILINE)
    assert len(items) > 60
    assert [item for item in items if "`test_" not in item] == []


def test_the_page_links_the_table() -> None:
    """The page says where the 88 cases are, and they are there."""
    path = "tests/supervision/test_conformance_names.py"
    assert f"](../{path})" in PAGE.read_text("utf8")
    assert (PAGE.parents[1] / path).is_file()


def test_the_page_is_one_that_can_be_read() -> None:
    """About 150 lines, and a link to the rest."""
    page = PAGE.read_text("utf8")
    assert len(page.splitlines()) < 200
    assert f"]({PAGES[1].name})" in page


def test_a_stopped_child_keeps_its_messages_until_it_is_forgotten(system: ActorSystem) -> None:
    """What waits for a child that was stopped is handled when it is started again, or is a dead letter when it goes."""
    heard: list[int] = []
    tree = Tree(system, children=[ChildSpec(id="a", start=Probe, args=(heard,))])
    ref = tree.child("a")
    tree.ask(StopChild(child="a"))
    ref.tell(1)
    tree.ask(RestartChild(child="a"))
    assert ref.ask(2, timeout=5) == 2
    assert heard == [1, 2]
    tree.ask(StopChild(child="a"))
    ref.tell(3)
    tree.ask(DeleteChild(child="a"))
    assert [letter.message for letter in tree.seen.of(DeadLetter)] == ["int"]
    assert heard == [1, 2]
