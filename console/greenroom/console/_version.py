"""Which greenroom this is."""

from importlib import metadata


def version() -> str:
    """Return the installed version, or ``0+source`` in a checkout that was not installed."""
    try:
        return metadata.version("greenroom")
    except metadata.PackageNotFoundError:
        return "0+source"
