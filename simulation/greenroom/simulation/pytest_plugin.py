"""The pytest plugin: seeds and replays on the command line, and seeds that failed are tried first until they hold."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pytest's cache says nothing about what it keeps.

from collections.abc import Generator
from typing import Any, Final

import pytest

CACHE: Final = "greenroom/seeds"
KEPT: Final = 20
"""How many seeds that failed are remembered for each test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("greenroom", "simulated rooms")
    group.addoption("--simulate-seeds", type=int, metavar="N", help="run each @simulated test under N seeds")
    group.addoption(
        "--simulate-replay",
        default="",
        metavar="SEED|TOKEN",
        help="run each @simulated test that is selected under this seed, or repeat this token, alone",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what cannot be meant."""
    seeds = config.getoption("--simulate-seeds")
    if seeds is not None and seeds < 1:
        raise pytest.UsageError(f"--simulate-seeds is {seeds}; it must be a whole number from 1")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Tell a simulated test what the command line wants, and remember its seeds."""
    function = getattr(item, "function", None)
    if not hasattr(function, "greenroom_simulated"):
        return (yield)
    from greenroom.simulation.testing import Choice, choice  # noqa: PLC0415 - only simulated tests need it

    cache: pytest.Cache | None = getattr(item.config, "cache", None)  # absent with -p no:cacheprovider
    key = f"{CACHE}/{item.nodeid.replace('/', '_').replace('::', '.')}"
    kept: Any = None if cache is None else cache.get(key, None)
    known: list[int] = list(kept or ())

    def remember(seed: int) -> None:
        if cache is not None:
            cache.set(key, [seed, *(each for each in known if each != seed)][:KEPT])

    def forget() -> None:
        if cache is not None and known:
            cache.set(key, [])

    given = Choice(
        seeds=item.config.getoption("--simulate-seeds"),
        replay=str(item.config.getoption("--simulate-replay") or ""),
        first=known,
        on_failure=remember,
        on_success=forget,
    )
    choice.append(given)
    try:
        return (yield)
    finally:
        choice.pop()
