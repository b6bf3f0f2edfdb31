"""Writes files that are either there as a whole or not there at all."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Put ``content`` under ``path``, which nobody ever sees half-written.

    It is written beside its place under another name, synced and then renamed.

    Raises:
        OSError: it could not be written; nothing is left behind, and what was under ``path`` before still is.
    """
    try:
        _write(path, content)
    except OSError as error:
        # The name that people asked for, not that of the temporary file beside it.
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
