"""What is looked at between two steps: each law can fail, and what it needs of a scenario is there."""

from typing import Any

import pytest

from greenroom.actors import EventKind, ProcessorState, Reason
from greenroom.simulation import Fault, FaultPlan, Outcome, Scenario, Setting, Stage, run


def scene(**opened: Any) -> Any:
    """Return the beginning of a story: one stream through one processor."""
    begun = Scenario.named("one").part("p", capacity_frames=4).open_room(room="a", token="t1")
    begun.publish(track="x", room="a", participant="ann")
    return begun.open_stream(stream="s", track="x", through=("p",), **opened)


def played(story: Any, **given: Any) -> Outcome:
    """Run a story."""
    return run(story.build() if hasattr(story, "build") else story, **given)


def law_of(outcome: Outcome) -> int:
    """Return the number of the law that does not hold."""
    assert outcome.failure is not None
    return outcome.failure.law


async def one_stream(stage: Stage) -> tuple[Any, Any]:
    """Open a room, a track and a stream, and wait until frames come through."""
    room = await stage.session.open_room("a", credentials=stage.credentials("t1"))
    track = await room.add_track("TR_1", participant="ann", source=stage.source("x"))
    stream = await track.open_stream([stage.spec("p")], sink=stage.sink("s", ("p",)))
    await stage.elapse(100_000_000)
    return track, stream


@pytest.mark.parametrize("holds", [1, 3])
def test_no_more_frames_are_kept_for_who_reads_than_the_scenario_says(holds: int) -> None:
    """The oldest are dropped, and counted."""
    stages: list[Stage] = []
    played(scene(reader="nobody", holds=holds).wait(ms=100), on_stage=stages.append).check()
    (past,) = stages[0].session.record().past_streams
    dropped = past.snapshot().dropped
    assert dropped[Reason.CLOSED] == holds
    assert dropped[Reason.OVERFLOW] > 3


def test_a_lane_that_holds_too_much_is_noticed() -> None:
    """While it does, although something runs."""

    async def story(stage: Stage) -> None:
        _, stream = await one_stream(stage)
        lane = stream._state.pipeline.lanes[0]
        lane._capacity = -1
        await stage.elapse(30_000_000)

    assert law_of(run(story)) == 4


def test_a_close_under_a_running_call_is_noticed() -> None:
    """Although it would only wait behind that call: its budget has begun."""
    slow = Fault(at="processor", kind="slow", where="frame", nth=(5,), ms=30)

    async def story(stage: Stage) -> None:
        def close() -> None:
            book = stage.session.record().processors["p#1"]
            assert stage.onlooker.busy("p#1")
            book.state = ProcessorState.CLOSING
            actor = book.actor._cell.actor  # type: ignore[union-attr]
            actor.stop_later(actor._worker)

        stage.runtime.call_later(55_000_000, close)
        await one_stream(stage)

    outcome = run(story, setting=Setting(faults=FaultPlan(faults=(slow,))))
    assert law_of(outcome) == 1
    assert outcome.failure is not None
    assert "while a frame was going through it" in outcome.failure.detail


def test_a_frame_that_waits_too_long_is_noticed() -> None:
    """Its age is known from when it came in."""

    async def story(stage: Stage) -> None:
        _, stream = await one_stream(stage)
        stream._state.meter._arrived_ns[-1] = 0
        await stage.elapse(200_000_000)

    outcome = run(story)
    assert law_of(outcome) == 4
    assert outcome.failure is not None
    assert "inside for" in outcome.failure.detail


def test_a_frame_without_a_lease_is_noticed() -> None:
    """By the processor that gets it."""

    async def story(stage: Stage) -> None:
        _, stream = await one_stream(stage)
        (granted,) = stream._state.pipeline.granted
        granted.host._leased.clear()
        await stage.elapse(30_000_000)

    assert law_of(run(story)) == 2


def test_frames_that_are_thrown_away_at_an_orderly_end_are_noticed() -> None:
    """When the stream says that it has ended."""

    async def story(stage: Stage) -> None:
        track, stream = await one_stream(stage)
        stream._state.meter._dropped[Reason.CLOSED] = 1
        await track.remove()

    outcome = run(story)
    assert law_of(outcome) == 4
    assert outcome.failure is not None
    assert "threw 1 frames away" in outcome.failure.detail


def test_a_source_that_is_read_for_nobody_is_noticed() -> None:
    """At rest, not only at the end."""

    async def story(stage: Stage) -> None:
        session = stage.session
        await session.open_room("a")
        session.record().pacer.add(stage.source("lost"), _Nobody())  # type: ignore[arg-type]
        session.record().emit(EventKind.ROOM_OPENED, "room:x")
        await stage.elapse(30_000_000)

    assert law_of(run(story)) == 7


class _Nobody:
    def send(self, frame: object) -> None:
        """Take a frame."""

    def room(self) -> bool:
        """Want more."""
        return True


def test_a_track_in_two_rooms_is_noticed() -> None:
    """Whichever it belongs to."""

    async def story(stage: Stage) -> None:
        track, _ = await one_stream(stage)
        await stage.session.open_room("b")
        rooms = stage.session.record().rooms
        rooms["b"].tracks["other"] = track._state
        rooms["b"].credentials = rooms["a"].credentials
        stage.session.record().emit(EventKind.ROOM_OPENED, "room:x")
        await stage.elapse(30_000_000)

    outcome = run(story)
    assert law_of(outcome) == 7
    assert outcome.failure is not None
    assert "is in two rooms" in outcome.failure.detail


def test_the_token_of_another_room_is_noticed() -> None:
    """Where it is told for audio of a room that never had it."""

    async def story(stage: Stage) -> None:
        track, _ = await one_stream(stage)
        await stage.session.open_room("b", credentials=stage.credentials("t2"))
        track._state.credentials = stage.session.record().rooms["b"].credentials
        track._state.publication += 1
        await track.room.reconnected({track.sid: "TR_2"}, None)

    def foreign(stage: Stage) -> None:
        stages.append(stage)

    stages: list[Stage] = []
    run(story, on_stage=foreign)
    assert stages[0].onlooker.is_foreign("sekrit-t2", "a")
    assert not stages[0].onlooker.is_foreign("sekrit-t1", "a")
    assert not stages[0].onlooker.is_foreign("of-nobody", "a")


def test_a_refresh_that_changes_nothing_is_noticed() -> None:
    """When it is answered; what was asked for meanwhile may be there in its place, and the same once more."""

    async def story(stage: Stage) -> None:
        first, second = stage.credentials("t1"), stage.credentials("t2")
        room = await _refreshed(stage, first)
        with stage.onlooker.using("a", second), stage.onlooker.using("a", first):
            pass
        assert stage.court.broken is None
        with stage.onlooker.using("a", second):
            await room.refresh(second)
        assert stage.court.broken is None
        with stage.onlooker.using("a", first):
            pass

    async def _refreshed(stage: Stage, given: Any) -> Any:
        with stage.onlooker.using("a", given):
            return await stage.session.open_room("a", credentials=given)

    outcome = run(story)
    assert law_of(outcome) == 3
    assert outcome.failure is not None
    assert "credentials from before" in outcome.failure.detail


def test_a_room_that_keeps_processors_too_long_is_noticed() -> None:
    """What it says of its grace is what it is held to."""

    async def story(stage: Stage) -> None:
        track, _ = await one_stream(stage)
        await track.room.reconnecting(grace_ns=3_600_000_000_000)
        stage.onlooker._graces["a"] = 0

    outcome = run(story)
    assert law_of(outcome) == 9
    assert outcome.failure is not None
    assert outcome.failure.detail == "room a keeps processors for ever"


def test_a_room_says_for_how_long_it_keeps_processors() -> None:
    """In its event."""
    found: list[object] = []

    def watch(stage: Stage) -> None:
        stage.session.observe(
            lambda event: (
                found.append(event.details["grace_ms"]) if event.kind is EventKind.ROOM_RECONNECTING else None
            )
        )

    async def story(stage: Stage) -> None:
        watch(stage)
        track, _ = await one_stream(stage)
        await track.room.reconnecting(grace_ns=70_000_000)

    run(story).check()
    assert found == [70]
