"""The processor contract (LiveKit's ``FrameProcessor``, hosted unmodified) and how one is asked for."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol, runtime_checkable

from greenroom.actors.errors import BadProcessorSpec
from greenroom.actors.frames import Frame

MILLISECOND_NS: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000


@runtime_checkable
class Processor(Protocol):
    """Anything with ``enabled``, ``_process`` and ``_close``.

    It may also have ``_on_stream_info_updated(*, room_name, participant_identity, publication_sid)``,
    ``_on_stream_info_cleared()``, ``_on_credentials_updated(*, token, url)`` and
    ``_on_credentials_cleared()``. greenroom calls one instance from one thread at a time, in the order
    stream info, credentials, frames; and nothing after ``_close``, which it calls once.
    """

    @property
    def enabled(self) -> bool:
        """Whether frames should go through it at all; False lets them pass by, counted ``disabled``."""
        ...

    def _process(self, frame: Frame) -> Frame: ...

    def _close(self) -> None: ...


ProcessorFactory = Callable[..., Processor]
"""Builds a processor; called with the spec's ``options`` as keyword arguments, on a thread that may block.

A factory may say where its processors like to run by an attribute ``default_placement``; a spec says more.
"""


class AudioProcessor(ABC):
    """A comfortable base for processors: enabled, and deaf to context unless told otherwise."""

    enabled: bool = True

    @abstractmethod
    def _process(self, frame: Frame) -> Frame:
        """Return the processed frame: same rate, channels and length; never written in place."""

    def _close(self) -> None:  # noqa: B027 - a processor that holds nothing has nothing to give back
        """Give back what it holds; called once, after the last frame."""


class Placement(StrEnum):
    """Where a processor's code runs."""

    INLINE = "inline"
    """In the thread that brings the frame, one at a time: for code that takes microseconds."""
    THREAD = "thread"
    """On other threads, in batches: for code that takes milliseconds and releases the GIL. One call at a time for each
    processor, but not always on the same thread; one that is slow or hangs holds up no other."""
    PINNED = "pinned"
    """The same on a thread of its own: for code that is bound to the thread that built it."""


class OnFault(StrEnum):
    """What comes out in place of a frame that a processor could not process."""

    BYPASS = "bypass"
    """The original frame."""
    SILENCE = "silence"
    """Silence of the same length."""
    DROP = "drop"
    """Nothing."""


class Reason(StrEnum):
    """Why a frame did not come out processed. Each is counted per stream and per processor."""

    FAULT = "fault"
    """The processor raised on this very frame, or returned something that is not its frame."""
    LATE = "late"
    """It was not ready within the deadline, or its processor hung."""
    OVERFLOW = "overflow"
    """The lane or the stream's output was full."""
    WARMING = "warming"
    """The processor was being built, or rebuilt."""
    DISABLED = "disabled"
    """The processor said ``enabled = False``."""
    DEGRADED = "degraded"
    """The processor failed too often and is resting."""
    CLOSED = "closed"
    """The stream was closed while the frame was on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorSpec:
    """How to build and host a processor. Checked when made; every field has a limit.

    Attributes:
        name: how people call it; unique in a session.
        factory: builds it (it can be rebuilt after a crash).
        instance: or one that is there already (it cannot; a crash degrades it). Exactly one of the two.
        options: keyword arguments for the factory.
        placement: where it runs.
        on_fault: what comes out when it fails.
        shared: one instance for all streams that name it, instead of one each.
        deadline_ns: how long a frame may be on its way through; not ``inline``.
        hang_ns: a call for a frame that takes longer is given up, and its thread fenced; not ``inline``.
        build_ns: how long the factory and the first context may take.
        close_ns: how long the clears and ``_close`` may take before the worker is fenced.
        capacity_frames: how many frames may wait in one lane; not ``inline``.
        intensity: how many restarts within ``period_ns`` before it is degraded.
        period_ns: the sliding window for ``intensity``.
        backoff_ns: pause before the second restart in a row, doubled each time up to ``backoff_max_ns``.
        backoff_max_ns: the longest pause.
        retry_ns: how long a degraded processor rests before one try (half-open), doubled on each failure
            up to eight times this.
    """

    name: str
    factory: ProcessorFactory | None = None
    instance: Processor | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    placement: Placement = Placement.THREAD
    on_fault: OnFault = OnFault.BYPASS
    shared: bool = False
    deadline_ns: int = 200 * MILLISECOND_NS
    hang_ns: int = 1 * SECOND_NS
    build_ns: int = 30 * SECOND_NS
    close_ns: int = 2 * SECOND_NS
    capacity_frames: int = 100
    intensity: int = 3
    period_ns: int = 10 * SECOND_NS
    backoff_ns: int = 50 * MILLISECOND_NS
    backoff_max_ns: int = 5 * SECOND_NS
    retry_ns: int = 5 * SECOND_NS

    def __post_init__(self) -> None:
        _check_name(self.name)
        self._check_origin()
        for name, kind in (("placement", Placement), ("on_fault", OnFault)):
            if not isinstance(getattr(self, name), kind):
                raise BadProcessorSpec(
                    name,
                    getattr(self, name),
                    f"one of {', '.join(f'{kind.__name__}.{member.name}' for member in kind)}",
                )
        if not isinstance(self.shared, bool):
            raise BadProcessorSpec("shared", self.shared, "True or False")
        for name, (least, most) in _LIMITS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise BadProcessorSpec(name, value, f"an integer from {least} to {most}")
        if self.backoff_max_ns < self.backoff_ns:
            raise BadProcessorSpec("backoff_max_ns", self.backoff_max_ns, "at least backoff_ns")

    def _check_origin(self) -> None:
        if (self.factory is None) == (self.instance is None):
            given = "both" if self.factory is not None else "neither"
            raise BadProcessorSpec("factory", given, "given, or an instance, and not both")
        if self.factory is not None and not callable(self.factory):
            raise BadProcessorSpec(
                "factory", self.factory, "something that can be called and returns a processor"
            )
        if not isinstance(self.options, Mapping):
            raise BadProcessorSpec("options", type(self.options).__name__, "a mapping from names to values")
        if self.instance is not None and self.options:
            raise BadProcessorSpec(
                "options", sorted(self.options), "empty for an instance, which is built already"
            )


HOUR_NS: Final = 3600 * SECOND_NS
_LIMITS: Final[Mapping[str, tuple[int, int]]] = {
    "deadline_ns": (MILLISECOND_NS, 60 * SECOND_NS),
    "hang_ns": (MILLISECOND_NS, HOUR_NS),
    "build_ns": (MILLISECOND_NS, HOUR_NS),
    "close_ns": (MILLISECOND_NS, HOUR_NS),
    "capacity_frames": (1, 100_000),
    "intensity": (0, 1_000),
    "period_ns": (MILLISECOND_NS, 24 * HOUR_NS),
    "backoff_ns": (1, HOUR_NS),
    "backoff_max_ns": (1, HOUR_NS),
    "retry_ns": (MILLISECOND_NS, 24 * HOUR_NS),
}
NAME_CHARACTERS: Final = 120


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > NAME_CHARACTERS:
        raise BadProcessorSpec("name", name, f"a printable text of 1 to {NAME_CHARACTERS} characters")
    if "/" in name or "#" in name:
        raise BadProcessorSpec("name", name, "without '/' and '#', which paths and numbers use")
