"""Writes small indexed PNG pictures: three chunks, one palette, no dependency."""

import struct
import zlib

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"
INDEXED = 3


def indexed_png(pixels: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8]) -> bytes:
    """Return a PNG file of ``pixels``.

    Args:
        pixels: shape ``(rows, columns)``, top row first, each an index into ``palette``.
        palette: shape ``(colours, 3)``, red, green, blue, at most 256 colours.
    """
    rows, columns = pixels.shape
    header = struct.pack(">IIBBBBB", columns, rows, 8, INDEXED, 0, 0, 0)
    # Each row starts with its filter; 0 (none) compresses best for palette pictures.
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), pixels], axis=1)
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", palette.astype(np.uint8).tobytes()),
            _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
