"""A real livekit-server on loopback: found, configured, started, killed, started again."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from tests.livekit.server.keeper import kept

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]
CONFIG: Final = HERE.parent / "livekit.yaml"
BUILT: Final = ROOT / ".cache" / "bin" / "server"
"""Where `make livekit-server` puts what Go has built."""
KEY: Final = "devkey"
SECRET: Final = "not-a-secret-not-a-secret-not-a-secret"
START_S: Final = 60


def binary() -> Path | None:
    """Return the server's binary: the one on PATH, or the one that was built; None if there is none."""
    found = shutil.which("livekit-server")
    if found:
        return Path(found)
    return BUILT if BUILT.exists() else None


class Server:
    """One livekit-server. Its ports stay the same when it is killed and started again; it dies with this process."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._config = folder / "livekit.yaml"
        self._log = folder / "livekit-server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port(socket.SOCK_STREAM)
        text = re.sub(r"^port: \d+", f"port: {self.port}", CONFIG.read_text("utf8"), flags=re.MULTILINE)
        text = re.sub(r"udp_port: \d+", f"udp_port: {_free_port(socket.SOCK_DGRAM)}", text)
        self._config.write_text(text, "utf8")

    @property
    def url(self) -> str:
        """Where rooms connect to."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """Where the server API is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LIVEKIT_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                kept(self._program, "--config", self._config),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        give_up = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, f"livekit-server ended:\n{self.log()}"
            assert time.monotonic() < give_up, f"livekit-server does not answer:\n{self.log()}"
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it, as a crash of its machine would."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._process = None

    async def outage(self, seconds: float) -> None:
        """Kill it, and start it again after a while; the loop runs on meanwhile."""
        await asyncio.to_thread(self.kill)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.start)

    def log(self) -> str:
        """Return the end of its log."""
        return self._log.read_text("utf8", errors="replace")[-4_000:]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.api_url, timeout=2) as answer:  # noqa: S310 - our own server
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
