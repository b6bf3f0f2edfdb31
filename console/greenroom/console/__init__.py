"""greenroom.console."""
