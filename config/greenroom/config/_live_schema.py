"""A room on a LiveKit server, as the deployment file describes it."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from greenroom.config._fields import Foreign, Missing, Section, Steps, Variable

if TYPE_CHECKING:
    from greenroom.config._schema import TrackSection

TrackSource = Literal["microphone", "screenshare_audio", "unknown"]
"""What a participant's audio track may be, in LiveKit's words; ``unknown`` is what was published without saying."""


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a list that names nothing: a room of which nothing is taken is a mistake."""
    if not value:
        raise PydanticCustomError("empty", "is empty; name one at least, or leave it out")
    return value


class LiveRoomSection(Section):
    """A room on a LiveKit server, which greenroom enters as a participant: others' audio goes through a pipeline."""

    source: Literal["livekit"] = Field(description="Where its audio comes from: a LiveKit server.")
    url_env: Variable = Field(
        default="LIVEKIT_URL",
        description="The environment variable that holds the server's address (`wss://...`).",
    )
    key_env: Variable = Field(
        default="LIVEKIT_API_KEY", description="The environment variable that holds the API key."
    )
    secret_env: Variable = Field(
        default="LIVEKIT_API_SECRET", description="The environment variable that holds the API secret."
    )
    room: Foreign | Missing = Field(
        default=None, description="What the server calls the room. Default: as the file does."
    )
    identity: Foreign = Field(
        default="greenroom", description="What greenroom is called in the room; unique there."
    )
    participants: Annotated[tuple[Foreign, ...], Field(strict=False), AfterValidator(_some)] | Missing = (
        Field(default=None, description="Whose audio is taken, by identity. Default: everybody's.")
    )
    sources: Annotated[tuple[TrackSource, ...], Field(strict=False), AfterValidator(_some)] = Field(
        default=("microphone",),
        description="Which of their tracks are taken: `microphone`, `screenshare_audio`, `unknown`.",
    )
    pipeline: Steps = Field(description="The name of a pipeline, or a list of processors.")
    output: Literal["track", "file"] = Field(
        default="track",
        description="Where the processed audio goes: `track` publishes it in the room, `file` writes it into the folder of "
        "`--out`, as `ROOM-PARTICIPANT.wav`.",
    )

    @property
    def tracks(self) -> "tuple[TrackSection, ...]":
        """Its tracks in the file: none, they come from the server."""
        return ()
