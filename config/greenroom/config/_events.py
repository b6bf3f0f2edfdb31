"""The script of a deployment: what happens at which media time, one class per kind of event."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from greenroom.config._fields import (
    FilePath,
    Label,
    MediaTime,
    Missing,
    Name,
    OutputName,
    Section,
    Steps,
    Variable,
)

At = Annotated[
    MediaTime,
    Field(description="When, in seconds of media time: since the session's first source started."),
]
TrackRef = Annotated[
    str,
    Field(
        min_length=1,
        description="A track, by the `sid` that the file gives it; it keeps that name after it got new sids.",
    ),
]
RoomRef = Annotated[Label, Field(description="A room of this file.")]
ParticipantRef = Annotated[Label, Field(description="A participant of that room.")]
ProcessorRef = Annotated[str, Field(min_length=1, description="A processor of this file.")]
NewTokenEnv = Annotated[
    Variable | Missing,
    Field(
        description="The environment variable that holds the new token. Default: the room's own is read again."
    ),
]
NewTokenFile = Annotated[
    FilePath | Missing,
    Field(description="The file that holds the new token. Default: the room's own is read again."),
]


class Event(Section):
    """Something that happens at a media time."""

    at_s: At


class Leave(Event):
    """A participant leaves a room; all of its tracks there end."""

    do: Literal["leave"]
    room: RoomRef
    participant: ParticipantRef


class Join(Event):
    """A participant that has left comes back; its tracks start again from the beginning of their inputs."""

    do: Literal["join"]
    room: RoomRef
    participant: ParticipantRef


class Refresh(Event):
    """A room's token is replaced; its processors are told the new credentials, and nothing else."""

    do: Literal["refresh"]
    room: RoomRef
    token_env: NewTokenEnv = None
    token_file: NewTokenFile = None


class Reconnect(Event):
    """A full reconnect: every track of the room is published again under a new sid; no processor is closed."""

    do: Literal["reconnect"]
    room: RoomRef
    sids: dict[str, Name] = Field(
        default_factory=dict,
        description="The new sid of each track, by the sid that the file gives it. Tracks left out get one made up.",
    )
    token_env: NewTokenEnv = None
    token_file: NewTokenFile = None


class Move(Event):
    """A track moves to another room, with its streams, and goes on there."""

    do: Literal["move"]
    track: TrackRef
    to: RoomRef
    sid: Name | Missing = Field(
        default=None, description="The sid it gets there. Default: it keeps the one it has."
    )


class Fault(Event):
    """Rehearse a fault: the processor misbehaves on purpose."""

    do: Literal["fault"]
    processor: ProcessorRef
    kind: Literal["raise", "hang", "wrong_frame", "fail_build"] = Field(
        description="`raise`: its next frames raise. `hang`: its next frame does not return for `hold_s`. `wrong_frame`: "
        "its next frames come back too short. `fail_build`: the next builds of it raise.",
    )
    track: TrackRef | Missing = Field(
        default=None,
        description="Only where it hears this track. Default: wherever it is called first.",
    )
    times: int = Field(default=1, ge=1, le=1000, description="How many times, before it behaves again.")
    hold_s: float = Field(
        default=2.0, gt=0, le=60, description="`hang` only: how long the call does not return."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> "Fault":
        if self.kind != "hang" and "hold_s" in self.model_fields_set:
            raise PydanticCustomError("fault", "hold_s is for kind = 'hang' only; take it out")
        if self.kind == "fail_build" and self.track is not None:
            raise PydanticCustomError(
                "fault",
                "fail_build cannot choose a track: a processor is built before it hears one. Take 'track' out, or give "
                "that track a processor of its own",
            )
        return self


class Hold(Event):
    """Code other than a stream takes a lease on a processor, and so keeps it open."""

    do: Literal["hold"]
    lease: Name = Field(description="What `release` calls it.")
    processor: ProcessorRef


class Release(Event):
    """A lease taken by `hold` is given back."""

    do: Literal["release"]
    lease: Name = Field(description="The lease that a `hold` event before this one took.")


class OpenStream(Event):
    """A track gets one more stream, through processors of its own choice."""

    do: Literal["open_stream"]
    track: TrackRef
    stream: Name = Field(description="What `close_stream` calls it; unique on its track.")
    pipeline: Steps = Field(description="The name of a pipeline, or a list of processors.")
    output: OutputName | Missing = Field(
        default=None,
        description="The file name of its output. Default: `ROOM-PARTICIPANT-STREAM.wav`.",
    )


class CloseStream(Event):
    """A stream that `open_stream` opened ends."""

    do: Literal["close_stream"]
    track: TrackRef
    stream: Name = Field(description="The stream that an `open_stream` event before this one opened.")


AnyEvent = Annotated[
    Join | Leave | Refresh | Reconnect | Move | Fault | Hold | Release | OpenStream | CloseStream,
    Field(discriminator="do"),
]
"""The closed union of what may happen."""
