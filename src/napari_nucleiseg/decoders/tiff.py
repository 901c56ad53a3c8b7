"""TIFF of one image, read by tifffile."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import tifffile

from napari_nucleiseg.decoders.raster import (
    BROKEN,
    GREY_ALPHA,
    RGBA,
    Raster,
    check_size,
    damaged,
    without_alpha,
)
from napari_nucleiseg.errors import BadInput

_MAX_BYTES = 2**31
_OTHER_COLOURS = (
    tifffile.PHOTOMETRIC.CIELAB,
    tifffile.PHOTOMETRIC.ICCLAB,
    tifffile.PHOTOMETRIC.ITULAB,
    tifffile.PHOTOMETRIC.LOGLUV,
)
# Kinds of JPEG, of which tifffile makes RGB.
_TO_RGB = (
    tifffile.COMPRESSION.OJPEG,
    tifffile.COMPRESSION.JPEG,
    tifffile.COMPRESSION.ALT_JPEG,
    tifffile.COMPRESSION.JPEG_LOSSY,
)

# What tifffile logs of a damaged file would stand beside the one sentence that says it.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def open_tiff(path: Path) -> tifffile.TiffFile:
    """Open a TIFF file; its pages are not read yet."""
    try:
        # OME metadata may name other files, which are not to be opened.
        return tifffile.TiffFile(path, is_ome=False)
    except BROKEN as error:
        raise damaged(path, error) from error


def only_page(path: Path, tif: tifffile.TiffFile) -> tifffile.TiffPage:
    """Find the one full image of a TIFF; previews and pyramid levels are not counted.

    A stack is refused rather than its first page read: which of its planes shows the
    nuclei is not known here.
    """
    try:
        full = (page for page in tif.pages if isinstance(page, tifffile.TiffPage))
        pages = [page for page in full if not page.is_reduced and not page.is_mask]
        shape = tif.series[0].shape if tif.series else ()
        planes = max(len(pages), int(np.prod(shape[: -len(pages[0].shape)]))) if pages else 0
        planes *= int(pages[0].imagedepth) if pages else 1
    except BROKEN as error:
        raise damaged(path, error) from error
    if not planes:
        raise damaged(path, "no page")
    if planes > 1:
        raise BadInput(
            f"{path} is a stack of {planes} planes; expected one image: save the plane "
            "that shows the nuclei as a file of its own."
        )
    page = pages[0]
    check_size(path, page.imagelength, page.imagewidth)
    return page


def decode_tiff(path: Path) -> Raster:
    """Read the one full image of a TIFF file."""
    with open_tiff(path) as tif:
        page = only_page(path, tif)
        _check_segments(path, tif, page)
        _check_bytes(path, page)
        _check_channels(path, page)
        try:
            return _tiff_raster(path, page, page.asarray())
        except BadInput:
            raise
        except BROKEN as error:
            raise _undecodable(path, error) from error


def _undecodable(path: Path, error: Exception) -> BadInput:
    if "imagecodecs" not in str(error):
        return damaged(path, error)
    return BadInput(
        f"{path} is compressed in a way that is not supported here ({error}): save it without "
        "compression, or pip install imagecodecs."
    )


def _check_segments(path: Path, tif: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
    """See that all strips or tiles lie within the file."""
    size = tif.filehandle.size
    ends = [a + n for a, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if not ends or max(ends) > size:
        raise damaged(path, f"{max(ends, default=0)} bytes expected, {size} found")


def _check_bytes(path: Path, page: tifffile.TiffPage) -> None:
    """Refuse a small file that unfolds into more memory than a computer has."""
    if page.nbytes > _MAX_BYTES:
        raise BadInput(
            f"{path} holds {page.nbytes / 2**30:.1f} GiB of pixels; at most "
            f"{_MAX_BYTES // 2**30} GiB are read: save it with 8 or 16 bit, or cut it into parts."
        )


def _check_channels(path: Path, page: tifffile.TiffPage) -> None:
    is_ycbcr = page.photometric == tifffile.PHOTOMETRIC.YCBCR
    if page.photometric in _OTHER_COLOURS or (is_ycbcr and page.compression not in _TO_RGB):
        raise BadInput(
            f"{path} holds its colours as {tifffile.PHOTOMETRIC(page.photometric).name}; expected "
            "grey, RGB or RGBA: save it as RGB."
        )
    channels, rgb = page.samplesperpixel, page.photometric == tifffile.PHOTOMETRIC.RGB
    alpha = channels == GREY_ALPHA and bool(page.extrasamples)
    if channels in (1, 3) or alpha or (channels == RGBA and rgb):
        return
    raise BadInput(
        f"{path} has {channels} channels; expected grey, RGB or RGBA: save the channel that "
        "shows the nuclei as a file of its own."
    )


def _check_alpha(path: Path, pixels: np.ndarray) -> None:
    """Refuse to drop a fourth channel that shows something: programs save any four as RGBA."""
    if pixels.ndim == 3 and pixels.shape[2] == RGBA and len(np.unique(pixels[::8, ::8, 3])) > 2:
        raise BadInput(
            f"{path} has four channels, and the fourth is more than transparent or not: save the "
            "channel that shows the nuclei, or the image without transparency."
        )


def _tiff_raster(path: Path, page: tifffile.TiffPage, pixels: np.ndarray) -> Raster:
    if pixels.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.shape[:2] != (page.imagelength, page.imagewidth):
        raise damaged(path, f"it came out with the shape {pixels.shape}")
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        indices = pixels.astype(np.uint8) if pixels.dtype.kind == "b" else pixels
        return Raster(indices, (page.colormap.T >> 8).astype(np.uint8))
    _check_alpha(path, pixels)
    white_is_zero = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    return Raster(without_alpha(pixels), white_is_zero=white_is_zero)
