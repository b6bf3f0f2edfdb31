"""Writes what a run leaves behind: ``report.json`` and ``report.html``."""

from pathlib import Path
from typing import Final

from greenroom.console._atomic import write_atomically
from greenroom.console._facts import RunFacts
from greenroom.console._page import report_html
from greenroom.console._report import report_json

JSON_NAME: Final = "report.json"
HTML_NAME: Final = "report.html"


def write_reports(folder: Path, facts: RunFacts) -> None:
    """Write both reports into ``folder``, each as a whole or not at all.

    Raises:
        OSError: one could not be written, for one because the disk is full.
    """
    for name, text in ((JSON_NAME, report_json(facts)), (HTML_NAME, report_html(facts))):
        write_atomically(folder / name, text.encode())
