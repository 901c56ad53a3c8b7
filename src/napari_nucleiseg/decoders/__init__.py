"""Pixels out of PNG, JPEG and TIFF files, or one sentence on why not.

No reader tells of every broken file: some give back a truncated JPEG at its full size,
some an empty array for a truncated TIFF, and a small PNG can unfold into gigabytes. So
the kind of file, its size in pixels and its structure are checked here before a reader
sees it.

Pixels come as they are stored. An EXIF orientation is not applied, to images and masks
alike: masks are drawn on stored pixels and seldom carry the tag themselves.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np

from napari_nucleiseg.decoders.jpeg import decode_jpeg, open_jpeg
from napari_nucleiseg.decoders.png import decode_png, png_size
from napari_nucleiseg.decoders.raster import MAX_PIXELS, Raster, damaged
from napari_nucleiseg.decoders.tiff import decode_tiff, only_page, open_tiff
from napari_nucleiseg.errors import BadInput

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "Raster", "decode", "read_size"]

IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def decode(path: Path) -> Raster:
    """Read a PNG, JPEG or TIFF file of one image.

    Raises
    ------
    BadInput
        If it is no such file, is damaged or cut short, is empty, has more than
        `MAX_PIXELS` pixels, several pages, or a number of channels other than grey,
        grey and alpha, RGB, or RGBA.
    """
    head = _read_head(path)
    if head.startswith(_TIFF):
        raster = decode_tiff(path)
    elif head.startswith(_PNG):
        raster = decode_png(path, head)
    else:
        raster = decode_jpeg(path)
    _check_raster(path, raster)
    return raster


def read_size(path: Path) -> tuple[int, int]:
    """Read height and width of an image from its header, without its pixels.

    Raises
    ------
    BadInput
        As `decode`, as far as a header tells.
    """
    head = _read_head(path)
    if head.startswith(_TIFF):
        with open_tiff(path) as tif:
            page = only_page(path, tif)
            return page.imagelength, page.imagewidth
    if head.startswith(_PNG):
        return png_size(path, head)
    with path.open("rb") as file:
        jpeg = open_jpeg(path, file)
        return jpeg.height, jpeg.width


def _read_head(path: Path) -> bytes:
    """Read the first bytes, and see that they are those of an image."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise BadInput(
                f"{path} is not a regular file; expected a PNG, TIFF or JPEG image: remove it."
            )
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read ({error.strerror}); check that it exists and that you "
            "may read it."
        ) from error
    if not head:
        raise BadInput(f"{path} is empty; expected an image: copy or export it again.")
    if not head.startswith((_PNG, _JPEG, *_TIFF)):
        raise BadInput(
            f"{path} is not a PNG, TIFF or JPEG image, whatever its name says: export it "
            "as one of these."
        )
    return head


def _check_raster(path: Path, raster: Raster) -> None:
    shape, palette = raster.pixels.shape, raster.palette
    if len(shape) not in (2, 3) or 0 in shape or (len(shape) == 3 and shape[2] != 3):
        raise damaged(path, f"it came out with the shape {shape}")
    if palette is not None:
        _check_palette(path, raster.pixels, palette)


def _check_palette(path: Path, pixels: np.ndarray, palette: np.ndarray) -> None:
    if pixels.ndim != 2 or pixels.dtype.kind not in "iu" or palette.ndim != 2:
        raise damaged(path, "its palette does not fit")
    if not 0 <= pixels.min() <= pixels.max() < len(palette):
        raise damaged(path, "its palette lacks colours that it uses")
