"""What can go wrong between greenroom and LiveKit; each error is also the builtin that it is."""
# ruff: noqa: N818  these names say what happened; the base class says that it is an error

from greenroom.adapters import AdapterError


class SdkMissing(AdapterError, ImportError):
    """LiveKit's SDK is not installed."""

    def __init__(self) -> None:
        super().__init__('LiveKit\'s SDK is not installed: pip install "greenroom[livekit]"')


class SdkUnsupported(AdapterError, ImportError):
    """LiveKit's SDK is there in a version that this adapter was not read against.

    Attributes:
        version: which.
    """

    def __init__(self, version: str, supported: str) -> None:
        self.version = version
        super().__init__(f"livekit {version} is installed; greenroom supports livekit{supported}")


class NotAudio(AdapterError, TypeError):
    """A stream was asked for on something that is no audio track."""


class NotInRoom(AdapterError, LookupError):
    """The track, or the participant, is in no room that is connected: it has left, or its room is closed."""


class WrongLoop(AdapterError, RuntimeError):
    """A stream was used in another event loop than its own."""


class AlreadyAttached(AdapterError, ValueError):
    """The room is attached to another session."""


class NotAnOption(AdapterError, TypeError):
    """An argument that streams here do not have, or a value that cannot be what it is given for."""


class ProcessorOver(AdapterError, ValueError):
    """An instance was given that has been closed: nothing is called after a close."""


class ConnectFailed(AdapterError, ConnectionError):
    """The room could not be connected. No token is in the text."""
