"""Shows a running system's tree to its own user: over a local socket, one JSON line there, one JSON line back.

A request is ``{"greenroom": 1, "ask": "hello"}`` or ``{"greenroom": 1, "ask": "tree"}``; an answer has ``greenroom``,
``pid`` and ``name``, and for a tree ``tree``, which is a `TreeSnapshot` as JSON; or ``error``.

Laws:
    - it is read only, and what it tells holds no message, no secret and no text of an error (`snapshot`);
    - one thread serves all, and waits for none: who is slow, silent or talks too much is hung up on;
    - who is another user is hung up on before a byte is read.
"""

import json
import os
import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from logging import WARNING
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

from greenroom.supervision import _checks, _sockets
from greenroom.supervision._future import Future
from greenroom.supervision._log import log_bug, say
from greenroom.supervision._sockets import TreeUnavailable
from greenroom.supervision._system import ActorSystem
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.snapshot import TreeSnapshot

__all__ = ["ServedTree", "TreeServer", "TreeUnavailable", "ask_tree", "serve_tree", "served_trees"]

PROTOCOL: Final = 1
MOST_REQUEST_BYTES: Final = 4096
MOST_ANSWER_BYTES: Final = 512 * 1024 * 1024
MOST_CLIENTS: Final = 16
LONGEST_NAME: Final = 1000
CLIENT_NS: Final = 5_000_000_000
"""How long one exchange may take."""
END_NS: Final = 2_000_000_000
_CHUNK: Final = 65536


class _Client:
    """One connection: first it is read from, then written to."""

    __slots__ = ("answer", "connection", "deadline_ns", "given")

    def __init__(self, connection: socket.socket, deadline_ns: int) -> None:
        self.connection = connection
        self.deadline_ns = deadline_ns
        self.given = bytearray()
        self.answer: memoryview | None = None


class TreeServer:
    """Serves one system's tree at one path, until it or the system is closed.

    Args:
        system: whose tree; not a simulated one, which has no threads.
        path: of the socket, in a folder that only this user can open.
        name: by which people know it.

    Raises:
        TreeUnavailable: it cannot be served there; says why.
    """

    def __init__(self, system: ActorSystem, path: Path, *, name: str) -> None:
        if system.runtime.simulated:
            raise TreeUnavailable(path, "a simulated system has no threads to serve it")
        self.path = path
        self.name = name
        self._system = system
        self._listening = _sockets.listen(path)
        self._inode = path.stat().st_ino
        self._wake, self._waker = socket.socketpair()
        self._clients: dict[socket.socket, _Client] = {}
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._listening, selectors.EVENT_READ)
        self._ready.register(self._wake, selectors.EVENT_READ)
        self._serving = True
        self._closed = False
        self._ended: Future[None] = Future(system.runtime, "the tree server's end")
        self._executor = system.runtime.executor(Dispatcher.PINNED, "tree")
        self._executor.submit(self)
        self._detach: Callable[[], None] = _nothing
        try:
            self._detach = system.attach(self.close)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up, remove the socket, and end the thread. Idempotent; any thread but its own."""
        if self._closed:
            return
        self._closed = True
        self._detach()
        self._waker.send(b"x")
        self._executor.close()
        self._system.runtime.wait(self._ended, END_NS)
        self._waker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- its thread ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until closed: the task of its thread."""
        try:
            while self._serving:
                for key, _ in self._ready.select(self._patience_s()):
                    self._attend(cast("socket.socket", key.fileobj))
                self._hang_up_on_the_slow()
        finally:
            for client in list(self._clients.values()):
                self._drop(client)
            with suppress(OSError):
                if self.path.stat().st_ino == self._inode:
                    self.path.unlink()
            for each in (self._ready, self._listening, self._wake):
                each.close()
            self._ended.try_set(None)

    def _patience_s(self) -> float | None:
        deadlines_ns = [client.deadline_ns for client in self._clients.values()]
        if not deadlines_ns:
            return None
        left_ns: int = min(deadlines_ns) - self._system.runtime.now_ns()
        return max(0, left_ns) / 1e9

    def _attend(self, ready: socket.socket) -> None:
        if ready is self._listening:
            self._accept()
            return
        if ready is self._wake:
            self._serving = False
            return
        client = self._clients[ready]
        try:
            going_on = self._read(client) if client.answer is None else self._write(client)
        except OSError:
            going_on = False
        if not going_on:
            self._drop(client)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:  # it is gone again
            return
        if len(self._clients) >= MOST_CLIENTS or not _is_ours(connection):
            connection.close()
            return
        connection.setblocking(False)
        client = _Client(connection, self._system.runtime.now_ns() + CLIENT_NS)
        self._clients[connection] = client
        self._ready.register(connection, selectors.EVENT_READ)

    def _read(self, client: _Client) -> bool:
        got = client.connection.recv(_CHUNK)
        client.given += got
        if b"\n" in client.given:
            line = bytes(client.given.split(b"\n", 1)[0])
            client.answer = memoryview(self._answer(line[: MOST_REQUEST_BYTES + 1]))
            client.deadline_ns = (
                self._system.runtime.now_ns() + CLIENT_NS
            )  # it is no fault of his if that took long
            self._ready.modify(client.connection, selectors.EVENT_WRITE)
            return True
        return bool(got) and len(client.given) <= MOST_REQUEST_BYTES

    def _write(self, client: _Client) -> bool:
        answer = cast("memoryview", client.answer)
        client.answer = answer[client.connection.send(answer[:_CHUNK]) :]
        return len(client.answer) > 0

    def _answer(self, line: bytes) -> bytes:
        told: dict[str, Any] = {"greenroom": PROTOCOL, "pid": os.getpid(), "name": self.name}
        try:
            match _request(line):
                case "hello":
                    return json.dumps(told).encode() + b"\n"
                case "tree":
                    tree = self._system.snapshot().to_json()
                    return f'{json.dumps(told)[:-1]}, "tree": {tree}}}\n'.encode()
                case _:
                    told["error"] = "no such request; there are hello and tree"
        except ValueError as error:
            told["error"] = str(error)
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not end the server
            log_bug("tree.failed", error)
            told["error"] = f"the snapshot failed with {type(error).__name__}"
        return json.dumps(told).encode() + b"\n"

    def _hang_up_on_the_slow(self) -> None:
        if self._clients:
            now_ns = self._system.runtime.now_ns()
            for client in list(self._clients.values()):
                if client.deadline_ns <= now_ns:
                    self._drop(client)

    def _drop(self, client: _Client) -> None:
        del self._clients[client.connection]
        with suppress(KeyError, ValueError):
            self._ready.unregister(client.connection)
        client.connection.close()


def serve_tree(
    system: ActorSystem, path: str | os.PathLike[str] | None = None, *, name: str = "greenroom"
) -> TreeServer:
    """Show a system's tree to this user's ``greenroom tree``, until the server or the system is closed.

    Args:
        system: whose tree.
        path: of the socket, in a folder of mode 0700; by default where ``greenroom tree`` looks:
            ``$XDG_RUNTIME_DIR/greenroom``, or a folder of this user's in the folder for temporary files.
        name: by which people know it.

    Raises:
        TreeUnavailable: it cannot be served there; says why.
        BadSpec: ``system`` is none, or ``name`` no text that can be printed.
    """
    _checks.instance("system", system, ActorSystem)
    _checks.text("name", name, most=LONGEST_NAME)
    return TreeServer(system, _sockets.socket_path(name) if path is None else Path(path), name=name)


# -- the other end ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedTree:
    """A tree that is served on this machine by this user.

    Attributes:
        path: of its socket.
        pid: of its process.
        name: by which people know it.
        answers: whether it answered; a process that is being stopped or debugged may not.
    """

    path: Path
    pid: int
    name: str
    answers: bool


def served_trees(*, timeout_s: float = 1.0) -> tuple[ServedTree, ...]:
    """Return the trees that this user's processes serve here, by process; stale sockets are removed on the way.

    Raises:
        TreeUnavailable: a folder that should be ours is not.
    """
    found: list[ServedTree] = []
    _sockets.check_system()
    for folder in _sockets.folders():
        if not folder.is_symlink() and not folder.exists():
            continue
        _sockets.check_folder(folder)
        for path in sorted(folder.glob("*.sock")):
            told = _hello(path, timeout_s)
            if told is not None:
                found.append(told)
    return tuple(sorted(found, key=lambda each: (each.pid, each.name)))


def ask_tree(path: str | os.PathLike[str], *, timeout_s: float = 30.0) -> TreeSnapshot:
    """Return what the tree looks like that is served at ``path``. One of 100,000 actors takes seconds.

    Raises:
        TreeUnavailable: nobody serves one there, or what comes back is none.
    """
    answer = _ask(Path(path), "tree", timeout_s)
    try:
        return TreeSnapshot.from_json(json.dumps(answer["tree"]))
    except (KeyError, ValueError) as error:
        raise TreeUnavailable(path, f"what it answers is no tree: {error}") from error


def _hello(path: Path, timeout_s: float) -> ServedTree | None:
    name = _sockets.named(path)
    if name is None or _sockets.remove_if_stale(path):
        return None
    try:
        answer = _ask(path, "hello", timeout_s)
        return ServedTree(path=path, pid=int(answer["pid"]), name=str(answer["name"]), answers=True)
    except (TreeUnavailable, KeyError, ValueError):
        return ServedTree(path=path, pid=name[0], name=name[1], answers=False)


def _ask(path: Path, what: str, timeout_s: float) -> dict[str, Any]:
    """Ask one question and return the answer."""
    try:
        with _sockets.connect(path, timeout_s) as connection:
            connection.sendall(json.dumps({"greenroom": PROTOCOL, "ask": what}).encode() + b"\n")
            given = bytearray()
            while not given.endswith(b"\n"):
                got = connection.recv(_CHUNK)
                if not got:
                    raise TreeUnavailable(path, "it hung up")
                given += got
                if len(given) > MOST_ANSWER_BYTES:
                    raise TreeUnavailable(path, "its answer does not end")
        answer = _mapping(json.loads(given))
    except (ConnectionRefusedError, FileNotFoundError) as error:
        raise TreeUnavailable(path, "no tree is served there") from error
    except TimeoutError as error:
        raise TreeUnavailable(path, "no answer; its process may be stopped") from error
    except ValueError as error:
        raise TreeUnavailable(path, "its answer is no JSON") from error
    except OSError as error:
        raise TreeUnavailable(path, str(error.strerror or error)) from error
    if answer.get("greenroom") != PROTOCOL:
        raise TreeUnavailable(path, f"it does not speak version {PROTOCOL} of this protocol")
    if "error" in answer:
        raise TreeUnavailable(path, str(answer["error"]))
    return answer


def _nothing() -> None:
    pass


def _request(line: bytes) -> str:
    if len(line) > MOST_REQUEST_BYTES:
        raise ValueError(f"the request is longer than {MOST_REQUEST_BYTES} bytes")
    try:
        given = _mapping(json.loads(line))
    except (ValueError, RecursionError):
        raise ValueError("the request is no JSON") from None
    if given.get("greenroom") != PROTOCOL:
        raise ValueError(f"the request is none of version {PROTOCOL}")
    return str(given.get("ask"))


def _mapping(given: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}


def _is_ours(connection: socket.socket) -> bool:
    try:
        if _sockets.is_ours(connection):
            return True
        say(WARNING, "tree.refused", uid=_sockets.peer_uid(connection))
    except OSError:  # it is gone again
        pass
    return False
