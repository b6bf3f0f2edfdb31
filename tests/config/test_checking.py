"""What can be found wrong without running anything, each with one message."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from greenroom.config import ConfigError, Problem, check, load, parse, shipped_names, starter

FILE = """\
[processors.louder]
use = "gain"
options = { db = 3.0 }
[rooms.lobby]
[[rooms.lobby.tracks]]
sid = "TR_anna"
participant = "anna"
input = "anna.wav"
reference = "anna.wav"
pipeline = ["louder"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a second of silence."""
    soundfile.write(tmp_path / "anna.wav", np.zeros(8_000, np.int16), 8_000)
    return tmp_path


def found(folder: Path, old: str = "", new: str = "", tail: str = "") -> tuple[Problem, ...]:
    """Return what is wrong with the changed deployment."""
    deployment = parse(FILE.replace(old, new, 1) + tail, origin="x.toml", folder=folder)
    with pytest.raises(ConfigError) as caught:
        check(deployment)
    return caught.value.problems


def test_a_deployment_that_has_all_it_needs_passes(folder: Path) -> None:
    """Nothing is reported where nothing is wrong."""
    check(parse(FILE, folder=folder))


@pytest.mark.parametrize(
    ("old", "new", "where", "text"),
    [
        ('"gain"', '"gian"', "processors.louder.use", "did you mean 'gain'?"),
        ('"gain"', '"no.such:thing"', "processors.louder.use", "no module"),
        ('"gain"', '"math:pi"', "processors.louder.use", "cannot be called"),
        ("db = 3.0", "bd = 3.0", "processors.louder.options", "no option 'bd'; it takes db"),
        ("db = 3.0", "db = 300.0", "processors.louder.options", "300.0; it takes"),
        (
            'use = "gain"',
            'use = "gain"\noptions_env = { x = "GR_UNSET" }',
            "processors.louder.options_env",
            "not set",
        ),
        ('input = "anna.wav"', 'input = "ana.wav"', "rooms.lobby.tracks[0].input", "ana.wav"),
        ('reference = "anna.wav"', 'reference = "x.toml"', "rooms.lobby.tracks[0].reference", "x.toml"),
        (
            "[rooms.lobby]",
            '[rooms.lobby]\ntoken_env = "GR_UNSET"',
            "rooms.lobby.token_env",
            "GR_UNSET is not set",
        ),
        ("[rooms.lobby]", '[rooms.lobby]\ntoken_file = "t"', "rooms.lobby.token_file", "cannot be read"),
        (
            'use = "gain"',
            'use = "gain"\nbackoff_ms = 9.0\nbackoff_max_ms = 1.0',
            "processors.louder",
            "backoff_max_ns",
        ),
    ],
)
def test_what_is_not_there_is_named_with_its_key(
    folder: Path, old: str, new: str, where: str, text: str
) -> None:
    """One problem, on the line of the key that asks for it."""
    (problem,) = found(folder, old, new)
    assert problem.where == where
    assert problem.line > 0
    assert text in problem.text


@pytest.mark.parametrize("raw", [b"", b"not audio at all", b"RIFF\x24\x00\x00\x00WAVEfmt "])
def test_a_file_that_is_no_audio_is_refused(folder: Path, raw: bytes) -> None:
    """Empty, something else, or torn off."""
    (folder / "anna.wav").write_bytes(raw)
    assert {problem.where for problem in found(folder)} == {
        "rooms.lobby.tracks[0].input",
        "rooms.lobby.tracks[0].reference",
    }


def test_the_token_of_a_refresh_is_looked_for_too(folder: Path) -> None:
    """It is read when the event happens; that it is there can be seen before."""
    event = '[[events]]\nat_s = 1\ndo = "refresh"\nroom = "lobby"\ntoken_file = "new.token"\n'
    (problem,) = found(folder, tail=event)
    assert problem.where == "events[0].token_file"


def test_everything_that_is_wrong_is_reported_in_the_order_of_the_file(folder: Path) -> None:
    """A processor and an input, in one go."""
    text = FILE.replace('"gain"', '"gian"').replace('input = "anna.wav"', 'input = "ana.wav"')
    with pytest.raises(ConfigError) as caught:
        check(parse(text, folder=folder))
    assert [problem.where for problem in caught.value.problems] == [
        "processors.louder.use",
        "rooms.lobby.tracks[0].input",
    ]


def test_what_is_shipped_passes() -> None:
    """The starter and every shipped deployment have all that they need."""
    check(parse(starter()))
    for name in shipped_names():
        check(load(name))
