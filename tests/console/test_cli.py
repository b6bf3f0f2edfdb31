"""The command line: what it says and which code it ends with."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.console.test_view import drawn

from greenroom.adapters import UnknownUse
from greenroom.adapters.processors import CatalogueEntry
from greenroom.console._catalogue import catalogue_table
from greenroom.console._failures import explain
from greenroom.console.cli import main

Capture = pytest.CaptureFixture[str]


def refused(capsys: Capture, *argv: str) -> str:
    """What a command that must refuse says: on stderr alone, with code 2, and without a traceback."""
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["fly"],
        ["run"],
        ["run", "demo", "--for", "0"],
        ["run", "demo", "--for", "soon"],
        ["run", "demo", "--for", "-1"],
        ["run", "demo", "--out", ""],
        ["run", "demo", "--log-level", "loud"],
    ],
)
def test_a_wrong_command_line_is_bad_input(argv: list[str], capsys: Capture) -> None:
    """Code 2, and the usage."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "usage: greenroom" in capsys.readouterr().err


def test_help_says_the_exit_codes(capsys: Capture) -> None:
    """Scripts are written by people who read the help."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "exit codes: 0 all is well, 1 a law did not hold, 2 bad input" in capsys.readouterr().out


def test_the_version_is_printed(capsys: Capture) -> None:
    """One line, for bug reports."""
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("greenroom ")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-"])
def test_a_stream_that_the_shell_has_closed_is_no_error(closed: str) -> None:
    """What would go there goes nowhere; the code is the same."""
    command = f'"{sys.executable}" -m greenroom.console {{}} {closed}'
    env = {"PYTHONPATH": ":".join(p for p in sys.path if p)}
    assert subprocess.run(command.format("schema"), shell=True, env=env, check=False).returncode == 0  # noqa: S602
    refused = subprocess.run(command.format("check nowhere.toml"), shell=True, env=env, check=False)  # noqa: S602
    assert refused.returncode == 2


def test_help_is_quick() -> None:
    """Asking for help loads neither numpy nor rich nor pydantic."""
    program = (
        "import sys\n"
        "from greenroom.console.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numpy', 'rich', 'pydantic', 'structlog', 'pykka', 'soundfile'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(p for p in sys.path if p)},
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_full_disk_is_told_in_words(capsys: Capture) -> None:
    """Which file and why; no number, no traceback."""
    assert explain(OSError(errno.ENOSPC, "No space left on device", "out/report.json")) == 2
    assert capsys.readouterr().err == "greenroom: out/report.json: no space left on device\n"


def test_what_other_software_refuses_is_bad_input(capsys: Capture) -> None:
    """The adapters' messages are for people as they are."""
    assert explain(UnknownUse("gian", known=["gain"])) == 2
    said = capsys.readouterr().err
    assert "did you mean 'gain'" in said
    assert "Traceback" not in said


def test_a_bug_of_ours_is_not_blamed_on_the_input(capsys: Capture) -> None:
    """It has its own code, and the traceback that a bug report needs."""
    assert explain(ZeroDivisionError("oh")) == 70
    said = capsys.readouterr().err
    assert "ZeroDivisionError: oh" in said
    assert "bug in greenroom" in said


def test_a_file_that_is_not_there_is_named(capsys: Capture) -> None:
    """Code 2, the name, and what would do."""
    assert "nowhere.toml" in refused(capsys, "check", "nowhere.toml")
    assert "nowhere.toml" in refused(capsys, "run", "nowhere.toml")


def test_a_name_that_is_not_shipped_is_told_the_nearest(capsys: Capture) -> None:
    """A slip of the finger gets an answer that helps."""
    assert "demo" in refused(capsys, "run", "demmo")


def test_init_writes_a_starter_that_is_a_deployment(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it writes can be checked at once, and it says so."""
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert "greenroom check greenroom.toml" in capsys.readouterr().out
    assert "[rooms." in (tmp_path / "greenroom.toml").read_text()


def test_init_does_not_overwrite(tmp_path: Path, capsys: Capture) -> None:
    """A file that is there stays as it is, unless one insists."""
    file = tmp_path / "mine.toml"
    file.write_text("precious")
    assert "--force" in refused(capsys, "init", str(file))
    assert file.read_text() == "precious"
    assert main(["init", str(file), "--force"]) == 0
    assert "[rooms." in file.read_text()


def test_init_says_where_it_cannot_write(tmp_path: Path, capsys: Capture) -> None:
    """The path that was asked for, not that of a temporary file."""
    target = tmp_path / "gone" / "mine.toml"
    said = refused(capsys, "init", str(target))
    assert said == f"greenroom: {target}: no such file or directory\n"


def test_the_schema_is_json(capsys: Capture) -> None:
    """Editors can read it, and it knows the rooms."""
    assert main(["schema"]) == 0
    assert "rooms" in json.loads(capsys.readouterr().out)["properties"]


def test_check_prints_the_tree(capsys: Capture) -> None:
    """Rooms, tracks and processors of the shipped demo, without starting any."""
    assert main(["check", "demo"]) == 0
    out = capsys.readouterr().out
    assert "lobby" in out
    assert "denoise" in out


def test_the_catalogue_lists_processors(capsys: Capture) -> None:
    """Every processor that can be named, with what it is; and that any other factory works too."""
    assert main(["processors"]) == 0
    assert "package.module:factory" in capsys.readouterr().out


def test_the_catalogue_says_what_is_missing() -> None:
    """A processor whose package is not there is listed with the way to install it; a broken one with its reason."""
    lines = drawn(
        catalogue_table(
            (
                CatalogueEntry(name="here", summary="Works."),
                CatalogueEntry(name="away", summary="Would work.", extra="webrtc", installed=False),
                CatalogueEntry(name="broken", installed=False, problem="no module named oops"),
            )
        ),
        120,
    )
    assert 'pip install "greenroom[webrtc]"' in " ".join(lines)
    assert "Not usable: no module named oops" in " ".join(lines)
    assert "Not" not in next(line for line in lines if line.startswith("here"))


def test_a_reader_that_leaves_is_not_an_error() -> None:
    """``greenroom schema | head -1`` ends quietly."""
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m greenroom.console schema | head -c 1"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(p for p in sys.path if p), "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout == "{"
    assert done.stderr == ""
