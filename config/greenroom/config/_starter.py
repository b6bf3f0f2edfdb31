"""A commented file to begin with."""

from importlib import resources


def starter() -> str:
    """Return a deployment file that works as it is and explains itself."""
    return (resources.files("greenroom.config") / "starter.toml").read_text("utf8")
