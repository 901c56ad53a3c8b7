"""Finding one nucleus around a click, in the maps of a network or in the image itself."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from napari_nucleiseg import shapes
from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.labels import unit_maps

Window = tuple[slice, slice]

# A found region smaller than this [px²] is noise.
_SMALLEST = 12
# How far from the click is looked [px]: without neighbours to learn from, and the limits.
_REACH, _LEAST_REACH, _MOST_REACH = 64, 16, 160
# The same in diameters of the neighbours, and the largest area in areas of a neighbour.
_REACH_DIAMETERS, _LARGEST_AREAS = 1.75, 6.0
# Foreground below this [0..1] at the click says that the network saw nothing.
_LEAST_FOREGROUND = 0.1
# A maximum of the distance map is another nucleus when it stands out by this [0..1].
_SEPARATION = 0.1
# The click differs from the background by this many times the background's spread.
_LEAST_CONTRAST = 2.3
# Where between background (0) and click (1) an outline is tried.
_LEVELS = np.linspace(0.1, 0.95, 24)


def region(
    labels: np.ndarray,
    pixel: tuple[int, int],
    *,
    maps: np.ndarray | None = None,
    image: np.ndarray | None = None,
) -> tuple[Window, np.ndarray] | None:
    """Find the nucleus at a pixel of the background.

    Parameters
    ----------
    labels : (H, W) int
        Their nuclei are left out, and those nearby tell how large a nucleus may be.
    pixel : (y, x)
    maps : (H, W, 3) uint8 or float32, optional
        Asked first.
    image : (H, W) or (H, W, C), optional

    Returns
    -------
    window, (h, w) bool, or None
        Where nothing stands out.
    """
    typical = _typical_area(labels, pixel)
    reach = _reach(typical)
    largest = _LARGEST_AREAS * typical if typical else np.inf
    for distance in (reach, 2 * reach):
        window, at, free = _surroundings(labels, pixel, distance)
        inner = _not_at_the_rim(free, window, labels.shape)
        if maps is not None:
            mask = _from_maps(unit_maps(maps[window]), free, at)
            if mask.sum() >= _SMALLEST and not (mask & ~inner).any():
                return window, mask
        if image is not None:
            mask = _from_image(image[window], free, inner, at, largest)
            if mask.sum() >= _SMALLEST:
                return window, mask
    return None


def _typical_area(labels: np.ndarray, pixel: tuple[int, int]) -> float:
    """Median area [px²] of the nuclei nearby; 0 where there are too few to tell."""
    window, _, _ = _surroundings(labels, pixel, 256)
    ids, areas = np.unique(labels[window], return_counts=True)
    return float(np.median(areas[ids > 0])) if (ids > 0).sum() >= 3 else 0.0


def _reach(typical: float) -> int:
    if not typical:
        return _REACH
    diameter = 2 * np.sqrt(typical / np.pi)
    return int(np.clip(_REACH_DIAMETERS * diameter, _LEAST_REACH, _MOST_REACH))


def _surroundings(
    labels: np.ndarray, pixel: tuple[int, int], reach: int
) -> tuple[Window, tuple[int, int], np.ndarray]:
    """Window around a pixel, the pixel in it, and where the window is free of nuclei."""
    y, x = (slice(max(0, at - reach), at + reach + 1) for at in pixel)
    return (y, x), (pixel[0] - y.start, pixel[1] - x.start), labels[y, x] == 0


def _not_at_the_rim(free: np.ndarray, window: Window, shape: tuple[int, ...]) -> np.ndarray:
    """All but the window's outermost pixels, where the image goes on behind them."""
    inner = np.ones_like(free)
    inner[: int(window[0].start > 0)] = False
    inner[:, : int(window[1].start > 0)] = False
    inner[free.shape[0] - int(window[0].stop < shape[0]) :] = False
    inner[:, free.shape[1] - int(window[1].stop < shape[1]) :] = False
    return inner


def _from_maps(maps: np.ndarray, free: np.ndarray, at: tuple[int, int]) -> np.ndarray:
    """Find what the network sees there, however faintly; empty where it sees nothing."""
    foreground, distance = maps[..., 0], maps[..., 1]
    seen = float(foreground[at])
    if seen < _LEAST_FOREGROUND:
        return np.zeros_like(free)
    mask = shapes.piece_at((foreground > min(0.5, seen / 2)) & free, at)
    heights = np.where(mask, distance, 0)
    count, markers = shapes.pieces(h_maxima(heights, _SEPARATION) > 0)
    if count > 1:
        basins = watershed(-heights, markers, mask=mask)
        mask = basins == basins[at]
    return _tidied(mask, free, at)


def _from_image(
    image: np.ndarray, free: np.ndarray, inner: np.ndarray, at: tuple[int, int], largest: float
) -> np.ndarray:
    """Find the region with the sharpest, most convex outline, of all that hold the click."""
    likeness = _likeness(image, free, at)
    steepness = np.hypot(*np.gradient(likeness))
    best, best_score = np.zeros_like(free), 0.0
    for level in _LEVELS:
        mask = shapes.piece_at((likeness > level) & free, at)
        area = np.count_nonzero(mask)
        if not _SMALLEST <= area <= largest or (mask & ~inner).any():
            continue
        score = _sharpness(mask, steepness) * area**0.25
        if score > best_score:
            best, best_score = mask, score
    return _tidied(best, free, at)


def _likeness(image: np.ndarray, free: np.ndarray, at: tuple[int, int]) -> np.ndarray:
    """How much each pixel is like the click (1) and not the background (0), float32.

    Pixels are projected on the line from the background's colour to the click's, so that
    bright on dark, dark on bright and stains are one case. All 0 where the click does not
    differ from the background.
    """
    smoothed = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.0)
    smoothed = smoothed.reshape(*free.shape, -1)[..., :3]
    near = (slice(max(0, at[0] - 1), at[0] + 2), slice(max(0, at[1] - 1), at[1] + 2))
    click = smoothed[near].mean(axis=(0, 1))
    colours = smoothed[free]
    unlike = np.linalg.norm(colours - click, axis=1)
    background = np.median(colours[unlike >= np.median(unlike)], axis=0)
    towards = (click - background) / max(float(np.sum((click - background) ** 2)), 1e-12)
    position = (colours - background) @ towards
    spread = np.median(np.abs(position[position < 0.5])) * 1.4826
    if spread * _LEAST_CONTRAST > 1:
        return np.zeros(free.shape, np.float32)
    return np.asarray((smoothed - background) @ towards, np.float32)


def _sharpness(mask: np.ndarray, steepness: np.ndarray) -> float:
    """Mean steepness along the outline, times the square of the solidity."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(found, key=len)
    hull = cv2.contourArea(cv2.convexHull(outline))
    solidity = cv2.contourArea(outline) / max(hull, 1.0)
    return float(steepness[outline[:, 0, 1], outline[:, 0, 0]].mean() * solidity**2)


def _tidied(mask: np.ndarray, free: np.ndarray, at: tuple[int, int]) -> np.ndarray:
    """Without thin arms, e.g. along the rim of neighbours, and without holes."""
    width = max(1, round(0.4 * float(shapes.depth(mask).max())))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    # The crop's edge may be the image's: nuclei that end there are not rounded.
    opened = cv2.morphologyEx(
        np.pad(mask, width, mode="edge").astype(np.uint8), cv2.MORPH_OPEN, disc
    )
    opened = shapes.piece_at(opened[width:-width, width:-width] > 0, at)
    kept = opened if opened.any() else mask
    return np.asarray(ndimage.binary_fill_holes(kept)) & free
