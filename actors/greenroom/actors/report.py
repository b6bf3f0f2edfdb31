"""What is left of a session when it is closed: its last snapshot, what happened, what it left behind, the laws."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from greenroom.actors._env import Env
from greenroom.actors.snapshots import SessionEvent, SessionSnapshot
from greenroom.supervision import ActorSystem


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """What was still there after the end; all empty or zero if all went well.

    Attributes:
        actors: paths of actors that did not stop within the shutdown budget.
        zombies: threads that are still in foreign code: given up, or in a sink or a source; by name.
        timers: how many were still due.
        threads: how many actors' own threads there still were.
        processors: those that were opened more often than closed.
    """

    actors: tuple[str, ...] = ()
    zombies: tuple[str, ...] = ()
    timers: int = 0
    threads: int = 0
    processors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether one law held, and what shows it."""

    law: int
    title: str
    held: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReport:
    """The record of a whole session. See `greenroom.actors.laws.check` for the verdicts."""

    snapshot: SessionSnapshot
    events: tuple[SessionEvent, ...]
    leftovers: Leftovers
    asked: int
    answered: int
    dead_letters: int
    secrets_shown: tuple[str, ...]
    intensities: Mapping[str, tuple[int, int]]
    events_forgotten: int = 0
    verdicts: tuple[Verdict, ...] = ()


def snapshot_of(env: Env) -> SessionSnapshot:
    """Return what a session looks like now."""
    return SessionSnapshot(
        name=env.name,
        now_ns=env.runtime.now_ns(),
        rooms=tuple(room.snapshot() for room in env.rooms.copy().values()),
        processors=tuple(book.snapshot() for book in env.processors.copy().values()),
        past_processors=tuple(book.snapshot() for book in env.past_processors.copy()),
        past_streams=tuple(stream.snapshot() for stream in env.past_streams.copy()),
        zombies=tuple(env.runtime.zombie_stacks()),
    )


def left_over(env: Env, system: ActorSystem, *, own_runtime: bool) -> Leftovers:
    """Return what a closed session has left behind; on a runtime that others share, timers and threads may be theirs."""
    return Leftovers(
        actors=tuple(system.paths()),
        zombies=tuple(dict.fromkeys((*env.runtime.zombie_stacks(), *env.runtime.stuck))),
        timers=env.runtime.live_timers() if own_runtime else 0,
        threads=env.runtime.live_pinned() if own_runtime else 0,
        processors=tuple(
            f"{book.name}: opened {book.opened}, closed {book.closed}"
            for book in (*env.processors.values(), *env.past_processors)
            if book.opened != book.closed
        ),
    )


def report_of(env: Env, system: ActorSystem, remains: Leftovers) -> SessionReport:
    """Return the whole record, without verdicts."""
    snapshot = snapshot_of(env)
    events = tuple(env.journal)
    text = repr((snapshot, events, remains))
    books: tuple[Any, ...] = (*env.processors.values(), *env.past_processors)
    return SessionReport(
        snapshot=snapshot,
        events=events,
        leftovers=remains,
        asked=env.asked,
        answered=env.answered,
        dead_letters=system.dead_letters,
        secrets_shown=tuple("***" for token in env.tokens if token in text),
        events_forgotten=env.emitted - len(events),
        intensities={book.name: book.budget for book in books},
    )
