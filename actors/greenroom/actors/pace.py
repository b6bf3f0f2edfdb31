"""How fast a session's sources are read."""

from enum import StrEnum


class Pace(StrEnum):
    """Real time, or as fast as the machine goes."""

    REALTIME = "realtime"
    """A second of audio takes a second. Nobody waits for a processor: frames that are late follow the policy."""
    FAST = "fast"
    """Sources wait for lanes that are full and for processors that are being built; no frame is ever late."""
