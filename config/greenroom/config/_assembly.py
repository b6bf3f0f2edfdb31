"""The composition root: from a deployment to a running session, and back to what it left behind."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from greenroom import simulation
from greenroom.actors import Pace, Session, SessionReport
from greenroom.actors.processors import ProcessorSpec
from greenroom.config._conductor import Conductor, Take
from greenroom.config._deployment import Deployment
from greenroom.config._events import Fault
from greenroom.config._fields import ns_of_ms, ns_of_s
from greenroom.config._live import LiveRooms
from greenroom.config._rehearsal import Rehearsal
from greenroom.config._specs import processor_spec
from greenroom.config._studio import FileStudio
from greenroom.config._timeline import in_order
from greenroom.config.errors import ConfigError, Problem
from greenroom.simulation import NO_FAULTS, FaultPlan
from greenroom.supervision import Runtime, ThreadRuntime

REACHED: Final = 1
STOPPED: Final = 2
"""The order of contenders when a run has a last instant."""

Step = tuple[int, Callable[[], Awaitable[None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What one stream left behind.

    Attributes:
        rooms: the rooms it was in, in order.
        track: ``participant/source``.
        stream: its name, unique on its track.
        started_ns: media time at which it began.
        before: the input.
        after: the output, as long as the input; None if nothing was to be written.
        reference: the clean speech, if the deployment names it.
    """

    rooms: tuple[str, ...]
    track: str
    stream: str
    started_ns: int
    before: Path
    after: Path | None
    reference: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """Where the audio of a stream is, before and after."""

    before: Path
    after: Path
    reference: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A deployment has run.

    Attributes:
        report: the session's own.
        recordings: one per stream, in the order in which they were opened.
        cut_short: whether it was ended, by ``until_ns`` or ``stop``, before it was over.
        unplayed: rehearsed faults that have not happened, because nothing called their processor any more.
    """

    report: SessionReport
    recordings: tuple[Recording, ...]
    cut_short: bool
    unplayed: tuple[str, ...]

    def audio_of(self, room: str, track: str, stream: str) -> Audio | None:
        """Return the audio of a stream, by one of its rooms, its track's key and its name; None if there is none."""
        for found in self.recordings:
            if (found.track, found.stream) == (track, stream) and room in found.rooms and found.after:
                return Audio(before=found.before, after=found.after, reference=found.reference)
        return None


class RunFailed(ConfigError):  # noqa: N818 - it says what has happened
    """The session ran and was closed in order, but inputs could not be read or outputs not be written.

    Attributes:
        outcome: what there is all the same.
    """

    def __init__(self, problems: tuple[Problem, ...], outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(problems)


async def run(
    deployment: Deployment,
    *,
    out: Path | None = None,
    pace: Pace = Pace.REALTIME,
    until_ns: int | None = None,
    stop: asyncio.Event | None = None,
    on_session: Callable[[Session], None] | None = None,
    faults: FaultPlan = NO_FAULTS,
) -> Outcome:
    """Run a deployment to the end of its inputs and its script, and close it in order.

    Rooms on a LiveKit server have no end of their own: it runs until the servers have ended them, or it is stopped.

    Args:
        deployment: has passed `check`.
        out: folder for outputs, made if it is not there; None writes none.
        pace: real time, or as fast as the machine goes.
        until_ns: media time at which it ends, if the deployment's own ``length_s`` is not before that.
        stop: when it is set, the session is closed in order, now.
        on_session: called once with the session, when it is up and nothing has been opened.
        faults: what its processors do wrong on purpose; has passed `greenroom.simulation.check_real`.

    Raises:
        OSError: ``out`` cannot be written.
        ConfigError: something is missing that `check` would have found; or a LiveKit room cannot be entered, or has been
            asked to go faster than real time.
        RunFailed: inputs could not be read to their end, or outputs not be written; or a server has ended its room.
    """
    _check_pace(deployment, pace)
    return await _Run(deployment, out, pace, until_ns, stop or asyncio.Event()).go(on_session, faults)


def _check_pace(deployment: Deployment, pace: Pace) -> None:
    if pace is Pace.FAST:
        text = "a room on a LiveKit server runs in real time; leave --fast out"
        problems = [deployment.problem(("rooms", name, "source"), text) for name, _ in deployment.live()]
        if problems:
            raise ConfigError(problems)


class _Run:
    """One run: the session, its conductor, and when it is over."""

    def __init__(
        self,
        deployment: Deployment,
        out: Path | None,
        pace: Pace,
        until_ns: int | None,
        stop: asyncio.Event,
    ) -> None:
        self._deployment = deployment
        self._studio = FileStudio(deployment, out)
        self._live = LiveRooms(deployment, out)
        self._pace = pace
        length_s = deployment.file.session.length_s
        own_ns = None if length_s is None else ns_of_s(length_s)
        self._until_ns = min((ns for ns in (own_ns, until_ns) if ns is not None), default=None)
        self._wanted_all = self._until_ns == own_ns
        self._stop = stop
        self._cut_short = False

    async def go(self, on_session: Callable[[Session], None] | None, faults: FaultPlan) -> Outcome:
        """Run it."""
        settings = self._deployment.file.session
        await asyncio.to_thread(self._studio.prepare)
        runtime = ThreadRuntime()
        specs, rehearsals = _specs(self._deployment, runtime, faults)
        session = Session(
            settings.name,
            processors=specs,
            pace=self._pace,
            frame_ns=ns_of_ms(settings.frame_ms),
            shutdown_ns=ns_of_s(settings.shutdown_s),
            runtime=runtime,
        )
        conductor = Conductor(session, self._deployment, self._studio, rehearsals)
        try:
            async with session:
                if on_session:
                    on_session(session)
                try:
                    await self._play(session, conductor)
                finally:
                    await self._live.leave()
                await conductor.release_all()
                report = await session.close()
        finally:
            await asyncio.to_thread(runtime.close)
        await conductor.ended()
        return self._outcome(report, conductor.takes, rehearsals)

    async def _play(self, session: Session, conductor: Conductor) -> None:
        """Perform the script, and wait for the end, or for whatever comes before it."""
        async with session.script() as script:
            await conductor.open_rooms()
            if await first(self._live.enter(session), self._stop.wait()):
                self._cut_short = True
                return
            for at_ns, perform in _agenda(self._deployment, conductor):
                if self._until_ns is not None and at_ns >= self._until_ns:
                    break
                if await first(script.until(at_ns), self._stop.wait()):
                    self._cut_short = True
                    return
                await perform()
            if self._until_ns is not None:
                over = await first(
                    self._all_ended(conductor), script.until(self._until_ns), self._stop.wait()
                )
                self._cut_short = over == STOPPED or (over == REACHED and not self._wanted_all)
                # In here, because media time stands still as long as the script acts: not a frame more is read.
                await conductor.release_all()
                await self._live.leave()
                await session.close()
                return
        self._cut_short = await first(self._all_ended(conductor), self._stop.wait()) > 0

    async def _all_ended(self, conductor: Conductor) -> None:
        await asyncio.gather(conductor.ended(), self._live.ended())

    def _outcome(
        self, report: SessionReport, takes: Sequence[Take], rehearsals: Mapping[str, Rehearsal]
    ) -> Outcome:
        outcome = Outcome(
            report=report,
            recordings=tuple(self._recording(take) for take in takes),
            cut_short=self._cut_short,
            unplayed=tuple(f"{name}: {text}" for name, r in rehearsals.items() for text in r.pending),
        )
        failed = [
            Problem(file=self._deployment.origin, where=take.label, text=take.failure)
            for take in takes
            if take.failure
        ]
        failed += self._live.problems()
        if failed:
            raise RunFailed(tuple(failed), outcome)
        return outcome

    def _recording(self, take: Take) -> Recording:
        section = take.stay.section
        return Recording(
            rooms=tuple(take.stay.rooms),
            track=f"{section.participant}/{section.source}",
            stream=take.name,
            started_ns=take.started_ns,
            before=self._deployment.path(section.input),
            after=self._studio.output(take.output),
            reference=self._deployment.path(section.reference) if section.reference else None,
        )


def _specs(
    deployment: Deployment, runtime: Runtime, faults: FaultPlan
) -> tuple[list[ProcessorSpec], dict[str, Rehearsal]]:
    """Return the processors, and those of them that have to misbehave on purpose."""
    targets = {event.processor for event in deployment.file.events if isinstance(event, Fault)}
    specs: list[ProcessorSpec] = []
    rehearsals: dict[str, Rehearsal] = {}
    plan = simulation.Rehearsal(faults, runtime) if faults.faults else None
    for name in deployment.file.processors:
        spec = processor_spec(deployment, name)
        if name in targets and spec.factory is not None:
            rehearsals[name] = Rehearsal(spec.factory, runtime)
            spec = replace(spec, factory=rehearsals[name])
        if plan is not None and spec.factory is not None:
            spec = replace(spec, factory=plan.around(name, spec.factory))
        specs.append(spec)
    return specs, rehearsals


def _agenda(deployment: Deployment, conductor: Conductor) -> list[Step]:
    """Return what is to be done when; tracks come before the events of the same moment."""
    steps: list[Step] = [
        (ns_of_s(track.join_s), functools.partial(conductor.publish, room, track))
        for room, track in deployment.tracks()
    ]
    steps += [
        (ns_of_s(event.at_s), functools.partial(conductor.perform, event))
        for _, event in in_order(deployment.file.events)
    ]
    return sorted(steps, key=lambda step: step[0])


async def first(*contenders: Awaitable[object]) -> int:
    """Wait for the first of some awaitables, cancel the others, and return its number.

    Raises:
        whatever the first one raises.
    """
    tasks = [asyncio.ensure_future(contender) for contender in contenders]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        winner = next(index for index, task in enumerate(tasks) if task.done())
        await tasks[winner]
        return winner
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
