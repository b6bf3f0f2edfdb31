"""Fixtures for the tests of the actors floor."""

from collections.abc import Iterator

import pytest
from tests.actors.threadkit import PATIENCE_S, Worker


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    """Two workers, whose threads end with the test."""
    made = [Worker(), Worker()]
    yield made
    for worker in made:
        worker.close()
    for worker in made:
        worker.thread.join(PATIENCE_S)
        assert not worker.thread.is_alive()
