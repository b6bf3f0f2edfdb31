"""What a stream is asked for: what cannot work is refused by name, before anything is opened."""

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from greenroom.actors import Lease
from greenroom.adapters.livekit._errors import NotAnOption, NotAudio
from greenroom.adapters.livekit._facts import source_name
from greenroom.adapters.livekit._hosting import check_open, is_theirs
from greenroom.adapters.livekit._native import Shape
from greenroom.adapters.livekit._sdk import rtc

BLOCK_MS: Final = 10
RATES_HZ: Final = range(100, 384_001)
"""What the SDK's resampler takes: it aborts the process on less, and on more."""
SILENT: Final = (rtc.TrackSource.SOURCE_CAMERA, rtc.TrackSource.SOURCE_SCREENSHARE)


def check_others(others: dict[str, Any]) -> None:
    """Refuse arguments that streams do not have.

    Raises:
        NotAnOption: there is one.
    """
    if "auto_close_noise_cancellation" in others:
        raise NotAnOption(
            "auto_close_noise_cancellation: there is no such flag here; a processor is closed when nothing uses it any "
            "more: to keep it open beyond its streams, hold it: lease = await session.hold(await hosted(session, it))"
        )
    unknown = others.keys() - {"participant", "track_source"}
    if unknown:
        raise NotAnOption(f"{', '.join(sorted(unknown))}: AudioStream has no such argument")
    if others and len(others) < 2:  # noqa: PLR2004 - one is no use without the other
        raise NotAnOption("participant and track_source belong together: AudioStream.from_participant(...)")


def subject_of(participant: Any, source: Any) -> tuple[str, str]:
    """Return whose audio is asked for, and which.

    Raises:
        NotAnOption: it is no participant, or no source.
        NotAudio: nothing is ever heard of that source.
    """
    if not isinstance(participant, rtc.Participant):
        raise NotAnOption(
            f"participant is a {type(participant).__name__}; it must be one of a room's participants"
        )
    try:
        name = source_name(source)
    except (TypeError, ValueError):
        raise NotAnOption(
            f"track_source is {source!r}; it must be one of rtc.TrackSource, such as SOURCE_MICROPHONE"
        ) from None
    if source in SILENT:
        raise NotAudio(f"track_source is {name}, which is no audio")
    return participant.identity, name


def check_capacity(capacity: Any) -> None:
    """Refuse what is no number of frames.

    Raises:
        NotAnOption: it is none.
    """
    if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 0:
        raise NotAnOption(f"capacity is {capacity!r}; it must be a number of frames, or 0")


def check_shape(shape: Shape, wanted: Sequence[Any]) -> None:
    """Refuse frames that the SDK, or processors, cannot have.

    Raises:
        NotAnOption: a field has a wrong value.
    """
    for name, value in (("sample_rate", shape.sample_rate), ("num_channels", shape.num_channels)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise NotAnOption(f"{name} is {value!r}; it must be a positive integer")
    if shape.sample_rate not in RATES_HZ:
        raise NotAnOption(
            f"sample_rate is {shape.sample_rate}; it must be from {RATES_HZ[0]} to {RATES_HZ[-1]} Hz: "
            "LiveKit's resampler takes no other"
        )
    size = shape.frame_size_ms
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        raise NotAnOption(f"frame_size_ms is {size!r}; it must be a number of milliseconds, or None")
    if wanted and size is not None and size % BLOCK_MS:
        raise NotAnOption(
            f"frame_size_ms is {size}; processors take whole blocks of 10 ms, and native ones abort without"
        )


def pipeline_of(
    noise_cancellation: Any, processors: Any
) -> tuple[rtc.NoiseCancellationOptions | None, Sequence[Any]]:
    """Return the filter inside the SDK, and the processors here.

    Raises:
        NotAnOption, ProcessorOver: one of them is neither.
    """
    if processors is None:
        wanted: list[Any] = []
    elif isinstance(processors, list | tuple):
        wanted = list(processors)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    else:
        wanted = [processors]
    options = None
    if isinstance(noise_cancellation, rtc.NoiseCancellationOptions):
        options = noise_cancellation
    elif noise_cancellation is not None:
        wanted = [noise_cancellation, *wanted]
    for each in wanted:
        _check_wanted(each)
    return options, wanted


def _check_wanted(wanted: Any) -> None:
    if isinstance(wanted, rtc.NoiseCancellationOptions):
        raise NotAnOption(
            "NoiseCancellationOptions run inside the SDK, before all else: give them as noise_cancellation"
        )
    if is_theirs(wanted):
        check_open(wanted)
    elif isinstance(wanted, Lease):
        _check_lease(wanted)
    elif isinstance(wanted, type) or (callable(wanted) and not hasattr(wanted, "_process")):
        check_factory(wanted)


def _check_lease(lease: Lease) -> None:
    spec = lease.spec
    raw = isinstance(spec.instance, rtc.FrameProcessor) or (
        isinstance(spec.factory, type) and issubclass(spec.factory, rtc.FrameProcessor)
    )
    if raw:
        raise NotAnOption(
            f"the lease on {lease.processor!r} is on a processor of LiveKit's that takes LiveKit's frames; "
            "hold it so: await session.hold(await hosted(session, it))"
        )


def check_factory(factory: Any) -> None:
    """Refuse what could only fail for every frame, out of sight.

    Raises:
        NotAnOption: it takes arguments, returns something to be awaited, or is a class of something else.
    """
    name = getattr(factory, "__name__", type(factory).__name__)
    if isinstance(factory, type) and not hasattr(factory, "_process"):
        raise NotAnOption(f"{name} is no class of processors: those have _process and _close")
    if inspect.iscoroutinefunction(factory):
        raise NotAnOption(
            f"{name} is asynchronous; a factory returns a processor, not something to be awaited"
        )
    if not _needs_arguments(factory):
        return
    if isinstance(factory, type | partial):
        raise NotAnOption(f"{name} takes arguments; give a factory without: functools.partial({name}, ...)")
    raise NotAnOption(
        f"{name} takes arguments: it is no factory of processors but perhaps a "
        "selector, which only RoomIO of livekit-agents can call; give a factory, or what the selector returns"
    )


def _needs_arguments(factory: Any) -> bool:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return False
    any_number = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(p.default is p.empty and p.kind not in any_number for p in parameters)
