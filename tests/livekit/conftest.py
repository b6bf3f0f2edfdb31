"""However the SDK is when the tests have ended, the run ends as they did."""

from tests.livekit.leaving import pytest_sessionfinish, pytest_unconfigure

__all__ = ["pytest_sessionfinish", "pytest_unconfigure"]
