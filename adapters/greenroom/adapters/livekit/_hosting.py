"""LiveKit's processors in greenroom's lanes: a shell around each that turns frames there and back.

The shell is a processor like any other; the one inside is LiveKit's ``FrameProcessor``, unmodified. It is given frames
with samples of their own, so it may write in them.
"""

import functools
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeGuard

from greenroom.actors import Frame, Processor, ProcessorSpec, Session
from greenroom.adapters.livekit._errors import ProcessorOver
from greenroom.adapters.livekit._frames import returned, to_rtc
from greenroom.adapters.livekit._sdk import rtc

AudioProcessor = rtc.FrameProcessor[rtc.AudioFrame]

_shells: Final[weakref.WeakValueDictionary[int, "Shell"]] = weakref.WeakValueDictionary()
_over: Final[weakref.WeakSet[AudioProcessor]] = weakref.WeakSet()


def is_theirs(given: object) -> TypeGuard[AudioProcessor]:
    """Whether it is a processor of LiveKit's."""
    return isinstance(given, rtc.FrameProcessor)


class Shell:
    """One ``FrameProcessor`` as lanes host it."""

    __slots__ = ("__weakref__", "inner")

    def __init__(self, inner: AudioProcessor) -> None:
        self.inner = inner

    @property
    def enabled(self) -> bool:
        """Whether frames should go through it."""
        return self.inner.enabled

    def _process(self, frame: Frame) -> Frame:
        result = self.inner._process(to_rtc(frame))
        if not isinstance(result, rtc.AudioFrame):
            raise TypeError(
                f"{type(self.inner).__name__} returned {type(result).__name__}; it must return an AudioFrame"
            )
        return returned(result, frame)

    def _on_stream_info_updated(
        self, *, room_name: str, participant_identity: str, publication_sid: str
    ) -> None:
        self.inner._on_stream_info_updated(
            room_name=room_name, participant_identity=participant_identity, publication_sid=publication_sid
        )

    def _on_stream_info_cleared(self) -> None:
        self.inner._on_stream_info_cleared()

    def _on_credentials_updated(self, *, token: str, url: str) -> None:
        self.inner._on_credentials_updated(token=token, url=url)

    def _on_credentials_cleared(self) -> None:
        self.inner._on_credentials_cleared()

    def _close(self) -> None:
        try:
            _over.add(self.inner)
        finally:
            self.inner._close()


@dataclass(frozen=True, slots=True)
class Building:
    """A factory whose processors get a shell, if they are LiveKit's. Equal if the factories are."""

    factory: Callable[..., Any]

    def __call__(self, **options: Any) -> Processor:
        """Build one."""
        built = self.factory(**options)
        return Shell(built) if is_theirs(built) else built

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Building):
            return NotImplemented
        return _parts(self.factory) == _parts(other.factory)

    def __hash__(self) -> int:
        return hash(Building)


def _parts(factory: Callable[..., Any]) -> object:
    """Return what two factories must have in common to build the same: partials are compared by what is in them."""
    if isinstance(factory, functools.partial):
        return (factory.func, factory.args, factory.keywords)
    return factory


def shelled(spec: ProcessorSpec) -> ProcessorSpec:
    """Return a spec whose processors may be LiveKit's.

    Raises:
        ProcessorOver: it is an instance that has been closed.
    """
    instance = spec.instance
    if instance is None:
        if isinstance(spec.factory, Building) or spec.factory is None:
            return spec
        return replace(spec, factory=Building(spec.factory))
    if isinstance(instance, Shell):
        check_open(instance.inner)
    elif is_theirs(instance):
        check_open(instance)
        shell = _shells.get(id(instance))
        if shell is None:
            shell = _shells[id(instance)] = Shell(instance)
        return replace(spec, instance=shell)
    return spec


def check_open(instance: AudioProcessor) -> None:
    """Refuse an instance that has been closed.

    Raises:
        ProcessorOver: it has been.
    """
    if instance in _over:
        raise ProcessorOver(
            f"this {type(instance).__name__} was closed when its last stream ended; give a factory, "
            "or hold it open beyond its streams: lease = await session.hold(await hosted(session, it))"
        )


async def hosted(session: Session, wanted: Any, **policy: Any) -> ProcessorSpec:
    """Return the spec of a processor that may be LiveKit's: for `Session.hold`, `Session.declare` and streams.

    Args:
        session: whose configured names count.
        wanted: a name, a `ProcessorSpec`, a factory or an instance.
        policy: fields of `ProcessorSpec` that shall be otherwise: ``name``, ``placement``, ``on_fault`` ...

    Raises:
        UnknownProcessor, NotAProcessor, ProcessorOver: what is wrong with ``wanted``.
        BadProcessorSpec: a field has a wrong value.
    """
    return replace(shelled(await session.spec(wanted)), **policy)
