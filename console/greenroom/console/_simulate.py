"""``greenroom simulate``: runs scenarios under many seeds, shows how far it is, and makes what fails short."""

import errno
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from greenroom import simulation
from greenroom.console._campaign import Tokens, run_campaign, showing_progress
from greenroom.simulation import Campaign, Covered, Repeat, Setting, Sweep, Tally, Trace

ALL: Final = "all"
RANDOM: Final = "random"
LIGHT: Final = "light"
SCHEDULES: Final = 200
LONG: Final = 200_000
"""Schedules of the long sweep."""
GAPS_SHOWN: Final = 4
PIPED_COLUMNS: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """What the command line says.

    Attributes:
        scenario: a shipped name, a file, ``random``, or ``all`` for the long sweep.
        seeds: how many, from ``first``; 0 for the usual number.
        jobs: how many processes; 0 takes one for each core.
        strategy: how orders are chosen; empty: at random, in the long sweep all ways.
        faults: a shipped plan or a file; empty: ``light``, in the long sweep all that are shipped.
        laws: which count.
        replay: a token; nothing else is run then.
        trace: a file for the trace of a failure (or of the replay), as JSON.
        html: a file for its chart.
        coverage: print what was visited.
        keep_going: go on after a failure; the long sweep always does.
        tokens: a file for what repeats each failure, one a line.
    """

    scenario: str = RANDOM
    seeds: int = 0
    first: int = 0
    jobs: int = 0
    strategy: str = ""
    faults: str = ""
    laws: tuple[str, ...] = ()
    replay: str = ""
    trace: str = ""
    html: str = ""
    coverage: bool = False
    keep_going: bool = False
    tokens: str = ""


def simulate(options: SimulateOptions) -> bool:
    """Run, report, and return whether all laws held.

    Raises:
        SimulationError: a scenario, a plan, a strategy, a law or a token is not one.
        OSError: a file cannot be written; found out before anything runs, as far as can be seen then.
    """
    for name in filter(None, (options.trace, options.html, options.tokens)):
        _check_place(Path(name))
    console = Console(stderr=True, **({} if sys.stderr.isatty() else {"width": PIPED_COLUMNS}))  # type: ignore[arg-type]
    if options.replay:
        return _replay(options, console)
    if options.scenario == ALL:
        return _simulate_all(options, console)
    options = replace(
        options,
        seeds=options.seeds or SCHEDULES,
        strategy=options.strategy or RANDOM,
        faults=options.faults or LIGHT,
    )
    plan = Sweep(
        scenario=None if options.scenario == RANDOM else simulation.load_scenario(options.scenario),
        faults=simulation.load_faults(options.faults),
        strategy=options.strategy,
        first=options.first,
        seeds=options.seeds,
        laws=options.laws,
        coverage=options.coverage,
        keep_going=options.keep_going,
    )
    jobs = min(options.jobs or simulation.cores(), max(1, options.seeds // 20))
    with showing_progress(console, options.scenario, options.seeds) as (progress, task):
        try:
            tally = simulation.sweep(
                plan, jobs=jobs, on_progress=lambda so_far: _show(progress, task, so_far)
            )
        except KeyboardInterrupt:
            done = progress.tasks[task].completed
            console.print(f"interrupted after {done:g} of {options.seeds} schedules", highlight=False)
            raise
    _print_tally(options, plan, tally, jobs)
    if options.coverage:
        _print_coverage(tally, plan)
    tokens = Tokens(options.tokens)
    for repeat, failure in tally.failures:
        tokens.add(repeat, failure)
    if not tally.failures:
        return True
    _tell(options, console, plan.setting(), tally)
    return False


def _simulate_all(options: SimulateOptions, console: Console) -> bool:
    """Run the long sweep, and tell the first failure made short; return whether all laws held."""
    legs = simulation.legs_of(
        options.seeds or LONG,
        first=options.first,
        faults=(simulation.load_faults(options.faults),) if options.faults else (),
        strategies=(options.strategy,) if options.strategy else (),
        laws=options.laws,
        coverage=options.coverage,
    )
    campaign = Campaign(legs)
    setting = legs[0].setting()
    jobs = min(options.jobs or simulation.cores(), max(1, campaign.schedules // 20))
    total = run_campaign(campaign, console, jobs=jobs, tokens=Tokens(options.tokens))
    if options.coverage:
        _print_coverage(total, legs[0])
    if total.failures:
        _tell(options, console, setting, total)
    return not total.failures


def _check_place(path: Path) -> None:
    """Refuse a place where no file can be made, before hours are spent on what is to be in it."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


# -- while it runs ------------------------------------------------------------------------------------------------


def _show(progress: Progress, task: TaskID, tally: Tally) -> None:
    passed = progress.tasks[task].elapsed or 0
    rate = f"{tally.steps / passed:,.0f} steps/s" if passed else ""
    progress.update(task, completed=tally.runs, rate=rate)


# -- afterwards ---------------------------------------------------------------------------------------------------


def _print_tally(options: SimulateOptions, plan: Sweep, tally: Tally, jobs: int) -> None:
    """Print what was run, in one line."""
    orders = "all orders tried" if tally.exhausted else f"strategy {plan.strategy}"
    held = f"{len(tally.failures)} failed" if tally.failures else "all laws held"
    print(  # noqa: T201 - what the command is for
        f"{tally.runs} schedules of {options.scenario} with faults '{plan.faults.name}' ({orders}, {jobs} "
        f"{'process' if jobs == 1 else 'processes'}): {tally.steps:,} steps, {tally.faults} faults, "
        f"{tally.rests:,} times all was looked at; {held}"
    )


def _tell(options: SimulateOptions, console: Console, setting: Setting, tally: Tally) -> None:
    """Make the first failure short, and tell it; the others by their seeds."""
    repeat, failure = tally.failures[0]
    console.print(f"[bold red]seed {repeat.seed}[/]: {failure}", highlight=False)
    for other, what in tally.failures[1:10]:
        console.print(f"seed {other.seed}: {what}", highlight=False, markup=False)
    with console.status("making it short ..."):
        shrunk = simulation.shrink(repeat, setting)
        trace = simulation.trace_of(shrunk.repeat, setting)
    console.print(f"made short in {shrunk.runs} runs\n", highlight=False)
    _write(options, trace)


def _replay(options: SimulateOptions, console: Console) -> bool:
    repeat: Repeat = simulation.parse_token(options.replay)
    if not repeat.same_code:
        console.print(
            f"[yellow]This token was made with other code[/] ({repeat.code}; this is {simulation.fingerprint()}): "
            "it may run differently.",
            highlight=False,
        )
    own, only = simulation.find_laws(options.laws)
    trace = simulation.trace_of(repeat, Setting(laws=own, only=only))
    _write(options, trace)
    return trace.outcome.held


def _write(options: SimulateOptions, trace: Trace) -> None:
    print(trace.text())  # noqa: T201 - what the command is for
    if options.trace:
        trace.write_json(options.trace)
    if options.html:
        simulation.write_chart(trace, options.html)


def _print_coverage(tally: Tally, plan: Sweep) -> None:
    """Print which orders were seen, and name what was not."""
    wanted = {fault.at for fault in plan.faults.faults}
    console = Console(**({} if sys.stdout.isatty() else {"width": PIPED_COLUMNS}))  # type: ignore[arg-type]
    console.print(_table("actors: (state, message)", simulation.actor_coverage(tally.visited)))
    if wanted:
        console.print(_table("faults: (kind, point)", simulation.fault_coverage(tally.points, wanted)))


def _table(title: str, rows: Sequence[Covered]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("what", no_wrap=True)
    table.add_column("visited", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("not visited")
    for row in rows:
        more = len(row.gaps) - GAPS_SHOWN
        gaps = ", ".join(row.gaps[:GAPS_SHOWN]) + (f" and {more} more" if more > 0 else "")
        table.add_row(row.name, f"{row.visited}/{row.total}", f"{row.share:.0%}", gaps)
    visited, total = sum(row.visited for row in rows), sum(row.total for row in rows)
    table.add_section()
    table.add_row("all", f"{visited}/{total}", f"{visited / total if total else 1:.0%}", "")
    return table
