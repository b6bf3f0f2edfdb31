"""What each installed processor costs per 10 ms of mono audio: the figures of ``docs/dependencies.md``."""

import time
from collections.abc import Sequence
from statistics import mean

import numpy as np
from benchmarks._table import Row

from greenroom.actors import Frame
from greenroom.actors.frames import block_frames, read_only
from greenroom.adapters.processors import catalogue, resolve

FRAMES = 300
WARM_UP = 50
RATES_HZ = (16_000, 48_000)
BLOCK_US = 10_000
OPTIONS = {"gain": {"db": 6.0}}  # at 0 dB it has nothing to do


def cost_us(name: str, rate_hz: int) -> float:
    """Return the mean time of a call of the processor ``name`` in microseconds; some work once in several frames."""
    rng = np.random.default_rng(1)
    processor = resolve(name)(**OPTIONS.get(name, {}))
    spent: list[int] = []
    for number in range(WARM_UP + FRAMES):
        samples = read_only(rng.integers(-8_000, 8_000, (block_frames(rate_hz), 1), np.int16))
        frame = Frame(samples, rate_hz, number * 10_000_000)
        began_ns = time.perf_counter_ns()
        processor._process(frame)
        spent.append(time.perf_counter_ns() - began_ns)
    processor._close()
    return mean(spent[WARM_UP:]) / 1e3


def rows() -> Sequence[Row]:
    """Measure every processor that is installed, beside the audio's own duration."""
    found: list[Row] = []
    for entry in catalogue():
        if not entry.installed:
            continue
        for rate_hz in RATES_HZ:
            cost = cost_us(entry.name, rate_hz)
            found.append(
                Row(
                    what=f"{entry.name}, 10 ms of mono at {rate_hz // 1000} kHz",
                    here=f"{cost:.0f} us",
                    beside="the audio 10 ms",
                    ratio=f"{cost / BLOCK_US:.4f}",
                    goal="less than the audio lasts",
                    met=cost < BLOCK_US,
                )
            )
    return found
