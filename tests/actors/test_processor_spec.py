"""Specs: each field is checked when the spec is made, by name and value; and each option does something."""

from typing import Any

import pytest
from tests.actors.sessionkit import MS, SECOND, Collected, Counting, Journal, elapse, numbers, play, until

from greenroom.actors import BadProcessorSpec, Pace, Placement, ProcessorSpec, ProcessorState, Reason, Session

TOO_LONG = 24 * 3_600 * SECOND + 1
BAD = [
    *[("name", value) for value in ("", " ", "a/b", "a#1", "a\n", 121 * "x", 7, None)],
    *[("placement", value) for value in ("thread", None)],
    *[("on_fault", value) for value in ("bypass", None)],
    *[("shared", value) for value in (1, None)],
    *[
        (field, value)
        for field in (
            "deadline_ns", "hang_ns", "build_ns", "close_ns", "capacity_frames", "intensity", "period_ns",
            "backoff_ns", "backoff_max_ns", "retry_ns",
        )
        for value in (-1, TOO_LONG, 1.5, "1", None, True)
    ],
    *[(field, 0) for field in ("deadline_ns", "hang_ns", "build_ns", "close_ns", "capacity_frames", "period_ns", "backoff_ns", "retry_ns")],
    ("backoff_max_ns", 10 * MS),
    ("factory", 7),
    ("options", 7),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_wrong_value_is_refused_by_name(field: str, value: Any) -> None:
    """The error names the field, the value and what would do."""
    values: dict[str, Any] = {"name": "p", "factory": Journal().factory, field: value}
    with pytest.raises(BadProcessorSpec) as refused:
        ProcessorSpec(**values)
    error = refused.value
    assert error.field == field
    assert f"ProcessorSpec.{field} is " in str(error)
    assert "it must be " in str(error)
    assert error.hint
    assert error.value == (value if field != "options" else "int")


def test_exactly_one_origin_is_given() -> None:
    """A factory or an instance, not both and not neither; options are for factories."""
    journal = Journal()
    instance = journal.factory()
    for values in ({}, {"factory": journal.factory, "instance": instance}):
        with pytest.raises(BadProcessorSpec, match="factory"):
            ProcessorSpec(name="p", **values)  # type: ignore[arg-type]
    with pytest.raises(BadProcessorSpec, match="options"):
        ProcessorSpec(name="p", instance=instance, options={"gain": 1})
    ProcessorSpec(name="p", instance=instance)


# -- what each option does; `on_fault`, `shared`, `intensity`, `retry_ns`, `hang_ns`: see faults and leases --------


def _play(
    spec: ProcessorSpec, frames: int = 100, *, pace: Pace = Pace.REALTIME, wait_ns: int = 3 * SECOND
) -> Any:
    async def story(session: Session) -> Any:
        room = await session.open_room("lobby")
        track = await room.add_track("TR_1", participant="g", source=Counting(frames))
        stream = await track.open_stream([spec], sink=Collected())
        await elapse(session, wait_ns)
        return stream.snapshot(), session.snapshot()

    return play(0, story, pace=pace, lawful=True)


def test_options_reach_the_factory() -> None:
    """``options`` are the factory's keyword arguments."""
    journal = Journal()
    given: list[dict[str, Any]] = []

    def factory(**options: Any) -> Any:
        given.append(options)
        return journal.factory()

    _play(ProcessorSpec(name="p", factory=factory, options={"gain": 2}), pace=Pace.FAST)
    assert given == [{"gain": 2}]


@pytest.mark.parametrize(("period_ns", "degraded"), [(100 * MS, False), (10 * SECOND, True)])
def test_the_period_is_the_window_of_the_budget(period_ns: int, degraded: bool) -> None:
    """One fault in 300 ms is within a budget of 1 in 100 ms, and past one of 1 in 10 s."""
    journal = Journal()

    def plan(_instance: int, what: str, number: int) -> None:
        if what == "frame" and number == 30:
            raise RuntimeError("as planned")

    journal.plan = plan
    (stream, _), _ = _play(journal.spec(intensity=1, period_ns=period_ns, retry_ns=60 * SECOND), 200)
    assert (Reason.DEGRADED in stream.bypassed) == degraded


@pytest.mark.parametrize(
    ("values", "least_ms", "most_ms"),
    [
        ({"backoff_ns": MS, "backoff_max_ns": MS}, 0, 5),
        ({"backoff_ns": 400 * MS, "backoff_max_ns": 400 * MS}, 500, 1_300),
        ({"backoff_ns": 400 * MS, "backoff_max_ns": 60 * SECOND}, 1_800, 20_000),
    ],
)
def test_the_back_off_doubles_up_to_its_limit(values: dict[str, int], least_ms: int, most_ms: int) -> None:
    """The first restart is at once; the next ones wait ``backoff_ns``, doubled up to ``backoff_max_ns``."""
    journal = Journal()
    built: list[int] = []

    async def story(session: Session) -> None:
        runtime = session.record().runtime

        def plan(_instance: int, what: str, _number: int) -> None:
            if what == "build":
                built.append(runtime.now_ns())
                raise RuntimeError("cannot be built")

        journal.plan = plan
        lease = await session.hold(journal.spec("p", intensity=100, **values))
        await until(session, lambda: len(built) >= 5)
        await lease.release()

    play(0, story)
    assert built[1] - built[0] < MS
    assert least_ms * MS <= built[4] - built[1] <= most_ms * MS


def test_the_placement_says_where_it_runs() -> None:
    """An inline processor is processed in the thread that brings the frame: nothing is warming once it is built."""
    for placement in Placement:
        (_, snapshot), _ = _play(Journal().spec(placement=placement), 10_000)
        assert snapshot.processors[0].placement is placement


@pytest.mark.parametrize(("capacity", "overflows"), [(2, True), (500, False)])
def test_the_capacity_bounds_what_waits(capacity: int, overflows: bool) -> None:
    """In real time a lane that is full resolves its oldest frame as overflow; one that is larger does not."""
    journal = Journal()

    async def story(session: Session) -> Any:
        runtime = session.record().runtime

        def plan(_instance: int, what: str, number: int) -> None:
            if what == "frame" and number == 5:
                runtime.spend(80 * MS)

        journal.plan = plan
        room = await session.open_room("lobby")
        track = await room.add_track("TR_1", participant="g", source=Counting(100))
        stream = await track.open_stream([journal.spec(capacity_frames=capacity)], sink=Collected())
        await stream.ended()
        return stream.snapshot().bypassed

    bypassed, _ = play(0, story, pace=Pace.REALTIME)
    assert (Reason.OVERFLOW in bypassed) == overflows


@pytest.mark.parametrize(("what", "field"), [("build", "build_ns"), ("close", "close_ns")])
def test_budgets_for_building_and_closing_fence_the_worker(what: str, field: str) -> None:
    """On real threads: past ``build_ns`` or ``close_ns`` the worker is given up, and said to be."""
    import threading  # noqa: PLC0415

    gate, journal = threading.Event(), Journal()

    def plan(_instance: int, here: str, _number: int) -> None:
        if here == what:
            gate.wait(30)

    journal.plan = plan

    async def story(session: Session) -> None:
        lease = await session.hold(journal.spec("p", intensity=0, retry_ns=60 * SECOND, **{field: 30 * MS}))
        if what == "close":
            await until(session, lambda: session.snapshot().processors[0].state is ProcessorState.READY)
            await lease.release()
            await until(session, lambda: not session.snapshot().processors)
        else:
            await until(session, lambda: session.snapshot().processors[0].state is ProcessorState.DEGRADED)
        gate.set()

    play(None, story, lawful=False)


def test_a_name_is_how_people_ask_for_it() -> None:
    """A spec that the session knows is found by its name."""
    journal = Journal()

    async def story(session: Session) -> list[int]:
        room = await session.open_room("lobby")
        track = await room.add_track("TR_1", participant="g", source=Counting(20))
        stream = await track.open_stream(["denoise"])
        assert stream.snapshot().pipeline == ("denoise#1",)
        return await numbers(stream)

    play(0, story, processors=[journal.spec("denoise")])
    assert journal.frames[1] == list(range(20))
