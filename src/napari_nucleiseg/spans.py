"""Whole rows of pixels at once: label images are few runs of many equal pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

BAND = 2**22  # px that are worked on at once, where a whole image would need much memory
_AT_ONCE = 2**15  # px whose numbers are looked up at once


def band_height(width: int) -> int:
    """Give how many rows of an image of this width make a band."""
    return max(1, BAND // max(width, 1))


def bands(labels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield views of some rows each, with the index of their first pixel."""
    height, width = labels.shape
    step = band_height(width)
    for top in range(0, height, step):
        yield top * width, labels[top : top + step]


def find_runs(image: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the runs of one value, other than 0, in each row of an image.

    Parameters
    ----------
    image : (H, W) int or bool
    *others : (H, W)
        A run also ends where any of these changes.

    Returns
    -------
    starts, lengths : (n,) int64
        Flat index of the first pixel of each run, ascending; and how many pixels it has.
    """
    size, width = image.size, image.shape[1]
    begins = np.zeros(-(-size // 8) * 8, bool)
    flat = image.ravel()
    np.not_equal(flat[1:], flat[:-1], out=begins[1:size])
    for other in others:
        begins[1:size] |= other.ravel()[1:] != other.ravel()[:-1]
    begins[: size : max(width, 1)] = True
    # Changes are rare: eight pixels are looked at in one.
    eights = begins.view(np.uint64)
    places = np.flatnonzero(eights != 0)
    at = np.flatnonzero(eights[places].view(bool))
    starts = places[at >> 3] * 8 + (at & 7)
    lengths = np.diff(starts, append=size)
    found = np.flatnonzero(flat[starts])
    return starts[found], lengths[found]


def look_up(table: np.ndarray, labels: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Write `table[labels]` to an array, which may be the labels themselves.

    Some rows at a time: NumPy widens indices to 64 bits, and so these stay in the cache.
    """
    step = max(1, _AT_ONCE // max(labels.shape[1], 1))
    for top in range(0, labels.shape[0], step):
        out[top : top + step] = table.take(labels[top : top + step])
    return out
