"""WebRTC's classical noise suppression and automatic gain, from webrtc-noise-gain."""

import importlib
from typing import Annotated, Final, Protocol, cast

import numpy as np
from annotated_types import Interval

from greenroom.actors.processors import Placement
from greenroom.adapters.processors._about import offered
from greenroom.adapters.processors._bridge import BridgedProcessor, Mono

RATE_HZ: Final = 16_000
BLOCK_FRAMES: Final = RATE_HZ // 100
SUPPRESSION_LATENCY_FRAMES: Final = 96
"""How far the suppressor's overlapping windows lag, measured; gain alone does not lag."""
GAIN_ON: Final = 1


@offered(placement=Placement.INLINE, package="webrtc_noise_gain", extra="webrtc")
def webrtc_ns(*, level: Annotated[int, Interval(ge=1, le=4)] = 2) -> BridgedProcessor:
    """WebRTC's classical noise suppression, 1 (mild) to 4 (strong); what comes out ends at 8 kHz."""
    return BridgedProcessor(
        lambda: WebRtcKernel(gain=0, suppression=level),
        rate_hz=RATE_HZ,
        latency_frames=SUPPRESSION_LATENCY_FRAMES,
    )


@offered(placement=Placement.INLINE, package="webrtc_noise_gain", extra="webrtc")
def webrtc_agc() -> BridgedProcessor:
    """WebRTC's automatic gain control, which brings quiet voices up; what comes out ends at 8 kHz.

    It has no target to choose: webrtc-noise-gain takes one, and its gain control (the second of WebRTC's)
    ignores every value but zero, which is off.
    """
    return BridgedProcessor(
        lambda: WebRtcKernel(gain=GAIN_ON, suppression=0), rate_hz=RATE_HZ, latency_frames=0
    )


class _Chunk(Protocol):
    audio: bytes


class _Native(Protocol):
    """What is used of webrtc_noise_gain's AudioProcessor, which has no type stubs."""

    def Process10ms(self, audio: bytes, /) -> _Chunk: ...  # noqa: N802 - its name


class WebRtcKernel:
    """One audio processing module, 10 ms of mono at 16 kHz a call."""

    def __init__(self, *, gain: int, suppression: int) -> None:
        # 28 MB of native code: only when built. It has no type information, so it is imported as a value.
        module = importlib.import_module("webrtc_noise_gain")
        self._native: _Native | None = cast("_Native", module.AudioProcessor(gain, suppression))

    def run(self, samples: Mono) -> Mono:
        """Process block by block."""
        native = self._native
        if native is None:
            raise RuntimeError("the WebRTC state is freed")
        given = samples.tobytes()
        step = BLOCK_FRAMES * samples.itemsize
        done = [native.Process10ms(given[at : at + step]).audio for at in range(0, len(given), step)]
        return np.frombuffer(b"".join(done) if len(done) != 1 else done[0], np.int16)

    def close(self) -> None:
        """Drop the only reference; its destructor frees the state."""
        self._native = None
