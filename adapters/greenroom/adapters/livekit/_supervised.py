"""A supervised processor that is itself a LiveKit ``FrameProcessor``, for code that takes nothing else.

Laws:
    1. A frame in, a frame out, whatever happens; no callback raises.
    2. A call waits for its frame at most ``wait_ns``, and not at all while the processor still has the one before. A
       frame that is not ready comes back by ``on_fault``, and is counted.
    3. After `_close` it is deaf: frames come back as they are, and the processor behind it is called no more.
    4. Frames of another rate or channel count go through another instance: what is processed out of turn (pre-connect
       audio) does not disturb what a processor remembers of the stream.
"""

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from greenroom.actors import Credentials, Session, StreamInfo
from greenroom.adapters.livekit._passage import Passage, Told, now_ns
from greenroom.adapters.livekit._policy import WAIT_NS, Wanted, check_wait, wanted_of
from greenroom.adapters.livekit._sdk import rtc
from greenroom.adapters.livekit._steward import steward
from greenroom.supervision import Future, ThreadRuntime, get_logger

FORMATS_MAX: Final = 4
"""How many kinds of frames one supervised processor takes at a time; the one that was idle longest makes room."""
SPARE_NS: Final = 5_000_000_000
"""How long an instance for another kind of frames is kept after its last one."""

Format = tuple[int, int]
"""Samples per second, and channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisedSnapshot:
    """A supervised processor at one moment.

    Attributes:
        on: whether its user wants it on.
        closed: whether it is deaf for good.
        processors: what the session calls the processors behind it; one for each kind of frames.
        early: frames that came before there was a processor.
        passed: frames that came back in time, processed or by the policy; the session counts which.
        late: frames that came back by the policy because their answer was not there in time.
        failure: what kind of error keeps it from a processor, or empty.
    """

    on: bool
    closed: bool
    processors: tuple[str, ...]
    early: int
    passed: int
    late: int
    failure: str


class Desk:
    """What is behind one `SupervisedProcessor`, and does not know it: so that it can be closed when that is collected."""

    def __init__(self, wanted: Wanted, session: Session | None, wait_ns: int) -> None:
        self._wanted = wanted
        self._session = session
        self._wait_ns = wait_ns
        self._early = 0
        self._passed = 0
        self._late = 0
        self._number = 0
        self._told: Told = (None, 0, None)
        self._failure = ""
        self.closed = False
        self._settle_in()

    def _settle_in(self) -> None:
        """Begin without any passage, in this process: what was inherited by a fork has no threads here."""
        self._pid = os.getpid()
        self._lock = ThreadRuntime.lock()
        self._ends: list[Future[Any]] = []
        self._passages: dict[Format, Passage] = {}
        self._spare: list[Passage] = []

    def _at_home(self) -> None:
        if self._pid != os.getpid():
            self._settle_in()

    def prepare(self, instances: int) -> None:
        """Have so many instances at least, built before the first frame."""
        self._at_home()
        with self._lock:
            while not self.closed and len(self._passages) + len(self._spare) < instances:
                self._spare.append(self._new())

    def _new(self) -> Passage:
        self._number += 1
        name = f"supervised-{os.getpid()}-{id(self):x}-{self._number}"
        passage = Passage(self._wanted, steward(), name=name)
        passage.point(*self._told)
        passage.keeper.do(partial(passage.open, self._session)).add_done_callback(self._opened)
        return passage

    def _opened(self, done: Future[None]) -> None:
        error = done.error()
        if error is not None and not self._failure:
            self._failure = type(error).__name__
            if not self.closed:
                get_logger().error("supervised.unavailable", error=self._failure)

    def process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        """Return the frame, processed or by the policy."""
        if self.closed:
            return frame
        self._at_home()
        passage = self._passage((frame.sample_rate, frame.num_channels))
        if passage is None:
            return frame
        if not passage.turn.acquire(timeout=self._wait_ns / 1e9):
            return passage.give_up(frame)
        try:
            return passage.process(frame, self._wait_ns)
        finally:
            passage.turn.release()

    def _passage(self, kind: Format) -> Passage | None:
        found = self._passages.get(kind)
        if found is not None and len(self._passages) == 1:
            return found
        with self._lock:
            if self.closed:
                return None
            found = self._passages.get(kind)
            if found is None:
                found = self._passages[kind] = self._spare.pop() if self._spare else self._new()
            self._retire(found)
        return found

    def _retire(self, used: Passage) -> None:
        """Close what nobody has used for a while; and the oldest, if there are too many."""
        rest = sorted((p for p in self._passages.items() if p[1] is not used), key=lambda p: p[1].used_ns)
        before_ns = now_ns() - SPARE_NS
        for number, (kind, passage) in enumerate(rest):
            if passage.used_ns < before_ns or len(rest) - number >= FORMATS_MAX:
                self._end(self._passages.pop(kind))

    def tell(self, info: StreamInfo | None, credentials: Credentials | None, *, again: bool) -> None:
        """Say whose audio it is; ``again``: by a new publication, so that both are told even if they are the same."""
        self._at_home()
        with self._lock:
            self._told = (info, self._told[1] + again, credentials)
            for passage in (*self._passages.values(), *self._spare):
                passage.point(*self._told)

    @property
    def told(self) -> Told:
        """What was said last."""
        return self._told

    def close(self) -> Future[None]:
        """Let no frame in any more, and give the processors back; the future is done when that is. Any thread; idempotent."""
        self._at_home()
        with self._lock:
            self.closed = True
            left = [*self._passages.values(), *self._spare]
            self._passages = {}
            self._spare = []
        for passage in left:
            self._end(passage)
        return _all(self._ends)

    def forget(self) -> None:
        """Close it because nobody has it any more. In a finalizer, so without a lock: nobody else is in here."""
        self.closed = True
        if self._pid == os.getpid():
            for passage in (*self._passages.values(), *self._spare):
                passage.keeper.do(passage.close)

    def _end(self, passage: Passage) -> None:
        passage.stop()
        self._early += passage.early
        self._passed += passage.passed
        self._late += passage.late
        self._ends = [end for end in self._ends if not end.done()] + [passage.keeper.do(passage.close)]

    def snapshot(self, *, on: bool) -> SupervisedSnapshot:
        """Return it as a frozen record."""
        there = [*self._passages.copy().values(), *self._spare.copy()]
        return SupervisedSnapshot(
            on=on,
            closed=self.closed,
            processors=tuple(name for name in (passage.processor for passage in there) if name),
            early=self._early + sum(passage.early for passage in there),
            passed=self._passed + sum(passage.passed for passage in there),
            late=self._late + sum(passage.late for passage in there),
            failure=self._failure,
        )


class SupervisedProcessor(rtc.FrameProcessor[rtc.AudioFrame]):
    """Give it to whatever takes a ``FrameProcessor``. Made by `supervised`; any thread may call it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._on = True
        self._forgotten: Any = weakref.finalize(self, desk.forget)
        self._forgotten.atexit = False

    @property
    def enabled(self) -> bool:
        """Whether its user wants it on. What the processor behind it says of itself is seen in the session's snapshot."""
        return self._on

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._on = bool(value)

    def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        if not self._on:
            return frame
        try:
            return self._desk.process(frame)
        except Exception as error:  # noqa: BLE001 - a frame comes out, whatever is wrong; the SDK's reader depends on it
            self._say(error)
            return frame

    def _on_stream_info_updated(
        self, *, room_name: str, participant_identity: str, publication_sid: str
    ) -> None:
        info = StreamInfo(
            room_name=room_name, participant_identity=participant_identity, publication_sid=publication_sid
        )
        self._tell(info if info.complete else None, self._desk.told[2], again=True)

    def _on_stream_info_cleared(self) -> None:
        self._tell(None, self._desk.told[2], again=False)

    def _on_credentials_updated(self, *, token: str, url: str) -> None:
        self._tell(self._desk.told[0], Credentials(token=token, url=url), again=False)

    def _on_credentials_cleared(self) -> None:
        self._tell(self._desk.told[0], None, again=False)

    def _tell(self, info: StreamInfo | None, credentials: Credentials | None, *, again: bool) -> None:
        try:
            if not self._desk.closed:
                self._desk.tell(info, credentials, again=again)
                self._desk.prepare(1)
        except Exception as error:  # noqa: BLE001 - the SDK loses events of the room if a callback raises
            self._say(error)

    def _say(self, error: Exception) -> None:
        get_logger().error("supervised.failed", error=type(error).__name__)

    def _close(self) -> None:
        try:
            self._desk.close()
        except Exception as error:  # noqa: BLE001 - as above
            self._say(error)

    def prepare(self, instances: int = 1) -> None:
        """Have so many instances built now: one for each kind of frames that will come. Any thread; never waits."""
        self._desk.prepare(min(instances, FORMATS_MAX))

    async def aclose(self) -> None:
        """As ``_close``, and wait until all it holds is given back: its processors are then closed, by whoever runs them."""
        await self._desk.close()

    def snapshot(self) -> SupervisedSnapshot:
        """Return it as a frozen record. Any thread."""
        return self._desk.snapshot(on=self._on)


def supervised(
    factory: Callable[..., Any] | Any,
    *,
    session: Session | None = None,
    wait_ns: int = WAIT_NS,
    prepare: int = 0,
    **policy: Any,
) -> SupervisedProcessor:
    """Return a LiveKit ``FrameProcessor`` whose work is done by a supervised one.

    It is made at once; the processor behind it is built on another thread when it is first told something, first called, or with
    ``prepare`` now. What comes before that is there comes back by ``on_fault``.

    Args:
        factory: builds the processor, LiveKit's or greenroom's; or an instance, a `ProcessorSpec`, a name that ``session``
            knows.
        session: whose processors they are; by default this process's own, which lives as long as something uses it.
        wait_ns: how long a call waits for its frame, and with it the event loop that makes the call.
        prepare: how many instances are built before anything is called: one for each kind of frames that will come.
        **policy: fields of `ProcessorSpec`: ``placement``, ``on_fault``, ``deadline_ns``, ``hang_ns``, ``intensity`` ...

    Raises:
        TypeError, ValueError: an argument that is none, each by name.
        SessionClosed: ``session`` is closed, or was not entered.
    """
    wanted = wanted_of(factory, policy, session)
    desk = Desk(wanted, session, check_wait(wait_ns))
    if session is not None:
        session.alive()
    if isinstance(prepare, bool) or not isinstance(prepare, int) or not 0 <= prepare <= FORMATS_MAX:
        raise ValueError(f"prepare is {prepare!r}; it must be an integer from 0 to {FORMATS_MAX}")
    desk.prepare(prepare)
    return SupervisedProcessor(desk)


def _all(ends: list[Future[Any]]) -> Future[None]:
    """Return what is done when all are, however they ended."""
    done: Future[None] = Future()
    left = len(ends)
    lock = ThreadRuntime.lock()

    def one(_: Future[Any]) -> None:
        nonlocal left
        with lock:
            left -= 1
        if left <= 0:
            done.try_set(None)

    for end in ends:
        end.add_done_callback(one)
    if not ends:
        done.try_set(None)
    return done
