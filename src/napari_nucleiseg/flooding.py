"""A watershed of many small regions at once."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

try:
    # Around this core `watershed` checks and copies, which takes several times as long as
    # the flood of a few touching nuclei.
    from skimage.segmentation._watershed_cy import watershed_raveled
except ImportError:
    watershed_raveled = None


def flood(
    heights: np.ndarray, seeds: np.ndarray, mask: np.ndarray, regions: np.ndarray
) -> np.ndarray:
    """Share the pixels of each region out among the seeds in it, the lowest first.

    Each region is flooded by itself. That gives what `skimage.segmentation.watershed`
    gives for it alone: where seeds meet on one height, the order that they are taken in
    depends on all that wait in the queue.

    Parameters
    ----------
    heights : (H, W) uint8
    seeds : (H, W) int32
        Numbers of the seeds; 0 where there is none.
    mask : (H, W) bool
        Pixels to be shared out; others are ignored, and the flood does not cross them.
    regions : (H, W) int32
        Number of the region that a pixel of the mask belongs to. Pixels of two regions
        share no edge.

    Returns
    -------
    (H, W) int32
        The number of the seed that reached each pixel; 0 outside the mask and where none did.
    """
    if watershed_raveled is not None:
        try:
            return _flood_all(heights, seeds, mask, regions)
        except (TypeError, ValueError):
            pass  # the core of this scikit-image takes other arguments
    return _flood_each(heights, seeds, mask, regions)


def _flood_all(
    heights: np.ndarray, seeds: np.ndarray, mask: np.ndarray, regions: np.ndarray
) -> np.ndarray:
    """Flood in arrays that all regions share, and that have a rim of one pixel."""
    height, width = heights.shape
    size, strides = (height + 2) * (width + 2), np.array([width + 2, 1], np.intp)
    neighbours = np.array([-strides[0], -1, 1, strides[0]], np.intp)
    inside = np.flatnonzero(mask)
    places = inside + 2 * (inside // width) + width + 3
    levels, is_free = np.zeros(size), np.zeros(size, np.int8)
    found, sown = np.zeros(size, np.int32), seeds.ravel()[inside]
    levels[places], is_free[places], found[places] = heights.ravel()[inside], 1, sown
    starts = places[sown != 0]
    for start in _by_region(starts, regions.ravel()[inside[sown != 0]]):
        watershed_raveled(levels, start, neighbours, is_free, strides, 0.0, found, False)
    return found.reshape(height + 2, width + 2)[1:-1, 1:-1]


def _by_region(places: np.ndarray, regions: np.ndarray) -> list[np.ndarray]:
    """Part flat indices by the region of each; their order stays."""
    order = np.argsort(regions, kind="stable")
    ends = np.flatnonzero(np.diff(regions[order])) + 1
    return np.split(places[order], ends)


def _flood_each(
    heights: np.ndarray, seeds: np.ndarray, mask: np.ndarray, regions: np.ndarray
) -> np.ndarray:
    found = np.zeros(heights.shape, np.int32)
    for number, box in enumerate(ndimage.find_objects(np.where(mask, regions, 0)), start=1):
        if box is not None:
            inside = mask[box] & (regions[box] == number)
            parts = watershed(heights[box], np.where(inside, seeds[box], 0), mask=inside)
            found[box][inside] = parts[inside]
    return found
