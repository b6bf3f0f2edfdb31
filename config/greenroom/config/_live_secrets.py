"""How a room on a LiveKit server is reached: address, key and secret from the environment, never from the file."""

import importlib.util
from typing import Final, Literal

from greenroom.config._live_schema import LiveRoomSection
from greenroom.config._secrets import variable

SCHEMES: Final = ("ws://", "wss://", "http://", "https://")
Key = Literal["url_env", "key_env", "secret_env"]


def missing_package() -> str:
    """Return what to install if the LiveKit SDK is not there; nothing if it is."""
    if importlib.util.find_spec("livekit") is None or importlib.util.find_spec("livekit.rtc") is None:
        return "needs the LiveKit SDK, which is not installed: pip install 'greenroom[livekit]'"
    return ""


def read(room: LiveRoomSection, key: Key) -> str:
    """Return the address, the key or the secret of a room.

    Raises:
        SecretMissing: the variable is not set, or empty.
        ValueError: what should be an address is none; its text does not repeat the value.
    """
    name: str = getattr(room, key)
    text = variable(name)
    if key == "url_env" and not text.startswith(SCHEMES):
        raise ValueError(
            f"environment variable {name} holds no address; one begins with {', '.join(SCHEMES)}"
        )
    return text
