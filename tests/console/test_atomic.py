"""Report files: there as a whole, or not at all."""

import errno
import os
from pathlib import Path

import pytest

from greenroom.console._atomic import write_atomically


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(p.name for p in folder.iterdir())


def test_a_file_replaces_the_one_before(tmp_path: Path) -> None:
    """The new content takes the old one's place, and nothing else is left in the folder."""
    target = tmp_path / "report.json"
    target.write_text("old")
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["report.json"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the content cannot be written, the old file stays whole and no half-written one is left."""

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    target = tmp_path / "report.json"
    target.write_text("old")
    with pytest.raises(OSError, match="No space left"):
        write_atomically(target, b"new")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["report.json"]
