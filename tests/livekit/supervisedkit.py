"""Processors and frames for the tests of supervised processors."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from livekit import rtc
from tests.livekit.noting import Noting

from greenroom.adapters.livekit._steward import close_steward

PATIENCE_S: Final = 20.0
LEVEL: Final = 1_000


def frame(rate_hz: int = 48_000, channels: int = 1, level: int = LEVEL) -> rtc.AudioFrame:
    """Return 10 ms in which every sample is ``level``."""
    count = rate_hz // 100
    return rtc.AudioFrame(np.full(count * channels, level, np.int16).tobytes(), rate_hz, channels, count)


def level_of(got: rtc.AudioFrame) -> int:
    """Return the first sample."""
    return got.data[0]


class Halving(Noting):
    """Halves, and remembers all that it was told; ``gate`` holds it up in the middle of a frame."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.rates: set[int] = set()
        self.news = threading.Condition()
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.closed = threading.Event()
        self.after_close = 0
        self.inside = 0
        self.most_inside = 0
        self.threads: set[int] = set()
        self.breaks: Callable[[], Any] | None = None

    @property
    def enabled(self) -> bool:
        return True

    @enabled.setter
    def enabled(self, value: bool) -> None: ...

    def _note(self, what: str, *values: Any) -> None:
        self.after_close += self.closed.is_set()
        with self.news:
            self.told.append((what, *values))
            self.news.notify_all()

    def heard(self, count: int) -> list[str]:
        """Wait until it was told so many things, and return their kinds."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.told) >= count, PATIENCE_S), self.told
            return [each[0] for each in self.told]

    def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        self.after_close += self.closed.is_set()
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            self.threads.add(threading.get_ident())
            self.rates.add(frame.sample_rate)
            self.entered.set()
            assert self.gate.wait(PATIENCE_S)
            if self.breaks is not None:
                broken: rtc.AudioFrame = self.breaks()
                return broken
            samples = np.frombuffer(frame.data, np.int16) // 2
            return rtc.AudioFrame(
                samples.tobytes(), frame.sample_rate, frame.num_channels, frame.samples_per_channel
            )
        finally:
            self.inside -= 1

    def _close(self) -> None:
        self._note("close")
        self.closed.set()


class Factory:
    """Builds `Halving` processors and keeps them; ``gate`` holds a build up."""

    def __init__(self) -> None:
        self.built: list[Halving] = []
        self.gate = threading.Event()
        self.gate.set()
        self.prepare: Callable[[Halving], object] = lambda _: None

    def __call__(self) -> Halving:
        assert self.gate.wait(PATIENCE_S)
        made = Halving()
        self.prepare(made)
        self.built.append(made)
        return made


def told(
    processor: rtc.FrameProcessor[rtc.AudioFrame], sid: str = "TR_1", token: str = "tok-" + 20 * "x"
) -> None:
    """Tell it what the SDK tells a processor when its stream's track is in a room."""
    processor._on_stream_info_updated(room_name="lobby", participant_identity="anna", publication_sid=sid)
    processor._on_credentials_updated(token=token, url="wss://example.org")


def warmed(processor: rtc.FrameProcessor[rtc.AudioFrame], *args: Any, **values: Any) -> rtc.AudioFrame:
    """Give it frames until one comes back processed, and return that."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S * 1_000)):
        given = frame(*args, **values)
        got = processor._process(given)
        if got is not given and level_of(got) != level_of(given):
            return got
        pause.wait(0.001)
    raise AssertionError("it never came back processed")


@contextmanager
def stewarded() -> Generator[None]:
    """Leave no thread behind."""
    try:
        yield
    finally:
        close_steward()
