"""The repository's shape: what the type checker and the linter do not see."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PORTIONS = ("supervision", "actors", "adapters", "simulation", "config", "console")
MAY_IMPORT = {
    "supervision": {"supervision"},
    "actors": {"supervision", "actors"},
    "adapters": {"supervision", "actors", "adapters"},
    "simulation": {"supervision", "actors", "simulation"},
    "config": {"supervision", "actors", "adapters", "simulation", "config"},
    "console": {"supervision", "actors", "adapters", "simulation", "config", "console"},
}
BESIDE = ("benchmarks", "tools")
"""What is not shipped, and is held to the same length."""
LONGEST_MODULE = 400
LONGEST_FUNCTION = 60


def sources(portion: str) -> Iterator[Path]:
    """Yield the modules of one portion."""
    return (ROOT / portion / "greenroom" / portion).rglob("*.py")


def portions_imported_by(path: Path) -> set[str]:
    """Return which portions a module imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {n.split(".")[1] for n in names if n.startswith("greenroom.")}


def private_modules_imported_by(path: Path) -> set[str]:
    """Return the private modules of greenroom that a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("greenroom."):
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
            found |= {name for name in names if re.search(r"\._[a-z]", name)}
    return found


@pytest.mark.parametrize("portion", PORTIONS)
def test_a_portion_holds_nothing_beside_its_package(portion: str) -> None:
    """A file `greenroom/__init__.py` in one portion would hide the other portions."""
    inside = {p.name for p in (ROOT / portion / "greenroom").iterdir()} - {"__pycache__"}
    assert inside == {portion}


@pytest.mark.parametrize("portion", PORTIONS)
def test_imports_point_inwards(portion: str) -> None:
    """A floor imports only floors below it."""
    for path in sources(portion):
        assert portions_imported_by(path) <= MAY_IMPORT[portion], path


@pytest.mark.parametrize("portion", PORTIONS)
def test_no_floor_imports_anothers_private_modules(portion: str) -> None:
    """What a floor offers to others is public."""
    for path in sources(portion):
        foreign = {name for name in private_modules_imported_by(path) if name.split(".")[1] != portion}
        assert not foreign, f"{path}: {foreign}"


def beside(folder: str) -> list[Path]:
    """Return the modules of a folder that is no portion; there are some."""
    found = list((ROOT / folder).rglob("*.py"))
    assert found, folder
    return found


@pytest.mark.parametrize("where", [*PORTIONS, *BESIDE])
def test_modules_stay_readable(where: str) -> None:
    """No module is longer than 400 lines."""
    for path in beside(where) if where in BESIDE else sources(where):
        lines = len(path.read_text("utf8").splitlines())
        assert lines <= LONGEST_MODULE, f"{path} has {lines} lines"


@pytest.mark.parametrize("portion", PORTIONS)
def test_functions_stay_readable(portion: str) -> None:
    """No function is longer than 60 lines, its docstring included."""
    for path in sources(portion):
        for node in ast.walk(ast.parse(path.read_text("utf8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                assert lines <= LONGEST_FUNCTION, f"{path}: {node.name} has {lines} lines"


@pytest.mark.parametrize("portion", PORTIONS)
def test_every_portion_is_typed(portion: str) -> None:
    """Type checkers of those who use it read its annotations."""
    assert (ROOT / portion / "greenroom" / portion / "py.typed").is_file()


@pytest.mark.parametrize("portion", PORTIONS)
def test_every_root_says_what_it_is(portion: str) -> None:
    """Each source root has a short README."""
    lines = [line for line in (ROOT / portion / "README.md").read_text("utf8").splitlines() if line.strip()]
    assert 2 <= len(lines) <= 4, portion


def test_no_portion_was_imported_under_its_bare_name() -> None:
    """`import config` must stay free for whoever owns that name."""
    ours = {str(ROOT / p) for p in PORTIONS}
    for name in PORTIONS:
        module = sys.modules.get(name)
        where = list(getattr(module, "__path__", []))
        assert not ours.intersection(where), name


def test_nothing_is_left_to_do_and_no_address_is_committed() -> None:
    """No to-dos; no registry's host name and no path of one machine in any file that git knows."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if (
            path.suffix not in {".py", ".md", ".toml", ".txt", ".cfg", ".yaml", ".css", ".js"}
            or not path.is_file()
        ):
            continue
        text = path.read_text("utf8")
        if path != Path(__file__):
            assert not re.search(r"\b(TODO|FIXME|XXX)\b", text), name
            assert "/work/" not in text, name
            assert not re.search(r"pypi\.org|pythonhosted|registry\.npmjs|crates\.io|proxy\.golang", text), (
                name
            )
