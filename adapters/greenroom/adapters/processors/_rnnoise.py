"""RNNoise, a small recurrent network that takes noise out of speech; library and model are in pyrnnoise's wheel.

Only the library is used: pyrnnoise's own Python loads progress bars and file readers that a frame does not need.
"""

import ctypes
import platform
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from greenroom.actors.processors import Placement
from greenroom.adapters._errors import MissingExtra
from greenroom.adapters.processors._about import offered
from greenroom.adapters.processors._bridge import BridgedProcessor, Mono
from greenroom.adapters.processors._gain import saturated

RATE_HZ: Final = 48_000
BLOCK_FRAMES: Final = RATE_HZ // 100
LATENCY_FRAMES: Final = 2 * BLOCK_FRAMES
"""One block of overlap and one of look-ahead, measured."""
PACKAGE: Final = "pyrnnoise"
EXTRA: Final = "rnnoise"
LIBRARIES: Final = {"Linux": "librnnoise.so", "Darwin": "librnnoise.dylib", "Windows": "rnnoise.dll"}


@offered(placement=Placement.THREAD, package=PACKAGE, extra=EXTRA)
def rnnoise() -> BridgedProcessor:
    """Takes noise out of speech with a small neural network (RNNoise), at 48 kHz, 20 ms behind."""
    return BridgedProcessor(RnnoiseKernel, rate_hz=RATE_HZ, latency_frames=LATENCY_FRAMES)


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    spec = find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec is not None else None
    if not places:
        raise MissingExtra("rnnoise", package=PACKAGE, extra=EXTRA)
    path = Path(places[0]) / LIBRARIES.get(platform.system(), "librnnoise.so")
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise ImportError(f"pyrnnoise is installed, but its library cannot be loaded: {error}") from error
    library.rnnoise_create.argtypes = [ctypes.c_void_p]
    library.rnnoise_create.restype = ctypes.c_void_p
    library.rnnoise_destroy.argtypes = [ctypes.c_void_p]
    library.rnnoise_destroy.restype = None
    library.rnnoise_process_frame.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    library.rnnoise_process_frame.restype = ctypes.c_float
    return library


class RnnoiseKernel:
    """One denoiser state. ctypes gives the GIL back during a call."""

    def __init__(self) -> None:
        self._library = _library()
        self._state: int | None = self._library.rnnoise_create(None)
        if not self._state:
            raise MemoryError("RNNoise could not make a state")

    def run(self, samples: Mono) -> Mono:
        """Denoise block by block. RNNoise takes floats in the range of int16."""
        if not self._state:
            raise RuntimeError("the RNNoise state is freed")
        given = np.ascontiguousarray(samples, np.float32)
        done = np.empty_like(given)
        source, target = given.ctypes.data, done.ctypes.data
        for at in range(0, given.nbytes, BLOCK_FRAMES * given.itemsize):
            self._library.rnnoise_process_frame(self._state, target + at, source + at)
        return saturated(done)

    def close(self) -> None:
        """Free the state, once."""
        state, self._state = self._state, None
        if state:
            self._library.rnnoise_destroy(state)

    def __del__(self) -> None:
        # A processor whose factory failed half-way is never closed.
        if getattr(self, "_state", None):
            self.close()
