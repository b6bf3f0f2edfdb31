"""What a processor is told, against a model that knows the laws and not the way."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from greenroom.actors._context import (
    Call,
    ClearCredentials,
    ClearStreamInfo,
    ContextRule,
    PushCredentials,
    PushStreamInfo,
)
from greenroom.actors.context import NO_CONTEXT, Context, Credentials, StreamInfo

INFO_A = StreamInfo(room_name="lobby", participant_identity="guest-1", publication_sid="TR_1")
INFO_B = StreamInfo(room_name="stage", participant_identity="guest-2", publication_sid="TR_2")
NOBODY = StreamInfo(room_name="lobby", participant_identity="", publication_sid="TR_1")
NO_SID = StreamInfo(room_name="lobby", participant_identity="guest-1", publication_sid="")
OLD, NEW = Credentials(token="old"), Credentials(token="new")
IN_A = Context(stream_info=INFO_A, credentials=OLD, publication=1)
IN_B = Context(stream_info=INFO_B, credentials=NEW, publication=1)


def push_info(context: Context) -> PushStreamInfo:
    """Return the call that pushes this context's stream info."""
    assert context.stream_info is not None
    return PushStreamInfo(info=context.stream_info, publication=context.publication)


def push_credentials(context: Context) -> PushCredentials:
    """Return the call that pushes this context's credentials."""
    assert context.credentials is not None
    return PushCredentials(credentials=context.credentials)


def settle(rule: ContextRule) -> list[Call]:
    """Carry out what is due, and show it; a second plan must be empty."""
    calls = list(rule.plan())
    for call in calls:
        rule.applied(call)
    assert rule.plan() == ()
    return calls


def entered(*contexts: Context) -> ContextRule:
    """Return a rule whose leases 1, 2 ... entered these, one after the other."""
    rule = ContextRule()
    for lease_id, context in enumerate(contexts, start=1):
        rule.want(lease_id, context)
        settle(rule)
    return rule


def test_entering_a_room_pushes_the_info_and_then_the_credentials() -> None:
    """Nothing is said before; both are said in this order; nothing more afterwards."""
    rule = ContextRule()
    assert rule.plan() == ()
    rule.want(1, IN_A)
    assert settle(rule) == [push_info(IN_A), push_credentials(IN_A)]
    assert rule.told == IN_A == rule.effective


def test_a_refresh_pushes_the_credentials_alone() -> None:
    """A new token does not make the processor start over."""
    rule = entered(IN_A)
    rule.want(1, Context(stream_info=INFO_A, credentials=NEW, publication=1))
    assert settle(rule) == [PushCredentials(credentials=NEW)]


def test_a_republication_pushes_both_even_where_nothing_else_changed() -> None:
    """A full reconnect often brings the same sids back; the processor hears of it all the same."""
    rule = entered(IN_A)
    again = Context(stream_info=INFO_A, credentials=OLD, publication=2)
    rule.want(1, again)
    assert settle(rule) == [push_info(again), push_credentials(again)]


def test_new_stream_info_pushes_both() -> None:
    """Equal credentials too: they belong to the stream info that they follow."""
    rule = entered(IN_A)
    moved = Context(stream_info=INFO_B, credentials=OLD, publication=1)
    rule.want(1, moved)
    assert settle(rule) == [push_info(moved), push_credentials(moved)]


def test_credentials_are_due_again_when_only_the_info_was_applied() -> None:
    """A plan that is interrupted after the info goes on with the credentials, though they are equal to the last."""
    rule = entered(IN_A)
    rule.want(1, Context(stream_info=INFO_B, credentials=OLD, publication=1))
    rule.applied(rule.plan()[0])
    assert settle(rule) == [PushCredentials(credentials=OLD)]


def test_a_worker_restart_pushes_both_again() -> None:
    """The new processor was told nothing; one that is in no room is not told to forget anything either."""
    rule = entered(IN_A)
    rule.worker_restarted()
    assert settle(rule) == [push_info(IN_A), push_credentials(IN_A)]
    rule.drop(1)
    rule.worker_restarted()
    assert settle(rule) == []


@pytest.mark.parametrize(
    "ways", [("leave",), ("drop",), ("leave", "drop"), ("leave", "leave", "drop", "drop")]
)
def test_leaving_clears_both_once_however_many_ways_say_so(ways: tuple[str, ...]) -> None:
    """A participant leaves, its track ends, its lease ends: one clear of each."""
    rule = entered(IN_A)
    calls: list[Call] = []
    for way in ways:
        if way == "drop":
            rule.drop(1)
        else:
            rule.want(1, NO_CONTEXT)
        calls += settle(rule)
    assert calls == [ClearStreamInfo(), ClearCredentials()]
    assert rule.told == NO_CONTEXT == rule.effective


def test_a_leave_that_is_interrupted_goes_on_where_it_was() -> None:
    """After the info is cleared the credentials are still due, and the info is not cleared again."""
    rule = entered(IN_A)
    rule.drop(1)
    rule.applied(rule.plan()[0])
    assert rule.told == Context(credentials=OLD)
    assert settle(rule) == [ClearCredentials()]


def test_another_lease_in_a_room_takes_over_instead_of_a_clear() -> None:
    """The newest that is left is effective; nobody clears what is pushed over."""
    rule = entered(IN_A, IN_B)
    assert rule.told == IN_B
    rule.drop(2)
    assert settle(rule) == [push_info(IN_A), push_credentials(IN_A)]


def test_a_lease_with_equal_values_takes_over_in_silence() -> None:
    """Two streams of one track: that one of them ends is nothing to a processor."""
    rule = entered(IN_A, IN_A)
    rule.drop(2)
    assert settle(rule) == []


def test_a_lease_that_has_not_heard_of_the_republication_does_not_undo_it() -> None:
    """The number is lower for a moment; what it stands for was pushed already."""
    rule = entered(IN_A, Context(stream_info=INFO_A, credentials=OLD, publication=2))
    rule.drop(2)
    assert settle(rule) == []
    rule.want(1, Context(stream_info=INFO_A, credentials=OLD, publication=2))
    assert settle(rule) == []
    again = Context(stream_info=INFO_A, credentials=OLD, publication=3)
    rule.want(1, again)
    assert settle(rule) == [push_info(again), push_credentials(again)]


def test_an_older_lease_that_changes_does_not_become_the_newest() -> None:
    """A token refreshed in another room is not this one's business."""
    rule = entered(IN_A, IN_B)
    rule.want(1, Context(stream_info=INFO_A, credentials=NEW, publication=5))
    assert settle(rule) == []


@pytest.mark.parametrize("info", [None, NOBODY, NO_SID])
def test_a_context_without_identity_or_sid_is_never_pushed(info: StreamInfo | None) -> None:
    """Nor are its credentials; and the newest lease that is complete stays effective."""
    incomplete = Context(stream_info=info, credentials=NEW, publication=9)
    assert settle_new(incomplete) == []
    rule = entered(IN_A)
    rule.want(2, incomplete)
    assert settle(rule) == []
    rule.want(1, incomplete)
    assert settle(rule) == [ClearStreamInfo(), ClearCredentials()]


def settle_new(context: Context) -> list[Call]:
    """Settle a new rule with one lease."""
    rule = ContextRule()
    rule.want(1, context)
    return settle(rule)


def test_a_room_without_credentials_is_entered_with_its_info_alone() -> None:
    """What was never pushed is not cleared either; credentials that come later are pushed when they come."""
    bare = Context(stream_info=INFO_A, publication=1)
    rule = entered(bare)
    assert rule.told == bare
    rule.want(1, IN_A)
    assert settle(rule) == [push_credentials(IN_A)]
    assert settle_new(bare) == [push_info(bare)]
    rule = entered(bare)
    rule.drop(1)
    assert settle(rule) == [ClearStreamInfo()]


def test_another_rooms_credentials_never_stay_with_new_stream_info() -> None:
    """A room without credentials takes away those that were pushed for the last one."""
    bare = Context(stream_info=INFO_B, publication=1)
    rule = entered(IN_A)
    rule.want(1, bare)
    assert settle(rule) == [push_info(bare), ClearCredentials()]
    rule.want(1, Context(stream_info=INFO_B, credentials=NEW, publication=1))
    settle(rule)
    rule.want(1, bare)
    assert settle(rule) == [ClearCredentials()]


CONTEXTS = st.builds(
    Context,
    stream_info=st.sampled_from([None, NOBODY, NO_SID, INFO_A, INFO_B]),
    credentials=st.sampled_from([None, OLD, NEW]),
    publication=st.integers(0, 3),
)


class Processor:
    """LiveKit's contract from the other side: it notes what it knows and refuses what it may not be told."""

    def __init__(self) -> None:
        self.info: StreamInfo | None = None
        self.credentials: Credentials | None = None

    def hear(self, call: Call) -> None:
        match call:
            case PushStreamInfo():
                assert call.info.complete
                self.info = call.info
            case PushCredentials():
                assert self.info is not None, "credentials before any stream info"
                self.credentials = call.credentials
            case ClearStreamInfo():
                assert self.info is not None, "cleared twice"
                self.info = None
            case ClearCredentials():
                assert self.credentials is not None, "cleared twice"
                self.credentials = None


class ContextMachine(RuleBasedStateMachine):
    """Any order of wants, ends, restarts and half-done plans leaves the processor with what the newest lease wants."""

    def __init__(self) -> None:
        super().__init__()
        self.rule = ContextRule()
        self.wanted: list[tuple[int, Context]] = []
        self.processor = Processor()
        self.leases = 0
        self.due = False
        """Whether anything has happened since the last full plan that could be a reason to push."""

    def effective(self) -> Context:
        complete = [
            c
            for _, c in sorted(self.wanted, key=lambda pair: pair[0])
            if c.stream_info and c.stream_info.complete
        ]
        return complete[-1] if complete else NO_CONTEXT

    @rule(context=CONTEXTS)
    def grant(self, context: Context) -> None:
        self.leases += 1
        self.wanted.append((self.leases, context))
        self.rule.want(self.leases, context)
        self.due = True

    @precondition(lambda self: self.wanted)
    @rule(data=st.data(), context=CONTEXTS)
    def change(self, data: st.DataObject, context: Context) -> None:
        at = data.draw(st.integers(0, len(self.wanted) - 1))
        self.wanted[at] = (self.wanted[at][0], context)
        self.rule.want(self.wanted[at][0], context)
        self.due = True

    @rule(lease_id=st.integers(1, 6))
    def drop(self, lease_id: int) -> None:
        self.wanted = [row for row in self.wanted if row[0] != lease_id]
        self.rule.drop(lease_id)
        self.due = True

    @rule()
    def restart(self) -> None:
        self.processor = Processor()
        self.rule.worker_restarted()
        self.due = True

    @rule(count=st.integers(1, 2))
    def carry_out(self, count: int) -> None:
        """Carry out the plan, or the first call of it before the next thing happens."""
        calls = self.rule.plan()
        assert self.due or not calls, "pushed again without a reason"
        kinds = [isinstance(call, PushStreamInfo | ClearStreamInfo) for call in calls]
        assert kinds in ([], [True], [False], [True, False]), "stream info first, one call of each kind"
        for call in calls[:count]:
            self.processor.hear(call)
            self.rule.applied(call)
        if count >= len(calls):
            self.due = False
            self.at_rest()

    def at_rest(self) -> None:
        """Law 3 of the design: at rest, what was applied last is the effective context, or cleared."""
        wanted = self.effective()
        assert self.processor.info == wanted.stream_info
        assert self.processor.credentials == wanted.credentials

    @invariant()
    def the_rule_knows_what_is_effective_and_what_was_told(self) -> None:
        assert self.rule.effective == self.effective()
        assert self.rule.told.stream_info == self.processor.info
        assert self.rule.told.credentials == self.processor.credentials


ContextMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
TestContextAgainstTheProcessor = ContextMachine.TestCase
