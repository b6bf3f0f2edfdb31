"""Faults on purpose: they happen as often as asked, where asked, and then no more."""

import heapq
import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from greenroom.actors.frames import Frame, read_only
from greenroom.config._rehearsal import FaultKind, Rehearsal, RehearsedFault
from greenroom.supervision.runtime import Timer

FRAME = Frame(read_only(np.ones((480, 1), np.int16)), 48_000)


class Timers:
    """A runtime of which only locks and timers are used; `advance` is its clock."""

    def __init__(self) -> None:
        self._now_ns = 0
        self._ids = itertools.count()
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self.called = threading.Event()

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        heapq.heappush(self._due, (self._now_ns + delay_ns, next(self._ids), callback))
        self.called.set()
        return self  # type: ignore[return-value]  # nobody cancels

    def advance(self, duration_ns: int) -> None:
        self._now_ns += duration_ns
        while self._due and self._due[0][0] <= self._now_ns:
            heapq.heappop(self._due)[2]()

    def lock(self) -> Any:
        return threading.Lock()


class Doubler:
    """Doubles samples, and notes what it is told."""

    def __init__(self, **options: Any) -> None:
        self.enabled = True
        self.options = options
        self.told: list[tuple[str, dict[str, str]]] = []

    def _process(self, frame: Frame) -> Frame:
        return frame.with_samples(read_only(frame.samples * np.int16(2)))

    def _close(self) -> None:
        self.told.append(("closed", {}))

    def _on_stream_info_updated(self, **values: str) -> None:
        self.told.append(("info", values))


def hears(processor: Any, sid: str) -> None:
    """Tell a processor whose audio it hears."""
    processor._on_stream_info_updated(room_name="r", participant_identity="p", publication_sid=sid)


def test_without_faults_it_is_the_processor_inside() -> None:
    """Options, frames, hooks, enabled and close go through; hooks that it has not are not missed."""
    built: list[Doubler] = []

    def factory(**options: Any) -> Doubler:
        built.append(Doubler(**options))
        return built[-1]

    processor: Any = Rehearsal(factory, Timers())(depth=3)
    inner = built[0]
    hears(processor, "TR_1")
    processor._on_credentials_updated(token="t", url="u")
    processor._on_credentials_cleared()
    processor._on_stream_info_cleared()
    assert processor._process(FRAME).samples[0, 0] == 2
    inner.enabled = False
    assert processor.enabled is False
    processor._close()
    assert inner.options == {"depth": 3}
    assert inner.told == [
        ("info", {"room_name": "r", "participant_identity": "p", "publication_sid": "TR_1"}),
        ("closed", {}),
    ]


def test_raise_happens_as_often_as_asked() -> None:
    """Twice, and then it behaves; what has not happened is pending."""
    rehearsal = Rehearsal(Doubler, Timers())
    processor: Any = rehearsal()
    rehearsal.arm("raise", times=2)
    for left in (("raise x1",), ()):
        with pytest.raises(RehearsedFault):
            processor._process(FRAME)
        assert rehearsal.pending == left
    assert processor._process(FRAME).samples[0, 0] == 2


def test_a_wrong_frame_is_too_short() -> None:
    """It comes back with a third of its samples, once."""
    rehearsal = Rehearsal(Doubler, Timers())
    processor: Any = rehearsal()
    rehearsal.arm("wrong_frame")
    assert [processor._process(FRAME).frames for _ in range(2)] == [160, 480]


def test_fail_build_fails_the_next_builds() -> None:
    """Two builds raise, the third works."""
    rehearsal = Rehearsal(Doubler, Timers())
    rehearsal.arm("fail_build", times=2)
    for _ in range(2):
        with pytest.raises(RehearsedFault):
            rehearsal()
    assert rehearsal().enabled


@pytest.mark.parametrize("kind", ["raise", "wrong_frame"])
def test_a_fault_for_one_track_leaves_the_others_alone(kind: FaultKind) -> None:
    """It waits until that very publication is heard."""
    rehearsal = Rehearsal(Doubler, Timers())
    other: Any = rehearsal()
    target: Any = rehearsal()
    hears(other, "TR_other")
    hears(target, "TR_target")
    rehearsal.arm(kind, sid="TR_target")
    assert other._process(FRAME).frames == 480
    assert rehearsal.pending
    try:
        assert target._process(FRAME).frames != 480
    except RehearsedFault:
        assert kind == "raise"
    assert not rehearsal.pending


def test_a_hang_holds_its_caller_for_its_time_and_then_lets_it_go() -> None:
    """The call does not return before `hold_ns` of the runtime's time, and then returns its frame."""
    timers = Timers()
    rehearsal = Rehearsal(Doubler, timers)
    processor: Any = rehearsal()
    rehearsal.arm("hang", hold_ns=1_000)
    returned: list[Frame] = []
    caller = threading.Thread(target=lambda: returned.append(processor._process(FRAME)), daemon=True)
    caller.start()
    assert timers.called.wait(10)
    timers.advance(999)
    assert caller.is_alive()
    assert returned == []
    timers.advance(1)
    caller.join(10)
    assert [frame.frames for frame in returned] == [480]
