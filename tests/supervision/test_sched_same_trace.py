"""The same seed gives the same trace, byte for byte: in other processes, on other Pythons, and as it is kept in a file."""

import hashlib
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pykka
import pytest

from greenroom.supervision import (
    ActorRef,
    ActorSystem,
    Backoff,
    ChildSpec,
    Dispatcher,
    Strategy,
    Supervisor,
    SupervisorFlags,
)
from greenroom.supervision.faults import Fault, FaultInjector, FaultKind, Place
from greenroom.supervision.probes import Probe
from greenroom.supervision.schedules import DelayScheduler, PctScheduler, RandomScheduler, Scheduler
from greenroom.supervision.simulated import SimulatedRuntime

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).with_name("golden_trace.txt")
MS = 1_000_000


def schedulers(seed: int) -> tuple[Scheduler, ...]:
    """Return one of each kind."""
    return RandomScheduler(seed), PctScheduler(seed, steps=50), DelayScheduler(seed, steps=50)


class Roller:
    """A task that rolls dice, and by them goes on at once, later, or on a thread of its own."""

    def __init__(self, runtime: SimulatedRuntime, name: str, left: int, lines: list[str]) -> None:
        self.runtime = runtime
        self.name = name
        self.left = left
        self.lines = lines
        self.threads = [runtime.executor(kind, name) for kind in (Dispatcher.POOL, Dispatcher.PINNED)]

    def run(self) -> None:
        dice = self.runtime.random
        rolled = dice.randrange(100), dice.choice("abc"), dice.random() < 0.5
        self.lines.append(f"{self.name} {rolled} {self.runtime.next_id()} {self.runtime.now_ns()}")
        self.left -= 1
        if not self.left:
            return
        if rolled[0] < 20:
            self.runtime.linger(rolled[0])
        if rolled[2]:
            self.runtime.call_later(rolled[0], self.submit)
        else:
            self.submit()

    def submit(self) -> None:
        self.threads[self.left % 2].submit(self)


def small(seed: int) -> list[str]:
    """Run tasks, timers, dice and ids under each scheduler: nothing of actors, so that it stays as it is."""
    lines: list[str] = []
    for scheduler in schedulers(seed):
        lines.append(f"-- {scheduler!r}")
        runtime = SimulatedRuntime(
            seed, scheduler=scheduler, trace=lambda line: lines.append(f"{line.kind} {line}")
        )
        for name in ("one", "two", "three"):
            Roller(runtime, name, 6, lines).submit()
        runtime.run_until_idle()
        lines.append(f"choices {runtime.choices} draws {runtime.random.drawn}")
    return lines


def watch(ref: ActorRef[Any], actor: Probe) -> None:
    """Watch another actor."""
    actor.monitor(ref)


def large(seed: int) -> list[str]:
    """Run a supervisor with back-off, children that fail, monitors and faults of every kind under each scheduler."""
    lines: list[str] = []
    chances = tuple(
        Fault(
            kind=kind,
            at=Place(path="top/*"),
            per_million=30_000,
            delay_ns=MS if kind in (FaultKind.DELAY, FaultKind.SLOW) else 0,
        )
        for kind in FaultKind
    )
    for scheduler in schedulers(seed):
        runtime = SimulatedRuntime(
            seed,
            scheduler=scheduler,
            trace=lambda line: lines.append(f"{line.kind} {line}"),
            faults=FaultInjector(chances, seed=seed),
            coverage=True,
        )
        children = tuple(
            ChildSpec(
                id=name, start=Probe, dispatcher=kind, backoff=Backoff(initial_ns=3 * MS, max_ns=40 * MS)
            )
            for name, kind in zip("abcde", Dispatcher, strict=True)
        )
        flags = SupervisorFlags(strategy=Strategy.ONE_FOR_ONE, intensity=50, period_ns=1_000 * MS)
        with ActorSystem(runtime) as system:
            top, _ = system.launch(Supervisor, (flags, children), name="top", shutdown_ns=None)
            watcher = system.start(Probe)
            for round_ in range(20):
                for cell in list(top._cell.children or ()):
                    cell.ref.send(round_)
                    watcher.send(partial(watch, cell.ref))
                runtime.advance(2 * MS)
        assert runtime.visited is not None
        lines.append(f"{sorted(runtime.visited.items())} {runtime.choices}")
    return lines


def digest(seeds: range = range(6)) -> str:
    """Return one text for all that was traced."""
    text = "\n".join(line for seed in seeds for line in (*small(seed), *large(seed)))
    return hashlib.sha256(text.encode()).hexdigest()


PROGRAM = """
import importlib.util, logging
logging.disable()
spec = importlib.util.spec_from_file_location("played", {path!r})
module = importlib.util.module_from_spec(spec)
import sys, types
sys.modules["pytest"] = types.ModuleType("pytest")
sys.modules["pytest"].mark = types.SimpleNamespace(parametrize=lambda *a, **k: lambda f: f)
spec.loader.exec_module(module)
print(module.digest())
"""


def elsewhere(python: str, hash_seed: str) -> str:
    """Return the digest that another process computes."""
    packages = str(Path(pykka.__file__).parents[1])
    environment = os.environ | {
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join((str(ROOT / "supervision"), packages)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [python, "-c", PROGRAM.format(path=__file__)],
        env=environment, capture_output=True, check=False, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("hash_seed", ["0", "1", "77"])
def test_another_process_sees_the_same_run(hash_seed: str) -> None:
    """Whatever its hashes and addresses are."""
    assert elsewhere(sys.executable, hash_seed) == digest()


def pythons() -> list[str]:
    """Return other supported Pythons on this machine."""
    versions = Path(sys.base_prefix).parent
    return [
        str(path) for path in sorted(versions.glob("3.1[1-9].*/bin/python")) if versions.name == "versions"
    ]


@pytest.mark.parametrize("python", pythons(), ids=lambda path: Path(path).parents[1].name)
def test_another_python_sees_the_same_run(python: str) -> None:
    """A token can be replayed on a machine that has another version."""
    assert elsewhere(python, "5") == digest()


def test_the_trace_is_the_one_that_was_kept() -> None:
    """A change of the runtime or of a scheduler that changes runs is made on purpose: GREENROOM_GOLDEN=write keeps it."""
    text = "\n".join(line for seed in range(3) for line in small(seed)) + "\n"
    if os.environ.get("GREENROOM_GOLDEN") == "write":
        GOLDEN.write_text(text, "utf8")
    assert text == GOLDEN.read_text("utf8")
