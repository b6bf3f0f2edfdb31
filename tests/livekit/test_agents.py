"""What workers of livekit-agents are given: selectors, the load, the end of a job. RoomIO itself is in `server`."""

import asyncio
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from livekit.protocol.models import AudioTrackFeature
from tests.livekit.supervisedkit import PATIENCE_S, Factory, Halving, frame, stewarded, told, warmed

from greenroom.actors import OnFault, Session
from greenroom.adapters.livekit import agents, default_session, hosted, supervised

MS = 1_000_000
LONG_NS = 1_000 * MS
PRECONNECT = int(AudioTrackFeature.TF_PRECONNECT_BUFFER)
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_thread_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    with stewarded():
        yield


@dataclass
class Publication:
    audio_features: list[int] = field(default_factory=list[int])


@dataclass
class Track:
    sid: str = "TR_1"


@dataclass
class Participant:
    track_publications: dict[str, Publication]


@dataclass
class Params:
    participant: Any
    track: Any


def heard(*features: int) -> Params:
    """Return what RoomIO says of a track with these features."""
    return Params(Participant({"TR_1": Publication(list(features))}), Track())


@pytest.fixture
def factory() -> Factory:
    """Give a factory that remembers what it built."""
    return Factory()


async def built(factory: Factory, count: int) -> None:
    """Wait until so many have been built."""
    async with asyncio.timeout(PATIENCE_S):
        while len(factory.built) < count:  # noqa: ASYNC110 - they are built on other threads
            await asyncio.sleep(0.005)


def test_each_track_gets_a_processor_of_its_own(factory: Factory) -> None:
    """Built as soon as the track is there, with the policy that was given."""
    select = agents.selector(factory, on_fault=OnFault.SILENCE, wait_ns=LONG_NS)
    one, other = select(heard()), select(heard())
    assert one is not None
    assert other is not None
    asyncio.run(built(factory, 2))
    warmed(one)
    other._close()
    assert one is not other
    warmed(one)
    assert len(factory.built) == 2


def test_a_track_with_preconnect_audio_gets_a_second_instance(factory: Factory) -> None:
    """For the frames that come out of turn, at another rate: both are built before the first of either."""
    select = agents.selector(factory)
    processor = select(heard(PRECONNECT))
    assert processor is not None
    asyncio.run(built(factory, 2))
    warmed(processor, 48_000)
    warmed(processor, 24_000)
    assert sorted(made.rates.pop() for made in factory.built) == [24_000, 48_000]
    assert len(factory.built) == 2


def test_processors_may_be_ready_before_the_track(factory: Factory) -> None:
    """As many as were asked for, again after one was taken; those that nobody took are closed at the end."""

    async def story() -> None:
        select = agents.selector(factory, ready=1)
        await built(factory, 1)
        first = select(heard())
        assert first is not None
        await built(factory, 2)
        await asyncio.to_thread(warmed, first)
        assert factory.built[0].rates
        await select.aclose()
        await asyncio.to_thread(factory.built[1].closed.wait, PATIENCE_S)
        assert [made.closed.is_set() for made in factory.built] == [False, True]
        last = select(heard())
        assert last is not None
        await built(factory, 3)

    asyncio.run(story())
    assert len(factory.built) == 3


def test_a_selector_never_raises_in_a_room(factory: Factory) -> None:
    """Without a processor RoomIO still hears the participant: an exception would cost it the track."""

    async def story() -> None:
        async with Session() as session:
            select = agents.selector(factory, session=session)
        assert select(heard()) is None

    asyncio.run(story())


@pytest.mark.parametrize(
    ("wanted", "values", "error", "text"),
    [
        (Halving(), {}, TypeError, "Halving is an instance, which all tracks would share; give its factory"),
        (Halving, {"ready": -1}, ValueError, "ready is -1"),
        (Halving, {"on_falt": OnFault.SILENCE}, TypeError, "no policy 'on_falt'"),
        (Halving, {"wait_ns": "soon"}, ValueError, "wait_ns is 'soon'"),
        (7, {}, TypeError, "int is no processor"),
    ],
)
def test_bad_arguments_are_refused_when_the_selector_is_made(
    wanted: Any, values: dict[str, Any], error: type[Exception], text: str
) -> None:
    """Not in a room."""
    with pytest.raises(error, match=text):
        agents.selector(wanted, **values)


def test_the_load_is_what_a_worker_calls() -> None:
    """Without arguments; the machine's load for each of its processors."""
    assert not inspect.signature(agents.load).parameters
    agents.load()
    assert agents.load() == 0.0


def test_a_busy_machine_is_a_loaded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """And never more than fully."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5 * (os.cpu_count() or 1), 9.0, 9.0))
    assert agents.load() == pytest.approx(0.5)
    monkeypatch.setattr(os, "getloadavg", lambda: (900.0, 9.0, 9.0))
    assert agents.load() == 1.0


def test_frames_that_are_not_processed_in_time_are_load(factory: Factory) -> None:
    """A twentieth of them is as bad as it gets; frames before there was a processor do not count; nor old ones."""
    load = agents.load_of()
    processor = supervised(factory, wait_ns=5 * MS, hang_ns=60 * LONG_NS, deadline_ns=60 * LONG_NS)
    warmed(processor)
    load()
    for _ in range(10):
        processor._process(frame())
    assert load() == 0.0
    factory.built[0].gate.clear()
    for _ in range(10):
        processor._process(frame())
    assert load() == 1.0
    factory.built[0].gate.set()
    warmed(processor)
    load()
    for _ in range(10):
        processor._process(frame())
    assert load() == 0.0


def test_streams_of_a_session_count_as_well(factory: Factory) -> None:
    """Those of sessions that the worker names."""

    async def story() -> None:
        async with Session() as session:
            load = agents.load_of(session)
            processor = supervised(factory, session=session, deadline_ns=MS, hang_ns=60 * LONG_NS)
            await asyncio.to_thread(warmed, processor)
            factory.built[0].gate.clear()
            await asyncio.to_thread(processor._process, frame())
            async with asyncio.timeout(PATIENCE_S):
                while load() == 0.0:  # noqa: ASYNC110 - the session's watch finds it late, on its thread
                    await asyncio.sleep(0.005)
            factory.built[0].gate.set()
            await processor.aclose()

    asyncio.run(story())


def test_at_the_end_of_a_job_all_is_closed(factory: Factory) -> None:
    """Whoever still holds one: it is deaf then, and its processor closed; the next job starts anew."""

    async def story() -> None:
        processor = supervised(factory)
        told(processor)
        await asyncio.to_thread(warmed, processor)
        await agents.close()
        assert factory.built[0].closed.is_set()
        given = frame()
        assert processor._process(given) is given
        another = supervised(factory)
        await asyncio.to_thread(warmed, another)
        await agents.close()
        assert factory.built[1].closed.is_set()

    asyncio.run(story())


class Last(Halving):
    """Is not closed before another one is."""

    def __init__(self, other: Factory) -> None:
        super().__init__()
        self.other = other
        self.in_time = False

    def _close(self) -> None:
        self.in_time = self.other.built[0].closed.wait(PATIENCE_S / 10)
        super()._close()


def test_at_the_end_of_a_job_what_hangs_on_one_side_holds_up_nothing_on_the_other(factory: Factory) -> None:
    """The streams of the job's own loop and the supervised processors are closed at the same time: a job has ten seconds for both."""

    async def story() -> None:
        processor = supervised(factory)
        await asyncio.to_thread(warmed, processor)
        last = Last(factory)
        lease = await (await default_session()).hold(await hosted(await default_session(), last))
        await agents.close()
        assert lease.over
        assert last.in_time

    asyncio.run(story())


def test_importing_it_loads_no_agents_and_starts_no_thread() -> None:
    """A worker imports it before it forks."""
    script = (
        "import sys, threading\n"
        "from greenroom.adapters.livekit import agents\n"
        "agents.selector(lambda: None)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert 'livekit.agents' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)
