"""Lists the processors that deployments can name, from every installed package."""

import os
import sys
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from greenroom.adapters.processors import CatalogueEntry, catalogue
from greenroom.console._tones import TERMINAL_STYLES, Tone

PIPED_COLUMNS: Final = 120


def processors() -> None:
    """Print each processor's name, what it is, and what it can be told; or what is missing for it to work."""
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_COLUMNS
    console.print(catalogue_table(catalogue()))
    sys.stdout.write("Any other factory works as package.module:factory.\n")


def catalogue_table(entries: tuple[CatalogueEntry, ...]) -> Table:
    """Return the list; what cannot be used here says why."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False, expand=True)
    table.add_column("use", no_wrap=True)
    table.add_column("placement", no_wrap=True)
    table.add_column("what it is", overflow="fold", ratio=3)
    table.add_column("options", overflow="fold", ratio=2)
    for entry in entries:
        about = Text(entry.summary.replace("``", ""))
        if trouble := _trouble(entry):
            about.append(f" {trouble}" if entry.summary else trouble, TERMINAL_STYLES[Tone.CARE])
        table.add_row(entry.name, str(entry.placement), about, Text(_options(entry), style="dim"))
    return table


def _trouble(entry: CatalogueEntry) -> str:
    if entry.problem:
        return f"Not usable: {entry.problem}"
    return "" if entry.installed else f'Not installed: pip install "greenroom[{entry.extra}]"'


def _options(entry: CatalogueEntry) -> str:
    return "\n".join(f"{option.name} = {option.default or '?'}  {option.takes}" for option in entry.options)
