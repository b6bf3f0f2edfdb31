"""Real processors, found by entry point or by ``package.module:factory``, and checked before they are built."""

from greenroom.adapters.processors._about import offered
from greenroom.adapters.processors._catalogue import CatalogueEntry, catalogue
from greenroom.adapters.processors._gain import gain
from greenroom.adapters.processors._highpass import highpass
from greenroom.adapters.processors._meter import meter
from greenroom.adapters.processors._options import OptionInfo, check_options
from greenroom.adapters.processors._resolve import resolve
from greenroom.adapters.processors._rnnoise import rnnoise
from greenroom.adapters.processors._silero import silero
from greenroom.adapters.processors._webrtc import webrtc_agc, webrtc_ns

__all__ = [
    "CatalogueEntry",
    "OptionInfo",
    "catalogue",
    "check_options",
    "gain",
    "highpass",
    "meter",
    "offered",
    "resolve",
    "rnnoise",
    "silero",
    "webrtc_agc",
    "webrtc_ns",
]
