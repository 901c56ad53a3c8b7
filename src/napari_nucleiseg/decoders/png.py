"""PNG: Pillow reads up to 8 bit; OpenCV 16 bit, where Pillow drops the lower byte of colour."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import PngImagePlugin

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.decoders.raster import BROKEN, Raster, check_size, damaged, without_alpha

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by type of colour
_STEPS = {2: np.uint8(85), 4: np.uint8(17)}  # by bits
# First column and row of each pass of an interlaced PNG, and the steps between them.
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_AT_ONCE = 2**16


def png_size(path: Path, head: bytes) -> tuple[int, int]:
    """Read height and width from the first 64 bytes of a PNG file."""
    if len(head) < 33 or head[12:16] != b"IHDR":
        raise damaged(path, "no header")
    width, height = struct.unpack_from(">II", head, 16)
    check_size(path, height, width)
    return height, width


def decode_png(path: Path, head: bytes) -> Raster:
    """Read a PNG file, whose first 64 bytes are known."""
    png_size(path, head)
    data = path.read_bytes()
    stream = _pixel_stream(path, data)
    try:
        return _decode_deep_png(data) if head[24] == 16 else _decode_shallow_png(data, stream)
    except BROKEN as error:
        raise damaged(path, error) from error


def _pixel_stream(path: Path, data: bytes) -> list[memoryview]:
    """Walk all chunks and their check sums up to the end mark; give those of pixels."""
    view, at = memoryview(data), 8
    stream: list[memoryview] = []
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise damaged(path, "a check sum does not fit")
        if data.startswith(b"IEND", at + 4):
            return stream
        if data.startswith(b"IDAT", at + 4):
            stream.append(view[at + 8 : end - 4])
        at = end
    raise damaged(path, "the end of the PNG is missing")


def _bytes_of_rows(data: bytes) -> int:
    """Count the bytes of all rows before compression, each with its filter."""
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    bits = depth * _CHANNELS.get(colour, 0)
    passes = _ADAM7 if data[28] else ((0, 0, 1, 1),)
    sizes = (
        (len(range(y, height, down)), len(range(x, width, right))) for x, y, right, down in passes
    )
    return sum(rows * (1 + (columns * bits + 7) // 8) for rows, columns in sizes if columns)


def _check_rows(stream: Sequence[memoryview], expected: int) -> None:
    """See that no row is missing, by inflating the pixels without keeping them."""
    inflate, found = zlib.decompressobj(), 0
    for part in stream:
        rest: bytes | memoryview = part
        rows = b""
        while (rows or rest) and found < expected:
            rows = inflate.decompress(rest, _AT_ONCE)
            rest = inflate.unconsumed_tail
            found += len(rows)
    if found < expected:
        raise ValueError(f"{expected} bytes of pixels expected, {found} found")


def _decode_deep_png(data: bytes) -> Raster:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("OpenCV cannot decode it")
    return Raster(pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., 2::-1]))


def _decode_shallow_png(data: bytes, stream: Sequence[memoryview]) -> Raster:
    # The plugin's class, rather than Image.open, which has a limit of its own for all
    # plugins of the process.
    with PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:
        pixels = np.asarray(image)
        # Rows that are missing come as zeros, in an interlaced file not the last one alone.
        if data[28] or not pixels[-1].any():
            _check_rows(stream, _bytes_of_rows(data))
        if image.mode == "P":
            colours = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
            return Raster(pixels, colours)
        # Pillow spreads grey of 2 and 4 bit over 0 to 255, which are then no ids.
        step = _STEPS.get(data[24]) if image.mode == "L" else None
        return Raster(without_alpha(pixels) if step is None else pixels // step)
