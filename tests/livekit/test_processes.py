"""The processes around the tests: a server dies with who started it, and a run ends as its tests did."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.livekit.server.keeper import kept

ROOT = Path(__file__).parents[2]
LIMIT_S = 60

SPEAKS = "import time; print('here', flush=True); time.sleep(600)"
STARTS = """
import subprocess, sys, time
running = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
time.sleep(600)
"""

ABORTS = """
import os, sys, types

class Native:
    def __del__(self, abort=os.abort):
        abort()

sys.modules["livekit.rtc"] = rtc = types.ModuleType("rtc")
sys.kept_to_the_end = Native()
"""


def test_what_is_kept_dies_with_who_started_it() -> None:
    """Even if that is killed, and says goodbye to nobody: its end of the pipe is closed all the same."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTS, *kept(sys.executable, "-c", SPEAKS)], stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"here\n"
        owner.kill()
        # It ends when nobody has the other end any more: neither owner nor keeper nor what was kept.
        assert owner.stdout.read() == b""


def test_a_keeper_ends_with_what_it_keeps() -> None:
    """A server that cannot start is noticed: its keeper ends as it did."""
    running = subprocess.Popen(
        kept(sys.executable, "-c", "raise SystemExit(3)"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert running.wait(LIMIT_S) == 3
    assert running.stdin is not None
    running.stdin.close()


@pytest.mark.parametrize(
    ("test", "code", "told"),
    [("assert True", 0, "1 passed"), ("assert False", 1, "1 failed")],
)
def test_a_run_ends_as_its_tests_did(tmp_path: Path, test: str, code: int, told: str) -> None:
    """Whatever happens to the interpreter after them: no abort fails a run that has passed, and none that failed passes."""
    file = tmp_path / "test_it.py"
    file.write_text(f"{ABORTS}\ndef test_it():\n    {test}\n", "utf8")

    def run(*plugins: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:greenroom",
                *plugins,
                "--rootdir",
                tmp_path,
                file,
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    with_it = run("-p", "tests.livekit.leaving")
    assert with_it.returncode == code, with_it.stdout + with_it.stderr
    assert told in with_it.stdout
    assert run().returncode < 0
