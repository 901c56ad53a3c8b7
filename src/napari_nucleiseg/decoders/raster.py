"""What all kinds of image files share: pixels, limits, and how to say what is wrong."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.errors import BadInput

MAX_PIXELS = 2**28
"""Images with more pixels are refused before they are decoded."""

GREY_ALPHA, RGBA = 2, 4  # channels
# What readers raise on files that are damaged: anything their bytes lead to. The errors of
# imagecodecs are RuntimeErrors, that of tifffile is a ValueError.
BROKEN = (
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
    white_is_zero : bool
        True where 0 stands for white in a picture; ids and masks are not concerned.
    """

    pixels: np.ndarray
    palette: np.ndarray | None = None
    lossy: bool = False
    white_is_zero: bool = False


def check_size(path: Path, height: int, width: int) -> None:
    """Refuse a size of 0, and one beyond `MAX_PIXELS`, with `BadInput`."""
    if height < 1 or width < 1:
        raise damaged(path, "its size is 0")
    if height * width > MAX_PIXELS:
        raise BadInput(
            f"{path} has {height} x {width} pixels; at most {MAX_PIXELS} are read: cut it "
            "into parts or scale it down."
        )


def damaged(path: Path, reason: object) -> BadInput:
    """Say that a file is damaged, and what its reader said of it."""
    if isinstance(reason, MemoryError):
        return BadInput(f"{path} needs more memory than there is: cut it into parts.")
    text = " ".join(str(reason).split()) or type(reason).__name__
    return BadInput(f"{path} is damaged or cut short ({text[:120]}): copy or export it again.")


def without_alpha(pixels: np.ndarray) -> np.ndarray:
    """Drop the alpha of (H, W, 2) or (H, W, 4) pixels."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if channels == GREY_ALPHA:
        return np.ascontiguousarray(pixels[..., 0])
    return np.ascontiguousarray(pixels[..., :3]) if channels == RGBA else pixels
