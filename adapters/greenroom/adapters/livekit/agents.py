"""For workers of ``livekit-agents``: supervised noise cancellation for RoomIO, the worker's load, the job's shutdown.

Nothing in here starts a thread or loads anything native before it is called, so it may be imported, and selectors may be
made, before a worker forks. What a forked job inherits starts anew in it.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final, Protocol

from livekit import rtc
from livekit.protocol.models import AudioTrackFeature

from greenroom.actors import Session
from greenroom.adapters.livekit._lobby import close_default_session
from greenroom.adapters.livekit._passage import passages
from greenroom.adapters.livekit._policy import WAIT_NS
from greenroom.adapters.livekit._steward import close_steward
from greenroom.adapters.livekit._supervised import SupervisedProcessor, supervised
from greenroom.adapters.livekit._workload import Workload
from greenroom.supervision import get_logger

__all__ = ["Params", "Selector", "close", "load", "load_of", "selector"]

READY_MAX: Final = 16


class Params(Protocol):
    """What RoomIO says of the track that it is about to hear: its ``NoiseCancellationParams``."""

    @property
    def participant(self) -> rtc.Participant:
        """Whose track it is."""
        ...

    @property
    def track(self) -> rtc.Track:
        """Which."""
        ...


class Selector:
    """Gives each track that RoomIO hears a supervised processor of its own. Made by `selector`."""

    def __init__(self, make: Callable[[int], SupervisedProcessor], ready: int) -> None:
        self._make = make
        self._wanted = ready
        self._pid = os.getpid()
        self._ready = [make(1) for _ in range(ready)]

    def __call__(self, params: Params) -> SupervisedProcessor | None:
        """Return the processor for a track; None, and a word in the log, if there can be none."""
        try:
            return self._take(2 if _preconnects(params) else 1)
        except Exception as error:  # noqa: BLE001 - RoomIO would not hear the participant at all
            get_logger().error("selector.failed", error=type(error).__name__)
            return None

    def _take(self, instances: int) -> SupervisedProcessor:
        if self._pid != os.getpid():  # what was made ready before a fork is not ready here
            self._pid = os.getpid()
            self._ready = []
        if not self._ready:
            made = self._make(instances)
        else:
            made = self._ready.pop(0)
            made.prepare(instances)
        while len(self._ready) < self._wanted:
            self._ready.append(self._make(1))
        return made

    async def aclose(self) -> None:
        """Close what is ready and was given to nobody. What RoomIO was given it closes itself."""
        self._wanted = 0
        left, self._ready = self._ready, []
        for each in left:
            await each.aclose()


def selector(
    factory: Callable[..., Any] | Any,
    *,
    session: Session | None = None,
    ready: int = 0,
    wait_ns: int = WAIT_NS,
    **policy: Any,
) -> Selector:
    """Return what RoomIO takes as ``AudioInputOptions(noise_cancellation=...)``: a supervised processor for each track.

    A track that brings pre-connect audio gets two instances: one for that, one for the stream, which runs meanwhile.

    Args:
        factory: builds the processor: ``dtln.noise_suppression``, for example. An instance would be everybody's.
        session: whose processors they are; by default this process's own.
        ready: how many processors are built before a track is there: one, made in ``setup_fnc``, is there for the first
            track at once.
        wait_ns: how long a call waits for its frame, and with it the job's event loop.
        **policy: fields of `ProcessorSpec`, as for `supervised`.

    Raises:
        TypeError, ValueError: an argument that is none, each by name.
    """
    if isinstance(factory, rtc.FrameProcessor):
        kind: type[Any] = type(factory)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        raise TypeError(
            f"{kind.__name__} is an instance, which all tracks would share; give its factory, or supervised(it)"
        )
    if isinstance(ready, bool) or not isinstance(ready, int) or not 0 <= ready <= READY_MAX:
        raise ValueError(f"ready is {ready!r}; it must be an integer from 0 to {READY_MAX}")

    def make(instances: int) -> SupervisedProcessor:
        return supervised(factory, session=session, wait_ns=wait_ns, prepare=instances, **policy)

    supervised(
        factory, session=session, wait_ns=wait_ns, **policy
    )  # wrong arguments are refused here, not in a room
    return Selector(make, ready)


def load_of(*sessions: Session) -> Callable[[], float]:
    """Return a ``load_fnc`` that looks at these sessions as well as at those of supervised processors."""
    workload = Workload()

    def load() -> float:
        return workload.of(sessions, passages())

    return load


load: Final = load_of()
"""The worker's load, from 0 to 1: ``AgentServer(load_fnc=load)``.

The larger of two: the machine's load average for each of its processors; and how many of the frames since the last call
were not processed in time, where a twentieth is as bad as it gets.
"""


async def close() -> None:
    """Close all that supervised processors have opened in this process: ``ctx.add_shutdown_callback(close)``.

    Takes a few milliseconds, and past hanging processors eight seconds at most.
    """
    await asyncio.gather(close_default_session(), asyncio.to_thread(close_steward))


def _preconnects(params: Params) -> bool:
    publication = params.participant.track_publications.get(params.track.sid)
    features: list[int] = [] if publication is None else list(publication.audio_features)
    return int(AudioTrackFeature.TF_PRECONNECT_BUFFER) in features
