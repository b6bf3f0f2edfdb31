"""Every error of this floor: what was wrong, by name and value, and what would do."""
# ruff: noqa: N818  these names say what happened; the base class says that it is an error

import difflib
from collections.abc import Iterable


class SessionError(Exception):
    """Base of every error of ``greenroom.actors``."""


class BadProcessorSpec(SessionError, ValueError):
    """A field of a `ProcessorSpec` has a wrong value; nothing was built.

    Attributes:
        field: its name.
        value: what was given.
        hint: what would do.
    """

    def __init__(self, field: str, value: object, hint: str) -> None:
        self.field = field
        self.value = value
        self.hint = hint
        super().__init__(f"ProcessorSpec.{field} is {value!r}; it must be {hint}")


class BadFrame(SessionError, ValueError):
    """A frame that was pushed in is not one that rooms carry; it was not taken."""


class UnknownProcessor(SessionError, LookupError):
    """No processor of that name is configured, installed or importable.

    Attributes:
        name: what was asked for.
        known: the names that there are.
    """

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        self.name = name
        self.known = tuple(known)
        nearest = difflib.get_close_matches(name, self.known, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        listed = f"known: {', '.join(self.known)}" if self.known else "none is configured"
        super().__init__(f"no processor {name!r}; {hint}{listed}")


class NotAProcessor(SessionError, TypeError):
    """What was given for a processor is none of: a name, a spec, a factory, an instance, a lease."""


class DuplicateName(SessionError, ValueError):
    """Something of that name is there already.

    Attributes:
        kind: what: room, track, stream, processor.
        name: its name.
    """

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"there is a {kind} {name!r} already; close it first, or take another name")


class NotThere(SessionError, LookupError):
    """Something of that name is not there.

    Attributes:
        kind: what: room, track, stream.
        name: its name.
        known: the names that there are.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str] = ()) -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(known)
        listed = f"known: {', '.join(self.known)}" if self.known else "there is none"
        super().__init__(f"no {kind} {name!r}; {listed}")


class SessionClosed(SessionError, RuntimeError):
    """The session was closed, or has not been entered yet."""


class RoomClosed(SessionError, RuntimeError):
    """The room is closed."""


class TrackClosed(SessionError, RuntimeError):
    """The track has left its room."""


class StreamClosed(SessionError, RuntimeError):
    """The stream has ended."""


class StreamFailed(SessionError, RuntimeError):
    """A stream could not be opened, or ended because of an error: its source, its sink.

    Attributes:
        stream: its path.
        cause: the error; also the ``__cause__``.

    Args:
        stream: its path.
        cause: the error. Its own text is not shown, as it may hold a secret.
        told: what to show of it, if more than its type.
    """

    def __init__(self, stream: str, cause: BaseException, told: str = "") -> None:
        self.stream = stream
        self.cause = cause
        super().__init__(f"{stream} failed: {told or type(cause).__name__}")
        self.__cause__ = cause


class LeaseOver(SessionError, RuntimeError):
    """The lease has ended: it was released, its holder is gone, or its processor was closed."""
