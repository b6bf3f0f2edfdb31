"""The sliding window of restarts, against OTP's own list and at its edges."""

from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.supervision._intensity import Intensity
from greenroom.supervision.errors import BadSpec


class Otp:
    """`supervisor:add_restart/1` as it stands, with a list that keeps everything."""

    def __init__(self, limit: int, period_ns: int) -> None:
        self.limit, self.period_ns = limit, period_ns
        self.restarts: list[int] = []

    def admit(self, now_ns: int) -> bool:
        self.restarts.append(now_ns)
        return self.in_window(now_ns) <= self.limit

    def in_window(self, now_ns: int) -> int:
        return len([at for at in self.restarts if now_ns - at <= self.period_ns])


@given(
    limit=st.integers(0, 5),
    period_ns=st.integers(1, 12),
    steps_ns=st.lists(st.integers(0, 8) | st.integers(0, 10**12), max_size=40),
)
def test_every_decision_is_otps(limit: int, period_ns: int, steps_ns: list[int]) -> None:
    """Any sequence of restarts is admitted as OTP admits it, and counted alike up to one past the limit."""
    ours, otp = Intensity(limit, period_ns), Otp(limit, period_ns)
    now_ns = 0
    for step_ns in steps_ns:
        now_ns += step_ns
        assert ours.in_window(now_ns) == min(otp.in_window(now_ns), limit + 1)
        assert ours.left(now_ns) == max(0, limit - otp.in_window(now_ns))
        assert ours.admit(now_ns) is otp.admit(now_ns)


STEP = st.integers(0, 3)


@settings(max_examples=300)
@given(
    limit=st.integers(2, 6),
    period_ns=st.integers(1, 30),
    steps=st.lists(STEP | STEP | st.tuples(st.integers(0, 6), st.integers(1, 30)), min_size=3, max_size=30),
)
def test_every_decision_after_a_live_change_is_otps(limit: int, period_ns: int, steps: list[Any]) -> None:
    """As OTP, which drops at each restart what is too old then: what was counted so far still counts."""
    ours, counted, now_ns = Intensity(limit, period_ns), list[int](), 0
    step: Any
    for step in steps:
        if isinstance(step, tuple):
            limit, period_ns = cast("tuple[int, int]", step)
            ours.change(limit, period_ns)
        else:
            now_ns += step
        recent = [at for at in counted if now_ns - at <= period_ns]
        assert ours.view(now_ns) == (len(recent), limit, period_ns)
        assert ours.left(now_ns) == max(0, limit - len(recent))
        if isinstance(step, tuple):
            continue
        counted = [*recent, now_ns]
        assert ours.admit(now_ns) is (len(counted) <= limit)
        if len(counted) > limit:
            return  # its supervisor gives up


@pytest.mark.parametrize(("later_ns", "admitted"), [(99, False), (100, False), (101, True)])
def test_a_restart_exactly_a_period_old_still_counts(later_ns: int, admitted: bool) -> None:
    """The window is closed at both ends: [now - period, now]."""
    intensity = Intensity(1, 100)
    assert intensity.admit(1_000)
    assert intensity.in_window(1_000 + later_ns) == (0 if admitted else 1)
    assert intensity.admit(1_000 + later_ns) is admitted


def test_an_intensity_of_zero_admits_nothing() -> None:
    """With no restart allowed the first one is one too many, at any time."""
    intensity = Intensity(0, 1)
    assert not intensity.admit(0)
    assert not intensity.admit(10**18)


def test_a_refused_restart_counts() -> None:
    """Failed attempts count: who keeps trying within the period stays refused."""
    intensity = Intensity(1, 10)
    assert [intensity.admit(at_ns) for at_ns in (0, 8, 16, 24, 35)] == [True, False, False, False, True]


def test_asking_changes_nothing() -> None:
    """A snapshot taken at a later time does not make the window forget."""
    intensity = Intensity(2, 10)
    intensity.admit(0)
    assert intensity.left(11) == 2
    assert intensity.in_window(10) == 1


def test_memory_is_bounded_by_the_limit() -> None:
    """A crash loop at one instant keeps no more than one time past the limit."""
    intensity = Intensity(3, 10**18)
    for at_ns in range(10_000):
        intensity.admit(at_ns)
    times_ns = intensity._times_ns  # pyright: ignore[reportPrivateUsage]  # no behaviour shows it
    assert len(times_ns) == 4


def test_time_that_goes_backwards_is_our_bug() -> None:
    """The clock is monotonic by contract."""
    intensity = Intensity(1, 10)
    intensity.admit(5)
    for ask in (intensity.admit, intensity.in_window, intensity.left):
        with pytest.raises(AssertionError, match="backwards"):
            ask(4)


NO_COUNTS: tuple[Any, ...] = (-1, None, "1", 1.5, True, 10**19, [])


@pytest.mark.parametrize("wrong", NO_COUNTS, ids=repr)
@pytest.mark.parametrize("field", ["limit", "period_ns"])
def test_limit_and_period_are_checked(field: str, wrong: Any) -> None:
    """When it is made, and when they are changed: then nothing is."""
    given = {"limit": 1, "period_ns": 10, field: wrong}
    with pytest.raises(BadSpec, match=rf"Intensity.{field} is .*; it must be an integer from"):
        Intensity(**given)
    intensity = Intensity(1, 10)
    with pytest.raises(BadSpec, match=rf"Intensity.{field} is .*; it must be an integer from"):
        intensity.change(**given)
    assert intensity.view(0) == (0, 1, 10)


def test_a_period_is_not_empty() -> None:
    """A limit may be 0."""
    assert not Intensity(0, 1).admit(0)
    with pytest.raises(BadSpec, match=r"Intensity.period_ns is 0"):
        Intensity(0, 0)


def test_a_limit_that_was_lowered_may_be_raised_again() -> None:
    """What was counted before still counts then (found by the naive model)."""
    intensity = Intensity(4, 100)
    assert [intensity.admit(at_ns) for at_ns in range(4)] == [True] * 4
    intensity.change(0, 100)
    intensity.change(4, 100)
    assert intensity.in_window(5) == 4
    assert not intensity.admit(5)
