"""What can be found wrong without running anything, each with one message."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from greenroom.actors import Frame
from greenroom.config import (
    ConfigError,
    Problem,
    _checking,
    _specs,
    check,
    load,
    parse,
    shipped_names,
    starter,
)

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


class Built:
    """A processor that counts how often it is closed."""

    enabled = True
    closed = 0

    def _process(self, frame: Frame) -> Frame:
        return frame

    def _close(self) -> None:
        Built.closed += 1


class Stubborn(Built):
    """Does not want to be closed."""

    def _close(self) -> None:
        raise OSError("still busy")


GATE = threading.Event()
"""What a factory that hangs waits for; the test lets it go."""
HUNG: list[threading.Thread] = []
"""The threads that hung."""


def hangs() -> Built:
    """Wait for the gate."""
    HUNG.append(threading.current_thread())
    GATE.wait()
    return Built()


def refuses(**options: object) -> Built:
    """Repeat all options in the error."""
    raise ValueError(f"no model\n for {options}")


def exits() -> Built:
    """End the process, if it is let."""
    raise SystemExit(3)


def returns_nothing() -> None:
    """Forget to return the processor."""


def use(monkeypatch: pytest.MonkeyPatch, factory: Callable[..., object]) -> None:
    """Have every name lead to ``factory``."""

    def resolve(_use: str) -> Callable[..., object]:
        return factory

    monkeypatch.setattr(_specs, "resolve", resolve)


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        (refuses, "could not be built: ValueError: no model for {}"),
        (exits, "could not be built: SystemExit: 3"),
        (
            returns_nothing,
            "could not be built: its factory returned NoneType, which has no enabled, _process, _close",
        ),
        (Stubborn, "could not be closed: OSError: still busy"),
    ],
)
def test_a_factory_that_fails_is_found_out_before_anything_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, factory: Callable[..., object], text: str
) -> None:
    """Whatever it does: one line, at the processor's section."""
    use(monkeypatch, factory)
    (problem,) = found(folder, "options = { db = 3.0 }", "")
    assert (problem.where, problem.line) == ("processors.louder", 1)
    assert problem.text.startswith(text)


def test_a_factory_that_hangs_is_given_up_after_its_budget(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check goes on, and says which budget it was."""
    use(monkeypatch, hangs)
    try:
        (problem,) = found(folder, "options = { db = 3.0 }", "build_s = 0.05")
    finally:
        GATE.set()
        HUNG.pop().join()
    assert problem.text == (
        "could not be built within build_s = 0.05; give it more time, or look what it waits for"
    )


def test_what_a_factory_says_is_repeated_without_secrets(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the value of a secret option, and no novel."""
    use(monkeypatch, refuses)

    def unchecked(*_: object) -> None:
        """Let the factory itself refuse its options."""

    monkeypatch.setattr(_checking, "check_options", unchecked)
    monkeypatch.setenv("GR_KEY", "it's-s3cret" * 40)
    (problem,) = found(
        folder, "options = { db = 3.0 }", 'options_env = { key = "GR_KEY" }\noptions = { x = "y" }'
    )
    assert "s3cret" not in problem.text
    assert "'key': \"***\"" in problem.text


def test_each_processor_is_built_and_closed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check leaves nothing open."""
    use(monkeypatch, Built)
    monkeypatch.setattr(Built, "closed", 0)
    check(parse(FILE.replace("options = { db = 3.0 }", ""), folder=folder))
    assert Built.closed == 1
