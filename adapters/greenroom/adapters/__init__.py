"""Other people's software behind greenroom's seams: audio files and real processors.

Importing this package loads nothing native; each adapter imports its own package when it is built.
"""

from greenroom.adapters._errors import (
    AdapterError,
    BadAudioFile,
    BadOptions,
    BrokenImport,
    MissingExtra,
    NotAFactory,
    OutputFailed,
    UnknownUse,
    UnreadableFile,
)

__all__ = [
    "AdapterError",
    "BadAudioFile",
    "BadOptions",
    "BrokenImport",
    "MissingExtra",
    "NotAFactory",
    "OutputFailed",
    "UnknownUse",
    "UnreadableFile",
]
