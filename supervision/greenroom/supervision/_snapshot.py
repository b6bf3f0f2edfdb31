"""Takes the snapshot of a tree: reads what others write, and waits for nobody."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from greenroom.supervision._cell import Cell
from greenroom.supervision._facts import name_of, never_started, runs_at
from greenroom.supervision._incarnation import Incarnation
from greenroom.supervision._keeper import Keeper
from greenroom.supervision._place import DOWN, NEW, RUNNING, STARTING
from greenroom.supervision._restart import Fenced
from greenroom.supervision.snapshot import (
    ActorKind,
    ActorSnapshot,
    ActorState,
    ChildFacts,
    DeadActor,
    StackFrame,
    TreeSnapshot,
    Zombie,
)

UNKNOWN: Final = ChildFacts()
"""What is known about the child of a parent that restarts nobody, or is gone."""


def take(system: Any) -> TreeSnapshot:
    """Return what the tree of ``system`` looks like now."""
    now_ns = system.runtime.now_ns()
    zombies = _zombies(system)
    hanging = Counter(zombie.path for zombie in zombies)
    return TreeSnapshot(
        at_ns=now_ns,
        actors=tuple(_walk(system, now_ns, hanging)),
        zombies=zombies,
        dead=tuple(
            DeadActor(
                path=path,
                actor_class=name_of(runs),
                incarnation=incarnation,
                at_ns=at_ns,
                last_failure=record.last_failure(),
                recorder=record.listed(),
            )
            for at_ns, path, runs, incarnation, record in system.graves.listed()
        ),
        dead_letters=system.dead_letters,
    )


def _walk(system: Any, now_ns: int, hanging: Counter[str]) -> Iterator[ActorSnapshot]:
    """Yield all actors, parents before children; a loop, because a tree may be deeper than Python's stack."""
    ahead: list[tuple[Cell, str, int]] = [(cell, "", 0) for cell in reversed(system.listed_roots())]
    while ahead:
        cell, above, depth = ahead.pop()
        parent = None if cell.parent is None else cell.parent.life.actor
        path = f"{above}{cell.name}"
        yield _one(cell, path, depth, _facts(parent, cell.name, now_ns), now_ns, hanging)
        yield from _never_started(cell.life.actor, path, depth + 1, now_ns)
        children: dict[Cell, None] = cell.children or {}
        ahead += [(child, f"{path}/", depth + 1) for child in reversed(children.copy())]


def _one(
    cell: Cell, path: str, depth: int, facts: ChildFacts, now_ns: int, hanging: Counter[str]
) -> ActorSnapshot:
    life, record = cell.life, cell.record
    state, oldest = cell.state, cell.oldest_ns()
    since_ns = life.started_ns if state == RUNNING else None
    return ActorSnapshot(
        path=path,
        name=cell.name,
        depth=depth,
        actor_class=name_of(runs_at(cell)),
        kind=_kind(cell.actor_class),
        state=_state(state, life, facts),
        incarnation=cell.incarnation,
        up_ns=None if since_ns is None else max(0, now_ns - since_ns),
        budgets=facts.budgets,
        backoff_left_ns=facts.backoff_left_ns,
        mailbox_depth=cell.depth(),
        mailbox_age_ns=None if oldest is None else max(0, now_ns - oldest[0]),
        mailbox_age_exact=oldest is not None and oldest[1],
        last_failure=None if record is None else record.last_failure(),
        dead_letters=cell.dead_letters,
        zombies=hanging[path] if hanging else 0,
        recorder=() if record is None else record.listed(),
    )


def _never_started(parent: Any, above: str, depth: int, now_ns: int) -> Iterator[ActorSnapshot]:
    """Yield the children that a supervisor knows and has never started."""
    keeper = getattr(parent, "_keeper", None)
    if not isinstance(keeper, Keeper):
        return
    for name, runs, kind in never_started(keeper):
        yield ActorSnapshot(
            path=f"{above}/{name}",
            name=name,
            depth=depth,
            actor_class=runs,
            kind=kind,
            state=ActorState.STOPPED,
            incarnation=0,
            budgets=_facts(parent, name, now_ns).budgets,
        )


def _state(state: int, life: Incarnation, facts: ChildFacts) -> ActorState:
    fenced = life.fenced or isinstance(life.cause, Fenced)
    if state == RUNNING and not fenced:
        return ActorState.DEGRADED if getattr(life.actor, "degraded", False) is True else ActorState.RUNNING
    if state in (NEW, STARTING) and not fenced:
        return ActorState.RESTARTING if life.number > 1 else ActorState.STARTING
    if state == DOWN and facts.backoff_left_ns is not None:
        return ActorState.BACKING_OFF
    if state == DOWN and facts.restarting:
        return ActorState.RESTARTING
    if fenced:
        return ActorState.FENCED
    return ActorState.STOPPED if state == DOWN else ActorState.STOPPING


def _facts(parent: Any, child: str, now_ns: int) -> ChildFacts:
    if parent is not None:
        with suppress(Exception):  # other people's code may be in there, and half made
            return parent.child_facts(child, now_ns) or UNKNOWN
    return UNKNOWN


def _zombies(system: Any) -> tuple[Zombie, ...]:
    frames = system.runtime.zombie_frames()
    return tuple(
        Zombie(
            thread=frames[ident][0],
            path=path,
            incarnation=incarnation,
            stack=tuple(
                StackFrame(file=file, line=line, function=function)
                for file, line, function in frames[ident][1]
            ),
        )
        for ident, (path, incarnation) in system.hung.copy().items()
        if ident in frames
    )


def _kind(actor_class: type[Any]) -> ActorKind:
    kind: ActorKind = getattr(actor_class, "actor_kind", ActorKind.WORKER)
    return kind
