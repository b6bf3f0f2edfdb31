"""The console floor: what a person touches (command line, live view, reports)."""

from greenroom.console.cli import main

__all__ = ["main"]
