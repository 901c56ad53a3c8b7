"""How large nuclei are: estimated from maps, or measured in labels."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.numbering import number

_ENOUGH = 3  # nuclei: fewer say nothing of the others
_MAX_EDGE = 2048  # px: of a larger image, the centre is measured
_MIN_CORE = 5  # px²
_CORE = 0.4
"""A core is where the distance is above this: cores of touching nuclei are apart."""
_CORE_SHARE = 0.72
"""Diameter of a core over that of its nucleus; median of the validation images."""


def diameter_from_maps(maps: np.ndarray, config: DecodeConfig, enough: int = _ENOUGH) -> float:
    """Estimate the diameter of the nuclei that cover most of an image.

    Half of the foreground belongs to nuclei at least as large as the one that is measured:
    so neither specks nor a few giants count for much. What is measured are the cores of the
    nuclei, which takes a tenth of the time that parting the nuclei themselves would take.

    Parameters
    ----------
    maps : (H, W, 3) uint8
        Foreground, distance and border, 255 for 1.
    config : DecodeConfig
        `foreground` and `border` are used.
    enough : int
        Where there are fewer nuclei, nothing is estimated.

    Returns
    -------
    float
        In px: of a disc with that nucleus' area. 0 where there are too few.
    """
    maps = maps[_centre(maps.shape[0]), _centre(maps.shape[1])]
    # uint8 is compared with a whole number several times faster than with a float.
    foreground, distance, border = cv2.split(maps)
    cores = foreground > math.floor(config.foreground * 255)
    cores &= distance > math.floor(_CORE * 255)
    cores &= border < math.ceil(config.border * 255)
    stats = cv2.connectedComponentsWithStats(cores.view(np.uint8), connectivity=4)[2]
    areas = np.sort(stats[1:, cv2.CC_STAT_AREA])
    areas = areas[areas >= _MIN_CORE]
    if len(areas) < enough:
        return 0.0
    covered = np.cumsum(areas)
    middle = areas[np.searchsorted(covered, covered[-1] / 2)]
    return float(2 * np.sqrt(middle / np.pi) / _CORE_SHARE)


def _centre(length: int) -> slice:
    start = max(0, length - _MAX_EDGE) // 2
    return slice(start, start + _MAX_EDGE)


def median_diameter(labels: np.ndarray, ids: Collection[int] = ()) -> float | None:
    """Measure the diameter of the disc with the median nucleus' area.

    Parameters
    ----------
    labels : (H, W) int
        Nucleus ids, 0 is background.
    ids : collection of int
        Only these count, unless none of them is there.

    Returns
    -------
    float, or None where there is no nucleus
        In px.
    """
    present, areas, _ = number(labels)
    chosen = areas[np.isin(present, list(ids))]
    areas = chosen if len(chosen) else areas
    return float(2 * np.sqrt(np.median(areas) / np.pi)) if len(areas) else None
