"""Logging of the command: text or JSON lines on stderr, and never a token."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from greenroom.actors.context import Credentials, Token
from greenroom.console._logging import configure, mask_tokens


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging is the whole process's: put it back as it was."""
    root = logging.getLogger()
    handlers, level, own = root.handlers[:], root.level, logging.getLogger("greenroom").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("greenroom").setLevel(own)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was logged; stdout stays free for reports."""
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_json_lines_hold_what_was_bound(capsys: pytest.CaptureFixture[str]) -> None:
    """One object per line: event, level, logger, time, and every value by its name."""
    configure(level="info", as_json=True)
    structlog.get_logger("greenroom.actors").bind(room="lobby").info("room.opened", tracks=2)
    (line,) = lines(capsys)
    found = json.loads(line)
    assert {k: found[k] for k in ("event", "level", "logger", "room", "tracks")} == {
        "event": "room.opened",
        "level": "info",
        "logger": "greenroom.actors",
        "room": "lobby",
        "tracks": 2,
    }
    assert found["timestamp"].endswith("Z")


@pytest.mark.parametrize("as_json", [True, False])
def test_stdlib_loggers_go_the_same_way(capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    """Extras of a stdlib record are values like any other."""
    configure(level="info", as_json=as_json)
    logging.getLogger("greenroom.actors").warning("processor.failed", extra={"processor": "denoise#1"})
    (line,) = lines(capsys)
    assert "processor.failed" in line
    assert "denoise#1" in line


def test_the_level_holds_for_greenroom_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """With debug on, other libraries are still heard only when something is wrong."""
    configure(level="debug", as_json=False)
    structlog.get_logger("greenroom").debug("ours")
    logging.getLogger("somebody.else").info("theirs")
    logging.getLogger("somebody.else").warning("trouble")
    said = "\n".join(lines(capsys))
    assert "ours" in said
    assert "theirs" not in said
    assert "trouble" in said


def test_below_the_level_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """An info is not logged at level warning."""
    configure(level="warning", as_json=False)
    structlog.get_logger("greenroom").info("quiet")
    assert lines(capsys) == []


@pytest.mark.parametrize("as_json", [True, False])
def test_tokens_are_masked_however_deep_they_are(
    capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    """As a value, in a mapping, in a list, inside credentials: three stars."""
    configure(level="info", as_json=as_json)
    token = Token("eyJhbGciOi")
    structlog.get_logger("greenroom").warning(
        "x", token=token, deep={"inner": [token, (token,)]}, credentials=Credentials(token=token)
    )
    (line,) = lines(capsys)
    assert "eyJhbGciOi" not in line
    assert line.count("***") == 4


@pytest.mark.parametrize("as_json", [True, False])
def test_tokens_that_others_have_written_out_are_masked(
    capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    """LiveKit's SDK logs the token that a server refuses: three stars, also in a traceback; the rest of the line stays."""
    configure(level="info", as_json=as_json)
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.Wld_YYwS-Onk"

    def refuse() -> None:
        raise ValueError(f"no {token}")

    try:
        refuse()
    except ValueError:
        logging.getLogger("livekit").exception("invalid token: %s, error: no such key", token)
    out, err = capsys.readouterr()
    assert out == ""
    assert "eyJ" not in err
    assert "Wld" not in err
    assert "invalid token: ***, error: no such key" in err
    assert "no ***" in err


def test_masking_keeps_the_rest() -> None:
    """Only tokens are touched."""
    event = {"event": "x", "n": 1, "token": Token("secret"), "plain": ["a"]}
    assert mask_tokens(None, "info", event) == {"event": "x", "n": 1, "token": "***", "plain": ["a"]}


def test_configuring_twice_does_not_double_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """The second configuration replaces the first."""
    configure(level="info", as_json=False)
    configure(level="info", as_json=False)
    structlog.get_logger("greenroom").warning("once")
    assert len(lines(capsys)) == 1


def test_an_exception_is_logged_as_text_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A crash is one line of JSON that names the exception."""
    configure(level="info", as_json=True)
    try:
        float("lost its mind")
    except ValueError:
        structlog.get_logger("greenroom").exception("actor.crashed")
    (line,) = lines(capsys)
    assert "lost its mind" in json.dumps(json.loads(line)["exception"])
