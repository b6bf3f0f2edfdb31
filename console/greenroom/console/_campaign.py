"""``greenroom simulate all``: the long sweep; how far it is, what it ran, and what it found."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from greenroom import simulation
from greenroom.simulation import Campaign, Failure, Repeat, Tally

LINE_SECONDS: Final = 30
"""Where there is no terminal, it says how far it is so often."""
SHOWN: Final = 10


class Tokens:
    """Writes what repeats each failure as soon as it is found: to a file, one a line, if one is wanted."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        if self._path is not None:
            self._path.write_text("", "utf-8")

    def add(self, repeat: Repeat, failure: Failure) -> None:
        """Write one: the token, and behind it what it is of."""
        if self._path is not None:
            of = f"{repeat.scenario.name}, {repeat.faults.name}, {repeat.strategy}, seed {repeat.seed}"
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{repeat.token()} # {of}: {' '.join(str(failure).split())}\n")


@contextmanager
def showing_progress(console: Console, what: str, schedules: int) -> Generator[tuple[Progress, TaskID]]:
    """Show a bar, a rate and an estimate, if there is a terminal."""
    progress = Progress(
        TextColumn("simulating {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with progress:
        yield progress, progress.add_task(what, total=schedules, rate="")


def run_campaign(campaign: Campaign, console: Console, *, jobs: int, tokens: Tokens) -> Tally:
    """Run all legs, and print what each has come to, interrupted or not; return the whole."""
    with showing_progress(console, "all", campaign.schedules) as (progress, task):
        try:
            campaign.run(jobs=jobs, on_part=_telling(campaign, progress, console, tokens))
        except KeyboardInterrupt:
            done = progress.tasks[task].completed
            console.print(f"interrupted after {done:,g} of {campaign.schedules:,} schedules", highlight=False)
            _print(campaign, jobs, progress.tasks[task].elapsed or 0)
            raise
        elapsed = progress.tasks[task].elapsed or 0
    _print(campaign, jobs, elapsed)
    return campaign.total()


def _telling(
    campaign: Campaign, progress: Progress, console: Console, tokens: Tokens
) -> Callable[[int, Tally], None]:
    """Return what is told of each part."""
    task = progress.tasks[0]
    done = steps = found = lines = 0

    def tell(_leg: int, part: Tally) -> None:
        nonlocal done, steps, found, lines
        done, steps, found = done + part.runs, steps + part.steps, found + len(part.failures)
        for repeat, failure in part.failures:
            tokens.add(repeat, failure)
        elapsed = task.elapsed or 0.001
        rate = f"{done / elapsed:,.1f} schedules/s, {steps / elapsed:,.0f} steps/s, {found} found"
        progress.update(task.id, completed=done, rate=rate)
        if not console.is_terminal and elapsed >= LINE_SECONDS * (lines + 1):
            lines = int(elapsed // LINE_SECONDS)
            left = (campaign.schedules - done) * elapsed / max(1, done)
            console.print(
                f"{done:,} of {campaign.schedules:,}: {rate}, {left / 60:.1f} min left", highlight=False
            )

    return tell


def _print(campaign: Campaign, jobs: int, elapsed: float) -> None:
    """Print a line for each leg, and one for the whole."""
    print(f"{'scenario':14}{'faults':12}{'strategy':10}{'schedules':>10}{'steps':>13}{'found':>7}")  # noqa: T201 - what the command is for
    for leg, tally in zip(campaign.legs, campaign.tallies, strict=True):
        scenario, plan, strategy = simulation.name_of_leg(leg)
        told = " all orders tried" if tally.exhausted else ""
        print(  # noqa: T201 - as above
            f"{scenario:14}{plan:12}{strategy:10}{tally.runs:10,}{tally.steps:13,}{len(tally.failures):7}{told}"
        )
    total = campaign.total()
    print(  # noqa: T201 - as above
        f"{total.runs:,} schedules in {len(campaign.legs)} legs ({jobs} {'process' if jobs == 1 else 'processes'}, "
        f"{elapsed / 60:.1f} min, {total.runs / max(elapsed, 0.001):,.1f} schedules/s): {total.steps:,} steps, "
        f"{total.faults:,} faults, {total.rests:,} times all was looked at; "
        + (f"{len(total.failures)} failed" if total.failures else "all laws held")
    )
    for repeat, failure in total.failures[:SHOWN]:
        print(f"{repeat.scenario.name}, seed {repeat.seed}: {failure}\n  {repeat.token()}")  # noqa: T201 - as above
