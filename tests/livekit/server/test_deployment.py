"""A deployment with `source = "livekit"` on a real server: a noise-cancelling participant, from one file."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from livekit import api
from tests.livekit.server.roomkit import PATIENCE_S, Peer, peer, play, server_api, until
from tests.livekit.server.serverkit import KEY, ROOT, SECRET, Server
from tests.livekit.server.tones import AMPLITUDE, ANNA_HZ, BEN_HZ, level

from greenroom import config
from greenroom.actors import Pace, Session
from greenroom.config import ConfigError, Deployment, Outcome, RunFailed

HALF = {"least": 0.4 * AMPLITUDE, "most": 0.6 * AMPLITUDE}


@pytest.fixture(autouse=True)
def _reachable(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("LIVEKIT_URL", server.url)
    monkeypatch.setenv("LIVEKIT_API_KEY", KEY)
    monkeypatch.setenv("LIVEKIT_API_SECRET", SECRET)


def text(room: str, *lines: str, length: str = "") -> str:
    """Return a deployment that halves what is said in one room."""
    return "\n".join(
        [
            "[session]",
            length,
            "[processors.halve]",
            'use = "gain"',
            "options = { db = -6.0206 }",
            f"[rooms.{room}]",
            'source = "livekit"',
            'pipeline = ["halve"]',
            *lines,
        ]
    )


def deployment(room: str, *lines: str, length: str = "") -> Deployment:
    """Load it."""
    return config.parse(text(room, *lines, length=length), origin="live.toml")


class Running:
    """A deployment that runs beside the test."""

    def __init__(self, what: Deployment, out: Path | None = None) -> None:
        self.stop = asyncio.Event()
        self.sessions: list[Session] = []
        run = config.run(what, out=out, stop=self.stop, on_session=self.sessions.append)
        self._task = asyncio.create_task(run)

    async def end(self) -> Outcome:
        """Stop it; it must have left nothing behind."""
        self.stop.set()
        outcome = await self.over()
        assert all(verdict.held for verdict in outcome.report.verdicts), outcome.report.verdicts
        return outcome

    async def over(self) -> Outcome:
        """Wait for its end."""
        return await asyncio.wait_for(self._task, PATIENCE_S)


async def heard(who: Peer, hz: int, whose: str) -> None:
    """Wait until somebody hears a tone at half its level from a participant."""
    await who.do("hear", hz=hz, who=whose, **HALF)


def test_the_processed_track_is_published_back(server: Server) -> None:
    """Under the name of whose it is; a participant who comes later is taken too, and one who is not wanted is not."""

    async def story() -> None:
        async with peer(server, "anna", "back", hz=ANNA_HZ), peer(server, "carla", "back") as carla:
            running = Running(deployment("back", 'identity = "cleaner"', 'participants = ["anna", "ben"]'))
            await heard(carla, ANNA_HZ, "cleaner")
            async with peer(server, "dora", "back", hz=2_300), peer(server, "ben", "back", hz=BEN_HZ):
                await heard(carla, BEN_HZ, "cleaner")
                async with server_api(server) as client:
                    found = await client.room.get_participant(
                        api.RoomParticipantIdentity(room="back", identity="cleaner")
                    )
                assert sorted(track.name for track in found.tracks) == ["anna (clean)", "ben (clean)"]
                (session,) = running.sessions
                assert len(session.snapshot().processors) == 2
            outcome = await running.end()
            assert outcome.cut_short

    play(story())


def test_the_room_may_be_called_otherwise_on_the_server(server: Server) -> None:
    """And other sources than microphones may be wanted."""

    async def story() -> None:
        async with (
            peer(server, "anna", "its-real-name", hz=ANNA_HZ),
            peer(server, "carla", "its-real-name") as carla,
        ):
            running = Running(
                deployment("here", 'room = "its-real-name"', 'sources = ["microphone", "unknown"]')
            )
            await heard(carla, ANNA_HZ, "greenroom")
            await running.end()
            silent = Running(deployment("here", 'room = "its-real-name"', 'sources = ["unknown"]'))
            await until(lambda: bool(silent.sessions), "started")
            async with server_api(server) as client:
                request = api.ListParticipantsRequest(room="its-real-name")
                while True:
                    there = await client.room.list_participants(request)
                    if "greenroom" in {each.identity for each in there.participants}:
                        break
            assert not silent.sessions[0].snapshot().processors
            await silent.end()

    play(story())


def test_it_may_be_written_to_a_file(server: Server, tmp_path: Path) -> None:
    """One for each participant, complete when they have left; a second stay has a second file."""

    async def story() -> None:
        running = Running(deployment("file", 'output = "file"'), tmp_path)
        for number, name in ((1, "file-anna.wav"), (2, "file-anna-2.wav")):
            async with peer(server, "anna", "file", hz=ANNA_HZ):
                await until(partial(_heard, running, number), "a second of it")
            await until((tmp_path / name).exists, name)
        await running.end()

    play(story())
    for name in ("file-anna.wav", "file-anna-2.wav"):
        samples, rate_hz = soundfile.read(tmp_path / name, dtype="int16", always_2d=True)
        assert (rate_hz, samples.shape[1]) == (48_000, 1)
        second = samples[24_000:72_000, 0].astype(np.int16)
        assert HALF["least"] <= level(second, ANNA_HZ) <= HALF["most"]


def _heard(running: Running, number: int) -> bool:
    """Whether a second has come out of the stream that was opened as that one."""
    if not running.sessions:
        return False
    snapshot = running.sessions[0].snapshot()
    live = [stream for room in snapshot.rooms for track in room.tracks for stream in track.streams]
    streams = [*snapshot.past_streams, *live]
    return len(streams) >= number and streams[number - 1].frames_out > 100


def test_it_goes_on_through_an_outage_of_the_server(server: Server) -> None:
    """Everybody comes back as somebody new; the processed track is there again."""

    async def story() -> None:
        async with peer(server, "anna", "still", hz=ANNA_HZ), peer(server, "carla", "still") as carla:
            running = Running(deployment("still"))
            await heard(carla, ANNA_HZ, "greenroom")
            await server.outage(2)
            await carla.do("forget")
            await heard(carla, ANNA_HZ, "greenroom")
            await running.end()

    play(story())


def test_a_room_that_the_server_ends_is_the_end_of_the_run(server: Server) -> None:
    """With its reason; what there was is reported all the same."""

    async def story() -> None:
        async with peer(server, "anna", "ended", hz=ANNA_HZ), peer(server, "carla", "ended") as carla:
            running = Running(deployment("ended"))
            await heard(carla, ANNA_HZ, "greenroom")
            async with server_api(server) as client:
                await client.room.delete_room(api.DeleteRoomRequest(room="ended"))
            with pytest.raises(
                RunFailed, match=r"rooms\.ended: the server has ended it: room deleted"
            ) as caught:
                await running.over()
            assert all(verdict.held for verdict in caught.value.outcome.report.verdicts)

    play(story())


def test_it_ends_at_its_length(server: Server) -> None:
    """`length_s` holds without any file whose end there could be."""

    async def story() -> None:
        outcome = await Running(deployment("length", length="length_s = 0.5")).over()
        assert not outcome.cut_short

    play(story())


@pytest.mark.parametrize(
    ("variable", "value"),
    [("LIVEKIT_API_SECRET", "another-secret-another-secret-another"), ("LIVEKIT_API_KEY", "nobody")],
)
def test_a_server_that_refuses_is_a_problem_with_the_room(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Named, in a line without the secret, and nothing is left."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(
        ConfigError, match=r"live\.toml:6: rooms\.refused: cannot connect to 127\.0\.0\.1"
    ) as caught:
        play(config.run(deployment("refused")))  # type: ignore[arg-type]
    assert os.environ["LIVEKIT_API_SECRET"] not in str(caught.value)


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same."""
    monkeypatch.setenv("LIVEKIT_URL", "ws://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"rooms\.nowhere: cannot connect to 127\.0\.0\.1"):
        play(config.run(deployment("nowhere")))  # type: ignore[arg-type]


def test_such_a_room_is_not_run_faster_than_real_time() -> None:
    """Nothing is started."""
    with pytest.raises(
        ConfigError, match=r"rooms\.fast\.source: a room on a LiveKit server runs in real time"
    ):
        play(config.run(deployment("fast"), pace=Pace.FAST))  # type: ignore[arg-type]


def test_the_command_is_a_participant_until_it_is_stopped(server: Server, tmp_path: Path) -> None:
    """`greenroom check`, then `greenroom run`; Ctrl-C ends it in order, with a report and code 0."""
    file = tmp_path / "live.toml"
    file.write_text(text("command"), "utf8")
    command = [sys.executable, "-m", "greenroom.console"]
    checked = subprocess.run(
        [*command, "check", file], capture_output=True, text=True, check=False, timeout=60
    )
    assert checked.returncode == 0, checked.stderr
    assert "room:command  command at $LIVEKIT_URL as greenroom" in checked.stdout

    async def story() -> None:
        async with peer(server, "anna", "command", hz=ANNA_HZ), peer(server, "carla", "command") as carla:
            running = await asyncio.create_subprocess_exec(
                *command,
                *("run", str(file), "--no-view", "--out", str(tmp_path / "out")),
                stderr=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                cwd=ROOT,
                env=dict(os.environ),
            )
            await heard(carla, ANNA_HZ, "greenroom")
            running.send_signal(signal.SIGINT)
            _, complaints = await asyncio.wait_for(running.communicate(), PATIENCE_S)
            assert running.returncode == 0, complaints.decode()

    play(story())
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf8"))
    assert (report["held"], report["stopped_by"]) == (True, "signal")
    assert any(stream["frames_out"] > 0 for stream in report["streams"])
    assert SECRET not in json.dumps(report)
