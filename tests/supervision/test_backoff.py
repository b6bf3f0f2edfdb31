"""Waits between restarts, against the formula computed with unbounded fractions."""

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.supervision._backoff import LONGEST_NS, Backoff, BackoffState
from greenroom.supervision.errors import BadSpec

PLAIN = Backoff(initial_ns=100, max_ns=10_000, factor=2, jitter=0, healthy_ns=1_000, immediate_first=False)
MIDDLE = 0.5
"""The dice that add no jitter."""


@given(
    initial_ns=st.integers(1, 10**9),
    spread=st.integers(1, 10**6),
    factor=st.integers(1, 100) | st.floats(1, 100),
    jitter=st.floats(0, 1),
    dice=st.lists(st.floats(0, 1, exclude_max=True), max_size=30),
)
def test_each_wait_is_the_formulas(
    initial_ns: int, spread: int, factor: float, jitter: float, dice: list[float]
) -> None:
    """The n-th wait is ``min(max, min(max, initial * factor**n) * (1 + jitter * r))``: exponential, capped last."""
    max_ns = min(initial_ns * spread, LONGEST_NS)
    spec = Backoff(initial_ns=initial_ns, max_ns=max_ns, factor=factor, jitter=jitter, immediate_first=False)
    state = BackoffState(spec)
    for n, each in enumerate(dice):
        base = min(Fraction(max_ns), initial_ns * Fraction(factor) ** n)
        wanted = min(Fraction(max_ns), base * (1 + Fraction(jitter) * (2 * Fraction(each) - 1)))
        wait_ns = state.next(each)
        assert 0 <= wait_ns <= max_ns
        assert abs(wait_ns - wanted) <= 1 + wanted / 10**12


SPECS = st.builds(
    Backoff,
    initial_ns=st.integers(1, 9),
    max_ns=st.integers(9, 50),
    factor=st.integers(1, 4),
    jitter=st.sampled_from([0, 0.25, 1]),
    healthy_ns=st.integers(1, 9),
    immediate_first=st.booleans(),
)


RUNS = st.sampled_from(["a run", "a run", "just not healthy", "start", "end", "end", "wait", "wait", "wait"])


@settings(max_examples=400, deadline=None)
@given(
    SPECS,
    st.lists(st.integers(0, 12) | RUNS | RUNS | RUNS | SPECS, min_size=8, max_size=30),
    st.sampled_from([0.0, 0.125, 0.5, 0.875]),
)
def test_any_run_waits_as_the_formula_says(
    spec: Backoff, steps: list[int | str | Backoff], dice: float
) -> None:
    """Starts, ends, time, waits and live changes in any order: failures are forgotten by a healthy run alone, once."""
    state, failures, began_ns, now_ns = BackoffState(spec), 0, None, 0
    for step in steps:
        if isinstance(step, Backoff):
            spec = step
            state.change(spec)
        elif isinstance(step, int):
            now_ns += step
        elif step == "start":
            began_ns = now_ns
            state.started(now_ns)
        elif step in ("a run", "just not healthy"):
            state.started(now_ns)
            now_ns += spec.healthy_ns - (step != "a run")
            state.ended(now_ns)
            failures, began_ns = 0 if step == "a run" else failures, None
        elif step == "end":
            if began_ns is not None and now_ns - began_ns >= spec.healthy_ns:
                failures = 0
            began_ns = None
            state.ended(now_ns)
        else:
            waits = [0] if spec.immediate_first else []
            waits += [min(spec.max_ns, int(spec.initial_ns * spec.factor**n)) for n in range(failures + 1)]
            jittered = round(waits[failures] * (1 + Fraction(spec.jitter) * (2 * Fraction(dice) - 1)))
            assert state.next(dice) == min(spec.max_ns, jittered)
            failures += 1
            assert state.failures == failures


def test_the_waits_double() -> None:
    """Integers stay exact up to the cap."""
    state = BackoffState(PLAIN)
    assert [state.next(MIDDLE) for _ in range(9)] == [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]


def test_a_factor_of_less_than_two_grows_from_one_nanosecond() -> None:
    """The wait is a power and not a product of rounded waits, which would stay at 1 for ever."""
    state = BackoffState(replace(PLAIN, initial_ns=1, factor=1.1))
    waits_ns = [state.next(MIDDLE) for _ in range(200)]
    assert waits_ns[0] == 1
    assert waits_ns[-1] == 10_000


def test_the_cap_holds_after_the_jitter() -> None:
    """Dice in favour of a long wait do not get over the cap; dice against it still spread the children."""
    spec = replace(PLAIN, initial_ns=10_000, jitter=0.5)
    assert BackoffState(spec).next(0.999) == 10_000
    assert BackoffState(spec).next(0.0) == 5_000


@pytest.mark.parametrize("factor", [1, 2, 100, 1.0, 1.000001, 100.0])
def test_thousands_of_failures_do_not_overflow(factor: float) -> None:
    """A child that fails for years gets the cap, not an OverflowError, however large the power."""
    state = BackoffState(replace(PLAIN, factor=factor))
    waits_ns = [state.next(MIDDLE) for _ in range(5_000)]
    assert waits_ns == sorted(waits_ns)
    assert waits_ns[-1] <= PLAIN.max_ns
    assert state.failures == 5_000


def test_the_first_restart_comes_at_once_if_so_specified() -> None:
    """Then the first wait is before the second restart."""
    state = BackoffState(replace(PLAIN, immediate_first=True))
    assert [state.next(MIDDLE) for _ in range(3)] == [0, 100, 200]


@pytest.mark.parametrize(("ran_ns", "next_ns"), [(999, 400), (1_000, 100), (5_000, 100)])
def test_a_healthy_time_starts_over(ran_ns: int, next_ns: int) -> None:
    """Exactly the healthy time is enough; a nanosecond less is not."""
    state = BackoffState(PLAIN)
    state.next(MIDDLE)
    state.next(MIDDLE)
    state.started(7)
    state.ended(7 + ran_ns)
    assert state.next(MIDDLE) == next_ns


def test_a_start_that_fails_is_never_health() -> None:
    """The time between failed starts does not count, however long; nor does one run count twice."""
    state = BackoffState(PLAIN)
    state.started(0)
    state.ended(10)
    state.next(MIDDLE)
    state.ended(10**12)
    assert state.next(MIDDLE) == 200


def test_bugs_of_ours_are_asserted() -> None:
    """The clock is monotonic by contract."""
    state = BackoffState(PLAIN)
    state.started(5)
    with pytest.raises(AssertionError, match="backwards"):
        state.ended(4)


@pytest.mark.parametrize("dice", [-0.1, 1.0, math.nan, None, "0.5", []])
def test_dice_are_from_0_to_less_than_1(dice: Any) -> None:
    """Others would give waits that the spec does not have; no wait is counted."""
    state = BackoffState(PLAIN)
    with pytest.raises(BadSpec, match=r"dice is .*; it must be a number from 0 to less than 1"):
        state.next(dice)
    assert state.failures == 0


@pytest.mark.parametrize("spec", [None, 5, Backoff, {"initial_ns": 1}])
def test_a_state_has_a_spec(spec: Any) -> None:
    """When it is made, and when that is changed."""
    with pytest.raises(BadSpec, match=r"spec is .*; it must be a Backoff"):
        BackoffState(spec)
    state = BackoffState(PLAIN)
    with pytest.raises(BadSpec, match=r"spec is .*; it must be a Backoff"):
        state.change(spec)
    assert state.next(MIDDLE) == BackoffState(PLAIN).next(MIDDLE)


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("initial_ns", 0, "immediate_first"),
        ("initial_ns", 10_001, "from 1 to 10000"),
        ("initial_ns", 1.0, "an integer"),
        ("initial_ns", True, "an integer"),
        ("max_ns", 0, "an integer from 1"),
        ("max_ns", LONGEST_NS + 1, "an integer from 1"),
        ("factor", 0.99, "a number from 1 to 100"),
        ("factor", 101, "a number from 1 to 100"),
        ("factor", float("nan"), "a number from 1 to 100"),
        ("factor", float("inf"), "a number from 1 to 100"),
        ("factor", "2", "a number from 1 to 100"),
        ("factor", True, "a number from 1 to 100"),
        ("jitter", -0.1, "a number from 0 to 1"),
        ("jitter", 1.1, "a number from 0 to 1"),
        ("healthy_ns", 0, "an integer from 1"),
        ("healthy_ns", "30s", "an integer from 1"),
        ("immediate_first", 1, "True or False"),
    ],
)
def test_a_wrong_field_is_refused_by_name_and_value(field: str, value: object, hint: str) -> None:
    """The error says which field, what was given and what would do."""
    given: dict[str, object] = {"initial_ns": 100, "max_ns": 10_000, field: value}
    with pytest.raises(BadSpec, match=hint) as caught:
        Backoff(**given)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert caught.value.field == f"Backoff.{field}"
    assert caught.value.value is value
    assert repr(value) in str(caught.value)


def test_the_defaults_are_valid() -> None:
    """A spec without arguments can be made, restarts at once first, and is bounded by ten seconds."""
    state = BackoffState(Backoff())
    assert state.next(MIDDLE) == 0
    assert max(state.next(0.99) for _ in range(50)) == 10_000_000_000
