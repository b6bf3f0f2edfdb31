"""A tree is shown to its own user, over a socket that nobody else can open, by a server that nobody can harm."""

import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.supervision.supkit import PATIENCE_S, Tree, flags, worker

from greenroom.supervision import ActorSystem, RuntimeClosed, _sockets, treeserver
from greenroom.supervision.simulated import SimulatedRuntime
from greenroom.supervision.treeserver import TreeServer, TreeUnavailable, ask_tree, serve_tree, served_trees

OTHER_UID = 65534


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path, because sockets need one; it is where everybody looks."""
    with tempfile.TemporaryDirectory(prefix="gr") as made:
        monkeypatch.setenv("XDG_RUNTIME_DIR", made)
        monkeypatch.setattr(tempfile, "tempdir", str(Path(made) / "tmp"))
        yield Path(made)


@pytest.fixture
def served(folder: Path, real: ActorSystem) -> TreeServer:
    """A tree that is served."""
    Tree(real, flags(), [worker("a"), worker("b")])
    return serve_tree(real, name="demo")


def talk(path: Path, said: bytes) -> bytes:
    """Say something and return all that comes back."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(path))
        connection.sendall(said)
        got = b""
        while part := connection.recv(4096):
            got += part
        return got


def test_a_tree_is_shown_as_it_is(served: TreeServer, real: ActorSystem) -> None:
    """What comes out is the snapshot, and who it is of."""
    shown = ask_tree(served.path)
    assert [each.path for each in shown.actors] == ["top", "top/a", "top/b"]
    (found,) = served_trees()
    assert (found.pid, found.name, found.path, found.answers) == (os.getpid(), "demo", served.path, True)


def test_another_process_can_read_it(served: TreeServer) -> None:
    """One that has nothing in common with this one but its user."""
    code = "import sys; from greenroom.supervision.treeserver import ask_tree; print(ask_tree(sys.argv[1]).describe())"
    told = subprocess.run(
        [sys.executable, "-c", code, str(served.path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert told.stdout.splitlines()[0] == "top [supervisor] running #1"


def test_only_its_user_can_open_it(served: TreeServer) -> None:
    """Neither the socket nor the folder that it lies in."""
    assert stat.S_IMODE(served.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(served.path.parent.stat().st_mode) == 0o700
    assert served.path.parent.stat().st_uid == os.geteuid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("opened", [False, True])
def test_another_user_is_refused(opened: bool, served: TreeServer, folder: Path) -> None:
    """By the file system; and if somebody opens that to all, by looking who it is."""
    if opened:
        for path in (folder, served.path.parent):
            path.chmod(0o755)
        served.path.chmod(0o666)
    code = f"""
import os, socket
os.setgid({OTHER_UID}); os.setuid({OTHER_UID})
connection = socket.socket(socket.AF_UNIX)
try:
    connection.connect({str(served.path)!r})
    connection.sendall(b'{{"greenroom": 1, "ask": "tree"}}\\n')
    print(connection.recv(100) or "hung up")
except OSError as error:
    print(type(error).__name__)
"""
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    said = {"PermissionError"} if not opened else {"hung up", "ConnectionResetError", "BrokenPipeError"}
    assert told.stdout.strip() in said, told
    for path in (folder, served.path.parent):
        path.chmod(0o700)
    assert ask_tree(served.path).actors


def test_a_client_does_not_believe_another_users_server(
    served: TreeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gets a socket of his own into our folder is not asked."""

    def other(_: socket.socket) -> int:
        return os.geteuid() + 1

    monkeypatch.setattr(_sockets, "peer_uid", other)
    with pytest.raises(TreeUnavailable, match="served by user"):
        ask_tree(served.path)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"\n", "no JSON"),
        (b"hello\n", "no JSON"),
        (b"\xff\xfe\n", "no JSON"),
        (b"[" * 3000 + b"\n", "no JSON"),
        (b"7\n", "none of version 1"),
        (b'{"greenroom": 2, "ask": "tree"}\n', "none of version 1"),
        (b'{"greenroom": 1}\n', "no such request"),
        (b'{"greenroom": 1, "ask": ["tree"]}\n', "no such request"),
        (b'{"greenroom": 1, "ask": "stop"}\n', "there are hello and tree"),
        (b" " * 4090 + b'{"greenroom": 1}\n', "longer than 4096"),
    ],
)
def test_what_is_no_request_is_told_so(said: bytes, error: str, served: TreeServer) -> None:
    """In one line, and the next one is served."""
    answer = json.loads(talk(served.path, said))
    assert error in answer["error"]
    assert ask_tree(served.path).actors


def test_who_talks_too_much_is_hung_up_on(served: TreeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that does not end is not kept, and not waited for."""
    monkeypatch.setattr(treeserver, "CLIENT_NS", 10**12)
    for size in (5_000, 200_000):
        with suppress(ConnectionError):  # where something was not read
            assert talk(served.path, b"x" * size) == b""
    assert ask_tree(served.path).actors


def test_the_silent_and_the_slow_harm_nobody(served: TreeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are waited for by nobody, and hung up on after a while; so there is room for others again."""
    monkeypatch.setattr(treeserver, "CLIENT_NS", 100_000_000)
    silent = [socket.socket(socket.AF_UNIX) for _ in range(2 * treeserver.MOST_CLIENTS)]
    try:
        for number, each in enumerate(silent):
            each.settimeout(PATIENCE_S)
            each.connect(str(served.path))
            if number % 2:
                with suppress(BrokenPipeError):  # where it has been hung up on already
                    each.sendall(b'{"greenroom": 1, ')
        for each in silent:
            with suppress(ConnectionResetError):  # where something was not read
                assert each.recv(1) == b""
        assert ask_tree(served.path).actors
    finally:
        for each in silent:
            each.close()


def test_who_hangs_up_in_the_middle_harms_nobody(served: TreeServer) -> None:
    """Before, in, and after the request, without reading the answer."""
    for said in (b"", b'{"greenroom"', b'{"greenroom": 1, "ask": "tree"}\n'):
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(served.path))
                connection.sendall(said)
    assert ask_tree(served.path).actors


def test_a_large_tree_comes_through(folder: Path, real: ActorSystem) -> None:
    """In as many pieces as it takes."""
    Tree(real, flags(), [worker(f"child-{number}") for number in range(2000)])
    with serve_tree(real) as server:
        assert len(ask_tree(server.path).actors) == 2001


def test_the_socket_and_the_thread_go_with_the_server(folder: Path, real: ActorSystem) -> None:
    """Once it is closed nobody finds it; closing twice is harmless."""
    before = real.runtime.live_pinned()
    server = serve_tree(real)
    assert real.runtime.live_pinned() == before + 1
    server.close()
    server.close()
    assert not server.path.exists()
    assert served_trees() == ()
    with pytest.raises(TreeUnavailable, match="no tree is served there"):
        ask_tree(server.path)


def test_it_ends_with_its_system(folder: Path) -> None:
    """Whoever forgets to close it leaves nothing."""
    with ActorSystem() as system:
        server = serve_tree(system)
    assert not server.path.exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("greenroom-tree")]
    with pytest.raises(RuntimeClosed):
        serve_tree(system)


def test_a_stale_socket_is_removed(folder: Path, real: ActorSystem) -> None:
    """What a process that was killed has left: by who looks, and by who wants the place."""
    path = _sockets.socket_path("killed")
    for look in (served_trees, lambda: serve_tree(real, path).close()):
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(path))
        left.close()
        assert path.exists()
        look()
        assert not path.exists()


def test_several_trees_are_told_apart(folder: Path, real: ActorSystem) -> None:
    """By process and name, whatever is in the name."""
    with serve_tree(real, name="one/../x"), serve_tree(real, name="two"):
        assert [each.name for each in served_trees()] == ["one/../x", "two"]
        assert {each.path.parent for each in served_trees()} == {folder / "greenroom"}


def test_who_does_not_answer_is_listed_as_such(folder: Path) -> None:
    """A process that is stopped has a socket that takes connections, and says nothing."""
    path = _sockets.socket_path("stopped")
    with socket.socket(socket.AF_UNIX) as quiet:
        quiet.bind(str(path))
        quiet.listen()
        (found,) = served_trees(timeout_s=0.05)
        assert (found.pid, found.name, found.answers) == (os.getpid(), "stopped", False)
        with pytest.raises(TreeUnavailable, match="may be stopped"):
            ask_tree(path, timeout_s=0.05)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "hung up"),
        (b"hello\n", "no JSON"),
        (b"[]\n", "version 1"),
        (b'{"greenroom": 1, "error": "no"}\n', "no"),
        (b'{"greenroom": 1}\n', "no tree"),
        (b'{"greenroom": 1, "tree": {"schema": 99}}\n', "schema 99"),
    ],
)
def test_an_answer_that_is_none_is_refused(answer: bytes, error: str, folder: Path) -> None:
    """Whoever is at the other end."""
    path = _sockets.socket_path("odd")

    def serve() -> None:
        connection, _ = odd.accept()
        connection.recv(100)
        connection.sendall(answer)
        connection.close()

    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind(str(path))
        odd.listen()
        server = threading.Thread(target=serve)
        server.start()
        with pytest.raises(TreeUnavailable, match=error):
            ask_tree(path)
        server.join(PATIENCE_S)


def _link(folder: Path) -> None:
    (folder / "elsewhere").mkdir(mode=0o700)
    (folder / "greenroom").symlink_to(folder / "elsewhere")


def _file(folder: Path) -> None:
    (folder / "greenroom").write_text("")


def _open(folder: Path) -> None:
    (folder / "greenroom").mkdir(mode=0o755)
    (folder / "greenroom").chmod(0o755)


@pytest.mark.parametrize(
    ("spoil", "error"), [(_link, "symbolic link"), (_file, "no folder"), (_open, r"mode 0755.*chmod 700")]
)
def test_a_folder_that_is_not_only_ours_is_refused(
    spoil: Any, error: str, folder: Path, real: ActorSystem
) -> None:
    """By who serves and by who looks, with what is wrong; and no thread is left."""
    spoil(folder)
    for look in (served_trees, lambda: serve_tree(real)):
        with pytest.raises(TreeUnavailable, match=error):
            look()
    assert real.runtime.live_pinned() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(folder: Path, real: ActorSystem) -> None:
    """It would be theirs to read and to replace."""
    (folder / "greenroom").mkdir(mode=0o700)
    os.chown(folder / "greenroom", OTHER_UID, OTHER_UID)
    with pytest.raises(TreeUnavailable, match=f"belongs to user {OTHER_UID}"):
        serve_tree(real)


def test_without_a_runtime_folder_the_temporary_one_is_used(
    folder: Path, real: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of this user's in it, which is checked like the other one; who looks finds both."""
    (folder / "tmp").mkdir()
    with serve_tree(real, name="there"):
        monkeypatch.delenv("XDG_RUNTIME_DIR")
        with serve_tree(real, name="here") as server:
            assert server.path.parent == folder / "tmp" / f"greenroom-{os.geteuid()}"
            assert stat.S_IMODE(server.path.parent.stat().st_mode) == 0o700
            monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
            assert [each.name for each in served_trees()] == ["here", "there"]


def test_a_place_that_is_taken_is_not_taken_again(folder: Path, real: ActorSystem) -> None:
    """Neither by another tree, nor by a file that is no socket."""
    with serve_tree(real) as server:
        with pytest.raises(TreeUnavailable, match="served there already"):
            serve_tree(real, server.path)
        assert ask_tree(server.path).actors == ()
    server.path.write_text("mine")
    with pytest.raises(TreeUnavailable, match="something else"):
        serve_tree(real, server.path)
    assert server.path.read_text() == "mine"


def test_a_path_that_is_too_long_or_nowhere_is_refused(folder: Path, real: ActorSystem) -> None:
    """Before the system gets to say something about it that nobody understands."""
    deep = _sockets.socket_path("x").parent / ("d" * 100)
    with pytest.raises(TreeUnavailable, match="longer than 100 bytes"):
        serve_tree(real, deep)
    with pytest.raises(TreeUnavailable, match="no such folder"):
        serve_tree(real, folder / "nowhere" / "x.sock")


def test_a_simulated_system_cannot_be_served(folder: Path) -> None:
    """It has no threads."""
    with ActorSystem(SimulatedRuntime()) as system, pytest.raises(TreeUnavailable, match="simulated"):
        serve_tree(system)


def test_a_system_without_local_sockets_says_so(
    folder: Path, real: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever serves or looks there gets one clear error."""
    monkeypatch.delattr(socket, "AF_UNIX")
    for look in (served_trees, lambda: serve_tree(real), lambda: serve_tree(real, folder / "x.sock")):
        with pytest.raises(TreeUnavailable, match="this system has none"):
            look()
