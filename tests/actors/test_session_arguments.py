"""Wrong arguments are refused by name before any actor hears of them; the session is untouched."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from greenroom.actors import (
    Credentials,
    DuplicateName,
    Frame,
    NotThere,
    Pace,
    ProcessorSpec,
    Room,
    Session,
    Track,
)
from greenroom.actors.frames import read_only
from greenroom.supervision.simulated import SimulatedRuntime

RATE_HZ = 16_000
PATH: Any = "a.flac"  # what people give who expect a path to do


class Tone:
    """A source of a second of something."""

    rate_hz = RATE_HZ
    channels = 1

    def __init__(self) -> None:
        self._left = 100

    def open(self) -> "Tone":
        return self

    def read(self) -> Frame | None:
        self._left -= 1
        samples = read_only(np.ones((RATE_HZ // 100, 1), np.int16))
        return Frame(samples, RATE_HZ, (99 - self._left) * 10_000_000) if self._left >= 0 else None

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"pace": "fast"}, "pace is 'fast'; it must be Pace.REALTIME or Pace.FAST"),
        ({"frame_ns": 0}, "frame_ns is 0"),
        ({"frame_ns": 7_000_000}, "frame_ns is 7000000"),
        ({"frame_ns": 15_000_000}, "whole blocks of 10 ms"),
        ({"shutdown_ns": -1}, "shutdown_ns is -1"),
        ({"processors": ["rnnoise"]}, "processors has 'rnnoise'; it takes ProcessorSpecs"),
        ({"name": "a/b"}, "session name is 'a/b'"),
    ],
)
def test_a_session_refuses_what_it_cannot_work_with(values: dict[str, Any], says: str) -> None:
    """Each argument is checked when the session is made."""
    with pytest.raises((TypeError, ValueError), match=says):
        Session(**values)


WRONG: list[tuple[Callable[[Room, Track], Any], str]] = [
    (lambda room, _: room.reconnecting(grace_ns="15"), "grace_ns is '15'"),  # type: ignore[arg-type]
    (lambda room, _: room.reconnect({"TA": 7}), "new sid is 7"),  # type: ignore[dict-item]
    (lambda room, _: room.reconnect({"TA": ""}), "new sid is ''"),
    (lambda room, _: room.reconnect(["TA"]), "must be a mapping"),  # type: ignore[arg-type]
    (lambda room, _: room.reconnect({"TA": "TX", "TB": "TX"}), "no two tracks"),
    (lambda room, _: room.refresh("sekrit-token"), "credentials are of type str"),  # type: ignore[arg-type]
    (lambda _, track: track.open_stream("rnnoise"), r"they must be a list: \['rnnoise'\]"),
    (lambda _, track: track.open_stream([], sink="x.wav"), "sink is 'x.wav', which has no write"),  # type: ignore[arg-type]
    (
        lambda room, _: room.add_track("T", participant="p", source=PATH),
        "source is 'a.flac', which has no open",
    ),
]


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_a_wrong_argument_is_refused_and_nothing_crashes(
    call: Callable[[Room, Track], Any], says: str
) -> None:
    """The message names the argument; no actor is restarted over it; the secret that was given is not shown."""

    async def main() -> None:
        async with Session(runtime=SimulatedRuntime(1)) as session:
            room = await session.open_room("lobby")
            track = await room.add_track("TA", participant="ann", source=Tone())
            await room.add_track("TB", participant="bob", source=Tone())
            ref = room.ref
            with pytest.raises((TypeError, ValueError), match=says) as caught:
                await call(room, track)
            assert "sekrit" not in str(caught.value)
            assert room.ref == ref
            assert ref.incarnation == 1

    asyncio.run(main())


def test_a_reconnect_that_is_refused_changes_nothing() -> None:
    """An unknown sid is refused before any lease is kept; a sid that stays with another track is refused too."""

    async def main() -> None:
        async with Session(runtime=SimulatedRuntime(1)) as session:
            room = await session.open_room("lobby")
            track = await room.add_track("TA", participant="ann", source=Tone())
            await room.add_track("TB", participant="bob", source=Tone())
            await track.open_stream([])
            with pytest.raises(NotThere, match="TX"):
                await room.reconnect({"TX": "TY"})
            assert not any(event.kind.value == "room.reconnecting" for event in session.record().journal)
            with pytest.raises(DuplicateName, match="TB"):
                await room.reconnected({"TA": "TB"})
            assert track.sid == "TA"

    asyncio.run(main())


def test_a_short_token_is_no_word_to_look_for() -> None:
    """A token like ``demo`` is masked as a value, but a text with that word in it is no leak."""

    async def main() -> bool:
        session = Session("demo", runtime=SimulatedRuntime(1))
        async with session:
            await session.open_room("demo", credentials=Credentials(token="demo"))
        report = await session.close()
        return all(verdict.held for verdict in report.verdicts)

    assert asyncio.run(main())


def test_credentials_take_texts() -> None:
    """Something else than a text is refused by its type, not its value."""
    with pytest.raises(TypeError, match="NoneType"):
        Credentials(token=None)  # type: ignore[arg-type]


class HangingSink:
    """A sink that does not come back until it is let go."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.let_go = threading.Event()

    def write(self, frame: Frame) -> None:
        self.inside.set()
        self.let_go.wait(30)

    def finish(self) -> None:
        pass

    def abort(self) -> None:
        pass


def test_a_sink_that_hangs_is_owned_up_to() -> None:
    """The session ends all the same; its report names the thread; nobody waits for that sink for ever."""
    sink = HangingSink()

    async def main() -> None:
        session = Session(shutdown_ns=200_000_000, pace=Pace.FAST)
        async with session:
            room = await session.open_room("lobby")
            track = await room.add_track("TA", participant="ann", source=Tone())
            stream = await track.open_stream([], sink=sink)
            await asyncio.to_thread(sink.inside.wait, 30)
        report = await session.close()
        await stream.ended()
        assert len(report.leftovers.zombies) == 1
        assert [verdict.law for verdict in report.verdicts if not verdict.held and verdict.law == 7] == [7]
        sink.let_go.set()

    asyncio.run(main())
    for thread in threading.enumerate():
        if thread.name.startswith("greenroom-"):
            thread.join(30)


def test_a_spec_says_what_a_member_is_called() -> None:
    """A bare text for an enumeration is refused with the names that would do."""
    with pytest.raises(ValueError, match="placement is 'thread'"):
        ProcessorSpec(name="p", factory=Tone, placement="thread")  # type: ignore[arg-type]
