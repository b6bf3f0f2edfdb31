"""The last check before native code."""

import numpy as np
import pytest
from tests.actors.lanekit import frame

from greenroom.actors._guard import WrongFrame, guarded, substitute
from greenroom.actors.frames import Frame, Samples, Vouched
from greenroom.actors.processors import OnFault, Reason

GIVEN = frame(3)
I16 = np.int16


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (None, "NoneType; _process returns a Frame"),
        (GIVEN.samples, "ndarray; _process returns a Frame"),
        (Frame([1, 2], 48_000, 0), "samples are list"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (Frame(np.zeros((480, 1)), 48_000, 0), "float64"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (Frame(np.zeros((480, 1), ">i2"), 48_000, 0), ">i2"),
        (Frame(np.zeros((441, 1), I16), 48_000, 0), "(441, 1); it came with (480, 1)"),
        (Frame(np.zeros((240, 2), I16), 48_000, 0), "(240, 2)"),
        (Frame(np.zeros(480, I16), 48_000, 0), "(480,)"),
        (Frame(np.zeros((480, 1), I16), 44_100, 0), "44100 Hz; it came with 48000 Hz"),
    ],
)
def test_what_is_not_the_frame_is_refused(result: object, said: str) -> None:
    """Another type, dtype, byte order, length, channel count, number of dimensions or rate: the text says which."""
    with pytest.raises(WrongFrame, match="wrong frame: ") as caught:
        guarded(result, GIVEN)
    assert said in str(caught.value)


def test_another_timestamp_is_put_right() -> None:
    """A processor need not carry the timestamp; its annotations stay."""
    result = guarded(Frame(np.zeros((480, 1), I16), 48_000, 0, {"voice": 1.0}), GIVEN)
    assert result.timestamp_ns == GIVEN.timestamp_ns
    assert result.annotations == {"voice": 1.0}


def test_samples_that_are_not_contiguous_are_copied() -> None:
    """A slice of a wider array comes out contiguous, and equal."""
    wide = np.arange(960, dtype=I16).reshape(480, 2)
    result = guarded(Frame(wide[:, :1], 48_000, GIVEN.timestamp_ns), GIVEN)
    assert result.samples.flags.c_contiguous
    assert np.array_equal(result.samples, wide[:, :1])


def test_what_comes_out_is_read_only() -> None:
    """The next processor cannot write into it, so its original is there to bypass with."""
    for stamp in (GIVEN.timestamp_ns, 0):
        result = guarded(Frame(np.zeros((480, 1), I16), 48_000, stamp), GIVEN)
        assert not result.samples.flags.writeable


def test_a_subclass_of_frame_is_a_frame() -> None:
    """What comes out is a plain frame with its audio."""

    class Special(Frame):
        pass

    result = guarded(Special(np.full((480, 1), 7, I16), 48_000, GIVEN.timestamp_ns), GIVEN)
    assert type(result) is Frame
    assert result.samples[0, 0] == 7


def test_the_policy_says_what_comes_out_instead() -> None:
    """Bypass: the original; silence: as long; drop: nothing. A disabled processor is bypassed in any case."""
    assert substitute(GIVEN, OnFault.BYPASS, Reason.FAULT) is GIVEN
    silence = substitute(GIVEN, OnFault.SILENCE, Reason.LATE)
    assert silence is not None
    assert not silence.samples.any()
    assert silence.samples.shape == GIVEN.samples.shape
    assert substitute(GIVEN, OnFault.DROP, Reason.LATE) is None
    assert substitute(GIVEN, OnFault.DROP, Reason.DISABLED) is GIVEN


def test_a_frame_that_is_vouched_for_is_not_looked_at() -> None:
    """But only in the place of the one that its maker compared it with."""

    class Carried(Vouched):
        __slots__ = ()

        def __init__(self, origin: Frame | None) -> None:
            self.origin = origin

        @property
        def samples(self) -> Samples:  # type: ignore[override]
            raise AssertionError

    given, other = frame(1), frame(2)
    carried = Carried(given)
    assert guarded(carried, given) is carried
    with pytest.raises((AssertionError, AttributeError)):
        guarded(carried, other)
