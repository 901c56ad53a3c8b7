"""JPEG, read by Pillow."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO

import numpy as np
from PIL import JpegImagePlugin

from napari_nucleiseg.decoders.raster import BROKEN, Raster, check_size, damaged


def open_jpeg(path: Path, file: IO[bytes]) -> JpegImagePlugin.JpegImageFile:
    """Read the header; the pixels are not decoded yet."""
    try:
        jpeg = JpegImagePlugin.JpegImageFile(file)
    except BROKEN as error:
        raise damaged(path, error) from error
    check_size(path, jpeg.height, jpeg.width)
    return jpeg


def decode_jpeg(path: Path) -> Raster:
    """Read a JPEG file, grey or to RGB."""
    data = path.read_bytes()
    jpeg = open_jpeg(path, io.BytesIO(data))
    # Inside the scan neither mark can occur, so an end that comes before the last
    # scan's start belongs to an embedded preview.
    if data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        raise damaged(path, "the end of the JPEG is missing")
    try:
        image = jpeg if jpeg.mode in ("L", "RGB") else jpeg.convert("RGB")
        return Raster(np.asarray(image), lossy=True)
    except BROKEN as error:
        raise damaged(path, error) from error
