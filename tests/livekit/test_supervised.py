"""A supervised processor behind a LiveKit ``FrameProcessor``: called by anybody, it never raises and never hangs."""

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from livekit import rtc
from tests.livekit.supervisedkit import (
    LEVEL,
    PATIENCE_S,
    Factory,
    Halving,
    frame,
    level_of,
    stewarded,
    told,
    warmed,
)

from greenroom.actors import OnFault, Placement, ProcessorSpec, Session, SessionClosed
from greenroom.adapters.livekit import _supervised, supervised

MS = 1_000_000
LONG_NS = 1_000 * MS
ROOT = Path(__file__).parents[2]


def selecting(params: Any) -> Halving:
    """Return the processor for somebody."""
    return Halving()


class Fitted(Halving):
    """A processor that is made for somebody."""

    def __init__(self, whose: str) -> None:
        super().__init__()
        self.whose = whose


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    with stewarded():
        yield


@pytest.fixture
def factory() -> Factory:
    """Give a factory that remembers what it built."""
    return Factory()


def test_what_comes_back_is_processed(factory: Factory) -> None:
    """By one that the factory built, on another thread than the caller's."""
    processor = supervised(factory, wait_ns=LONG_NS)
    assert level_of(warmed(processor)) == LEVEL // 2
    (built,) = factory.built
    assert threading.get_ident() not in built.threads
    assert processor.snapshot().processors == ("Factory#1",)


def test_it_is_a_frame_processor_and_nothing_is_built_before_it_is_used(factory: Factory) -> None:
    """Upstream's own class; making one starts nothing: a worker may fork afterwards."""
    processor = supervised(factory)
    assert isinstance(processor, rtc.FrameProcessor)
    assert not [each for each in threading.enumerate() if each.name.startswith("greenroom-")]
    assert not factory.built


def test_frames_come_back_as_they_are_until_there_is_a_processor(factory: Factory) -> None:
    """The build is not waited for; the very frame comes back."""
    factory.gate.clear()
    processor = supervised(factory, wait_ns=LONG_NS)
    given = [frame() for _ in range(5)]
    assert [processor._process(each) for each in given] == given
    factory.gate.set()
    assert level_of(warmed(processor)) == LEVEL // 2


def test_prepared_instances_are_built_before_the_first_frame(factory: Factory) -> None:
    """As many as were asked for, and no more."""
    processor = supervised(factory, prepare=2)
    asyncio.run(built(factory, 2))
    warmed(processor)
    warmed(processor, 24_000)
    assert len(factory.built) == 2
    assert [each.rates for each in factory.built if each.rates == {48_000}] == [{48_000}]


async def built(factory: Factory, count: int) -> None:
    """Wait until so many have been built."""
    async with asyncio.timeout(PATIENCE_S):
        while len(factory.built) < count:  # noqa: ASYNC110 - they are built on other threads
            await asyncio.sleep(0.005)


def test_the_contract_is_kept_to_the_end(factory: Factory) -> None:
    """Info, credentials; a refresh alone; both again for a new publication; cleared once, then closed once."""
    processor = supervised(factory, wait_ns=LONG_NS)
    told(processor)
    warmed(processor)
    (made,) = factory.built
    assert made.heard(2) == ["info", "credentials"]
    processor._on_credentials_updated(token="tok-2" + 20 * "x", url="wss://example.org")
    assert made.heard(3)[2:] == ["credentials"]
    told(processor, sid="TR_2", token="tok-2" + 20 * "x")
    assert made.heard(5)[3:] == ["info", "credentials"]
    processor._on_stream_info_cleared()
    processor._on_credentials_cleared()
    processor._on_stream_info_cleared()
    assert made.heard(7)[5:] == ["info cleared", "credentials cleared"]
    told(processor, sid="TR_2")
    assert made.heard(9)[7:] == ["info", "credentials"]
    processor._close()
    assert made.heard(12)[9:] == ["info cleared", "credentials cleared", "close"]
    asyncio.run(processor.aclose())
    assert len(made.told) == 12


def test_info_without_an_identity_is_never_told(factory: Factory) -> None:
    """G19: upstream pushes an empty identity, with credentials, for a participant who has left."""
    processor = supervised(factory)
    processor._on_stream_info_updated(room_name="lobby", participant_identity="", publication_sid="")
    processor._on_credentials_updated(token="tok-" + 20 * "x", url="wss://example.org")
    warmed(processor)
    asyncio.run(processor.aclose())
    assert factory.built[0].heard(1) == ["close"]


def test_after_its_close_it_is_deaf(factory: Factory) -> None:
    """G23: who goes on calling gets his frames back, and the processor is called no more; closing again is nothing."""
    processor = supervised(factory)
    warmed(processor)
    processor._close()
    given = frame()
    assert processor._process(given) is given
    told(processor)
    processor._close()
    asyncio.run(processor.aclose())
    assert processor._process(given) is given
    (made,) = factory.built
    assert made.closed.wait(PATIENCE_S)
    assert (made.told, made.after_close) == ([("close",)], 0)
    assert processor.snapshot().closed


def test_a_processor_that_is_stuck_holds_nobody_up(factory: Factory) -> None:
    """The call that waits gives up; those after it do not even wait; afterwards all is as before."""
    processor = supervised(factory, wait_ns=5 * MS, hang_ns=LONG_NS * 60, deadline_ns=LONG_NS * 60)
    warmed(processor)
    made = factory.built[0]
    made.gate.clear()
    made.entered.clear()
    late = processor.snapshot().late
    given = frame()
    assert processor._process(given) is given
    assert made.entered.wait(PATIENCE_S)
    assert [processor._process(given) for _ in range(50)] == [given] * 50
    assert processor.snapshot().late == late + 51
    made.gate.set()
    assert level_of(warmed(processor)) == LEVEL // 2
    assert len(factory.built) == 1


def test_what_is_late_follows_the_policy(factory: Factory) -> None:
    """Silence, if that was asked for; also before there is a processor."""
    factory.gate.clear()
    processor = supervised(factory, wait_ns=0, on_fault=OnFault.SILENCE)
    assert level_of(processor._process(frame())) == 0
    factory.gate.set()


def test_a_processor_that_hangs_is_replaced(factory: Factory) -> None:
    """Past ``hang_ns`` its thread is given up, and the next instance goes on; the stuck one is closed when it returns."""
    processor = supervised(factory, wait_ns=5 * MS, hang_ns=50 * MS, backoff_ns=MS)
    warmed(processor)
    stuck = factory.built[0]
    stuck.gate.clear()
    assert level_of(warmed(processor)) == LEVEL // 2
    assert len(factory.built) == 2
    stuck.gate.set()
    assert stuck.closed.wait(PATIENCE_S)
    assert stuck.after_close == 0


@pytest.mark.parametrize(
    "breaks", [lambda: 1 / 0, lambda: None, lambda: "no frame", lambda: frame(24_000), lambda: sys.exit(1)]
)
def test_whatever_a_processor_does_a_frame_comes_back(factory: Factory, breaks: Any) -> None:
    """It raises, returns nothing or nonsense, or wants to exit: the frame comes back as it was."""

    def broken(made: Halving) -> None:
        made.breaks = breaks

    factory.prepare = broken
    processor = supervised(factory, prepare=1, wait_ns=LONG_NS, intensity=0, retry_ns=LONG_NS * 60)
    asyncio.run(built(factory, 1))
    given = [frame() for _ in range(50)]
    assert [processor._process(each) for each in given] == given
    asyncio.run(processor.aclose())
    assert all(made.closed.wait(PATIENCE_S) for made in factory.built)


def test_a_factory_that_cannot_build_is_nobodys_exception() -> None:
    """The frames come back; the session's snapshot says why."""

    def cannot() -> Halving:
        raise OSError("no model")

    async def story() -> None:
        async with Session() as session:
            processor = supervised(cannot, session=session, intensity=0, retry_ns=LONG_NS * 60)
            told(processor)
            given = frame()
            async with asyncio.timeout(PATIENCE_S):
                while not any("OSError" in each.last_failure for each in session.snapshot().processors):
                    assert processor._process(given) is given
                    await asyncio.sleep(0.005)
            await processor.aclose()

    asyncio.run(story())


def test_frames_of_another_rate_have_an_instance_of_their_own(factory: Factory) -> None:
    """What is processed out of turn does not disturb what the first one remembers of its stream."""
    processor = supervised(factory, wait_ns=LONG_NS)
    for _ in range(3):
        warmed(processor, 24_000)
        warmed(processor, 48_000)
        warmed(processor, 48_000, 2)
    assert sorted(sorted(made.rates) for made in factory.built) == [[24_000], [48_000], [48_000]]


def test_an_instance_for_other_frames_is_closed_when_it_is_idle(
    factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one for pre-connect audio is not kept for the length of the call."""
    processor = supervised(factory)
    warmed(processor, 24_000)
    warmed(processor, 48_000)
    monkeypatch.setattr(_supervised, "SPARE_NS", 0)
    warmed(processor, 48_000)
    (idle,) = [made for made in factory.built if made.rates == {24_000}]
    assert idle.closed.wait(PATIENCE_S)
    assert level_of(warmed(processor, 48_000)) == LEVEL // 2
    assert len(processor.snapshot().processors) == 1


def test_there_are_not_more_instances_than_kinds_that_are_usual(factory: Factory) -> None:
    """The one that was idle longest makes room."""
    processor = supervised(factory)
    for rate_hz in (8_000, 16_000, 24_000, 32_000, 48_000):
        warmed(processor, rate_hz)
    (oldest,) = [made for made in factory.built if made.rates == {8_000}]
    assert oldest.closed.wait(PATIENCE_S)
    assert len(processor.snapshot().processors) == _supervised.FORMATS_MAX


def test_several_threads_may_call_it(factory: Factory) -> None:
    """A processor is never entered twice; each caller gets a frame for each frame."""
    processor = supervised(factory, wait_ns=LONG_NS)
    warmed(processor)
    levels: list[int] = []

    def caller() -> None:
        levels.extend(level_of(processor._process(frame())) for _ in range(50))

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for each in callers:
        each.start()
    for each in callers:
        each.join(PATIENCE_S)
    assert levels == [LEVEL // 2] * 200
    assert factory.built[0].most_inside == 1


def test_its_user_may_turn_it_off(factory: Factory) -> None:
    """Also for who calls it without asking, as RoomIO does for pre-connect audio."""
    processor = supervised(factory)
    warmed(processor)
    processor.enabled = False
    given = frame()
    assert processor._process(given) is given
    assert (processor.enabled, processor.snapshot().on) == (False, False)
    processor.enabled = True
    assert level_of(warmed(processor)) == LEVEL // 2


def test_one_that_is_forgotten_is_closed(factory: Factory) -> None:
    """As a stream that nobody has any more."""
    processor = supervised(factory)
    warmed(processor)
    del processor
    gc.collect()
    assert factory.built[0].closed.wait(PATIENCE_S)


def test_an_instance_may_be_given() -> None:
    """It is hosted as it is, and closed with its supervised one."""
    inner = Halving()
    processor = supervised(inner)
    assert level_of(warmed(processor)) == LEVEL // 2
    asyncio.run(processor.aclose())
    assert inner.closed.wait(PATIENCE_S)


def test_the_session_may_be_given_and_its_names_used(factory: Factory) -> None:
    """The processors are seen in its snapshot; a configured name brings its own policy."""

    async def story() -> None:
        build: Any = factory
        spec = ProcessorSpec(name="denoise", factory=build, placement=Placement.INLINE)
        async with Session(processors=[spec]) as session:
            processor = supervised("denoise", session=session)
            told(processor)
            await asyncio.to_thread(warmed, processor)
            while not session.snapshot().processors[0].context:  # noqa: ASYNC110 - noted behind the first frames
                await asyncio.sleep(0.002)
            (seen,) = session.snapshot().processors
            assert (seen.name, seen.placement) == ("denoise#1", Placement.INLINE)
            assert seen.context == "lobby/anna/TR_1"
            await processor.aclose()
            report = await session.close()
            assert all(verdict.held for verdict in report.verdicts), report.verdicts

    asyncio.run(story())


def test_when_its_session_is_closed_it_is_deaf(factory: Factory) -> None:
    """The processor is closed with the session; frames go on."""

    async def story() -> None:
        async with Session() as session:
            processor = supervised(factory, session=session)
            await asyncio.to_thread(warmed, processor)
        given = frame()
        assert [processor._process(given) for _ in range(3)] == [given] * 3
        assert factory.built[0].closed.is_set()
        await processor.aclose()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("wanted", "values", "error", "text"),
    [
        (
            Halving,
            {"wait": 3},
            TypeError,
            "no policy 'wait'; there are: backoff_max_ns, backoff_ns, build_ns",
        ),
        (Halving, {"on_fault": OnFault.DROP}, ValueError, "wants a frame for each frame"),
        (Halving, {"capacity_frames": 0}, ValueError, "capacity_frames"),
        (Halving, {"wait_ns": -1}, ValueError, "wait_ns is -1"),
        (Halving, {"wait_ns": 0.5}, ValueError, "wait_ns is 0.5"),
        (Halving, {"prepare": 9}, ValueError, "prepare is 9"),
        ("denoise", {}, TypeError, "'denoise': a name means something to a session; give session= as well"),
        (3, {}, TypeError, "int is no processor; give a factory"),
        (selecting, {}, TypeError, "selecting takes arguments"),
        (Fitted, {}, TypeError, r"Fitted takes arguments.*partial\(Fitted"),
        (dict, {}, TypeError, "dict is no class of processors"),
        (asyncio.sleep, {}, TypeError, "sleep is asynchronous"),
        (
            ProcessorSpec(name="x", factory=cast("Any", Halving)),
            {"hang_ns": MS},
            TypeError,
            "policy hang_ns: a configured processor has its own",
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(
    wanted: Any, values: dict[str, Any], error: type[Exception], text: str
) -> None:
    """Before anything starts, with what would do."""
    with pytest.raises(error, match=text):
        supervised(wanted, **values)


def test_a_session_that_is_closed_is_refused() -> None:
    """At once, not with the first frame."""
    with pytest.raises(SessionClosed):
        supervised(Halving, session=Session())


LEFT_OPEN = """
import sys, threading
from tests.livekit.supervisedkit import Halving, level_of, warmed
from greenroom.adapters.livekit import supervised

processor = supervised(Halving)
assert level_of(warmed(processor)) == 500
if "close" in sys.argv:
    processor._close()
"""


@pytest.mark.parametrize("how", ["open", "close"])
def test_a_program_that_ends_with_one_says_nothing(how: str) -> None:
    """The session behind it is closed when the interpreter ends: it has no threads to offer any more by then."""
    done = run(LEFT_OPEN, how)
    assert (done.returncode, done.stderr) == (0, "")


FORKING = """
import os, sys
from tests.livekit.supervisedkit import Halving, frame, level_of, told, warmed
from greenroom.adapters.livekit import supervised
from greenroom.adapters.livekit._steward import close_steward

processor = supervised(Halving)
told(processor)
assert level_of(warmed(processor)) == 500
child = os.fork()
assert level_of(warmed(processor)) == 500  # in either process
close_steward()
if not child:
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("both")
"""


def test_a_forked_child_that_inherits_one_gets_its_own() -> None:
    """Threads are not inherited: a processor, and a session, are made anew in the child."""
    done = run(FORKING, warn="ignore::DeprecationWarning")
    assert (done.returncode, done.stdout.strip()) == (0, "both"), done.stderr


def run(script: str, *values: str, warn: str = "default") -> subprocess.CompletedProcess[str]:
    """Run a program of its own."""
    return subprocess.run(
        [sys.executable, "-W", warn, "-c", script, *values],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            "PYTHONPATH": "supervision:actors:adapters:config:console:.",
            "PATH": "",
        },
    )
