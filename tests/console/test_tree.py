"""``greenroom tree``: what it draws, whom it picks, and a real run that it looks at."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from greenroom.console._tree_view import TreeView
from greenroom.console.cli import main
from greenroom.supervision import Actor, ActorSystem
from greenroom.supervision.probes import Probe
from greenroom.supervision.snapshot import (
    ActorKind,
    ActorSnapshot,
    ActorState,
    DeadActor,
    FlightEntry,
    FlightKind,
    LastFailure,
    RestartBudget,
    StackFrame,
    TreeSnapshot,
    Zombie,
)
from greenroom.supervision.treeserver import ask_tree, serve_tree

Capture = pytest.CaptureFixture[str]
SECOND = 1_000_000_000


def row(path: str, **more: Any) -> ActorSnapshot:
    """One actor that runs; its path has no slashes in names."""
    given: dict[str, Any] = {
        "path": path,
        "name": path.rsplit("/", 1)[-1],
        "depth": path.count("/"),
        "actor_class": "somewhere.Something",
        "kind": ActorKind.WORKER,
        "state": ActorState.RUNNING,
        "incarnation": 1,
        "up_ns": 5 * SECOND,
    }
    return ActorSnapshot(**given | more)


BUDGET = RestartBudget(owner="top", restarts=2, intensity=3, period_ns=10 * SECOND, left=1)
CRASH = FlightEntry(at_ns=98 * SECOND, incarnation=1, kind=FlightKind.CRASHED, detail="KeyError")
LETTERS = FlightEntry(
    at_ns=99 * SECOND, incarnation=2, kind=FlightKind.DEAD_LETTER, detail="str: gone", count=40
)
SAMPLE = TreeSnapshot(
    at_ns=100 * SECOND,
    actors=(
        row("top", kind=ActorKind.SUPERVISOR),
        row("top/a", kind=ActorKind.SUPERVISOR, budgets=(BUDGET,)),
        row("top/a/x", mailbox_depth=3, mailbox_age_ns=2 * SECOND),
        row(
            "top/a/y",
            name="[red]y[/red]",
            state=ActorState.BACKING_OFF,
            backoff_left_ns=SECOND // 4,
            up_ns=None,
        ),
        row(
            "top/b",
            incarnation=2,
            budgets=(BUDGET,),
            last_failure=LastFailure(error="KeyError", incarnation=1, at_ns=98 * SECOND),
            dead_letters=40,
            zombies=1,
            recorder=(CRASH, LETTERS),
        ),
        row("top/c", kind=ActorKind.TASK, budgets=(BUDGET,)),
    ),
    zombies=(
        Zombie(
            thread="greenroom-b-1",
            path="top/b",
            incarnation=1,
            stack=(StackFrame(file="model.py", line=7, function="infer"),),
        ),
    ),
    dead=(
        DeadActor(
            path="top/z", actor_class="somewhere.Z", incarnation=4, at_ns=97 * SECOND, recorder=(CRASH,)
        ),
    ),
    dead_letters=40,
)


def drawn(tree: TreeSnapshot, width: int = 80, **more: bool) -> list[str]:
    """Return the lines that a person sees."""
    console = Console(file=io.StringIO(), width=width, _environ={})
    console.print(TreeView(tree=tree, title="demo (process 7)", **more))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_the_tree_is_drawn_as_one() -> None:
    """Lines lead from each to its parent; columns are there where somebody has something to show."""
    assert drawn(SAMPLE, 110) == [
        "demo (process 7)  6 actors: 5 running, 1 backing off · 40 dead letters · 1 zombie",
        "actor               state                #    up  mail     restarts  last failure    lost",
        "top                 ✓ running            1  5.0s           2 of 3",
        "├─ a                ✓ running            1  5.0s",
        "│  ├─ x             ✓ running            1  5.0s  3 ≤2.0s",
        "│  └─ [red]y[/red]  ↻ backing off 250ms  1     –",  # noqa: RUF001 - a dash for nothing
        "├─ b                ✓ running            2  5.0s                     KeyError -2.0s  40 letters 1 zombie",
        "└─ c ⟳              ✓ running            1  5.0s",
        "zombie top/b #1 on greenroom-b-1",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_it_fits_whatever_the_width(width: int) -> None:
    """No line is longer than the terminal; names stay as long as they can."""
    for recorder in (False, True):
        lines = drawn(SAMPLE, width, recorder=recorder, stacks=recorder)
        assert max(Text(line).cell_len for line in lines) <= width
        assert any("├─ b" in line for line in lines)


def test_a_long_name_makes_room_for_the_state() -> None:
    """It is cut in the end rather than the columns that matter."""
    long = replace(SAMPLE, actors=(row("top"), row("top/" + "x" * 200)))
    assert drawn(long)[-2].startswith("└─ xxx")
    assert "… " in drawn(long)[-2]
    assert "✓ running" in drawn(long)[-2]


def test_what_happened_is_shown_below_each() -> None:
    """When, to which incarnation, what, how often; and who died last."""
    lines = drawn(SAMPLE, recorder=True)
    at = next(index for index, line in enumerate(lines) if line.startswith("├─ b"))
    assert lines[at + 1] == "│        -2.0s #1 ✗ crashed KeyError"
    assert lines[at + 2] == "│        -1.0s #2 ↻ dead letter str: gone x40"
    assert lines[lines.index("gone") + 1] == "  top/z  -3.0s"


def test_stacks_are_shown_where_asked_for() -> None:
    """Function, file and line of each call."""
    assert drawn(SAMPLE, stacks=True)[-1] == "    infer  model.py:7"
    assert "infer" not in "".join(drawn(SAMPLE))


def test_a_system_without_actors_is_no_error() -> None:
    """There is a headline."""
    assert drawn(TreeSnapshot(at_ns=1, actors=())) == ["demo (process 7)  0 actors"]


# -- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where sockets lie: a short path, because they need one."""
    with tempfile.TemporaryDirectory(prefix="gr") as made:
        monkeypatch.setenv("XDG_RUNTIME_DIR", made)
        monkeypatch.setattr(tempfile, "tempdir", str(Path(made) / "tmp"))
        monkeypatch.setenv("COLUMNS", "80")
        yield Path(made)


@pytest.fixture
def system(folder: Path) -> Iterator[ActorSystem]:
    """A system that is served as ``demo``."""
    with ActorSystem() as made:
        made.launch(Probe, name="probe")[1].get(timeout=20)
        serve_tree(made, name="demo")
        yield made


def test_the_only_one_is_shown(system: ActorSystem, capsys: Capture) -> None:
    """Without saying which; by its name and by its process too."""
    for which in ([], ["demo"], [str(os.getpid())]):
        assert main(["tree", *which]) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"demo (process {os.getpid()})  1 actor: 1 running")
        assert "probe" in said


def test_without_any_that_is_said(folder: Path, capsys: Capture) -> None:
    """And how to get one: bad input, no traceback."""
    assert main(["tree"]) == 2
    assert capsys.readouterr().err == (
        "greenroom: no deployment of this user runs on this machine; start one with: greenroom run demo\n"
    )


def test_one_that_is_not_there_is_told_who_is(system: ActorSystem, capsys: Capture) -> None:
    """By name and process."""
    assert main(["tree", "other"]) == 2
    assert f"no deployment 'other' runs here; there are: demo ({os.getpid()})" in capsys.readouterr().err


def test_several_are_listed(system: ActorSystem, capsys: Capture) -> None:
    """So one can pick; what a program reads must be one, and two of a name cannot be told apart by it."""
    with serve_tree(system, name="second"):
        assert main(["tree"]) == 0
        said = capsys.readouterr().out
        assert "demo" in said
        assert "second" in said
        assert "which one?" in said
        assert main(["tree", "--json"]) == 2
        assert "more than one" in capsys.readouterr().err
        assert main(["tree", "second"]) == 0
        assert main(["tree", str(os.getpid())]) == 2


def test_a_folder_that_is_not_ours_alone_is_told(folder: Path, capsys: Capture) -> None:
    """With what would do."""
    (folder / "greenroom").mkdir()
    (folder / "greenroom").chmod(0o755)
    assert main(["tree"]) == 2
    assert "chmod 700 would do" in capsys.readouterr().err


class Clumsy(Actor):
    """Crashes over anything."""

    def on_receive(self, message: Any) -> Any:
        """Crash."""
        raise KeyError(message)


@pytest.mark.parametrize("recorder", [True, False])
def test_json_is_the_snapshot_on_one_line(recorder: bool, system: ActorSystem, capsys: Capture) -> None:
    """With who it is of; what happened to whom only where that was asked for, and never any text."""
    ref, started = system.launch(Clumsy, name="clumsy")
    started.get(timeout=20)
    ref.ask("sekrit", block=False).error()
    while ref.is_alive():
        ref.stop(timeout=20)
    assert main(["tree", "--json", *(["--recorder"] if recorder else [])]) == 0
    said = capsys.readouterr().out
    read = json.loads(said)
    assert said.count("\n") == 1
    assert (read["name"], read["pid"], read["schema"]) == ("demo", os.getpid(), 1)
    assert [actor["path"] for actor in read["actors"]] == ["probe"]
    assert [dead["path"] for dead in read["dead"]] == (["clumsy"] if recorder else [])
    assert "sekrit" not in said


@pytest.mark.parametrize("as_json", [True, False])
def test_watching_shows_it_until_it_ends(
    as_json: bool, system: ActorSystem, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is an end in order."""
    asked, ask = itertools.count(1), ask_tree

    def ask_thrice(path: Path) -> TreeSnapshot:
        if next(asked) > 3:
            system.close()
        return ask(path)

    monkeypatch.setattr("greenroom.console._tree.ask_tree", ask_thrice)
    assert main(["tree", "--watch", "0.01", *(["--json"] if as_json else [])]) == 0
    said = capsys.readouterr().out
    assert said.count('"pid": ' if as_json else "demo (process") == 3


@pytest.mark.parametrize("seconds", ["0", "-1", "often"])
def test_a_wrong_interval_is_refused(seconds: str, capsys: Capture) -> None:
    """As any wrong command line."""
    with pytest.raises(SystemExit) as ended:
        main(["tree", "--watch", seconds])
    assert ended.value.code == 2
    assert "not a number of seconds above 0" in capsys.readouterr().err


# -- a real run ---------------------------------------------------------------------------------------------------


def greenroom(*argv: str) -> list[str]:
    """Return the command line of our command in a process of its own."""
    return [
        sys.executable,
        "-c",
        "import sys; from greenroom.console.cli import main; sys.exit(main())",
        *argv,
    ]


@pytest.mark.parametrize("served", [True, False])
def test_a_real_run_can_be_looked_at(served: bool, folder: Path) -> None:
    """From another process, unless it was told ``--no-socket``; afterwards nothing of it is left."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    extra = [] if served else ["--no-socket"]
    run = subprocess.Popen(
        greenroom("run", "demo", "--no-view", *extra),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=env,
    )
    try:
        assert run.stderr is not None
        while b"processor.ready" not in run.stderr.readline():
            assert run.poll() is None
        look = subprocess.run(
            greenroom("tree", "--recorder"), capture_output=True, text=True, timeout=60, env=env, check=False
        )
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate(timeout=60)
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 0, said
    if served:
        assert look.returncode == 0, look.stderr
        assert look.stdout.startswith(f"demo (process {run.pid})")
        for shown in ("session", "├─ processors", "└─ rooms", "✓ running"):
            assert shown in look.stdout
    else:
        assert (look.returncode, look.stdout) == (2, "")
    assert not list(folder.rglob("*.sock"))
