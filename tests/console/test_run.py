"""``greenroom run``, from the command line to the files it leaves."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.console.samples import BROKEN, sample_facts

from greenroom import config
from greenroom.actors import Frame
from greenroom.adapters.files import FileSink
from greenroom.console import _run
from greenroom.console._facts import RunFacts
from greenroom.console._report import SCHEMA
from greenroom.console.cli import main

RATE = 16_000
Capture = pytest.CaptureFixture[str]

DEPLOYMENT = """
[session]
name = "tiny"
rate_hz = 16000

[processors.quiet]
use = "gain"
options = {{ db = -6.0 }}
placement = "inline"

[rooms.lobby]
[[rooms.lobby.tracks]]
sid = "TR_1"
participant = "anna"
input = "{file}"
pipeline = ["quiet"]
output = "anna.wav"
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A deployment of one room with one track: half a second of noise."""
    noise = np.random.default_rng(1).normal(0, 0.1, RATE // 2)
    soundfile.write(tmp_path / "noise.wav", noise, RATE)
    file = tmp_path / "tiny.toml"
    file.write_text(DEPLOYMENT.format(file="noise.wav"))
    return file


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """The same with a minute of noise, which nobody waits for."""
    noise = np.random.default_rng(1).normal(0, 0.1, 60 * RATE)
    soundfile.write(tmp_path / "minute.wav", noise, RATE)
    file = tmp_path / "long.toml"
    file.write_text(DEPLOYMENT.format(file="minute.wav"))
    return file


def test_a_run_ends_with_tables_and_leaves_its_files(tiny: Path, tmp_path: Path, capsys: Capture) -> None:
    """Code 0; every frame in came out; the audio is as long as its input; both reports are there."""
    out = tmp_path / "out"
    assert main(["run", str(tiny), "--fast", "--out", str(out)]) == 0
    said, lines = capsys.readouterr()
    assert said.rstrip().splitlines()[-1].endswith(str(out / "report.html"))
    assert "all laws held" in said
    assert "stream.opened" in lines
    assert sorted(p.name for p in out.iterdir()) == ["anna.wav", "report.html", "report.json"]
    assert soundfile.info(out / "anna.wav").frames == RATE // 2
    found = json.loads((out / "report.json").read_text())
    (stream,) = found["streams"]
    assert (stream["room"], stream["track"], stream["output"]) == ("lobby", "anna/microphone", "anna.wav")
    assert stream["frames_in"] == stream["frames_out"] == 50
    assert stream["noise"]["reduction_db"] == pytest.approx(6, abs=0.2)
    assert (found["stopped_by"], found["pace"]) == ("end", "fast")
    (processor,) = found["processors"]
    assert (processor["opened"], processor["closed"]) == (1, 1)


@pytest.mark.parametrize(("given", "used"), [(None, "1"), ("2", "2")])
def test_products_get_one_thread_each_unless_somebody_knows_better(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, used: str
) -> None:
    """The command runs many small ones on many threads; who sets the variable is respected."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", given or "")
    if given is None:
        monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    assert main(["run", str(tiny), "--fast"]) == 0
    assert os.environ["OPENBLAS_NUM_THREADS"] == used


def test_json_is_all_there_is_on_stdout(tiny: Path, capsys: Capture) -> None:
    """A program can read it; without ``--out`` no file is left and none is named."""
    assert main(["run", str(tiny), "--fast", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == SCHEMA
    assert found["streams"][0]["output"] is None
    assert found["streams"][0]["noise"] is not None


def test_for_ends_a_run_early(long: Path, capsys: Capture) -> None:
    """``--for`` counts seconds of audio, in a fast run too."""
    assert main(["run", str(long), "--fast", "--json", "--for", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["stopped_by"] == "--for"
    assert found["streams"][0]["frames_in"] == found["streams"][0]["frames_out"] == 200


def test_json_logs_have_stderr_for_themselves(tiny: Path, capsys: Capture) -> None:
    """With ``--log-format json`` every line on stderr is a JSON object."""
    assert main(["run", str(tiny), "--fast", "--json", "--log-format", "json", "--log-level", "info"]) == 0
    for line in capsys.readouterr().err.splitlines():
        assert json.loads(line)["event"]


def test_a_broken_law_is_code_1(tiny: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the last line says so."""

    def broken(*_: object, **__: object) -> RunFacts:
        return sample_facts(verdicts=BROKEN)

    monkeypatch.setattr(_run, "facts_of", broken)
    assert main(["run", str(tiny), "--fast"]) == 1
    assert capsys.readouterr().out.rstrip().endswith("1 law did not hold")


@pytest.mark.parametrize("content", [None, b"", b"this is not audio"])
def test_an_input_that_cannot_be_read_is_refused_first(
    tiny: Path, tmp_path: Path, capsys: Capture, content: bytes | None
) -> None:
    """Missing, empty, not audio: one message that names it, code 2, and no output folder."""
    wav = tmp_path / "noise.wav"
    wav.unlink() if content is None else wav.write_bytes(content)
    assert main(["run", str(tiny), "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "noise.wav" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_made_is_refused(tiny: Path, tmp_path: Path, capsys: Capture) -> None:
    """A file in its place: one message, code 2, and nothing has run."""
    (tmp_path / "out").write_text("")
    assert main(["run", str(tiny), "--fast", "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"greenroom: {tmp_path / 'out'}: is a file; name a folder for the output\n"


def test_a_disk_that_fills_up_leaves_no_half_report(
    tiny: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report that could not be written is named, code 2, and nothing half-written lies about."""

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("greenroom.console._atomic.os.fsync", full)
    out = tmp_path / "out"
    assert main(["run", str(tiny), "--fast", "--out", str(out)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"greenroom: {out / 'report.json'}: no space left on device"
    )
    assert [p.name for p in out.iterdir() if not p.name.endswith(".wav")] == []


def test_a_bug_while_running_is_code_70(tiny: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not sold as bad input."""

    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(config, "run", broken)
    assert main(["run", str(tiny)]) == 70
    assert "bug in greenroom" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_in_order_and_reports(long: Path, tmp_path: Path, number: signal.Signals) -> None:
    """In the middle of a minute of audio: the run closes what it opened, reports, and ends with code 0."""
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "greenroom.console", "run", str(long), "--json", "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(p for p in sys.path if p)},
    )
    assert process.stderr
    while "processor.ready" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    said, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    found = json.loads(said)
    assert found["stopped_by"] == "signal"
    assert found["held"] is True
    assert all(p["opened"] == p["closed"] for p in found["processors"])
    assert sorted(p.name for p in out.iterdir()) == ["anna.wav", "report.html", "report.json"]


TWO = """
[[rooms.lobby.tracks]]
sid = "TR_2"
participant = "ben"
input = "noise.wav"
pipeline = ["quiet"]
output = "ben.wav"
"""


def test_an_output_that_fails_is_named_and_the_others_are_kept(
    tiny: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on to its end and is reported; the last word is the error, the code 2, and no half file is left."""
    write = FileSink.write

    def fails(self: FileSink, frame: Frame) -> None:
        if self.path.name == "anna.wav" and frame.timestamp_ns > 0:
            with self._failing():
                raise OSError(28, "No space left on device")
        write(self, frame)

    monkeypatch.setattr(FileSink, "write", fails)
    tiny.write_text(tiny.read_text() + TWO)
    out = tmp_path / "out"
    assert main(["run", str(tiny), "--fast", "--out", str(out)]) == 2
    said, err = capsys.readouterr()
    why = f"{out / 'anna.wav'}: cannot be written: No space left on device; nothing of it was kept"
    assert err.splitlines()[-1] == f"{tiny}: anna/microphone, stream 1: {why}"
    assert "all laws held" in said
    assert sorted(p.name for p in out.iterdir()) == ["ben.wav", "report.html", "report.json"]
    assert soundfile.info(out / "ben.wav").frames == RATE // 2
    found = json.loads((out / "report.json").read_text())
    assert found["failures"] == [f"anna/microphone, stream 1: {why}"]
    assert "anna.wav: cannot be written" in (out / "report.html").read_text()


def test_a_disk_that_is_really_full_is_named(tiny: Path, tmp_path: Path, capsys: Capture) -> None:
    """A file system of 64 kB, which neither the audio nor the reports fit into."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        noise = np.random.default_rng(1).normal(0, 0.1, 10 * RATE)
        soundfile.write(tmp_path / "noise.wav", noise, RATE)
        assert main(["run", str(tiny), "--fast", "--out", str(disk / "out")]) == 2
        err = capsys.readouterr().err
        assert "Traceback" not in err
        assert err.splitlines()[-1].endswith(
            f"{disk / 'out' / 'anna.wav'}: cannot be written: the disk is full; nothing of it was kept"
        )
        assert {p.name for p in (disk / "out").iterdir()} <= {"report.json"}
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_fast_runs_events_have_their_place_in_the_audio(tiny: Path, tmp_path: Path) -> None:
    """Each says how much had been read when it happened, and none is before the one in front of it."""
    out = tmp_path / "out"
    assert main(["run", str(tiny), "--fast", "--out", str(out)]) == 0
    times = [event["media_ns"] for event in json.loads((out / "report.json").read_text())["events"]]
    assert times == sorted(times)
    assert times[0] == 0
    assert times[-1] == pytest.approx(500_000_000, abs=20_000_000)
    assert "Seconds of audio" in (out / "report.html").read_text()
