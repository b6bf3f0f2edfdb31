"""The ``greenroom`` command: reads the command line and calls the rest, which it imports only when needed.

Exit codes: 0 all is well, 1 a law did not hold, 2 bad input or a place that cannot be written, 70 a bug of
ours, 130 stopped at once by a second Ctrl-C, 141 whoever read our output is gone.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

OK: Final = 0
LAW_BROKEN: Final = 1
BAD_INPUT: Final = 2
OUR_BUG: Final = 70
STOPPED_AT_ONCE: Final = 130
READER_GONE: Final = 141

LEVELS: Final = ("debug", "info", "warning", "error", "critical")

_EPILOG: Final = """\
exit codes: 0 all is well, 1 a law did not hold, 2 bad input, 70 a bug in greenroom, 130 stopped at once

examples:
  greenroom run demo                     watch the demo in real time
  greenroom run demo --fast --out out    as fast as the machine goes; then open out/report.html
  greenroom tree                         in another terminal: what its actors are doing
  greenroom simulate --seeds 2000        try 2,000 random scenarios in random orders, with faults
  greenroom init                         write a commented deployment to start from
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; prints one clear message for bad input, never a traceback.

    Raises:
        SystemExit: from argparse: 0 after ``--help`` and ``--version``, 2 for a wrong command line.
    """
    _give_streams()
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except KeyboardInterrupt:
        return STOPPED_AT_ONCE
    except Exception as error:  # noqa: BLE001 - the last resort: everything ends in a message and a code
        from greenroom.console._failures import explain  # noqa: PLC0415

        return explain(error)


def _give_streams() -> None:
    """Send to nowhere what a shell has closed (``2>&-``), for which Python has None instead of a file."""
    if sys.stdout is None or sys.stderr is None:
        nowhere = open(os.devnull, "w", encoding="utf8")  # noqa: PTH123, SIM115 - for the rest of the process
        sys.stdout = sys.stdout or nowhere
        sys.stderr = sys.stderr or nowhere


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="greenroom",
        description="Supervises the audio processors of real-time rooms.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_PrintVersion, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_simulate(commands)
    check = _add(
        commands, "check", _check, "validate a deployment without running it; print what would start"
    )
    check.add_argument("file", metavar="FILE", help="a deployment file, or the name of a shipped one: demo")
    init = _add(commands, "init", _init, "write a commented deployment to start from")
    init.add_argument(
        "file", metavar="FILE", nargs="?", default="greenroom.toml", help="default: %(default)s"
    )
    init.add_argument("--force", action="store_true", help="replace the file if there is one")
    _add_tree(commands)
    _add(commands, "schema", _schema, "print the JSON Schema of deployment files, for editors")
    _add(commands, "processors", _processors, "list the processors that deployments can name")
    return parser


def _add_run(commands: Any) -> None:
    run = _add(commands, "run", _run, "run a deployment, show it live, and judge it")
    run.add_argument(
        "file", metavar="FILE_OR_NAME", help="a deployment file, or the name of a shipped one: demo"
    )
    run.add_argument(
        "--for", dest="for_seconds", metavar="SECONDS", type=_positive, help="stop after so much audio"
    )
    run.add_argument(
        "--fast", action="store_true", help="as fast as the machine goes, instead of in real time"
    )
    run.add_argument(
        "--out", metavar="DIR", type=_folder, help="write the audio, report.json and report.html there"
    )
    run.add_argument(
        "--json", action="store_true", help="print the report as JSON on stdout, and nothing else there"
    )
    run.add_argument(
        "--faults",
        metavar="F",
        type=_text,
        help="have processors fail by this plan, as in simulate: a shipped one (processors) or a file",
    )
    run.add_argument("--no-view", action="store_true", help="print a line per event instead of the live view")
    run.add_argument(
        "--no-socket", action="store_true", help="do not let `greenroom tree` look at the actors meanwhile"
    )
    run.add_argument(
        "--log-level",
        choices=LEVELS,
        help="default: error, because the view shows the events; with json info, because nothing else does",
    )
    run.add_argument(
        "--log-format", choices=("console", "json"), default="console", help="on stderr; default: %(default)s"
    )


def _add_tree(commands: Any) -> None:
    tree = _add(commands, "tree", _tree, "show what the actors of a running deployment are doing")
    tree.add_argument(
        "which",
        metavar="PID|NAME",
        nargs="?",
        help="which deployment of this user; needed where several run",
    )
    tree.add_argument("--json", action="store_true", help="print the snapshot as JSON, on one line")
    tree.add_argument(
        "--recorder",
        action="store_true",
        help="show the last things that happened to each, and who died last",
    )
    tree.add_argument("--stacks", action="store_true", help="show where threads hang that were given up")
    tree.add_argument(
        "--watch",
        dest="watch_seconds",
        metavar="SECONDS",
        type=_positive,
        help="show it anew every so often, until it ends or Ctrl-C",
    )


def _add_simulate(commands: Any) -> None:
    simulate = _add(
        commands, "simulate", _simulate, "try many orders of a scenario, with faults, and check the laws"
    )
    simulate.add_argument(
        "scenario",
        metavar="SCENARIO",
        nargs="?",
        default="random",
        help="a shipped scenario, a .toml or .json file, random: another one for each seed, or all: the long sweep over every "
        "scenario, plan and strategy; default: %(default)s",
    )
    simulate.add_argument(
        "--seeds",
        metavar="N",
        type=_whole,
        help="how many schedules; default: 200, in the long sweep 200,000",
    )
    simulate.add_argument(
        "--first", metavar="N", type=_from_0, default=0, help="the first seed; default: %(default)s"
    )
    simulate.add_argument("--jobs", metavar="J", type=_whole, help="processes; default: one for each core")
    simulate.add_argument(
        "--strategy",
        metavar="S",
        type=_text,
        help="random, pct, delay or dfs; default: random, in the long sweep all",
    )
    simulate.add_argument(
        "--faults",
        metavar="F",
        type=_text,
        help="a shipped plan or a file; none for none; default: light, in the long sweep all",
    )
    simulate.add_argument(
        "--law",
        metavar="LAW",
        action="append",
        default=[],
        help="only this law (a name or a number), or beside them module:name, one of your own; may be repeated",
    )
    simulate.add_argument(
        "--replay", metavar="TOKEN", type=_text, help="run again what a failure has printed"
    )
    simulate.add_argument(
        "--trace", metavar="FILE", type=_text, help="write the failing run, step by step, as JSON"
    )
    simulate.add_argument("--html", metavar="FILE", type=_text, help="write a chart of the failing run")
    simulate.add_argument(
        "--tokens", metavar="FILE", type=_text, help="write what repeats each failure, one a line"
    )
    simulate.add_argument("--coverage", action="store_true", help="print which orders and faults were met")
    simulate.add_argument("--keep-going", action="store_true", help="go on after a failure")


def _add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], help_text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help_text, description=help_text.capitalize() + "."
    )
    parser.set_defaults(command=run)
    return parser


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0, like 5 or 2.5")
    return value


def _whole(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return value


def _from_0(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _text(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty")
    return text


def _folder(text: str) -> str:
    # What is left of an unset shell variable would mean the current folder.
    if not text.strip():
        raise argparse.ArgumentTypeError("names no folder; for the current one say --out .")
    return text


class _PrintVersion(argparse.Action):
    """Finds the version out only when asked: the metadata costs more than the rest of ``--help``."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from greenroom.console._version import version  # noqa: PLC0415

        sys.stdout.write(f"greenroom {version()}\n")
        parser.exit()


def _run(arguments: argparse.Namespace) -> int:
    # numpy's products here are small and come from many threads; more threads for each only stand in their way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from greenroom.console._run import RunOptions, run  # noqa: PLC0415

    held = run(
        arguments.file,
        RunOptions(
            for_seconds=arguments.for_seconds,
            fast=arguments.fast,
            out=arguments.out,
            json=arguments.json,
            view=not arguments.no_view,
            faults=arguments.faults or "",
            socket=not arguments.no_socket,
            log_level=arguments.log_level or ("info" if arguments.log_format == "json" else "error"),
            log_json=arguments.log_format == "json",
        ),
    )
    return OK if held else LAW_BROKEN


def _tree(arguments: argparse.Namespace) -> int:
    from greenroom.console._tree import TreeOptions, tree  # noqa: PLC0415

    tree(
        arguments.which,
        TreeOptions(
            json=arguments.json,
            recorder=arguments.recorder,
            stacks=arguments.stacks,
            watch_seconds=arguments.watch_seconds,
        ),
    )
    return OK


def _simulate(arguments: argparse.Namespace) -> int:
    from greenroom.console._simulate import SimulateOptions, simulate  # noqa: PLC0415

    held = simulate(
        SimulateOptions(
            scenario=arguments.scenario,
            seeds=arguments.seeds or 0,
            first=arguments.first,
            jobs=arguments.jobs or 0,
            strategy=arguments.strategy or "",
            faults=arguments.faults or "",
            laws=tuple(arguments.law),
            replay=arguments.replay or "",
            trace=arguments.trace or "",
            html=arguments.html or "",
            coverage=arguments.coverage,
            keep_going=arguments.keep_going,
            tokens=arguments.tokens or "",
        )
    )
    return OK if held else LAW_BROKEN


def _check(arguments: argparse.Namespace) -> int:
    from greenroom.console._commands import check  # noqa: PLC0415

    check(arguments.file)
    return OK


def _init(arguments: argparse.Namespace) -> int:
    from greenroom.console._commands import init  # noqa: PLC0415

    init(arguments.file, force=arguments.force)
    return OK


def _schema(_: argparse.Namespace) -> int:
    from greenroom.console._commands import schema  # noqa: PLC0415

    schema()
    return OK


def _processors(_: argparse.Namespace) -> int:
    from greenroom.console._catalogue import processors  # noqa: PLC0415

    processors()
    return OK
