"""The repository's shape: what the type checker and the linter do not see."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PORTIONS = ("supervision", "actors", "adapters", "config", "console")
# `simulation`, once it is there, goes beside `adapters`; `config` and `console` may import it.
MAY_IMPORT = {
    "supervision": {"supervision"},
    "actors": {"supervision", "actors"},
    "adapters": {"supervision", "actors", "adapters"},
    "config": {"supervision", "actors", "adapters", "config"},
    "console": {"supervision", "actors", "adapters", "config", "console"},
}


def sources(portion: str) -> Iterator[Path]:
    return (ROOT / portion / "greenroom" / portion).rglob("*.py")


def portions_imported_by(path: Path) -> set[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {n.split(".")[1] for n in names if n.startswith("greenroom.")}


@pytest.mark.parametrize("portion", PORTIONS)
def test_a_portion_holds_nothing_beside_its_package(portion: str) -> None:
    # A file `greenroom/__init__.py` in one portion hides the other portions.
    inside = {p.name for p in (ROOT / portion / "greenroom").iterdir()} - {"__pycache__"}
    assert inside == {portion}


@pytest.mark.parametrize("portion", PORTIONS)
def test_imports_point_inwards(portion: str) -> None:
    for path in sources(portion):
        assert portions_imported_by(path) <= MAY_IMPORT[portion], path


@pytest.mark.parametrize("portion", PORTIONS)
def test_modules_stay_readable(portion: str) -> None:
    for path in sources(portion):
        assert len(path.read_text("utf8").splitlines()) <= 400, path


@pytest.mark.parametrize("portion", PORTIONS)
def test_every_portion_is_typed(portion: str) -> None:
    assert (ROOT / portion / "greenroom" / portion / "py.typed").is_file()


def test_no_portion_was_imported_under_its_bare_name() -> None:
    ours = {str(ROOT / p) for p in PORTIONS}
    for name in PORTIONS:
        module = sys.modules.get(name)
        where = list(getattr(module, "__path__", []))
        assert not ours.intersection(where), name
