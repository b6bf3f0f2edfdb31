"""What the README and the examples show is run, as it stands."""

import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf8")


def noisy(folder: Path) -> Path:
    """Put a recording of the demo into ``folder``."""
    target = folder / "guest-1.flac"
    source = files("greenroom.config").joinpath("deployments", "demo", "anna.flac")
    shutil.copyfile(str(source), target)
    return target


def ran(*command: str, cwd: Path) -> str:
    """Return what a Python program prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_program_works(tmp_path: Path) -> None:
    """The README's first program runs as it stands, in real time; here on its file's first second."""
    program = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    assert len([line for line in program.splitlines() if line.strip()]) <= 14
    path = noisy(tmp_path)
    import soundfile  # noqa: PLC0415 - only this test cuts a file

    samples, rate_hz = soundfile.read(path, dtype="int16", frames=48_000)
    soundfile.write(path, samples[:rate_hz], rate_hz)
    (tmp_path / "program.py").write_text(program)
    assert len(ran("program.py", cwd=tmp_path).splitlines()) == 100


def test_the_two_commands_are_targets() -> None:
    """The commands that the README names are in the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf8")
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    """Every file that the README links is there."""
    assert (ROOT / link).exists()


def test_the_file_example_cleans_a_file(tmp_path: Path) -> None:
    """The example writes a file as long as its input."""
    import soundfile  # noqa: PLC0415

    said = ran(str(ROOT / "examples/clean_a_file.py"), str(noisy(tmp_path)), "clean.wav", cwd=tmp_path)
    assert "2000 frames in, 2000 out, 0 unprocessed" in said
    assert soundfile.info(tmp_path / "clean.wav").frames == soundfile.info(tmp_path / "guest-1.flac").frames


def test_the_worker_pool_goes_on_without_the_job_that_crashes(tmp_path: Path) -> None:
    """One job crashes its worker, which is there again for its next one; all other jobs are done."""
    said = ran(str(ROOT / "examples/supervised_workers.py"), cwd=tmp_path).splitlines()
    assert "worker-3: 100 / 0 crashed it with ZeroDivisionError" in said
    assert "worker-3: 100 / 50 = 2" in said
    assert len(said) == 9
    assert said[-1] == "incarnations: [1, 1, 2, 1]"


def test_the_poller_waits_longer_each_time(tmp_path: Path) -> None:
    """Its supervisor backs off, 10, 20 and then 40 ms; the fifth incarnation polls on."""
    said = ran(str(ROOT / "examples/poller.py"), cwd=tmp_path).splitlines()
    assert said[:4] == [f"poller is restarted after {wait} ms" for wait in (10, 20, 40, 40)]
    assert said[4:7] == [f"value {value}, by incarnation 5" for value in (5, 6, 7)]


def test_the_echo_service_survives_a_connection_that_crashes(tmp_path: Path) -> None:
    """The one connection is closed by its crash, the other one is served."""
    said = ran(str(ROOT / "examples/echo_service.py"), cwd=tmp_path).splitlines()
    assert said == ["the bad one hears: b''", "the good one hears: b'hello\\n'"]


@pytest.mark.parametrize("name", ["supervised_workers", "poller", "echo_service"])
def test_examples_of_supervision_are_short_and_need_nothing_else(name: str) -> None:
    """Under 60 lines, with the standard library and `greenroom.supervision` alone."""
    text = (ROOT / f"examples/{name}.py").read_text("utf8")
    assert len(text.splitlines()) < 60
    modules = set(re.findall(r"^(?:from|import) ([\w.]+)", text, re.MULTILINE))
    foreign = {each for each in modules if each.split(".")[0] not in sys.stdlib_module_names}
    assert foreign
    assert all(each.startswith("greenroom.supervision") for each in foreign)


def test_the_processor_example_recovers(tmp_path: Path) -> None:
    """The example's processor fails once, is rebuilt, and every frame comes out."""
    said = ran(str(ROOT / "examples/own_processor.py"), cwd=tmp_path)
    assert "100 frames out" in said
    assert "all laws held" in said
    assert said.count("processor.closed") == 2
