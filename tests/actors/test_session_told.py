"""What a session says of itself: which incarnation, who gave up; and what it does with a message that only crashes."""

import asyncio
import logging

import pytest
from pykka.messages import ProxyGetAttr

from greenroom.actors import AudioProcessor, EventKind, Frame, Pace, ProcessorSpec, Session
from greenroom.adapters.files import ToneSource
from greenroom.supervision import Actor, ActorCrashed, ActorSystem, ChildSpec, Supervisor, SupervisorFlags
from greenroom.supervision.simulated import SimulatedRuntime


class OnceBroken(AudioProcessor):
    """The first one raises at its third frame."""

    built = 0

    def __init__(self) -> None:
        OnceBroken.built += 1
        self._left = 2 if OnceBroken.built == 1 else 1_000

    def _process(self, frame: Frame) -> Frame:
        self._left -= 1
        if self._left < 0:
            raise ValueError
        return frame


def test_events_and_log_say_which_incarnation(caplog: pytest.LogCaptureFixture) -> None:
    """A processor that was rebuilt is told apart from the one before, in events and in the host's log."""
    caplog.set_level(logging.INFO, "greenroom")
    OnceBroken.built = 0

    async def main() -> list[object]:
        session = Session(runtime=SimulatedRuntime(3), pace=Pace.FAST)
        async with session:
            room = await session.open_room("lobby")
            tone = ToneSource(hz=440, duration_ns=100_000_000)
            track = await room.add_track("TA", participant="ann", source=tone)
            async for _ in await track.open_stream([ProcessorSpec(name="p", factory=OnceBroken)]):
                pass
        report = await session.close()
        kinds = (EventKind.PROCESSOR_OPENED, EventKind.PROCESSOR_CLOSED)
        return [event.details["incarnation"] for event in report.events if event.kind in kinds]

    assert asyncio.run(main()) == [1, 1, 2, 2]
    said = [record.getMessage() for record in caplog.records]
    assert any(
        "processor.opened" in line and "processor='p#1'" in line and "incarnation=2" in line for line in said
    )
    assert any(
        "stream.opened" in line and "room='lobby'" in line and "incarnation=1" in line for line in said
    )


def test_a_message_that_only_crashes_is_given_twice_at_most() -> None:
    """Its asker hears of the crash; room and session live on."""

    async def main() -> None:
        async with Session(runtime=SimulatedRuntime(1)) as session:
            room = await session.open_room("lobby")
            with pytest.raises(ActorCrashed):
                await session.ask(room.ref, ProxyGetAttr(attr_path=("nothing_of_that_name",)))
            assert room.ref.incarnation <= 3
            await session.open_room("stage")
            assert set(session.rooms) == {"lobby", "stage"}

    asyncio.run(main())


class Broken(Actor):
    def on_receive(self, message: object) -> None:
        raise ValueError(message)


def test_a_supervisor_that_gives_up_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Past the intensity there is one line at ERROR that names supervisor and child."""
    runtime = SimulatedRuntime(1)
    with ActorSystem(runtime) as system:
        flags = SupervisorFlags(intensity=0)
        supervisor = system.start(Supervisor, flags, [ChildSpec(id="worker", start=Broken)])
        supervisor._cell.actor.children()[0].ref.tell("boom")
        runtime.run_until_idle()
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(lines) == 1
    assert "supervisor.gave_up" in lines[0]
    assert "child='worker'" in lines[0]
