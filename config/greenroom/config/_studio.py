"""Inputs and outputs of a deployment: files, at the session's rate, outputs as long as their inputs."""

from pathlib import Path

from greenroom.actors.frames import Frame
from greenroom.actors.sources import Sink, Source
from greenroom.adapters.files import FileSink, FileSource, check_output_folder, probe
from greenroom.config._deployment import Deployment
from greenroom.config._schema import TrackSection


class Nowhere:
    """A sink that keeps nothing. Without any sink a stream would wait for somebody to iterate it."""

    def write(self, frame: Frame) -> None:
        """Let the frame go."""

    def finish(self) -> None:
        """There is nothing to complete."""

    def abort(self) -> None:
        """There is nothing to remove."""


class FileStudio:
    """Makes sources from inputs, and sinks in one folder.

    Args:
        deployment: tells where inputs are, and rate and frames.
        out: the folder; None for no outputs.
    """

    def __init__(self, deployment: Deployment, out: Path | None) -> None:
        self._deployment = deployment
        self._out = out
        self._session = deployment.file.session

    def prepare(self) -> None:
        """Make the folder and see that it can be written. Blocks on the disk.

        Raises:
            OutputFailed: it cannot.
        """
        if self._out is not None:
            check_output_folder(self._out)

    def source(self, track: TrackSection) -> Source:
        """Return the track's input, from its beginning."""
        return FileSource(
            self._deployment.path(track.input),
            rate_hz=self._session.rate_hz,
            frame_ms=self._session.frame_ms,
            channels=track.channels,
        )

    def sink(self, track: TrackSection, output: str) -> Sink:
        """Return a sink for one of the track's streams."""
        path = self.output(output)
        if path is None:
            return Nowhere()
        rate_hz = self._session.rate_hz
        info = probe(self._deployment.path(track.input))
        return FileSink(
            path,
            rate_hz=rate_hz,
            channels=track.channels or info.channels,
            length_frames=round(info.frames * rate_hz / info.rate_hz),
        )

    def output(self, name: str) -> Path | None:
        """Return where an output goes."""
        return None if self._out is None else self._out / name
