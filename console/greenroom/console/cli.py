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
