"""Everything about a deployment that can be found wrong before it runs: files, processors, secrets."""

from collections.abc import Iterator

from greenroom.actors.processors import ProcessorFactory, ProcessorSpec
from greenroom.adapters.files import probe
from greenroom.adapters.processors import check_options, resolve
from greenroom.config import _live_secrets, _secrets
from greenroom.config._deployment import Deployment
from greenroom.config._events import Reconnect, Refresh
from greenroom.config._live_schema import LiveRoomSection
from greenroom.config._refusals import Finding
from greenroom.config._schema import RoomSection
from greenroom.config._secrets import SecretMissing
from greenroom.config._specs import processor_spec
from greenroom.config._trials import trials
from greenroom.config.errors import ConfigError, KeyPath


def check(deployment: Deployment) -> None:
    """Look at all that the deployment needs: inputs, references, processors and their options, secrets.

    No room is opened and no audio is played. But each processor is built once, with its options, and closed again, its
    model loaded, within its build budget: that a factory refuses its options is found out here and not in a room.
    Blocks as long as that takes.

    Raises:
        ConfigError: something is not as it must be; holds all problems at once.
    """
    problems = [deployment.problem(path, text) for path, text in findings(deployment)]
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))


def findings(deployment: Deployment) -> Iterator[Finding]:
    """Yield what is wrong with the world, as far as this deployment needs it."""
    yield from _processors(deployment)
    for name, room in deployment.file.scripted.items():
        yield from _room(deployment, name, room)
    for name, live in deployment.live():
        yield from _live(name, live)
    for index, event in enumerate(deployment.file.events):
        if isinstance(event, Refresh | Reconnect):
            yield from _token(deployment, deployment.file.scripted[event.room], ("events", index), event)


def _processors(deployment: Deployment) -> Iterator[Finding]:
    """Yield what is wrong with the sections; those with which nothing is wrong are tried out."""
    specs: dict[str, ProcessorSpec] = {}
    for name in deployment.file.processors:
        yield from _processor(deployment, name, specs)
    secrets = {name: _secrets.secret_options(deployment.file.processors[name]) for name in specs}
    for name, text in trials(specs, secrets):
        yield ("processors", name), text


def _processor(deployment: Deployment, name: str, specs: dict[str, ProcessorSpec]) -> Iterator[Finding]:
    """Yield what is wrong with a section, or add its spec to ``specs``."""
    section = deployment.file.processors[name]
    path: KeyPath = ("processors", name)
    try:
        factory: ProcessorFactory = resolve(section.use)
    except (LookupError, ImportError, ValueError, TypeError) as error:
        yield (*path, "use"), str(error)
        return
    try:
        options = _secrets.options(section)
    except SecretMissing as error:
        yield (*path, "options_env"), str(error)
        return
    try:
        check_options(factory, options)
    except (LookupError, ValueError, TypeError) as error:
        yield (*path, "options"), str(error)
        return
    try:
        specs[name] = processor_spec(deployment, name)
    except ValueError as error:
        yield path, str(error)


def _room(deployment: Deployment, name: str, room: RoomSection) -> Iterator[Finding]:
    yield from _token(deployment, room, ("rooms", name))
    for index, track in enumerate(room.tracks):
        for key, text in (("input", track.input), ("reference", track.reference)):
            if text is None:
                continue
            try:
                probe(deployment.path(text))
            except (OSError, ValueError) as error:
                yield ("rooms", name, "tracks", index, key), str(error)


def _live(name: str, room: LiveRoomSection) -> Iterator[Finding]:
    path: KeyPath = ("rooms", name)
    if missing := _live_secrets.missing_package():
        yield (*path, "source"), missing
    for key in ("url_env", "key_env", "secret_env"):
        try:
            _live_secrets.read(room, key)
        except (SecretMissing, ValueError) as error:
            yield (*path, key), str(error)


def _token(
    deployment: Deployment, room: RoomSection, path: KeyPath, event: Refresh | Reconnect | None = None
) -> Iterator[Finding]:
    place = room if event is None else event
    key = "token_env" if place.token_env else "token_file" if place.token_file else ""
    if not key:
        return
    try:
        _secrets.credentials(deployment, room, event)
    except SecretMissing as error:
        yield (*path, key), str(error)
