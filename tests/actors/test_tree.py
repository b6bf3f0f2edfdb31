"""What a snapshot of a session's tree says of its processors."""

from typing import Any

import pytest
from tests.actors.sessionkit import SECOND, Journal, play, sim, until

from greenroom.actors import ProcessorState, Session, SessionClosed
from greenroom.supervision.snapshot import ActorSnapshot, ActorState


def rows(session: Session) -> dict[str, ActorSnapshot]:
    """Return what a snapshot shows, by the ends of the paths."""
    return {each.path.removeprefix("session/"): each for each in session.system.snapshot().actors}


@sim
def test_a_degraded_processor_is_shown_so_and_its_worker_backing_off(seed: int) -> None:
    """With how many restarts it had, and how long until it is tried again; well again, it runs."""
    journal = Journal()
    broken: list[Any] = [True]

    def plan(_instance: int, what: str, _number: int) -> None:
        if what == "build" and broken:
            raise RuntimeError("cannot be built")

    journal.plan = plan

    async def story(session: Session) -> None:
        spec = journal.spec("p", intensity=2, backoff_ns=1, backoff_max_ns=1, retry_ns=SECOND)
        lease = await session.hold(spec)
        await until(session, lambda: session.snapshot().processors[0].state is ProcessorState.DEGRADED)
        shown = rows(session)
        assert shown["processors/p#1"].state is ActorState.DEGRADED
        worker = shown["processors/p#1/worker"]
        assert worker.state is ActorState.BACKING_OFF
        assert worker.backoff_left_ns is not None
        assert 0 < worker.backoff_left_ns <= SECOND
        (budget,) = worker.budgets
        assert (budget.owner, budget.intensity, budget.left) == ("session/processors/p#1", 2, 0)
        assert worker.last_failure is not None
        assert worker.last_failure.error == "RuntimeError"
        broken.clear()
        await until(session, lambda: session.snapshot().processors[0].state is ProcessorState.READY)
        assert rows(session)["processors/p#1"].state is ActorState.RUNNING
        assert rows(session)["processors/p#1/worker"].state is ActorState.RUNNING
        await lease.release()

    play(seed, story, lawful=False)


def test_a_session_that_was_not_entered_has_no_system() -> None:
    """It says so, as everything of it does."""
    with pytest.raises(SessionClosed, match="has not been entered"):
        _ = Session().system
