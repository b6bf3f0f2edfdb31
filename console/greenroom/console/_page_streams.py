"""The page's card for one stream: pictures and sound of before and after, and what became of its frames."""

import base64
import functools
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Final

from greenroom.console._audio import clip, read_mono
from greenroom.console._facts import StreamFacts
from greenroom.console._measure import Method, NoiseReduction
from greenroom.console._spectrogram import LOUDEST_DB, QUIETEST_DB, palette, spectrogram_png, top_hz
from greenroom.console._words import NOTHING, decibels, milliseconds, tally

TIME_LABELS: Final = 5
HZ_LABELS: Final = 5


Figure = Callable[[str, Path], str]


def figures() -> Figure:
    """Return what makes the figures of one page: the input that several streams share is read and packed once."""
    return functools.cache(_figure)


def stream_card(stream: StreamFacts, figure: Figure) -> str:
    """Return the card of one stream; audio that cannot be read is said to be missing."""
    pipeline = '<span class="arrow">→</span>'.join(
        f'<span class="chip">{escape(p)}</span>' for p in stream.pipeline
    )
    pair = ""
    if stream.audio:
        pair = f'<div class="pair">{figure("before", stream.audio.before)}{figure("after", stream.audio.after)}</div>'
    return f"""<article class="card"><div class="streamhead"><h3>{escape(stream.label)} <span class="hint">stream {escape(stream.stream)}</span></h3>
<div>{pipeline or '<span class="soft">no processor</span>'}</div></div>{pair}{_facts(stream)}{_share(stream)}</article>"""


def colour_scale() -> str:
    """Return the key to the pictures' colours."""
    stops = ", ".join(f"rgb({r} {g} {b})" for r, g, b in palette()[::7])
    return (
        f'<span class="scale">{QUIETEST_DB:.0f} dB<span style="background: linear-gradient(90deg, {stops})"></span>'
        f"{LOUDEST_DB:.0f} dB</span>"
    )


def _figure(name: str, path: Path) -> str:
    try:
        signal, rate_hz = read_mono(path)
    except OSError as error:
        return f'<figure><figcaption><b>{name}</b></figcaption><p class="soft">Cannot be shown: {escape(str(error))}</p></figure>'
    length = len(signal) / rate_hz
    sound = clip(signal, rate_hz)
    player = (
        f'<audio controls preload="metadata" aria-label="{name}" src="{_data_uri(*sound)}"></audio>'
        if sound
        else f'<p class="hint">Too long for a player in the page; listen to <span class="mono">{escape(path.name)}</span>.</p>'
    )
    top = top_hz(rate_hz)
    hz = "".join(
        f"<span>{top * step / (HZ_LABELS - 1) / 1000:g}</span>" for step in reversed(range(HZ_LABELS))
    )
    ticks = "".join(f"<span>{length * step / (TIME_LABELS - 1):.1f} s</span>" for step in range(TIME_LABELS))
    picture = _data_uri("image/png", spectrogram_png(signal, rate_hz))
    return f"""<figure><figcaption><b>{name}</b><span class="mono">{escape(path.name)}</span></figcaption>
<div class="plot"><div class="hz" aria-hidden="true" title="kHz">{hz}</div>
<div class="picture" data-seconds="{length:.3f}"><img alt="Spectrogram {name} processing, {length:.1f} s, 0 to {top} Hz" src="{picture}"><i class="head"></i></div>
<div class="time" aria-hidden="true">{ticks}</div></div>{player}</figure>"""


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _facts(stream: StreamFacts) -> str:
    latency = stream.latency
    times = (
        "/".join(milliseconds(ns) for ns in (latency.p50_ns, latency.p99_ns, latency.max_ns))
        if latency.count
        else NOTHING
    )
    pairs = [
        ("in", f"{stream.frames_in:,}"),
        ("out", f"{stream.frames_out:,}"),
        ("dropped", _flagged(tally(stream.dropped), "bad")),
        ("bypassed", _flagged(tally(stream.bypassed), "care")),
        ("latency p50/p99/max", f"{times} ms"),
        ("noise", _noise(stream.noise)),
    ]
    return f'<dl class="facts">{"".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)}</dl>'


def _flagged(text: str, tone: str) -> str:
    return text if text == NOTHING else f'<span class="{tone}">{escape(text)}</span>'


def _noise(noise: NoiseReduction | None) -> str:
    if noise is None:
        return NOTHING
    what = "signal to noise" if noise.method is Method.REFERENCE else "noise floor"
    tone = "good" if noise.reduction_db >= 1 else "care" if noise.reduction_db < 0 else ""
    return (
        f'<b class="{tone}">{decibels(noise.reduction_db)}</b> '
        f'<span class="soft">({what} {noise.before_db:.1f} → {noise.after_db:.1f} dB)</span>'
    )


def _share(stream: StreamFacts) -> str:
    """A bar: how much came out processed, how much bypassed, how much not at all."""
    if not stream.frames_in:
        return ""
    bypassed, dropped = sum(stream.bypassed.values()), sum(stream.dropped.values()) + stream.frames_lost
    processed = max(0, stream.frames_out - bypassed)
    parts = (("ok", processed, "processed"), ("by", bypassed, "bypassed"), ("lost", dropped, "dropped"))
    told = ", ".join(f"{n} {what}" for _, n, what in parts)
    bars = "".join(f'<i class="{css}" style="flex:{n}"></i>' for css, n, _ in parts if n)
    return f'<div class="share" role="img" aria-label="{told}" title="{told}">{bars}</div>'
