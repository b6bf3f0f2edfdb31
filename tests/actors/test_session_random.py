"""Random programs: whatever people do to rooms, whatever processors do and whoever is killed, the laws hold at the end."""
# ruff: noqa: S311  dice for programs are no secret

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from pykka.messages import ProxyGetAttr
from tests.actors.sessionkit import BLOCK, MS, RATE, Collected, Counting, Journal, elapse, play
from tests.sweeping import seeds

from greenroom.actors import (
    Credentials,
    Frame,
    Lease,
    Pace,
    Placement,
    Room,
    Session,
    SessionClosed,
    SessionError,
    Stream,
    Track,
)

KEPT = (20, 259)
"""Seeds that have found something: a frame for a closed processor, a lane that never drained."""
OPERATIONS = 40
WRONG = (
    lambda: [None],
    lambda: ["nonsense"],
    lambda: [Frame(np.zeros((BLOCK + 1, 1), np.int16), RATE, 0)],
)


class Program:
    """Does random things to one session, and remembers what it holds."""

    def __init__(self, seed: int, *, kills: bool, longest: int = 100_000) -> None:
        self.longest = longest
        self.dice = random.Random(seed)
        self.journal = Journal()
        self.journal.plan = self.plan
        self.kills = kills
        self.faulty = True
        self.rooms: list[Room] = []
        self.tracks: list[Track] = []
        self.streams: list[Stream] = []
        self.leases: list[Lease] = []
        self.sinks: list[Collected] = []
        self.told: list[str] = []
        self.serial = 0
        quick = {"backoff_ns": 10 * MS, "retry_ns": 100 * MS}
        self.specs = [
            self.journal.spec("own", **quick),
            self.journal.spec("shared", shared=True, **quick),
            self.journal.spec("fragile", intensity=0, **quick),
            self.journal.spec("small", capacity_frames=2, **quick),
            self.journal.spec("inline", placement=Placement.INLINE, **quick),
        ]

    def plan(self, _instance: int, what: str, _count: int) -> Any:
        chance = {"frame": 0.01, "build": 0.2}.get(what, 0.1)
        if not self.faulty or self.dice.random() > chance:
            return None
        kind = self.dice.randrange(4)
        if kind == 0 and what == "frame":
            return self.dice.choice(WRONG)()
        raise SystemExit if kind == 1 else RuntimeError(f"{what} as planned")

    async def run(self, session: Session) -> None:
        """Run all operations; a refusal is fine, anything else is not."""
        operations: list[Callable[[Session], Awaitable[None]]] = [
            self.open_room, self.open_room, self.add_track, self.add_track, self.open_stream, self.open_stream,
            self.open_stream, self.hold, self.release, self.transfer, self.refresh, self.reconnect, self.lose, self.move,
            self.cancel, self.cancel, self.leave, self.close_stream, self.drop_stream, self.close_room, self.wait, self.wait, self.wait,
        ]  # fmt: skip
        if self.kills:
            operations += [self.kill, self.kill]
        for _ in range(OPERATIONS):
            operation = self.dice.choice(operations)
            self.told.append(operation.__name__)
            try:
                await operation(session)
            except (SessionError, IndexError) as error:
                self.told[-1] += f": {type(error).__name__}"
            if self.dice.random() < 0.3:
                await elapse(session, self.dice.randrange(30) * MS)
        self.faulty = False
        await elapse(session, 500 * MS)

    async def open_room(self, session: Session) -> None:
        name = f"room-{self.dice.randrange(3)}"
        credentials = Credentials(token="sekrit-token-0", url="wss://r") if self.dice.random() < 0.7 else None
        self.rooms.append(await session.open_room(name, credentials=credentials))

    async def add_track(self, _: Session) -> None:
        self.serial += 1
        source = Counting(self.dice.choice([5, 50, self.longest]))
        if self.dice.random() < 0.1:
            source.fail_at = (3, OSError("unreadable"))
        if self.dice.random() < 0.1:
            source.fail_open = OSError("not there")
        participant = f"guest-{self.dice.randrange(3)}"
        room = self.dice.choice(self.rooms)
        self.tracks.append(await room.add_track(f"TR_{self.serial}", participant=participant, source=source))

    async def open_stream(self, session: Session) -> None:
        track = self.dice.choice(self.tracks)
        pipeline: list[Any] = self.dice.sample(self.specs, self.dice.randrange(3))
        if self.leases and self.dice.random() < 0.3:
            pipeline.append(self.dice.choice(self.leases))
        if self.dice.random() < 0.6:
            sink = Collected(fail_at=self.dice.choice([None, None, 7]))
            try:
                self.streams.append(await track.open_stream(pipeline, sink=sink))
            except SessionClosed:
                assert len(sink.ends) <= 1  # a session that has failed has no thread to tell it on
                raise
            finally:
                if not session_over(session):
                    self.sinks.append(sink)
        else:
            self.streams.append(await track.open_stream(pipeline))

    async def hold(self, session: Session) -> None:
        self.leases.append(await session.hold(self.dice.choice(self.specs)))

    async def release(self, _: Session) -> None:
        await self.dice.choice(self.leases).release()

    async def transfer(self, _: Session) -> None:
        await self.dice.choice(self.leases).transfer(self.dice.choice(self.streams))

    async def refresh(self, _: Session) -> None:
        self.serial += 1
        await self.dice.choice(self.rooms).refresh(
            Credentials(token=f"sekrit-token-{self.serial}", url="wss://r")
        )

    async def reconnect(self, _: Session) -> None:
        room = self.dice.choice(self.rooms)
        self.serial += 1
        await room.reconnect({track.sid: f"{track.sid}_{self.serial}" for track in room.tracks.values()})

    async def lose(self, _: Session) -> None:
        await self.dice.choice(self.rooms).reconnecting(grace_ns=self.dice.choice([1, 50]) * MS)

    async def move(self, _: Session) -> None:
        track = self.dice.choice(self.tracks)
        await track.room.move_track(track, self.dice.choice(self.rooms))

    async def cancel(self, session: Session) -> None:
        operation = self.dice.choice(
            [self.open_room, self.add_track, self.open_stream, self.hold, self.release, self.move]
        )
        task = asyncio.ensure_future(operation(session))
        for _ in range(self.dice.randrange(30)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def leave(self, _: Session) -> None:
        await self.dice.choice(self.rooms).leave(f"guest-{self.dice.randrange(3)}")

    async def close_stream(self, _: Session) -> None:
        stream = self.dice.choice(self.streams)
        await (stream.aclose() if self.dice.random() < 0.5 else stream.drain())

    async def drop_stream(self, _: Session) -> None:
        self.streams.remove(self.dice.choice(self.streams))

    async def close_room(self, _: Session) -> None:
        await self.dice.choice(self.rooms).close()

    async def wait(self, session: Session) -> None:
        await elapse(session, self.dice.randrange(200) * MS)

    async def kill(self, session: Session) -> None:
        assert session._system is not None
        cells = list(session._system.roots())
        for cell in cells:
            cells.extend(list(cell.children or ()))
        cell = self.dice.choice(cells[1:])
        self.told[-1] += f" {cell.path}"
        if self.dice.random() < 0.5:
            cell.fence("killed by a test")
        else:
            cell.ref.send(ProxyGetAttr(attr_path=("nothing_of_that_name",)))


def session_over(session: Session) -> bool:
    """Whether the session has failed."""
    return session.record().closing


def check(program: Program) -> None:
    """Look at what the laws cannot see: the processors' and the sinks' own journals."""
    journal = program.journal
    assert journal.after_close == []
    assert sorted(journal.closed()) == sorted(set(journal.closed()))
    for sink in program.sinks:
        assert sink.numbers == sorted(set(sink.numbers))
        assert len(sink.ends) == 1, sink.ends


@pytest.mark.sweep
@pytest.mark.parametrize("seed", sorted({*KEPT, *seeds(40)}))
@pytest.mark.parametrize("pace", [Pace.REALTIME, Pace.FAST])
def test_random_programs_keep_the_laws(seed: int, pace: Pace) -> None:
    """Random operations and faulty processors over several rooms: at the end all laws hold."""
    program = Program(seed, kills=False, longest=1_000 if pace is Pace.FAST else 100_000)
    play(seed, program.run, pace=pace)
    check(program)


@pytest.mark.sweep
@pytest.mark.parametrize("seed", sorted({*KEPT, *seeds(40)}))
def test_random_programs_with_kills_keep_the_laws(seed: int) -> None:
    """The same while any of our own actors is killed at random."""
    program = Program(seed, kills=True)
    play(seed, program.run, pace=Pace.REALTIME)
    check(program)


@pytest.mark.parametrize("seed", range(2))
def test_random_programs_keep_the_laws_on_threads(seed: int) -> None:
    """The same on real threads, with kills: a few only, as time is real there."""
    program = Program(seed, kills=True)
    play(None, program.run, pace=Pace.REALTIME)
    check(program)
