"""Liveness budgets: what takes too long is found, once, and dealt with as the spec says."""

import threading
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.supervision.supkit import MS, PATIENCE_S, Hook, Tree, fail, flags, wait_until, worker

from greenroom.supervision import (
    START_LATER,
    Actor,
    ActorSystem,
    Backoff,
    BadSpec,
    ChildSpec,
    Crashed,
    Dispatcher,
    Fenced,
    Liveness,
    LivenessAction,
    Shutdown,
    ShutdownBudget,
    StopChild,
    Strategy,
    Supervisor,
    SupervisorFlags,
    Unresponsive,
    UpdateSupervisor,
    WhichChildren,
)
from greenroom.supervision._cell import Cell
from greenroom.supervision._watched import StampedLane
from greenroom.supervision.events import ActorEnded, ActorUnresponsive, Unresponsiveness
from greenroom.supervision.probes import Probe, Recorder
from greenroom.supervision.simulated import SimulatedRuntime
from greenroom.supervision.snapshot import FlightKind

WARN = Liveness(handler_ns=10 * MS)
OLD = Liveness(inbox_age_ns=10 * MS)


def restart(**limits: int) -> Liveness:
    """Return a budget past which the actor is restarted."""
    return Liveness(action=LivenessAction.RESTART, **limits)


def fence(**limits: int) -> Liveness:
    """Return a budget past which the actor is given up."""
    return Liveness(action=LivenessAction.FENCE, **limits)


def spend(ns: int) -> Hook:
    """Return what keeps a handler busy for so long."""

    def handler(actor: Probe) -> None:
        actor._cell.system.runtime.spend(ns)

    return handler


def linger(ns: int) -> Hook:
    """The same, while others go on."""

    def handler(actor: Probe) -> None:
        actor._cell.system.runtime.linger(ns)

    return handler


def later(_: Any) -> Any:
    """Acknowledge later."""
    return START_LATER


def incarnation(actor: Probe) -> int:
    """Say which it is."""
    return actor.incarnation


def heard(actor: Probe) -> list[Any]:
    """Say what it has heard."""
    return actor.heard


def hang(actor: Probe) -> None:
    """Never come back."""
    actor._cell.system.runtime.hang()


def told(tree: Tree) -> list[tuple[str, int, str]]:
    """Return what was found to take too long: which kind, for how many milliseconds, what."""
    return [(str(event.what), event.for_ns // MS, event.message) for event in tree.seen.of(ActorUnresponsive)]


# -- handlers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ms", "found"), [(9, []), (10, [10]), (25, [25])])
def test_a_handler_that_took_too_long_is_told_when_it_returns(
    ms: int, found: list[int], simulated: ActorSystem
) -> None:
    """Exactly: the limit itself is too long, a moment less is not."""
    tree = Tree(simulated, flags(), [worker("slow", liveness=WARN)])
    tree.child("slow").tell(spend(ms * MS))
    simulated.runtime.run_until_idle()
    assert told(tree) == [("handler", each, "function") for each in found]
    assert tree.states() == {"slow": 1}


def test_a_handler_that_hangs_is_told_when_its_limit_is_passed(simulated: ActorSystem) -> None:
    """At that very instant, once, with who and what."""
    tree = Tree(simulated, flags(), [worker("slow", liveness=WARN)])
    began_ns = simulated.runtime.now_ns()
    tree.child("slow").tell(hang)
    simulated.runtime.run_until_idle()
    (event,) = tree.seen.of(ActorUnresponsive)
    assert (event.path, event.incarnation, event.what) == ("top/slow", 1, Unresponsiveness.HANDLER)
    assert (event.for_ns, event.limit_ns, event.action) == (10 * MS, 10 * MS, LivenessAction.WARN)
    assert simulated.runtime.now_ns() == began_ns + 10 * MS
    tree.child("slow")._cell.fence("the test is over")


def test_each_slow_handler_is_told_once(simulated: ActorSystem) -> None:
    """An episode is one run of a handler, however long it goes on."""
    tree = Tree(simulated, flags(), [worker("slow", liveness=WARN)])
    for ms in (70, 5, 30):
        tree.child("slow").tell(linger(ms * MS))
    simulated.runtime.run_until_idle()
    assert told(tree) == [("handler", 10, "function")] * 2


class Busy(Actor):
    """Is slow in whatever it does, once it is told to be; watches a child of its own."""

    def __init__(self, slow_start: bool = False) -> None:
        self.slow_start = slow_start

    def on_start(self) -> None:
        """Start slowly."""
        if self.slow_start:
            self._cell.system.runtime.spend(50 * MS)

    def on_stop(self) -> None:
        """Stop slowly."""
        self._cell.system.runtime.spend(50 * MS)

    def slowly(self, *_: Any) -> None:
        """Take long."""
        self._cell.system.runtime.spend(20 * MS)

    def on_child(self, signal: Any) -> None:
        """Hear of a child slowly."""
        self.slowly()
        super().on_child(signal)

    def on_receive(self, message: Any) -> Any:
        """Begin something that will take long."""
        match message:
            case "timer":
                self.after(5 * MS, self.slowly)
            case "child":
                self.spawn(Probe, name="child")
            case "ask":
                return 7
            case _:
                self.when(message.ask("ask", block=False), self.slowly)
        return None


def test_handlers_of_timers_signals_and_continuations_are_watched(simulated: ActorSystem) -> None:
    """They are the actor's code too, and are told by their names."""
    tree = Tree(simulated, flags(), [ChildSpec(id="busy", start=Busy, liveness=WARN)])
    other = simulated.start(Busy)
    for message, name in (("timer", "Busy.slowly"), ("child", "ChildStarted"), (other, "Busy.slowly")):
        tree.child("busy").tell(message)
        simulated.runtime.run_until_idle()
        assert told(tree)[-1] == ("handler", 20, name)
    assert len(told(tree)) == 3


def test_starts_and_stops_are_not_watched(simulated: ActorSystem) -> None:
    """They have budgets of their own."""
    spec = ChildSpec(id="busy", start=Busy, args=(True,), liveness=restart(handler_ns=10 * MS))
    tree = Tree(simulated, flags(), [spec])
    simulated.runtime.run_until_idle()
    tree.ask(StopChild(child="busy"))
    assert told(tree) == []
    assert tree.states() == {"busy": "stopped"}


# -- the inbox ----------------------------------------------------------------------------------------------------


def test_a_message_that_waits_too_long_is_told_once(simulated: ActorSystem) -> None:
    """When the oldest one's time is over, whoever else waits; again when there was none that old in between."""
    tree = Tree(simulated, flags(), [worker("slow", liveness=OLD)])
    ref = tree.child("slow")
    for _ in range(2):
        ref.tell(linger(100 * MS))
        simulated.runtime.step()
        simulated.runtime.run_until_idle()
        before = len(told(tree))
        ref.tell(linger(30 * MS))
        ref.tell("waits")
        ref.tell("too")
        simulated.runtime.run_until_idle()
        assert told(tree)[before:] == [("inbox", 10, "str")]


def test_a_message_that_waited_too_long_is_told_when_it_is_handled(simulated: ActorSystem) -> None:
    """Where the handler before it took all the time at once, so that no timer could come in between."""
    tree = Tree(simulated, flags(), [worker("slow", liveness=OLD)])
    ref = tree.child("slow")
    ref.tell(spend(40 * MS))
    ref.tell("waits")
    simulated.runtime.run_until_idle()
    assert told(tree) == [("inbox", 40, "str")]


def test_an_incarnation_is_not_blamed_for_what_the_last_one_left(simulated: ActorSystem) -> None:
    """Messages that waited through a back-off count from the new start: else it would never come to them."""
    backoff = Backoff(initial_ns=100 * MS, jitter=0, immediate_first=False)
    spec = worker("child", liveness=restart(inbox_age_ns=10 * MS), backoff=backoff)
    tree = Tree(simulated, flags(), [spec])
    ref = tree.child("child")
    tree.end("child")
    tree.until(child="restarting")
    for _ in range(3):
        ref.tell(spend(2 * MS))
    tree.until(child=2)
    simulated.runtime.run_until_idle()
    assert told(tree) == []
    assert tree.states() == {"child": 2}


def test_an_old_inbox_restarts_its_actor(simulated: ActorSystem) -> None:
    """The message that was being handled is; those that wait are kept for the next incarnation."""
    tree = Tree(simulated, flags(), [worker("slow", liveness=restart(inbox_age_ns=10 * MS))])
    ref = tree.child("slow")
    first = ref.ask(linger(30 * MS), block=False)
    second = ref.ask(incarnation, block=False)
    assert second.get() == 2
    assert first.get() is None
    cause = tree.cause("slow")
    assert isinstance(cause, Crashed)
    assert isinstance(cause.exception, Unresponsive)
    assert "waited longer than 10 ms" in cause.exception.why


# -- what is done ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [spend, linger])
def test_restart_ends_a_slow_handler_at_its_next_step(how: Any, simulated: ActorSystem) -> None:
    """Its asker gets the answer; then it ends as a crash, whose cause says why, and counts as a restart."""
    spec = worker("slow", liveness=restart(handler_ns=10 * MS), shutdown_ns=100 * MS)
    tree = Tree(simulated, flags(), [spec])

    def slowly(actor: Probe) -> str:
        how(30 * MS)(actor)
        return "done"

    assert tree.child("slow").ask(slowly) == "done"
    tree.until(slow=2)
    cause = tree.cause("slow")
    assert isinstance(cause, Crashed)
    assert isinstance(cause.exception, Unresponsive)
    assert cause.exception.why == "its handler of function took longer than 10 ms"
    budget = simulated.snapshot().find("top/slow")
    assert budget is not None
    assert budget.restarts_in_window == 1
    assert not simulated.runtime.zombies
    simulated.runtime.run_until_idle()
    assert tree.states() == {"slow": 2}, "its stop timer hit the next one"


def test_restart_fences_what_hangs_after_its_shutdown_budget(simulated: ActorSystem) -> None:
    """So it is replaced, however long it hangs."""
    spec = worker("slow", liveness=restart(handler_ns=10 * MS), shutdown_ns=100 * MS)
    tree = Tree(simulated, flags(), [spec])
    began_ns = simulated.runtime.now_ns()
    tree.child("slow").tell(hang)
    tree.until(slow=2)
    cause = tree.cause("slow")
    assert isinstance(cause, Fenced)
    assert cause.reason.startswith(
        "its handler of function took longer than 10 ms, and it did not end within"
    )
    assert simulated.runtime.now_ns() == began_ns + 110 * MS
    assert told(tree) == [("handler", 10, "function")]


def test_restart_fences_a_brutal_child_at_once(simulated: ActorSystem) -> None:
    """It has no shutdown budget to end in."""
    spec = worker("slow", liveness=restart(handler_ns=10 * MS), shutdown_ns=ShutdownBudget.BRUTAL)
    tree = Tree(simulated, flags(), [spec])
    tree.child("slow").tell(hang)
    tree.until(slow=2)
    assert isinstance(tree.cause("slow"), Fenced)


def test_fence_gives_up_what_hangs_at_once(simulated: ActorSystem) -> None:
    """When its limit is passed, and not a moment later."""
    tree = Tree(simulated, flags(), [worker("slow", liveness=fence(handler_ns=10 * MS))])
    began_ns = simulated.runtime.now_ns()
    tree.child("slow").tell(hang)
    tree.until(slow=2)
    assert simulated.runtime.now_ns() == began_ns + 10 * MS
    assert tree.cause("slow") == Fenced("its handler of function took longer than 10 ms")


class Holder(Probe):
    """Tells when it is to release what it holds."""

    def on_given_up(self) -> None:
        """Say so."""
        self.heard.append((self.incarnation, self.given_up))


def test_fence_after_the_handler_has_returned_needs_no_other_thread(simulated: ActorSystem) -> None:
    """It has come back: it is given up all the same, and releases what it held, once."""
    released: list[Any] = []
    spec = ChildSpec(id="slow", start=Holder, kwargs={"heard": released}, liveness=fence(handler_ns=10 * MS))
    tree = Tree(simulated, flags(), [spec])
    assert tree.child("slow").ask(spend(20 * MS)) is None
    tree.until(slow=2)
    assert tree.cause("slow") == Fenced("its handler of function took longer than 10 ms")
    assert released == [(1, True)]
    assert not simulated.runtime.zombies


def test_too_many_restarts_for_being_slow_escalate(simulated: ActorSystem) -> None:
    """They are abnormal ends like others."""
    given = SupervisorFlags(intensity=1, period_ns=3600 * 1000 * MS)
    tree = Tree(simulated, given, [worker("slow", liveness=restart(handler_ns=10 * MS))])
    for _ in range(2):
        tree.child("slow").tell(spend(20 * MS)) if tree.ref.is_alive() else None
        simulated.runtime.run_until_idle()
    tree.gone()


def test_a_stop_while_it_is_slow_is_a_stop(simulated: ActorSystem) -> None:
    """Whose budget began when it was found to be slow; nobody is restarted for it."""
    spec = worker("slow", liveness=restart(handler_ns=10 * MS), shutdown_ns=100 * MS)
    tree = Tree(simulated, flags(), [spec])
    tree.child("slow").tell(hang)
    simulated.runtime.advance(50 * MS)
    began_ns = simulated.runtime.now_ns()
    tree.ask(StopChild(child="slow"))
    assert simulated.runtime.now_ns() == began_ns + 60 * MS
    assert tree.states() == {"slow": "stopped"}


# -- what it costs ------------------------------------------------------------------------------------------------


def test_only_who_is_watched_has_another_cell(system: ActorSystem) -> None:
    """Everybody else runs as if this did not exist."""
    tree = Tree(system, flags(), [worker("plain"), worker("watched", liveness=WARN)])
    assert type(tree.child("plain")._cell) is Cell
    assert type(tree.child("watched")._cell) is not Cell
    assert type(tree.child("plain")._cell.user) is not StampedLane


def test_there_is_one_timer_however_many_messages_there_are(simulated: ActorSystem) -> None:
    """And none when nothing is left to watch."""
    both = Liveness(handler_ns=10 * MS, inbox_age_ns=20 * MS)
    tree = Tree(simulated, flags(), [worker("child", liveness=both)])
    ref, runtime = tree.child("child"), simulated.runtime
    for number in range(200):
        ref.tell(number)
        assert runtime.live_timers() == 1
    while ref._cell.user:
        runtime.step()
        assert runtime.live_timers() <= 1
    runtime.run_until_idle()
    assert runtime.live_timers() == 0
    assert told(tree) == []


def test_the_watch_ends_with_its_incarnation(simulated: ActorSystem) -> None:
    """Its timer goes when the end begins, and does not hit the next one."""
    tree = Tree(simulated, flags(), [worker("child", liveness=restart(handler_ns=10 * MS, inbox_age_ns=MS))])
    tree.end("child")
    tree.until(child=2)
    assert simulated.runtime.live_timers() == 0
    simulated.runtime.advance(100 * MS)
    assert tree.states() == {"child": 2}
    tree.child("child").tell("hello")
    tree.stop()
    assert simulated.runtime.live_timers() == 0


@pytest.mark.parametrize("limit", ["handler_ns", "inbox_age_ns"])
def test_each_incarnation_is_watched_whose_last_one_was_stopped_for_a_group(
    limit: str, virtual: ActorSystem
) -> None:
    """Though nobody but its supervisor hears of that end: with observers an end takes more steps."""
    budget = restart(**{limit: 10 * MS})
    children = [worker("one"), worker("watched", liveness=budget)]
    top, started = virtual.launch(Supervisor, (flags(Strategy.ONE_FOR_ALL), children), name="top")
    started.get(timeout=PATIENCE_S)
    refs = {info.spec.id: info.ref for info in top.ask(WhichChildren())}
    refs["one"].tell(fail)
    refs["watched"].tell(spend(MS))  # the watch over the first one may have a timer still
    virtual.runtime.run_until_idle()
    assert {ref.incarnation for ref in refs.values()} == {2}
    assert virtual.runtime.live_timers() == 0
    seen = Recorder(virtual)
    refs["watched"].tell(spend(25 * MS))
    refs["watched"].tell("hello")
    virtual.runtime.run_until_idle()
    assert [(event.incarnation, event.for_ns) for event in seen.of(ActorUnresponsive)] == [(2, 25 * MS)]
    ends = [(event.path, event.incarnation, type(event.cause)) for event in seen.of(ActorEnded)]
    assert ends == [("top/watched", 2, Crashed), ("top/one", 2, Shutdown)]
    assert refs["watched"].incarnation == 3


@pytest.mark.parametrize("seed", range(40))
def test_every_handler_that_is_too_slow_is_told_and_no_other(seed: int) -> None:
    """Whatever comes in whichever order."""
    runtime = SimulatedRuntime(seed)
    dice = runtime.random
    with ActorSystem(runtime) as system:
        both = Liveness(handler_ns=10 * MS, inbox_age_ns=25 * MS)
        tree = Tree(system, flags(), [worker(f"child-{n}", liveness=both) for n in range(3)])
        refs = [tree.child(f"child-{n}") for n in range(3)]
        took: list[int] = []

        def work(ns: int) -> Any:
            def handler(actor: Probe) -> None:
                before_ns = runtime.now_ns()
                (runtime.spend if ns % 2 else runtime.linger)(ns)
                took.append(runtime.now_ns() - before_ns)

            return handler

        for _ in range(60):
            dice.choice(refs).tell(work(dice.randrange(20 * MS)))
            runtime.advance(dice.randrange(15 * MS))
        runtime.run_until_idle()
        found = [event for event in tree.seen.of(ActorUnresponsive) if event.what == "handler"]
        assert len(found) == sum(ns >= 10 * MS for ns in took)
        assert all(event.for_ns >= 10 * MS for event in found)
        assert runtime.live_timers() == 0


@given(st.lists(st.sampled_from(("append", "popleft", "extendleft", "appendleft", "pass"))))
def test_a_stamped_lane_is_a_deque_of_messages(steps: list[str]) -> None:
    """To everybody who does not ask for the stamps; and the oldest stamp is never the younger one."""
    times = iter(range(1_000_000))
    lane, plain = StampedLane(lambda: next(times)), deque[Any]()
    for number, step in enumerate(steps):
        if step == "popleft" and plain:
            assert lane.popleft() == plain.popleft()
        elif step == "extendleft":
            lane.extendleft([number, -number])
            plain.extendleft([number, -number])
        elif step in ("append", "appendleft"):
            getattr(lane, step)(number)
            getattr(plain, step)(number)
        assert len(lane) == len(plain)
        assert not plain or lane[0] == plain[0]
        pairs: list[tuple[Any, int]] = list(deque[Any].__iter__(lane))
        stamps = [stamp for _, stamp in pairs]
        assert stamps == sorted(stamps)


def wait_for(gate: threading.Event) -> Hook:
    """Return what hangs until the gate opens."""

    def handler(_: Probe) -> None:
        gate.wait(PATIENCE_S)

    return handler


# -- real threads -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dispatcher", Dispatcher)
@pytest.mark.parametrize("action", LivenessAction)
def test_a_real_handler_that_hangs_is_found(
    dispatcher: Dispatcher, action: LivenessAction, real: ActorSystem
) -> None:
    """On each kind of thread: told in all cases, and replaced where that was asked for."""
    gate = threading.Event()
    rules = Liveness(handler_ns=20 * MS, action=action)
    spec = worker("stuck", liveness=rules, dispatcher=dispatcher, shutdown_ns=30 * MS)
    tree = Tree(real, flags(), [spec])
    try:
        tree.child("stuck").tell(wait_for(gate))
        wait_until(real, lambda: tree.seen.of(ActorUnresponsive))
        if action is not LivenessAction.WARN:
            tree.until(stuck=2)
            assert isinstance(tree.cause("stuck"), Fenced)
            assert [zombie.path for zombie in real.snapshot().zombies] == ["top/stuck"]
    finally:
        gate.set()
    wait_until(real, lambda: not real.runtime.zombies)
    assert len(tree.seen.of(ActorUnresponsive)) == 1


def test_a_real_inbox_that_is_too_old_is_found(real: ActorSystem) -> None:
    """While the handler before it runs on."""
    gate = threading.Event()
    tree = Tree(real, flags(), [worker("stuck", liveness=Liveness(inbox_age_ns=20 * MS))])
    try:
        tree.child("stuck").tell(wait_for(gate))
        tree.child("stuck").tell("waits")
        wait_until(real, lambda: tree.seen.of(ActorUnresponsive))
    finally:
        gate.set()
    (event,) = tree.seen.of(ActorUnresponsive)
    assert (event.what, event.message) == (Unresponsiveness.INBOX, "str")


def test_a_watched_actor_on_real_threads_loses_nothing(real: ActorSystem) -> None:
    """Many senders, many timers: each message is handled once, in order, and nothing is left."""
    tree = Tree(real, flags(), [worker("child", liveness=Liveness(handler_ns=MS * 1000, inbox_age_ns=MS))])
    ref = tree.child("child")

    def send(sender: int) -> None:
        for number in range(500):
            ref.tell((sender, number))

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    got = ref.ask(heard, timeout=PATIENCE_S)
    for sender in range(4):
        assert [number for who, number in got if who == sender] == list(range(500))


# -- specs, logs and records ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "handler_ns"),
        ({"handler_ns": 0}, "handler_ns"),
        ({"handler_ns": True}, "handler_ns"),
        ({"handler_ns": 1.5}, "handler_ns"),
        ({"inbox_age_ns": -1}, "inbox_age_ns"),
        ({"inbox_age_ns": 10**18}, "inbox_age_ns"),
        ({"handler_ns": 5, "action": "warn"}, "action"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(given: dict[str, Any], field: str) -> None:
    """By name and value, when it is made."""
    with pytest.raises(BadSpec, match=f"Liveness.{field}"):
        Liveness(**given)


@pytest.mark.parametrize(("field", "value"), [("liveness", 5), ("record_messages", "yes")])
def test_a_child_takes_no_other_watch(field: str, value: Any) -> None:
    """Refused before anything starts."""
    with pytest.raises(BadSpec, match=f"ChildSpec.{field}"):
        worker("child", **{field: value})


def test_an_update_cannot_begin_to_watch_a_child_that_was_started_without(system: ActorSystem) -> None:
    """It would need another cell; a budget that is there can be changed."""
    tree = Tree(system, flags(), [worker("plain"), worker("watched", liveness=WARN)])
    refused: list[dict[str, Any]] = [{"liveness": OLD}, {"record_messages": True}]
    for wanted in refused:
        with pytest.raises(BadSpec, match=f"ChildSpec.{next(iter(wanted))}.*delete it"):
            tree.ask(UpdateSupervisor(children=(worker("plain", **wanted),)))
    tree.ask(UpdateSupervisor(children=(worker("plain"), worker("watched", liveness=OLD))))
    tree.end("watched")
    tree.until(plain=1, watched=2)
    cell: Any = tree.child("watched")._cell
    assert cell.liveness == OLD
    assert cell.vigil._rules == OLD


def test_what_takes_too_long_is_logged_and_recorded(
    simulated: ActorSystem, caplog: pytest.LogCaptureFixture
) -> None:
    """One line, and one entry in the flight recorder: types and times, no contents."""
    tree = Tree(simulated, flags(), [worker("slow", liveness=WARN)])
    tree.child("slow").tell(spend(30 * MS))
    simulated.runtime.run_until_idle()
    lines = [record for record in caplog.records if "actor.unresponsive" in record.getMessage()]
    assert len(lines) == 1
    found = simulated.snapshot().find("top/slow")
    assert found is not None
    assert [(entry.kind, entry.detail) for entry in found.recorder] == [
        (FlightKind.STARTED, ""),
        (FlightKind.UNRESPONSIVE, "handler function for 30ms"),
    ]


def test_a_supervisor_that_starts_late_is_watched_from_its_acknowledgement(simulated: ActorSystem) -> None:
    """What it does before that is its start, which has a budget of its own."""
    seen = Recorder(simulated)
    ref, started = simulated.launch(Probe, kwargs={"on_start": later}, name="late", liveness=WARN)
    simulated.runtime.advance(MS)
    cell = ref._cell
    cell.put_continuation(cell.life, lambda: simulated.runtime.spend(50 * MS), ())
    simulated.runtime.advance(MS)
    assert not seen.of(ActorUnresponsive)
    cell.put_continuation(cell.life, cell.actor.acknowledge, ())
    started.get()
    ref.tell(spend(50 * MS))
    simulated.runtime.run_until_idle()
    assert len(seen.of(ActorUnresponsive)) == 1


@pytest.mark.parametrize("everywhere", [True, False])
def test_message_types_are_recorded_where_that_was_asked_for(everywhere: bool) -> None:
    """For all actors of a system or for one child; never what is in them."""
    with ActorSystem(SimulatedRuntime(), record_messages=everywhere) as system:
        specs = [worker("a", record_messages=True), worker("b")]
        tree = Tree(system, flags(), specs)
        for name in ("a", "b"):
            tree.child(name).tell("sekrit")
            tree.child(name).ask(7)
        shown = {each.name: each for each in system.snapshot().actors}
        messages = {
            name: [entry.detail for entry in shown[name].recorder if entry.kind is FlightKind.MESSAGE]
            for name in ("a", "b")
        }
        assert messages == {"a": ["str", "int"], "b": ["str", "int"] if everywhere else []}
        assert "sekrit" not in system.snapshot().to_json()


def test_what_cannot_be_watched_is_refused(simulated: ActorSystem) -> None:
    """Where an actor is started without a spec, too: no budget that is none, and none for a task."""

    async def nothing() -> None:
        """Run."""

    wrong: Any = 5
    with pytest.raises(BadSpec, match="a Liveness"):
        simulated.launch(Probe, name="a", liveness=wrong)
    with pytest.raises(BadSpec, match="the event loop's"):
        simulated.launch(nothing, name="a", liveness=WARN)
