"""Secrets, from where a deployment says they are: environment variables and files, never the deployment itself."""

import os
from pathlib import Path
from typing import Final

from greenroom.actors.context import Credentials, Token
from greenroom.config._deployment import Deployment
from greenroom.config._events import Reconnect, Refresh
from greenroom.config._schema import ProcessorSection, RoomSection

LONGEST_BYTES: Final = 64 * 1024
"""A token file that is larger is something else."""


class SecretMissing(LookupError):  # noqa: N818 - it is reported as a `Problem`, never raised to users
    """A secret is not where the deployment says; the message says where that is."""


def credentials(
    deployment: Deployment, room: RoomSection, event: Refresh | Reconnect | None = None
) -> Credentials | None:
    """Return a room's credentials, read anew; None if it has none.

    Args:
        deployment: tells what paths are relative to.
        room: names the place of the token.
        event: may name another one.

    Raises:
        SecretMissing: it is not there.
    """
    place = event if event is not None and (event.token_env or event.token_file) else room
    if place.token_env:
        return Credentials(token=Token(variable(place.token_env)), url=room.url)
    if place.token_file:
        return Credentials(token=Token(_file(deployment.path(place.token_file))), url=room.url)
    return None


def options(section: ProcessorSection) -> dict[str, object]:
    """Return a processor's options, the secret ones included.

    Raises:
        SecretMissing: a variable is not set.
    """
    return {**section.options, **{key: variable(name) for key, name in section.options_env.items()}}


def secret_options(section: ProcessorSection) -> frozenset[str]:
    """Return the values of a processor's secret options: what no message may repeat.

    Raises:
        SecretMissing: a variable is not set.
    """
    return frozenset(variable(name) for name in section.options_env.values())


def variable(name: str) -> str:
    """Return what an environment variable holds.

    Raises:
        SecretMissing: nothing.
    """
    text = os.environ.get(name, "")
    if not text.strip():
        raise SecretMissing(f"environment variable {name} is {'empty' if name in os.environ else 'not set'}")
    return text.strip()


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LONGEST_BYTES + 1)
    except OSError as error:
        raise SecretMissing(f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}") from None
    try:
        text = raw.decode("utf8").strip()
    except UnicodeDecodeError:
        raise SecretMissing(f"'{path}' is not UTF-8 text") from None
    if not text:
        raise SecretMissing(f"'{path}' is empty")
    if len(raw) > LONGEST_BYTES or len(text.split()) != 1:
        raise SecretMissing(f"'{path}' holds more than one token")
    return text
