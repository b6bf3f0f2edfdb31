"""Groups step by step: what admin calls and further crashes do to an attempt that is under way."""

from greenroom.supervision._backoff import Backoff
from greenroom.supervision._decisions import CancelStart, Forget, Start, StartAfter, Stop
from greenroom.supervision._family import Family
from greenroom.supervision._restart import Cause, Crashed, Normal, Restart, Shutdown
from greenroom.supervision.spec import ChildSpec, Strategy, SupervisorFlags

CRASHED = Crashed(ValueError("on purpose"))
LATER = Backoff(initial_ns=7, max_ns=7, jitter=0, immediate_first=False)
ALL, REST = Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE


def nothing() -> None:
    """What children of pure rules start."""


def family(strategy: Strategy, names: str = "abc", backoff: Backoff | None = None) -> Family:
    """Return a family all of whose children run."""
    made = Family("top", SupervisorFlags(strategy=strategy, intensity=100))
    for name in names:
        made.add(ChildSpec(id=name, start=nothing, backoff=backoff))
        made.started(name, 0)
    return made


def ended(of: Family, name: str, cause: Cause = CRASHED) -> tuple[object, ...]:
    """Have a child end, and return what is decided."""
    return of.ended(name, cause, 0, 0.5)


def states(of: Family) -> str:
    """Return the first letters of all: Running, rEstarting (as e), Stopped, stopPing (as p), starting (as t)."""
    letters = {"running": "r", "restarting": "e", "stopped": "s", "stopping": "p", "starting": "t"}
    return "".join(letters[child.status] for child in of)


def test_an_attempt_goes_step_by_step() -> None:
    """Each stop waits for the one before, each start for the acknowledgement of the one before."""
    of = family(ALL)
    assert ended(of, "b") == (Stop("c"),)
    assert states(of) == "rep"
    assert ended(of, "c", Shutdown()) == (Stop("a"),)
    assert ended(of, "a", Shutdown()) == (Start("a"),)
    assert states(of) == "eee"
    assert of.started("a", 0) == (Start("b"),)
    assert of.started("b", 0) == (Start("c"),)
    assert of.started("c", 0) == ()
    assert states(of) == "rrr"
    assert of.is_settled


def test_a_temporary_child_that_ignores_its_start_while_its_group_is_stopped_goes() -> None:
    """Its start is waited for; it is not kept for the group to start."""
    of = family(ALL, "ab")
    of.add(ChildSpec(id="t", start=nothing, restart=Restart.TEMPORARY))
    assert ended(of, "a") == ()
    assert of.ignored("t") == (Forget("t"), Stop("b"))
    assert ended(of, "b", Shutdown()) == (Start("a"),)
    assert states(of) == "ee"


def test_a_group_waits_for_a_child_that_an_admin_call_is_stopping() -> None:
    """It is not passed by; and as it was stopped before the group began, it is started with the others (OTP)."""
    of = family(ALL)
    assert of.stop("c") == (Stop("c"),)
    assert ended(of, "a") == ()
    assert states(of) == "erp"
    assert ended(of, "c", Shutdown()) == (Stop("b"),)
    assert ended(of, "b", Shutdown()) == (Start("a"),)
    assert of.started("a", 0) == (Start("b"),)
    assert of.started("b", 0) == (Start("c"),)


def test_a_start_that_an_admin_call_began_is_waited_for() -> None:
    """It is not cut short, whether it succeeds or fails."""
    for fails in (False, True):
        of = family(ALL)
        of.add(ChildSpec(id="d", start=nothing))
        assert ended(of, "a") == ()
        if fails:
            assert of.failed("d", 0, 0.5) == (Forget("d"), Stop("c"))
            assert states(of) == "erp"
        else:
            assert of.started("d", 0) == (Stop("d"),)
            assert states(of) == "errp"


def test_a_member_that_is_stopped_leaves_the_group() -> None:
    """Whether it waits for its turn to be stopped, is being stopped, or waits for its turn to start."""
    of = family(ALL)
    ended(of, "b")
    assert of.stop("a") == (Stop("a"),)
    assert of.stop("c") == ()
    assert ended(of, "c", Shutdown()) == ()
    assert ended(of, "a", Shutdown()) == (Start("b"),)
    assert of.started("b", 0) == ()
    assert states(of) == "srs"
    of = family(ALL)
    ended(of, "a")
    ended(of, "c", Shutdown())
    assert ended(of, "b", Shutdown()) == (Start("a"),)
    assert of.stop("b") == ()
    assert of.started("a", 0) == (Start("c"),)
    assert states(of) == "rse"


def test_a_stop_of_the_one_that_starts_ends_the_attempt() -> None:
    """Those before it run, those after it stay down."""
    of = family(REST)
    ended(of, "a")
    ended(of, "c", Shutdown())
    ended(of, "b", Shutdown())
    assert of.started("a", 0) == (Start("b"),)
    assert of.stop("b") == (Stop("b"),)
    assert of.is_settled
    assert of.failed("b", 0, 0.5) == ()
    assert states(of) == "rss"


def test_a_group_whose_origin_was_stopped_does_not_wait() -> None:
    """The back-off was that child's: the others are started at once."""
    of = family(ALL, backoff=LATER)
    assert ended(of, "a") == (Stop("c"),)
    assert of.stop("a") == ()
    ended(of, "c", Shutdown())
    assert ended(of, "b", Shutdown()) == (Start("b"),)
    assert of.started("b", 0) == (Start("c"),)
    assert of.started("c", 0) == ()
    assert states(of) == "srr"


def test_a_group_waits_with_its_origin_restarting_and_the_rest_stopped() -> None:
    """When the wait is over, whoever was started meanwhile is stopped again, and all are started."""
    of = family(ALL, "ab", backoff=LATER)
    ended(of, "a")
    assert ended(of, "b", Shutdown()) == (StartAfter("a", 7),)
    assert states(of) == "es"
    assert of.restart("b") == (Start("b"),)
    assert of.started("b", 0) == ()
    assert of.due("a") == (Stop("b"),)
    assert ended(of, "b", Shutdown()) == (Start("a"),)
    assert of.started("a", 0) == (Start("b"),)


def test_a_crash_while_a_group_waits_begins_a_wait_of_its_own() -> None:
    """The earlier wait is taken back, and nobody it was for is lost."""
    for strategy in (ALL, REST):
        of = family(strategy, "ab", backoff=LATER)
        ended(of, "a")
        ended(of, "b", Shutdown())
        of.restart("b")
        of.started("b", 0)
        assert ended(of, "b") == (CancelStart("a"), StartAfter("b", 7))
        assert states(of) == "se"
        assert of.due("b") == (Start("a"),)
        assert of.started("a", 0) == (Start("b"),)


def test_whoever_waits_for_its_turn_is_a_member_of_each_attempt_that_follows() -> None:
    """A rest that waits keeps those before the one that crashed last, however many crash meanwhile."""
    of = family(REST, backoff=LATER)
    ended(of, "a")
    ended(of, "c", Shutdown())
    assert ended(of, "b", Shutdown()) == (StartAfter("a", 7),)
    for number, name in enumerate("bc"):
        of.restart(name)
        of.started(name, 0)
        assert ended(of, name) == (CancelStart("ab"[number]), StartAfter(name, 7))
    assert states(of) == "sse"
    assert of.due("c") == (Start("a"),)
    assert of.started("a", 0) == (Start("b"),)
    assert of.started("b", 0) == (Start("c"),)
    assert of.started("c", 0) == ()
    assert states(of) == "rrr"
    assert of.is_settled


def test_an_attempt_that_follows_another_starts_those_whom_an_update_has_put_first() -> None:
    """The rest of b waits, c among it; c is before b since an update when b fails again: both are started."""
    of = family(REST, "bc", backoff=LATER)
    assert ended(of, "b") == (Stop("c"),)
    assert ended(of, "c", Shutdown()) == (StartAfter("b", 7),)
    of.update(None, [ChildSpec(id=name, start=nothing, backoff=LATER) for name in "cb"])
    assert of.due("b") == (Start("b"),)
    assert of.failed("b", 7, 0.5) == (StartAfter("b", 7),)
    assert of.due("b") == (Start("c"),)
    assert of.started("c", 14) == (Start("b"),)
    assert of.started("b", 14) == ()
    assert states(of) == "rr"


def test_a_crash_while_a_group_waits_keeps_those_whom_an_update_has_put_before_it() -> None:
    """They are down because of the attempt that this one takes the place of, and are started by this one."""
    of = family(REST, backoff=LATER)
    assert ended(of, "b") == (Stop("c"),)
    assert ended(of, "c", Shutdown()) == (StartAfter("b", 7),)
    of.update(None, [ChildSpec(id=name, start=nothing, backoff=LATER) for name in "cab"])
    assert ended(of, "a") == (CancelStart("b"), StartAfter("a", 7))
    assert states(of) == "ses"
    assert of.due("a") == (Start("c"),)
    assert of.started("c", 7) == (Start("a"),)
    assert of.started("a", 7) == (Start("b"),)
    assert of.started("b", 7) == ()
    assert of.is_settled


def test_a_group_that_is_given_up_while_it_waits_promises_nothing() -> None:
    """Whoever stops the child that is waited for ends the attempt: a later crash takes no more than its own rest."""
    of = family(REST, backoff=LATER)
    assert ended(of, "a") == (Stop("c"),)
    ended(of, "c", Shutdown())
    assert ended(of, "b", Shutdown()) == (StartAfter("a", 7),)
    assert of.stop("a") == (CancelStart("a"),)
    of.restart("c")
    of.started("c", 0)
    assert ended(of, "c") == (StartAfter("c", 7),)
    assert of.due("c") == (Start("c"),)
    assert of.started("c", 7) == ()
    assert states(of) == "ssr"


def test_a_wait_that_was_taken_back_is_not_taken_back_again() -> None:
    """One whose wait has ended because of another's crash waits for its turn, and can be stopped as such."""
    of = family(ALL, backoff=LATER)
    ended(of, "a")
    ended(of, "c", Shutdown())
    assert ended(of, "b", Shutdown()) == (StartAfter("a", 7),)
    for name in "bc":
        of.restart(name)
        of.started(name, 0)
    assert ended(of, "b") == (CancelStart("a"), Stop("c"))
    assert of.stop("a") == ()
    assert ended(of, "c", Shutdown()) == (StartAfter("b", 7),)
    assert states(of) == "ses"


def test_a_crash_outside_of_a_group_that_is_stopping_takes_it_over() -> None:
    """An earlier child of a rest_for_one that crashes meanwhile: the rest is all from there on."""
    of = family(REST)
    assert ended(of, "b") == (Stop("c"),)
    assert ended(of, "a") == ()
    assert ended(of, "c", Shutdown()) == (Start("a"),)
    assert of.started("a", 0) == (Start("b"),)
    assert of.started("b", 0) == (Start("c"),)


def test_a_later_child_that_crashes_does_not_lose_the_group() -> None:
    """One that was added after an attempt began is no part of it; its crash begins another that takes all along."""
    of = family(REST, "ab")
    ended(of, "a")
    assert ended(of, "b", Shutdown()) == (Start("a"),)
    of.add(ChildSpec(id="z", start=nothing))
    of.started("z", 0)
    assert ended(of, "z") == (Stop("a"),)
    assert of.failed("a", 0, 0.5) == (Start("a"),)
    assert of.started("a", 0) == (Start("b"),)
    assert of.started("b", 0) == (Start("z"),)


def test_a_crash_of_a_member_about_to_be_stopped_is_not_counted() -> None:
    """It was going to be stopped anyway; even a normal end is followed by its start with the others."""
    of = Family("top", SupervisorFlags(strategy=ALL, intensity=1))
    for name in "abc":
        of.add(ChildSpec(id=name, start=nothing, restart=Restart.TRANSIENT))
        of.started(name, 0)
    assert ended(of, "a") == (Stop("c"),)
    assert ended(of, "b") == ()
    assert ended(of, "c", Normal()) == (Start("a"),)
    assert of.restarts_in_window(0) == 1


def test_a_temporary_member_goes_and_the_group_goes_on() -> None:
    """Stopped with its group it is forgotten, and not started."""
    of = Family("top", SupervisorFlags(strategy=ALL, intensity=1))
    for name, restart in (("a", Restart.PERMANENT), ("t", Restart.TEMPORARY)):
        of.add(ChildSpec(id=name, start=nothing, restart=restart))
        of.started(name, 0)
    assert ended(of, "a") == (Stop("t"),)
    assert ended(of, "t", Shutdown()) == (Forget("t"), Start("a"))
    assert of.started("a", 0) == ()
    assert states(of) == "r"


def test_a_stop_of_the_one_that_waits_ends_the_group() -> None:
    """Nothing is left to wait for: the others stay stopped."""
    of = family(ALL, "ab", backoff=LATER)
    ended(of, "a")
    ended(of, "b", Shutdown())
    assert of.stop("a") == (CancelStart("a"),)
    assert of.is_settled
    assert of.due("a") == ()
    assert states(of) == "ss"


def test_a_later_crash_takes_over_those_that_are_still_being_stopped() -> None:
    """Even if the one because of whom they are has been stopped for good meanwhile."""
    of = family(REST)
    assert ended(of, "a") == (Stop("c"),)
    of.add(ChildSpec(id="z", start=nothing))
    of.started("z", 0)
    assert of.stop("a") == ()
    assert ended(of, "z") == ()
    assert ended(of, "c", Shutdown()) == (Stop("b"),)
    assert ended(of, "b", Shutdown()) == (Start("b"),)
    assert of.started("b", 0) == (Start("c"),)
    assert of.started("c", 0) == (Start("z"),)
    assert of.started("z", 0) == ()
    assert states(of) == "srrr"


def test_an_update_changes_the_backoff_of_who_runs() -> None:
    """From none to one, from one to another with the failures so far, and back to none."""
    of = family(Strategy.ONE_FOR_ONE, "a")
    for spec, wanted in (
        (LATER, StartAfter("a", 7)),
        (Backoff(initial_ns=5, max_ns=100, jitter=0, immediate_first=False), StartAfter("a", 10)),
        (None, Start("a")),
    ):
        of.update(None, [ChildSpec(id="a", start=nothing, backoff=spec)])
        assert ended(of, "a") == (wanted,)
        of.due("a")
        of.started("a", 0)
