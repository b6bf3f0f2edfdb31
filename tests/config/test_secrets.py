"""Secrets come from where the deployment says, and a missing one is named without being shown."""

from pathlib import Path

import pytest

from greenroom.config import Deployment, parse
from greenroom.config._events import Refresh
from greenroom.config._secrets import SecretMissing, credentials, options

ROOM = '[rooms.lobby]\nurl = "wss://x"\n'


def deployment(tail: str, folder: Path) -> Deployment:
    """Return a deployment with one room."""
    return parse(ROOM + tail, folder=folder)


def token_of(deployed: Deployment, event: Refresh | None = None) -> str:
    """Return the token of its room."""
    found = credentials(deployed, deployed.file.scripted["lobby"], event)
    assert found is not None
    assert found.url == "wss://x"
    return found.token.reveal()


def test_a_token_from_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read when it is asked for, without the space around it."""
    monkeypatch.setenv("GR_TOKEN", " one\n")
    deployed = deployment('token_env = "GR_TOKEN"', tmp_path)
    assert token_of(deployed) == "one"
    monkeypatch.setenv("GR_TOKEN", "two")
    assert token_of(deployed) == "two"


def test_a_token_from_a_file_beside_the_deployment(tmp_path: Path) -> None:
    """The path is relative to the deployment file, and the line end does not belong to the token."""
    (tmp_path / "room.token").write_text("one\n", "utf8")
    assert token_of(deployment('token_file = "room.token"', tmp_path)) == "one"


def test_a_refresh_may_name_another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the event says comes before what the room says; an event that says nothing has the room's read again."""
    monkeypatch.setenv("GR_TOKEN", "one")
    (tmp_path / "new.token").write_text("new", "utf8")
    deployed = deployment('token_env = "GR_TOKEN"', tmp_path)
    assert token_of(deployed, Refresh(at_s=1, do="refresh", room="lobby", token_file="new.token")) == "new"
    assert token_of(deployed, Refresh(at_s=1, do="refresh", room="lobby")) == "one"


def test_a_room_without_a_token_has_no_credentials() -> None:
    """Nothing is made up."""
    deployed = parse("[rooms.lobby]")
    assert credentials(deployed, deployed.file.scripted["lobby"]) is None


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"a b", "more than one token"),
        (b"a" * 65_537, "more than one token"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_file_that_holds_no_token_is_refused(tmp_path: Path, raw: bytes, text: str) -> None:
    """The message names the file and does not show what is in it."""
    (tmp_path / "room.token").write_bytes(raw)
    with pytest.raises(SecretMissing, match=text) as caught:
        token_of(deployment('token_file = "room.token"', tmp_path))
    assert "room.token" in str(caught.value)
    assert "aaa" not in str(caught.value)


def test_a_missing_file_or_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it can be put there."""
    monkeypatch.delenv("GR_TOKEN", raising=False)
    with pytest.raises(SecretMissing, match="variable GR_TOKEN is not set"):
        token_of(deployment('token_env = "GR_TOKEN"', tmp_path))
    monkeypatch.setenv("GR_TOKEN", "")
    with pytest.raises(SecretMissing, match="variable GR_TOKEN is empty"):
        token_of(deployment('token_env = "GR_TOKEN"', tmp_path))
    with pytest.raises(SecretMissing, match=r"room\.token' cannot be read: no such file"):
        token_of(deployment('token_file = "room.token"', tmp_path))


def test_secret_options_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are passed beside the plain ones."""
    monkeypatch.setenv("GR_KEY", "k")
    text = '[processors.p]\nuse = "gain"\noptions = { db = 1.0 }\noptions_env = { api_key = "GR_KEY" }\n'
    section = parse(text + ROOM.replace('url = "wss://x"', "")).file.processors["p"]
    assert options(section) == {"db": 1.0, "api_key": "k"}
