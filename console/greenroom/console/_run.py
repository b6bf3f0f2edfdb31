"""``greenroom run``: runs a deployment, shows it, stops it in order, measures it and reports."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from greenroom import config
from greenroom.actors import Pace, Session, SessionEvent, SessionReport
from greenroom.adapters.files import check_output_folder
from greenroom.config import Deployment, Outcome, Recording, RunFailed
from greenroom.console import _logging
from greenroom.console._audio import measure
from greenroom.console._facts import RunFacts, StreamAudio, StreamFacts, processor_facts, stream_facts
from greenroom.console._media import MediaTimes
from greenroom.console._report import report_json
from greenroom.console._screen import Screen, choose_screen
from greenroom.console._signals import StopSignals
from greenroom.console._tables import EndReport
from greenroom.console._version import version
from greenroom.console._words import SECOND_NS
from greenroom.console._writing import HTML_NAME, write_reports
from greenroom.simulation import NO_FAULTS, FaultPlan, check_real, load_faults
from greenroom.supervision import get_logger
from greenroom.supervision.treeserver import TreeUnavailable, serve_tree

REFRESH_SECONDS: Final = 0.125
PIPED_COLUMNS: Final = 120
"""How wide tables are where no terminal says how wide it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the command line says about a run.

    Attributes:
        for_seconds: of media time, after which it is stopped.
        out: folder for audio and reports.
        json: print the report as JSON instead of tables.
        view: draw the live view if there is a terminal.
        faults: a shipped fault plan or a file: what processors do wrong on purpose.
        socket: let ``greenroom tree`` look at the actors meanwhile.
    """

    for_seconds: float | None = None
    fast: bool = False
    out: str | None = None
    json: bool = False
    view: bool = True
    faults: str = ""
    socket: bool = True
    log_level: str = "error"
    log_json: bool = False


def run(file: str, options: RunOptions) -> bool:
    """Run the deployment ``file`` to its end and report; returns whether all laws held.

    Where an input breaks in the middle or an output cannot be written, the other tracks go on, and what there is gets
    its report all the same, before the error is raised.

    Raises:
        ConfigError: the deployment cannot be run.
        SimulationError: there is no such fault plan, or some of it can only be simulated.
        RunFailed: it ran, but inputs could not be read to their end or outputs not be written.
        OSError: the output folder cannot be written; nothing half-written is left in it.
    """
    _logging.configure(level=options.log_level, as_json=options.log_json)
    plan = check_real(load_faults(options.faults)) if options.faults else NO_FAULTS
    deployment = config.load(file)
    config.check(deployment)
    with _folder(options.out) as folder:
        facts, failed = _supervise(deployment, folder, options, plan)
        reported = bool(options.out) and _reported(folder, facts, failed)
        if not options.out:
            # The folder is about to go, and with it the audio: the report must not name it.
            facts = replace(facts, streams=tuple(replace(s, audio=None) for s in facts.streams))
    _print(facts, as_json=options.json, page=folder / HTML_NAME if reported else None)
    if failed:
        raise failed
    return facts.held


def _reported(folder: Path, facts: RunFacts, failed: RunFailed | None) -> bool:
    """Write the reports; where the run has failed already, a disk that is full for them too is no news."""
    try:
        write_reports(folder, facts)
    except OSError:
        if failed is None:
            raise
        return False
    return True


@contextlib.contextmanager
def _folder(out: str | None) -> Generator[Path]:
    """Give the output folder; without one a temporary folder, because measuring needs the audio all the same."""
    if out is not None:
        yield check_output_folder(out)
        return
    with tempfile.TemporaryDirectory(prefix="greenroom-") as temporary:
        yield Path(temporary)


def _supervise(
    deployment: Deployment, folder: Path, options: RunOptions, plan: FaultPlan
) -> tuple[RunFacts, RunFailed | None]:
    """Run the session with its screen, and return what is known about it at the end."""
    failed: RunFailed | None = None
    console = Console(stderr=True)
    screen = choose_screen(console, view=options.view, log_json=options.log_json)
    pace = Pace.FAST if options.fast else Pace.REALTIME
    watch = Watch(screen, pace)
    signals = StopSignals(watch.stop, before_exit=screen.close)
    try:
        with signals:
            outcome = asyncio.run(watch.over(deployment, folder, options, plan))
    except RunFailed as error:
        failed, outcome = error, error.outcome
    finally:
        screen.close()
    stopped_by = "signal" if signals.seen else "--for" if outcome.cut_short else "end"
    facts = facts_of(deployment, outcome, pace=pace, stopped_by=stopped_by)
    problems = failed.problems if failed else ()
    failures = tuple(f"{problem.where}: {problem.text}" for problem in problems)
    return replace(facts, media_ns=watch.media.of(facts.events), failures=failures), failed


class Watch:
    """Runs a deployment and shows it meanwhile. Lives on the main thread, but for `_on_event`."""

    def __init__(self, screen: Screen, pace: Pace) -> None:
        self._screen = screen
        self._pace = pace
        self._news: deque[SessionEvent] = deque()
        self.media = MediaTimes()
        self._asked: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    def stop(self) -> None:
        """Ask the session to stop; may be called from a signal handler, before it has begun, too."""
        self._stopping = True
        if self._loop and self._asked:
            self._loop.call_soon_threadsafe(self._asked.set)

    async def over(
        self, deployment: Deployment, folder: Path, options: RunOptions, plan: FaultPlan
    ) -> Outcome:
        """Run the deployment to its end, or until asked to stop."""
        self._loop, self._asked = asyncio.get_running_loop(), asyncio.Event()
        if self._stopping:
            self._asked.set()
        showing: asyncio.Task[None] | None = None

        def on_session(session: Session) -> None:
            nonlocal showing
            session.observe(partial(self.media.note, session))
            session.observe(self._news.append)  # a deque, because actors call it on their threads
            if options.socket:
                _serve(session, deployment.name)
            showing = asyncio.ensure_future(self._show(session))

        try:
            return await config.run(
                deployment,
                pace=self._pace,
                out=folder,
                until_ns=None if options.for_seconds is None else round(options.for_seconds * SECOND_NS),
                stop=self._asked,
                on_session=on_session,
                faults=plan,
            )
        finally:
            if showing:
                showing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await showing

    async def _show(self, session: Session) -> None:
        try:
            while True:
                self._refresh(session)
                await asyncio.sleep(REFRESH_SECONDS)
        finally:
            self._refresh(session)

    def _refresh(self, session: Session) -> None:
        news = [self._news.popleft() for _ in range(len(self._news))]
        self._screen.show(session.snapshot(), news, "stopping" if self._stopping else str(self._pace))


def _serve(session: Session, name: str) -> None:
    """Let people look at the tree until the session is closed; a run does not fail because they cannot."""
    try:
        serve_tree(session.system, name=name)
    except TreeUnavailable as error:
        get_logger().warning("tree.unavailable", path=error.path, reason=error.reason)


def facts_of(deployment: Deployment, outcome: Outcome, *, pace: Pace, stopped_by: str) -> RunFacts:
    """Put together what is known, and measure the audio."""
    report = outcome.report
    return RunFacts(
        name=deployment.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version(),
        pace=str(pace),
        stopped_by=stopped_by,
        started_ns=min((event.at_ns for event in report.events), default=report.snapshot.now_ns),
        ended_ns=report.snapshot.now_ns,
        streams=_measured(stream_facts(report.snapshot), outcome.recordings),
        processors=processor_facts(report.snapshot),
        events=tuple(report.events),
        media_ns=(0,) * len(report.events),
        verdicts=tuple(report.verdicts),
        leftovers=_left_over(report),
        unplayed=outcome.unplayed,
    )


def _left_over(report: SessionReport) -> tuple[str, ...]:
    left = report.leftovers
    timers = [f"timers: {left.timers}"] if left.timers else []
    return (
        *(f"actor {path}" for path in left.actors),
        *(f"thread {name}" for name in left.zombies),
        *timers,
        *(f"processor {name}" for name in left.processors),
    )


def _measured(streams: Iterable[StreamFacts], recordings: Iterable[Recording]) -> tuple[StreamFacts, ...]:
    """Give each stream its recording; a track that came back has several of the same name, in order."""
    left = list(recordings)
    found: list[StreamFacts] = []
    for stream in streams:
        mine = next((r for r in left if _belongs(r, stream)), None)
        if mine is None or mine.after is None:
            found.append(stream)
            continue
        left.remove(mine)
        audio = StreamAudio(before=mine.before, after=mine.after, reference=mine.reference)
        found.append(replace(stream, audio=audio, noise=measure(audio)))
    return tuple(found)


def _belongs(recording: Recording, stream: StreamFacts) -> bool:
    return (recording.track, recording.stream) == (
        stream.track,
        stream.stream,
    ) and stream.room in recording.rooms


def _print(facts: RunFacts, *, as_json: bool, page: Path | None) -> None:
    if as_json:
        sys.stdout.write(report_json(facts))
        return
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_COLUMNS
    console.print(EndReport(facts))
    if page:
        console.print(f"report: {page}", soft_wrap=True, highlight=False)
