"""The plugin is loaded at every start of pytest, also where nothing is simulated: it is light, and in nobody's way."""

import subprocess
import sys

import pytest

import greenroom.simulation
from greenroom.simulation import _public

pytest_plugins = ["pytester"]


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(told.stdout.split())


def test_the_plugin_loads_neither_the_floor_nor_what_is_below_it() -> None:
    """No actors, no NumPy: those come with the first name that a test asks the package for."""
    plugin = _loaded_by("import greenroom.simulation.pytest_plugin")
    assert not {
        each for each in plugin if each.startswith(("greenroom.actors", "greenroom.supervision", "numpy"))
    }
    used = _loaded_by("from greenroom.simulation import simulated")
    assert {"greenroom.actors", "greenroom.simulation.testing"} <= used


def test_every_public_name_can_be_had_from_the_package() -> None:
    """And they are listed for completion and for ``import *``; others are refused like of any module."""
    assert greenroom.simulation.__all__ == _public.__all__
    assert set(_public.__all__) <= set(dir(greenroom.simulation))
    for name in _public.__all__:
        assert getattr(greenroom.simulation, name) is getattr(_public, name)
    for name in ("nothing_of_that_name", "_nothing"):
        with pytest.raises(AttributeError, match=name):
            getattr(greenroom.simulation, name)


@pytest.mark.parametrize(
    "options",
    [("-W", "error"), ("--strict-markers", "--strict-config"), ("-p", "no:cacheprovider")],
)
def test_it_disturbs_nobody(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    """A project of others, strict about warnings and markers or without a cache: plain and simulated tests run as they should."""
    pytester.makepyfile(
        """
        import asyncio
        from unittest.mock import MagicMock
        from greenroom.simulation import simulated

        def test_plain():
            assert asyncio.run(asyncio.sleep(0, 3)) == 3

        @simulated(seeds=2)
        def test_simulated():
            "Two seeds."
        """
    )
    pytester.runpytest_subprocess("-p", "no:randomly", *options).assert_outcomes(passed=2)


def test_simulated_tests_are_spread_over_processes(pytester: pytest.Pytester) -> None:
    """With pytest-xdist, where it is installed; a failure is told as it is without."""
    pytest.importorskip("xdist")
    pytester.makepyfile(
        """
        from greenroom.simulation import simulated

        @simulated(seeds=2)
        def test_holds():
            "Two seeds."

        @simulated(seeds=2)
        async def test_fails(stage):
            raise ValueError("mine")
        """
    )
    result = pytester.runpytest_subprocess("-n", "2", "--simulate-seeds", "3")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*seed 0: the story raised ValueError: mine*"])
