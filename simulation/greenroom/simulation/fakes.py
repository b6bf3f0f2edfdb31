"""Processors for tests: one that fails as told, one that remembers; and a clock to hold in the hand.

They are ordinary processors: they work in a simulation and on real threads alike.

>>> flaky = FlakyProcessor(fail_on=2)
>>> from greenroom.simulation.fakes import silence
>>> _ = flaky._process(silence(0))
>>> flaky._process(silence(1))
Traceback (most recent call last):
greenroom.simulation._witness.InjectedError: call 2 fails, as told
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from greenroom.actors import AudioProcessor, Frame, Session
from greenroom.actors.frames import read_only
from greenroom.simulation._witness import BLOCK, FRAME_NS, RATE_HZ, InjectedError
from greenroom.supervision import Future
from greenroom.supervision.simulated import SimulatedRuntime

__all__ = ["Call", "Clock", "FlakyProcessor", "RecordingProcessor", "silence"]

_SILENCE: Final = read_only(np.zeros((BLOCK, 1), np.int16))


def silence(number: int) -> Frame:
    """Return the silent frame of 10 ms that stands at ``number`` times 10 ms."""
    return Frame(_SILENCE, RATE_HZ, number * FRAME_NS)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a processor: its name without the underscore, and what it was told; a token prints as ``***``."""

    name: str
    values: tuple[str, ...] = ()

    def __repr__(self) -> str:
        values = ("***", *self.values[1:]) if self.name == "on_credentials_updated" else self.values
        return f"{self.name}({', '.join(values)})"


class RecordingProcessor(AudioProcessor):
    """Lets frames pass and remembers every call.

    Args:
        enabled: what it says.

    Attributes:
        calls: all calls but those for frames, in order.
        frames: the times of the frames.
        used_after_close: the calls that came after ``_close``.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.calls: list[Call] = []
        self.frames: list[int] = []
        self.used_after_close: list[Call] = []
        self.closed = 0

    def _process(self, frame: Frame) -> Frame:
        if self.closed:
            self.used_after_close.append(Call("process"))
        self.frames.append(frame.timestamp_ns)
        return frame

    def _on_stream_info_updated(
        self, *, room_name: str, participant_identity: str, publication_sid: str
    ) -> None:
        self._note("on_stream_info_updated", room_name, participant_identity, publication_sid)

    def _on_stream_info_cleared(self) -> None:
        self._note("on_stream_info_cleared")

    def _on_credentials_updated(self, *, token: str, url: str) -> None:
        self._note("on_credentials_updated", token, url)

    def _on_credentials_cleared(self) -> None:
        self._note("on_credentials_cleared")

    def _close(self) -> None:
        self._note("close")
        self.closed += 1

    def _note(self, name: str, *values: str) -> None:
        call = Call(name, values)
        self.calls.append(call)
        if self.closed:
            self.used_after_close.append(call)


class FlakyProcessor(RecordingProcessor):
    """Remembers, and fails as told.

    Args:
        fail_on: which calls for a frame raise, counting from 1: one, or several.
        fail_close: whether ``_close`` raises, after it has closed.
        error: makes what is raised.
    """

    def __init__(
        self,
        fail_on: int | Collection[int] = (),
        *,
        fail_close: bool = False,
        error: Callable[[str], BaseException] = InjectedError,
    ) -> None:
        super().__init__()
        self._fail_on = {fail_on} if isinstance(fail_on, int) else set(fail_on)
        self._fail_close = fail_close
        self._error = error

    def _process(self, frame: Frame) -> Frame:
        result = super()._process(frame)
        if len(self.frames) in self._fail_on:
            raise self._error(f"call {len(self.frames)} fails, as told")
        return result

    def _close(self) -> None:
        super()._close()
        if self._fail_close:
            raise self._error("the close fails, as told")


class Clock:
    """Virtual time in the hand of a test: a runtime for sessions on which nothing happens but what is asked for.

    >>> clock = Clock()
    >>> clock.now_ms
    0
    >>> _ = clock.runtime.call_later(5_000_000, lambda: print("five"))
    >>> clock.advance(ms=7)
    five
    >>> clock.now_ms
    7
    """

    def __init__(self, seed: int = 0) -> None:
        self.runtime = SimulatedRuntime(seed)

    @property
    def now_ms(self) -> int:
        """Virtual time, in milliseconds."""
        return self.runtime.now_ns() // 1_000_000

    def advance(self, *, ms: int) -> None:
        """Let whatever happens within ``ms`` happen. Not from a coroutine or an actor: there, `pass_time`."""
        self.runtime.advance(ms * 1_000_000)

    async def pass_time(self, *, ms: int) -> None:
        """The same, in a coroutine."""
        over: Future[None] = Future(self.runtime, "a while")
        timer = self.runtime.call_later(ms * 1_000_000, lambda: _complete(over))
        try:
            await over
        finally:
            timer.cancel()

    def session(self, **values: Any) -> Session:
        """Return a session that runs on this clock."""
        return Session(runtime=self.runtime, **values)


def _complete(future: Future[None]) -> None:
    future.try_set(None)
