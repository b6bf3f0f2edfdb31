"""A session belongs to one process: a forked child, which has none of its threads, is told so."""

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = """
import asyncio, os
from greenroom.actors import Session, SessionClosed

async def main():
    async with Session("of-the-parent") as session:
        child = os.fork()
        if not child:
            try:
                await session.open_room("lobby")
            except SessionClosed as error:
                print(error, flush=True)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        await session.open_room("lobby")

asyncio.run(main())
"""


def test_a_forked_child_is_told_that_the_session_is_not_its_own() -> None:
    """At once, instead of waiting for threads that are not there; the parent's goes on."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(SCRIPT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": "supervision:actors", "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert "session 'of-the-parent' belongs to process" in done.stdout
    assert "a process that was forked opens a session of its own" in done.stdout
