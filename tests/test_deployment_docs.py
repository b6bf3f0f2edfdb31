"""What docs/deployment.md shows and promises is so."""

import re
from pathlib import Path

import pytest
from tests.console.samples import sample_facts

from greenroom.config import ConfigError, check, json_schema, parse
from greenroom.console import cli
from greenroom.console._report import SCHEMA, report

PAGE = (Path(__file__).parents[1] / "docs/deployment.md").read_text("utf8")
BLOCKS: list[str] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
WHOLE = BLOCKS[0]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(block).partition("\n")[0].strip("[]"))
def test_every_example_is_a_deployment(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is loaded and checked, processors built; what is no whole file is added to the first example."""
    monkeypatch.setenv("LOBBY_TOKEN", "one")
    monkeypatch.setenv("NEW_TOKEN", "two")
    monkeypatch.setenv("LIVEKIT_URL", "wss://example.org")
    monkeypatch.setenv("LIVEKIT_API_KEY", "three")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "four")
    check(parse(WHOLE if block == WHOLE else WHOLE + block))


def test_the_message_about_secrets_is_what_is_said() -> None:
    """Word for word."""
    (shown,) = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    with pytest.raises(ConfigError) as caught:
        parse('[rooms.lobby]\ntoken = "eyJhbGciOi"\n', origin="mine.toml")
    assert str(caught.value) == shown


def test_every_key_of_every_section_is_named() -> None:
    """A key that is added to the schema without a word on the page fails here."""
    sections = [
        json_schema()["properties"],
        *(d.get("properties", {}) for d in json_schema()["$defs"].values()),
    ]
    keys = {key for section in sections for key in section}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", PAGE)] == []


def test_every_kind_of_event_is_shown() -> None:
    """One example each."""
    kinds = json_schema()["properties"]["events"]["items"]["discriminator"]["mapping"]
    assert sorted(re.findall(r'^do = "(\w+)"', "".join(BLOCKS), re.MULTILINE)) == sorted(kinds)


def test_the_exit_codes_are_the_commands() -> None:
    """All of them, and no other."""
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert codes == {cli.OK, cli.LAW_BROKEN, cli.BAD_INPUT, cli.OUR_BUG, cli.STOPPED_AT_ONCE, cli.READER_GONE}


def test_the_fields_of_the_report_are_its_fields() -> None:
    """In their order."""
    table = PAGE[PAGE.index("| field | meaning |") : PAGE.index("## Embedded")]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", table, re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(report(sample_facts()))
    assert f"`{SCHEMA}`" in table
