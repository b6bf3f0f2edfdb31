"""The small commands: check, init, schema, processors."""

import errno
import json
import sys
from pathlib import Path

from greenroom import config
from greenroom.console._atomic import write_atomically


def check(file: str) -> None:
    """Validate a deployment, files and processors included, and print the tree that would start.

    Raises:
        ConfigError: it cannot be run; the error says all that is wrong with it.
    """
    deployment = config.load(file)
    config.check(deployment)
    sys.stdout.write(config.describe(deployment).rstrip() + "\n")


def init(file: str, *, force: bool) -> None:
    """Write the commented starter deployment.

    Raises:
        OSError: it cannot be written, or there is a file already and ``force`` is not given.
    """
    path = Path(file)
    if path.exists() and not force:
        raise FileExistsError(errno.EEXIST, "is there already; --force replaces it", file)
    write_atomically(path, config.starter().encode())
    sys.stdout.write(f"{file} is written. Next: greenroom check {file}\n")


def schema() -> None:
    """Print the JSON Schema of deployment files."""
    sys.stdout.write(json.dumps(config.json_schema(), indent=2) + "\n")
