"""One line of the table that `make bench` prints, and the table."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

MET: Final = {True: "yes", False: "NO", None: "-"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured here, beside what, in the same run."""

    what: str
    here: str
    beside: str
    ratio: str
    goal: str
    met: bool | None
    """None where there is no goal."""


def show(rows: Iterable[Row]) -> None:
    """Print the table."""
    table = Table("what", "here", "beside", "ratio", "goal", "met")
    for row in rows:
        table.add_row(row.what, row.here, row.beside, row.ratio, row.goal, MET[row.met])
    Console().print(table)
