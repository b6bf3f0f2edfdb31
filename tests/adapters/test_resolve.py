"""Names lead to factories, and every way in which they do not has one clear message."""

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from greenroom.actors.processors import Placement
from greenroom.adapters import AdapterError, BrokenImport, MissingExtra, NotAFactory, UnknownUse
from greenroom.adapters import processors as public
from greenroom.adapters.processors import _about, _resolve, catalogue, resolve

OURS = {"gain", "highpass", "meter", "rnnoise", "silero", "webrtc_agc", "webrtc_ns"}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder that modules named ``zz_...`` are imported from, and forget them afterwards."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("zz_")]:
        del sys.modules[name]


def test_each_name_leads_to_its_factory() -> None:
    """Every processor of this floor is found under its own name."""
    for name in OURS:
        assert resolve(name) is getattr(public, name)


def test_pyproject_offers_what_is_there() -> None:
    """The entry points in pyproject.toml are this floor's factories, and the extras they name are declared."""
    file = Path(__file__).parents[2] / "pyproject.toml"
    project = tomllib.loads(file.read_text())["project"]
    points = project["entry-points"]["greenroom.processors"]
    assert points == {name: f"greenroom.adapters.processors:{name}" for name in OURS}
    extras = {_about.about_of(getattr(public, name)).extra for name in OURS} - {""}
    assert extras == set(project["optional-dependencies"]) - {"demo", "dev", "livekit"}
    assert project["optional-dependencies"]["demo"] == ["greenroom[webrtc,rnnoise,silero]"]


def test_anything_else_is_named_by_module_and_attribute(modules: Path) -> None:
    """``package.module:factory`` works, attributes of attributes too."""
    (modules / "zz_own.py").write_text("class Box:\n    @staticmethod\n    def make(): return 7\n")
    assert resolve("zz_own:Box.make")() == 7  # type: ignore[comparison-overlap]


def test_a_wrong_name_is_told_the_nearest_and_all() -> None:
    """Someone who mistypes learns what they meant, what there is, and how else to say it."""
    with pytest.raises(UnknownUse) as caught:
        resolve("rnnoize")
    text = str(caught.value)
    assert text.startswith("no processor 'rnnoize'; did you mean 'rnnoise'?")
    assert "gain, highpass, meter" in text
    assert "'package.module:factory'" in text
    assert isinstance(caught.value, LookupError)
    assert isinstance(caught.value, AdapterError)


@pytest.mark.parametrize("use", ["", ":", "a:", ":b", "a b:c", "a:b:c", "..a:b", "a:1"])
def test_what_is_no_name_is_refused(use: str) -> None:
    """What cannot be a module and an attribute is not imported but refused."""
    with pytest.raises(UnknownUse, match=re.escape("package.module:factory")):
        resolve(use)


def test_a_missing_package_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A known processor whose package is not there says what to install."""

    def nothing(name: str) -> None:
        """Find no package at all."""

    monkeypatch.setattr(_about, "find_spec", nothing)
    with pytest.raises(MissingExtra, match=re.escape('pip install "greenroom[rnnoise]"')) as caught:
        resolve("rnnoise")
    assert caught.value.extra == "rnnoise"
    assert resolve("gain") is public.gain
    assert {e.name for e in catalogue() if not e.installed} == {
        "rnnoise",
        "silero",
        "webrtc_ns",
        "webrtc_agc",
    }


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("1/0", "ZeroDivisionError: division by zero"),
        ("def (", "SyntaxError"),
        ("import zz_not_there", "ModuleNotFoundError: No module named 'zz_not_there'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_module_that_fails_says_what_was_raised(modules: Path, code: str, text: str) -> None:
    """Whatever a module does when imported, it is one message that names the module, with the cause chained."""
    (modules / "zz_broken.py").write_text(code)
    with pytest.raises(BrokenImport, match=re.escape(text)) as caught:
        resolve("zz_broken:make")
    assert "zz_broken" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_module_that_is_not_there_says_which_part() -> None:
    """The message names the part of the path that was not found."""
    with pytest.raises(BrokenImport, match="no module 'zz_nowhere' found"):
        resolve("zz_nowhere.deep:make")


def test_a_wrong_attribute_is_told_the_nearest(modules: Path) -> None:
    """In a module of one's own, the nearest callable is suggested."""
    (modules / "zz_near.py").write_text("def make_it(): ...\nlimit = 3\n")
    with pytest.raises(UnknownUse, match="did you mean 'make_it'"):
        resolve("zz_near:make_if")
    with pytest.raises(NotAFactory, match="is int, which cannot be called"):
        resolve("zz_near:limit")


def test_one_broken_offer_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue lists a broken package's offer with its problem, and everybody else's as they are."""
    broken = EntryPoint("zz", "zz_not_there:make", "greenroom.processors")
    good = EntryPoint("gain", "greenroom.adapters.processors:gain", "greenroom.processors")
    clash = EntryPoint("gain", "zz_other:gain", "greenroom.processors")

    def offered(*, group: str) -> list[EntryPoint]:
        assert group == "greenroom.processors"
        return [clash, good, broken]

    monkeypatch.setattr(_resolve, "entry_points", offered)
    ours, theirs = catalogue()
    assert (theirs.name, theirs.installed) == ("zz", False)
    assert "zz_not_there" in theirs.problem
    assert (ours.name, ours.installed, ours.problem) == ("gain", True, "")


def test_the_catalogue_says_what_people_need_to_choose() -> None:
    """Each entry has a sentence, where it runs, its extra, and its options with type, range and default."""
    entries = {entry.name: entry for entry in catalogue() if entry.name in OURS}
    assert set(entries) == OURS
    assert all(entry.summary.endswith((".", ")")) for entry in entries.values())
    assert entries["rnnoise"].placement is Placement.THREAD
    assert entries["gain"].placement is Placement.INLINE
    assert entries["webrtc_ns"].extra == "webrtc"
    (option,) = entries["highpass"].options
    assert (option.name, option.takes, option.default) == ("cutoff_hz", "a number from 10 to 1000", "80.0")
