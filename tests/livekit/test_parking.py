"""What is kept for tracks that may come back: for how long, for whom, and that nothing is kept for ever."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

pytest.importorskip("livekit", reason="the extra greenroom[livekit] is not installed")

from greenroom.actors import Lease, ProcessorSpec
from greenroom.adapters.livekit._parking import GRACE_S, LINGER_S, Parking

ANNA = ("anna", "microphone")
BEN = ("ben", "microphone")


class Timer:
    """One call that is due."""

    def __init__(self, at_s: float, what: Callable[[], None]) -> None:
        self.at_s = at_s
        self.what = what
        self.cancelled = False

    def cancel(self) -> None:
        """Call nothing."""
        self.cancelled = True


class Clock:
    """A loop's clock and its calls, which the test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.closed = False
        self._soon: list[Callable[[], None]] = []
        self._timers: list[Timer] = []
        self.looks = 0

    def time(self) -> float:
        """Return what time it is."""
        return self.now_s

    def is_closed(self) -> bool:
        """Whether nothing is called any more."""
        return self.closed

    def call_soon_threadsafe(self, what: Callable[[], None]) -> None:
        """Call in the next turn."""
        if self.closed:
            raise RuntimeError("Event loop is closed")
        self._soon.append(what)

    def call_at(self, at_s: float, what: Callable[[], None]) -> Timer:
        """Call when the time has come."""
        timer = Timer(at_s, what)
        self._timers.append(timer)
        return timer

    def turn(self) -> None:
        """Call what is to be called soon."""
        soon, self._soon = self._soon, []
        for what in soon:
            what()

    @property
    def timers(self) -> list[Timer]:
        """What is due, in order."""
        return sorted((t for t in self._timers if not t.cancelled), key=lambda timer: timer.at_s)

    def run_until(self, until_s: float) -> None:
        """Let time pass."""
        self.turn()
        while (due := self.timers) and due[0].at_s <= until_s:
            due[0].cancel()
            self.now_s = due[0].at_s
            self.looks += 1
            due[0].what()
            self.turn()
        self.now_s = until_s


class Kept:
    """A lease as far as it is looked at here."""

    def __init__(self, name: str = "denoise") -> None:
        self.spec = ProcessorSpec(name=name, factory=cast("Any", object))
        self.over = False
        self.given_back = 0

    def give_back(self) -> None:
        """Count it."""
        self.given_back += 1


def leases(*kept: Kept) -> list[Lease]:
    """Return them as what they stand in for."""
    return cast("list[Lease]", list(kept))


def parking() -> tuple[Parking, Clock]:
    """Return an empty one, and its clock."""
    clock = Clock()
    return Parking(cast("asyncio.AbstractEventLoop", clock)), clock


def test_what_goes_is_kept_for_a_moment() -> None:
    """Half a second, and not longer: then the lease is given back, once."""
    park, clock = parking()
    kept = Kept()
    park.park(ANNA, leases(kept))
    clock.run_until(LINGER_S - 0.01)
    counts = [kept.given_back]
    clock.run_until(2 * GRACE_S)
    assert [*counts, kept.given_back] == [0, 1]


def test_a_room_that_reconnects_keeps_it_longer_and_not_for_ever() -> None:
    """What was here already, and what comes meanwhile, is kept for the grace; whoever does not come back by then is over."""
    park, clock = parking()
    before, meanwhile = Kept(), Kept()
    park.park(ANNA, leases(before))
    clock.run_until(0.1)
    park.prolong()
    clock.run_until(5)
    park.park(BEN, leases(meanwhile))
    clock.run_until(GRACE_S)
    assert (before.given_back, meanwhile.given_back) == (0, 0)
    clock.run_until(GRACE_S + 0.1)
    assert (before.given_back, meanwhile.given_back) == (1, 0)
    clock.run_until(GRACE_S + 5)
    assert (before.given_back, meanwhile.given_back) == (1, 1)


def test_a_room_that_is_back_keeps_what_goes_for_the_moment_again() -> None:
    """After the reconnection a track that leaves is one that leaves."""
    park, clock = parking()
    park.prolong()
    park.shorten()
    kept = Kept()
    park.park(ANNA, leases(kept))
    clock.run_until(LINGER_S)
    assert kept.given_back == 1


def test_only_the_same_subject_and_an_equal_spec_get_it() -> None:
    """Handed over once, to the same participant and source, for the same processor; one that has ended to nobody."""
    park, clock = parking()
    kept, ended = Kept(), Kept("gone")
    ended.over = True
    park.park(ANNA, leases(kept, ended))
    assert park.take(BEN, [kept.spec]) == [None]
    taken: list[Any] = park.take(ANNA, [Kept("another").spec, kept.spec, kept.spec, ended.spec])
    assert taken == [None, kept, None, None]
    clock.run_until(1)
    assert (kept.given_back, ended.given_back) == (0, 1)


def test_without_a_loop_nothing_is_kept() -> None:
    """Nothing can come back then."""
    park, clock = parking()
    kept = Kept()
    clock.closed = True
    park.park(ANNA, leases(kept))
    assert kept.given_back == 1


def test_one_timer_however_much_is_kept() -> None:
    """A thousand streams that go in one burst are looked at together; with nothing kept nobody looks."""
    park, clock = parking()
    for number in range(100):
        park.park((f"p{number}", "microphone"), leases(Kept()))
    clock.turn()
    assert len(clock.timers) == 1
    clock.run_until(GRACE_S)
    assert clock.looks == 1
    assert not clock.timers


def test_a_room_that_is_connected_anew_keeps_what_goes_for_the_moment() -> None:
    """A reconnection that ended in a disconnection is not one for ever: everything goes, and the next room begins anew."""
    park, clock = parking()
    before, after = Kept(), Kept()
    park.prolong()
    park.park(ANNA, leases(before))
    park.clear()
    assert before.given_back == 1
    park.park(ANNA, leases(after))
    clock.run_until(LINGER_S)
    assert after.given_back == 1


def test_a_loop_that_is_closed_meanwhile_keeps_nothing_more() -> None:
    """What was planned is never done then: the next one to be kept gives everything back."""
    park, clock = parking()
    first, second = Kept(), Kept()
    park.park(ANNA, leases(first))
    clock.closed = True
    park.park(BEN, leases(second))
    assert (first.given_back, second.given_back) == (1, 1)
