"""Where local sockets live, and who may use them: the user who runs the process, and nobody else.

A socket lies in a folder that belongs to this user, is no symbolic link and can be opened by nobody else; the socket
itself cannot either; and where the system says who is at the other end (``SO_PEERCRED``) both ends look.
"""

import os
import re
import socket
import stat
import struct
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from greenroom.supervision.errors import SupervisionError

LONGEST_PATH: Final = 100
"""Bytes of a socket's path; systems allow 104 to 108."""
LONGEST_NAME: Final = 40
"""Characters of a deployment's name that its socket's name shows."""
PRIVATE: Final = 0o700
CONNECT_S: Final = 1.0
_NAMED: Final = re.compile(r"(\d+)-(.*)\.sock")


class TreeUnavailable(SupervisionError, OSError):  # noqa: N818 - it says what has happened
    """A tree cannot be served at a path, or is not served there.

    Attributes:
        path: of the socket, or of its folder.
        reason: why.
    """

    def __init__(self, path: object, reason: str) -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f"{self.path}: {reason}")


def check_system() -> None:
    """Refuse systems that have no local sockets, or no users, as Python sees it."""
    if not hasattr(socket, "AF_UNIX") or not hasattr(os, "geteuid"):
        raise TreeUnavailable("a local socket", "this system has none")


def folders() -> tuple[Path, ...]:
    """Return the folders in which sockets may lie; new ones go into the first."""
    name = os.environ.get("XDG_RUNTIME_DIR", "")
    found: list[Path] = []
    with suppress(OSError):
        if Path(name).is_absolute() and Path(name).stat().st_uid == os.geteuid():
            found.append(Path(name) / "greenroom")
    return (*found, Path(tempfile.gettempdir()) / f"greenroom-{os.geteuid()}")


def socket_path(name: str) -> Path:
    """Return where this process serves its tree: ``<pid>-<name>.sock`` in the first folder, which is made.

    Raises:
        TreeUnavailable: the folder cannot be made, or is not only ours.
    """
    check_system()
    folder = folders()[0]
    try:
        folder.mkdir(mode=PRIVATE)
    except FileExistsError:
        pass
    except OSError as error:
        raise TreeUnavailable(folder, f"the folder cannot be made: {error.strerror}") from error
    shown = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:LONGEST_NAME]
    return folder / f"{os.getpid()}-{shown}.sock"


def named(path: Path) -> tuple[int, str] | None:
    """Return the process and the name in a socket's name; None if it is not one of `socket_path`."""
    found = _NAMED.fullmatch(path.name)
    return None if found is None else (int(found[1]), found[2])


def check_folder(folder: Path) -> None:
    """Refuse a folder that others can look into, or that is not what it seems.

    Raises:
        TreeUnavailable: says what is wrong with it.
    """
    try:
        found = folder.lstat()
    except OSError as error:
        raise TreeUnavailable(folder, f"no such folder: {error.strerror}") from error
    if stat.S_ISLNK(found.st_mode):
        raise TreeUnavailable(
            folder, "the folder is a symbolic link, which may lead anywhere; use another one"
        )
    if not stat.S_ISDIR(found.st_mode):
        raise TreeUnavailable(folder, "it is no folder")
    if found.st_uid != os.geteuid():
        raise TreeUnavailable(folder, f"the folder belongs to user {found.st_uid}, and we are {os.geteuid()}")
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise TreeUnavailable(folder, f"others can open the folder (mode {mode:04o}); chmod 700 would do")


def peer_uid(connection: socket.socket) -> int | None:
    """Return who is at the other end; None where the system does not say."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    size = struct.calcsize("3i")
    uid: int = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, size))[1]
    return uid


def is_ours(connection: socket.socket) -> bool:
    """Whether the other end is this user, as far as the system says."""
    return peer_uid(connection) in (None, os.geteuid())


def connect(path: Path, timeout_s: float) -> socket.socket:
    """Open a connection to a socket of ours.

    Raises:
        ConnectionRefusedError, FileNotFoundError: nobody serves it (any more).
        TimeoutError: whoever serves it does not come to it.
        TreeUnavailable: it is not ours.
        OSError: anything else.
    """
    check_folder(path.parent)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        if not is_ours(connection):
            raise TreeUnavailable(path, f"it is served by user {peer_uid(connection)}")  # noqa: TRY301 - closes it
    except BaseException:
        connection.close()
        raise
    return connection


def listen(path: Path) -> socket.socket:
    """Return a socket that listens at ``path``; a stale one that lies there is removed.

    It appears there only when it listens, so who finds one that refuses knows that it is stale.

    Raises:
        TreeUnavailable: the folder is not only ours, the path is too long, or something is there already.
    """
    check_system()
    check_folder(path.parent)
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise TreeUnavailable(
            path, f"the path is longer than {LONGEST_PATH} bytes; use a folder nearer to the root"
        )
    _make_room(path)
    fresh = path.with_name(f".{path.name}")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        fresh.unlink(missing_ok=True)
        listening.bind(str(fresh))
        fresh.chmod(0o600)
        listening.listen()
        listening.setblocking(False)
        fresh.rename(path)
    except OSError as error:
        listening.close()
        raise TreeUnavailable(path, f"no socket can be made there: {error.strerror}") from error
    return listening


def _make_room(path: Path) -> None:
    try:
        there = path.lstat()
    except OSError:
        return
    if not stat.S_ISSOCK(there.st_mode):
        raise TreeUnavailable(path, "there is something else at that path")
    if not remove_if_stale(path):
        raise TreeUnavailable(path, "a tree is served there already")


def remove_if_stale(path: Path) -> bool:
    """Remove a socket that nobody serves any more; whether it is gone."""
    try:
        connect(path, CONNECT_S).close()
    except (ConnectionRefusedError, FileNotFoundError):
        path.unlink(missing_ok=True)
        return True
    except OSError:
        return False
    return False
