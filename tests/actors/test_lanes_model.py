"""Hosts and lanes under random interleavings, against what must hold whatever happens.

One thread plays all: what other threads do at the same time is done inside a call of the processor, or inside a delivery.
"""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from tests.actors.lanekit import MS, ManualExecutor, Puppet, Recorder, Stage, frame

from greenroom.actors._host import Lane
from greenroom.actors.frames import Frame
from greenroom.actors.processors import OnFault, Placement, Reason

LANES = 2
REASONS = st.sampled_from([Reason.WARMING, Reason.DEGRADED])
WHICH = st.integers(0, LANES - 1)


class LaneMachine(RuleBasedStateMachine):
    """Sends, steps, faults, revocations, watches, installs and closes, in any order and inside one another."""

    placement = Placement.THREAD

    @initialize(
        wait=st.booleans(),
        policy=st.sampled_from(OnFault),
        capacity=st.integers(1, 4),
        late=st.integers(0, 3),
    )
    def begin(self, wait: bool, policy: OnFault, capacity: int, late: int) -> None:
        self.stage = Stage(placement=self.placement, wait=wait, on_fault=policy, capacity=capacity)
        self.capacity = capacity
        self.wait = wait
        self.lanes: list[tuple[Lane, Recorder]] = [self.stage.lane() for _ in range(LANES)]
        self.sent: list[list[Frame]] = [[] for _ in range(LANES)]
        self.sending = [False] * LANES
        self.closing = [False] * LANES
        self.drained = [0] * LANES
        self.workers: list[ManualExecutor] = []
        self.puppets: list[Puppet] = []
        self.idle = 0
        self.quiescing = False
        if late:
            self.install("fine")

    # What happens; each may also happen inside a call or a delivery.

    @rule(which=WHICH, count=st.integers(1, 5))
    def send(self, which: int, count: int) -> None:
        if self.sending[which] or self.closing[which] or self.quiescing or self.would_wait():
            return
        self.sending[which] = True
        begin = len(self.sent[which])
        frames = [frame(number, samples=4) for number in range(begin, begin + count)]
        self.sent[which].extend(frames)
        self.lanes[which][0].push(frames)
        self.sending[which] = False

    def would_wait(self) -> bool:
        """Whether a call is running that an inline lane would wait for; one thread cannot play that."""
        running = any(puppet.inside and not puppet.forbidden for puppet in self.puppets)
        return running and self.placement is Placement.INLINE

    @rule(which=WHICH, count=st.integers(1, 5), turns=st.integers(1, 3))
    def send_and_step(self, which: int, count: int, turns: int) -> None:
        self.send(which, count)
        self.step(turns)

    @rule(plan=st.sampled_from(["fine", "raise", "wrong", "slow"]))
    def install(self, plan: str) -> None:
        if self.puppets:
            self.puppets[-1].plan = None
        puppet = Puppet()
        self.puppets.append(puppet)
        self.plan_call(plan)
        if self.placement is Placement.THREAD or not self.workers:
            self.workers.append(ManualExecutor())
        self.stage.host.install(puppet, self.workers[-1])
        for earlier in self.puppets[:-1]:
            earlier.forbidden = not earlier.inside or earlier.forbidden

    @rule(plan=st.sampled_from(["raise", "wrong", "slow", "fine"]))
    def plan_call(self, plan: str) -> None:
        if not self.puppets:
            return

        def act(given: Frame) -> object:
            self.stage.runtime.assert_no_lock_held()
            if plan == "raise":
                raise ValueError(plan)
            if plan == "wrong":
                return given.samples
            if plan == "slow":
                self.watch(0)
                self.watch(250)
            return None

        self.puppets[-1].plan = act

    @rule(what=st.data())
    def plan_inside(self, what: st.DataObject) -> None:
        """Something happens while the next call runs."""
        if not self.puppets:
            return
        action, raises = self.action(what), what.draw(st.booleans())

        def act(_: Frame) -> None:
            action()
            if raises:
                raise ValueError("after that")

        self.puppets[-1].plan = act

    @rule(which=WHICH, what=st.data())
    def plan_delivery(self, which: int, what: st.DataObject) -> None:
        """Something happens while the next delivery runs."""
        self.lanes[which][1].hook = self.action(what)

    def action(self, what: st.DataObject) -> Callable[[], None]:
        which, count, reason = what.draw(WHICH), what.draw(st.integers(1, 4)), what.draw(REASONS)
        name = what.draw(
            st.sampled_from(["send", "revoke", "suspend", "watch", "install", "close", "discard"])
        )
        return {
            "send": lambda: self.send(which, count),
            "revoke": lambda: self.revoke(reason),
            "suspend": lambda: self.stage.host.suspend(reason),
            "watch": lambda: self.watch(count * 60),
            "install": lambda: self.install("fine"),
            "close": lambda: self.close(which, discard=False),
            "discard": lambda: self.close(which, discard=True),
        }[name]

    @rule(turns=st.integers(1, 4))
    def step(self, turns: int) -> None:
        for worker in self.workers:
            for _ in range(turns):
                worker.step()

    @rule(reason=REASONS, hang=st.booleans(), again=st.integers(0, 3))
    def upset(self, reason: Reason, hang: bool, again: int) -> None:
        """The worker is replaced; mostly another comes at once."""
        if hang:
            self.revoke(reason)
        else:
            self.stage.host.suspend(reason)
        if again:
            self.install("fine")

    def revoke(self, reason: Reason) -> None:
        self.stage.host.revoke(reason)
        for puppet in self.puppets:
            puppet.forbidden = True

    @rule(after_ms=st.integers(0, 250))
    def watch(self, after_ms: int) -> None:
        self.stage.watch(after_ms * MS)

    @rule(which=WHICH, discard=st.booleans(), really=st.integers(0, 3))
    def sometimes_close(self, which: int, discard: bool, really: int) -> None:
        if really == 0:
            self.close(which, discard=discard)

    def close(self, which: int, discard: bool) -> None:
        if self.closing[which] or self.sending[which]:
            return
        self.closing[which] = True
        self.lanes[which][0].close(lambda: self.on_drained(which), discard=discard)

    def on_drained(self, which: int) -> None:
        self.drained[which] += 1

    def teardown(self) -> None:
        """At the end everything is let out, and the books are made."""
        if not hasattr(self, "stage"):
            return
        for puppet in self.puppets:
            puppet.plan = None
        for _, recorder in self.lanes:
            recorder.hook = None
        for which in range(LANES):
            self.close(which, discard=False)
        self.quiescing = True
        self.stage.host.quiesce(self.on_idle)
        self.drain()
        self.stage.host.suspend(Reason.DEGRADED)
        self.drain()
        assert self.idle == 1
        assert self.drained == [1] * LANES
        for which, (lane, recorder) in enumerate(self.lanes):
            self.check(self.sent[which], recorder)
            for puppet in self.puppets:
                puppet.forbidden = True
            lane.send(frame(len(self.sent[which]), samples=4))
        self.drain()
        assert len({epoch for epoch, _ in self.stage.faults}) == len(self.stage.faults)
        bypasses = sum((recorder.bypasses for _, recorder in self.lanes), Counter[Reason]())
        drops = Counter(reason for _, recorder in self.lanes for reason in recorder.drops.values())
        assert self.stage.host.counts() == bypasses + drops

    def on_idle(self) -> None:
        assert not any(puppet.inside for puppet in self.puppets if not puppet.forbidden)
        self.idle += 1

    def drain(self) -> None:
        for worker in self.workers:
            worker.drain()
        self.stage.watch()

    def check(self, sent: list[Frame], recorder: Recorder) -> None:
        """Order is kept, none is doubled, and what is missing was dropped for a reason."""
        numbers = recorder.numbers
        assert numbers == sorted(set(numbers))
        assert set(numbers) | set(recorder.drops) == set(range(len(sent)))
        assert not set(numbers) & set(recorder.drops)
        by_policy = [out for out in recorder.frames if "by" not in out.annotations]
        assert len(by_policy) == recorder.bypasses.total()
        if self.wait:
            assert Reason.OVERFLOW not in recorder.bypasses


class InlineMachine(LaneMachine):
    """The same with an inline host; only one producer is inside the processor at a time."""

    placement = Placement.INLINE


@pytest.mark.parametrize("machine", [LaneMachine, InlineMachine])
def test_no_interleaving_breaks_the_laws(machine: type[LaneMachine]) -> None:
    """Order is kept, nothing is lost without a reason or doubled, no old epoch is heard of, quiet is quiet."""
    run_state_machine_as_test(
        machine, settings=settings(max_examples=300, stateful_step_count=30, deadline=None)
    )
