"""As a library in somebody else's program: the log goes where the host says, and nowhere else."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, logging, sys
{setup}
from greenroom import config
from greenroom.actors import Pace
text = '''
[processors.meter]
use = "meter"
[rooms.lobby]
[[rooms.lobby.tracks]]
sid = "TR_1"
participant = "anna"
input = "shipped:demo/anna.flac"
pipeline = ["meter"]
'''
asyncio.run(config.run(config.parse(text), pace=Pace.FAST, until_ns=100_000_000))
"""


def run(setup: str) -> tuple[list[str], list[str]]:
    """Run a host program; return what it wrote on stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(setup=setup)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": ":".join(p for p in sys.path if p)},
    )
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_a_host_that_says_nothing_hears_nothing() -> None:
    """No handler, no configuration: not a line."""
    assert run("") == ([], [])


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_a_host_with_plain_logging_reads_events_with_their_facts(level: str) -> None:
    """`logging.basicConfig` is enough; the events stand under ``greenroom``, each with its key-values."""
    out, err = run(f"logging.basicConfig(level=logging.{level})")
    assert out == []
    said = [line for line in err if not line.startswith("DEBUG:asyncio")]
    assert all(line.split(":")[1] == "greenroom" for line in said)
    (added,) = [line for line in said if "track.added" in line]
    for fact in ("INFO:greenroom:track.added", "room='lobby'", "track='anna/microphone'", "sid='TR_1'"):
        assert fact in added


def test_the_facts_are_attributes_of_the_record_too() -> None:
    """A host's own handler finds the name of the event, and each fact by its name."""
    out, _ = run(
        "class Mine(logging.Handler):\n"
        "    def emit(self, record):\n"
        "        print(record.name, record.event_name, getattr(record, 'processor', ''))\n"
        "logging.basicConfig(level=logging.INFO, handlers=[Mine()])\n"
    )
    assert "greenroom processor.ready meter#1" in out
    assert "greenroom room.opened " in out


def test_the_hosts_level_holds() -> None:
    """Nothing went wrong, so a host that listens for warnings hears nothing."""
    assert run("logging.basicConfig(level=logging.WARNING)") == ([], [])


def test_a_host_with_structlog_gets_events_through_its_configuration() -> None:
    """Its processors and its output; stdlib logging sees none of it."""
    out, err = run(
        "import structlog\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "structlog.configure(processors=[structlog.processors.JSONRenderer()], "
        "logger_factory=structlog.PrintLoggerFactory())\n"
    )
    assert [line for line in err if "greenroom" in line] == []
    events = [json.loads(line) for line in out]
    assert {"track.added", "processor.ready", "processor.closed"} <= {event["event"] for event in events}
    (ready,) = [event for event in events if event["event"] == "processor.ready"]
    assert (ready["session"], ready["processor"]) == ("session", "meter#1")
