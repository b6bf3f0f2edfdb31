"""The words of a scenario: one frozen class for each thing that happens to a session from outside.

Rooms, tracks, streams and leases are called by names that the scenario gives them. A step whose room, track, stream or
lease is not there (it was refused, or is over) is passed over: so a scenario can be cut to pieces and still be played.
"""

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, TypeAlias

MILLISECONDS_MAX: Final = 600_000
TURNS_MAX: Final = 10_000
FOREVER_FRAMES: Final = 1_000_000
"""More frames than any scenario lasts: a source that does not end by itself."""


OUTPUT_FRAMES: Final = 1_000
"""So many frames are kept for who reads, if nothing else is said: more than any stop of a reader brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What all steps have.

    Attributes:
        after_ms: virtual time that goes by before it.
        wait: whether the next step waits until this one has been answered; several that do not wait are a burst.
        cancel_after: its caller is cancelled after so many turns of the event loop; 0: not at all.
    """

    do: ClassVar[str] = ""
    makes: ClassVar[str] = ""
    """The field that gives something its name, where the step brings it into being."""
    backend: ClassVar[bool] = False
    """Whether a media server tells us of it: it may be omitted, doubled, delayed or come in another order."""
    after_ms: int = 0
    wait: bool = True
    cancel_after: int = 0

    def __str__(self) -> str:
        told = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"{self.do}({', '.join(told)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRoom(Step):
    """A room opens; ``token`` names its credentials, empty for a room without."""

    do: ClassVar[str] = "open_room"
    makes: ClassVar[str] = "room"
    room: str
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRoom(Step):
    """A room closes, with all that is in it."""

    do: ClassVar[str] = "close_room"
    room: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish(Step):
    """A participant publishes a track.

    Attributes:
        frames: how many 10 ms frames it has; it then ends.
        fail: ``open``: its source cannot be opened; ``read``: reading fails at the third frame.
    """

    do: ClassVar[str] = "publish"
    makes: ClassVar[str] = "track"
    backend: ClassVar[bool] = True
    track: str
    room: str
    participant: str
    source: str = "microphone"
    frames: int = FOREVER_FRAMES
    fail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpublish(Step):
    """A track leaves its room."""

    do: ClassVar[str] = "unpublish"
    backend: ClassVar[bool] = True
    track: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(Step):
    """A participant leaves a room, with all tracks."""

    do: ClassVar[str] = "leave"
    backend: ClassVar[bool] = True
    room: str
    participant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Republish(Step):
    """A track is published again under another sid, in the same room."""

    do: ClassVar[str] = "republish"
    backend: ClassVar[bool] = True
    track: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(Step):
    """A track is handed over to another room, with its streams."""

    do: ClassVar[str] = "move"
    backend: ClassVar[bool] = True
    track: str
    room: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh(Step):
    """A room's token is refreshed; ``token`` names the new one."""

    do: ClassVar[str] = "refresh"
    backend: ClassVar[bool] = True
    room: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect(Step):
    """A full reconnect: every track of the room comes back under another sid. ``token`` may bring new credentials."""

    do: ClassVar[str] = "reconnect"
    backend: ClassVar[bool] = True
    room: str
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseConnection(Step):
    """A room loses its connection; processors are kept for ``grace_ms``."""

    do: ClassVar[str] = "lose_connection"
    backend: ClassVar[bool] = True
    room: str
    grace_ms: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStream(Step):
    """A stream of a track opens.

    Attributes:
        through: processors by their names in the scenario, or leases by theirs, in order.
        reader: ``sink``: a sink takes its frames; ``iterate``: somebody iterates; ``nobody``: nobody reads.
        holds: how many frames are kept for who reads; past it the oldest is dropped.
    """

    do: ClassVar[str] = "open_stream"
    makes: ClassVar[str] = "stream"
    stream: str
    track: str
    through: tuple[str, ...] = ()
    reader: str = "sink"
    holds: int = OUTPUT_FRAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseStream(Step):
    """A stream is closed; what is inside is dropped."""

    do: ClassVar[str] = "close_stream"
    stream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainStream(Step):
    """A stream is closed after what is inside has come out."""

    do: ClassVar[str] = "drain_stream"
    stream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropStream(Step):
    """A stream's handle is dropped without a close."""

    do: ClassVar[str] = "drop_stream"
    stream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReading(Step):
    """Who iterates over a stream stops, and keeps it open."""

    do: ClassVar[str] = "stop_reading"
    stream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOn(Step):
    """Who had stopped iterating goes on."""

    do: ClassVar[str] = "read_on"
    stream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Step):
    """Somebody holds a processor open."""

    do: ClassVar[str] = "hold"
    makes: ClassVar[str] = "lease"
    lease: str
    processor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Step):
    """A lease is given back; twice is harmless."""

    do: ClassVar[str] = "release"
    lease: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Step):
    """A lease is handed over to a stream."""

    do: ClassVar[str] = "transfer"
    lease: str
    stream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill(Step):
    """One of greenroom's own actors is killed: ``actor`` is its class; ``how`` is ``crash`` or ``fence``.

    Attributes:
        which: of those that there are, in the tree's order, modulo their number.
    """

    do: ClassVar[str] = "kill"
    actor: str
    how: str = "crash"
    which: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(Step):
    """Virtual time goes by."""

    do: ClassVar[str] = "wait"
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(Step):
    """Wait until everything that was begun without waiting has been answered."""

    do: ClassVar[str] = "join"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseSession(Step):
    """The session is closed in the middle."""

    do: ClassVar[str] = "close_session"


AnyStep: TypeAlias = (
    OpenRoom | CloseRoom | Publish | Unpublish | Leave | Republish | Move | Refresh | Reconnect | LoseConnection
    | OpenStream | CloseStream | DrainStream | DropStream | StopReading | ReadOn | Hold | Release | Transfer
    | Kill | Wait | Join | CloseSession
)  # fmt: skip
"""Everything that can happen; a closed union."""

KINDS: Final[dict[str, type[Step]]] = {
    kind.do: kind
    for kind in (
        OpenRoom, CloseRoom, Publish, Unpublish, Leave, Republish, Move, Refresh, Reconnect, LoseConnection,
        OpenStream, CloseStream, DrainStream, DropStream, StopReading, ReadOn, Hold, Release, Transfer,
        Kill, Wait, Join, CloseSession,
    )
}  # fmt: skip
"""By what files call them."""

ACTORS: Final = (
    "HoldsActor", "ProcessorActor", "ProcessorWorker", "ProcessorsActor", "RoomActor", "RoomsActor",
    "StreamActor", "TrackActor", "WatchActor",
)  # fmt: skip
"""What can be killed: greenroom's own actors, by their classes."""

CHOICES: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("open_stream", "reader"): ("sink", "iterate", "nobody"),
    ("publish", "fail"): ("", "open", "read"),
    ("kill", "how"): ("crash", "fence"),
    ("kill", "actor"): ACTORS,
}
"""Fields that take one of a few words, by step and field."""

REFERS: Final = ("room", "track", "stream", "lease", "processor")
"""Fields that name something, called by what they name."""


_names: Final[dict[Any, tuple[str, ...]]] = {}


def names_of(kind: Any) -> tuple[str, ...]:
    """Return the fields of a word, in order."""
    names = _names.get(kind)
    if names is None:
        names = _names[kind] = tuple(field.name for field in fields(kind))
    return names
