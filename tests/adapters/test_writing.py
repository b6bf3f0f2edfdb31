"""An output appears under its name only whole, in time with its stream, and a failure leaves nothing behind."""

import resource
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenroom.actors.frames import Frame, Samples
from greenroom.adapters import OutputFailed
from greenroom.adapters.files import FileSink, _sink, check_output_folder

RATE = 8000
STEP = 80
TEN_MS = 10_000_000


def numbered(n: int, channels: int = 1) -> Frame:
    """The frame that belongs at ``n`` times 10 ms, full of ``n + 1``."""
    return Frame(np.full((STEP, channels), n + 1, np.int16), RATE, n * TEN_MS)


def read(path: Path) -> Samples:
    """What the file holds."""
    samples, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    assert rate_hz == RATE
    return np.asarray(samples, np.int16)


@given(
    places=st.lists(st.integers(0, 40), unique=True, max_size=20).map(sorted),
    length=st.none() | st.integers(0, 4000),
    suffix=st.sampled_from(["wav", "flac"]),
    channels=st.integers(1, 2),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_frames_lie_where_their_timestamps_say(
    places: Sequence[int], length: int | None, suffix: str, channels: int, tmp_path: Path
) -> None:
    """Gaps are silence; the file is as long as asked, or ends with its last frame; nothing makes no file."""
    path = tmp_path / f"x.{suffix}"
    sink = FileSink(path, rate_hz=RATE, channels=channels, length_frames=length)
    for n in places:
        sink.write(numbered(n, channels))
    sink.finish()
    total = (STEP * (places[-1] + 1) if places else 0) if length is None else length
    exact = np.zeros((max(total, STEP * 41), channels), np.int16)
    for n in places:
        exact[n * STEP : (n + 1) * STEP] = n + 1
    assert path.exists() == (total > 0)
    if total:
        assert np.array_equal(read(path), exact[:total])
        path.unlink()
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".part"] == []


def test_what_is_there_already_is_not_written_twice(tmp_path: Path) -> None:
    """A frame that overlaps gives only what is new; one from the past nothing."""
    sink = FileSink(tmp_path / "x.wav", rate_hz=RATE, channels=1)
    sink.write(numbered(0))
    sink.write(Frame(np.full((STEP, 1), 7, np.int16), RATE, TEN_MS // 2))
    sink.write(numbered(0))
    sink.finish()
    assert read(tmp_path / "x.wav")[:, 0].tolist() == [1] * 80 + [7] * 40


def test_the_name_appears_with_the_end(tmp_path: Path) -> None:
    """Until it is finished, what was there before stays; then it is replaced."""
    path = tmp_path / "x.wav"
    path.write_text("before")
    sink = FileSink(path, rate_hz=RATE, channels=1)
    sink.write(numbered(0))
    assert path.read_text() == "before"
    sink.finish()
    assert len(read(path)) == STEP
    with pytest.raises(ValueError, match="finished or given up"):
        sink.write(numbered(1))


def test_giving_up_leaves_nothing(tmp_path: Path) -> None:
    """Before, during and after writing, and twice."""
    for frames in (0, 3):
        sink = FileSink(tmp_path / "x.flac", rate_hz=RATE, channels=1)
        for n in range(frames):
            sink.write(numbered(n))
        sink.abort()
        sink.abort()
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(ValueError, match="given up"):
            sink.finish()


@contextmanager
def small_disk(size: int) -> Generator[None]:
    """Let no file of this process grow beyond so many bytes: a disk that is full.

    No fixture: pytest's own output may go to a file, and is written before fixtures are torn down.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("size", [0, 20, 1000, 20_000, 79_000])
def test_a_full_disk_is_one_error_and_leaves_nothing(suffix: str, size: int, tmp_path: Path) -> None:
    """Wherever the space runs out, at the header, in the middle or at the last flush."""
    noise = np.random.default_rng(0).integers(-32768, 32767, (STEP, 1)).astype(np.int16)
    sink = FileSink(tmp_path / f"x.{suffix}", rate_hz=RATE, channels=1)

    def write_all() -> None:
        for n in range(500):
            sink.write(Frame(noise, RATE, n * TEN_MS))
        sink.finish()

    with (
        pytest.raises(OutputFailed, match=r"cannot be written: .*nothing of it was kept") as caught,
        small_disk(size),
    ):
        write_all()
    assert str(tmp_path / f"x.{suffix}") in str(caught.value)
    assert isinstance(caught.value, OSError)
    assert list(tmp_path.iterdir()) == []


def test_an_end_that_was_not_written_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libsndfile does not report what fails while it closes; the file is read back before it gets its name."""
    sink = FileSink(tmp_path / "x.wav", rate_hz=RATE, channels=1)
    sink.write(numbered(0))
    whole = _sink.FileSink._require_whole

    def spoil(self: FileSink) -> None:
        self._part.write_bytes(self._part.read_bytes()[:-10])
        whole(self)

    monkeypatch.setattr(_sink.FileSink, "_require_whole", spoil)
    with pytest.raises(OutputFailed, match="is the disk full"):
        sink.finish()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    """The system's own word for it, with the path."""
    sink = FileSink(tmp_path / "gone" / "x.wav", rate_hz=RATE, channels=1)
    with pytest.raises(OutputFailed, match="No such file or directory"):
        sink.write(numbered(0))


def test_a_folder_that_may_not_be_written_is_told(
    tmp_path: Path, unprivileged: Callable[[Path, int], None]
) -> None:
    """By the check beforehand, and by the sink."""
    folder = tmp_path / "out"
    folder.mkdir()
    unprivileged(folder, 0o555)
    with pytest.raises(OutputFailed, match="Permission denied; name another folder"):
        check_output_folder(folder)
    with pytest.raises(OutputFailed, match="Permission denied"):
        FileSink(folder / "x.wav", rate_hz=RATE, channels=1).write(numbered(0))


def test_an_output_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    """With its parents; asking twice is no error; the trial file is gone."""
    folder = tmp_path / "a" / "b"
    assert check_output_folder(folder) == folder
    assert check_output_folder(str(folder)) == folder
    assert list(folder.iterdir()) == []


def test_a_file_is_no_output_folder(tmp_path: Path) -> None:
    """Neither as the folder nor on the way to it."""
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(OutputFailed, match="is a file; name a folder"):
        check_output_folder(file)
    with pytest.raises(OutputFailed, match="leads through a file"):
        check_output_folder(file / "deeper")
    assert file.read_text() == "mine"


def test_an_output_folder_that_no_disk_has_is_told() -> None:
    """The system says "no such file"; the message says that it cannot be made."""
    with pytest.raises(OutputFailed, match="/proc/nope: cannot be made there; name another folder"):
        check_output_folder("/proc/nope")


def test_a_disk_without_room_is_called_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libsndfile only says "System error"; how much room there is tells what it means."""

    def nothing_left(_folder: Path) -> SimpleNamespace:
        return SimpleNamespace(free=0)

    monkeypatch.setattr(shutil, "disk_usage", nothing_left)
    sink = FileSink(tmp_path / "x.wav", rate_hz=RATE, channels=1)
    noise = np.random.default_rng(0).integers(-32768, 32767, (STEP, 1)).astype(np.int16)

    def write_all() -> None:
        for n in range(500):
            sink.write(Frame(noise, RATE, n * TEN_MS))
        sink.finish()

    with pytest.raises(OutputFailed, match="cannot be written: the disk is full"), small_disk(1000):
        write_all()


def test_wrong_arguments_are_refused_at_once(tmp_path: Path) -> None:
    """Suffix, rate, channels, length: field, value and what would do."""
    path = tmp_path / "x.wav"
    with pytest.raises(ValueError, match=r"suffix is '.mp3'; .wav or .flac would do"):
        FileSink(tmp_path / "x.mp3", rate_hz=RATE, channels=1)
    with pytest.raises(ValueError, match="rate_hz is 8001"):
        FileSink(path, rate_hz=8001, channels=1)
    with pytest.raises(ValueError, match="channels is 0"):
        FileSink(path, rate_hz=RATE, channels=0)
    with pytest.raises(ValueError, match="length_frames is -1"):
        FileSink(path, rate_hz=RATE, channels=1, length_frames=-1)


def test_a_frame_of_another_format_is_refused(tmp_path: Path) -> None:
    """It is somebody's mistake, not the disk's: the file stays open for the right ones."""
    sink = FileSink(tmp_path / "x.wav", rate_hz=RATE, channels=1)
    with pytest.raises(ValueError, match="2 channels at 8000 Hz; the file has 1 at 8000 Hz"):
        sink.write(numbered(0, channels=2))
    sink.write(numbered(0))
    sink.finish()
    assert len(read(tmp_path / "x.wav")) == STEP
