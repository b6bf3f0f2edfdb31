"""Runs a program for as long as who asked for it is there: so a server dies with the tests, however those end.

Run as ``python keeper.py PROGRAM ARGUMENT...`` with a pipe as stdin. That pipe is closed by its owner, or by the kernel when
the owner is killed; then the program is killed.
"""

import os
import select
import subprocess
import sys
from pathlib import Path

LOOK_S = 0.2
"""How soon it is noticed that the program has ended by itself."""


def kept(*program: str | Path) -> list[str | Path]:
    """Return the command line that keeps ``program``."""
    return [sys.executable, Path(__file__), *program]


def main(program: list[str]) -> int:
    """Keep ``program``; return how it ended."""
    running = subprocess.Popen(program, stdin=subprocess.DEVNULL)
    try:
        while running.poll() is None:
            readable, _, _ = select.select([sys.stdin], [], [], LOOK_S)
            if readable and not os.read(sys.stdin.fileno(), 1):
                break
    finally:
        running.kill()
    return running.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
