"""The table of restart types and ends."""

import pytest

from greenroom.supervision._restart import (
    Cause,
    Crashed,
    FailedToStart,
    Fenced,
    Normal,
    Restart,
    Shutdown,
    is_abnormal,
    should_restart,
)

WANTED: list[Cause] = [Normal(), Shutdown(), Shutdown("the room is over")]
UNWANTED: list[Cause] = [Crashed(ValueError()), Fenced("overran 5 s"), FailedToStart(OSError())]


@pytest.mark.parametrize("cause", WANTED + UNWANTED, ids=repr)
def test_permanent_is_always_restarted(cause: Cause) -> None:
    """permanent_normal, permanent_shutdown, permanent_abnormal."""
    assert should_restart(Restart.PERMANENT, cause)


@pytest.mark.parametrize("cause", WANTED + UNWANTED, ids=repr)
def test_temporary_is_never_restarted(cause: Cause) -> None:
    """temporary_normal, temporary_shutdown, temporary_abnormal."""
    assert not should_restart(Restart.TEMPORARY, cause)


@pytest.mark.parametrize("cause", WANTED, ids=repr)
def test_transient_stays_down_after_an_end_that_was_wanted(cause: Cause) -> None:
    """transient_normal, transient_shutdown; a detail does not make a shutdown abnormal."""
    assert not is_abnormal(cause)
    assert not should_restart(Restart.TRANSIENT, cause)


@pytest.mark.parametrize("cause", UNWANTED, ids=repr)
def test_transient_is_restarted_after_an_end_that_was_not(cause: Cause) -> None:
    """transient_abnormal: crashed, fenced and failed to start alike."""
    assert is_abnormal(cause)
    assert should_restart(Restart.TRANSIENT, cause)
