"""Reading one image, and normalising it for a network."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.decoders import Raster, decode, read_size
from napari_nucleiseg.errors import BadInput

_LOW_PERCENTILE, _HIGH_PERCENTILE = 1.0, 99.8
# Smallest relative difference of two float32; and sizes beyond which differences, or their
# inverses, under- or overflow.
_LEAST_SPAN = 1e-6
_TINY, _HUGE = 1e-30, 1e30


def read_image(path: str | PathLike[str]) -> np.ndarray:
    """Read an image of nuclei.

    Parameters
    ----------
    path : path
        A PNG, JPEG or TIFF file of one image, of any integer or float type, grey, RGB
        or palette, with or without alpha.

    Returns
    -------
    (H, W) or (H, W, 3) uint8, uint16 or float32
        Pixels as stored, without alpha and with no EXIF rotation; inverted where the
        file says that 0 is white. A colour image whose channels are equal comes as grey.
        Integers beyond 16 bit become float32.

    Raises
    ------
    BadInput
        If the file cannot be read as one image (`decoders.decode` lists the cases), or
        holds values that are not finite.
    """
    path = Path(path)
    raster = decode(path)
    return _collapse_grey(_plain(path, _shown(raster)))


def read_image_size(path: str | PathLike[str]) -> tuple[int, int]:
    """Read height and width [px] from an image's header.

    Raises
    ------
    BadInput
        If the header cannot be read, or declares more than `MAX_PIXELS` pixels.
    """
    return read_size(Path(path))


def read_label_image(path: str | PathLike[str]) -> np.ndarray:
    """Read a label image: one number a pixel, 0 is background.

    Parameters
    ----------
    path : path
        A PNG or TIFF file of 8, 16 or 32 bit. Of a palette image the indices are the
        ids; of a grey image saved as RGB any channel. Float values must be whole.

    Returns
    -------
    (H, W) int32
        Ids as stored.

    Raises
    ------
    BadInput
        If the file cannot be read, is a JPEG (which changes ids), a colour picture, or
        holds ids that are negative, not whole or above 2**31 - 1.
    """
    path = Path(path)
    raster = decode(path)
    if raster.lossy:
        raise BadInput(f"{path} is a JPEG, which does not keep ids: save labels as TIFF or PNG.")
    return _ids(path, _one_channel(path, raster))


def read_mask(path: str | PathLike[str]) -> np.ndarray:
    """Read a binary mask.

    Returns
    -------
    (H, W) bool
        True above half of the largest value, so that 0/1 and 0/255 masks, smoothed
        edges and JPEG all do. All False for an empty mask.

    Raises
    ------
    BadInput
        If the file cannot be read or is a colour picture.
    """
    path = Path(path)
    raster = decode(path)
    values = _one_channel(path, raster)
    if raster.palette is not None and np.ptp(raster.palette, axis=1).max() == 0:
        values = _colours(raster)[..., 0]
    if values.dtype == bool:
        return values
    top = values.max()
    # Compared in the type of the file, which is many times faster than as float.
    return values > (top / 2 if values.dtype.kind == "f" else values.dtype.type(top // 2))


def _colours(raster: Raster) -> np.ndarray:
    """Replace the indices of a palette by its colours."""
    return raster.pixels if raster.palette is None else raster.palette[raster.pixels]


def _shown(raster: Raster) -> np.ndarray:
    """Give the pixels as a picture: black is low."""
    pixels = _colours(raster)
    # Of signed and float values nobody knows where black is.
    if not raster.white_is_zero or pixels.dtype.kind not in "bu":
        return pixels
    return ~pixels


def _plain(path: Path, pixels: np.ndarray) -> np.ndarray:
    """Bring pixels to uint8, uint16 or float32."""
    kind = pixels.dtype.kind
    if kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255)
    if kind not in "iuf":
        raise BadInput(
            f"{path} holds {pixels.dtype} values; expected integers or "
            "floats: save it as 8 or 16 bit."
        )
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    if kind in "iu" and pixels.min() >= 0 and pixels.max() <= 65535:
        return pixels.astype(np.uint16)
    with np.errstate(over="ignore"):
        floats = pixels.astype(np.float32)
    if not np.isfinite(floats).all():
        raise BadInput(
            f"{path} holds values that are no finite numbers (NaN or infinite); replace them "
            "before you save the image."
        )
    return floats


def _collapse_grey(pixels: np.ndarray) -> np.ndarray:
    """Take one channel where all are equal."""
    if pixels.ndim == 2:
        return pixels
    first = pixels[..., 0]
    if np.array_equal(first, pixels[..., 1]) and np.array_equal(first, pixels[..., 2]):
        return np.ascontiguousarray(first)
    return pixels


def _one_channel(path: Path, raster: Raster) -> np.ndarray:
    values = _collapse_grey(raster.pixels)
    if values.ndim == 3 and raster.lossy:
        return values.mean(axis=2)
    if values.ndim == 3:
        raise BadInput(
            f"{path} is a colour picture; expected a mask or label image with one number a "
            "pixel: save it as grey."
        )
    return values


def _ids(path: Path, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "biuf":
        raise BadInput(
            f"{path} holds {values.dtype} values; expected whole numbers as "
            "ids: save the labels as integers."
        )
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        raise BadInput(
            f"{path} holds values that are not whole; expected ids of nuclei: "
            "save the labels as integers."
        )
    if values.min() < 0 or values.max() > np.iinfo(np.int32).max:
        raise BadInput(
            f"{path} holds ids from {values.min()} to {values.max()}; expected 0 to "
            "2147483647: renumber the nuclei."
        )
    return values.astype(np.int32)


def intensity_range(image: np.ndarray) -> tuple[float, float]:
    """Find the intensities that become black and white.

    All channels share one range, so that a stain keeps its hue. Large images are
    subsampled.

    Parameters
    ----------
    image : (H, W) or (H, W, C)
        Any real dtype.

    Returns
    -------
    low, high : float
        The 1st and 99.8th percentile; `high` is always above `low`, by 1e-6 of their size
        at least.
    """
    stride = max(1, int(np.sqrt(image.shape[0] * image.shape[1] / 2**20)))
    some = image[::stride, ::stride]
    percentiles = np.array((_LOW_PERCENTILE, _HIGH_PERCENTILE))
    if some.dtype == np.uint8:
        low, high = _percentiles_of_bytes(some, percentiles)
    else:
        # As float64, in which the difference of any two values of a file is finite.
        is_float = some.dtype.kind == "f"
        low, high = np.percentile(some.astype(np.float64) if is_float else some, percentiles)
    least = max(abs(low), abs(high)) * _LEAST_SPAN
    if high - low > max(least, _TINY):
        return float(low), float(high)
    return float(low), float(low + max(least, _LEAST_SPAN))


def _percentiles_of_bytes(values: np.ndarray, percentiles: np.ndarray) -> np.ndarray:
    """Give what `np.percentile` gives, from a histogram: in a tenth of the time."""
    row = np.ascontiguousarray(values).reshape(1, -1)
    counts = cv2.calcHist([row], [0], None, [256], [0, 256]).ravel()
    up_to = counts.cumsum(dtype=np.float64)
    ranks = percentiles / 100 * (up_to[-1] - 1)
    below = np.searchsorted(up_to, np.floor(ranks), side="right")
    above = np.searchsorted(up_to, np.ceil(ranks), side="right")
    return np.asarray(below + (above - below) * (ranks - np.floor(ranks)))


def normalise(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """Scale an image, or a part of it, to what the networks expect.

    Parameters
    ----------
    image : (H, W), (H, W, 1) or (H, W, 3)
        Any real dtype.
    low, high : float
        From `intensity_range` of the whole image.

    Returns
    -------
    (H, W, 3) float32
        In [-1, 1], as Keras' MobileNetV2 expects; grey images thrice the same channel.
    """
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.dtype == np.uint8:
        # The same numbers from a table of the 256 there are, in a fraction of the time.
        scaled = cv2.LUT(image, _scale(np.arange(256, dtype=np.uint8), low, high))
    else:
        scaled = _scale(image, low, high)
    return scaled if scaled.ndim == 3 else np.asarray(cv2.cvtColor(scaled, cv2.COLOR_GRAY2RGB))


def to_bytes(normalised: np.ndarray) -> np.ndarray:
    """Give an image from `normalise` as uint8 of the same shape: -1 as 0, 1 as 255."""
    return np.round((normalised + 1) * 127.5).astype(np.uint8)


def _scale(values: np.ndarray, low: float, high: float) -> np.ndarray:
    scaled = values.astype(np.float32)
    if max(abs(low), abs(high)) > _HUGE:
        scaled *= np.float32(0.25)
        low, high = low / 4, high / 4
    with np.errstate(over="ignore"):  # far above white is white
        scaled -= np.float32(low)
        scaled *= np.float32(2.0 / (high - low))
    scaled -= np.float32(1.0)
    return np.clip(scaled, -1.0, 1.0, out=scaled)
