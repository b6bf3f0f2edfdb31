"""``greenroom tree``: shows what the actors of a running deployment are doing."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from greenroom.console._tree_view import TreeView
from greenroom.supervision.snapshot import TreeSnapshot
from greenroom.supervision.treeserver import ServedTree, TreeUnavailable, ask_tree, served_trees

PIPED_COLUMNS: Final = 120
"""How wide it is where no terminal says how wide it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeOptions:
    """What the command line says.

    Attributes:
        json: print the snapshot as JSON instead, one line for each.
        recorder: show what happened to each actor, and who died last.
        stacks: show where zombies hang.
        watch_seconds: show it anew after so long, until it ends or Ctrl-C.
    """

    json: bool = False
    recorder: bool = False
    stacks: bool = False
    watch_seconds: float | None = None


class WrongTreeError(OSError):
    """There is no such deployment, or more than one."""


def tree(which: str | None, options: TreeOptions) -> None:
    """Show the tree of the deployment that ``which`` names, or of the only one; list them if there are several.

    Raises:
        WrongTreeError: none, or more than one, is meant.
        TreeUnavailable: it does not answer.
    """
    found = served_trees()
    console = _console()
    if which is None and len(found) > 1 and not options.json:
        console.print(_listed(found))
        console.print("which one? greenroom tree PID", style="dim")
        return
    served = pick(which, found)
    if not served.answers:
        raise TreeUnavailable(served.path, f"process {served.pid} does not answer; it may be stopped")
    if options.watch_seconds is None:
        _print(console, served, ask_tree(served.path), options)
        return
    try:
        asyncio.run(_watch(console, served, options, options.watch_seconds))
    except KeyboardInterrupt:
        return


def pick(which: str | None, found: Sequence[ServedTree]) -> ServedTree:
    """Return the one that ``which`` names, by process or name; None takes the only one.

    Raises:
        WrongTreeError: none, or more than one, is meant.
    """
    if not found:
        raise WrongTreeError(
            "no deployment of this user runs on this machine; start one with: greenroom run demo"
        )
    meant = [each for each in found if which in (None, str(each.pid), each.name)]
    shown = ", ".join(f"{each.name} ({each.pid})" for each in found)
    if not meant:
        raise WrongTreeError(f"no deployment {which!r} runs here; there are: {shown}")
    if len(meant) > 1:
        raise WrongTreeError(f"more than one deployment is meant; say which by its process: {shown}")
    return meant[0]


async def _watch(console: Console, served: ServedTree, options: TreeOptions, seconds: float) -> None:
    """Show it over and over; its end is an end like any other."""
    shown = ask_tree(served.path)
    if options.json or not console.is_terminal:
        while shown is not None:
            _print(console, served, shown, options)
            await asyncio.sleep(seconds)
            shown = _again(served)
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while shown is not None:
            live.update(_view(served, shown, options), refresh=True)
            await asyncio.sleep(seconds)
            shown = _again(served)
    console.print(f"{served.name} has ended", style="dim")


def _again(served: ServedTree) -> Any:
    try:
        return ask_tree(served.path)
    except TreeUnavailable:
        return None


def _print(console: Console, served: ServedTree, shown: TreeSnapshot, options: TreeOptions) -> None:
    if options.json:
        sys.stdout.write(_as_json(served, shown, options) + "\n")
        sys.stdout.flush()
    else:
        console.print(_view(served, shown, options))


def _view(served: ServedTree, shown: TreeSnapshot, options: TreeOptions) -> TreeView:
    title = f"{served.name} (process {served.pid})"
    return TreeView(tree=shown, title=title, recorder=options.recorder, stacks=options.stacks)


def _as_json(served: ServedTree, shown: TreeSnapshot, options: TreeOptions) -> str:
    """Return the snapshot as JSON, with who it is of; what was not asked for is empty, as in the drawn tree."""
    found: dict[str, Any] = json.loads(shown.to_json())
    if not options.recorder:
        found["dead"] = []
        for actor in found["actors"]:
            actor["recorder"] = []
    if not options.stacks:
        for zombie in found["zombies"]:
            zombie["stack"] = []
    return json.dumps({"name": served.name, "pid": served.pid, **found})


def _listed(found: Sequence[ServedTree]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("process", "name", ""):
        table.add_column(name, no_wrap=True)
    for each in found:
        table.add_row(str(each.pid), each.name, "" if each.answers else "does not answer")
    return table


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_COLUMNS
    return console
