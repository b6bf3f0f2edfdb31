"""Names that must exist, names that must not exist twice: what one section of the file says of another."""

from collections.abc import Iterable, Iterator

from greenroom.config._deployment import outputs_of
from greenroom.config._live_schema import LiveRoomSection
from greenroom.config._refusals import Finding
from greenroom.config._schema import DeploymentFile
from greenroom.config.errors import KeyPath, dotted, shown, unknown


def findings(file: DeploymentFile) -> Iterator[Finding]:
    """Yield what does not fit together, apart from the script's order in time."""
    yield from _pipelines(file)
    yield from _steps(file)
    yield from _repeated("sid", _sids(file))
    yield from _repeated("participant and source", _publications(file))
    yield from _repeated("output", outputs_of(file), case_matters=False)
    yield from _repeated("room and identity on the server", _places(file))


def unknown_steps(file: DeploymentFile, pipeline: str | tuple[str, ...], path: KeyPath) -> Iterator[Finding]:
    """Yield one finding if ``pipeline`` is no pipeline, or one per step that is no processor."""
    if isinstance(pipeline, str):
        if pipeline in file.pipelines:
            return
        text = unknown("pipeline", pipeline, file.pipelines)
        if pipeline in file.processors:
            text = f"no pipeline {shown(pipeline)}; that is a processor. Write [{shown(pipeline)}] to use it alone"
        yield path, text
        return
    for index, step in enumerate(pipeline):
        if step not in file.processors:
            yield (*path, index), unknown("processor", step, file.processors)


def _pipelines(file: DeploymentFile) -> Iterator[Finding]:
    for name, steps in file.pipelines.items():
        yield from unknown_steps(file, steps, ("pipelines", name))


def _steps(file: DeploymentFile) -> Iterator[Finding]:
    for room, section in file.rooms.items():
        for index, track in enumerate(section.tracks):
            yield from unknown_steps(file, track.pipeline, ("rooms", room, "tracks", index, "pipeline"))
        if isinstance(section, LiveRoomSection):
            yield from unknown_steps(file, section.pipeline, ("rooms", room, "pipeline"))


def _sids(file: DeploymentFile) -> Iterator[tuple[KeyPath, str]]:
    for room, section in file.rooms.items():
        for index, track in enumerate(section.tracks):
            yield ("rooms", room, "tracks", index, "sid"), track.sid


def _publications(file: DeploymentFile) -> Iterator[tuple[KeyPath, str]]:
    for room, section in file.rooms.items():
        for index, track in enumerate(section.tracks):
            yield ("rooms", room, "tracks", index), f"{room}/{track.participant}/{track.source}"


def _places(file: DeploymentFile) -> Iterator[tuple[KeyPath, str]]:
    """Yield where greenroom enters as whom: a server has one participant of an identity in a room."""
    for room, section in file.rooms.items():
        if isinstance(section, LiveRoomSection):
            yield ("rooms", room), f"{section.url_env}/{section.room or room}/{section.identity}"


def _repeated(
    what: str,
    named: Iterable[tuple[KeyPath, str]],
    *,
    case_matters: bool = True,
) -> Iterator[Finding]:
    first: dict[str, KeyPath] = {}
    for path, name in named:
        key = name if case_matters else name.casefold()
        if key in first:
            yield path, f"{what} {shown(name)} is taken by {dotted(first[key])}; give one of them another"
        first.setdefault(key, path)
