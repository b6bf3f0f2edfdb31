"""Frames: LiveKit's into greenroom's and back."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from greenroom.actors import Frame, Samples
from greenroom.actors.frames import NO_ANNOTATIONS
from greenroom.adapters.livekit._sdk import rtc

INT16: Final = np.dtype(np.int16)


def samples_of(frame: rtc.AudioFrame) -> Samples:
    """Return a frame's samples, shape ``(frames, channels)``, read-only, without a copy: nobody may write in it."""
    channels = frame.num_channels
    samples = np.frombuffer(frame.data, INT16, frame.samples_per_channel * channels).reshape(-1, channels)
    samples.setflags(write=False)
    return samples


def from_rtc(
    frame: rtc.AudioFrame, timestamp_ns: int, *, before: Mapping[str, object] = NO_ANNOTATIONS
) -> Frame:
    """Return LiveKit's frame as greenroom's; its ``userdata`` are the annotations, on top of those from ``before``."""
    notes: Mapping[str, object] = frame.userdata or NO_ANNOTATIONS
    if before:
        notes = {**before, **notes}
    return Frame(samples_of(frame), frame.sample_rate, timestamp_ns, notes)


def to_rtc(frame: Frame) -> rtc.AudioFrame:
    """Return greenroom's frame as LiveKit's, with samples of its own: whoever gets it may write in it."""
    samples = frame.samples
    count, channels = samples.shape
    notes = frame.annotations
    return rtc.AudioFrame(
        bytearray(samples), frame.rate_hz, channels, count, userdata=dict(notes) if notes else None
    )
