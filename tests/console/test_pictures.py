"""Spectrograms and the PNG files that hold them."""

import struct
import zlib

import numpy as np

from greenroom.console._png import SIGNATURE, indexed_png
from greenroom.console._spectrogram import (
    COLOURS,
    HEIGHT,
    LOUDEST_DB,
    QUIETEST_DB,
    WIDTH,
    levels_db,
    palette,
    spectrogram_png,
)

RATE = 16_000


def chunks(png: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG file by kind, their checksums verified."""
    assert png.startswith(SIGNATURE)
    found: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + body),)
        found[kind] = body
        at += 12 + length
    return found


def test_a_png_holds_its_pixels() -> None:
    """What is written can be read back: size, palette and every pixel, with right checksums."""
    pixels = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    found = chunks(indexed_png(pixels, colours))
    assert struct.unpack(">IIBB", found[b"IHDR"][:10]) == (3, 2, 8, 3)
    assert found[b"PLTE"] == colours.tobytes()
    assert zlib.decompress(found[b"IDAT"]) == b"\0\0\1\2\0\2\1\0"


def test_the_palette_brightens_evenly() -> None:
    """Louder is always brighter, so that the picture can be read without colours."""
    brightness = palette().astype(float) @ (0.2126, 0.7152, 0.0722)
    assert len(brightness) == COLOURS
    assert (np.diff(brightness) > 0).all()


def test_a_whistle_is_a_line_at_its_height() -> None:
    """A full-scale 2 kHz sine shows at a quarter of an 8 kHz picture, at 0 dB, and nowhere far from it."""
    sine = np.sin(2 * np.pi * 2_000 * np.arange(RATE) / RATE)
    levels = levels_db(sine, RATE)
    assert levels.shape == (HEIGHT, WIDTH)
    middle = levels[:, WIDTH // 2]
    assert abs(int(middle.argmax()) - HEIGHT // 4) <= 1
    assert abs(middle.max()) < 0.5
    assert middle[HEIGHT // 2 :].max() < -60


def test_a_click_is_seen_however_long_the_file_is() -> None:
    """Squeezing a minute into the picture keeps its loudest moments."""
    signal = np.zeros(60 * RATE)
    signal[30 * RATE] = 1
    levels = levels_db(signal, RATE)
    assert levels[:, WIDTH // 2].max() > -60
    assert levels[:, WIDTH // 4].max() == QUIETEST_DB


def test_silence_and_shorter_than_a_window_are_pictures_too() -> None:
    """Nothing to see is not an error."""
    for length in (0, 1, 100):
        assert (levels_db(np.zeros(length), RATE) == QUIETEST_DB).all()


def test_rates_that_files_come_in_make_pictures_of_one_size() -> None:
    """8 kHz telephone and 48 kHz studio both fill the picture."""
    for rate in (8_000, 44_100, 48_000):
        noise = np.random.default_rng(1).normal(0, 0.1, rate)
        png = chunks(spectrogram_png(noise, rate))
        assert struct.unpack(">II", png[b"IHDR"][:8]) == (WIDTH, HEIGHT)
        pixels = np.frombuffer(zlib.decompress(png[b"IDAT"]), np.uint8).reshape(HEIGHT, WIDTH + 1)[:, 1:]
        assert pixels[HEIGHT // 4 : -HEIGHT // 4].min() > 0
        assert QUIETEST_DB < LOUDEST_DB
