"""PNG: Pillow reads up to 8 bit; OpenCV 16 bit, where Pillow drops the lower byte of colour."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import PngImagePlugin

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.decoders.raster import BROKEN, Raster, check_size, damaged, without_alpha


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
    _check_png_chunks(path, data)
    try:
        return _decode_deep_png(data) if head[24] == 16 else _decode_shallow_png(data)
    except BROKEN as error:
        raise damaged(path, error) from error


def _check_png_chunks(path: Path, data: bytes) -> None:
    """Walk all chunks and their check sums up to the end mark."""
    view, at = memoryview(data), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise damaged(path, "a check sum does not fit")
        if data.startswith(b"IEND", at + 4):
            return
        at = end
    raise damaged(path, "the end of the PNG is missing")


def _decode_deep_png(data: bytes) -> Raster:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("OpenCV cannot decode it")
    return Raster(pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., 2::-1]))


def _decode_shallow_png(data: bytes) -> Raster:
    # The plugin's class, rather than Image.open, which has a limit of its own for all
    # plugins of the process.
    with PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:
        pixels = np.asarray(image)
        if image.mode == "P":
            colours = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
            return Raster(pixels, colours)
        return Raster(without_alpha(pixels))
