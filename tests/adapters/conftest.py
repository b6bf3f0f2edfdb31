"""Fixtures of the adapters' tests."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.adapters.signals import Signals


@pytest.fixture(scope="session")
def signals() -> Signals:
    """Give the maker of signals."""
    return Signals()


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[Callable[[Path, int], None]]:
    """Give a function that sets a path's mode and drops root's right to ignore it, until the test ends."""
    changed: list[Path] = []
    root = os.geteuid() == 0

    def restrict(path: Path, mode: int) -> None:
        path.chmod(mode)
        changed.append(path)
        if root:
            for folder in tmp_path.parents[:3]:
                folder.chmod(folder.stat().st_mode | 0o111)
            tmp_path.chmod(0o755)
            os.seteuid(65534)

    yield restrict
    if root:
        os.seteuid(0)
    for path in changed:
        path.chmod(0o755)
