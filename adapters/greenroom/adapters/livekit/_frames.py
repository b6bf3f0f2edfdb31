"""Frames: LiveKit's as greenroom's and back, without looking at a sample that nobody asks for.

What LiveKit brings is carried as it is, a `Heard`: its samples become an array for the one who reads ``samples``. What
a processor of LiveKit's returns is carried as well, and is itself what comes out in the end.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from greenroom.actors import Frame, Samples
from greenroom.actors.frames import NO_ANNOTATIONS, Vouched
from greenroom.adapters.livekit._sdk import rtc, samples_in

INT16: Final = np.dtype(np.int16)


class Heard(Vouched):
    """A frame that holds what LiveKit understands: bytes that nobody writes in, or a frame of LiveKit's own.

    Attributes:
        frames: how many samples per channel.
        channels: how many.
        given: the frame of LiveKit's that it is, or None.
    """

    __slots__ = ("_data", "_samples", "channels", "frames", "given")

    def __init__(
        self,
        data: Any,
        rate_hz: int,
        channels: int,
        frames: int,
        timestamp_ns: int = 0,
        annotations: Mapping[str, object] = NO_ANNOTATIONS,
        given: rtc.AudioFrame | None = None,
        origin: Frame | None = None,
    ) -> None:
        self._data = data
        self._samples: Samples | None = None
        self.rate_hz = rate_hz
        self.channels = channels  # type: ignore[misc]
        self.frames = frames  # type: ignore[misc]
        self.timestamp_ns = timestamp_ns
        self.annotations = annotations
        self.given = given
        self.origin = origin

    @property
    def samples(self) -> Samples:  # type: ignore[override]
        """The samples, shape ``(frames, channels)``, read-only."""
        found = self._samples
        if found is None:
            data = self._data if self.given is None else self.given.data
            found = np.frombuffer(data, INT16, self.frames * self.channels).reshape(-1, self.channels)
            found.setflags(write=False)
            self._samples = found
        return found

    def copied(self) -> rtc.AudioFrame:
        """Return it as LiveKit's, with samples of its own: whoever gets that may write in it."""
        notes = self.annotations
        return rtc.AudioFrame(
            bytearray(self._data if self.given is None else self.given.data),
            self.rate_hz,
            self.channels,
            self.frames,
            userdata=dict(notes) if notes else None,
        )


def heard_in(buffer: Any) -> Heard:
    """Return the frame in a native buffer, and give that back."""
    info = buffer.info
    return Heard(samples_in(buffer), info.sample_rate, info.num_channels, info.samples_per_channel)


def carried(frame: rtc.AudioFrame, timestamp_ns: int = 0) -> Heard:
    """Return LiveKit's frame as one of greenroom's that holds it; nobody may write in it meanwhile."""
    return Heard(
        frame.data,
        frame.sample_rate,
        frame.num_channels,
        frame.samples_per_channel,
        timestamp_ns=timestamp_ns,
        annotations=frame.userdata or NO_ANNOTATIONS,
    )


def from_rtc(
    frame: rtc.AudioFrame, timestamp_ns: int, *, before: Mapping[str, object] = NO_ANNOTATIONS
) -> Frame:
    """Return LiveKit's frame as greenroom's; its ``userdata`` are the annotations, on top of those from ``before``."""
    notes: Mapping[str, object] = frame.userdata or NO_ANNOTATIONS
    if before:
        notes = {**before, **notes}
    channels = frame.num_channels
    samples = np.frombuffer(frame.data, INT16, frame.samples_per_channel * channels).reshape(-1, channels)
    samples.setflags(write=False)
    return Frame(samples, frame.sample_rate, timestamp_ns, notes)


def to_rtc(frame: Frame) -> rtc.AudioFrame:
    """Return greenroom's frame as LiveKit's, with samples of its own: whoever gets it may write in it."""
    if type(frame) is Heard:
        return frame.copied()
    samples = frame.samples
    count, channels = samples.shape
    notes = frame.annotations
    return rtc.AudioFrame(
        bytearray(samples), frame.rate_hz, channels, count, userdata=dict(notes) if notes else None
    )


def out_of(frame: Frame) -> rtc.AudioFrame:
    """Return what comes out at the end: what a processor of LiveKit's has returned, or else a copy as from `to_rtc`."""
    if type(frame) is Heard and frame.given is not None:
        return frame.given
    return to_rtc(frame)


def returned(result: rtc.AudioFrame, frame: Frame) -> Frame:
    """Return what a processor of LiveKit's made of ``frame``, carried as it is where nothing is wrong with it."""
    notes = result.userdata
    before = frame.annotations
    if type(frame) is Heard and (not before or notes == before):
        rate_hz, channels, count = frame.rate_hz, frame.channels, frame.frames
        if (
            result.samples_per_channel == count
            and result.num_channels == channels
            and result.sample_rate == rate_hz
        ):
            return Heard(
                None,
                rate_hz,
                channels,
                count,
                frame.timestamp_ns,
                notes or NO_ANNOTATIONS,
                result,
                frame,
            )
    return from_rtc(result, frame.timestamp_ns, before=before)
