"""What a processor is told: whose audio it hears (stream info) and what it may use (credentials)."""

from dataclasses import dataclass, field
from typing import Final

MASK: Final = "***"


class Token:
    """A secret. Prints, formats, logs and pickles as ``***``; ``reveal()`` is the only way to its text.

    >>> Token("eyJhbGciOi")
    Token(***)
    >>> f"{Token('eyJhbGciOi')}"
    '***'
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself: for handing it to a processor or to a server, never for printing."""
        return self._text

    def __repr__(self) -> str:
        return f"Token({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, _spec: str) -> str:
        return MASK

    def __reduce__(self) -> tuple[type["Token"], tuple[str]]:
        return (Token, (MASK,))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A room's access token and server address, as LiveKit hands them to processors.

    Attributes:
        token: given as text or as a `Token`; kept as a `Token`.
        url: the server's address; may be empty for a room without a server.
    """

    token: Token
    url: str

    def __init__(self, *, token: str | Token, url: str = "") -> None:
        if not isinstance(token, str | Token) or not isinstance(url, str):
            raise TypeError(
                f"Credentials take texts; given were {type(token).__name__} and {type(url).__name__}"
            )
        object.__setattr__(self, "token", token if isinstance(token, Token) else Token(token))
        object.__setattr__(self, "url", url)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInfo:
    """Whose audio a processor hears. One without identity or sid is never pushed."""

    room_name: str
    participant_identity: str
    publication_sid: str

    @property
    def complete(self) -> bool:
        """Whether it names a participant and a publication."""
        return bool(self.participant_identity and self.publication_sid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What one lease wants its processor to know. Desired state, not a command.

    Attributes:
        stream_info: whose audio, or None outside any room.
        credentials: the room's, or None.
        publication: counts the publications of the track; a higher number has both pushed again even
            where their values are the same (a full reconnect often brings the same sids).
    """

    stream_info: StreamInfo | None = None
    credentials: Credentials | None = None
    publication: int = field(default=0)


NO_CONTEXT: Final = Context()
