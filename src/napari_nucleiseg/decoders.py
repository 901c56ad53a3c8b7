"""Pixels out of PNG, JPEG and TIFF files, or one sentence on why not.

No reader tells of every broken file: some give back a truncated JPEG at its full size,
some an empty array for a truncated TIFF, and a small PNG can unfold into gigabytes. So
the kind of file, its size in pixels and its structure are checked here before a reader
sees it. Pillow reads PNG up to 8 bit and JPEG, OpenCV reads PNG of 16 bit (Pillow drops
the lower byte of colour), tifffile reads TIFF.

Pixels come as they are stored. An EXIF orientation is not applied, to images and masks
alike: masks are drawn on stored pixels and seldom carry the tag themselves.
"""

from __future__ import annotations

import io
import logging
import os
import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import tifffile
from PIL import JpegImagePlugin, PngImagePlugin

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.errors import BadInput

IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
MAX_PIXELS = 2**28
"""Images with more pixels are refused before they are decoded."""

# What tifffile logs of a damaged file would stand beside the one sentence that says it.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_GREY_ALPHA, _RGBA = 2, 4
# What readers raise on files that are damaged: anything their bytes lead to. The errors of
# imagecodecs are RuntimeErrors, that of tifffile is a ValueError.
_BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    cv2.error,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class Raster:
    """What a file holds.

    Attributes
    ----------
    pixels : (H, W) or (H, W, 3)
        As stored, without alpha; the indices, where there is a palette.
    palette : (N, 3) uint8 or None
        The colour of each index.
    lossy : bool
        True for JPEG, whose values are only near to what was saved.
    """

    pixels: np.ndarray
    palette: np.ndarray | None = None
    lossy: bool = False


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
        raster = _decode_tiff(path)
    elif head.startswith(_PNG):
        raster = _decode_png(path, head)
    else:
        raster = _decode_jpeg(path)
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
        with _open_tiff(path) as tif:
            page = _only_page(path, tif)
            return page.imagelength, page.imagewidth
    if head.startswith(_PNG):
        return _png_size(path, head)
    with path.open("rb") as file:
        jpeg = _open_jpeg(path, file)
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


def _check_size(path: Path, height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise _damaged(path, "its size is 0")
    if height * width > MAX_PIXELS:
        raise BadInput(
            f"{path} has {height} x {width} pixels; at most {MAX_PIXELS} are read: cut it "
            "into parts or scale it down."
        )


def _check_raster(path: Path, raster: Raster) -> None:
    shape, palette = raster.pixels.shape, raster.palette
    if len(shape) not in (2, 3) or 0 in shape or (len(shape) == 3 and shape[2] != 3):
        raise _damaged(path, f"it came out with the shape {shape}")
    if palette is not None:
        _check_palette(path, raster.pixels, palette)


def _check_palette(path: Path, pixels: np.ndarray, palette: np.ndarray) -> None:
    if pixels.ndim != 2 or pixels.dtype.kind not in "iu" or palette.ndim != 2:
        raise _damaged(path, "its palette does not fit")
    if not 0 <= pixels.min() <= pixels.max() < len(palette):
        raise _damaged(path, "its palette lacks colours that it uses")


def _damaged(path: Path, reason: object) -> BadInput:
    if isinstance(reason, MemoryError):
        return BadInput(f"{path} needs more memory than there is: cut it into parts.")
    text = " ".join(str(reason).split()) or type(reason).__name__
    return BadInput(f"{path} is damaged or cut short ({text[:120]}): copy or export it again.")


# --- PNG


def _png_size(path: Path, head: bytes) -> tuple[int, int]:
    if len(head) < 33 or head[12:16] != b"IHDR":
        raise _damaged(path, "no header")
    width, height = struct.unpack_from(">II", head, 16)
    _check_size(path, height, width)
    return height, width


def _decode_png(path: Path, head: bytes) -> Raster:
    _png_size(path, head)
    data = path.read_bytes()
    _check_png_chunks(path, data)
    try:
        return _decode_deep_png(data) if head[24] == 16 else _decode_shallow_png(data)
    except _BROKEN as error:
        raise _damaged(path, error) from error


def _check_png_chunks(path: Path, data: bytes) -> None:
    """Walk all chunks and their check sums up to the end mark."""
    view, at = memoryview(data), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise _damaged(path, "a check sum does not fit")
        if data.startswith(b"IEND", at + 4):
            return
        at = end
    raise _damaged(path, "the end of the PNG is missing")


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
        return Raster(_without_alpha(pixels))


def _without_alpha(pixels: np.ndarray) -> np.ndarray:
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if channels == _GREY_ALPHA:
        return np.ascontiguousarray(pixels[..., 0])
    return np.ascontiguousarray(pixels[..., :3]) if channels == _RGBA else pixels


# --- JPEG


def _open_jpeg(path: Path, file: IO[bytes]) -> JpegImagePlugin.JpegImageFile:
    """Read the header; the pixels are not decoded yet."""
    try:
        jpeg = JpegImagePlugin.JpegImageFile(file)
    except _BROKEN as error:
        raise _damaged(path, error) from error
    _check_size(path, jpeg.height, jpeg.width)
    return jpeg


def _decode_jpeg(path: Path) -> Raster:
    data = path.read_bytes()
    jpeg = _open_jpeg(path, io.BytesIO(data))
    # Inside the scan neither mark can occur, so an end that comes before the last
    # scan's start belongs to an embedded preview.
    if data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        raise _damaged(path, "the end of the JPEG is missing")
    try:
        image = jpeg if jpeg.mode in ("L", "RGB") else jpeg.convert("RGB")
        return Raster(np.asarray(image), lossy=True)
    except _BROKEN as error:
        raise _damaged(path, error) from error


# --- TIFF


def _open_tiff(path: Path) -> tifffile.TiffFile:
    try:
        # OME metadata may name other files, which are not to be opened.
        return tifffile.TiffFile(path, is_ome=False)
    except _BROKEN as error:
        raise _damaged(path, error) from error


def _only_page(path: Path, tif: tifffile.TiffFile) -> tifffile.TiffPage:
    """Find the one full image of a TIFF; previews and pyramid levels are not counted.

    A stack is refused rather than its first page read: which of its planes shows the
    nuclei is not known here.
    """
    try:
        full = (page for page in tif.pages if isinstance(page, tifffile.TiffPage))
        pages = [page for page in full if not page.is_reduced and not page.is_mask]
        shape = tif.series[0].shape if tif.series else ()
        planes = max(len(pages), int(np.prod(shape[: -len(pages[0].shape)]))) if pages else 0
    except _BROKEN as error:
        raise _damaged(path, error) from error
    if not planes:
        raise _damaged(path, "no page")
    if planes > 1:
        raise BadInput(
            f"{path} is a stack of {planes} planes; expected one image: save the plane "
            "that shows the nuclei as a file of its own."
        )
    page = pages[0]
    _check_size(path, page.imagelength, page.imagewidth)
    return page


def _decode_tiff(path: Path) -> Raster:
    with _open_tiff(path) as tif:
        page = _only_page(path, tif)
        _check_segments(path, tif, page)
        _check_channels(path, page)
        try:
            return _tiff_raster(path, page, page.asarray())
        except BadInput:
            raise
        except _BROKEN as error:
            raise _undecodable(path, error) from error


def _undecodable(path: Path, error: Exception) -> BadInput:
    if "imagecodecs" not in str(error):
        return _damaged(path, error)
    return BadInput(
        f"{path} is compressed in a way that is not supported here ({error}): save it without "
        "compression, or pip install imagecodecs."
    )


def _check_segments(path: Path, tif: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
    """See that all strips or tiles lie within the file."""
    size = tif.filehandle.size
    ends = [a + n for a, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if not ends or max(ends) > size or page.imagedepth != 1:
        raise _damaged(path, f"{max(ends, default=0)} bytes expected, {size} found")


def _check_channels(path: Path, page: tifffile.TiffPage) -> None:
    channels, rgb = page.samplesperpixel, page.photometric == tifffile.PHOTOMETRIC.RGB
    alpha = channels == _GREY_ALPHA and bool(page.extrasamples)
    if channels in (1, 3) or alpha or (channels == _RGBA and rgb):
        return
    raise BadInput(
        f"{path} has {channels} channels; expected grey, RGB or RGBA: save the channel that "
        "shows the nuclei as a file of its own."
    )


def _tiff_raster(path: Path, page: tifffile.TiffPage, pixels: np.ndarray) -> Raster:
    if pixels.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.shape[:2] != (page.imagelength, page.imagewidth):
        raise _damaged(path, f"it came out with the shape {pixels.shape}")
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        indices = pixels.astype(np.uint8) if pixels.dtype.kind == "b" else pixels
        return Raster(indices, (page.colormap.T >> 8).astype(np.uint8))
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind in "bu":
        top = True if pixels.dtype.kind == "b" else np.iinfo(pixels.dtype).max
        pixels = np.logical_not(pixels) if top is True else top - pixels
    return Raster(_without_alpha(pixels))
