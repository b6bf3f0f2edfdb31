"""The lease ledger, against a list of tuples that is searched from end to end."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from greenroom.supervision._ledger import (
    Decision,
    Decisions,
    Demonitor,
    LastLeaseEnded,
    LeaseEnd,
    LeaseEnded,
    LeaseId,
    Ledger,
    Monitor,
)
from greenroom.supervision.errors import LeaseRefused

Row = tuple[int, str, int]
"""Lease, holder, incarnation."""


class NaiveLedger:
    """The same answers from plain lists, by looking at everything every time."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.ended: list[tuple[str, int]] = []
        self.granted = 0
        self.closed = False

    def known_ended(self, holder: str, incarnation: int) -> bool:
        return any(name == holder and n >= incarnation for name, n in self.ended)

    def holds(self, holder: str, incarnation: int) -> bool:
        return any((name, n) == (holder, incarnation) for _, name, n in self.rows)

    def grant(self, holder: str, incarnation: int) -> list[Decision] | None:
        if self.closed or self.known_ended(holder, incarnation):
            return None
        return self._after([*self.rows, (self.granted + 1, holder, incarnation)], granted=1)

    def release(self, lease: int) -> list[Decision]:
        return self._after([row for row in self.rows if row[0] != lease])

    def end(self, holder: str, incarnation: int) -> list[Decision]:
        self.ended.append((holder, incarnation))
        return self._after([row for row in self.rows if row[1:] != (holder, incarnation)])

    def transfer(self, lease: int, holder: str, incarnation: int) -> list[Decision] | None:
        if (lease, holder, incarnation) in self.rows:
            return []
        if lease not in [row[0] for row in self.rows] or self.known_ended(holder, incarnation):
            return None
        return self._after([(lease, holder, incarnation) if row[0] == lease else row for row in self.rows])

    def _after(self, rows: list[Row], granted: int = 0) -> list[Decision]:
        """Derive the decisions by comparing what was with what is."""
        before, self.rows = self.rows, rows
        self.granted += granted
        was = {row[1:] for row in before}
        now = {row[1:] for row in rows}
        gone = [row for row in before if row[0] not in [each[0] for each in rows]]
        decisions: list[Decision] = [Monitor(holder=h, incarnation=n) for h, n in now - was]
        for lease, holder, incarnation in gone:
            died = (holder, incarnation) in self.ended
            cause = LeaseEnd.HOLDER_ENDED if died else LeaseEnd.RELEASED
            decisions.append(LeaseEnded(lease_id=LeaseId(lease), cause=cause))
        decisions += [Demonitor(holder=h, incarnation=n) for h, n in was - now if (h, n) not in self.ended]
        if before and not rows:
            self.closed = True
            decisions.append(LastLeaseEnded())
        return decisions


HOLDERS = st.sampled_from("abc")
INCARNATIONS = st.integers(1, 3)
LEASES = st.integers(1, 8).map(LeaseId)


class LedgerMachine(RuleBasedStateMachine):
    """Both ledgers get the same events and must give the same decisions in the same order."""

    def __init__(self) -> None:
        super().__init__()
        self.ours = Ledger(remembered_ends=3)  # no more than that are there
        self.naive = NaiveLedger()
        self.monitored: set[tuple[object, int]] = set()
        self.ended: list[LeaseId] = []
        self.last_ended = 0

    @rule(holder=HOLDERS, incarnation=INCARNATIONS)
    def grant(self, holder: str, incarnation: int) -> None:
        wanted = self.naive.grant(holder, incarnation)
        if wanted is None:
            with pytest.raises(LeaseRefused):
                self.ours.grant(holder, incarnation, 0)
            return
        lease_id, decisions = self.ours.grant(holder, incarnation, self.naive.granted)
        assert lease_id == self.naive.granted
        self.perform(decisions, wanted)

    @rule(lease_id=LEASES)
    def release(self, lease_id: LeaseId) -> None:
        self.perform(self.ours.release(lease_id), self.naive.release(lease_id))

    @rule(holder=HOLDERS, incarnation=INCARNATIONS)
    def holder_ended(self, holder: str, incarnation: int) -> None:
        self.monitored.discard((holder, incarnation))
        self.perform(self.ours.holder_ended(holder, incarnation), self.naive.end(holder, incarnation))

    @rule(lease_id=LEASES, holder=HOLDERS, incarnation=INCARNATIONS)
    def transfer(self, lease_id: LeaseId, holder: str, incarnation: int) -> None:
        wanted = self.naive.transfer(lease_id, holder, incarnation)
        if wanted is None:
            with pytest.raises(LeaseRefused):
                self.ours.transfer(lease_id, holder, incarnation)
            return
        self.perform(self.ours.transfer(lease_id, holder, incarnation), wanted)

    @rule(holder=HOLDERS)
    def gather(self, holder: str) -> None:
        """Give all leases to one holder, the newest first."""
        for lease, _, _ in reversed(self.naive.rows):
            self.transfer(LeaseId(lease), holder, 1)

    @precondition(lambda self: self.naive.closed)
    @rule(holder=HOLDERS)
    def grant_after_the_end(self, holder: str) -> None:
        with pytest.raises(LeaseRefused, match="being closed"):
            self.ours.grant(holder, 99, 0)

    def perform(self, decisions: Decisions, wanted: list[Decision]) -> None:
        """Carry decisions out as an actor would, and fail where one makes no sense."""
        assert list(decisions) == wanted
        for decision in decisions:
            match decision:
                case Monitor():
                    key = (decision.holder, decision.incarnation)
                    assert key not in self.monitored
                    self.monitored.add(key)
                case Demonitor():
                    self.monitored.remove((decision.holder, decision.incarnation))
                case LeaseEnded():
                    assert decision.lease_id not in self.ended
                    self.ended.append(decision.lease_id)
                case LastLeaseEnded():
                    self.last_ended += 1

    @invariant()
    def the_live_leases_are_the_same(self) -> None:
        live = [(each.lease_id, each.holder, each.incarnation) for each in self.ours.leases()]
        assert live == self.naive.rows
        assert all(each.granted_ns == each.lease_id for each in self.ours.leases()), (
            "granted at the time of its id"
        )
        assert len(self.ours) == len(self.naive.rows)

    @invariant()
    def who_holds_is_watched_and_nobody_else(self) -> None:
        assert self.monitored == {row[1:] for row in self.naive.rows}

    @invariant()
    def the_last_lease_ends_at_most_once(self) -> None:
        assert self.last_ended == self.ours.closed == self.naive.closed


LedgerMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
TestLedgerAgainstTheNaiveOne = LedgerMachine.TestCase


def granted(ledger: Ledger, holder: str, incarnation: int = 1) -> LeaseId:
    """Grant a lease at 7 ns and return its id."""
    return ledger.grant(holder, incarnation, 7)[0]


def test_the_end_of_an_incarnation_leaves_the_next_ones_leases_alone() -> None:
    """A late notice of the old incarnation takes nothing from the new one."""
    ledger = Ledger()
    old, new = granted(ledger, "a", 1), granted(ledger, "a", 2)
    assert ledger.holder_ended("a", 1) == (LeaseEnded(lease_id=old, cause=LeaseEnd.HOLDER_ENDED),)
    assert [each.lease_id for each in ledger.leases()] == [new]


def test_an_incarnation_known_to_have_ended_gets_nothing() -> None:
    """Nor does an earlier one; the error says who and why."""
    ledger = Ledger()
    ledger.holder_ended("a", 2)
    for incarnation in (1, 2):
        with pytest.raises(LeaseRefused, match="this incarnation has ended") as caught:
            ledger.grant("a", incarnation, 0)
        assert (caught.value.holder, caught.value.incarnation) == ("a", incarnation)
    assert ledger.grant("a", 3, 0)[1] == (Monitor(holder="a", incarnation=3),)


def test_an_earlier_end_that_is_heard_later_does_not_bring_the_dead_back() -> None:
    """The highest incarnation known to have ended counts, whatever the order of the notices."""
    ledger = Ledger()
    ledger.holder_ended("a", 2)
    ledger.holder_ended("a", 1)
    assert ledger.knows_ended("a", 2)
    assert not ledger.knows_ended("a", 3)
    assert not ledger.knows_ended("b", 1)


def test_leases_end_oldest_first_even_when_one_came_by_transfer() -> None:
    """The order is that of the grants, so a run in the simulator replays."""
    ledger = Ledger()
    first, second = granted(ledger, "a"), granted(ledger, "b")
    ledger.transfer(first, "b", 1)
    ends = [each.lease_id for each in ledger.holder_ended("b", 1) if isinstance(each, LeaseEnded)]
    assert ends == [first, second]


def test_a_transfer_watches_the_receiver_before_it_forgets_the_giver() -> None:
    """There is no instant in which a live lease is watched by nobody, and it keeps id, age and place."""
    ledger = Ledger()
    lease_id = granted(ledger, "a")
    newer = granted(ledger, "c")
    assert ledger.transfer(lease_id, "b", 4) == (
        Monitor(holder="b", incarnation=4),
        Demonitor(holder="a", incarnation=1),
    )
    lease = ledger.find(lease_id)
    assert lease is not None
    assert (lease.holder, lease.incarnation, lease.granted_ns) == ("b", 4, 7)
    assert ledger.leases()[-1].lease_id == newer


def test_a_transfer_to_the_one_that_has_it_changes_nothing() -> None:
    """It is neither watched twice nor forgotten."""
    ledger = Ledger()
    lease_id = granted(ledger, "a")
    assert ledger.transfer(lease_id, "a", 1) == ()
    assert len(ledger) == 1


def test_a_refused_transfer_changes_nothing() -> None:
    """To one that has ended, or of a lease that has: the giver keeps what it had."""
    ledger = Ledger()
    lease_id = granted(ledger, "a")
    ledger.holder_ended("b", 1)
    before = ledger.leases()
    with pytest.raises(LeaseRefused, match="this incarnation has ended"):
        ledger.transfer(lease_id, "b", 1)
    with pytest.raises(LeaseRefused, match="lease 99 has ended"):
        ledger.transfer(LeaseId(99), "c", 1)
    assert ledger.leases() == before


def test_memory_does_not_grow_with_the_holders_that_ever_were() -> None:
    """The oldest end is forgotten first; one heard of again is young again."""
    ledger = Ledger(remembered_ends=2)
    for holder in ("a", "b", "a", "c"):
        ledger.holder_ended(holder, 1)
    assert [ledger.knows_ended(holder, 1) for holder in "abc"] == [True, False, True]


def test_a_ledger_that_never_granted_is_open() -> None:
    """Only the end of a last lease closes; a death of somebody without one does not."""
    ledger = Ledger()
    assert ledger.holder_ended("a", 1) == ()
    assert ledger.release(LeaseId(1)) == ()
    assert not ledger.closed
    assert ledger.find(LeaseId(1)) is None
