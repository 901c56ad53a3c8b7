"""A picture of labels over their image."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from skimage.segmentation import find_boundaries

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.images import intensity_range, normalise, to_bytes
from napari_nucleiseg.label_files import MARK

# Hues far from both the blue of fluorescence and the purple of haematoxylin stand out.
_COLOURS = np.array(
    [(255, 214, 0), (0, 230, 118), (0, 229, 255), (255, 109, 0), (255, 64, 129), (198, 255, 0)],
    np.uint8,
)
_ZOOM = 2


def overlay(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Draw the outlines of nuclei over an image.

    Parameters
    ----------
    image : (H, W) or (H, W, 3)
        Any real dtype.
    labels : (H, W) int
        Nucleus ids, 0 is background.

    Returns
    -------
    (H, W, 3) uint8
        RGB; touching nuclei mostly have different colours.
    """
    picture = to_bytes(normalise(image, *intensity_range(image)))
    edges = find_boundaries(labels, mode="inner")
    picture[edges] = _COLOURS[labels[edges] % len(_COLOURS)]
    return picture


def side_by_side(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Set an image beside its overlay, enlarged so that single pixels can be seen.

    Parameters
    ----------
    image : (H, W) or (H, W, 3)
        Any real dtype.
    labels : (H, W) int

    Returns
    -------
    (2 * H, 4 * W, 3) uint8
        RGB.
    """
    plain = overlay(image, np.zeros(image.shape[:2], np.int32))
    both = np.hstack([plain, overlay(image, labels)])
    return cv2.resize(both, None, fx=_ZOOM, fy=_ZOOM, interpolation=cv2.INTER_NEAREST)


def middle(shape: tuple[int, ...], edge: int) -> tuple[slice, slice]:
    """Give the rows and columns of the square of this edge [px] in the middle of an image.

    A side that is shorter is kept whole.
    """
    top, left = (max(0, length - edge) // 2 for length in shape[:2])
    return slice(top, top + edge), slice(left, left + edge)


def encode_png(picture: np.ndarray) -> bytes:
    """Encode an (H, W, 3) uint8 RGB picture as PNG, marked as made by this program."""
    mark = PngInfo()
    mark.add_text("Software", MARK)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", pnginfo=mark, compress_level=1)
    return buffer.getvalue()
