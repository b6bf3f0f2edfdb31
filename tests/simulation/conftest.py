"""Runs under simulation are many: what they log is not kept."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("greenroom")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)
