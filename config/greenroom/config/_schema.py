"""The deployment file: sections, keys, limits and what they mean, in the words that editors show."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from greenroom.actors.processors import OnFault, Placement
from greenroom.config._events import AnyEvent
from greenroom.config._fields import (
    SECRET,
    Chain,
    FilePath,
    Label,
    MediaTime,
    Milliseconds,
    Missing,
    Name,
    OutputName,
    Seconds,
    Section,
    Steps,
    Variable,
)
from greenroom.config._live_schema import LiveRoomSection

Restarts = Annotated[int, Field(ge=0, le=1000)]
Channels = Annotated[int, Field(ge=1, le=8)]


class SessionSection(Section):
    """The session as a whole."""

    name: Name = Field(default="session", description="What logs and reports call it.")
    rate_hz: int = Field(
        default=48_000,
        ge=8_000,
        le=192_000,
        multiple_of=100,
        description="The rate at which audio goes through processors; inputs are resampled to it.",
    )
    frame_ms: int = Field(
        default=10,
        ge=10,
        le=100,
        multiple_of=10,
        description="How much audio a frame holds, in whole blocks of 10 ms.",
    )
    shutdown_s: Seconds = Field(default=5.0, le=300, description="How long an orderly shutdown may take.")
    length_s: Seconds | Missing = Field(
        default=None,
        description="When the session ends, in media time. Default: when all inputs and events are over.",
    )


class SupervisionSection(Section):
    """How failing processors are restarted, unless a processor says otherwise."""

    restarts: Restarts = Field(
        default=3,
        description="How many restarts within `period_s` before a processor is degraded: frames then bypass it.",
    )
    period_s: Seconds = Field(default=10.0, description="The sliding window in which restarts are counted.")
    backoff_ms: Milliseconds = Field(
        default=50.0,
        description="The pause before the second restart in a row; doubled each time, up to `backoff_max_ms`.",
    )
    backoff_max_ms: Milliseconds = Field(default=5_000.0, description="The longest pause between restarts.")
    retry_s: Seconds = Field(
        default=5.0, description="How long a degraded processor rests before it is tried again."
    )

    @model_validator(mode="after")
    def _backoff_grows(self) -> "SupervisionSection":
        if self.backoff_max_ms < self.backoff_ms:
            raise PydanticCustomError("backoff", "backoff_max_ms must not be less than backoff_ms")
        return self


class ProcessorSection(Section):
    """A processor: what it is, where it runs, and what happens when it fails."""

    use: str = Field(
        min_length=1,
        description="The name of an installed processor (`gain`, `highpass` ...), or `package.module:factory`.",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="What the factory is called with.")
    options_env: dict[str, Variable] = Field(
        default_factory=dict,
        description='Options that are secret: the environment variable that holds each (`api_key = "MY_API_KEY"`).',
    )
    placement: Placement = Field(
        default=Placement.THREAD,
        strict=False,
        description="`inline`: in the stream's own thread, for what takes microseconds. `thread`: on other threads, "
        "where deadlines hold and a hanging call is given up. `pinned`: so too, but always on the same one.",
    )
    on_fault: OnFault = Field(
        default=OnFault.BYPASS,
        strict=False,
        description="What comes out when it fails: `bypass` (the frame as it was), `silence` or `drop`.",
    )
    shared: bool = Field(
        default=False, description="One instance for all streams that name it, instead of one each."
    )
    deadline_ms: Milliseconds = Field(
        default=200.0, description="How long a frame may be on its way through."
    )
    hang_ms: Milliseconds = Field(default=1_000.0, description="A call that takes longer is given up.")
    build_s: Seconds = Field(
        default=30.0, description="How long building it may take (models are loaded then)."
    )
    close_s: Seconds = Field(default=2.0, description="How long closing it may take.")
    capacity_frames: int = Field(default=100, ge=1, le=10_000, description="How many frames may wait for it.")
    restarts: Restarts | Missing = Field(default=None, description="Default: that of `[supervision]`.")
    period_s: Seconds | Missing = Field(default=None, description="Default: that of `[supervision]`.")
    backoff_ms: Milliseconds | Missing = Field(default=None, description="Default: that of `[supervision]`.")
    backoff_max_ms: Milliseconds | Missing = Field(
        default=None, description="Default: that of `[supervision]`."
    )
    retry_s: Seconds | Missing = Field(default=None, description="Default: that of `[supervision]`.")

    @model_validator(mode="after")
    def _said_once(self) -> "ProcessorSection":
        for key in self.options:
            if key in self.options_env:
                raise PydanticCustomError(
                    "options", "option {key} is in options and in options_env; take one out", {"key": key}
                )
            if SECRET.search(key):
                raise PydanticCustomError(
                    "options",
                    "option {key} looks like a secret, which does not belong into this file. Put it into an environment "
                    'variable: options_env = { {key} = "MY_VARIABLE" }',
                    {"key": key},
                )
        return self


class TrackSection(Section):
    """A track: somebody's audio, where it comes from, and what is done with it."""

    sid: Name = Field(description="The sid it is first published with; events name the track by it. Unique.")
    participant: Label = Field(description="Whose track it is.")
    source: Name = Field(
        default="microphone", description="Which of the participant's tracks: `microphone`, `screen` ..."
    )
    input: FilePath = Field(
        description="An audio file, relative to this file; any rate and channel count that soundfile reads. "
        "`shipped:demo/anna.flac` is one that comes with greenroom.",
    )
    channels: Channels | Missing = Field(
        default=None,
        description="How many channels it becomes: 1 is the mean of all. Default: those of the file.",
    )
    reference: FilePath | Missing = Field(
        default=None,
        description="The same speech without noise, so that improvement can be measured.",
    )
    pipeline: Steps = Field(description="The name of a pipeline, or a list of processors.")
    output: OutputName | Missing = Field(
        default=None,
        description="The file name of its output. Default: `ROOM-PARTICIPANT.wav`, with the source if it is no microphone.",
    )
    join_s: MediaTime = Field(default=0.0, description="When it is published first, in media time.")


class RoomSection(Section):
    """A room whose tracks are files: how it is reached, and its tracks."""

    source: Literal["files"] = Field(
        default="files", description="Where its audio comes from: `files` (the default), or `livekit`."
    )
    url: str = Field(
        default="", max_length=2048, description="The server's address, as processors are told it."
    )
    token_env: Variable | Missing = Field(
        default=None, description="The environment variable that holds its token."
    )
    token_file: FilePath | Missing = Field(
        default=None, description="The file that holds its token, and nothing else."
    )
    tracks: Annotated[tuple[TrackSection, ...], Field(strict=False)] = Field(
        default=(),
        description="Its tracks, one `[[rooms.NAME.tracks]]` each.",
    )

    @model_validator(mode="after")
    def _one_secret(self) -> "RoomSection":
        if self.token_env and self.token_file:
            raise PydanticCustomError("secret", "give token_env or token_file, not both")
        if self.url and not self.has_token:
            raise PydanticCustomError("secret", "has a url but no token; add token_env or token_file")
        return self

    @property
    def has_token(self) -> bool:
        """Whether it names a place where its token is."""
        return bool(self.token_env or self.token_file)


def _told_apart(rooms: object) -> object:
    """Say of each room that does not what its source is, so that the right section is chosen for it."""
    if not isinstance(rooms, dict):
        return rooms
    return {
        name: {"source": "files", **room} if isinstance(room, dict) else room  # pyright: ignore[reportUnknownVariableType] - checked below
        for name, room in rooms.items()  # pyright: ignore[reportUnknownVariableType]
    }


Rooms = Annotated[
    dict[Label, Annotated[RoomSection | LiveRoomSection, Field(discriminator="source")]],
    BeforeValidator(_told_apart),
]


class DeploymentFile(Section):
    """A greenroom deployment: rooms, their tracks, their processors, and what happens when."""

    session: SessionSection = Field(default_factory=SessionSection, description="The session as a whole.")
    supervision: SupervisionSection = Field(
        default_factory=SupervisionSection,
        description="How failing processors are restarted, unless a processor says otherwise.",
    )
    processors: dict[Name, ProcessorSection] = Field(
        default_factory=dict,
        description="The processors, by the name that pipelines and events call them.",
    )
    pipelines: dict[Name, Chain] = Field(
        default_factory=dict,
        description="Lists of processors, in the order in which audio goes through them.",
    )
    rooms: Rooms = Field(min_length=1, description="The rooms, by name.")
    events: Annotated[tuple[AnyEvent, ...], Field(strict=False)] = Field(
        default=(),
        description="The script, one `[[events]]` each; sorted by `at_s` before it is played.",
    )

    @property
    def scripted(self) -> dict[str, RoomSection]:
        """The rooms that the file itself fills and plays: those whose tracks are files."""
        return {name: room for name, room in self.rooms.items() if isinstance(room, RoomSection)}
