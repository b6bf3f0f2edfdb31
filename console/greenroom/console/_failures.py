"""Turns an error into one message for the person at the keyboard and an exit code for the script around it."""

import os
import sys
import traceback

from greenroom.actors import BadProcessorSpec, NotAProcessor, UnknownProcessor
from greenroom.adapters import AdapterError
from greenroom.config import ConfigError
from greenroom.console.cli import BAD_INPUT, OUR_BUG, READER_GONE
from greenroom.simulation import SimulationError


def explain(error: Exception) -> int:
    """Say on stderr what went wrong and return the exit code.

    What the world did (a wrong deployment, a missing file, a full disk) gets one message and no traceback. What
    we did gets the traceback, because that is what a bug report needs.
    """
    match error:
        case BrokenPipeError():
            # Whoever read our output, like `head`, has had enough. Nothing may be written to it any more, not even
            # by the interpreter's last flush.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return READER_GONE
        case ConfigError():
            _say(str(error))
            return BAD_INPUT
        case AdapterError() | BadProcessorSpec() | UnknownProcessor() | NotAProcessor() | SimulationError():
            _say(f"greenroom: {error}")
            return BAD_INPUT
        case OSError():
            _say(f"greenroom: {_in_words(error)}")
            return BAD_INPUT
        case _:
            traceback.print_exception(error)
            _say("greenroom: the above is a bug in greenroom, not in your input; please report it.")
            return OUR_BUG


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _in_words(error: OSError) -> str:
    """Return which file and why, without the number that the system gives it."""
    if error.strerror is None:
        return str(error)
    reason = error.strerror[:1].lower() + error.strerror[1:]
    return f"{error.filename}: {reason}" if error.filename else reason
