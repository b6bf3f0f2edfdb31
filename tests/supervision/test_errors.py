"""Errors: what they are, what they say, and what they never say."""

import pykka
import pytest

from greenroom.supervision import _task_errors, errors
from greenroom.supervision._task_errors import BlockingOnLoop, LoopClosed
from greenroom.supervision.errors import (
    ActorCrashed,
    ActorDead,
    ActorEnding,
    ActorFenced,
    ActorStopped,
    AlreadyPresent,
    AlreadyRegistered,
    AlreadyStarted,
    AskCycle,
    AskTimeout,
    BadSpec,
    BlockingInHandler,
    ChildError,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    Deadlock,
    LeaseRefused,
    LinkEnded,
    MailboxFull,
    MaxChildren,
    NotForDynamic,
    Restless,
    RuntimeClosed,
    StartFailed,
    SupervisionError,
    Unresponsive,
)

SECRET = "eyJhbGciOi"
CAUSE = ValueError(SECRET)
EXAMPLES: list[tuple[SupervisionError, type[Exception], str]] = [
    (BadSpec("ChildSpec.id", "", "a text"), ValueError, "ChildSpec.id is ''; it must be a text"),
    (ActorDead("mic"), pykka.ActorDeadError, "actor 'mic' is dead"),
    (ActorDead("mic", 2), pykka.ActorDeadError, "actor 'mic' (incarnation 2) is dead"),
    (
        ActorStopped("mic", 2),
        ActorDead,
        "actor 'mic' (incarnation 2) stopped before it answered; the message was not handled",
    ),
    (
        ActorFenced("mic"),
        ActorDead,
        "actor 'mic' was fenced before it answered; the message may have been handled in part",
    ),
    (ActorCrashed("mic", 3, CAUSE), RuntimeError, "actor 'mic' (incarnation 3) crashed with ValueError"),
    (
        AlreadyRegistered("stage", "top/mic"),
        RuntimeError,
        "the name 'stage' is registered for actor 'top/mic'",
    ),
    (
        LinkEnded("mic", 2, CAUSE),
        RuntimeError,
        "actor 'mic' (incarnation 2), which this one was linked with, ended with ValueError",
    ),
    (
        LinkEnded("mic", 2, None),
        RuntimeError,
        "actor 'mic' (incarnation 2), which this one was linked with, was fenced",
    ),
    (
        AskCycle(("a", "b", "a")),
        RuntimeError,
        "this would wait for ever: 'a' waits for 'b' waits for 'a'",
    ),
    (
        Unresponsive("mic", "a handler took 5 s"),
        TimeoutError,
        "actor 'mic' is not responsive: a handler took 5 s",
    ),
    (MailboxFull("mic", 8), RuntimeError, "the mailbox of actor 'mic' is full (8 messages)"),
    (
        AskTimeout("mic", 500_000_000),
        pykka.Timeout,
        "no answer from actor 'mic' within 0.5 s; it may still come",
    ),
    (AskTimeout("mic", 1), TimeoutError, "no answer from actor 'mic' within 1e-09 s; it may still come"),
    (
        BlockingInHandler("mic", "get()"),
        RuntimeError,
        (
            "actor 'mic' called get() in a handler on the shared pool; go on in a message instead, "
            "or give the actor a thread of its own (Dispatcher.PINNED)"
        ),
    ),
    (StartFailed("mic", CAUSE), RuntimeError, "child 'mic' failed to start with ValueError"),
    (ChildNotFound("mic", known=("room", "stage")), LookupError, "no child 'mic'; known: room, stage"),
    (
        ChildNotFound("stagee", known=("room", "stage")),
        LookupError,
        "no child 'stagee'; did you mean 'stage'? known: room, stage",
    ),
    (ChildNotFound("mic"), LookupError, "no child 'mic'; there are none"),
    (ChildError("mic"), RuntimeError, "child 'mic' is not in a state for that"),
    (AlreadyStarted("mic"), ChildError, "child 'mic' is already started"),
    (
        AlreadyPresent("mic"),
        ChildError,
        "child 'mic' is already present and does not run; restart it, or stop and delete it first",
    ),
    (ChildRunning("mic"), ChildError, "child 'mic' is running; stop it first"),
    (
        ChildRestarting("mic"),
        ChildError,
        "child 'mic' is being restarted; wait for it, or stop it to end the attempts",
    ),
    (
        NotForDynamic("rooms", "restart"),
        RuntimeError,
        (
            "supervisor 'rooms' is dynamic and keeps no stopped children, so there is none to restart; "
            "start a new one (StartChild)"
        ),
    ),
    (
        MaxChildren("rooms", 5),
        RuntimeError,
        "supervisor 'rooms' has its 5 children; SupervisorFlags.max_children allows no more",
    ),
    (
        LeaseRefused("mic", 1, "it is over"),
        RuntimeError,
        "no lease for actor 'mic' (incarnation 1): it is over",
    ),
    (RuntimeClosed(), RuntimeError, "the runtime is closed"),
    (ActorEnding("mic"), RuntimeError, "actor 'mic' is ending; it cannot start children any more"),
    (
        ActorEnding("mic", "receive letters"),
        RuntimeError,
        "actor 'mic' is ending; it cannot receive letters any more",
    ),
    (
        BlockingOnLoop("mic", "get()", "await it"),
        BlockingInHandler,
        "'mic' called get() on an event loop, which it would block; await it",
    ),
    (
        LoopClosed("mic"),
        RuntimeError,
        "the event loop of task 'mic' is closed; it cannot run there",
    ),
    (
        Deadlock("mic", ("room/mic",)),
        RuntimeError,
        "nothing can complete what is awaited from 'mic' any more; hung: room/mic",
    ),
    (
        Deadlock("mic", ()),
        RuntimeError,
        "nothing can complete what is awaited from 'mic' any more; nothing hangs, so it was never going to be answered",
    ),
    (
        BlockingInHandler("mic", "time.sleep()", "room.py:3 in on_start"),
        RuntimeError,
        (
            "actor 'mic' called time.sleep() at room.py:3 in on_start, in a simulation, in which nothing waits; "
            "go on in a message instead, or let time pass with the runtime's `linger`"
        ),
    ),
    (
        Restless(9),
        RuntimeError,
        "still busy after 9 steps; a timer or an actor that feeds itself never rests",
    ),
]


@pytest.mark.parametrize(("error", "builtin", "text"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_an_error_is_also_the_builtin_it_is_and_says_what_would_do(
    error: SupervisionError, builtin: type[Exception], text: str
) -> None:
    """Each leaf can be caught as the builtin, and its text is built from its facts."""
    assert isinstance(error, builtin)
    assert isinstance(error, SupervisionError)
    assert str(error) == text


def test_every_error_has_an_example_here() -> None:
    """A new error is not added without saying what it says."""
    defined = {
        each
        for module in (errors, _task_errors)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Exception)
    }
    assert defined - {SupervisionError} == {type(error) for error, _, _ in EXAMPLES}


@pytest.mark.parametrize("error", [ActorCrashed("mic", 3, CAUSE), StartFailed("mic", CAUSE)])
def test_the_cause_is_kept_and_its_text_is_not_repeated(error: ActorCrashed | StartFailed) -> None:
    """The text of a foreign exception may hold a token; the traceback has the cause anyway."""
    assert error.cause is CAUSE
    assert error.__cause__ is CAUSE
    assert SECRET not in str(error)
    assert SECRET not in repr(error.args)


def test_the_facts_are_attributes() -> None:
    """Programs read attributes, not texts."""
    assert AlreadyStarted("mic", ref="the ref").ref == "the ref"
    assert ChildNotFound("stagee", known=("room", "stage")).nearest == "stage"
    assert AskTimeout("mic", 2).timeout_ns == 2
    assert MaxChildren("rooms", 5).limit == 5


def test_a_long_list_of_names_is_cut() -> None:
    """A supervisor of thousands does not print them all; the attribute has them."""
    error = ChildNotFound("x", known=[f"child-{n}" for n in range(1_000)])
    assert str(error).endswith("child-9, ...")
    assert len(error.known) == 1_000


def test_a_long_value_is_cut() -> None:
    """A value of a megabyte given by mistake does not become a message of a megabyte."""
    assert len(str(BadSpec("ChildSpec.id", "x" * 1_000_000, "shorter"))) < 200
