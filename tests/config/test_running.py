"""Whole deployments, run as fast as the machine goes: what they leave behind, and when they end."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile

from greenroom.actors import Pace, Session, SessionEvent
from greenroom.config import Outcome, RunFailed, parse, run

RATE_HZ = 16_000
SECOND_NS = 1_000_000_000

FILE = """\
[session]
rate_hz = 16_000
[processors.louder]
use = "gain"
options = { db = 6.0205999 }
placement = "inline"
[processors.other]
use = "gain"
hang_ms = 100.0
backoff_ms = 1.0
[rooms.lobby]
[[rooms.lobby.tracks]]
sid = "TR_anna"
participant = "anna"
input = "in.wav"
pipeline = ["louder"]
output = "anna.wav"
[[rooms.lobby.tracks]]
sid = "TR_ben"
participant = "ben"
join_s = 0.5
input = "in.wav"
reference = "in.wav"
pipeline = ["other"]
output = "ben.wav"
[rooms.stage]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two seconds, and 123 samples, of a constant."""
    soundfile.write(tmp_path / "in.wav", np.full(2 * RATE_HZ + 123, 1_000, np.int16), RATE_HZ)
    return tmp_path


def events_of(script: str) -> str:
    """Return events from lines with ``;`` between their keys."""
    return "".join("[[events]]\n" + line.strip().replace("; ", "\n") + "\n" for line in script.splitlines())


def play(
    folder: Path,
    script: str = "",
    *,
    head: str = "",
    until_ns: int | None = None,
    stop: asyncio.Event | None = None,
    seen: list[SessionEvent] | None = None,
) -> Outcome:
    """Run the deployment with a script, and see that the laws held."""

    def on_session(session: Session) -> None:
        if seen is not None:
            session.observe(seen.append)

    text = FILE.replace("[session]", "[session]\n" + head) + events_of(script)
    deployment = parse(text, folder=folder)
    outcome = asyncio.run(
        run(
            deployment,
            out=folder / "out",
            pace=Pace.FAST,
            until_ns=until_ns,
            stop=stop,
            on_session=on_session,
        )
    )
    assert [verdict for verdict in outcome.report.verdicts if not verdict.held] == []
    return outcome


def samples(folder: Path, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """Return an output."""
    audio, rate_hz = soundfile.read(folder / "out" / name, dtype="int16")
    assert rate_hz == RATE_HZ
    assert len(audio) == 2 * RATE_HZ + 123
    return np.asarray(audio, np.int16)


def test_outputs_are_processed_and_as_long_as_inputs(folder: Path) -> None:
    """Each track goes through its pipeline into its file; the outcome finds it again."""
    outcome = play(folder)
    assert not outcome.cut_short
    assert (samples(folder, "anna.wav") == 2_000).all()
    assert (samples(folder, "ben.wav") == 1_000).all()
    assert [r.started_ns for r in outcome.recordings] == [0, SECOND_NS // 2]
    audio = outcome.audio_of("lobby", "ben/microphone", "1")
    assert audio is not None
    assert (audio.before, audio.after, audio.reference) == (
        folder / "in.wav",
        folder / "out" / "ben.wav",
        folder / "in.wav",
    )
    assert outcome.audio_of("stage", "ben/microphone", "1") is None


def test_who_leaves_early_is_silent_to_the_end_and_comes_back_into_another_file(folder: Path) -> None:
    """The first stay ends at its media time exactly; the second starts from the beginning of the input."""
    outcome = play(
        folder,
        """at_s = 1.0; do = "leave"; room = "lobby"; participant = "anna"
        at_s = 1.5; do = "join"; room = "lobby"; participant = "anna\"""",
    )
    first = samples(folder, "anna.wav")
    assert (first[:RATE_HZ] == 2_000).all()
    assert (first[RATE_HZ:] == 0).all()
    assert (samples(folder, "anna-2.wav") == 2_000).all()
    assert [(r.track, r.stream, r.started_ns) for r in outcome.recordings if "anna" in r.track] == [
        ("anna/microphone", "1", 0),
        ("anna/microphone", "2", SECOND_NS * 3 // 2),
    ]


def test_a_second_stream_hears_its_track_from_then_on(folder: Path) -> None:
    """It opens and closes at its media times; what it did not hear is silence."""
    play(
        folder,
        """at_s = 0.5; do = "open_stream"; track = "TR_anna"; stream = "raw"; pipeline = ["other"]; output = "raw.wav"
        at_s = 1.0; do = "close_stream"; track = "TR_anna"; stream = "raw\"""",
    )
    raw = samples(folder, "raw.wav")
    assert (raw[RATE_HZ // 2 : RATE_HZ] == 1_000).all()
    assert (raw[: RATE_HZ // 2] == 0).all()
    assert (raw[RATE_HZ:] == 0).all()


def test_rooms_reconnect_and_tracks_move(folder: Path) -> None:
    """New sids are the script's, or made up; a moved track is found under both of its rooms."""
    seen: list[SessionEvent] = []
    outcome = play(
        folder,
        """at_s = 0.6; do = "reconnect"; room = "lobby"; sids = { TR_anna = "TR_new" }
        at_s = 1.0; do = "move"; track = "TR_anna"; to = "stage\"""",
        seen=seen,
    )
    assert (samples(folder, "anna.wav") == 2_000).all()
    assert outcome.recordings[0].rooms == ("lobby", "stage")
    assert outcome.audio_of("stage", "anna/microphone", "1") == outcome.audio_of(
        "lobby", "anna/microphone", "1"
    )
    told = " ".join(str(dict(event.details)) + event.subject for event in seen)
    assert "TR_new" in told
    assert "TR_ben_r1" in told


def test_faults_happen_and_are_survived(folder: Path) -> None:
    """A crash, a hang and a wrong frame on one track: the others do not notice, and no frame is lost."""
    outcome = play(
        folder,
        """at_s = 0.7; do = "fault"; processor = "other"; track = "TR_ben"; kind = "raise"
        at_s = 1.0; do = "fault"; processor = "other"; track = "TR_ben"; kind = "hang"; hold_s = 0.3
        at_s = 1.5; do = "fault"; processor = "other"; kind = "wrong_frame"
        at_s = 1.6; do = "fault"; processor = "louder"; kind = "fail_build\"""",
    )
    assert (samples(folder, "anna.wav") == 2_000).all()
    assert (samples(folder, "ben.wav") == 1_000).all()
    (other,) = (p for p in outcome.report.snapshot.past_processors if p.spec == "other")
    assert other.restarts == 3
    assert other.opened == other.closed == 4
    assert outcome.unplayed == ("louder: fail_build x1",)


def test_a_held_processor_outlives_its_streams_and_is_released_at_the_end(folder: Path) -> None:
    """The script's lease keeps it open; what the script does not give back is given back."""
    outcome = play(folder, 'at_s = 0.1; do = "hold"; lease = "mine"; processor = "other"')
    opened = [p for p in outcome.report.snapshot.past_processors if p.spec == "other"]
    assert sum(p.leases_granted for p in opened) == 2
    assert all(p.opened == p.closed for p in opened)


def test_until_cuts_a_run_short(folder: Path) -> None:
    """What is still open then is ended in order, and padded."""
    outcome = play(folder, until_ns=SECOND_NS)
    assert outcome.cut_short
    assert (samples(folder, "anna.wav")[:RATE_HZ] == 2_000).all()
    assert (samples(folder, "anna.wav")[RATE_HZ:] == 0).all()
    assert sorted(stream.frames_in for stream in outcome.report.snapshot.past_streams) == [50, 100]


def test_a_deployments_own_length_is_its_end(folder: Path) -> None:
    """`length_s` ends it as planned, which is not short; an earlier `until_ns` still is."""
    assert not play(folder, head="length_s = 1.0").cut_short
    assert samples(folder, "anna.wav")[-1] == 0
    assert play(folder, head="length_s = 1.0", until_ns=SECOND_NS // 2).cut_short


def test_stop_ends_a_run_in_order(folder: Path) -> None:
    """Asked before it began, it opens nothing and still reports."""

    async def stopped() -> Outcome:
        stop = asyncio.Event()
        stop.set()
        return await run(parse(FILE, folder=folder), out=folder / "out", pace=Pace.FAST, stop=stop)

    outcome = asyncio.run(stopped())
    assert outcome.cut_short
    assert all(verdict.held for verdict in outcome.report.verdicts)


def test_without_a_folder_nothing_is_written(folder: Path) -> None:
    """Frames go through all the same."""
    outcome = asyncio.run(run(parse(FILE, folder=folder), pace=Pace.FAST))
    assert [path.name for path in folder.iterdir()] == ["in.wav"]
    assert all(recording.after is None for recording in outcome.recordings)
    assert [stream.frames_in for stream in outcome.report.snapshot.past_streams] == [201, 201]


def test_an_output_that_cannot_be_written_is_reported_after_an_orderly_end(folder: Path) -> None:
    """The other tracks go on; the error names the output, and holds the outcome."""
    (folder / "out" / "anna.wav").mkdir(parents=True)
    with pytest.raises(RunFailed) as caught:
        play(folder)
    assert "anna.wav" in str(caught.value)
    assert (samples(folder, "ben.wav") == 1_000).all()
    assert all(verdict.held for verdict in caught.value.outcome.report.verdicts)


def test_channels_of_a_track_are_made_of_those_of_its_file(folder: Path) -> None:
    """`channels = 1` is the mean."""
    soundfile.write(folder / "in.wav", np.full((RATE_HZ, 2), (1_000, 3_000), np.int16), RATE_HZ)
    text = FILE.replace('output = "anna.wav"', 'output = "anna.wav"\nchannels = 1')
    asyncio.run(run(parse(text, folder=folder), out=folder / "out", pace=Pace.FAST))
    audio, _ = soundfile.read(folder / "out" / "anna.wav", dtype="int16", always_2d=True)
    assert audio.shape == (RATE_HZ, 1)
    assert np.allclose(audio, 4_000, atol=2)
