"""What people give to a session's handles, checked before any actor hears of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from greenroom.actors._desired import TrackState
from greenroom.actors.context import Credentials, StreamInfo
from greenroom.actors.feed import Feed
from greenroom.actors.pace import Pace
from greenroom.actors.processors import MILLISECOND_NS, SECOND_NS, ProcessorSpec

IDENTITY_CHARACTERS: Final = 256
"""How long the names of rooms and participants may be: as long as LiveKit lets them be."""
BLOCK_NS: Final = 10 * MILLISECOND_NS
LONGEST_FRAME_NS: Final = SECOND_NS
MOST_FRAMES: Final = 100_000
LONGEST_NS: Final = 24 * 3600 * SECOND_NS


def check_name(kind: str, name: object, *, most: int = IDENTITY_CHARACTERS) -> None:
    """Refuse a name that could not be read in a path or a log.

    Raises:
        ValueError: it is not a printable text without ``/`` of 1 to ``most`` characters.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or "/" in name:
        raise ValueError(f"{kind} is {name!r}; it must be a printable text without '/'")
    if len(name) > most:
        raise ValueError(f"{kind} has {len(name)} characters; at most {most} are allowed")


def check_duration(name: str, value: object, *, least: int = 0, most: int = LONGEST_NS) -> None:
    """Refuse anything but an integer of nanoseconds within limits, with a ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}; it must be an integer of nanoseconds from {least} to {most}")


def check_number(name: str, value: object, *, least: int, most: int) -> None:
    """Refuse anything but an integer within limits, with a ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}; it must be an integer from {least} to {most}")


def check_stream(track: TrackState, sink: object, feed: object, capacity_frames: object) -> None:
    """Refuse what a stream of ``track`` cannot be opened with, with a ValueError or TypeError that names it."""
    if sink is not None:
        check_has("sink", sink, ("write", "finish", "abort"), "a file is FileSink(path, ...)")
    check_number("capacity_frames", capacity_frames, least=1, most=MOST_FRAMES)
    if (feed is None) == (track.source is None):
        raise ValueError(f"feed is {feed!r}; a track without a source needs one, and no other may have one")
    if feed is not None and not isinstance(feed, Feed):
        raise TypeError(f"feed is {feed!r}; it must be a Feed()")


def check_info(info: object) -> None:
    """Refuse what is no `StreamInfo`, or one that no processor would be told."""
    if info is None:
        return
    if not isinstance(info, StreamInfo):
        raise TypeError(f"info is {info!r}; it must be StreamInfo(room_name=..., ...) or None")
    if not info.complete:
        raise ValueError(f"info is {info!r}; it must have a participant_identity and a publication_sid")


def check_session(
    *, pace: object, frame_ns: object, shutdown_ns: object, processors: Iterable[object]
) -> None:
    """Refuse arguments that a session cannot work with, with a ValueError or TypeError that names the argument."""
    if not isinstance(pace, Pace):
        raise TypeError(f"pace is {pace!r}; it must be Pace.REALTIME or Pace.FAST")
    check_duration("frame_ns", frame_ns, least=BLOCK_NS, most=LONGEST_FRAME_NS)
    if isinstance(frame_ns, int) and frame_ns % BLOCK_NS:
        raise ValueError(f"frame_ns is {frame_ns}; it must be whole blocks of 10 ms ({BLOCK_NS} ns)")
    check_duration("shutdown_ns", shutdown_ns)
    for spec in processors:
        if not isinstance(spec, ProcessorSpec):
            raise TypeError(
                f"processors has {spec!r}; it takes ProcessorSpecs (a stream takes names as well)"
            )


def check_credentials(credentials: object) -> None:
    """Refuse what is no `Credentials`, without showing it: it may be a token."""
    if credentials is not None and not isinstance(credentials, Credentials):
        given = type(credentials).__name__
        raise TypeError(f"credentials are of type {given}; they must be Credentials(token=..., url=...)")


def check_sids(sids: object) -> None:
    """Refuse anything but a mapping from old to new sids, each a name, no two of the new ones the same."""
    if not isinstance(sids, Mapping):
        raise TypeError(f"sids are {sids!r}; they must be a mapping from old to new sids")
    given: dict[object, object] = dict(sids)  # pyright: ignore[reportUnknownArgumentType]
    for old, new in given.items():
        check_name("old sid", old)
        check_name("new sid", new)
    if len(set(given.values())) < len(given):
        raise ValueError(f"new sids are {list(given.values())}; no two tracks can have the same")


def check_pipeline(processors: object) -> None:
    """Refuse a single processor where a list of them belongs."""
    if isinstance(processors, str) or not isinstance(processors, Sequence):
        raise TypeError(f"processors are {processors!r}; they must be a list: [{processors!r}]")


def check_has(kind: str, value: object, methods: Sequence[str], hint: str) -> None:
    """Refuse a value that lacks one of ``methods``."""
    missing = [name for name in methods if not callable(getattr(value, name, None))]
    if missing:
        raise TypeError(f"{kind} is {value!r}, which has no {', '.join(missing)}; {hint}")
